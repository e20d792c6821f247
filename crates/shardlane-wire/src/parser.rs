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
                return Ok(Some(Frame { header, body }));
            }
            *input = rest;
            self.begin_gathering(header, rest.len());
        }
        self.push_slow(input)
    }

    /// Takes the body of the frame that [`Self::push`] returned last, if it had been gathered:
    /// for a caller that needs the bytes for longer, this saves a copy of a large body.
    pub fn take_gathered(&mut self) -> Option<Vec<u8>> {
        if !self.handed_out {
            return None;
        }
        self.handed_out = false;
        Some(std::mem::take(&mut self.gathered))
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
                    return Ok(Some(Frame { header, body }));
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
