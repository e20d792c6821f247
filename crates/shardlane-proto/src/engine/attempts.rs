//! What follows a failed attempt: another one, at once or later, or the request's end.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use shardlane_wire::{Dialect, Opcode, ResultBody};

use super::advice::Asker;
use super::{Engine, RequestKey};
use crate::advice::{Advice, AdviceError, Question, RetryQuestion};
use crate::cluster::NodeKey;
use crate::error::{Attempt, AttemptFailure, RequestErrorKind};
use crate::policy::{Again, Decision, Policy, Retry};
use crate::request::{Answer, Case, Phase, QueryPlan, RequestSpec};
use crate::time::Instant;

/// Of a request that waits until there is a node.
const NOBODY: NodeKey = NodeKey(u32::MAX);

impl<C> Engine<C> {
    pub(super) fn policy<'a>(&'a self, spec: &'a RequestSpec) -> &'a Arc<Policy> {
        spec.policy.as_ref().unwrap_or(&self.config.policy)
    }

    /// The request that `key` is an execution of: itself, mostly.
    pub(super) fn root_of(&self, key: RequestKey) -> RequestKey {
        self.requests
            .get(key.index())
            .and_then(|r| r.root)
            .unwrap_or(key)
    }

    /// Records a failed attempt and says where the next one goes; `None`: it is not to be made now, or never.
    pub(super) fn follow(
        &mut self,
        now: Instant,
        key: RequestKey,
        node: NodeKey,
        shard: Option<u16>,
        failure: AttemptFailure,
    ) -> Option<NodeKey> {
        let coordinator = self.cluster.node(node).map(|n| n.coordinator.clone());
        let request = self.request(key)?;
        let executed = matches!(request.phase, Phase::Sent { .. });
        request.phase = Phase::Idle;
        let harmless = request.spec.idempotent || !executed;
        let (idempotent, consistency) = (request.spec.idempotent, request.spec.consistency);
        let root = self.root_of(key);
        let root = &self.requests[root.index()];
        let retry = self.policy(&root.spec).retry;
        let failed_before = root.attempts.len();
        let refused = |a: &Attempt| matches!(a.failure, AttemptFailure::Server(_));
        let decision = retry.decide(Case {
            failure: &failure,
            harmless,
            refused_before: root.attempts.iter().any(refused),
            failed_before,
            consistency,
        });
        let may_return = matches!(failure, AttemptFailure::Connection { .. });
        let maybe_executed =
            executed && !matches!(failure, AttemptFailure::Connection { written: false, .. });
        let attempt = coordinator.map(|coordinator| Attempt {
            address: coordinator.address,
            host_id: coordinator.host_id,
            shard,
            failure,
        });
        if let Some(decision) = decision {
            self.record(key, attempt);
            return self.carry_on(now, key, node, may_return, decision);
        }
        if let (Some(attempt), Retry::Advisor(advisor)) = (&attempt, retry) {
            let question = RetryQuestion {
                advisor,
                attempt: attempt.clone(),
                failed_before,
                idempotent,
                maybe_executed,
                consistency,
            };
            let question = self.ask(Asker::Retry(key), Question::Retry(Box::new(question)));
            self.requests[key.index()].phase = Phase::Advised {
                question,
                node,
                may_return,
            };
        }
        self.record(key, attempt);
        None
    }

    fn record(&mut self, key: RequestKey, attempt: Option<Attempt>) {
        let root = self.root_of(key);
        self.requests[root.index()].attempts.extend(attempt);
    }

    /// The application's answer to a question about a failed attempt. If it failed to answer, the error of
    /// the attempt is the request's.
    pub(super) fn take_retry_advice(
        &mut self,
        now: Instant,
        key: RequestKey,
        answer: Result<Advice, AdviceError>,
    ) {
        let Some(request) = self.request(key) else {
            return;
        };
        let Phase::Advised {
            node, may_return, ..
        } = request.phase
        else {
            return;
        };
        request.phase = Phase::Idle;
        let decision = match answer {
            Ok(Advice::Retry(decision)) => decision,
            Ok(_) | Err(_) => Decision::GiveUp,
        };
        if let Some(next) = self.carry_on(now, key, node, may_return, decision) {
            self.attempt(now, key, next);
        }
        self.follow_up(now);
    }

    /// Carries out a decision; returns where the next attempt goes, if it is to be made now.
    fn carry_on(
        &mut self,
        now: Instant,
        key: RequestKey,
        node: NodeKey,
        may_return: bool,
        decision: Decision,
    ) -> Option<NodeKey> {
        let again = match decision {
            Decision::Retry(again) => again,
            Decision::Ignore => {
                self.ignore_error(now, key, node);
                return None;
            }
            Decision::GiveUp => {
                self.end_execution(now, key, RequestErrorKind::Attempt);
                return None;
            }
        };
        let root = self.root_of(key);
        let failed = self.requests[root.index()].attempts.len();
        if failed >= self.config.attempts_per_request_max {
            self.end_execution(now, key, RequestErrorKind::Attempt);
            return None;
        }
        if let Some(consistency) = again.consistency {
            let spec = &mut self.requests[key.index()].spec;
            spec.set_consistency(consistency);
        }
        let Some(next) = self.next_node(root, node, may_return, again) else {
            let kind = if failed > 1 {
                RequestErrorKind::NoNodeAvailable
            } else {
                RequestErrorKind::Attempt
            };
            self.end_execution(now, key, kind);
            return None;
        };
        if again.delay.is_zero() {
            self.counters.retries.one_more();
            return Some(next);
        }
        if !self.delay_attempt(now, key, next, again.delay) {
            // It would not be made in time: the error tells more than a timeout would.
            self.end_execution(now, key, RequestErrorKind::Attempt);
        } else {
            self.counters.retries.one_more();
        }
        None
    }

    /// Puts an attempt off; false if the request's deadline would come first.
    fn delay_attempt(
        &mut self,
        now: Instant,
        key: RequestKey,
        node: NodeKey,
        delay: Duration,
    ) -> bool {
        let at = now + self.rng.jitter(delay);
        let root = self.root_of(key);
        let deadline = self.requests[root.index()].deadline;
        if deadline.is_some_and(|deadline| deadline <= at) {
            return false;
        }
        self.requests[key.index()].phase = Phase::Delayed { at, node };
        self.delayed.push(Reverse((at, key)));
        true
    }

    /// There is no node to begin with. With `Retry::Backoff` that may pass; false if it is not waited for.
    pub(super) fn await_node(&mut self, now: Instant, key: RequestKey) -> bool {
        let request = &self.requests[key.index()];
        let Retry::Backoff(bounds) = self.policy(&request.spec).retry else {
            return false;
        };
        let done = u32::from(request.starts);
        if done >= bounds.retries_max || request.spec.plan.is_some() {
            return false;
        }
        self.requests[key.index()].starts += 1;
        self.delay_attempt(now, key, NOBODY, bounds.delay(done))
    }

    fn next_node(
        &mut self,
        root: RequestKey,
        node: NodeKey,
        may_return: bool,
        again: Again,
    ) -> Option<NodeKey> {
        if again.same_node {
            return Some(node);
        }
        let next = self.next_in_plan(root, node, may_return);
        if next.is_none() && again.wraps {
            // Once around: begin anew, with the node that has just failed as the last one.
            self.requests[root.index()].plan = None;
            return self.next_in_plan(root, node, true).or(Some(node));
        }
        next
    }

    /// The next node of the request's plan, which is made if there is none yet; `tried` is left out of it,
    /// unless it `may_return`.
    pub(super) fn next_in_plan(
        &mut self,
        root: RequestKey,
        tried: NodeKey,
        may_return: bool,
    ) -> Option<NodeKey> {
        let request = self.requests.get_mut(root.index())?;
        let (cluster, rng) = (&self.cluster, &mut self.rng);
        let policy = request.spec.policy.as_ref();
        let balancing = &policy.unwrap_or(&self.config.policy).balancing;
        request
            .plan
            .get_or_insert_with(|| {
                QueryPlan::rest(cluster, &request.spec, balancing, tried, may_return, rng)
            })
            .next()
    }

    /// The attempts whose time has come.
    pub(super) fn make_delayed_attempts(&mut self, now: Instant) {
        while let Some(&Reverse((at, key))) = self.delayed.peek()
            && at <= now
        {
            self.delayed.pop();
            if let Some(request) = self.request(key)
                && let Phase::Delayed { at: due, node } = request.phase
                && due == at
            {
                request.phase = Phase::Idle;
                if node == NOBODY {
                    self.start(now, key);
                } else {
                    self.attempt(now, key, node);
                }
            }
        }
    }

    /// When the next delayed attempt is due. Drops those that are out of date on its way.
    pub(super) fn next_delayed(&mut self) -> Option<Instant> {
        while let Some(&Reverse((at, key))) = self.delayed.peek() {
            let is_due =
                |phase: &Phase| matches!(phase, Phase::Delayed { at: due, .. } if *due == at);
            if self.request(key).is_some_and(|r| is_due(&r.phase)) {
                return Some(at);
            }
            self.delayed.pop();
        }
        None
    }

    /// The policy is content with an error: an empty result is the answer.
    fn ignore_error(&mut self, now: Instant, key: RequestKey, node: NodeKey) {
        let Some(coordinator) = self.cluster.node(node).map(|n| n.coordinator.clone()) else {
            self.end_execution(now, key, RequestErrorKind::Attempt);
            return;
        };
        let root = self.root_of(key);
        let attempts = &self.requests[root.index()].attempts;
        let shard = attempts.last().and_then(|attempt| attempt.shard);
        let mut body = Vec::new();
        // Four bytes, which cannot fail.
        let _ = ResultBody::Void.encode(Dialect::V4, &mut body);
        let answer = Answer {
            dialect: Dialect::V4,
            opcode: Opcode::Result,
            flags: 0,
            body,
            coordinator,
            shard,
            failed_attempts: Vec::new(),
        };
        self.finish(now, key, Ok(answer));
    }
}
