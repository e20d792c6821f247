//! STARTUP (section 4.1.1).

use std::borrow::Cow;

use crate::dialect::Dialect;
use crate::primitive::{Reader, write_string_map};
use crate::wire_error::{EncodeError, WireError};

/// STARTUP: the options of the connection, in the order sent.
///
/// [`crate::StartupOptions`] gives them a meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Startup<'a> {
    /// Keys and values; keys are upper case on the wire by convention.
    pub options: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Startup<'a> {
    /// The value of an option; the last one if a client sent the key twice.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_ref())
    }

    /// Appends the body.
    pub fn encode(&self, _: impl Into<Dialect>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write_string_map(out, &self.options, "STARTUP options")
    }

    /// Reads a body.
    pub fn decode(_: impl Into<Dialect>, body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let options = reader.string_map("STARTUP options")?;
        reader.finish("STARTUP")?;
        let options = options
            .into_iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        Ok(Self { options })
    }
}
