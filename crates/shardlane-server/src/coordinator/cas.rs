//! Conditional writes: linearizable, one partition at a time.
//!
//! The leader of a partition is the live replica that has been up longest, and within it the shard
//! that owns the token. It locks the partition, reads a quorum, decides, writes a quorum, and answers.
//! Why that is enough, though it is no Paxos:
//!
//! - There is one leader at a time. Leadership moves only when the leader has ended (its threads
//!   are joined before the others learn of it), or, when the replicas of a range change, while all
//!   conditional writes are held back ([`crate::cluster::view::View::cas_frozen`]).
//! - A leader puts its writes into the queues of all live replicas in one go. Whoever leads
//!   later reads behind them in those queues, so no decision is taken without seeing them.
//! - A node that comes up again is given what the others have before it is asked anything.

use std::rc::Rc;

use shardlane_routing::Token;
use shardlane_wire::{Consistency, ErrorBody, SerialConsistency, WriteType};

use super::errors;
use super::gather::Then;
use super::locks::LockKey;
pub(crate) use super::message::LeadCas;
use super::message::Work;
use super::quota::Unavailable;
use super::read::Choice;
use super::replica::Outcome;
use super::task::{LeadTask, Origin, Patience, Task, TaskKind};
use super::write::WriteOrder;
use crate::cluster::shared::now_us;
use crate::cluster::view::TableRoute;
use crate::engine::{Env, PartialResult, PartitionKey, ReadCommand, ReadTarget, TableId};
use crate::node::shard::{Shard, ShardId};

/// Work for the leader of a partition.
#[derive(Debug)]
pub(crate) struct Leading {
    pub(crate) origin: Origin,
    pub(crate) work: LeadWork,
}

/// What to do under the lock.
#[derive(Debug)]
pub(crate) enum LeadWork {
    Cas(Box<LeadCas>),
    Read {
        command: ReadCommand,
        consistency: SerialConsistency,
    },
}

impl Leading {
    fn place(&self) -> (TableId, &PartitionKey) {
        match &self.work {
            LeadWork::Cas(lead) => (lead.plan.table().id, lead.plan.partition()),
            LeadWork::Read { command, .. } => match &command.target {
                ReadTarget::Partition(partition) => (command.table, partition),
                ReadTarget::Range { .. } => unreachable!("a serial read is of one partition"),
            },
        }
    }

    const fn level(&self) -> SerialConsistency {
        match &self.work {
            LeadWork::Cas(lead) => lead.serial,
            LeadWork::Read { consistency, .. } => *consistency,
        }
    }

    pub(crate) fn lock_key(&self) -> LockKey {
        let (table, partition) = self.place();
        LockKey {
            table,
            partition: partition.clone(),
        }
    }
}

impl Shard {
    /// The shard that leads conditional writes to this token.
    pub(crate) fn cas_leader(
        &self,
        route: &TableRoute,
        token: Token,
        level: SerialConsistency,
    ) -> Result<ShardId, ErrorBody> {
        let view = &self.view;
        let own = [self.id.node];
        let replicas = route.replicas(token).unwrap_or(&own);
        let datacenter = (level == SerialConsistency::LocalSerial).then(|| self.datacenter());
        let leader = view.leader(replicas, datacenter).ok_or_else(|| {
            errors::unavailable(Unavailable {
                consistency: level.into(),
                required: 1,
                alive: 0,
            })
        })?;
        Ok(ShardId {
            node: leader.index,
            shard: route.shard_of(leader, token),
        })
    }

    /// Leads if it is up to this shard, else passes the work on to who does.
    pub(crate) fn lead(&mut self, leading: Leading) {
        if self.view.cas_frozen {
            return self.locks.frozen.push(leading);
        }
        let view = Rc::clone(&self.view);
        let (table, partition) = leading.place();
        let Some(route) = view.table(table) else {
            let error = errors::invalid("unconfigured table");
            return self.finish(leading.origin, None, Err(error));
        };
        match self.cas_leader(route, partition.token, leading.level()) {
            Ok(leader) if leader == self.id => {
                if let Some((lock, leading)) = self.locks.acquire(leading) {
                    self.lead_locked(lock, leading);
                }
            }
            Ok(leader) => self.pass_on(leader, leading),
            Err(error) => self.finish(leading.origin, None, Err(error)),
        }
    }

    fn pass_on(&mut self, leader: ShardId, leading: Leading) {
        let Leading { origin, work } = leading;
        let reply = match origin {
            // Whoever asked this shard gets the answer from the right one.
            Origin::Shard(reply) => reply,
            origin => {
                let consistency = match &work {
                    LeadWork::Cas(lead) => lead.consistency,
                    LeadWork::Read { consistency, .. } => (*consistency).into(),
                };
                let lead = LeadTask {
                    consistency,
                    block_for: 1,
                    write_type: WriteType::Cas,
                };
                let task = Task {
                    origin,
                    lock: None,
                    kind: TaskKind::Lead(lead),
                };
                let key = self.tasks.insert(task, Patience::Cas, self.now);
                self.reply_to(key, 0)
            }
        };
        let work = match work {
            LeadWork::Cas(lead) => Work::LeadCas(lead),
            LeadWork::Read {
                command,
                consistency,
            } => Work::LeadRead {
                command,
                consistency,
            },
        };
        self.send(leader, work, Some(reply));
    }

    /// The partition is ours alone: read it.
    fn lead_locked(&mut self, lock: Rc<LockKey>, leading: Leading) {
        let view = Rc::clone(&self.view);
        let (table, partition) = leading.place();
        let leader = view
            .table(table)
            .map(|route| self.cas_leader(route, partition.token, leading.level()));
        if !matches!(leader, Some(Ok(leader)) if leader == self.id) {
            // Replicas have changed while this waited in the line.
            self.unlock(lock);
            return self.lead(leading);
        }
        let level: Consistency = leading.level().into();
        let Leading { origin, work } = leading;
        let (command, then, consistency) = match work {
            LeadWork::Cas(lead) => {
                let consistency = lead.consistency;
                (lead.plan.read_command(), Then::Cas(lead), consistency)
            }
            LeadWork::Read {
                command,
                consistency,
            } => (command, Then::Answer, consistency.into()),
        };
        let Some(route) = view.table(command.table) else {
            let error = errors::invalid("unconfigured table");
            return self.finish(origin, Some(lock), Err(error));
        };
        let (command, choice) = match self.choose(&view, route, command, level) {
            Ok(chosen) => chosen,
            Err(seen) => return self.finish(origin, Some(lock), Err(errors::unavailable(seen))),
        };
        let is_mine = self.is_mine_alone(&view, route, &command, &choice);
        match then {
            Then::Cas(lead) if is_mine => {
                let result = self.read_here(&command);
                self.decide(origin, Some(lock), *lead, result);
            }
            then => {
                let Choice {
                    quota,
                    targets,
                    spare,
                } = choice;
                self.gather(
                    origin,
                    Some(lock),
                    command,
                    quota,
                    consistency,
                    &targets,
                    spare,
                    then,
                );
            }
        }
    }

    /// Decides a conditional write on what a quorum knows, and writes.
    pub(crate) fn decide(
        &mut self,
        origin: Origin,
        lock: Option<Rc<LockKey>>,
        lead: LeadCas,
        known: PartialResult,
    ) {
        let LeadCas {
            plan,
            consistency,
            serial,
            seed,
        } = lead;
        let env = Env {
            now_us: now_us(),
            timestamp_us: self.shared.unique_timestamp(),
            seed,
        };
        match plan.decide(known, &env) {
            Err(error) => self.finish(origin, lock, Err(errors::from_engine(error))),
            Ok(outcome) if outcome.mutations.is_empty() => {
                self.finish(origin, lock, Ok(Outcome::Rows(outcome.rows)));
            }
            Ok(outcome) => {
                // What was decided must be safe with a quorum, whatever the client waits for.
                let level = match consistency {
                    Consistency::All | Consistency::EachQuorum => consistency,
                    _ => serial.into(),
                };
                let order = WriteOrder {
                    mutations: outcome.mutations,
                    level,
                    consistency,
                    write_type: WriteType::Cas,
                    rows: Some(outcome.rows),
                };
                self.write(origin, lock, order);
            }
        }
    }

    /// Ends conditional writes that are not decided: what they have read may be old by now, for
    /// another node may have led meanwhile.
    pub(crate) fn give_up_undecided(&mut self) {
        while let Some(task) = self.tasks.take_locked_gather() {
            self.expire(task);
        }
    }

    /// Lets the next in line have the partition.
    pub(crate) fn unlock(&mut self, lock: Rc<LockKey>) {
        match self.locks.release(&lock) {
            // Led from the main loop, for a long line must not become a deep stack.
            Some(next) => self.locks.ready.push_back((lock, next)),
            None if self.locks.is_idle() => {
                for waiting in self.locks.barriers.drain(..) {
                    // Who no longer waits need not be told.
                    let _ = waiting.send(());
                }
            }
            None => {}
        }
    }

    /// Leads for those whose turn has come.
    pub(crate) fn drive_locks(&mut self) {
        if !self.view.cas_frozen && !self.locks.frozen.is_empty() {
            for leading in std::mem::take(&mut self.locks.frozen) {
                self.lead(leading);
            }
        }
        while let Some((lock, leading)) = self.locks.ready.pop_front() {
            self.lead_locked(lock, leading);
        }
    }
}
