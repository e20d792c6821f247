//! BATCH (section 4.1.7).

use super::params::{Tail, flag, read_flags, write_flags, write_tail};
use super::values::BoundValues;
use crate::consistency::{Consistency, SerialConsistency};
use crate::dialect::Dialect;
use crate::primitive::{
    Reader, write_byte, write_consistency, write_long_string, write_short, write_short_bytes,
};
use crate::wire_error::{EncodeError, WireError, WireErrorKind};

const KNOWN_V4: u32 = flag::SERIAL_CONSISTENCY | flag::TIMESTAMP;
const KNOWN_V5: u32 = KNOWN_V4 | flag::KEYSPACE | flag::NOW_IN_SECONDS;

/// The kind of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BatchType {
    /// Through the batch log: all or nothing in the end.
    Logged = 0,
    /// No batch log.
    Unlogged = 1,
    /// Counter updates only.
    Counter = 2,
}

impl BatchType {
    /// The code on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Logged),
            1 => Some(Self::Unlogged),
            2 => Some(Self::Counter),
            _ => None,
        }
    }
}

/// BATCH: several statements with one consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a> {
    /// The kind.
    pub batch_type: BatchType,
    /// The statements, encoded.
    pub statements: BatchStatements<'a>,
    /// The consistency of all of them.
    pub consistency: Consistency,
    /// The consistency of the Paxos phase, for conditional batches.
    pub serial_consistency: Option<SerialConsistency>,
    /// The default timestamp of the writes, microseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The keyspace for unqualified names (v5).
    pub keyspace: Option<&'a str>,
    /// The "now" of TTLs, seconds since the epoch, for tests (v5).
    pub now_in_seconds: Option<i32>,
}

impl<'a> Batch<'a> {
    /// Appends the body.
    pub fn encode(
        &self,
        dialect: impl Into<Dialect>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        write_byte(out, self.batch_type.code());
        write_short(out, self.statements.count);
        out.extend_from_slice(self.statements.bytes);
        write_consistency(out, self.consistency);
        let bit = |set: bool, flag: u32| if set { flag } else { 0 };
        let flags = bit(self.serial_consistency.is_some(), flag::SERIAL_CONSISTENCY)
            | bit(self.timestamp.is_some(), flag::TIMESTAMP)
            | bit(self.keyspace.is_some(), flag::KEYSPACE)
            | bit(self.now_in_seconds.is_some(), flag::NOW_IN_SECONDS);
        write_flags(dialect.into(), flags, out)?;
        write_tail(
            self.serial_consistency,
            self.timestamp,
            self.keyspace,
            self.now_in_seconds,
            out,
        )
    }

    /// Reads a body. Nothing is allocated: the statements are checked and left in place.
    pub fn decode(dialect: impl Into<Dialect>, body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let at = reader.clone();
        let code = reader.byte("batch type")?;
        let batch_type = BatchType::from_code(code)
            .ok_or_else(|| at.error("batch type", WireErrorKind::UnknownCode(code.into())))?;
        let statements = BatchStatements::read(&mut reader)?;
        let consistency = reader.consistency("consistency")?;
        // Names of values are announced after the values, so no server can read them: the bit is
        // unknown here (CASSANDRA-10246).
        let flags = read_flags(dialect.into(), KNOWN_V4, KNOWN_V5, &mut reader)?;
        let Tail {
            serial_consistency,
            timestamp,
            keyspace,
            now_in_seconds,
        } = Tail::read(flags, &mut reader)?;
        reader.finish("BATCH")?;
        Ok(Self {
            batch_type,
            statements,
            consistency,
            serial_consistency,
            timestamp,
            keyspace,
            now_in_seconds,
        })
    }
}

/// The statements of a batch as they travel: `count` statements one after another.
/// Build the bytes with [`BatchStatement::encode`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchStatements<'a> {
    /// How many statements.
    pub count: u16,
    /// The encoded statements.
    pub bytes: &'a [u8],
}

impl<'a> BatchStatements<'a> {
    /// Walks the statements.
    pub const fn iter(&self) -> BatchStatementIter<'a> {
        BatchStatementIter {
            reader: Reader::new(self.bytes),
            left: self.count,
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let count = reader.short("count of batch statements")?;
        let start = reader.position();
        for _ in 0..count {
            BatchStatement::read(reader)?;
        }
        Ok(Self {
            count,
            bytes: reader.since(start),
        })
    }
}

/// What one statement of a batch runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchQuery<'a> {
    /// CQL text.
    Text(&'a str),
    /// The id of a prepared statement.
    Prepared(&'a [u8]),
}

/// One statement of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchStatement<'a> {
    /// What to run.
    pub query: BatchQuery<'a>,
    /// Its bound values, which have no names in a batch.
    pub values: BoundValues<'a>,
}

impl<'a> BatchStatement<'a> {
    /// Appends the statement; counting them is up to the caller.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.values.named {
            return Err(EncodeError::NotInThisVersion {
                writing: "named values in a batch",
            });
        }
        match self.query {
            BatchQuery::Text(text) => {
                write_byte(out, 0);
                write_long_string(out, text, "batch statement text")?;
            }
            BatchQuery::Prepared(id) => {
                write_byte(out, 1);
                write_short_bytes(out, id, "batch statement id")?;
            }
        }
        write_short(out, self.values.count);
        out.extend_from_slice(self.values.bytes);
        Ok(())
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let at = reader.clone();
        let query = match reader.byte("kind of batch statement")? {
            0 => BatchQuery::Text(reader.long_string("batch statement text")?),
            1 => BatchQuery::Prepared(reader.short_bytes("batch statement id")?),
            code => {
                let kind = WireErrorKind::UnknownCode(code.into());
                return Err(at.error("kind of batch statement", kind));
            }
        };
        let count = reader.short("count of bound values")?;
        Ok(Self {
            query,
            values: BoundValues::read(reader, count, false)?,
        })
    }
}

/// Iterator over [`BatchStatements`]. It ends after the first error.
#[derive(Debug, Clone)]
pub struct BatchStatementIter<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl<'a> Iterator for BatchStatementIter<'a> {
    type Item = Result<BatchStatement<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let item = BatchStatement::read(&mut self.reader);
        if item.is_err() {
            self.left = 0;
        }
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left.into()))
    }
}
