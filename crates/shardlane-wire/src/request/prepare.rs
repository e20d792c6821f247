//! PREPARE (section 4.1.5).

use crate::dialect::Dialect;
use crate::primitive::{Reader, write_int, write_long_string, write_string};
use crate::wire_error::{EncodeError, WireError, WireErrorKind};

/// The only flag of PREPARE, v5: a keyspace follows.
const WITH_KEYSPACE: u32 = 0x01;

/// PREPARE: a statement to be parsed once and executed often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepare<'a> {
    /// The CQL text.
    pub text: &'a str,
    /// The keyspace for unqualified names (v5).
    pub keyspace: Option<&'a str>,
}

impl<'a> Prepare<'a> {
    /// Appends the body.
    pub fn encode(
        &self,
        dialect: impl Into<Dialect>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        write_long_string(out, self.text, "PREPARE text")?;
        match (dialect.into().has_wide_flags(), self.keyspace) {
            (false, None) => Ok(()),
            (false, Some(_)) => Err(EncodeError::NotInThisVersion {
                writing: "PREPARE keyspace",
            }),
            (true, None) => {
                write_int(out, 0);
                Ok(())
            }
            (true, Some(keyspace)) => {
                write_int(out, WITH_KEYSPACE as i32);
                write_string(out, keyspace, "PREPARE keyspace")
            }
        }
    }

    /// Reads a body.
    pub fn decode(dialect: impl Into<Dialect>, body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let text = reader.long_string("PREPARE text")?;
        let mut keyspace = None;
        if dialect.into().has_wide_flags() {
            let flags = reader.int("PREPARE flags")? as u32;
            if flags & !WITH_KEYSPACE != 0 {
                return Err(reader.error("PREPARE flags", WireErrorKind::UnknownFlags(flags)));
            }
            if flags & WITH_KEYSPACE != 0 {
                keyspace = Some(reader.string("PREPARE keyspace")?);
            }
        }
        reader.finish("PREPARE")?;
        Ok(Self { text, keyspace })
    }
}
