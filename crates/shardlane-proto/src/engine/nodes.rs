//! The application's say about nodes: which to use, and under which addresses.
//!
//! A refresh that tells of nodes is held back until the application has answered; those that come after
//! it wait behind it, so that nothing older overwrites anything newer.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::Engine;
use super::advice::Asker;
use crate::advice::{Advice, AdviceError, NodeQuestion, Question, QuestionId};
use crate::cluster::{Update, Verdict};
use crate::time::Instant;

/// A refresh that waits for the application.
#[derive(Debug)]
pub(super) struct HeldBack {
    update: Box<Update>,
    generation: u64,
}

/// The question under way.
#[derive(Debug)]
pub(super) struct Asked {
    question: QuestionId,
    /// From here on the answer is not waited for.
    pub(super) deadline: Instant,
}

impl<C> Engine<C> {
    /// A refresh has come.
    pub(super) fn take_refresh(&mut self, now: Instant, update: Box<Update>, generation: u64) {
        let asks = self.config.asks_about_nodes && update.scope.nodes;
        if !asks && self.held_back.is_empty() {
            self.apply_refresh(now, *update, generation);
            return;
        }
        self.held_back.push_back(HeldBack { update, generation });
        self.ask_about_nodes(now);
    }

    /// Asks about the first refresh that is held back; lets through those that need no answer.
    fn ask_about_nodes(&mut self, now: Instant) {
        while self.asked_about_nodes.is_none() {
            let Some(first) = self.held_back.front() else {
                return;
            };
            if !first.update.scope.nodes {
                if let Some(HeldBack { update, generation }) = self.held_back.pop_front() {
                    self.apply_refresh(now, *update, generation);
                }
                continue;
            }
            let nodes = first.update.topology.nodes.iter();
            let nodes = nodes
                .enumerate()
                .map(|(index, node)| NodeQuestion {
                    host_id: node.host_id,
                    address: node.address,
                    datacenter: node.datacenter.clone(),
                    rack: node.rack.clone(),
                    release_version: node.release_version.clone(),
                    // The node that was asked is where it was reached.
                    is_reached: index == 0,
                })
                .collect();
            let question = self.ask(Asker::Nodes, Question::Nodes(nodes));
            self.asked_about_nodes = Some(Asked {
                question,
                deadline: now + self.config.control_timeout,
            });
        }
    }

    /// The application has answered, or will not any more: then what the servers tell is taken as it is.
    pub(super) fn take_node_advice(&mut self, now: Instant, answer: Result<Advice, AdviceError>) {
        self.asked_about_nodes = None;
        let Some(HeldBack { update, generation }) = self.held_back.pop_front() else {
            return;
        };
        if let Ok(Advice::Nodes(said)) = answer {
            let nodes = update.topology.nodes.iter();
            let verdict = |(node, said): (&_, Option<SocketAddr>)| {
                let node: &crate::cluster::NodeInfo = node;
                let verdict = Verdict {
                    address: said.unwrap_or(node.address),
                    used: said.is_some(),
                };
                (node.host_id, verdict)
            };
            let verdicts: HashMap<_, _> = nodes.zip(said).map(verdict).collect();
            self.cluster.judge(verdicts);
        }
        self.apply_refresh(now, *update, generation);
        self.ask_about_nodes(now);
        self.follow_up(now);
    }

    pub(super) fn expire_node_question(&mut self, now: Instant) {
        if let Some(asked) = &self.asked_about_nodes
            && asked.deadline <= now
        {
            let question = asked.question;
            self.withdraw(Some(question));
            let error = AdviceError {
                message: "no answer in time".to_owned(),
                cause: 0,
            };
            self.take_node_advice(now, Err(error));
        }
    }

    fn apply_refresh(&mut self, now: Instant, update: Update, generation: u64) {
        if let Some(topology) = self.apply(now, update) {
            self.serve_schema_waiters(now, &topology, generation);
        }
    }
}
