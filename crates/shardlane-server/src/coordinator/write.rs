//! Writes: to all replicas that take them, acknowledged when the consistency level is met.

use std::rc::Rc;

use shardlane_routing::Token;
use shardlane_wire::{Consistency, ErrorBody, WriteType};

use super::errors;
use super::locks::LockKey;
use super::message::{TaskKey, Work};
use super::quota::{Quota, Unavailable};
use super::replica::Outcome;
use super::task::{Origin, Patience, Task, TaskKind, WriteTask};
use crate::cluster::view::{TableRoute, View};
use crate::engine::{Mutation, RowsOut};
use crate::node::shard::{Shard, ShardId};

/// What is to be written, and what it takes.
#[derive(Debug)]
pub(crate) struct WriteOrder {
    pub(crate) mutations: Vec<Mutation>,
    /// The level to wait for.
    pub(crate) level: Consistency,
    /// The level to name in errors.
    pub(crate) consistency: Consistency,
    pub(crate) write_type: WriteType,
    /// The answer; `None` is VOID.
    pub(crate) rows: Option<RowsOut>,
}

impl WriteTask {
    /// Counts an acknowledgement; true when it was the last that was needed.
    pub(crate) fn acknowledge(&mut self, part: u32, datacenter: u32) -> bool {
        let Some(quota) = self.quotas.get_mut(part as usize) else {
            return false;
        };
        if quota.is_met() {
            return false;
        }
        quota.count(datacenter);
        if quota.is_met() {
            self.open -= 1;
        }
        self.open == 0
    }

    pub(crate) fn timeout(&self) -> ErrorBody {
        let worst = self.quotas.iter().min_by_key(|quota| quota.received);
        let (received, block_for) = worst.map_or((0, 1), |quota| (quota.received, quota.needed));
        let write_type = self.write_type.clone();
        errors::write_timeout("a write", self.consistency, received, block_for, write_type)
    }
}

impl Shard {
    /// Writes and answers `origin`. Nothing is written if any of the mutations lacks live replicas:
    /// a batch is all or nothing as far as this coordinator can see.
    pub(crate) fn write(&mut self, origin: Origin, lock: Option<Rc<LockKey>>, order: WriteOrder) {
        let view = Rc::clone(&self.view);
        let WriteOrder {
            mutations,
            level,
            consistency,
            write_type,
            rows,
        } = order;
        let quotas: Result<Vec<Quota>, Unavailable> = mutations
            .iter()
            .map(|mutation| self.write_quota(&view, mutation, level))
            .collect();
        let quotas = match quotas {
            Ok(quotas) => quotas,
            Err(mut seen) => {
                seen.consistency = consistency;
                return self.finish(origin, lock, Err(errors::unavailable(seen)));
            }
        };
        let open = quotas.iter().filter(|quota| !quota.is_met()).count();
        if open == 0 {
            for mutation in mutations {
                self.spread(&view, mutation, None);
            }
            let outcome = rows.map_or(Outcome::Void, Outcome::Rows);
            return self.finish(origin, lock, Ok(outcome));
        }
        let patience = if write_type == WriteType::Cas {
            Patience::Cas
        } else {
            Patience::Write
        };
        let kind = TaskKind::Write(WriteTask {
            quotas,
            open,
            consistency,
            write_type,
            rows,
        });
        let key = self
            .tasks
            .insert(Task { origin, lock, kind }, patience, self.now);
        for (part, mutation) in (0..).zip(mutations) {
            self.spread(&view, mutation, Some((key, part)));
        }
    }

    /// What a mutation takes, with this shard's own acknowledgement counted in advance.
    fn write_quota(
        &self,
        view: &View,
        mutation: &Mutation,
        level: Consistency,
    ) -> Result<Quota, Unavailable> {
        let mut quota = Quota::one();
        let token = mutation.token();
        let Some(route) = view.table(mutation.table) else {
            // Dropped in the meantime: writing nothing takes nobody.
            quota.received = quota.needed;
            return Ok(quota);
        };
        let here = self.datacenter();
        let is_mine = self.owns(view, route, token);
        match route.replicas(token) {
            Some(replicas) => {
                quota = Quota::new(level, replicas, &route.replication, view, here)?;
                if is_mine {
                    quota.count(here);
                } else if level == Consistency::Any && !has_live(view, replicas) {
                    quota.received = quota.needed;
                }
            }
            None if is_mine => quota.count(here),
            None => {}
        }
        Ok(quota)
    }

    /// Whether this very shard has a replica of the token.
    pub(crate) fn owns(&self, view: &View, route: &TableRoute, token: Token) -> bool {
        let is_replica = route
            .replicas(token)
            .is_none_or(|replicas| replicas.contains(&self.id.node));
        is_replica
            && view
                .member(self.id.node)
                .is_some_and(|me| me.is_live() && route.shard_of(me, token) == self.id.shard)
    }

    /// Sends a mutation to all who take it, and applies it here if this is one of them.
    fn spread(&mut self, view: &View, mutation: Mutation, task: Option<(TaskKey, u32)>) {
        let token = mutation.token();
        let Some(route) = view.table(mutation.table) else {
            return;
        };
        let own = [self.id.node];
        let replicas = route.replicas(token).unwrap_or(&own);
        let joining = route.pending_replicas(token);
        let joining = joining.iter().filter(|node| !replicas.contains(node));
        let shards = replicas
            .iter()
            .chain(joining)
            .filter_map(|&node| view.member(node))
            .map(|member| ShardId {
                node: member.index,
                shard: route.shard_of(member, token),
            })
            .chain(route.also_written(token));
        let reply = task.map(|(key, part)| self.reply_to(key, part));
        let (mut is_mine, mut is_taken) = (false, false);
        for to in shards {
            if !view.member(to.node).is_some_and(|m| m.takes_writes()) {
                continue;
            }
            is_taken = true;
            self.trace_to("write", to);
            if to == self.id {
                is_mine = true;
            } else {
                self.send(to, Work::Apply(mutation.clone()), reply);
            }
        }
        if is_mine {
            self.apply(mutation);
        } else if !is_taken {
            for &node in replicas {
                self.hints.keep(node, mutation.clone());
            }
        }
    }
}

fn has_live(view: &View, replicas: &[u32]) -> bool {
    replicas
        .iter()
        .any(|&node| view.member(node).is_some_and(|member| member.is_live()))
}
