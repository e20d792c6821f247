//! What can be wrong with bytes that were read, and with values that were to be written.

use std::fmt;

use crate::types::TypeClassError;

/// Bytes that are no valid message: what was being read, where, and what was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    /// What was being read, in the words of the protocol specification.
    pub reading: &'static str,
    /// Offset from the start of the slice that was being read (usually the body).
    pub offset: usize,
    /// What was wrong there.
    pub kind: WireErrorKind,
}

/// What was wrong at the place that a [`WireError`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireErrorKind {
    /// More bytes were announced or needed than were left.
    UnexpectedEnd {
        /// Bytes needed.
        needed: usize,
        /// Bytes left.
        left: usize,
    },
    /// A length or count that must not be negative.
    NegativeLength(i32),
    /// A string that is not UTF-8.
    NotUtf8,
    /// Bytes after the end of the message.
    TrailingBytes(usize),
    /// A number that stands for nothing known, such as an opcode or a consistency.
    UnknownCode(i64),
    /// A word that stands for nothing known, such as an event type.
    UnknownName(Box<str>),
    /// Flag bits without a meaning here, which may announce fields of unknown length.
    UnknownFlags(u32),
    /// A type nested deeper than [`crate::types::MAX_TYPE_DEPTH`].
    TooDeep,
    /// An address that is neither 4 nor 16 bytes long.
    AddressLength(u8),
    /// A port outside 0..=65535.
    Port(i32),
    /// More rows were announced than the remaining bytes can hold.
    RowCount(u32),
    /// A class name of a custom type that could not be read.
    TypeClass(TypeClassError),
    /// The message kind does not exist in this version of the protocol or direction.
    NotInThisVersion,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.reading, self.offset, self.kind)
    }
}

impl fmt::Display for WireErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedEnd { needed, left } => {
                write!(f, "{needed} bytes needed, {left} left")
            }
            Self::NegativeLength(n) => write!(f, "negative length {n}"),
            Self::NotUtf8 => f.write_str("not valid UTF-8"),
            Self::TrailingBytes(n) => write!(f, "{n} bytes after the end of the message"),
            Self::UnknownCode(code) => write!(f, "unknown code {code:#06x}"),
            Self::UnknownName(name) => write!(f, "unknown name {name:?}"),
            Self::UnknownFlags(bits) => write!(f, "unknown flags {bits:#x}"),
            Self::TooDeep => f.write_str("types nested too deeply"),
            Self::AddressLength(n) => write!(f, "an address of {n} bytes"),
            Self::Port(n) => write!(f, "port {n} out of range"),
            Self::RowCount(n) => write!(f, "{n} rows announced, more than the body can hold"),
            Self::TypeClass(error) => write!(f, "{error}"),
            Self::NotInThisVersion => f.write_str("not part of this protocol version"),
        }
    }
}

impl std::error::Error for WireError {}

/// A value that does not fit the field it was to be written into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The item is longer than its length field can say.
    TooLong {
        /// What was being written.
        writing: &'static str,
        /// Its length, in bytes or elements.
        len: usize,
        /// The greatest length that fits.
        max: usize,
    },
    /// The field does not exist in the protocol version (or without the extension) of this connection.
    NotInThisVersion {
        /// What was being written.
        writing: &'static str,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { writing, len, max } => {
                write!(
                    f,
                    "{writing} has length {len}, the protocol allows at most {max}"
                )
            }
            Self::NotInThisVersion { writing } => {
                write!(f, "{writing} is not part of the protocol version in use")
            }
        }
    }
}

impl std::error::Error for EncodeError {}
