//! QUERY (section 4.1.4).

use super::QueryParams;
use crate::dialect::Dialect;
use crate::primitive::{Reader, write_long_string};
use crate::wire_error::{EncodeError, WireError};

/// QUERY: a statement as text, with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// The CQL text.
    pub text: &'a str,
    /// Everything else.
    pub params: QueryParams<'a>,
}

impl<'a> Query<'a> {
    /// Appends the body.
    pub fn encode(
        &self,
        dialect: impl Into<Dialect>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        write_long_string(out, self.text, "QUERY text")?;
        self.params.encode(dialect, out)
    }

    /// Reads a body.
    pub fn decode(dialect: impl Into<Dialect>, body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let text = reader.long_string("QUERY text")?;
        let params = QueryParams::read(dialect.into(), &mut reader)?;
        reader.finish("QUERY")?;
        Ok(Self { text, params })
    }
}
