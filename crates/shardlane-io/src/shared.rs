//! What a cluster object shows to others, whoever drives it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shardlane_proto::{ClusterView, PoolView};
use shardlane_wire::Dialect;

use crate::dialect::SharedDialect;

/// Views of the engine's state, published whenever they have changed.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    cluster: Mutex<Arc<ClusterView>>,
    pools: Mutex<Arc<Vec<PoolView>>>,
    dialect: SharedDialect,
    /// Grows whenever something else is shown.
    version: AtomicU64,
    finished: AtomicBool,
}

impl Shared {
    pub(crate) fn publish(
        &self,
        dialect: Dialect,
        cluster: Arc<ClusterView>,
        pools: Arc<Vec<PoolView>>,
    ) {
        self.dialect.store(dialect);
        *lock(&self.cluster) = cluster;
        *lock(&self.pools) = pools;
        self.version.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn cluster(&self) -> Arc<ClusterView> {
        lock(&self.cluster).clone()
    }

    pub(crate) fn pools(&self) -> Arc<Vec<PoolView>> {
        lock(&self.pools).clone()
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect.load()
    }

    /// There is no engine any more, and nothing will take commands.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
