//! What may surround the body of any request: the tracing flag and a custom payload.

use crate::dialect::Dialect;
use crate::frame::{Flags, FrameHeader, Version};
use crate::primitive::{BytesMap, Reader, write_bytes_map};
use crate::wire_error::{EncodeError, WireError};

/// The parts of a request frame besides its message (section 2.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestEnvelope<'a> {
    /// Asks the server to trace the request.
    pub tracing: bool,
    /// Custom payload, v4 and later; empty for none.
    pub custom_payload: BytesMap<'a>,
    /// The body of the message.
    pub body: &'a [u8],
}

impl<'a> RequestEnvelope<'a> {
    /// Splits a frame's decompressed body by the flags of its header.
    pub fn decode(header: &FrameHeader, body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let custom_payload = if header.has(Flags::CUSTOM_PAYLOAD) && header.version >= Version::V4 {
            reader.bytes_map("custom payload")?
        } else {
            Vec::new()
        };
        Ok(Self {
            tracing: header.has(Flags::TRACING),
            custom_payload,
            body: reader.take_rest(),
        })
    }

    /// The header flags that announce these parts.
    pub const fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.tracing {
            flags |= Flags::TRACING;
        }
        if !self.custom_payload.is_empty() {
            flags |= Flags::CUSTOM_PAYLOAD;
        }
        flags
    }

    /// Appends what precedes the body.
    pub fn encode_prefix(
        &self,
        dialect: impl Into<Dialect>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if self.custom_payload.is_empty() {
            return Ok(());
        }
        if dialect.into().version < Version::V4 {
            return Err(EncodeError::NotInThisVersion {
                writing: "custom payload",
            });
        }
        write_bytes_map(out, &self.custom_payload, "custom payload")
    }
}
