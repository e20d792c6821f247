//! Responses: the messages that a server sends (section 4.2).

mod envelope;

pub use envelope::ResponseEnvelope;

use crate::dialect::Dialect;
use crate::error::ErrorBody;
use crate::event::Event;
use crate::frame::{FrameHeader, Opcode, begin_frame, end_frame};
use crate::primitive::{Reader, write_bytes_opt, write_string, write_string_multimap};
use crate::result::ResultBody;
use crate::wire_error::{EncodeError, WireError, WireErrorKind};

/// Any response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response<'a> {
    /// ERROR.
    Error(ErrorBody),
    /// READY: the connection may be used.
    Ready,
    /// AUTHENTICATE: the class name of the authenticator that wants a token.
    Authenticate(&'a str),
    /// SUPPORTED: options and their values, in the order sent.
    /// [`crate::SupportedOptions`] gives them a meaning.
    Supported(Vec<(&'a str, Vec<&'a str>)>),
    /// RESULT.
    Result(ResultBody<'a>),
    /// EVENT, on stream -1.
    Event(Event),
    /// AUTH_CHALLENGE: a SASL token that wants an answer.
    AuthChallenge(Option<&'a [u8]>),
    /// AUTH_SUCCESS, with a last SASL token.
    AuthSuccess(Option<&'a [u8]>),
}

impl<'a> Response<'a> {
    /// The opcode of the frame that carries this response.
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::Error(_) => Opcode::Error,
            Self::Ready => Opcode::Ready,
            Self::Authenticate(_) => Opcode::Authenticate,
            Self::Supported(_) => Opcode::Supported,
            Self::Result(_) => Opcode::Result,
            Self::Event(_) => Opcode::Event,
            Self::AuthChallenge(_) => Opcode::AuthChallenge,
            Self::AuthSuccess(_) => Opcode::AuthSuccess,
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
            Self::Error(error) => error.encode(dialect, out),
            Self::Ready => Ok(()),
            Self::Authenticate(class) => write_string(out, class, "AUTHENTICATE class"),
            Self::Supported(options) => write_string_multimap(out, options, "SUPPORTED options"),
            Self::Result(result) => result.encode(dialect, out),
            Self::Event(event) => event.encode(dialect, out),
            Self::AuthChallenge(token) => write_bytes_opt(out, *token, "AUTH_CHALLENGE token"),
            Self::AuthSuccess(token) => write_bytes_opt(out, *token, "AUTH_SUCCESS token"),
        };
        written.inspect_err(|_| out.truncate(start))
    }

    /// Reads a message body: what [`ResponseEnvelope::decode`] left in `body`.
    pub fn decode(
        dialect: impl Into<Dialect>,
        opcode: Opcode,
        body: &'a [u8],
    ) -> Result<Self, WireError> {
        let dialect = dialect.into();
        let mut reader = Reader::new(body);
        let response = match opcode {
            Opcode::Error => return ErrorBody::decode(dialect, body).map(Self::Error),
            Opcode::Result => return ResultBody::decode(dialect, body).map(Self::Result),
            Opcode::Event => return Event::decode(dialect, body).map(Self::Event),
            Opcode::Ready => Self::Ready,
            Opcode::Authenticate => Self::Authenticate(reader.string("AUTHENTICATE class")?),
            Opcode::Supported => Self::Supported(reader.string_multimap("SUPPORTED options")?),
            Opcode::AuthChallenge => Self::AuthChallenge(reader.bytes("AUTH_CHALLENGE token")?),
            Opcode::AuthSuccess => Self::AuthSuccess(reader.bytes("AUTH_SUCCESS token")?),
            _ => {
                let kind = WireErrorKind::UnknownCode(opcode.code().into());
                return Err(reader.error("response opcode", kind));
            }
        };
        reader.finish(opcode.as_str())?;
        Ok(response)
    }

    /// Appends the whole frame, uncompressed: header, what the envelope holds, and this body
    /// (the envelope's own `body` is not used). After an error `out` is as it was.
    pub fn encode_frame(
        &self,
        dialect: impl Into<Dialect>,
        stream: i16,
        envelope: &ResponseEnvelope<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let dialect = dialect.into();
        let mut header = FrameHeader::response(dialect.version, stream, self.opcode());
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
