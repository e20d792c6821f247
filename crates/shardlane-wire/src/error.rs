//! ERROR (section 4.2.1 and 9): every code with its fields.

mod code;
mod detail;

pub use code::ErrorCode;
pub use detail::{ErrorDetail, Failures, RateLimitOp, WriteType};

use std::fmt;

use crate::dialect::Dialect;
use crate::primitive::{Reader, write_int, write_string};
use crate::wire_error::{EncodeError, WireError};

/// The body of ERROR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorBody {
    /// The server's own words.
    pub message: Box<str>,
    /// The code, and the fields that belong to it.
    pub detail: ErrorDetail,
}

impl ErrorBody {
    /// An error with this message.
    pub fn new(message: impl Into<Box<str>>, detail: ErrorDetail) -> Self {
        Self {
            message: message.into(),
            detail,
        }
    }

    /// The code on the wire.
    pub const fn code(&self) -> i32 {
        self.detail.code()
    }

    /// Appends the body.
    pub fn encode(
        &self,
        dialect: impl Into<Dialect>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        write_int(out, self.code());
        write_string(out, &self.message, "ERROR message")?;
        self.detail.encode(dialect.into(), out)
    }

    /// Reads a body. Unknown codes are kept with whatever follows the message.
    pub fn decode(dialect: impl Into<Dialect>, body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let code = reader.int("ERROR code")?;
        let message = reader.string("ERROR message")?.into();
        let detail = ErrorDetail::read(dialect.into(), code, &mut reader)?;
        reader.finish("ERROR")?;
        Ok(Self { message, detail })
    }
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({:#06x}): {}",
            self.detail.name(),
            self.code(),
            self.message
        )
    }
}

impl std::error::Error for ErrorBody {}
