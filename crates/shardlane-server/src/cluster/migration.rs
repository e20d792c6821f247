//! Tablets that move and split, while requests go on.

use std::sync::Arc;

use shardlane_routing::{Tablet, Token};

use super::error::ControlError;
use super::membership::Plane;
use super::slot::NodeState;
use super::tablets::{Move, TABLETS_MAX, TabletLayout, moves_off, moves_onto};
use super::view::{TableRoute, View, ViewParts};
use crate::coordinator::message::{Message, Work};
use crate::engine::TableId;
use crate::node::control::Control;
use crate::node::shard::ShardId;

/// One step of a move.
type Step = fn(&mut TabletLayout, &Move);

fn step_all(parts: &mut ViewParts, moves: &[Move], step: Step) {
    for one in moves {
        // A table that was dropped meanwhile has no tablets.
        if let Some(layout) = parts.tablets.get_mut(&one.table) {
            step(Arc::make_mut(layout), one);
        }
    }
}

fn find<'a>(view: &'a View, keyspace: &str, table: &str) -> Result<&'a TableRoute, ControlError> {
    let known = view.schema.table(keyspace, table);
    known
        .and_then(|table| view.table(table.id))
        .filter(|route| route.tablets.is_some())
        .ok_or_else(|| ControlError::NoTablets {
            keyspace: keyspace.to_owned(),
            table: table.to_owned(),
        })
}

impl Plane {
    /// The tablets of a table, ascending, with host ids and shards.
    pub(super) fn tablets(&self, keyspace: &str, table: &str) -> Result<Vec<Tablet>, ControlError> {
        let view = self.shared.view();
        let route = find(&view, keyspace, table)?;
        let host_id = |node| view.member(node).map(|member| member.host_id);
        let layout = route.tablets.as_deref().into_iter();
        Ok(layout
            .flat_map(|layout| {
                let lasts = layout.places().iter().map(|place| place.last);
                lasts.filter_map(move |last| layout.tablet(last, None, host_id))
            })
            .collect())
    }

    /// Moves the replica that a node has of the tablet of `token` to a shard of another node, or of its own.
    pub(super) fn migrate_tablet(
        &mut self,
        keyspace: &str,
        table: &str,
        token: Token,
        from: usize,
        (to, shard): (usize, u16),
    ) -> Result<(), ControlError> {
        self.slot_in(from, &[NodeState::Up])?;
        let shards = self.slot_in(to, &[NodeState::Up])?.info.shards;
        let refused = |why: String| Err(ControlError::Tablet(why));
        if usize::from(shard) >= shards.max(1) {
            return refused(format!("node {to} has no shard {shard}, only {shards}"));
        }
        let view = self.shared.view();
        let route = find(&view, keyspace, table)?;
        let place = route.tablets.as_deref().and_then(|t| t.place(token));
        let Some((place, from_shard)) = place.and_then(|p| Some((p, p.shard_on(from as u32)?)))
        else {
            return refused(format!("node {from} has no replica of that tablet"));
        };
        let from = ShardId {
            node: from as u32,
            shard: from_shard,
        };
        let to = ShardId {
            node: to as u32,
            shard,
        };
        if from == to {
            return refused("that is where the replica lies already".to_owned());
        }
        if from.node != to.node && place.nodes.contains(&to.node) {
            return refused(format!(
                "node {} has a replica of that tablet already",
                to.node
            ));
        }
        let one = Move {
            table: route.table.id,
            last: place.last,
            from,
            to: Some(to),
        };
        self.migrate(&[one])
    }

    /// Cuts each tablet of a table in two; returns how many there are then.
    pub(super) fn split_tablets(
        &mut self,
        keyspace: &str,
        table: &str,
    ) -> Result<usize, ControlError> {
        let view = self.shared.view();
        let id = find(&view, keyspace, table)?.table.id;
        let mut count = None;
        self.shared.change(|parts| {
            if let Some(layout) = parts.tablets.get_mut(&id) {
                let layout = Arc::make_mut(layout);
                count = layout.split().then(|| layout.places().len());
            }
        });
        // Data does not move: each half lies where the whole was.
        let count = count.ok_or_else(|| {
            ControlError::Tablet(format!("a table has at most {TABLETS_MAX} tablets"))
        })?;
        self.barrier()?;
        Ok(count)
    }

    /// Takes all tablets off a node that leaves. Where no other node can take a replica, the tablet
    /// lives on with those that are left, as ranges of the ring do.
    pub(super) fn move_tablets_off(&mut self, index: usize) -> Result<(), ControlError> {
        let mut moves = Vec::new();
        self.shared
            .change(|parts| moves = moves_off(parts, index as u32));
        self.migrate(&moves)
    }

    /// Gives a new node its share of all tablets.
    pub(super) fn move_tablets_onto(&mut self, index: usize) -> Result<(), ControlError> {
        let mut moves = Vec::new();
        self.shared
            .change(|parts| moves = moves_onto(parts, index as u32));
        self.migrate(&moves)
    }

    /// Carries out moves, of different tablets, all at once.
    fn migrate(&self, moves: &[Move]) -> Result<(), ControlError> {
        if moves.is_empty() {
            return Ok(());
        }
        self.shared
            .change(|parts| step_all(parts, moves, TabletLayout::begin));
        self.barrier()?;
        let mut tables: Vec<TableId> = moves.iter().map(|one| one.table).collect();
        tables.dedup();
        let tables: Arc<[TableId]> = tables.into();
        self.order(
            |slot| slot.info.state == NodeState::Up,
            |done| Control::Stream(Some(Arc::clone(&tables)), done),
            "streaming a tablet",
        )?;
        self.while_frozen(|parts| step_all(parts, moves, TabletLayout::switch))?;
        let view = self
            .shared
            .change(|parts| step_all(parts, moves, TabletLayout::end));
        self.barrier()?;
        for one in moves {
            forget(&view, one);
        }
        Ok(())
    }
}

/// Has the old replica forget its data. The order goes the way of work, behind all writes that were sent
/// while it still took them.
fn forget(view: &View, one: &Move) {
    let layout = view
        .table(one.table)
        .and_then(|route| route.tablets.as_ref());
    let link = view
        .member(one.from.node)
        .and_then(|member| member.shards.get(usize::from(one.from.shard)));
    if let (Some(layout), Some(link)) = (layout, link) {
        let work = Work::Forget {
            table: one.table,
            after: layout.before(one.last),
            last: one.last,
        };
        link.send(Message::Work { work, reply: None });
    }
}
