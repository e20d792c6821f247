//! Schema agreement: the answer to DDL is held back until all nodes that are up report one schema version,
//! so that whoever has it may use the new table through any of them.

use std::time::Duration;

use shardlane_wire::SchemaChange;

use super::{Engine, RequestKey};
use crate::cluster::{Scope, Topology};
use crate::request::{Answer, Phase};
use crate::time::Instant;

/// How often schema versions are read again until they agree.
const AGREEMENT_INTERVAL: Duration = Duration::from_millis(200);

/// A DDL request that went through and waits for agreement, or one that asks for nothing else.
#[derive(Debug)]
pub(super) struct SchemaWaiter {
    key: RequestKey,
    /// The first refresh that reflects the change.
    generation: u64,
    /// From here on DDL waits no more: the statement itself has succeeded. `None`: the request's own deadline
    /// ends the wait.
    pub(super) deadline: Option<Instant>,
}

impl<C> Engine<C> {
    /// Holds `answer` back until the nodes agree. `change`: what the statement has done, if it was DDL.
    pub(super) fn await_schema(
        &mut self,
        now: Instant,
        key: RequestKey,
        answer: Answer,
        change: Option<&SchemaChange>,
    ) {
        let mut scope = Scope::NODES;
        if let Some(change) = change {
            // The event may come later than the answer, or never: nobody may be listening.
            self.cluster.touch_keyspace(&change.keyspace);
            scope.merge(self.control.concerned_by(change).unwrap_or_default());
        }
        let timeout = self.config.schema_agreement_timeout;
        let Some(request) = self.request(key) else {
            return;
        };
        let deadline = (!request.spec.awaits_schema_agreement).then(|| now + timeout);
        request.phase = Phase::AwaitingSchema {
            answer: Box::new(answer),
        };
        let generation = self.control.schedule_refresh(now, Duration::ZERO, scope);
        self.schema_waiters.push(SchemaWaiter {
            key,
            generation,
            deadline,
        });
    }

    /// The nodes were read again: those whom it concerns are done if the nodes agree, or look again soon.
    pub(super) fn serve_schema_waiters(
        &mut self,
        now: Instant,
        topology: &Topology,
        generation: u64,
    ) {
        if self.schema_waiters.is_empty() {
            return;
        }
        let asked = topology.nodes.first().map(|n| n.host_id);
        // Of a node that is down the others report an old version, and it serves nobody.
        let agrees = topology.schema_agrees(|host_id| {
            let key = self.cluster.by_host_id(host_id);
            Some(host_id) == asked || key.is_some_and(|key| self.cluster.is_usable(key))
        });
        let (concerned, mut waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.schema_waiters)
            .into_iter()
            .filter(|w| self.request(w.key).is_some())
            .partition(|w| w.generation <= generation);
        if agrees {
            self.schema_waiters = waiting;
            for waiter in concerned {
                self.finish_awaiting_schema(now, waiter.key);
            }
        } else {
            if !concerned.is_empty() {
                self.control
                    .schedule_refresh(now, AGREEMENT_INTERVAL, Scope::NODES);
            }
            waiting.extend(concerned);
            self.schema_waiters = waiting;
        }
    }

    pub(super) fn expire_schema_waiters(&mut self, now: Instant) {
        while let Some(at) = self
            .schema_waiters
            .iter()
            .position(|w| w.deadline.is_some_and(|at| at <= now))
        {
            let waiter = self.schema_waiters.swap_remove(at);
            self.finish_awaiting_schema(now, waiter.key);
        }
    }

    /// Delivers the answer that was held back.
    pub(super) fn finish_awaiting_schema(&mut self, now: Instant, key: RequestKey) {
        let Some(request) = self.request(key) else {
            return;
        };
        if let Phase::AwaitingSchema { answer } = std::mem::replace(&mut request.phase, Phase::Idle)
        {
            self.finish(now, key, Ok(*answer));
        }
    }
}
