//! Tablets that responses bring: the server corrects a client that asked the wrong node or shard.

use shardlane_routing::tablets::payload;
use shardlane_wire::{Dialect, FrameHeader, Opcode, ResponseEnvelope};

use super::{Engine, RequestKey};

impl<C> Engine<C> {
    /// Takes over the tablet in the custom payload of the answer to a request, if there is one.
    ///
    /// What cannot be read is passed over: the answer itself is good, and the next request that goes astray
    /// brings another chance.
    #[cold]
    pub(super) fn learn_tablet(
        &mut self,
        key: RequestKey,
        dialect: Dialect,
        flags: u8,
        body: &[u8],
    ) {
        let Some(request) = self.requests.get(key.index()) else {
            return;
        };
        let spec = &request.spec;
        let (Some(keyspace), Some(table)) = (&spec.table_keyspace, &spec.table) else {
            return;
        };
        let header = FrameHeader {
            flags,
            ..FrameHeader::response(dialect.version, 0, Opcode::Result)
        };
        let Ok(envelope) = ResponseEnvelope::decode(&header, body) else {
            return;
        };
        let tablet =
            envelope
                .custom_payload
                .iter()
                .find_map(|(name, value)| match (*name, value) {
                    (payload::KEY, Some(value)) => payload::parse(value).ok(),
                    (payload::KEY_V2, Some(value)) => payload::parse_v2(value).ok(),
                    _ => None,
                });
        if let Some(tablet) = tablet {
            self.cluster.learn_tablet(keyspace, table, tablet);
        }
    }

    /// The tablets of a table that are known now, in ring order.
    #[must_use]
    pub fn tablets(&self, keyspace: &str, table: &str) -> Vec<shardlane_routing::Tablet> {
        self.cluster.tablets(keyspace, table)
    }
}
