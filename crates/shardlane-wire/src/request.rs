//! Requests: the messages that a client sends (section 4.1).

mod auth_response;
mod batch;
mod envelope;
mod execute;
mod params;
mod prepare;
mod query;
mod register;
mod startup;
mod transcode;
mod values;

pub use auth_response::AuthResponse;
pub use batch::{
    Batch, BatchQuery, BatchStatement, BatchStatementIter, BatchStatements, BatchType,
};
pub use envelope::RequestEnvelope;
pub use execute::Execute;
pub use params::QueryParams;
pub use prepare::Prepare;
pub use query::Query;
pub use register::Register;
pub use startup::Startup;
pub use transcode::TranscodeError;
pub use values::{BoundValueIter, BoundValues, Value};

use crate::dialect::Dialect;
use crate::frame::{FrameHeader, Opcode, begin_frame, end_frame};
use crate::primitive::Reader;
use crate::wire_error::{EncodeError, WireError, WireErrorKind};

/// Any request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// STARTUP: begins the connection with the options chosen from SUPPORTED.
    Startup(Startup<'a>),
    /// AUTH_RESPONSE: one step of SASL.
    AuthResponse(AuthResponse<'a>),
    /// OPTIONS: asks for SUPPORTED; also serves as keepalive.
    Options,
    /// QUERY.
    Query(Query<'a>),
    /// PREPARE.
    Prepare(Prepare<'a>),
    /// EXECUTE.
    Execute(Execute<'a>),
    /// BATCH.
    Batch(Batch<'a>),
    /// REGISTER: asks for events.
    Register(Register),
}

impl<'a> Request<'a> {
    /// The opcode of the frame that carries this request.
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::Startup(_) => Opcode::Startup,
            Self::AuthResponse(_) => Opcode::AuthResponse,
            Self::Options => Opcode::Options,
            Self::Query(_) => Opcode::Query,
            Self::Prepare(_) => Opcode::Prepare,
            Self::Execute(_) => Opcode::Execute,
            Self::Batch(_) => Opcode::Batch,
            Self::Register(_) => Opcode::Register,
        }
    }

    /// Appends the body. After an error `out` is as it was.
    pub fn encode(
        &self,
        dialect: impl Into<Dialect>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let dialect = dialect.into();
        let start = out.len();
        let written = match self {
            Self::Startup(message) => message.encode(dialect, out),
            Self::AuthResponse(message) => message.encode(dialect, out),
            Self::Options => Ok(()),
            Self::Query(message) => message.encode(dialect, out),
            Self::Prepare(message) => message.encode(dialect, out),
            Self::Execute(message) => message.encode(dialect, out),
            Self::Batch(message) => message.encode(dialect, out),
            Self::Register(message) => message.encode(dialect, out),
        };
        written.inspect_err(|_| out.truncate(start))
    }

    /// Reads a body, all of it.
    pub fn decode(
        dialect: impl Into<Dialect>,
        opcode: Opcode,
        body: &'a [u8],
    ) -> Result<Self, WireError> {
        let dialect = dialect.into();
        Ok(match opcode {
            Opcode::Startup => Self::Startup(Startup::decode(dialect, body)?),
            Opcode::AuthResponse => Self::AuthResponse(AuthResponse::decode(dialect, body)?),
            Opcode::Options => {
                Reader::new(body).finish("OPTIONS")?;
                Self::Options
            }
            Opcode::Query => Self::Query(Query::decode(dialect, body)?),
            Opcode::Prepare => Self::Prepare(Prepare::decode(dialect, body)?),
            Opcode::Execute => Self::Execute(Execute::decode(dialect, body)?),
            Opcode::Batch => Self::Batch(Batch::decode(dialect, body)?),
            Opcode::Register => Self::Register(Register::decode(dialect, body)?),
            _ => {
                let kind = WireErrorKind::UnknownCode(opcode.code().into());
                return Err(Reader::new(body).error("request opcode", kind));
            }
        })
    }

    /// Appends the whole frame, uncompressed: header, what the envelope holds, and this body
    /// (the envelope's own `body` is not used). After an error `out` is as it was.
    pub fn encode_frame(
        &self,
        dialect: impl Into<Dialect>,
        stream: i16,
        envelope: &RequestEnvelope<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let dialect = dialect.into();
        let mut header = FrameHeader::request(dialect.version, stream, self.opcode());
        header.flags = envelope.flags();
        let mark = begin_frame(out, header);
        let start = mark.header_start();
        envelope
            .encode_prefix(dialect, out)
            .and_then(|()| self.encode(dialect, out))
            .inspect_err(|_| out.truncate(start))?;
        end_frame(out, mark)
    }
}
