//! Writes kept for replicas that were all down: consistency ANY accepts them.

use std::collections::HashMap;
use std::rc::Rc;

use super::message::{Message, Work};
use crate::engine::Mutation;
use crate::node::shard::Shard;

/// Hints kept for one node; beyond that new ones are lost, as hints are when a node is down for
/// longer than `max_hint_window`.
const HINTS_PER_NODE_MAX: usize = 100_000;

/// Hints by the node that they are for.
#[derive(Debug, Default)]
pub(crate) struct Hints(HashMap<u32, Vec<Mutation>>);

impl Hints {
    pub(crate) fn keep(&mut self, node: u32, mutation: Mutation) {
        let list = self.0.entry(node).or_default();
        if list.len() < HINTS_PER_NODE_MAX {
            list.push(mutation);
        }
    }
}

impl Shard {
    /// Sends what was kept for a node that is up again.
    pub(crate) fn replay_hints(&mut self, node: u32) {
        let view = Rc::clone(&self.view);
        let Some(member) = view.member(node) else {
            return;
        };
        for mutation in self.hints.0.remove(&node).unwrap_or_default() {
            let Some(route) = view.table(mutation.table) else {
                continue;
            };
            let shard = route.shard_of(member, mutation.token());
            if let Some(link) = member.shards.get(usize::from(shard)) {
                link.send(Message::Work {
                    work: Work::Apply(mutation),
                    reply: None,
                });
            }
        }
    }
}
