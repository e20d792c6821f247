//! Collecting what replicas know: one question to each, until the consistency level is met.

use std::rc::Rc;

use shardlane_wire::{Consistency, ErrorBody, WriteType};

use super::cas::LeadCas;
use super::errors;
use super::locks::LockKey;
use super::message::{TaskKey, Work};
use super::quota::Quota;
use super::replica::Outcome;
use super::task::{Origin, Patience, Task, TaskKind};
use crate::engine::{PartialResult, ReadCommand, ReadRun, ReadTarget, merge};
use crate::node::shard::{Shard, ShardId};

/// A question to several replicas, and the answers so far.
#[derive(Debug)]
pub(crate) struct Gather {
    pub(crate) command: ReadCommand,
    pub(crate) quota: Quota,
    pub(crate) consistency: Consistency,
    pub(crate) then: Then,
    asked: Vec<Asked>,
    results: Vec<PartialResult>,
    /// Live replicas that were not asked.
    spare: Vec<u32>,
}

/// A node that was asked.
#[derive(Debug)]
struct Asked {
    /// How many of its shards have not answered.
    waiting: u32,
}

/// What to do with the merged answer.
#[derive(Debug)]
pub(crate) enum Then {
    /// Feed a client's read.
    Run(Box<ReadRun>),
    /// Decide a conditional write.
    Cas(Box<LeadCas>),
    /// Give it to the coordinator that asked this shard to lead.
    Answer,
}

impl Gather {
    /// Takes an answer; true when enough nodes have answered.
    pub(crate) fn receive(&mut self, part: u32, datacenter: u32, result: PartialResult) -> bool {
        let Some(asked) = self.asked.get_mut(part as usize) else {
            return false;
        };
        self.results.push(result);
        asked.waiting = asked.waiting.saturating_sub(1);
        if asked.waiting == 0 {
            self.quota.count(datacenter);
        }
        self.quota.is_met()
    }

    pub(crate) fn timeout(&self, what: &str) -> ErrorBody {
        let Quota {
            received, needed, ..
        } = self.quota;
        match self.then {
            Then::Cas(_) => {
                let write_type = WriteType::Cas;
                errors::write_timeout(what, self.consistency, received, needed, write_type)
            }
            Then::Run(_) | Then::Answer => {
                errors::read_timeout(what, self.consistency, received, needed)
            }
        }
    }
}

impl Shard {
    /// Asks `targets`, and keeps `spare` for later. This shard answers itself at once.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a different thing, named at the caller"
    )]
    pub(crate) fn gather(
        &mut self,
        origin: Origin,
        lock: Option<Rc<LockKey>>,
        command: ReadCommand,
        quota: Quota,
        consistency: Consistency,
        targets: &[u32],
        spare: Vec<u32>,
        then: Then,
    ) {
        let patience = match (&command.target, &then) {
            (_, Then::Cas(_)) => Patience::Cas,
            (ReadTarget::Partition(_), _) => Patience::Read,
            (ReadTarget::Range { .. }, _) => Patience::Range,
        };
        let may_speculate = !spare.is_empty();
        let gather = Gather {
            command: command.clone(),
            quota,
            consistency,
            then,
            asked: Vec::with_capacity(targets.len()),
            results: Vec::with_capacity(targets.len()),
            spare,
        };
        let kind = TaskKind::Gather(Box::new(gather));
        let key = self
            .tasks
            .insert(Task { origin, lock, kind }, patience, self.now);
        if may_speculate {
            self.tasks.speculate_later(key, self.now);
        }
        // No more are asked than are needed, so only the last one can complete the task.
        let is_complete = targets.iter().any(|&node| self.ask(key, node, &command));
        if is_complete && let Some(task) = self.tasks.remove(key) {
            self.complete(task);
        }
    }

    /// A task for one answer, which the leader of a partition will give as its part 0.
    pub(crate) fn gather_from_leader(
        &mut self,
        origin: Origin,
        command: ReadCommand,
        consistency: Consistency,
        run: Box<ReadRun>,
    ) -> TaskKey {
        let gather = Gather {
            command,
            quota: Quota::one(),
            consistency,
            then: Then::Run(run),
            asked: vec![Asked { waiting: 1 }],
            results: Vec::new(),
            spare: Vec::new(),
        };
        let kind = TaskKind::Gather(Box::new(gather));
        self.tasks.insert(
            Task {
                origin,
                lock: None,
                kind,
            },
            Patience::Read,
            self.now,
        )
    }

    /// Asks the shards of one node; true if that completes the task, which takes this very shard.
    fn ask(&mut self, key: TaskKey, node: u32, command: &ReadCommand) -> bool {
        let view = Rc::clone(&self.view);
        let Some(member) = view.member(node) else {
            return false;
        };
        let shards = match &command.target {
            ReadTarget::Partition(partition) => {
                let Some(route) = view.table(command.table) else {
                    return false;
                };
                let shard = route.shard_of(member, partition.token);
                shard..shard + 1
            }
            ReadTarget::Range { .. } => 0..member.sharder.nr_shards.get(),
        };
        let Some(Task {
            kind: TaskKind::Gather(gather),
            ..
        }) = self.tasks.get_mut(key)
        else {
            return false;
        };
        let part = gather.asked.len() as u32;
        gather.asked.push(Asked {
            waiting: shards.len() as u32,
        });
        let mut is_complete = false;
        for shard in shards {
            let to = ShardId { node, shard };
            self.trace_to("read", to);
            if to == self.id {
                let result = self.read_here(command);
                if let Some(Task {
                    kind: TaskKind::Gather(gather),
                    ..
                }) = self.tasks.get_mut(key)
                {
                    is_complete = gather.receive(part, member.datacenter_id, result);
                }
            } else {
                let reply = self.reply_to(key, part);
                self.send(to, Work::Read(command.clone()), Some(reply));
            }
        }
        is_complete
    }

    /// Asks one more replica for a read that waits long.
    pub(crate) fn speculate(&mut self, key: TaskKey) {
        let Some(Task {
            kind: TaskKind::Gather(gather),
            ..
        }) = self.tasks.get_mut(key)
        else {
            return;
        };
        let Some(node) = gather.spare.pop() else {
            return;
        };
        let (command, may_again) = (gather.command.clone(), !gather.spare.is_empty());
        if may_again {
            self.tasks.speculate_later(key, self.now);
        }
        if self.ask(key, node, &command)
            && let Some(task) = self.tasks.remove(key)
        {
            self.complete(task);
        }
    }

    /// Goes on with the merged answer.
    pub(crate) fn gathered(&mut self, origin: Origin, lock: Option<Rc<LockKey>>, gather: Gather) {
        let Gather {
            command,
            consistency,
            then,
            mut results,
            ..
        } = gather;
        let merged = match (results.len(), results.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                results.extend(last);
                merge(&command, results)
            }
        };
        match then {
            Then::Run(mut run) => {
                run.feed(merged);
                self.drive(origin, run, consistency);
            }
            Then::Cas(lead) => self.decide(origin, lock, *lead, merged),
            Then::Answer => self.finish(origin, lock, Ok(Outcome::Read(merged))),
        }
    }
}
