//! Reads: which replicas to ask, and going on until the engine has its rows.

use std::rc::Rc;

use shardlane_routing::Token;
use shardlane_wire::{Consistency, SerialConsistency};

use super::errors;
use super::gather::Then;
use super::message::Work;
use super::quota::{Quota, Unavailable};
use super::replica::Outcome;
use super::task::Origin;
use crate::cluster::shared::now_us;
use crate::cluster::view::{TableRoute, View};
use crate::engine::{ReadCommand, ReadRun, ReadStep, ReadTarget, system};
use crate::node::shard::Shard;

/// Whom to ask.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) quota: Quota,
    pub(crate) targets: Vec<u32>,
    /// Live replicas that are not needed.
    pub(crate) spare: Vec<u32>,
}

impl Shard {
    /// Goes on with a read until it is done or must wait for another shard.
    pub(crate) fn drive(
        &mut self,
        origin: Origin,
        mut run: Box<ReadRun>,
        consistency: Consistency,
    ) {
        let view = Rc::clone(&self.view);
        loop {
            let command = match run.step() {
                Ok(ReadStep::Read(command)) => command,
                Ok(ReadStep::Done(rows)) => {
                    return self.finish(origin, None, Ok(Outcome::Rows(rows)));
                }
                Err(error) => {
                    return self.finish(origin, None, Err(errors::from_engine(error)));
                }
            };
            let Some(route) = view.table(command.table) else {
                let error = errors::invalid("unconfigured table");
                return self.finish(origin, None, Err(error));
            };
            if route.table.is_virtual {
                let Some(topology) = self.topology() else {
                    return;
                };
                run.feed(system::read_virtual(
                    &view.schema,
                    &topology,
                    &command,
                    now_us(),
                ));
                continue;
            }
            let serial = match consistency {
                Consistency::Serial => Some(SerialConsistency::Serial),
                Consistency::LocalSerial => Some(SerialConsistency::LocalSerial),
                _ => None,
            };
            if let Some(level) = serial {
                return self.ask_leader(origin, route, command, level, run);
            }
            let (command, choice) = match self.choose(&view, route, command, consistency) {
                Ok(chosen) => chosen,
                Err(seen) => return self.finish(origin, None, Err(errors::unavailable(seen))),
            };
            if self.is_mine_alone(&view, route, &command, &choice) {
                self.trace_to("read", self.id);
                let result = self.read_here(&command);
                run.feed(result);
                continue;
            }
            let Choice {
                quota,
                targets,
                spare,
            } = choice;
            let then = Then::Run(run);
            return self.gather(
                origin,
                None,
                command,
                quota,
                consistency,
                &targets,
                spare,
                then,
            );
        }
    }

    /// Whether this very shard holds all that the command asks for.
    pub(crate) fn is_mine_alone(
        &self,
        view: &View,
        route: &TableRoute,
        command: &ReadCommand,
        choice: &Choice,
    ) -> bool {
        match &command.target {
            ReadTarget::Partition(partition) => {
                choice.targets == [self.id.node] && self.owns(view, route, partition.token)
            }
            ReadTarget::Range { .. } => {
                choice.targets == [self.id.node] && self.node.counters.len() == 1
            }
        }
    }

    /// Picks replicas, and cuts a scan to what they hold.
    pub(crate) fn choose(
        &self,
        view: &View,
        route: &TableRoute,
        command: ReadCommand,
        consistency: Consistency,
    ) -> Result<(ReadCommand, Choice), Unavailable> {
        let (token, last) = match &command.target {
            ReadTarget::Partition(partition) => (partition.token, None),
            ReadTarget::Range { last, .. } => (command.first_token(), Some(*last)),
        };
        let Some(replicas) = route.replicas(token) else {
            let targets = vec![self.id.node];
            return Ok((
                command,
                Choice {
                    quota: Quota::one(),
                    targets,
                    spare: Vec::new(),
                },
            ));
        };
        let choice = self.choose_among(view, route, replicas, consistency)?;
        let Some(last) = last else {
            return Ok((command, choice));
        };
        let mut end = route.range_end(view, token);
        while end < last {
            let next = route.range_end(view, Token(end.0 + 1));
            let replicas = route.replicas(next).unwrap_or_default();
            if next <= end || !choice.targets.iter().all(|node| replicas.contains(node)) {
                break;
            }
            end = next;
        }
        let command = if end < last {
            command.clip(end)
        } else {
            command
        };
        Ok((command, choice))
    }

    /// This node first, then others of its datacenter, then the rest, as many as the level takes.
    pub(crate) fn choose_among(
        &self,
        view: &View,
        route: &TableRoute,
        replicas: &[u32],
        consistency: Consistency,
    ) -> Result<Choice, Unavailable> {
        let here = self.datacenter();
        let quota = Quota::new(consistency, replicas, &route.replication, view, here)?;
        let mut live: Vec<(u32, u32)> = replicas
            .iter()
            .filter_map(|&node| view.member(node))
            .filter(|member| member.is_live())
            .map(|member| (member.index, member.datacenter_id))
            .collect();
        live.sort_by_key(|&(node, datacenter)| (node != self.id.node, datacenter != here));
        let mut wanted = quota.clone();
        let mut choice = Choice {
            quota,
            targets: Vec::new(),
            spare: Vec::new(),
        };
        for (node, datacenter) in live {
            if !wanted.is_met() && wanted.wants(datacenter) {
                wanted.count(datacenter);
                choice.targets.push(node);
            } else if choice.quota.wants(datacenter) {
                choice.spare.push(node);
            }
        }
        // The nearest of the spare ones is asked first, from the end.
        choice.spare.reverse();
        Ok(choice)
    }

    /// Asks the leader of the partition what conditional writes have agreed on.
    fn ask_leader(
        &mut self,
        origin: Origin,
        route: &TableRoute,
        command: ReadCommand,
        level: SerialConsistency,
        run: Box<ReadRun>,
    ) {
        let ReadTarget::Partition(partition) = &command.target else {
            let error = errors::invalid(
                "SERIAL/LOCAL_SERIAL consistency may only be requested for one partition at a time",
            );
            return self.finish(origin, None, Err(error));
        };
        let leader = match self.cas_leader(route, partition.token, level) {
            Ok(leader) => leader,
            Err(error) => return self.finish(origin, None, Err(error)),
        };
        // Even if this shard leads: the lock is a queue, and the way into it is a message.
        let key = self.gather_from_leader(origin, command.clone(), level.into(), run);
        let reply = self.reply_to(key, 0);
        self.send(
            leader,
            Work::LeadRead {
                command,
                consistency: level,
            },
            Some(reply),
        );
    }
}
