//! A push parser for either framing: takes any split of the byte stream.

use std::ops::Range;

use super::checksum::crc32;
use super::header::{Format, SegmentHeader, TRAILER_LEN};
use super::{SegmentError, StreamError};
use crate::frame::{Direction, Version};
use crate::parser::{Frame, FrameParser};

/// Cuts a byte stream into envelopes: bare ones at first, those in segments from
/// [`Self::begin_segments`] on.
///
/// A segment that lies whole in one read is not copied, nor are the envelopes in it, unless they
/// are compressed. What straddles reads is gathered, never more than one segment and one envelope.
#[derive(Debug)]
pub struct StreamParser {
    frames: FrameParser,
    segments: Option<Box<Segments>>,
    failed: Option<SegmentError>,
}

#[derive(Debug)]
struct Segments {
    format: Format,
    /// Bytes of a segment that has not arrived completely.
    partial: Vec<u8>,
    /// The payload of `current`, if that does not lie in the input.
    payload: Vec<u8>,
    current: Option<Current>,
}

/// The segment whose payload is being read.
#[derive(Debug)]
struct Current {
    place: Place,
    is_self_contained: bool,
}

#[derive(Debug)]
enum Place {
    /// At the front of the input, so many bytes; its trailer follows.
    Input(usize),
    /// In [`Segments::payload`].
    Payload(Range<usize>),
}

impl StreamParser {
    /// A parser for envelopes that travel in `direction`, with bodies of at most `max_body_len`
    /// bytes. It accepts every version until [`Self::set_versions`].
    pub const fn new(direction: Direction, max_body_len: usize) -> Self {
        let mut frames = FrameParser::with_max_body_len(direction, max_body_len);
        frames.set_versions(Version::V3, Version::V5);
        Self {
            frames,
            segments: None,
            failed: None,
        }
    }

    /// Accepts only versions from `min` to `max` from now on.
    pub const fn set_versions(&mut self, min: Version, max: Version) {
        self.frames.set_versions(min, max);
    }

    /// What follows comes in segments; `compressed`: in the format for LZ4.
    ///
    /// Call it between two envelopes: after the answer to STARTUP.
    pub fn begin_segments(&mut self, compressed: bool) {
        self.segments = Some(Box::new(Segments {
            format: if compressed {
                Format::Lz4
            } else {
                Format::Plain
            },
            partial: Vec::new(),
            payload: Vec::new(),
            current: None,
        }));
    }

    /// Whether the stream may end here without cutting an envelope or a segment in two.
    pub fn is_between_frames(&self) -> bool {
        let in_segment = |s: &Segments| !s.partial.is_empty() || s.current.is_some();
        self.frames.is_between_frames() && !self.segments.as_deref().is_some_and(in_segment)
    }

    /// Takes the body of the frame that [`Self::push`] returned last, if it had been gathered.
    pub fn take_gathered(&mut self) -> Option<Vec<u8>> {
        self.frames.take_gathered()
    }

    /// Takes bytes from the front of `input` and returns the next whole envelope, if there is one.
    ///
    /// `None` means that all of `input` was taken and more is needed. Until then, call it again with
    /// what it has left of `input`, which may have been moved elsewhere meanwhile. After an error
    /// every call returns that error.
    #[inline]
    pub fn push<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'s>>, StreamError> {
        if self.segments.is_none() {
            return Ok(self.frames.push(input)?);
        }
        self.push_segmented(input)
    }

    fn push_segmented<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'s>>, StreamError> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        match self.advance(input) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) => {
                if let StreamError::Segment(error) = error {
                    self.failed = Some(error);
                }
                return Err(error);
            }
        }
        // A whole envelope is known to lie in the current segment.
        let Some(Segments {
            payload, current, ..
        }) = self.segments.as_deref_mut()
        else {
            return Ok(None);
        };
        let Some(Current {
            place,
            is_self_contained,
        }) = current
        else {
            return Ok(None);
        };
        let is_self_contained = *is_self_contained;
        let (frame, left) = match place {
            Place::Input(len) => {
                let (mut front, _) = input.split_at(*len);
                let frame = self.frames.push(&mut front)?;
                *input = &input[*len - front.len()..];
                *len = front.len();
                (frame, front.len())
            }
            Place::Payload(range) => {
                let mut rest = &payload[range.clone()];
                let frame = self.frames.push(&mut rest)?;
                range.start = range.end - rest.len();
                (frame, rest.len())
            }
        };
        if left > 0 && !is_self_contained {
            self.failed = Some(SegmentError::TrailingBytes);
            return Err(SegmentError::TrailingBytes.into());
        }
        Ok(frame)
    }

    /// Goes on to where a whole envelope is at hand; false if more input is needed.
    fn advance(&mut self, input: &mut &[u8]) -> Result<bool, StreamError> {
        let Some(segments) = self.segments.as_deref_mut() else {
            return Ok(false);
        };
        loop {
            let Some(current) = &segments.current else {
                if !segments.begin(input, self.frames.is_between_frames())? {
                    return Ok(false);
                }
                continue;
            };
            let rest = match &current.place {
                Place::Input(len) => &input[..*len],
                Place::Payload(range) => &segments.payload[range.clone()],
            };
            if !rest.is_empty() && self.frames.completes(rest) {
                return Ok(true);
            }
            // The segment ends here, or ends within an envelope: that goes on in the next one.
            let mut absorbed = rest;
            self.frames.push(&mut absorbed)?;
            if current.is_self_contained && !self.frames.is_between_frames() {
                return Err(SegmentError::CutEnvelope.into());
            }
            if let Place::Input(len) = current.place {
                *input = &input[len + TRAILER_LEN..];
            }
            segments.current = None;
        }
    }
}

impl Segments {
    /// Takes the next segment from the input; false if it has not arrived completely.
    fn begin(&mut self, input: &mut &[u8], between: bool) -> Result<bool, SegmentError> {
        let header_len = self.format.header_len();
        if self.partial.is_empty() && input.len() >= header_len {
            let header = self.judge(input, between)?;
            let total = header_len + header.payload_len + TRAILER_LEN;
            if let Some((segment, rest)) = input.split_at_checked(total) {
                let payload = verified(segment, header_len)?;
                let place = if header.unpacked_len == 0 {
                    *input = &input[header_len..];
                    Place::Input(header.payload_len)
                } else {
                    unpack(payload, header.unpacked_len, &mut self.payload)?;
                    *input = rest;
                    Place::Payload(0..header.unpacked_len)
                };
                self.current = Some(Current {
                    place,
                    is_self_contained: header.is_self_contained,
                });
                return Ok(true);
            }
        }
        self.gather(input, between)
    }

    fn gather(&mut self, input: &mut &[u8], between: bool) -> Result<bool, SegmentError> {
        let header_len = self.format.header_len();
        if !self.gather_up_to(header_len, input) {
            return Ok(false);
        }
        let header = self.judge(&self.partial, between)?;
        if !self.gather_up_to(header_len + header.payload_len + TRAILER_LEN, input) {
            return Ok(false);
        }
        let payload = verified(&self.partial, header_len)?;
        let range = if header.unpacked_len == 0 {
            std::mem::swap(&mut self.partial, &mut self.payload);
            header_len..header_len + header.payload_len
        } else {
            unpack(payload, header.unpacked_len, &mut self.payload)?;
            0..header.unpacked_len
        };
        self.partial.clear();
        self.current = Some(Current {
            place: Place::Payload(range),
            is_self_contained: header.is_self_contained,
        });
        Ok(true)
    }

    /// Appends input to `partial` until that is `wanted` bytes long; false if it is not yet.
    fn gather_up_to(&mut self, wanted: usize, input: &mut &[u8]) -> bool {
        let missing = wanted.saturating_sub(self.partial.len());
        let (head, rest) = input.split_at(missing.min(input.len()));
        self.partial.extend_from_slice(head);
        *input = rest;
        head.len() == missing
    }

    fn judge(&self, bytes: &[u8], between: bool) -> Result<SegmentHeader, SegmentError> {
        let header = SegmentHeader::read(self.format, bytes)?;
        if header.is_self_contained && !between {
            return Err(SegmentError::CutEnvelope);
        }
        Ok(header)
    }
}

/// The payload of a whole segment, if its checksum fits.
fn verified(segment: &[u8], header_len: usize) -> Result<&[u8], SegmentError> {
    let (rest, trailer) = segment.split_at(segment.len() - TRAILER_LEN);
    let payload = &rest[header_len..];
    if crc32(payload).to_le_bytes() == *trailer {
        Ok(payload)
    } else {
        Err(SegmentError::PayloadChecksum)
    }
}

fn unpack(block: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), SegmentError> {
    out.resize(len, 0);
    match lz4_flex::block::decompress_into(block, out) {
        Ok(written) if written == len => Ok(()),
        _ => Err(SegmentError::Corrupt),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_PAYLOAD_LEN, SegmentWriter};
    use super::*;
    use crate::frame::{FrameHeader, HEADER_LEN, Opcode};

    fn header(stream: i16, len: usize) -> [u8; HEADER_LEN] {
        let mut header = FrameHeader::response(Version::V5, stream, Opcode::Result);
        header.length = len as u32;
        header.encode()
    }

    fn written(compressed: bool, bodies: &[&[u8]]) -> Vec<u8> {
        let (mut writer, mut out) = (SegmentWriter::new(compressed), Vec::new());
        for (stream, body) in bodies.iter().enumerate() {
            writer.push(&header(stream as i16, body.len()), body, &mut out);
        }
        writer.seal(&mut out);
        out
    }

    fn parser(compressed: bool) -> StreamParser {
        let mut parser = StreamParser::new(Direction::Response, 16 << 20);
        parser.begin_segments(compressed);
        parser
    }

    fn cut(
        parser: &mut StreamParser,
        bytes: &[u8],
        pieces: &[usize],
    ) -> Result<Vec<Vec<u8>>, StreamError> {
        let (mut frames, mut rest) = (Vec::new(), bytes);
        for len in pieces.iter().copied().chain([bytes.len()]) {
            let (mut input, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            while let Some(frame) = parser.push(&mut input)? {
                assert_eq!(frame.header.stream as usize, frames.len());
                frames.push(frame.body.to_vec());
            }
            assert!(input.is_empty(), "all is taken");
        }
        Ok(frames)
    }

    #[test]
    fn every_split_in_three_gives_the_same_envelopes() {
        for compressed in [false, true] {
            let (one, other) = ([&b"abc"[..], b""], [&b""[..], b"", &[7; 30]]);
            let bytes = [written(compressed, &one), written(compressed, &other)].concat();
            for first in 0..=bytes.len() {
                for second in 0..=bytes.len() - first {
                    let mut parser = parser(compressed);
                    let (mut seen, mut rest) = (Vec::new(), &bytes[..]);
                    for len in [first, second, bytes.len()] {
                        let (mut input, after) = rest.split_at(len.min(rest.len()));
                        rest = after;
                        while let Some(frame) = parser.push(&mut input).unwrap() {
                            seen.push(frame.body.to_vec());
                        }
                    }
                    assert_eq!(seen, [&b"abc"[..], b"", b"", b"", &[7; 30]]);
                    assert!(parser.is_between_frames());
                }
            }
        }
    }

    #[test]
    fn small_envelopes_share_a_segment_and_are_not_copied() {
        let bytes = written(false, &[b"abc", b"def"]);
        assert_eq!(bytes.len(), 6 + 2 * (HEADER_LEN + 3) + TRAILER_LEN);
        let (mut parser, mut input) = (parser(false), &bytes[..]);
        let first = parser.push(&mut input).unwrap().unwrap().body.as_ptr();
        assert_eq!(first, bytes[6 + HEADER_LEN..].as_ptr());
        assert!(!parser.is_between_frames());
        assert_eq!(parser.push(&mut input).unwrap().unwrap().body, b"def");
        assert_eq!(parser.push(&mut input), Ok(None));
        assert!(input.is_empty() && parser.is_between_frames());
    }

    #[test]
    fn long_envelopes_are_split_and_put_together() {
        let noise: Vec<u8> = (0..400_000_u32)
            .map(|n| n.wrapping_mul(0x9E37_79B9))
            .map(|n| ((n ^ (n >> 15)).wrapping_mul(0x85EB_CA6B) >> 24) as u8)
            .collect();
        for compressed in [false, true] {
            for len in [
                MAX_PAYLOAD_LEN - HEADER_LEN,
                MAX_PAYLOAD_LEN - HEADER_LEN + 1,
                2 * MAX_PAYLOAD_LEN - HEADER_LEN,
                400_000,
            ] {
                for body in [&noise[..len], &vec![1; len]] {
                    let bodies = [b"before".to_vec(), body.to_vec(), b"after".to_vec()];
                    let borrowed: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
                    let bytes = written(compressed, &borrowed);
                    for pieces in [&[][..], &[1, 2, 3], &[100_000, 131_000, 5, 7], &[131_083]] {
                        let mut parser = parser(compressed);
                        assert_eq!(cut(&mut parser, &bytes, pieces).unwrap(), bodies);
                        assert!(parser.is_between_frames());
                    }
                }
            }
        }
        assert!(
            written(true, &[&[1; 100_000]]).len() < 2000,
            "it compresses"
        );
        let plain = written(false, &[&noise[..1000]]).len();
        assert_eq!(
            written(true, &[&noise[..1000]]).len(),
            plain + 2,
            "not worth it"
        );
    }

    #[test]
    fn every_flipped_bit_is_an_error_that_stays() {
        for compressed in [false, true] {
            let bytes = written(compressed, &[b"abc", &[5; 600]]);
            for bit in 0..bytes.len() * 8 {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let mut parser = parser(compressed);
                let error = cut(&mut parser, &bytes, &[]).unwrap_err();
                assert!(matches!(error, StreamError::Segment(_)), "{error}");
                assert_eq!(parser.push(&mut &bytes[..]), Err(error));
            }
        }
    }

    fn segment(payload: &[u8], is_self_contained: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let header = SegmentHeader {
            payload_len: payload.len(),
            unpacked_len: 0,
            is_self_contained,
        };
        header.write(Format::Plain, &mut out);
        out.extend_from_slice(payload);
        out.extend_from_slice(&crc32(payload).to_le_bytes());
        out
    }

    #[test]
    fn segments_hold_what_they_promise() {
        let envelope = [&header(0, 20)[..], &[1; 20]].concat();
        let (head, tail) = envelope.split_at(15);
        let refused = |segments: &[Vec<u8>]| {
            let bytes = segments.concat();
            let error = cut(&mut parser(false), &bytes, &[]).unwrap_err();
            for at in 1..bytes.len() {
                assert_eq!(cut(&mut parser(false), &bytes, &[at]), Err(error), "{at}");
            }
            error
        };
        let cut_envelope = StreamError::Segment(SegmentError::CutEnvelope);
        assert_eq!(refused(&[segment(head, true)]), cut_envelope);
        let between = [segment(head, false), segment(&envelope, true)];
        assert_eq!(refused(&between), cut_envelope);
        let trailing = [tail, &header(1, 0)].concat();
        assert_eq!(
            refused(&[segment(head, false), segment(&trailing, false)]),
            StreamError::Segment(SegmentError::TrailingBytes)
        );
        // However an envelope is split, even within its header, it is put together.
        for at in 0..envelope.len() {
            let (head, tail) = envelope.split_at(at);
            let bytes = [segment(head, false), segment(tail, false)].concat();
            assert_eq!(cut(&mut parser(false), &bytes, &[]).unwrap(), [[1; 20]]);
        }
        let empty = [segment(&[], true), segment(&envelope, true)].concat();
        assert_eq!(cut(&mut parser(false), &empty, &[]).unwrap(), [[1; 20]]);
    }

    #[test]
    fn bare_envelopes_come_first() {
        let mut bytes = [&header(0, 2)[..], b"ok"].concat();
        bytes.extend(written(false, &[b"", b"framed"]));
        let (mut parser, mut input) = (StreamParser::new(Direction::Response, 100), &bytes[..]);
        assert_eq!(parser.push(&mut input).unwrap().unwrap().body, b"ok");
        parser.begin_segments(false);
        assert_eq!(parser.push(&mut input).unwrap().unwrap().body, b"");
        assert_eq!(parser.push(&mut input).unwrap().unwrap().body, b"framed");
        assert_eq!(parser.push(&mut input), Ok(None));
    }
}
