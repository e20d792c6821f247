//! Giving data to shards that are about to need it: new owners of a range or a tablet, and nodes that
//! have been away. Data carries its timestamps, so giving too much, or twice, does no harm.

use std::rc::Rc;
use std::sync::mpsc::Sender;

use shardlane_routing::Token;

use super::message::{TaskKey, Work};
use super::task::{Origin, Patience, Task, TaskKind};
use crate::cluster::view::{MemberState, TableRoute, View};
use crate::engine::{Mutation, Position, ReadCommand, TableId};
use crate::node::shard::{Shard, ShardId};

/// Rows read for one step: between steps a shard serves its clients.
const ROWS_PER_STEP: usize = 1000;

/// A shard's data on its way to others.
#[derive(Debug)]
pub(crate) struct Streaming {
    /// Tables that are still to be sent, the last first.
    tables: Vec<TableId>,
    resume: Option<Position>,
    /// Writes that were sent and are not acknowledged.
    unacknowledged: usize,
    done: Sender<()>,
}

impl Streaming {
    /// Counts an acknowledgement; true when the step is complete.
    pub(crate) const fn acknowledge(&mut self) -> bool {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
        self.unacknowledged == 0
    }
}

impl Shard {
    /// Sends what others need, of `only` these tables if they are given.
    pub(crate) fn start_streaming(&mut self, only: Option<&[TableId]>, done: Sender<()>) {
        let routes = self.view.tables();
        let tables = routes
            .filter(|route| !route.table.is_virtual && !route.replication.is_local())
            .filter(|route| only.is_none_or(|only| only.contains(&route.table.id)))
            .map(|route| route.table.id)
            .collect();
        let streaming = Streaming {
            tables,
            resume: None,
            unacknowledged: 0,
            done,
        };
        let kind = TaskKind::Stream(Box::new(streaming));
        let task = Task {
            origin: Origin::Nobody,
            lock: None,
            kind,
        };
        let key = self.tasks.insert(task, Patience::Endless, self.now);
        self.stream_on(key);
    }

    /// Sends the next rows that somebody needs; called again when they have arrived.
    pub(crate) fn stream_on(&mut self, key: TaskKey) {
        let view = Rc::clone(&self.view);
        loop {
            let Some(Task {
                kind: TaskKind::Stream(streaming),
                ..
            }) = self.tasks.get_mut(key)
            else {
                return;
            };
            let Some(&table) = streaming.tables.last() else {
                break;
            };
            let resume = streaming.resume.take();
            let mut command = ReadCommand::scan(table, Token::MIN, Token::MAX, ROWS_PER_STEP);
            command.resume = resume;
            // At the beginning of time nothing has expired: expiry travels with the data.
            let result = self.store.read(&command, i64::MIN);
            let reply = self.reply_to(key, 0);
            let mut sent = 0;
            if let Some(route) = view.table(table) {
                for fragment in result.fragments {
                    let token = fragment.key.token;
                    for to in self.in_need(&view, route, token) {
                        let mutation = Mutation {
                            table,
                            fragment: fragment.clone(),
                        };
                        self.send(to, Work::Apply(mutation), Some(reply));
                        sent += 1;
                    }
                }
            }
            let Some(Task {
                kind: TaskKind::Stream(streaming),
                ..
            }) = self.tasks.get_mut(key)
            else {
                return;
            };
            streaming.resume = result.end;
            if streaming.resume.is_none() {
                streaming.tables.pop();
            }
            if sent > 0 {
                streaming.unacknowledged = sent;
                return;
            }
        }
        if let Some(Task {
            kind: TaskKind::Stream(streaming),
            ..
        }) = self.tasks.remove(key)
        {
            // Who no longer waits need not be told.
            let _ = streaming.done.send(());
        }
    }

    /// The other shards that must be given what they lack at this token.
    fn in_need(&self, view: &View, route: &TableRoute, token: Token) -> Vec<ShardId> {
        let replicas = route.replicas(token).unwrap_or_default();
        let restoring = replicas.iter().filter(|&&node| {
            view.member(node)
                .is_some_and(|member| member.state == MemberState::Restoring)
        });
        let pending = route.pending_replicas(token).iter();
        let pending = pending.filter(|node| !replicas.contains(node));
        restoring
            .chain(pending)
            .filter(|&&node| node != self.id.node)
            .filter_map(|&node| view.member(node))
            .map(|member| ShardId {
                node: member.index,
                shard: route.shard_of(member, token),
            })
            .chain(route.also_written(token).filter(|&to| to != self.id))
            .collect()
    }
}
