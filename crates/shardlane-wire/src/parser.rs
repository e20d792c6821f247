//! A push parser for frames: takes any split of the byte stream.
//!
//! Whole frames inside one read are handed out as slices of that read. Only a frame that straddles
//! reads is gathered in a buffer, which grows with the bytes that really arrive: an announced length
//! alone never makes the parser reserve more than [`EAGER_RESERVE_MAX`].

use std::fmt;

use crate::frame::{
    Direction, FrameHeader, HEADER_LEN, HeaderError, MAX_BODY_LEN, Opcode, Version,
};

/// The most memory that is reserved on the word of a header alone, in bytes.
pub const EAGER_RESERVE_MAX: usize = 1024 * 1024;

/// A gather buffer greater than this is given back after its frame, in bytes.
const KEEP_CAPACITY_MAX: usize = 1024 * 1024;

/// One whole frame, borrowed from the input or from the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header.
    pub header: FrameHeader,
    /// The body as sent: compressed and with the envelope's extras, if the flags say so.
    pub body: &'a [u8],
    /// Whether the body was gathered from several reads: [`FrameParser::take_gathered`] gives it away.
    pub is_gathered: bool,
}

/// Why the stream cannot be read on. The connection is of no further use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A version that was not expected here.
    Version {
        /// The version number seen.
        seen: u8,
        /// The stream id, so that a server can still answer.
        stream: i16,
    },
    /// The direction bit says that the frame travels the other way.
    Direction {
        /// The direction seen.
        seen: Direction,
        /// The stream id.
        stream: i16,
    },
    /// No such opcode.
    Opcode {
        /// The opcode seen.
        seen: u8,
        /// The stream id.
        stream: i16,
    },
    /// An opcode that belongs to the other direction.
    OpcodeDirection {
        /// The opcode seen.
        seen: Opcode,
        /// The stream id.
        stream: i16,
    },
    /// A body longer than the limit.
    TooLong {
        /// The length announced, in bytes.
        seen: u32,
        /// The limit, in bytes.
        max: usize,
        /// The stream id.
        stream: i16,
    },
}

impl FrameError {
    /// The stream id of the frame that was refused, where an answer could be sent.
    pub const fn stream(&self) -> i16 {
        match *self {
            Self::Version { stream, .. }
            | Self::Direction { stream, .. }
            | Self::Opcode { stream, .. }
            | Self::OpcodeDirection { stream, .. }
            | Self::TooLong { stream, .. } => stream,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { seen, .. } => write!(f, "unexpected protocol version {seen}"),
            Self::Direction {
                seen: Direction::Request,
                ..
            } => f.write_str("a request frame where a response was expected"),
            Self::Direction {
                seen: Direction::Response,
                ..
            } => f.write_str("a response frame where a request was expected"),
            Self::Opcode { seen, .. } => write!(f, "unknown opcode {seen:#04x}"),
            Self::OpcodeDirection { seen, .. } => {
                write!(f, "opcode {seen} does not belong to this direction")
            }
            Self::TooLong { seen, max, .. } => {
                write!(f, "frame body of {seen} bytes, the limit is {max}")
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// Cuts a byte stream into frames; see the [module](self) documentation.
#[derive(Debug)]
pub struct FrameParser {
    direction: Direction,
    versions: (Version, Version),
    max_body_len: usize,
    /// The bytes of a header that has not arrived completely.
    partial: [u8; HEADER_LEN],
    partial_len: usize,
    /// The header of the frame being gathered.
    gathering: Option<FrameHeader>,
    gathered: Vec<u8>,
    /// Whether `gathered` holds the body of the frame handed out last.
    handed_out: bool,
    /// The error that ended the stream: it stays.
    failed: Option<FrameError>,
}

impl FrameParser {
    /// A parser for frames that travel in `direction`, v3 and v4, with bodies up to
    /// [`MAX_BODY_LEN`].
    pub const fn new(direction: Direction) -> Self {
        Self::with_max_body_len(direction, MAX_BODY_LEN)
    }

    /// As [`Self::new`], with a limit of one's own on the body length, in bytes.
    pub const fn with_max_body_len(direction: Direction, max_body_len: usize) -> Self {
        Self {
            direction,
            versions: (Version::V3, Version::V4),
            max_body_len,
            partial: [0; HEADER_LEN],
            partial_len: 0,
            gathering: None,
            gathered: Vec::new(),
            handed_out: false,
            failed: None,
        }
    }

    /// Accepts only versions from `min` to `max` from now on, for example after negotiation.
    pub const fn set_versions(&mut self, min: Version, max: Version) {
        self.versions = (min, max);
    }

    /// Whether the stream may end here without cutting a frame in two.
    pub const fn is_between_frames(&self) -> bool {
        self.partial_len == 0 && self.gathering.is_none()
    }

    /// Bytes of memory held for a frame that has not arrived completely.
    pub const fn buffered_capacity(&self) -> usize {
        self.gathered.capacity()
    }

    /// Takes bytes from the front of `input` and returns the next whole frame, if there is one.
    ///
    /// `None` means that all of `input` was taken and more is needed. Call it until then:
    ///
    /// ```
    /// # use shardlane_wire::{Direction, FrameParser};
    /// # let (mut parser, bytes) = (FrameParser::new(Direction::Request), [4u8, 0, 0, 1, 5, 0, 0, 0, 0]);
    /// let mut input = &bytes[..];
    /// while let Some(frame) = parser.push(&mut input)? {
    ///     println!("{} on stream {}", frame.header.opcode, frame.header.stream);
    /// }
    /// # Ok::<(), shardlane_wire::FrameError>(())
    /// ```
    ///
    /// After an error every call returns that error.
    #[inline]
    pub fn push<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'s>>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.handed_out {
            self.forget_handed_out();
        }
        // The hot case: nothing half-received, and the whole frame is in the input.
        if self.partial_len == 0
            && self.gathering.is_none()
            && let Some((head, rest)) = input.split_first_chunk::<HEADER_LEN>()
        {
            let header = self.judge(head)?;
            if let Some((body, rest)) = rest.split_at_checked(header.length as usize) {
                *input = rest;
                return Ok(Some(Frame {
                    header,
                    body,
                    is_gathered: false,
                }));
            }
            *input = rest;
            self.begin_gathering(header, rest.len());
        }
        self.push_slow(input)
    }

    /// Whether [`Self::push`] would return a frame, or an error, if given these bytes.
    pub(crate) fn completes(&self, bytes: &[u8]) -> bool {
        if let Some(header) = self.gathering {
            return bytes.len() >= header.length as usize - self.gathered.len();
        }
        let mut head = self.partial;
        let missing = HEADER_LEN - self.partial_len;
        let Some((rest_of_head, body)) = bytes.split_at_checked(missing) else {
            return false;
        };
        head[self.partial_len..].copy_from_slice(rest_of_head);
        // A header that is in error announces nothing: `push` is to say so at once.
        FrameHeader::decode(&head).map_or(true, |header| {
            body.len() >= header.length as usize || header.length as usize > self.max_body_len
        })
    }

    /// Takes the body of the frame that [`Self::push`] returned last, if it had been gathered:
    /// for a caller that needs the bytes for longer, this saves a copy of a large body.
    pub fn take_gathered(&mut self) -> Option<Vec<u8>> {
        if !self.handed_out {
            return None;
        }
        self.handed_out = false;
        let mut body = std::mem::take(&mut self.gathered);
        // The buffer may have been kept from a longer one.
        body.shrink_to_fit();
        Some(body)
    }

    fn push_slow<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'s>>, FrameError> {
        let header = match self.gathering {
            Some(header) => header,
            None => {
                let wanted = (HEADER_LEN - self.partial_len).min(input.len());
                let (head, rest) = input.split_at(wanted);
                self.partial[self.partial_len..self.partial_len + wanted].copy_from_slice(head);
                self.partial_len += wanted;
                *input = rest;
                if self.partial_len < HEADER_LEN {
                    return Ok(None);
                }
                let partial = self.partial;
                let header = self.judge(&partial)?;
                self.partial_len = 0;
                // The body may be in the input as a whole, even though the header was split.
                if let Some((body, rest)) = rest.split_at_checked(header.length as usize) {
                    *input = rest;
                    return Ok(Some(Frame {
                        header,
                        body,
                        is_gathered: false,
                    }));
                }
                self.begin_gathering(header, rest.len());
                header
            }
        };
        let missing = header.length as usize - self.gathered.len();
        let (head, rest) = input.split_at(missing.min(input.len()));
        self.gather(head, missing);
        *input = rest;
        if head.len() < missing {
            return Ok(None);
        }
        self.gathering = None;
        self.handed_out = true;
        Ok(Some(Frame {
            header,
            body: &self.gathered,
            is_gathered: true,
        }))
    }

    fn begin_gathering(&mut self, header: FrameHeader, arrived: usize) {
        debug_assert!(self.gathered.is_empty());
        let reserve = (header.length as usize).min(EAGER_RESERVE_MAX.max(arrived));
        self.gathered.reserve_exact(reserve);
        self.gathering = Some(header);
    }

    /// Appends with amortised doubling, but never reserves beyond the end of the frame.
    fn gather(&mut self, bytes: &[u8], missing: usize) {
        let spare = self.gathered.capacity() - self.gathered.len();
        if bytes.len() > spare {
            self.gathered
                .reserve_exact(missing.min(bytes.len().max(self.gathered.capacity())));
        }
        self.gathered.extend_from_slice(bytes);
    }

    fn forget_handed_out(&mut self) {
        self.handed_out = false;
        if self.gathered.capacity() > KEEP_CAPACITY_MAX {
            self.gathered = Vec::new();
        } else {
            self.gathered.clear();
        }
    }

    #[inline]
    fn judge(&mut self, bytes: &[u8; HEADER_LEN]) -> Result<FrameHeader, FrameError> {
        self.check(bytes)
            .inspect_err(|error| self.failed = Some(*error))
    }

    #[inline]
    fn check(&self, bytes: &[u8; HEADER_LEN]) -> Result<FrameHeader, FrameError> {
        let header = FrameHeader::decode(bytes).map_err(|error| match error {
            HeaderError::Version { seen, stream } => FrameError::Version { seen, stream },
            HeaderError::Opcode { seen, stream } => FrameError::Opcode { seen, stream },
        })?;
        let stream = header.stream;
        if header.version < self.versions.0 || header.version > self.versions.1 {
            return Err(FrameError::Version {
                seen: header.version.number(),
                stream,
            });
        }
        if header.direction() != self.direction {
            return Err(FrameError::Direction {
                seen: header.direction(),
                stream,
            });
        }
        if header.opcode.direction() != self.direction {
            return Err(FrameError::OpcodeDirection {
                seen: header.opcode,
                stream,
            });
        }
        if header.length as usize > self.max_body_len {
            let (seen, max) = (header.length, self.max_body_len);
            return Err(FrameError::TooLong { seen, max, stream });
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: i16, body: &[u8]) -> Vec<u8> {
        let mut header = FrameHeader::response(Version::V4, stream, Opcode::Result);
        header.length = body.len() as u32;
        [&header.encode()[..], body].concat()
    }

    fn parser() -> FrameParser {
        FrameParser::new(Direction::Response)
    }

    /// Feeds `bytes` in the given pieces and collects what comes out.
    fn cut(bytes: &[u8], pieces: &[usize]) -> Result<Vec<(i16, Vec<u8>)>, FrameError> {
        let (mut parser, mut frames, mut rest) = (parser(), Vec::new(), bytes);
        for len in pieces.iter().copied().chain([bytes.len()]) {
            let (mut input, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            while let Some(frame) = parser.push(&mut input)? {
                frames.push((frame.header.stream, frame.body.to_vec()));
            }
        }
        assert!(parser.is_between_frames());
        Ok(frames)
    }

    #[test]
    fn every_split_in_two_or_three_gives_the_same_frames() {
        let bytes = [frame(1, b"abc"), frame(2, b""), frame(3, &[7; 20])].concat();
        let whole = vec![(1, b"abc".to_vec()), (2, vec![]), (3, vec![7; 20])];
        for first in 0..=bytes.len() {
            for second in 0..=bytes.len() - first {
                assert_eq!(
                    cut(&bytes, &[first, second]),
                    Ok(whole.clone()),
                    "{first} {second}"
                );
            }
        }
    }

    #[test]
    fn whole_frames_are_not_copied() {
        let bytes = [frame(1, b"abc"), frame(2, b"def")].concat();
        let (mut parser, mut input) = (parser(), &bytes[..]);
        let first = parser.push(&mut input).unwrap().unwrap().body.as_ptr();
        assert_eq!(first, bytes[HEADER_LEN..].as_ptr());
        let second = parser.push(&mut input).unwrap().unwrap().body.as_ptr();
        assert_eq!(second, bytes[2 * HEADER_LEN + 3..].as_ptr());
        assert_eq!(parser.push(&mut input), Ok(None));
        assert_eq!(parser.take_gathered(), None);
        assert_eq!(parser.buffered_capacity(), 0);
    }

    #[test]
    fn a_gathered_body_can_be_taken_once() {
        let bytes = frame(9, b"0123456789");
        let mut parser = parser();
        let (mut head, mut tail) = bytes.split_at(12);
        assert_eq!(parser.push(&mut head), Ok(None));
        let whole = parser.push(&mut tail).unwrap().unwrap();
        assert!(whole.is_gathered);
        assert_eq!(whole.body, b"0123456789");
        assert_eq!(parser.take_gathered(), Some(b"0123456789".to_vec()));
        assert_eq!(parser.take_gathered(), None);
        assert_eq!(
            parser.push(&mut &bytes[..]).unwrap().unwrap().body,
            b"0123456789"
        );
    }

    #[test]
    fn a_taken_body_has_no_room_of_an_earlier_one() {
        let mut parser = parser();
        let long = frame(1, &[0; 1000]);
        let short = frame(2, b"0123456789");
        for bytes in [&long, &short] {
            let (mut head, mut tail) = bytes.split_at(12);
            assert_eq!(parser.push(&mut head), Ok(None));
            assert!(parser.push(&mut tail).unwrap().is_some());
        }
        assert!(parser.buffered_capacity() >= 1000, "kept");
        let body = parser.take_gathered().unwrap();
        assert_eq!((&body[..], body.capacity()), (&b"0123456789"[..], 10));
    }

    #[test]
    fn an_announced_length_reserves_little_and_memory_is_given_back() {
        let body = vec![1; 3 * EAGER_RESERVE_MAX];
        let bytes = frame(1, &body);
        let mut parser = parser();
        assert_eq!(parser.push(&mut &bytes[..HEADER_LEN + 1]), Ok(None));
        assert_eq!(parser.buffered_capacity(), EAGER_RESERVE_MAX);
        for mut piece in bytes[HEADER_LEN + 1..bytes.len() - 1].chunks(10_000) {
            assert_eq!(parser.push(&mut piece), Ok(None));
            assert!(
                parser.buffered_capacity() <= body.len(),
                "never more than the frame"
            );
        }
        assert_eq!(parser.push(&mut &[1][..]).unwrap().unwrap().body, body);
        assert_eq!(parser.push(&mut &[][..]), Ok(None));
        assert_eq!(parser.buffered_capacity(), 0);
    }

    #[test]
    fn each_error_names_what_was_seen_and_stays() {
        let refused = |bytes: [u8; 9]| {
            let mut parser = FrameParser::with_max_body_len(Direction::Response, 10);
            let error = parser.push(&mut &bytes[..]).unwrap_err();
            assert_eq!(
                parser.push(&mut &frame(1, b"")[..]),
                Err(error),
                "the error stays"
            );
            // One byte at a time it is the same error.
            let mut parser = FrameParser::with_max_body_len(Direction::Response, 10);
            for byte in &bytes[..8] {
                assert_eq!(parser.push(&mut std::slice::from_ref(byte)), Ok(None));
            }
            assert_eq!(parser.push(&mut &bytes[8..]), Err(error));
            assert_eq!(error.stream(), 7);
            error
        };
        let (seen, stream) = (0x42, 7);
        assert_eq!(
            refused([0xC2, 0, 0, 7, 8, 0, 0, 0, 0]),
            FrameError::Version { seen, stream }
        );
        let seen = 5;
        assert_eq!(
            refused([0x85, 0, 0, 7, 8, 0, 0, 0, 0]),
            FrameError::Version { seen, stream }
        );
        let seen = Direction::Request;
        assert_eq!(
            refused([0x04, 0, 0, 7, 7, 0, 0, 0, 0]),
            FrameError::Direction { seen, stream }
        );
        let seen = 0x11;
        assert_eq!(
            refused([0x84, 0, 0, 7, 0x11, 0, 0, 0, 0]),
            FrameError::Opcode { seen, stream }
        );
        let seen = Opcode::Query;
        assert_eq!(
            refused([0x84, 0, 0, 7, 7, 0, 0, 0, 0]),
            FrameError::OpcodeDirection { seen, stream }
        );
        let (seen, max) = (11, 10);
        assert_eq!(
            refused([0x84, 0, 0, 7, 8, 0, 0, 0, 11]),
            FrameError::TooLong { seen, max, stream }
        );
    }

    #[test]
    fn versions_can_be_narrowed_and_widened() {
        let v5 = [0x85, 0, 0, 0, 2, 0, 0, 0, 0];
        let mut parser = parser();
        parser.set_versions(Version::V5, Version::V5);
        let frame = parser.push(&mut &v5[..]).unwrap().unwrap();
        assert_eq!(frame.header.version, Version::V5);
        let v4 = [0x84, 0, 0, 0, 2, 0, 0, 0, 0];
        assert_eq!(
            parser.push(&mut &v4[..]),
            Err(FrameError::Version { seen: 4, stream: 0 })
        );
    }
}
