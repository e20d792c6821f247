//! What a request puts on the wire, laid out as the connection wants it.
//!
//! Callers lay requests out for what the control connection speaks. In a cluster whose nodes differ in
//! what they offer (in the middle of an upgrade, say) that is not what each connection speaks, and the
//! engine does it again.

use std::borrow::Cow;
use std::sync::Arc;

use shardlane_wire::request::Prepare;
use shardlane_wire::{Dialect, Opcode, Request};

use crate::error::{AttemptFailure, ConnectionError};
use crate::request::{PreparedRef, RequestSpec};

/// A message before it is in any connection's hands.
pub(super) struct Message<'a> {
    pub(super) opcode: Opcode,
    pub(super) flags: u8,
    body: &'a [u8],
    dialect: Dialect,
    pub(super) keyspace: Option<&'a Arc<str>>,
    /// The last byte of an EXECUTE, where the connection wants one.
    block: u8,
}

impl<'a> Message<'a> {
    pub(super) fn of(spec: &'a RequestSpec) -> Self {
        Self {
            opcode: spec.opcode,
            flags: spec.flags,
            body: &spec.body,
            dialect: spec.dialect,
            keyspace: spec.keyspace.as_ref(),
            block: 0,
        }
    }

    /// PREPARE once more; `body` is what [`prepare_body`] gave.
    pub(super) const fn prepare(prepared: &'a PreparedRef, body: &'a [u8]) -> Self {
        Self {
            opcode: Opcode::Prepare,
            flags: 0,
            body,
            dialect: Dialect::V4,
            keyspace: prepared.keyspace.as_ref(),
            block: 0,
        }
    }

    /// The same, showing this of the tablet's version to whom it interests.
    pub(super) const fn showing(mut self, block: u8) -> Self {
        self.block = block;
        self
    }

    /// The body for a connection that speaks `dialect`: as it is, nearly always.
    pub(super) fn laid_out(&self, dialect: Dialect) -> Result<Cow<'a, [u8]>, AttemptFailure> {
        let mut body = self.in_layout(dialect)?;
        if dialect.tablet_block && self.opcode == Opcode::Execute {
            // A copy for one byte: the extension is an experiment so far.
            body.to_mut().push(self.block);
        }
        Ok(body)
    }

    fn in_layout(&self, dialect: Dialect) -> Result<Cow<'a, [u8]>, AttemptFailure> {
        if self.dialect.shares_request_layout(dialect) {
            return Ok(Cow::Borrowed(self.body));
        }
        let keyspace = self.keyspace.map(|keyspace| &**keyspace);
        Request::transcode(
            self.opcode,
            self.flags,
            self.body,
            self.dialect,
            dialect,
            keyspace,
        )
        .map(Cow::Owned)
        .map_err(|error| AttemptFailure::Connection {
            error: ConnectionError::Layout(error.to_string()),
            written: false,
        })
    }
}

/// The body of a PREPARE in v4, from which others are made.
pub(super) fn prepare_body(prepared: &PreparedRef) -> Vec<u8> {
    let mut body = Vec::new();
    // Fails only for texts over 2 GiB, which could not have been prepared in the first place.
    let _ = Prepare {
        text: &prepared.query,
        keyspace: None,
    }
    .encode(Dialect::V4, &mut body);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_execute_shows_a_tablets_version_and_only_where_it_is_asked() {
        let asked = Dialect {
            tablet_block: true,
            ..Dialect::V4
        };
        let execute = RequestSpec::new(Opcode::Execute, vec![1, 2, 3]);
        let query = RequestSpec::new(Opcode::Query, vec![1, 2, 3]);
        let body = |spec, dialect| {
            let laid_out = Message::of(spec).showing(0xA5).laid_out(dialect);
            laid_out.expect("the same layout").into_owned()
        };
        assert_eq!(body(&execute, asked), [1, 2, 3, 0xA5]);
        assert_eq!(body(&execute, Dialect::V4), [1, 2, 3]);
        assert_eq!(body(&query, asked), [1, 2, 3]);
        // Sent again after another PREPARE: the request itself is as it was.
        assert_eq!(body(&execute, asked), [1, 2, 3, 0xA5]);
    }
}
