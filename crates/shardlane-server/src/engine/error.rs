//! Errors as CQL knows them: one variant per protocol error code that the engine can raise.

use std::fmt;

/// What went wrong, with the fields that the protocol's ERROR message carries
/// (native protocol v4, section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// 0x2000: the text is no CQL.
    Syntax,
    /// 0x2100: the role may not do that.
    Unauthorized,
    /// 0x2200: well-formed, but not possible.
    Invalid,
    /// 0x2300: a configuration issue, such as an unknown replication strategy.
    Config,
    /// 0x2400: the keyspace or table (empty for a keyspace) exists.
    AlreadyExists {
        /// The keyspace.
        keyspace: String,
        /// The table, or nothing.
        table: String,
    },
    /// 0x000A: a malformed message, such as an unusable paging state.
    Protocol,
    /// 0x0000: the server's own fault.
    Server,
}

/// An error with its message, ready to become an ERROR response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CqlError {
    /// The class, and the fields that belong to it.
    pub kind: ErrorKind,
    /// The message, in ScyllaDB's words where they are known.
    pub message: String,
}

impl CqlError {
    /// A syntax error (0x2000).
    pub fn syntax(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Syntax,
            message: message.into(),
        }
    }

    /// An invalid request (0x2200).
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Invalid,
            message: message.into(),
        }
    }

    /// A configuration error (0x2300).
    pub fn config(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Config,
            message: message.into(),
        }
    }

    /// A permission error (0x2100).
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Unauthorized,
            message: message.into(),
        }
    }

    /// A protocol error (0x000A).
    pub fn protocol(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Protocol,
            message: message.into(),
        }
    }

    /// A server error (0x0000).
    pub fn server(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Server,
            message: message.into(),
        }
    }

    /// The keyspace exists already (0x2400).
    pub fn keyspace_exists(keyspace: &str) -> Self {
        Self {
            kind: ErrorKind::AlreadyExists {
                keyspace: keyspace.to_owned(),
                table: String::new(),
            },
            message: format!("Cannot add existing keyspace \"{keyspace}\""),
        }
    }

    /// The table exists already (0x2400).
    pub fn table_exists(keyspace: &str, table: &str) -> Self {
        Self {
            kind: ErrorKind::AlreadyExists {
                keyspace: keyspace.to_owned(),
                table: table.to_owned(),
            },
            message: format!(
                "Cannot add already existing table \"{table}\" to keyspace \"{keyspace}\""
            ),
        }
    }

    /// The protocol's error code.
    pub fn code(&self) -> i32 {
        match self.kind {
            ErrorKind::Server => 0x0000,
            ErrorKind::Protocol => 0x000A,
            ErrorKind::Syntax => 0x2000,
            ErrorKind::Unauthorized => 0x2100,
            ErrorKind::Invalid => 0x2200,
            ErrorKind::Config => 0x2300,
            ErrorKind::AlreadyExists { .. } => 0x2400,
        }
    }
}

impl fmt::Display for CqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:04x}] {}", self.code(), self.message)
    }
}

impl std::error::Error for CqlError {}
