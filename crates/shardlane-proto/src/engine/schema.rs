//! Schema agreement: the answer to DDL is held back until all nodes that are up report one schema version,
//! so that whoever has it may use the new table through any of them.
//!
//! What the control connection's node knows of the others' versions is as old as its gossip: just after
//! DDL it may show all nodes in agreement on the schema from before. So the node that executed the statement
//! is asked for its own version first, and that is the one on which all have to agree.

use std::time::Duration;

use shardlane_routing::HostId;
use shardlane_wire::{Dialect, Response, ResultBody, SchemaChange};

use super::{Engine, RequestKey};
use crate::cluster::{Scope, Topology, for_each_row};
use crate::connection::decode_response;
use crate::notice::Notice;
use crate::request::{Answer, Phase, RequestSpec};
use crate::time::Instant;

/// How often schema versions are read again until they agree.
const AGREEMENT_INTERVAL: Duration = Duration::from_millis(200);

/// The generation of no refresh.
const NOT_DUE: u64 = u64::MAX;

/// A DDL request that went through and waits for agreement, or one that asks for nothing else.
#[derive(Debug)]
pub(super) struct SchemaWaiter {
    key: RequestKey,
    /// Who executed it.
    coordinator: HostId,
    /// The read of the coordinator's own schema version, while it is under way.
    reading: Option<RequestKey>,
    /// What it said; `None`: nothing, so any version will do.
    version: Option<HostId>,
    /// What to read again, apart from the nodes.
    scope: Scope,
    /// The first refresh that reflects the change; none is due before the coordinator has been asked.
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
            self.changed = true;
            scope.merge(self.control.concerned_by(change).unwrap_or_default());
        }
        let timeout = self.config.schema_agreement_timeout;
        let coordinator = answer.coordinator.host_id;
        let Some(request) = self.request(key) else {
            return;
        };
        let deadline = (!request.spec.awaits_schema_agreement).then(|| now + timeout);
        request.phase = Phase::AwaitingSchema {
            answer: Box::new(answer),
        };
        self.schema_waiters.push(SchemaWaiter {
            key,
            coordinator,
            reading: None,
            version: None,
            scope,
            generation: NOT_DUE,
            deadline,
        });
        self.read_version(now, key, coordinator);
    }

    /// Asks the node that executed a waiter's statement for its own schema version.
    fn read_version(&mut self, now: Instant, waiter: RequestKey, coordinator: HostId) {
        let timeout = self.config.control_timeout;
        let read = self.begin(now, RequestSpec::schema_version(coordinator, timeout), None);
        let is_under_way = self.request(read).is_some();
        if let Some(waiter) = self.schema_waiters.iter_mut().find(|w| w.key == waiter) {
            waiter.reading = Some(read);
        }
        if !is_under_way {
            self.note_version(now, read, None);
        }
    }

    /// The coordinator has told its version, or cannot be asked.
    pub(super) fn note_version(&mut self, now: Instant, read: RequestKey, answer: Option<&Answer>) {
        let waiter = self
            .schema_waiters
            .iter_mut()
            .find(|w| w.reading == Some(read));
        if let Some(waiter) = waiter {
            waiter.reading = None;
            waiter.version = answer.and_then(schema_version);
            if waiter.generation == NOT_DUE {
                let scope = std::mem::take(&mut waiter.scope);
                waiter.generation = self.control.schedule_refresh(now, Duration::ZERO, scope);
            }
        }
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
        let agreed = topology.agreed_schema(|host_id| {
            let key = self.cluster.by_host_id(host_id);
            Some(host_id) == asked || key.is_some_and(|key| self.cluster.is_usable(key))
        });
        let mut again = Vec::new();
        let mut looks_again = false;
        for waiter in std::mem::take(&mut self.schema_waiters) {
            if self.request(waiter.key).is_none() {
                continue;
            }
            if waiter.generation > generation || waiter.reading.is_some() {
                self.schema_waiters.push(waiter);
                continue;
            }
            match agreed {
                Some(version) if waiter.version.is_none() || waiter.version == version => {
                    self.finish_awaiting_schema(now, waiter.key);
                    continue;
                }
                // On the schema from before, or on one that is newer still.
                Some(_) => again.push((waiter.key, waiter.coordinator)),
                None => {}
            }
            looks_again = true;
            self.schema_waiters.push(waiter);
        }
        if looks_again {
            self.control
                .schedule_refresh(now, AGREEMENT_INTERVAL, Scope::NODES);
        }
        for (waiter, coordinator) in again {
            self.read_version(now, waiter, coordinator);
        }
    }

    pub(super) fn expire_schema_waiters(&mut self, now: Instant) {
        while let Some(at) = self
            .schema_waiters
            .iter()
            .position(|w| w.deadline.is_some_and(|at| at <= now))
        {
            let waiter = self.schema_waiters.swap_remove(at);
            if self.request(waiter.key).is_some() {
                let timeout = self.config.schema_agreement_timeout;
                self.note(Notice::NoSchemaAgreement { timeout });
            }
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

/// The version in the answer to [`RequestSpec::schema_version`].
fn schema_version(answer: &Answer) -> Option<HostId> {
    let response = decode_response(Dialect::V4, answer.flags, answer.opcode, &answer.body).ok()?;
    let Response::Result(ResultBody::Rows(rows)) = response else {
        return None;
    };
    let mut version = None;
    for_each_row(&rows, |row| version = row.uuid("schema_version")).ok()?;
    version
}
