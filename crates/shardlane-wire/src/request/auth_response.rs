//! AUTH_RESPONSE (section 4.1.2).

use crate::dialect::Dialect;
use crate::primitive::{Reader, write_bytes_opt};
use crate::wire_error::{EncodeError, WireError};

/// AUTH_RESPONSE: one SASL token from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthResponse<'a> {
    /// The token; its layout belongs to the authenticator.
    pub token: Option<&'a [u8]>,
}

impl<'a> AuthResponse<'a> {
    /// Appends the body.
    pub fn encode(&self, _: impl Into<Dialect>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write_bytes_opt(out, self.token, "AUTH_RESPONSE token")
    }

    /// Reads a body.
    pub fn decode(_: impl Into<Dialect>, body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let token = reader.bytes("AUTH_RESPONSE token")?;
        reader.finish("AUTH_RESPONSE")?;
        Ok(Self { token })
    }
}
