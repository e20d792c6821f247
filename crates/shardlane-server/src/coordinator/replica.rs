//! What a shard does with its own data, for itself or for another coordinator; and how tasks end.

use std::rc::Rc;

use shardlane_wire::ErrorBody;

use super::cas::{LeadWork, Leading};
use super::errors;
use super::locks::LockKey;
use super::message::{Answer, Message, ReplyTo, TaskKey, Work};
use super::task::{Origin, Task, TaskKind};
use crate::cluster::shared::now_us;
use crate::engine::{Mutation, PartialResult, ReadCommand, RowsOut};
use crate::node::shard::{Shard, ShardId};

/// How a task ended well.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With nothing to tell.
    Void,
    /// With rows for the client.
    Rows(RowsOut),
    /// With what the replicas know, for the coordinator that asked this shard to lead.
    Read(PartialResult),
}

impl Shard {
    pub(crate) fn on_message(&mut self, message: Message) {
        match message {
            Message::Work { work, reply } => self.on_work(work, reply),
            Message::Answer {
                task,
                part,
                from,
                answer,
            } => {
                self.on_answer(task, part, from, answer);
            }
        }
    }

    fn on_work(&mut self, work: Work, reply: Option<ReplyTo>) {
        let origin = reply.map_or(Origin::Nobody, Origin::Shard);
        let answer = match work {
            Work::Apply(mutation) => {
                self.apply(mutation);
                Answer::Done
            }
            Work::Read(command) => Answer::Read(self.read_here(&command)),
            Work::Truncate(table) => {
                self.store.truncate(table);
                Answer::Done
            }
            Work::Forget { table, after, last } => {
                self.store.forget_range(table, after, last);
                Answer::Done
            }
            Work::LeadCounter {
                update,
                consistency,
            } => {
                return self.lead_counter(origin, &update, consistency);
            }
            Work::LeadCas(lead) => {
                return self.lead(Leading {
                    origin,
                    work: LeadWork::Cas(lead),
                });
            }
            Work::LeadRead {
                command,
                consistency,
            } => {
                let work = LeadWork::Read {
                    command,
                    consistency,
                };
                return self.lead(Leading { origin, work });
            }
        };
        if let Some(reply) = reply {
            self.answer(reply, answer);
        }
    }

    /// Applies a write to this shard's data.
    pub(crate) fn apply(&mut self, mutation: Mutation) {
        self.counters().operation();
        // Of a table that was dropped in the meantime nothing is kept.
        if self.view.table(mutation.table).is_some() {
            self.store.apply(mutation);
        }
    }

    /// Reads this shard's data.
    pub(crate) fn read_here(&self, command: &ReadCommand) -> PartialResult {
        self.counters().operation();
        self.store.read(command, now_us())
    }

    /// Sends work to a shard; a shard that is not there will not answer.
    pub(crate) fn send(&self, to: ShardId, work: Work, reply: Option<ReplyTo>) {
        self.counters().forwarded();
        if let Some(link) = self
            .view
            .member(to.node)
            .and_then(|member| member.shards.get(usize::from(to.shard)))
        {
            link.send(Message::Work { work, reply });
        }
    }

    pub(crate) const fn reply_to(&self, task: TaskKey, part: u32) -> ReplyTo {
        ReplyTo {
            shard: self.id,
            task,
            part,
        }
    }

    fn answer(&self, reply: ReplyTo, answer: Answer) {
        let ReplyTo { shard, task, part } = reply;
        if let Some(member) = self.view.member(shard.node)
            && let Some(link) = member.shards.get(usize::from(shard.shard))
        {
            link.send(Message::Answer {
                task,
                part,
                from: self.id.node,
                answer,
            });
        }
    }

    fn on_answer(&mut self, key: TaskKey, part: u32, from: u32, answer: Answer) {
        let datacenter = self
            .view
            .member(from)
            .map_or(u32::MAX, |member| member.datacenter_id);
        // Late answers find no task, and are as good as lost.
        let Some(task) = self.tasks.get_mut(key) else {
            return;
        };
        let is_complete = match (&mut task.kind, answer) {
            (_, Answer::Failed(error)) => {
                if let Some(task) = self.tasks.remove(key) {
                    self.finish(task.origin, task.lock, Err(*error));
                }
                return;
            }
            (TaskKind::Write(write), Answer::Done) => write.acknowledge(part, datacenter),
            (TaskKind::Gather(gather), Answer::Read(result)) => {
                gather.receive(part, datacenter, result)
            }
            (TaskKind::Lead(_), answer) => {
                if let Some(task) = self.tasks.remove(key) {
                    self.finish(task.origin, task.lock, Ok(outcome_of(answer)));
                }
                return;
            }
            (TaskKind::Stream(streaming), Answer::Done) => {
                if streaming.acknowledge() {
                    self.stream_on(key);
                }
                return;
            }
            // An answer to another question than was asked cannot be: there is nothing to do.
            _ => false,
        };
        if is_complete && let Some(task) = self.tasks.remove(key) {
            self.complete(task);
        }
    }

    pub(crate) fn complete(&mut self, task: Task) {
        let Task { origin, lock, kind } = task;
        match kind {
            TaskKind::Write(write) => {
                let outcome = write.rows.map_or(Outcome::Void, Outcome::Rows);
                self.finish(origin, lock, Ok(outcome));
            }
            TaskKind::Gather(gather) => self.gathered(origin, lock, *gather),
            TaskKind::Lead(_) | TaskKind::Stream(_) => {}
        }
    }

    /// Ends a task: tells whoever waits, and lets the next one have the lock.
    pub(crate) fn finish(
        &mut self,
        origin: Origin,
        lock: Option<Rc<LockKey>>,
        result: Result<Outcome, ErrorBody>,
    ) {
        match origin {
            Origin::Client(client) => self.respond_outcome(&client, result),
            Origin::Shard(reply) => self.answer(reply, answer_of(result)),
            Origin::Nobody => {}
        }
        if let Some(lock) = lock {
            self.unlock(lock);
        }
    }

    /// Ends tasks whose time is up, and helps those that wait long.
    pub(crate) fn expire_tasks(&mut self) {
        while let Some(key) = self.tasks.pop_speculation(self.now) {
            self.speculate(key);
        }
        while let Some(task) = self.tasks.pop_expired(self.now) {
            self.expire(task);
        }
    }

    /// Ends a task that has waited in vain.
    pub(crate) fn expire(&mut self, task: Task) {
        let Task { origin, lock, kind } = task;
        let error = match kind {
            TaskKind::Write(write) => write.timeout(),
            TaskKind::Gather(gather) => {
                let table = self.view.table(gather.command.table);
                let what = table.map_or_else(String::new, |route| {
                    format!("{}.{}", route.table.keyspace, route.table.name)
                });
                gather.timeout(&what)
            }
            TaskKind::Lead(lead) => errors::write_timeout(
                "a conditional write",
                lead.consistency,
                0,
                lead.block_for,
                lead.write_type,
            ),
            // This has no deadline.
            TaskKind::Stream(_) => return,
        };
        self.finish(origin, lock, Err(error));
    }
}

fn outcome_of(answer: Answer) -> Outcome {
    match answer {
        Answer::Cas(rows) => Outcome::Rows(rows),
        Answer::Read(result) => Outcome::Read(result),
        Answer::Done | Answer::Failed(_) => Outcome::Void,
    }
}

fn answer_of(result: Result<Outcome, ErrorBody>) -> Answer {
    match result {
        Ok(Outcome::Void) => Answer::Done,
        Ok(Outcome::Rows(rows)) => Answer::Cas(rows),
        Ok(Outcome::Read(result)) => Answer::Read(result),
        Err(error) => Answer::Failed(Box::new(error)),
    }
}
