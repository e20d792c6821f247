//! REGISTER (section 4.1.8).

use crate::dialect::Dialect;
use crate::event::EventKind;
use crate::primitive::{Reader, write_string_list};
use crate::wire_error::{EncodeError, WireError, WireErrorKind};

/// REGISTER: the kinds of events that the client wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// The kinds, in the order sent.
    pub kinds: Vec<EventKind>,
}

impl Register {
    /// Appends the body.
    pub fn encode(&self, _: impl Into<Dialect>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let names: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        write_string_list(out, &names, "REGISTER event types")
    }

    /// Reads a body. An unknown kind of event is an error, as it is to a real server.
    pub fn decode(_: impl Into<Dialect>, body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let names = reader.string_list("REGISTER event types")?;
        reader.finish("REGISTER")?;
        let kinds = names.into_iter().map(|name| {
            EventKind::from_name(name).ok_or_else(|| {
                reader.error(
                    "REGISTER event types",
                    WireErrorKind::UnknownName(name.into()),
                )
            })
        });
        Ok(Self {
            kinds: kinds.collect::<Result<_, _>>()?,
        })
    }
}
