//! Counters: one replica adds and spreads the sum, so that no addition counts twice.

use std::rc::Rc;

use shardlane_routing::Token;
use shardlane_wire::{Consistency, WriteType};

use super::errors;
use super::message::Work;
use super::quota::Quota;
use super::task::{Origin, Patience, Task, TaskKind, WriteTask};
use super::write::WriteOrder;
use crate::cluster::view::{TableRoute, View};
use crate::engine::CounterUpdate;
use crate::node::shard::{Shard, ShardId};

impl Shard {
    /// Adds to counters: each update through a leader of its own.
    pub(crate) fn count(
        &mut self,
        origin: Origin,
        mut updates: Vec<CounterUpdate>,
        consistency: Consistency,
    ) {
        let view = Rc::clone(&self.view);
        let mut leaders = Vec::with_capacity(updates.len());
        for update in &updates {
            let Some(route) = view.table(update.table) else {
                return self.finish(origin, None, Err(errors::invalid("unconfigured table")));
            };
            match self.counter_leader(&view, route, update.token(), consistency) {
                Ok(leader) => leaders.push(leader),
                Err(error) => return self.finish(origin, None, Err(error)),
            }
        }
        if let ([leader], Some(update)) = (&leaders[..], updates.first())
            && *leader == self.id
        {
            let update = update.clone();
            return self.lead_counter(origin, &update, consistency);
        }
        let kind = TaskKind::Write(WriteTask {
            quotas: vec![Quota::one(); updates.len()],
            open: updates.len(),
            consistency,
            write_type: WriteType::Counter,
            rows: None,
        });
        let key = self.tasks.insert(
            Task {
                origin,
                lock: None,
                kind,
            },
            Patience::Write,
            self.now,
        );
        for ((part, leader), update) in (0..).zip(leaders).zip(updates.drain(..)) {
            let reply = self.reply_to(key, part);
            if leader == self.id {
                self.lead_counter(Origin::Shard(reply), &update, consistency);
            } else {
                self.send(
                    leader,
                    Work::LeadCounter {
                        update,
                        consistency,
                    },
                    Some(reply),
                );
            }
        }
    }

    /// This node if it has a replica, else the first live one.
    fn counter_leader(
        &self,
        view: &View,
        route: &TableRoute,
        token: Token,
        consistency: Consistency,
    ) -> Result<ShardId, shardlane_wire::ErrorBody> {
        let own = [self.id.node];
        let replicas = route.replicas(token).unwrap_or(&own);
        let here = self.datacenter();
        Quota::new(consistency, replicas, &route.replication, view, here)
            .map_err(errors::unavailable)?;
        let mut live = replicas
            .iter()
            .filter_map(|&node| view.member(node))
            .filter(|member| member.is_live());
        let member = live
            .clone()
            .find(|member| member.index == self.id.node)
            .or_else(|| live.clone().find(|member| member.datacenter_id == here))
            .or_else(|| live.next());
        match member {
            Some(member) => Ok(ShardId {
                node: member.index,
                shard: route.shard_of(member, token),
            }),
            // ANY is no level for counters: somebody must add.
            None => Err(errors::unavailable(super::quota::Unavailable {
                consistency,
                required: 1,
                alive: 0,
            })),
        }
    }

    /// Adds here, and writes the sum to the other replicas.
    pub(crate) fn lead_counter(
        &mut self,
        origin: Origin,
        update: &CounterUpdate,
        consistency: Consistency,
    ) {
        let view = Rc::clone(&self.view);
        let Some(member) = view.member(self.id.node) else {
            return;
        };
        let mutation = self.store.apply_counter(update, member.host_id.0);
        let order = WriteOrder {
            mutations: vec![mutation],
            level: consistency,
            consistency,
            write_type: WriteType::Counter,
            rows: None,
        };
        self.write(origin, None, order);
    }
}
