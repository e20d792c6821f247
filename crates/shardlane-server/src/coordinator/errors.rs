//! Errors for clients, in ScyllaDB's words.

use shardlane_wire::{Consistency, ErrorBody, ErrorDetail, WriteType};

use super::quota::Unavailable;
use crate::engine::{CqlError, ErrorKind};
use crate::node::statements::StatementId;

pub(crate) fn unavailable(seen: Unavailable) -> ErrorBody {
    let message = format!(
        "Cannot achieve consistency level for cl {}. Requires {}, alive {}",
        seen.consistency, seen.required, seen.alive
    );
    ErrorBody::new(message, seen.detail())
}

fn timed_out(what: &str, consistency: Consistency, received: u32, block_for: u32) -> String {
    format!(
        "Operation timed out for {what} - received only {received} responses from {block_for} \
         CL={consistency}."
    )
}

pub(crate) fn read_timeout(
    what: &str,
    consistency: Consistency,
    received: u32,
    block_for: u32,
) -> ErrorBody {
    let detail = ErrorDetail::ReadTimeout {
        consistency,
        received: received as i32,
        block_for: block_for as i32,
        data_present: received > 0,
    };
    ErrorBody::new(timed_out(what, consistency, received, block_for), detail)
}

pub(crate) fn write_timeout(
    what: &str,
    consistency: Consistency,
    received: u32,
    block_for: u32,
    write_type: WriteType,
) -> ErrorBody {
    let detail = ErrorDetail::WriteTimeout {
        consistency,
        received: received as i32,
        block_for: block_for as i32,
        write_type,
        contentions: None,
    };
    ErrorBody::new(timed_out(what, consistency, received, block_for), detail)
}

pub(crate) fn unprepared(id: &[u8]) -> ErrorBody {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let message = format!("No prepared statement with ID {hex} found.");
    ErrorBody::new(message, ErrorDetail::Unprepared { id: id.into() })
}

/// An id of another length than ours cannot be of a statement that we have prepared.
pub(crate) fn statement_id(id: &[u8]) -> Result<StatementId, ErrorBody> {
    id.try_into().map_err(|_| unprepared(id))
}

pub(crate) fn protocol(message: impl Into<Box<str>>) -> ErrorBody {
    ErrorBody::new(message, ErrorDetail::ProtocolError)
}

pub(crate) fn invalid(message: impl Into<Box<str>>) -> ErrorBody {
    ErrorBody::new(message, ErrorDetail::Invalid)
}

pub(crate) fn from_engine(error: CqlError) -> ErrorBody {
    let detail = match error.kind {
        ErrorKind::Syntax => ErrorDetail::SyntaxError,
        ErrorKind::Unauthorized => ErrorDetail::Unauthorized,
        ErrorKind::Invalid => ErrorDetail::Invalid,
        ErrorKind::Config => ErrorDetail::ConfigError,
        ErrorKind::AlreadyExists { keyspace, table } => ErrorDetail::AlreadyExists {
            keyspace: keyspace.into(),
            table: table.into(),
        },
        ErrorKind::Protocol => ErrorDetail::ProtocolError,
        ErrorKind::Server => ErrorDetail::ServerError,
    };
    ErrorBody::new(error.message, detail)
}
