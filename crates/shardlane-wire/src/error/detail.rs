//! The fields that follow the message of an error, by code.

use std::fmt;
use std::net::IpAddr;

use super::code::ErrorCode;
use crate::consistency::Consistency;
use crate::dialect::Dialect;
use crate::frame::Version;
use crate::primitive::{
    Reader, write_byte, write_consistency, write_inetaddr, write_int, write_short,
    write_short_bytes, write_string, write_string_list,
};
use crate::wire_error::{EncodeError, WireError, WireErrorKind};

/// What went wrong, by code, with the fields of that code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorDetail {
    /// 0x0000: something unexpected happened in the server.
    ServerError,
    /// 0x000A: the client broke the protocol, or asked for a version that the server lacks.
    ProtocolError,
    /// 0x0100: bad credentials.
    AuthenticationError,
    /// 0x1000: too few replicas are alive; nothing was tried.
    Unavailable {
        /// The consistency asked for.
        consistency: Consistency,
        /// How many replicas it takes.
        required: i32,
        /// How many are alive, as far as the coordinator knows.
        alive: i32,
    },
    /// 0x1001: the coordinator is overloaded.
    Overloaded,
    /// 0x1002: the coordinator is still joining.
    IsBootstrapping,
    /// 0x1003: TRUNCATE failed.
    TruncateError,
    /// 0x1100: too few replicas acknowledged a write in time.
    WriteTimeout {
        /// The consistency asked for.
        consistency: Consistency,
        /// How many acknowledged.
        received: i32,
        /// How many it takes.
        block_for: i32,
        /// What was being written.
        write_type: WriteType,
        /// How often a conditional write met another (v5, `CAS` only).
        contentions: Option<u16>,
    },
    /// 0x1200: too few replicas answered a read in time.
    ReadTimeout {
        /// The consistency asked for.
        consistency: Consistency,
        /// How many answered.
        received: i32,
        /// How many it takes.
        block_for: i32,
        /// Whether the replica asked for data (not a digest) was among them.
        data_present: bool,
    },
    /// 0x1300: replicas failed a read (v4 and later).
    ReadFailure {
        /// The consistency asked for.
        consistency: Consistency,
        /// How many answered.
        received: i32,
        /// How many it takes.
        block_for: i32,
        /// Who failed.
        failures: Failures,
        /// Whether the replica asked for data (not a digest) answered.
        data_present: bool,
    },
    /// 0x1400: a user-defined function failed (v4 and later).
    FunctionFailure {
        /// Its keyspace.
        keyspace: Box<str>,
        /// Its name.
        function: Box<str>,
        /// The CQL types of its arguments.
        argument_types: Vec<Box<str>>,
    },
    /// 0x1500: replicas failed a write (v4 and later).
    WriteFailure {
        /// The consistency asked for.
        consistency: Consistency,
        /// How many acknowledged.
        received: i32,
        /// How many it takes.
        block_for: i32,
        /// Who failed.
        failures: Failures,
        /// What was being written.
        write_type: WriteType,
    },
    /// 0x1600: the space for change data capture is used up.
    CdcWriteFailure,
    /// 0x1700: a conditional write may or may not have been applied.
    CasWriteUnknown {
        /// The consistency asked for.
        consistency: Consistency,
        /// How many acknowledged.
        received: i32,
        /// How many it takes.
        block_for: i32,
    },
    /// 0x2000: the statement has a syntax error.
    SyntaxError,
    /// 0x2100: the user may not do this.
    Unauthorized,
    /// 0x2200: syntactically right, but wrong.
    Invalid,
    /// 0x2300: wrong because of the configuration.
    ConfigError,
    /// 0x2400: the keyspace or table exists already.
    AlreadyExists {
        /// The keyspace.
        keyspace: Box<str>,
        /// The table; empty if the keyspace itself exists.
        table: Box<str>,
    },
    /// 0x2500: the server does not know this prepared statement.
    Unprepared {
        /// The id that was to be executed.
        id: Box<[u8]>,
    },
    /// ScyllaDB's per-partition rate limit. Its code is told in SUPPORTED.
    RateLimitReached {
        /// The code, as negotiated.
        code: i32,
        /// What was limited.
        operation: RateLimitOp,
        /// Whether the coordinator refused, not a replica.
        rejected_by_coordinator: bool,
    },
    /// A code that is none of the above.
    Other {
        /// The code.
        code: i32,
        /// Whatever followed the message.
        rest: Box<[u8]>,
    },
}

/// Who failed: their number, and in v5 who they are and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many replicas failed. In v5 this is the length of `reasons`, which alone is written.
    pub count: i32,
    /// Replicas and reason codes (v5).
    pub reasons: Vec<(IpAddr, u16)>,
}

/// What a failed write was writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteType {
    /// One partition.
    Simple,
    /// A logged batch: the log was written, so it will be applied.
    Batch,
    /// An unlogged batch.
    UnloggedBatch,
    /// A counter.
    Counter,
    /// The batch log of a logged batch.
    BatchLog,
    /// A conditional write.
    Cas,
    /// The update of a materialized view.
    View,
    /// The log of change data capture.
    Cdc,
    /// A word that is none of the above.
    Other(Box<str>),
}

impl WriteType {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Simple => "SIMPLE",
            Self::Batch => "BATCH",
            Self::UnloggedBatch => "UNLOGGED_BATCH",
            Self::Counter => "COUNTER",
            Self::BatchLog => "BATCH_LOG",
            Self::Cas => "CAS",
            Self::View => "VIEW",
            Self::Cdc => "CDC",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for WriteType {
    fn from(word: &str) -> Self {
        match word {
            "SIMPLE" => Self::Simple,
            "BATCH" => Self::Batch,
            "UNLOGGED_BATCH" => Self::UnloggedBatch,
            "COUNTER" => Self::Counter,
            "BATCH_LOG" => Self::BatchLog,
            "CAS" => Self::Cas,
            "VIEW" => Self::View,
            "CDC" => Self::Cdc,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for WriteType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a rate limit was reached for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateLimitOp {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// A code that is none of the above.
    Other(u8),
}

impl RateLimitOp {
    const fn code(self) -> u8 {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Other(code) => code,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Read,
            1 => Self::Write,
            code => Self::Other(code),
        }
    }
}

impl ErrorDetail {
    /// The code on the wire.
    pub const fn code(&self) -> i32 {
        match self {
            Self::ServerError => ErrorCode::SERVER_ERROR,
            Self::ProtocolError => ErrorCode::PROTOCOL_ERROR,
            Self::AuthenticationError => ErrorCode::AUTHENTICATION_ERROR,
            Self::Unavailable { .. } => ErrorCode::UNAVAILABLE,
            Self::Overloaded => ErrorCode::OVERLOADED,
            Self::IsBootstrapping => ErrorCode::IS_BOOTSTRAPPING,
            Self::TruncateError => ErrorCode::TRUNCATE_ERROR,
            Self::WriteTimeout { .. } => ErrorCode::WRITE_TIMEOUT,
            Self::ReadTimeout { .. } => ErrorCode::READ_TIMEOUT,
            Self::ReadFailure { .. } => ErrorCode::READ_FAILURE,
            Self::FunctionFailure { .. } => ErrorCode::FUNCTION_FAILURE,
            Self::WriteFailure { .. } => ErrorCode::WRITE_FAILURE,
            Self::CdcWriteFailure => ErrorCode::CDC_WRITE_FAILURE,
            Self::CasWriteUnknown { .. } => ErrorCode::CAS_WRITE_UNKNOWN,
            Self::SyntaxError => ErrorCode::SYNTAX_ERROR,
            Self::Unauthorized => ErrorCode::UNAUTHORIZED,
            Self::Invalid => ErrorCode::INVALID,
            Self::ConfigError => ErrorCode::CONFIG_ERROR,
            Self::AlreadyExists { .. } => ErrorCode::ALREADY_EXISTS,
            Self::Unprepared { .. } => ErrorCode::UNPREPARED,
            Self::RateLimitReached { code, .. } | Self::Other { code, .. } => *code,
        }
    }

    /// A name for messages, in the words of the specification.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ServerError => "server error",
            Self::ProtocolError => "protocol error",
            Self::AuthenticationError => "authentication error",
            Self::Unavailable { .. } => "unavailable",
            Self::Overloaded => "overloaded",
            Self::IsBootstrapping => "is bootstrapping",
            Self::TruncateError => "truncate error",
            Self::WriteTimeout { .. } => "write timeout",
            Self::ReadTimeout { .. } => "read timeout",
            Self::ReadFailure { .. } => "read failure",
            Self::FunctionFailure { .. } => "function failure",
            Self::WriteFailure { .. } => "write failure",
            Self::CdcWriteFailure => "CDC write failure",
            Self::CasWriteUnknown { .. } => "CAS write unknown",
            Self::SyntaxError => "syntax error",
            Self::Unauthorized => "unauthorized",
            Self::Invalid => "invalid",
            Self::ConfigError => "config error",
            Self::AlreadyExists { .. } => "already exists",
            Self::Unprepared { .. } => "unprepared",
            Self::RateLimitReached { .. } => "rate limit reached",
            Self::Other { .. } => "unknown error",
        }
    }

    pub(super) fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::ServerError
            | Self::ProtocolError
            | Self::AuthenticationError
            | Self::Overloaded
            | Self::IsBootstrapping
            | Self::TruncateError
            | Self::CdcWriteFailure
            | Self::SyntaxError
            | Self::Unauthorized
            | Self::Invalid
            | Self::ConfigError => {}
            Self::Unavailable {
                consistency,
                required,
                alive,
            } => {
                write_counts(*consistency, *required, *alive, out);
            }
            Self::WriteTimeout {
                consistency,
                received,
                block_for,
                write_type,
                contentions,
            } => {
                write_counts(*consistency, *received, *block_for, out);
                write_string(out, write_type.as_str(), "write type")?;
                if let Some(contentions) = contentions {
                    if dialect.version < Version::V5 || *write_type != WriteType::Cas {
                        return Err(EncodeError::NotInThisVersion {
                            writing: "contentions",
                        });
                    }
                    write_short(out, *contentions);
                }
            }
            Self::ReadTimeout {
                consistency,
                received,
                block_for,
                data_present,
            } => {
                write_counts(*consistency, *received, *block_for, out);
                write_byte(out, (*data_present).into());
            }
            Self::ReadFailure {
                consistency,
                received,
                block_for,
                failures,
                data_present,
            } => {
                write_counts(*consistency, *received, *block_for, out);
                failures.encode(dialect, out);
                write_byte(out, (*data_present).into());
            }
            Self::FunctionFailure {
                keyspace,
                function,
                argument_types,
            } => {
                write_string(out, keyspace, "keyspace name")?;
                write_string(out, function, "function name")?;
                write_string_list(out, argument_types, "argument types")?;
            }
            Self::WriteFailure {
                consistency,
                received,
                block_for,
                failures,
                write_type,
            } => {
                write_counts(*consistency, *received, *block_for, out);
                failures.encode(dialect, out);
                write_string(out, write_type.as_str(), "write type")?;
            }
            Self::CasWriteUnknown {
                consistency,
                received,
                block_for,
            } => {
                write_counts(*consistency, *received, *block_for, out);
            }
            Self::AlreadyExists { keyspace, table } => {
                write_string(out, keyspace, "keyspace name")?;
                write_string(out, table, "table name")?;
            }
            Self::Unprepared { id } => write_short_bytes(out, id, "UNPREPARED id")?,
            Self::RateLimitReached {
                operation,
                rejected_by_coordinator,
                ..
            } => {
                write_byte(out, operation.code());
                write_byte(out, (*rejected_by_coordinator).into());
            }
            Self::Other { rest, .. } => out.extend_from_slice(rest),
        }
        Ok(())
    }

    pub(super) fn read(
        dialect: Dialect,
        code: i32,
        reader: &mut Reader<'_>,
    ) -> Result<Self, WireError> {
        if dialect.rate_limit_error == Some(code) {
            return Ok(Self::RateLimitReached {
                code,
                operation: RateLimitOp::from_code(reader.byte("operation of a rate limit")?),
                rejected_by_coordinator: reader.byte("rejected by coordinator")? != 0,
            });
        }
        Ok(match code {
            ErrorCode::SERVER_ERROR => Self::ServerError,
            ErrorCode::PROTOCOL_ERROR => Self::ProtocolError,
            ErrorCode::AUTHENTICATION_ERROR => Self::AuthenticationError,
            ErrorCode::OVERLOADED => Self::Overloaded,
            ErrorCode::IS_BOOTSTRAPPING => Self::IsBootstrapping,
            ErrorCode::TRUNCATE_ERROR => Self::TruncateError,
            ErrorCode::CDC_WRITE_FAILURE => Self::CdcWriteFailure,
            ErrorCode::SYNTAX_ERROR => Self::SyntaxError,
            ErrorCode::UNAUTHORIZED => Self::Unauthorized,
            ErrorCode::INVALID => Self::Invalid,
            ErrorCode::CONFIG_ERROR => Self::ConfigError,
            ErrorCode::UNAVAILABLE => {
                let (consistency, required, alive) = read_counts(reader)?;
                Self::Unavailable {
                    consistency,
                    required,
                    alive,
                }
            }
            ErrorCode::WRITE_TIMEOUT => {
                let (consistency, received, block_for) = read_counts(reader)?;
                let write_type = WriteType::from(reader.string("write type")?);
                // A server may leave the number out even in v5.
                let has_contentions = dialect.version >= Version::V5
                    && write_type == WriteType::Cas
                    && !reader.rest().is_empty();
                let contentions = if has_contentions {
                    Some(reader.short("contentions")?)
                } else {
                    None
                };
                Self::WriteTimeout {
                    consistency,
                    received,
                    block_for,
                    write_type,
                    contentions,
                }
            }
            ErrorCode::READ_TIMEOUT => {
                let (consistency, received, block_for) = read_counts(reader)?;
                let data_present = reader.byte("data present")? != 0;
                Self::ReadTimeout {
                    consistency,
                    received,
                    block_for,
                    data_present,
                }
            }
            ErrorCode::READ_FAILURE => {
                let (consistency, received, block_for) = read_counts(reader)?;
                let failures = Failures::read(dialect, reader)?;
                let data_present = reader.byte("data present")? != 0;
                Self::ReadFailure {
                    consistency,
                    received,
                    block_for,
                    failures,
                    data_present,
                }
            }
            ErrorCode::FUNCTION_FAILURE => Self::FunctionFailure {
                keyspace: reader.string("keyspace name")?.into(),
                function: reader.string("function name")?.into(),
                argument_types: reader
                    .string_list("argument types")?
                    .into_iter()
                    .map(Box::from)
                    .collect(),
            },
            ErrorCode::WRITE_FAILURE => {
                let (consistency, received, block_for) = read_counts(reader)?;
                let failures = Failures::read(dialect, reader)?;
                let write_type = WriteType::from(reader.string("write type")?);
                Self::WriteFailure {
                    consistency,
                    received,
                    block_for,
                    failures,
                    write_type,
                }
            }
            ErrorCode::CAS_WRITE_UNKNOWN => {
                let (consistency, received, block_for) = read_counts(reader)?;
                Self::CasWriteUnknown {
                    consistency,
                    received,
                    block_for,
                }
            }
            ErrorCode::ALREADY_EXISTS => Self::AlreadyExists {
                keyspace: reader.string("keyspace name")?.into(),
                table: reader.string("table name")?.into(),
            },
            ErrorCode::UNPREPARED => Self::Unprepared {
                id: reader.short_bytes("UNPREPARED id")?.into(),
            },
            code => Self::Other {
                code,
                rest: reader.take_rest().into(),
            },
        })
    }
}

fn write_counts(consistency: Consistency, first: i32, second: i32, out: &mut Vec<u8>) {
    write_consistency(out, consistency);
    write_int(out, first);
    write_int(out, second);
}

fn read_counts(reader: &mut Reader<'_>) -> Result<(Consistency, i32, i32), WireError> {
    let consistency = reader.consistency("consistency")?;
    Ok((
        consistency,
        reader.int("replicas that answered")?,
        reader.int("replicas needed")?,
    ))
}

impl Failures {
    fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) {
        if dialect.version < Version::V5 {
            write_int(out, self.count);
            return;
        }
        // A vector of addresses longer than this does not fit into memory.
        write_int(out, i32::try_from(self.reasons.len()).unwrap_or(i32::MAX));
        for (address, reason) in &self.reasons {
            write_inetaddr(out, *address);
            write_short(out, *reason);
        }
    }

    fn read(dialect: Dialect, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let at = reader.clone();
        let count = reader.int("count of failures")?;
        let mut reasons = Vec::new();
        if dialect.version >= Version::V5 {
            if count < 0 {
                let kind = WireErrorKind::NegativeLength(count);
                return Err(at.error("count of failures", kind));
            }
            for _ in 0..count {
                reasons.push((reader.inetaddr("failed replica")?, reader.short("reason")?));
            }
        }
        Ok(Self { count, reasons })
    }
}
