//! Tablets that responses bring: the server corrects a client that asked the wrong node or shard.

use shardlane_routing::tablets::payload;
use shardlane_wire::{Dialect, FrameHeader, Opcode, ResponseEnvelope};

use super::connections::Entry;
use super::{Engine, RequestKey};
use crate::cluster::Cluster;
use crate::request::RequestSpec;
use crate::rng::Rng;

/// What an EXECUTE on this connection shows of the tablet's version, if that is of interest there: a part of
/// the version that is known; if none is, anything, which is likely to be corrected; 0 if the request is for
/// no partition.
pub(super) fn tablet_block(
    cluster: &Cluster,
    rng: &mut Rng,
    entry: &Entry,
    spec: &RequestSpec,
) -> u8 {
    if !entry.machine.dialect().tablet_block {
        return 0;
    }
    let (Some(place), Some(_)) = (spec.place(cluster), &spec.table) else {
        return 0;
    };
    let random = rng.next_u64() as u8;
    match place.tablet_version() {
        Some(version) => version.block(random),
        None => random,
    }
}

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
