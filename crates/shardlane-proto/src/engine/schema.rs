//! Schema agreement: the answer to DDL is held back until all nodes that are up report one schema version,
//! so that whoever has it may use the new table through any of them.

use std::time::Duration;

use super::{Engine, RequestKey};
use crate::cluster::Snapshot;
use crate::request::{Answer, Phase};
use crate::time::Instant;

/// How often schema versions are read again until they agree.
const AGREEMENT_INTERVAL: Duration = Duration::from_millis(200);

/// A DDL request that went through and waits for agreement.
#[derive(Debug)]
pub(super) struct SchemaWaiter {
    key: RequestKey,
    /// The first refresh that reflects the change.
    generation: u64,
    /// From here on it waits no more: the statement itself has succeeded.
    pub(super) deadline: Instant,
}

impl<C> Engine<C> {
    pub(super) fn await_schema(&mut self, now: Instant, key: RequestKey, answer: Answer) {
        let Some(request) = self.request(key) else {
            return;
        };
        request.phase = Phase::AwaitingSchema {
            answer: Box::new(answer),
        };
        let generation = self.control.schedule_refresh(now, Duration::ZERO);
        self.schema_waiters.push(SchemaWaiter {
            key,
            generation,
            deadline: now + self.config.schema_agreement_timeout,
        });
    }

    /// A refresh has come: those whom it concerns are done if the nodes agree, or look again soon.
    pub(super) fn serve_schema_waiters(
        &mut self,
        now: Instant,
        snapshot: &Snapshot,
        generation: u64,
    ) {
        if self.schema_waiters.is_empty() {
            return;
        }
        let asked = snapshot.nodes.first().map(|n| n.host_id);
        // Of a node that is down the others report an old version, and it serves nobody.
        let agrees = snapshot.schema_agrees(|host_id| {
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
                self.control.schedule_refresh(now, AGREEMENT_INTERVAL);
            }
            waiting.extend(concerned);
            self.schema_waiters = waiting;
        }
    }

    pub(super) fn expire_schema_waiters(&mut self, now: Instant) {
        while let Some(at) = self.schema_waiters.iter().position(|w| w.deadline <= now) {
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
