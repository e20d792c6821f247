//! The same request with another consistency: its body is taken apart and put together again.

use shardlane_wire::request::RequestEnvelope;
use shardlane_wire::{Consistency, FrameHeader, Request};

use super::RequestSpec;

impl RequestSpec {
    /// Asks for `consistency` from now on. False, and nothing has changed, if the body is none that has one.
    pub(crate) fn set_consistency(&mut self, consistency: Consistency) -> bool {
        let Some(body) = self.body_with(consistency) else {
            return false;
        };
        self.body = body;
        self.consistency = consistency;
        true
    }

    fn body_with(&self, consistency: Consistency) -> Option<Vec<u8>> {
        let dialect = self.dialect;
        let header = FrameHeader {
            version: dialect.version,
            is_response: false,
            flags: self.flags,
            stream: 0,
            opcode: self.opcode,
            length: u32::try_from(self.body.len()).ok()?,
        };
        let envelope = RequestEnvelope::decode(&header, &self.body).ok()?;
        let mut request = Request::decode(dialect, self.opcode, envelope.body).ok()?;
        match &mut request {
            Request::Query(query) => query.params.consistency = consistency,
            Request::Execute(execute) => execute.params.consistency = consistency,
            Request::Batch(batch) => batch.consistency = consistency,
            _ => return None,
        }
        let mut body = Vec::with_capacity(self.body.len());
        envelope.encode_prefix(dialect, &mut body).ok()?;
        request.encode(dialect, &mut body).ok()?;
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use shardlane_wire::request::{
        Batch, BatchQuery, BatchStatement, BatchStatements, BatchType, Execute, Prepare, Query,
    };
    use shardlane_wire::{BoundValues, Dialect, Flags, QueryParams};

    use super::*;

    const VALUES: &[u8] = &[0, 0, 0, 1, 7, 0xFF, 0xFF, 0xFF, 0xFF];

    fn bodies(consistency: Consistency) -> Vec<(Request<'static>, Vec<u8>)> {
        let params = QueryParams {
            values: BoundValues::positional(2, VALUES),
            page_size: Some(9),
            timestamp: Some(-4),
            ..QueryParams::new(consistency)
        };
        let mut statements = Vec::new();
        let statement = BatchStatement {
            query: BatchQuery::Prepared(b"id"),
            values: BoundValues::positional(2, VALUES),
        };
        statement.encode(&mut statements).expect("short");
        let all = [
            Request::Query(Query {
                text: "SELECT",
                params,
            }),
            Request::Execute(Execute {
                tablet_block: None,
                id: b"id",
                result_metadata_id: None,
                params,
            }),
            Request::Batch(Batch {
                batch_type: BatchType::Unlogged,
                statements: BatchStatements {
                    count: 1,
                    bytes: statements.leak(),
                },
                consistency,
                serial_consistency: None,
                timestamp: Some(3),
                keyspace: None,
                now_in_seconds: None,
            }),
        ];
        all.into_iter()
            .map(|request| {
                let mut body = Vec::new();
                request.encode(Dialect::V4, &mut body).expect("short");
                (request, body)
            })
            .collect()
    }

    #[test]
    fn nothing_but_the_consistency_changes() {
        let (from, to) = (Consistency::Quorum, Consistency::One);
        let payload = RequestEnvelope {
            tracing: true,
            custom_payload: vec![("key", Some(&b"value"[..]))],
            body: &[],
        };
        for ((request, before), (_, after)) in bodies(from).into_iter().zip(bodies(to)) {
            for prefixed in [false, true] {
                let (mut given, mut expected) = (Vec::new(), Vec::new());
                let mut flags = 0;
                if prefixed {
                    flags = payload.flags();
                    payload.encode_prefix(Dialect::V4, &mut given).expect("v4");
                    expected.clone_from(&given);
                    assert_ne!(flags & Flags::CUSTOM_PAYLOAD, 0);
                }
                given.extend_from_slice(&before);
                expected.extend_from_slice(&after);
                let mut spec = RequestSpec::new(request.opcode(), given);
                spec.flags = flags;
                assert!(spec.set_consistency(to));
                assert_eq!((spec.body, spec.consistency), (expected, to));
            }
        }
    }

    #[test]
    fn what_has_no_consistency_stays_as_it_is() {
        let request = Request::Prepare(Prepare {
            text: "SELECT",
            keyspace: None,
        });
        let mut body = Vec::new();
        request.encode(Dialect::V4, &mut body).expect("short");
        let mut spec = RequestSpec::new(request.opcode(), body.clone());
        assert!(!spec.set_consistency(Consistency::One));
        spec.opcode = shardlane_wire::Opcode::Query;
        spec.body.truncate(3);
        assert!(!spec.set_consistency(Consistency::One));
    }
}
