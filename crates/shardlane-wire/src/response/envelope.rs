//! What may surround the body of any response: tracing id, warnings, custom payload.

use crate::dialect::Dialect;
use crate::frame::{Flags, FrameHeader, Version};
use crate::primitive::{BytesMap, Reader, write_bytes_map, write_string_list, write_uuid};
use crate::wire_error::{EncodeError, WireError};

/// The parts of a response frame besides its message, in the order of the wire (section 2.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseEnvelope<'a> {
    /// The id of the trace of the request, if one was asked for.
    pub tracing_id: Option<[u8; 16]>,
    /// Warnings of the server, v4 and later; empty for none.
    pub warnings: Vec<&'a str>,
    /// Custom payload, v4 and later; empty for none. ScyllaDB sends tablets here.
    pub custom_payload: BytesMap<'a>,
    /// The body of the message.
    pub body: &'a [u8],
}

impl<'a> ResponseEnvelope<'a> {
    /// Splits a frame's decompressed body by the flags of its header. Without flags nothing is
    /// allocated.
    #[inline]
    pub fn decode(header: &FrameHeader, body: &'a [u8]) -> Result<Self, WireError> {
        let mut envelope = Self {
            body,
            ..Self::default()
        };
        if header.flags & (Flags::TRACING | Flags::WARNING | Flags::CUSTOM_PAYLOAD) != 0 {
            envelope.decode_prefix(header)?;
        }
        Ok(envelope)
    }

    #[cold]
    fn decode_prefix(&mut self, header: &FrameHeader) -> Result<(), WireError> {
        let mut reader = Reader::new(self.body);
        if header.has(Flags::TRACING) {
            self.tracing_id = Some(reader.uuid("tracing id")?);
        }
        if header.version >= Version::V4 {
            if header.has(Flags::WARNING) {
                self.warnings = reader.string_list("warnings")?;
            }
            if header.has(Flags::CUSTOM_PAYLOAD) {
                self.custom_payload = reader.bytes_map("custom payload")?;
            }
        }
        self.body = reader.take_rest();
        Ok(())
    }

    /// The header flags that announce these parts.
    pub const fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.tracing_id.is_some() {
            flags |= Flags::TRACING;
        }
        if !self.warnings.is_empty() {
            flags |= Flags::WARNING;
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
        let v3 = dialect.into().version < Version::V4;
        if let Some(id) = &self.tracing_id {
            write_uuid(out, id);
        }
        if !self.warnings.is_empty() {
            if v3 {
                return Err(EncodeError::NotInThisVersion {
                    writing: "warnings",
                });
            }
            write_string_list(out, &self.warnings, "warnings")?;
        }
        if !self.custom_payload.is_empty() {
            if v3 {
                return Err(EncodeError::NotInThisVersion {
                    writing: "custom payload",
                });
            }
            write_bytes_map(out, &self.custom_payload, "custom payload")?;
        }
        Ok(())
    }
}
