//! What all shards of all nodes share: configuration, the newest view, the clock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use shardlane_wire::Event;

use super::tablets;
use super::view::{View, ViewParts};
use crate::config::{ClusterConfig, Credentials};
use crate::coordinator::limits::RateLimits;
use crate::engine::Schema;
use crate::faults::Faults;
use crate::node::control::Control;
use crate::stats::PortKind;
use crate::tls::Authority;

/// The number of each port, the same on all nodes; `None` for one that there is not.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ports([Option<u16>; 4]);

impl Ports {
    pub(crate) fn set(&mut self, kind: PortKind, port: u16) {
        self.0[kind as usize] = Some(port);
    }

    pub(crate) const fn of(&self, kind: PortKind) -> Option<u16> {
        self.0[kind as usize]
    }

    /// The normal port, which every node has.
    pub(crate) const fn normal(&self) -> u16 {
        match self.of(PortKind::Normal) {
            Some(port) => port,
            None => 0,
        }
    }
}

/// Shared by everything that belongs to one cluster.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: ClusterConfig,
    /// The ports in use, known after the listeners are bound.
    pub(crate) ports: Ports,
    pub(crate) authority: Option<Authority>,
    users: RwLock<Arc<[Credentials]>>,
    pub(crate) faults: Faults,
    pub(crate) rate_limits: RateLimits,
    /// Locked by whoever makes the next view; never while waiting for a shard.
    parts: Mutex<ViewParts>,
    view: RwLock<Arc<View>>,
    version: AtomicU64,
    clock: AtomicI64,
    /// Ids of the traces that are kept, oldest first.
    traces: Mutex<VecDeque<[u8; 16]>>,
    seeds: AtomicU64,
}

/// The time in microseconds since the epoch.
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

impl Shared {
    pub(crate) fn new(
        config: ClusterConfig,
        ports: Ports,
        authority: Option<Authority>,
        mut parts: ViewParts,
    ) -> Self {
        tablets::reconcile(&mut parts);
        let view = View::build(1, &parts, None);
        Self {
            seeds: AtomicU64::new(config.seed),
            users: RwLock::new(config.users.clone().into()),
            config,
            ports,
            authority,
            faults: Faults::default(),
            rate_limits: RateLimits::default(),
            parts: Mutex::new(parts),
            view: RwLock::new(Arc::new(view)),
            version: AtomicU64::new(1),
            clock: AtomicI64::new(0),
            traces: Mutex::default(),
        }
    }

    /// Who may log in; empty for everybody, without a login.
    pub(crate) fn users(&self) -> Arc<[Credentials]> {
        Arc::clone(&self.users.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_users(&self, users: Vec<Credentials>) {
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = users.into();
    }

    /// The version of the newest view, to compare with the one at hand.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A timestamp later than any given before, by any node: conditional writes and schema changes
    /// need an order.
    pub(crate) fn unique_timestamp(&self) -> i64 {
        let now = now_us();
        let next = |last: i64| Some(now.max(last + 1));
        match self
            .clock
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
        {
            Ok(last) | Err(last) => now.max(last + 1),
        }
    }

    /// Notes that a trace is kept. Returns one that is one too many by now.
    pub(crate) fn remember_trace(&self, id: [u8; 16], max: usize) -> Option<[u8; 16]> {
        let mut traces = self.traces.lock().unwrap_or_else(PoisonError::into_inner);
        traces.push_back(id);
        if traces.len() > max {
            traces.pop_front()
        } else {
            None
        }
    }

    /// A number that no other caller gets.
    pub(crate) fn seed(&self) -> u64 {
        crate::rng::mix(
            self.seeds
                .fetch_add(crate::rng::GOLDEN_GAMMA, Ordering::Relaxed),
        )
    }

    fn lock_parts(&self) -> MutexGuard<'_, ViewParts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes and publishes the next view.
    pub(crate) fn change(&self, change: impl FnOnce(&mut ViewParts)) -> Arc<View> {
        let mut parts = self.lock_parts();
        change(&mut parts);
        self.publish(&parts)
    }

    /// Makes and publishes the next schema. Callers on different nodes take turns.
    pub(crate) fn change_schema<T, E>(
        &self,
        change: impl FnOnce(&Arc<Schema>) -> Result<(Arc<Schema>, T), E>,
    ) -> Result<T, E> {
        let mut parts = self.lock_parts();
        let (schema, outcome) = change(&parts.schema)?;
        if !Arc::ptr_eq(&schema, &parts.schema) {
            parts.schema = schema;
            tablets::reconcile(&mut parts);
            self.publish(&parts);
        }
        Ok(outcome)
    }

    fn publish(&self, parts: &ViewParts) -> Arc<View> {
        let previous = self.view();
        let next = Arc::new(View::build(previous.version + 1, parts, Some(&previous)));
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        self.version.store(next.version, Ordering::Release);
        next
    }

    /// Tells the registered connections of every node that serves, but not those of `except`.
    pub(crate) fn notify(&self, event: Event, except: Option<u32>) {
        let view = self.view();
        let event = Arc::new(event);
        for member in view
            .running()
            .filter(|m| m.is_live() && Some(m.index) != except)
        {
            for link in member.shards.iter() {
                link.control(Control::Notify(Arc::clone(&event)));
            }
        }
    }
}
