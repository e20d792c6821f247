//! Tablets: where each range of a table's tokens lies, on which shard of which node.
//!
//! A layout is a value. It is made when its table is created, changed by moves and splits, and gone
//! with the table. A move has three steps, each of them a new view that all shards take note of:
//! first the new replica is written to as well and given the data, then it is read from and the old
//! one still written to, and only then the old one is left. So two coordinators that are one view
//! apart still see each other's writes.

use std::collections::HashMap;

use shardlane_routing::{HostId, ReplicationStrategy, Tablet, TabletVersion, Token};

use super::view::{Member, ViewParts};
use crate::engine::{Keyspace, TableId};
use crate::node::shard::ShardId;

/// The greatest number of tablets of one table: a split that would make more is refused.
pub(crate) const TABLETS_MAX: usize = 1 << 14;

/// One tablet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TabletPlace {
    /// The greatest token of its range, which begins after the one before.
    pub(crate) last: Token,
    /// The nodes that are read from, and counted.
    pub(crate) nodes: Vec<u32>,
    /// The shard on each of them.
    pub(crate) shards: Vec<u16>,
    /// Written to as well: the next replica, or the last one.
    pub(crate) also: Option<ShardId>,
}

impl TabletPlace {
    /// The shard of the replica on this node.
    pub(crate) fn shard_on(&self, node: u32) -> Option<u16> {
        let at = self.nodes.iter().position(|&n| n == node)?;
        self.shards.get(at).copied()
    }

    fn replicas(&self) -> impl Iterator<Item = ShardId> {
        let pairs = self.nodes.iter().zip(&self.shards);
        pairs.map(|(&node, &shard)| ShardId { node, shard })
    }
}

/// The tablets of one table, ascending; together they hold all tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TabletLayout {
    places: Vec<TabletPlace>,
}

/// A replica on its way from one shard to another, or away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) table: TableId,
    /// The last token of the tablet.
    pub(crate) last: Token,
    pub(crate) from: ShardId,
    /// `None`: there is no node that could take it.
    pub(crate) to: Option<ShardId>,
}

impl TabletLayout {
    pub(crate) fn places(&self) -> &[TabletPlace] {
        &self.places
    }

    fn index_of(&self, token: Token) -> usize {
        self.places.partition_point(|place| place.last < token)
    }

    /// The tablet of a token; `None` only for a table without any.
    pub(crate) fn place(&self, token: Token) -> Option<&TabletPlace> {
        self.places.get(self.index_of(token))
    }

    /// The token before the first one of the tablet with this last token.
    pub(crate) fn before(&self, last: Token) -> Token {
        let index = self.index_of(last);
        let previous = index.checked_sub(1).and_then(|at| self.places.get(at));
        previous.map_or(Token::MIN, |place| place.last)
    }

    /// The tablet of a token as drivers are told, the leader first.
    pub(crate) fn tablet(
        &self,
        token: Token,
        leader: Option<u32>,
        host_id: impl Fn(u32) -> Option<HostId>,
    ) -> Option<Tablet> {
        let place = self.place(token)?;
        let mut replicas: Vec<ShardId> = place.replicas().collect();
        replicas.sort_by_key(|replica| Some(replica.node) != leader);
        let told: Vec<_> = replicas
            .iter()
            .filter_map(|replica| Some((host_id(replica.node)?, replica.shard)))
            .collect();
        let version = version_of(&told);
        let tablet = Tablet::new(self.before(place.last), place.last, told).ok()?;
        Some(tablet.with_version(Some(version)))
    }

    /// Cuts each tablet in two, where it lies; false if there would be too many.
    pub(crate) fn split(&mut self) -> bool {
        if self.places.len() * 2 > TABLETS_MAX {
            return false;
        }
        let mut places = Vec::with_capacity(self.places.len() * 2);
        // Below the least token; wider than one, for it is half of the first tablet's that is wanted.
        let mut before = i128::from(i64::MIN) - 1;
        for place in std::mem::take(&mut self.places) {
            let last = i128::from(place.last.0);
            let middle = (before + last).div_euclid(2);
            // A range of one token cannot be cut.
            if before < middle && middle < last {
                places.push(TabletPlace {
                    last: Token(middle as i64),
                    ..place.clone()
                });
            }
            before = last;
            places.push(place);
        }
        self.places = places;
        true
    }

    fn change(&mut self, last: Token, change: impl FnOnce(&mut TabletPlace)) {
        let index = self.index_of(last);
        if let Some(place) = self.places.get_mut(index)
            && place.last == last
        {
            change(place);
        }
    }

    /// First step: the new replica takes writes.
    pub(crate) fn begin(&mut self, step: &Move) {
        self.change(step.last, |place| place.also = step.to);
    }

    /// Second step: the new replica is asked in the old one's place, which still takes writes.
    pub(crate) fn switch(&mut self, step: &Move) {
        self.change(step.last, |place| {
            let Some(at) = place.replicas().position(|replica| replica == step.from) else {
                return;
            };
            if let Some(to) = step.to {
                place.nodes[at] = to.node;
                place.shards[at] = to.shard;
            } else {
                place.nodes.remove(at);
                place.shards.remove(at);
            }
            place.also = Some(step.from);
        });
    }

    /// Last step: nobody writes to the old one.
    pub(crate) fn end(&mut self, step: &Move) {
        self.change(step.last, |place| place.also = None);
    }
}

/// A fingerprint of the ordered replicas: FNV-1a, finished so that every nibble depends on all.
fn version_of(replicas: &[(HostId, u16)]) -> TabletVersion {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for (host_id, shard) in replicas {
        for byte in host_id.as_bytes().iter().chain(&shard.to_be_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    TabletVersion(crate::rng::mix(hash))
}

/// How many tablet replicas each shard has.
#[derive(Debug, Default)]
struct Load(HashMap<ShardId, usize>);

impl Load {
    fn of(parts: &ViewParts) -> Self {
        let mut load = Self::default();
        let places = parts.tablets.values().flat_map(|layout| layout.places());
        for replica in places.flat_map(TabletPlace::replicas) {
            load.add(replica);
        }
        load
    }

    fn add(&mut self, replica: ShardId) {
        *self.0.entry(replica).or_default() += 1;
    }

    fn remove(&mut self, replica: ShardId) {
        if let Some(count) = self.0.get_mut(&replica) {
            *count = count.saturating_sub(1);
        }
    }

    /// Replicas on a node, in thousandths for each of its shards.
    fn of_node(&self, member: &Member) -> usize {
        let shards = member.sharder.nr_shards.get();
        let node = member.index;
        let total: usize = (0..shards)
            .filter_map(|shard| self.0.get(&ShardId { node, shard }))
            .sum();
        total * 1000 / usize::from(shards)
    }

    /// The shard of a node that has the fewest.
    fn lightest(&self, member: &Member) -> ShardId {
        let node = member.index;
        let least = (0..member.sharder.nr_shards.get())
            .min_by_key(|&shard| self.0.get(&ShardId { node, shard }).copied().unwrap_or(0));
        ShardId {
            node,
            shard: least.unwrap_or(0),
        }
    }
}

/// The members that tablets may be put on: not those that are about to join or to leave.
fn eligible(parts: &ViewParts) -> Vec<&Member> {
    let is_in = |ring: &[bool], member: &Member| {
        let index = member.index as usize;
        ring.get(index).copied().unwrap_or(false)
    };
    let stays = |member: &&Member| {
        let pending = parts.in_pending_ring.as_ref();
        is_in(&parts.in_ring, member)
            && pending.is_none_or(|ring| is_in(ring, member))
            && !member.tokens.is_empty()
    };
    let members = parts.members.iter().flatten().map(|member| &**member);
    members.filter(stays).collect()
}

/// The node of a datacenter for one more replica beside `others`: in a rack of its own if there is one,
/// then the one with the least load.
fn candidate<'a>(
    members: &[&'a Member],
    datacenter: &str,
    others: &[u32],
    load: &Load,
    turn: usize,
) -> Option<&'a Member> {
    let racks: Vec<&str> = members
        .iter()
        .filter(|member| others.contains(&member.index) && *member.datacenter == *datacenter)
        .map(|member| &*member.rack)
        .collect();
    let count = members.len().max(1);
    members
        .iter()
        .filter(|member| *member.datacenter == *datacenter && !others.contains(&member.index))
        .min_by_key(|member| {
            let shares_rack = racks.contains(&&*member.rack);
            let rotated = (member.index as usize + count - turn % count) % count;
            (shares_rack, load.of_node(member), rotated)
        })
        .copied()
}

/// Brings the layouts in line with the schema: new tables get one, those of dropped tables go, and
/// a changed replication factor takes or leaves replicas. What such a replica lacks a repair would
/// give it, as on the ring.
pub(crate) fn reconcile(parts: &mut ViewParts) {
    let schema = std::sync::Arc::clone(&parts.schema);
    parts
        .tablets
        .retain(|table, _| schema.table_by_id(*table).is_some());
    for keyspace in schema.keyspaces().filter(|ks| ks.tablets.is_some()) {
        for table in keyspace.tables.values().chain(keyspace.views.values()) {
            let known = parts.tablets.get(&table.id).cloned();
            let mut layout = known.as_deref().cloned().unwrap_or_else(|| TabletLayout {
                places: vacant(tablet_count(keyspace, parts)),
            });
            fill(&mut layout, &keyspace.strategy, parts);
            if known.is_none_or(|known| *known != layout) {
                parts.tablets.insert(table.id, layout.into());
            }
        }
    }
}

/// How many tablets a new table gets: what its keyspace asks for, as a power of two, or else some two
/// for each shard, as ScyllaDB 6.2 has it.
fn tablet_count(keyspace: &Keyspace, parts: &ViewParts) -> usize {
    let asked = keyspace.tablets.unwrap_or(0) as usize;
    let members = eligible(parts);
    let shards = members.iter().map(|m| m.sharder.nr_shards.get()).max();
    let replicas = keyspace.strategy.replication_factor().unwrap_or(1).max(1);
    let chosen = usize::from(shards.unwrap_or(1)) * members.len() * 2 / replicas as usize;
    let wanted = if asked > 0 { asked } else { chosen };
    wanted.clamp(1, TABLETS_MAX).next_power_of_two()
}

/// So many tablets (a power of two) of equal width, without replicas.
fn vacant(count: usize) -> Vec<TabletPlace> {
    let width = (1u128 << 64) / count as u128;
    (1..=count as u128)
        .map(|index| TabletPlace {
            last: Token(((index * width - 1) as u64 ^ (1 << 63)) as i64),
            nodes: Vec::new(),
            shards: Vec::new(),
            also: None,
        })
        .collect()
}

/// Gives each tablet as many replicas in each datacenter as `strategy` asks for and nodes can take.
fn fill(layout: &mut TabletLayout, strategy: &ReplicationStrategy, parts: &ViewParts) {
    let ReplicationStrategy::NetworkTopology { factors } = strategy else {
        return;
    };
    let members = eligible(parts);
    let datacenter_of = |node: u32| {
        let member = parts.members.get(node as usize)?.as_ref()?;
        Some(&*member.datacenter)
    };
    let mut load = Load::of(parts);
    for (turn, place) in layout.places.iter_mut().enumerate() {
        let surplus = |place: &TabletPlace| {
            place.nodes.iter().rposition(|&node| {
                let here = datacenter_of(node);
                let factor = here
                    .and_then(|name| factors.get(name))
                    .copied()
                    .unwrap_or(0);
                let count = place.nodes.iter().filter(|&&n| datacenter_of(n) == here);
                count.count() > factor as usize
            })
        };
        while let Some(at) = surplus(place) {
            place.nodes.remove(at);
            place.shards.remove(at);
        }
        for (datacenter, &factor) in factors {
            let present = |place: &TabletPlace| {
                let here = place
                    .nodes
                    .iter()
                    .filter(|&&n| datacenter_of(n) == Some(datacenter));
                here.count()
            };
            while present(place) < factor as usize {
                let Some(member) = candidate(&members, datacenter, &place.nodes, &load, turn)
                else {
                    break;
                };
                let replica = load.lightest(member);
                load.add(replica);
                place.nodes.push(replica.node);
                place.shards.push(replica.shard);
            }
        }
    }
}

/// The moves that take all replicas off a node that is about to leave.
pub(crate) fn moves_off(parts: &ViewParts, node: u32) -> Vec<Move> {
    let mut members = eligible(parts);
    members.retain(|member| member.index != node);
    let Some(Some(leaving)) = parts.members.get(node as usize) else {
        return Vec::new();
    };
    let mut load = Load::of(parts);
    let mut moves = Vec::new();
    for (&table, layout) in &parts.tablets {
        for (turn, place) in layout.places().iter().enumerate() {
            let Some(shard) = place.shard_on(node) else {
                continue;
            };
            let datacenter = &leaving.datacenter;
            let others: Vec<u32> = place.nodes.iter().copied().filter(|&n| n != node).collect();
            let to = candidate(&members, datacenter, &others, &load, turn)
                .map(|member| load.lightest(member));
            if let Some(to) = to {
                load.add(to);
            }
            moves.push(Move {
                table,
                last: place.last,
                from: ShardId { node, shard },
                to,
            });
        }
    }
    moves
}

/// The moves that give a new node its share, from those that have most.
pub(crate) fn moves_onto(parts: &ViewParts, node: u32) -> Vec<Move> {
    let Some(Some(new)) = parts.members.get(node as usize).cloned() else {
        return Vec::new();
    };
    let mut load = Load::of(parts);
    let member_of = |node: u32| parts.members.get(node as usize)?.as_deref();
    let mut moves = Vec::new();
    for (&table, layout) in &parts.tablets {
        for place in layout.places() {
            if place.nodes.contains(&node) {
                continue;
            }
            let heaviest = place
                .replicas()
                .filter_map(|replica| Some((replica, member_of(replica.node)?)))
                .filter(|(_, member)| member.datacenter_id == new.datacenter_id)
                .max_by_key(|(_, member)| load.of_node(member));
            let to = load.lightest(&new);
            load.add(to);
            match heaviest {
                // Only while that makes the two more equal.
                Some((from, member)) if load.of_node(&new) <= load.of_node(member) => {
                    load.remove(from);
                    let to = Some(to);
                    let last = place.last;
                    moves.push(Move {
                        table,
                        last,
                        from,
                        to,
                    });
                }
                _ => load.remove(to),
            }
        }
    }
    moves
}
