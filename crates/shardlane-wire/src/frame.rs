//! The frame (v5: envelope) header, section 2, and writing a frame in place.

use std::fmt;

use crate::wire_error::EncodeError;

/// Length of a frame header in bytes, v3 and later.
pub const HEADER_LEN: usize = 9;

/// The greatest body length that the protocol allows: 256 MiB (section 2.5).
pub const MAX_BODY_LEN: usize = 256 * 1024 * 1024;

/// Bit of the version byte that marks a response.
const RESPONSE_BIT: u8 = 0x80;

/// A version of the native protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// Version 3.
    V3 = 3,
    /// Version 4.
    V4 = 4,
    /// Version 5, whose frames are called envelopes and travel in [segments](crate::segment).
    V5 = 5,
}

impl Version {
    /// The version with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            3 => Some(Self::V3),
            4 => Some(Self::V4),
            5 => Some(Self::V5),
            _ => None,
        }
    }

    /// The number as in the low seven bits of the version byte.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.number())
    }
}

/// Who speaks: the direction that a frame travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From client to server.
    Request,
    /// From server to client.
    Response,
}

/// The kind of a message (section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum Opcode {
    Error = 0x00,
    Startup = 0x01,
    Ready = 0x02,
    Authenticate = 0x03,
    Options = 0x05,
    Supported = 0x06,
    Query = 0x07,
    Result = 0x08,
    Prepare = 0x09,
    Execute = 0x0A,
    Register = 0x0B,
    Event = 0x0C,
    Batch = 0x0D,
    AuthChallenge = 0x0E,
    AuthResponse = 0x0F,
    AuthSuccess = 0x10,
}

impl Opcode {
    /// Every opcode.
    pub const ALL: [Self; 16] = [
        Self::Error,
        Self::Startup,
        Self::Ready,
        Self::Authenticate,
        Self::Options,
        Self::Supported,
        Self::Query,
        Self::Result,
        Self::Prepare,
        Self::Execute,
        Self::Register,
        Self::Event,
        Self::Batch,
        Self::AuthChallenge,
        Self::AuthResponse,
        Self::AuthSuccess,
    ];

    /// The opcode with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x00 => Self::Error,
            0x01 => Self::Startup,
            0x02 => Self::Ready,
            0x03 => Self::Authenticate,
            0x05 => Self::Options,
            0x06 => Self::Supported,
            0x07 => Self::Query,
            0x08 => Self::Result,
            0x09 => Self::Prepare,
            0x0A => Self::Execute,
            0x0B => Self::Register,
            0x0C => Self::Event,
            0x0D => Self::Batch,
            0x0E => Self::AuthChallenge,
            0x0F => Self::AuthResponse,
            0x10 => Self::AuthSuccess,
            _ => return None,
        })
    }

    /// The code on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The direction that messages of this kind travel in.
    pub const fn direction(self) -> Direction {
        match self {
            Self::Startup
            | Self::Options
            | Self::Query
            | Self::Prepare
            | Self::Execute
            | Self::Register
            | Self::Batch
            | Self::AuthResponse => Direction::Request,
            Self::Error
            | Self::Ready
            | Self::Authenticate
            | Self::Supported
            | Self::Result
            | Self::Event
            | Self::AuthChallenge
            | Self::AuthSuccess => Direction::Response,
        }
    }

    /// The name as the specification spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Startup => "STARTUP",
            Self::Ready => "READY",
            Self::Authenticate => "AUTHENTICATE",
            Self::Options => "OPTIONS",
            Self::Supported => "SUPPORTED",
            Self::Query => "QUERY",
            Self::Result => "RESULT",
            Self::Prepare => "PREPARE",
            Self::Execute => "EXECUTE",
            Self::Register => "REGISTER",
            Self::Event => "EVENT",
            Self::Batch => "BATCH",
            Self::AuthChallenge => "AUTH_CHALLENGE",
            Self::AuthResponse => "AUTH_RESPONSE",
            Self::AuthSuccess => "AUTH_SUCCESS",
        }
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The bits of the flags byte of a header (section 2.2).
#[derive(Debug, Clone, Copy)]
pub struct Flags;

impl Flags {
    /// The body is compressed.
    pub const COMPRESSION: u8 = 0x01;
    /// Request: trace it, please. Response: a tracing id comes first.
    pub const TRACING: u8 = 0x02;
    /// A custom payload precedes the body (v4 and later).
    pub const CUSTOM_PAYLOAD: u8 = 0x04;
    /// Warnings precede the body of a response (v4 and later).
    pub const WARNING: u8 = 0x08;
    /// The sender knows that the version is a beta (v5 while it was one).
    pub const BETA: u8 = 0x10;
}

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    /// Protocol version of the frame.
    pub version: Version,
    /// Whether the direction bit says "response".
    pub is_response: bool,
    /// Bits of [`Flags`].
    pub flags: u8,
    /// Stream id: a response carries its request's; an event carries -1.
    pub stream: i16,
    /// The kind of message in the body.
    pub opcode: Opcode,
    /// Length of the body in bytes.
    pub length: u32,
}

/// Why nine bytes are no frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// The version is none of [`Version`]. The stream id is kept so that a server can answer.
    Version {
        /// The version number seen, without the direction bit.
        seen: u8,
        /// The stream id of the frame, if the version lays it out as v3 and later do.
        stream: i16,
    },
    /// The opcode is none of [`Opcode`].
    Opcode {
        /// The opcode seen.
        seen: u8,
        /// The stream id of the frame.
        stream: i16,
    },
}

impl FrameHeader {
    /// A request header with no flags and no length yet.
    pub const fn request(version: Version, stream: i16, opcode: Opcode) -> Self {
        Self {
            version,
            is_response: false,
            flags: 0,
            stream,
            opcode,
            length: 0,
        }
    }

    /// A response header with no flags and no length yet.
    pub const fn response(version: Version, stream: i16, opcode: Opcode) -> Self {
        Self {
            version,
            is_response: true,
            flags: 0,
            stream,
            opcode,
            length: 0,
        }
    }

    /// The direction that the direction bit tells.
    pub const fn direction(&self) -> Direction {
        if self.is_response {
            Direction::Response
        } else {
            Direction::Request
        }
    }

    /// Whether all the given [`Flags`] bits are set.
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// The nine bytes of the header.
    pub const fn encode(&self) -> [u8; HEADER_LEN] {
        let stream = self.stream.to_be_bytes();
        let length = self.length.to_be_bytes();
        let direction = if self.is_response { RESPONSE_BIT } else { 0 };
        [
            self.version.number() | direction,
            self.flags,
            stream[0],
            stream[1],
            self.opcode.code(),
            length[0],
            length[1],
            length[2],
            length[3],
        ]
    }

    /// Reads a header. The length is not judged here: [`crate::FrameParser`] has the limit.
    pub const fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, HeaderError> {
        let [version, flags, s0, s1, opcode, l0, l1, l2, l3] = *bytes;
        let stream = i16::from_be_bytes([s0, s1]);
        let seen = version & !RESPONSE_BIT;
        let Some(known_version) = Version::from_number(seen) else {
            return Err(HeaderError::Version { seen, stream });
        };
        let Some(known_opcode) = Opcode::from_code(opcode) else {
            return Err(HeaderError::Opcode {
                seen: opcode,
                stream,
            });
        };
        Ok(Self {
            version: known_version,
            is_response: version & RESPONSE_BIT != 0,
            flags,
            stream,
            opcode: known_opcode,
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        })
    }
}

/// The place of a frame being written, from [`begin_frame`] to [`end_frame`].
#[derive(Debug)]
#[must_use = "the frame has no length until `end_frame`"]
pub struct FrameMark {
    start: usize,
}

impl FrameMark {
    /// Where the header starts in the output.
    pub const fn header_start(&self) -> usize {
        self.start
    }

    /// Where the body starts in the output.
    pub const fn body_start(&self) -> usize {
        self.start + HEADER_LEN
    }
}

/// Writes a header whose length is not known yet; the body is to be appended after it.
pub fn begin_frame(out: &mut Vec<u8>, header: FrameHeader) -> FrameMark {
    let start = out.len();
    out.extend_from_slice(&header.encode());
    FrameMark { start }
}

/// Patches the length of a frame whose body ends where `out` ends.
///
/// A body longer than the protocol allows is an error, and the frame is removed from `out`.
#[allow(
    clippy::needless_pass_by_value,
    reason = "a mark is good for one frame"
)]
pub fn end_frame(out: &mut Vec<u8>, mark: FrameMark) -> Result<(), EncodeError> {
    let len = out.len() - mark.body_start();
    match u32::try_from(len) {
        Ok(length) if len <= MAX_BODY_LEN => {
            out[mark.start + 5..mark.start + HEADER_LEN].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        _ => {
            out.truncate(mark.start);
            Err(EncodeError::TooLong {
                writing: "frame body",
                len,
                max: MAX_BODY_LEN,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trips() {
        for version in [Version::V3, Version::V4, Version::V5] {
            for opcode in Opcode::ALL {
                let header = FrameHeader {
                    version,
                    is_response: opcode.direction() == Direction::Response,
                    flags: Flags::TRACING | Flags::WARNING,
                    stream: -1,
                    opcode,
                    length: 0x0102_0304,
                };
                assert_eq!(FrameHeader::decode(&header.encode()), Ok(header));
            }
        }
    }

    #[test]
    fn header_layout_is_the_specification_s() {
        let header = FrameHeader {
            version: Version::V4,
            is_response: true,
            flags: 0x02,
            stream: 0x0102,
            opcode: Opcode::Result,
            length: 0x0A0B_0C0D,
        };
        assert_eq!(header.encode(), [0x84, 2, 1, 2, 8, 0x0A, 0x0B, 0x0C, 0x0D]);
    }

    #[test]
    fn unknown_version_and_opcode_are_named() {
        assert_eq!(
            FrameHeader::decode(&[0x42, 0, 0, 7, 5, 0, 0, 0, 0]),
            Err(HeaderError::Version {
                seen: 0x42,
                stream: 7
            })
        );
        assert_eq!(
            FrameHeader::decode(&[0x04, 0, 0, 7, 0x04, 0, 0, 0, 0]),
            Err(HeaderError::Opcode { seen: 4, stream: 7 })
        );
    }

    #[test]
    fn frame_written_in_place_gets_its_length() {
        let mut out = vec![0xEE];
        let mark = begin_frame(
            &mut out,
            FrameHeader::request(Version::V4, 3, Opcode::Query),
        );
        out.extend_from_slice(b"12345");
        end_frame(&mut out, mark).expect("short");
        assert_eq!(
            out,
            [&[0xEE, 4, 0, 0, 3, 7, 0, 0, 0, 5][..], b"12345"].concat()
        );
    }
}
