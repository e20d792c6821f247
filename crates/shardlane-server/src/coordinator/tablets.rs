//! How requests meet shards, and what their answers tell of tablets.
//!
//! As ScyllaDB has it: the answer to an EXECUTE whose values determine the partition carries the
//! tablet, if the shard that was asked has no replica of it and the connection has asked to be told. If
//! it has asked for versions, then whenever what the request shows of a version is not of the newest.

use shardlane_routing::tablets::payload;
use shardlane_routing::{HostId, Tablet, Token};
use shardlane_wire::Version;

use super::task::{Client, TabletNote};
use crate::engine::{Operation, TableId};
use crate::faults::TabletLie;
use crate::node::shard::Shard;
use crate::stats::Arrival;

/// An entry of a custom payload: its key and its value.
pub(crate) type Entry = (&'static str, Vec<u8>);

impl Shard {
    /// Counts how a request for one partition met this shard, and says what its answer is to tell.
    pub(crate) fn count_arrival(&self, operation: &Operation) -> Option<(TableId, Token, Arrival)> {
        let (table, token) = routable(operation)?;
        let route = self.view.table(table)?;
        let replicas = route.replicas(token)?;
        let arrival = if !replicas.contains(&self.id.node) {
            Arrival::WrongNode
        } else if self.owns(&self.view, route, token) {
            Arrival::RightShard
        } else {
            Arrival::WrongShard
        };
        self.counters().arrival(arrival);
        Some((table, token, arrival))
    }

    /// What the answer to an EXECUTE that has arrived like that is to tell.
    pub(crate) fn tablet_note(
        &mut self,
        client: &Client,
        (table, token, arrival): (TableId, Token, Arrival),
        block: Option<u8>,
    ) -> TabletNote {
        let Some(tablet) = self.tablet(table, token, block.is_some()) else {
            return TabletNote::None;
        };
        let is_known = match (block, tablet.version()) {
            (Some(block), Some(version)) => version.matches(block),
            _ => arrival == Arrival::RightShard,
        };
        let is_told = self
            .connection(client.connection)
            .is_some_and(|connection| {
                connection.tells_tablets && connection.dialect.version >= Version::V4
            });
        let by_values = client
            .statement
            .as_ref()
            .is_some_and(|statement| !statement.prepared.pk_indexes.is_empty());
        let lie = match client.tablet {
            TabletNote::Lie(lie) => Some(lie),
            _ => None,
        };
        if !is_told || !by_values || lie.is_none() && is_known {
            return TabletNote::None;
        }
        TabletNote::Tell {
            table,
            token,
            v2: block.is_some(),
            lie,
        }
    }

    /// The tablet of a token as drivers are told: with the leader first, if they have asked for that.
    fn tablet(&self, table: TableId, token: Token, leader_first: bool) -> Option<Tablet> {
        let layout = self.view.table(table)?.tablets.as_ref()?;
        let nodes = &layout.place(token)?.nodes;
        let leader = self.view.leader(nodes, None).map(|member| member.index);
        let host_id = |node| self.view.member(node).map(|member| member.host_id);
        layout.tablet(token, leader.filter(|_| leader_first), host_id)
    }

    /// What a note comes to now that the answer is ready: the newest that is known.
    pub(crate) fn tablet_entry(&self, note: TabletNote) -> Option<Entry> {
        let TabletNote::Tell {
            table,
            token,
            v2,
            lie,
        } = note
        else {
            return None;
        };
        let (key, encode): (_, fn(&Tablet, &mut Vec<u8>)) = if v2 {
            (payload::KEY_V2, payload::encode_v2)
        } else {
            (payload::KEY, payload::encode)
        };
        if lie == Some(TabletLie::Garbage) {
            return Some((key, vec![0xFF; 17]));
        }
        let tablet = self.tablet(table, token, v2)?;
        let tablet = match lie {
            Some(lie) => self.bend(&tablet, lie)?,
            None => tablet,
        };
        let mut value = Vec::new();
        encode(&tablet, &mut value);
        Some((key, value))
    }

    fn bend(&self, tablet: &Tablet, lie: TabletLie) -> Option<Tablet> {
        let shards_of = |host_id: HostId| {
            let mut members = self.view.members.iter().flatten();
            let member = members.find(|member| member.host_id == host_id);
            member.map_or(1, |member| member.sharder.nr_shards.get())
        };
        let replicas = tablet.replicas().iter();
        let replicas = match lie {
            TabletLie::NextShard => replicas
                .map(|&(host_id, shard)| (host_id, (shard + 1) % shards_of(host_id)))
                .collect(),
            TabletLie::UnknownNodes => replicas
                .map(|&(HostId(bytes), shard)| (HostId(bytes.map(|byte| !byte)), shard))
                .collect(),
            TabletLie::NoReplicas | TabletLie::Garbage => Vec::new(),
        };
        let bent = Tablet::new(tablet.first(), tablet.last(), replicas).ok()?;
        Some(bent.with_version(tablet.version()))
    }
}

/// Table and token, if the operation is about one partition.
fn routable(operation: &Operation) -> Option<(TableId, Token)> {
    match operation {
        Operation::Read(plan) => Some((plan.table().id, plan.partition()?.token)),
        Operation::Cas(plan) => Some((plan.table().id, plan.partition().token)),
        Operation::Write(mutations) => {
            let first = mutations.first()?;
            let token = first.token();
            let is_one = mutations.iter().all(|mutation| mutation.token() == token);
            is_one.then_some((first.table, token))
        }
        Operation::Counter(updates) => {
            let first = updates.first()?;
            let token = first.token();
            let is_one = updates.iter().all(|update| update.token() == token);
            is_one.then_some((first.table, token))
        }
        _ => None,
    }
}
