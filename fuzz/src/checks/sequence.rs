//! Sequences of operations on a parser, beside a naive one that keeps every byte.

use shardlane_wire::frame::HeaderError;
use shardlane_wire::{Direction, FrameError, FrameHeader, HEADER_LEN, Version};

use super::Depth;
use super::stream::{MAX_BODY_LEN, new_parser};

/// A parser so simple that it must be right: it looks at all bytes so far, every time.
struct Naive {
    direction: Direction,
    bytes: Vec<u8>,
    done: usize,
}

impl Naive {
    fn next(&mut self) -> Result<Option<(FrameHeader, Vec<u8>)>, FrameError> {
        let rest = &self.bytes[self.done..];
        let Some((head, rest)) = rest.split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let header = FrameHeader::decode(head).map_err(|error| match error {
            HeaderError::Version { seen, stream } => FrameError::Version { seen, stream },
            HeaderError::Opcode { seen, stream } => FrameError::Opcode { seen, stream },
        })?;
        let (stream, length) = (header.stream, header.length as usize);
        if header.version < Version::V3 || header.version > Version::V5 {
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
        if length > MAX_BODY_LEN {
            return Err(FrameError::TooLong {
                seen: header.length,
                max: MAX_BODY_LEN,
                stream,
            });
        }
        if rest.len() < length {
            return Ok(None);
        }
        let body = rest[..length].to_vec();
        self.done += HEADER_LEN + length;
        Ok(Some((header, body)))
    }
}

/// Feeds `data` to a parser as `operations` say, and to a naive one: both must tell the same.
///
/// The low six bits of an operation are how many bytes to feed; the high bits whether to take the
/// body of a frame that was gathered, or to push nothing first.
pub fn check_parser_sequence(operations: &[u8], data: &[u8]) -> Depth {
    let mut depth = Depth::default();
    let direction = match operations.first() {
        Some(first) if first & 1 != 0 => Direction::Request,
        _ => Direction::Response,
    };
    let mut naive = Naive {
        direction,
        bytes: Vec::new(),
        done: 0,
    };
    let mut parser = new_parser(direction);
    let mut rest = data;
    for operation in operations {
        let len = usize::from(operation & 0x3F);
        let (mut input, after) = rest.split_at(len.min(rest.len()));
        rest = after;
        if operation & 0x80 != 0 {
            let nothing = parser.push(&mut &[][..]);
            assert!(!matches!(nothing, Ok(Some(_))), "no frame from no bytes");
        }
        naive.bytes.extend_from_slice(input);
        loop {
            let expected = naive.next();
            let found = parser.push(&mut input);
            match (expected, found) {
                (Ok(Some((header, body))), Ok(Some(frame))) => {
                    assert_eq!((frame.header, frame.body), (header, &body[..]));
                    depth.frames += 1;
                    if operation & 0x40 != 0
                        && let Some(taken) = parser.take_gathered()
                    {
                        assert_eq!(taken, body);
                        assert_eq!(parser.take_gathered(), None);
                    }
                }
                (Ok(None), Ok(None)) => break,
                (Err(expected), Err(found)) => {
                    assert_eq!(found, expected);
                    let again = parser.push(&mut input);
                    assert_eq!(again, Err(expected), "the error stays");
                    return depth;
                }
                (expected, found) => panic!("{found:?} where {expected:?} was expected"),
            }
        }
        assert!(input.is_empty());
        assert_eq!(parser.is_between_frames(), naive.done == naive.bytes.len());
    }
    depth
}
