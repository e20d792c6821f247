//! The cluster object: the handle on the I/O thread, and what its sessions share.

use std::collections::HashMap;
use std::fmt;
use std::mem::ManuallyDrop;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};
use shardlane_io::{Client, Steering};
use shardlane_proto::{
    ClientRoute, ClientRoutes, Compression, Config, ConnectionView, ContactPoint, NodeView,
    NoticeLevel, Opened, PoolSize, PoolView, RequestSpec, Severity, ShardAwareness,
};
use shardlane_routing::Token;
use shardlane_wire::{RowsMetadata, Version};

use super::args::seconds_to_duration;
use super::batcher::{self, Batcher};
use super::callouts::Callouts;
use super::errors;
use super::fork::Origin;
use super::metrics;
use super::page::Shape;
use super::prepared::Prepared;
use super::profiles::Profile;
use super::request::{Finish, Operation, Request};
use super::security;
use super::session::Session;
use super::sockets;
use crate::values::registry::Registry;
use crate::values::user_types::{Compiling, UserTypes};

/// Connection ids, each with an address of its own or without; and whether proxies leave source ports.
type RoutesArg = (Vec<(String, Option<String>)>, bool);

/// Compiled row decoders of statements that were not prepared, kept by their metadata.
const SHAPES_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// Prepared statements by text, of one keyspace.
pub(super) type StatementCache = Arc<Mutex<LruCache<Box<str>, Py<Prepared>>>>;

/// What a cluster object's sessions, statements and requests share.
pub(crate) struct Core {
    /// Leaked instead of dropped in a forked child: its thread and locks are the parent's.
    client: ManuallyDrop<Arc<Client>>,
    origin: Origin,
    tells_events: Arc<AtomicBool>,
    notices: Arc<NoticeLevel>,
    statements_max: NonZeroUsize,
    statements: Mutex<HashMap<Option<Arc<str>>, StatementCache>>,
    shapes: Mutex<LruCache<Box<[u8]>, Arc<Shape>>>,
    batchers: Mutex<Vec<Py<Batcher>>>,
    registry: Py<Registry>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.origin.is_here() {
            // SAFETY: dropped here only, and never used again.
            unsafe { ManuallyDrop::drop(&mut self.client) };
        }
    }
}

impl Core {
    /// The way to the I/O thread; an error in a forked child.
    pub(super) fn client(&self, py: Python<'_>) -> PyResult<&Arc<Client>> {
        if self.origin.is_here() {
            Ok(&self.client)
        } else {
            Err(errors::plain(
                py,
                "fork",
                "this cluster object was made before fork() in the parent process",
            ))
        }
    }

    pub(super) fn statements(&self, keyspace: Option<&Arc<str>>) -> StatementCache {
        let new = || Arc::new(Mutex::new(LruCache::new(self.statements_max)));
        lock(&self.statements)
            .entry(keyspace.cloned())
            .or_insert_with(new)
            .clone()
    }

    /// What the user has registered.
    pub(super) fn user_types(&self) -> Arc<UserTypes> {
        self.registry.get().types()
    }

    /// The compiled shape for metadata, if need be compiled now.
    pub(super) fn shape_of(
        &self,
        py: Python<'_>,
        metadata: &RowsMetadata<'_>,
    ) -> PyResult<Arc<Shape>> {
        let raw = metadata.raw_columns;
        if let Some(shape) = lock(&self.shapes).get(raw)
            && shape.is_for(metadata)
        {
            return Ok(shape.clone());
        }
        let types = &self.user_types();
        let shape = Shape::compile(Compiling { py, types }, metadata)?;
        let evicted = lock(&self.shapes).push(raw.into(), shape.clone());
        drop(evicted);
        Ok(shape)
    }

    /// The batcher of the running event loop; `None` outside of one.
    pub(super) fn running_batcher<'py>(
        &self,
        py: Python<'py>,
        client: &Arc<Client>,
    ) -> PyResult<Option<Bound<'py, Batcher>>> {
        if let Some(current) = batcher::stepping(py)
            && lock(&self.batchers).iter().any(|b| b.is(&current))
        {
            return Ok(Some(current.into_bound(py)));
        }
        static RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let get = RUNNING_LOOP.get_or_try_init(py, || {
            PyResult::Ok(py.import("asyncio")?.getattr("_get_running_loop")?.unbind())
        })?;
        let event_loop = get.bind(py).call0()?;
        if event_loop.is_none() {
            return Ok(None);
        }
        let known = lock(&self.batchers)
            .iter()
            .find(|b| b.get().event_loop(py).is(&event_loop))
            .map(|b| b.clone_ref(py));
        if let Some(batcher) = known {
            return Ok(Some(batcher.into_bound(py)));
        }
        let batcher = Batcher::new(&event_loop, client)?;
        let mut kept = Vec::new();
        for old in std::mem::take(&mut *lock(&self.batchers)) {
            // A loop that was closed (asyncio.run has ended) will never collect anything again.
            if !old
                .get()
                .event_loop(py)
                .call_method0("is_closed")?
                .is_truthy()?
            {
                kept.push(old);
            }
        }
        kept.push(batcher.clone().unbind());
        lock(&self.batchers).extend(kept);
        Ok(Some(batcher))
    }
}

/// The I/O thread, the pools and the statement cache.
#[pyclass(frozen, module = "shardlane._core")]
pub(super) struct Cluster {
    core: Arc<Core>,
}

#[pymethods]
impl Cluster {
    #[new]
    #[pyo3(signature = (
        contact_points, *, local_datacenter=None, username=None, password=None,
        allowed_authenticators=None, compression=None, protocol_version=None,
        connections_per_shard=None, connections_per_host=None, shard_awareness="full", source_ports=None, socket_options=None,
        connect_timeout=5.0, keepalive_interval=30.0, keepalive_timeout=30.0, reconnect_delay_min=0.05,
        reconnect_delay_max=10.0, pool_wait=2.0, refresh_interval=Some(60.0), schema_events=true, metadata_request_timeout=None,
        tablet_warm_up=false, zero_token_nodes=false, schema_agreement_timeout=10.0,
        in_flight_per_connection_max=None, max_in_flight=None, max_queued=65536,
        remote_nodes_per_datacenter=None, client_routes=None,
        application_name=None, statement_cache_size=1000, seed=None,
        tls=None, callouts=None, asks=Vec::new(), log=None, user_types=None
    ))]
    #[allow(clippy::too_many_arguments)] // keyword arguments, in Python
    fn new(
        py: Python<'_>,
        contact_points: Vec<(String, u16)>,
        local_datacenter: Option<String>,
        username: Option<String>,
        password: Option<String>,
        allowed_authenticators: Option<Vec<String>>,
        compression: Option<&str>,
        protocol_version: Option<u8>,
        connections_per_shard: Option<u16>,
        connections_per_host: Option<u16>,
        shard_awareness: &str,
        source_ports: Option<(u16, u16)>,
        socket_options: Option<sockets::Given>,
        connect_timeout: f64,
        keepalive_interval: f64,
        keepalive_timeout: f64,
        reconnect_delay_min: f64,
        reconnect_delay_max: f64,
        pool_wait: f64,
        refresh_interval: Option<f64>,
        schema_events: bool,
        metadata_request_timeout: Option<f64>,
        tablet_warm_up: bool,
        zero_token_nodes: bool,
        schema_agreement_timeout: f64,
        in_flight_per_connection_max: Option<usize>,
        max_in_flight: Option<usize>,
        max_queued: usize,
        remote_nodes_per_datacenter: Option<usize>,
        client_routes: Option<RoutesArg>,
        application_name: Option<String>,
        statement_cache_size: usize,
        seed: Option<u64>,
        tls: Option<PyRef<'_, security::Tls>>,
        callouts: Option<PyRef<'_, Callouts>>,
        asks: Vec<String>,
        log: Option<&str>,
        user_types: Option<Py<Registry>>,
    ) -> PyResult<Self> {
        let bad = |message: &str| PyValueError::new_err(message.to_owned());
        if contact_points.is_empty() {
            return Err(bad("contact_points is empty: give at least one address"));
        }
        let seconds = |name: &str, value: f64| {
            seconds_to_duration(value).ok_or_else(|| {
                PyValueError::new_err(format!(
                    "{name}={value}: give a number of seconds, not negative"
                ))
            })
        };
        let mut config = Config::new(
            contact_points
                .into_iter()
                .map(|(host, port)| contact_point(host, port))
                .collect(),
        );
        config.local_datacenter = local_datacenter;
        config.login = security::login(username, password, &asks)?;
        config.allowed_authenticators = security::allowed_authenticators(allowed_authenticators);
        config.compression = match compression {
            None => None,
            Some(name) => Some(Compression::from_name(name).ok_or_else(|| {
                bad(&format!(
                    "compression={name:?}: give 'lz4', 'snappy' or None"
                ))
            })?),
        };
        config.protocol_version =
            match protocol_version {
                None => None,
                Some(number) => Some(Version::from_number(number).ok_or_else(|| {
                    bad(&format!("protocol_version={number}: give 3, 4, 5 or None"))
                })?),
            };
        if protocol_version == Some(5) && config.compression == Some(Compression::Snappy) {
            return Err(bad(
                "compression='snappy' is not part of protocol v5: give 'lz4', or a lower protocol_version",
            ));
        }
        config.pool_size = match (connections_per_shard, connections_per_host) {
            (Some(0), _) | (_, Some(0)) => return Err(bad("a pool needs at least one connection")),
            (None, None) => PoolSize::PerShard(1),
            (Some(count), None) => PoolSize::PerShard(count),
            (None, Some(count)) => PoolSize::PerHost(count),
            (Some(_), Some(_)) => {
                return Err(bad(
                    "give connections_per_shard or connections_per_host, not both",
                ));
            }
        };
        config.shard_awareness = match shard_awareness {
            "full" => ShardAwareness::Full,
            "legacy" => ShardAwareness::Legacy,
            "off" => ShardAwareness::Off,
            other => {
                return Err(bad(&format!(
                    "shard_awareness={other:?}: give 'full', 'legacy' or 'off'"
                )));
            }
        };
        if let Some((low, high)) = source_ports {
            if low == 0 || low > high {
                return Err(bad(&format!(
                    "source_ports=({low}, {high}): give the lowest and the highest port, at least 1"
                )));
            }
            config.source_ports = low..=high;
        }
        config.connect_timeout = seconds("connect_timeout", connect_timeout)?;
        config.control_timeout = match metadata_request_timeout {
            Some(timeout) => seconds("metadata_request_timeout", timeout)?,
            None => config.connect_timeout,
        };
        config.tablet_warm_up = tablet_warm_up;
        config.zero_token_nodes = zero_token_nodes;
        config.keepalive_interval = seconds("keepalive_interval", keepalive_interval)?;
        config.keepalive_timeout = seconds("keepalive_timeout", keepalive_timeout)?;
        config.reconnect_delay_min = seconds("reconnect_delay_min", reconnect_delay_min)?;
        config.reconnect_delay_max = seconds("reconnect_delay_max", reconnect_delay_max)?;
        config.pool_wait = seconds("pool_wait", pool_wait)?;
        config.refresh_interval = match refresh_interval {
            Some(interval) => Some(seconds("refresh_interval", interval)?),
            None => None,
        };
        config.schema_events = schema_events;
        config.schema_agreement_timeout =
            seconds("schema_agreement_timeout", schema_agreement_timeout)?;
        if let Some(max) = in_flight_per_connection_max {
            config.in_flight_per_connection_max = max.clamp(1, 32768);
        }
        config.requests_in_flight_max = max_in_flight;
        config.requests_queued_max = max_queued;
        config.remote_nodes_per_datacenter_max = remote_nodes_per_datacenter;
        config.client_routes = client_routes.map(routes).transpose()?;
        config.asks_about_nodes = asks.iter().any(|lane| lane == "nodes");
        let tells_events = config.tells_events.clone();
        let notices = config.notices.clone();
        // From the first event on, if somebody listens by now.
        tells_events.store(asks.iter().any(|lane| lane == "events"), Ordering::Relaxed);
        notices.set(severity(log)?);
        config.application_name = application_name;
        config.seed = seed.unwrap_or(0);
        let statements_max = NonZeroUsize::new(statement_cache_size)
            .ok_or_else(|| bad("statement_cache_size=0: statements with parameters are always prepared, keep at least 1"))?;
        let client = Client::start(
            config,
            tls.map(|t| t.0.clone()),
            socket_options.map(Into::into).unwrap_or_default(),
            callouts.map(|c| c.advisor()),
            steering()?,
        )
        .map_err(|e| errors::plain(py, "internal", &e.to_string()))?;
        let core = Core {
            client: ManuallyDrop::new(Arc::new(client)),
            origin: Origin::here(),
            tells_events,
            notices,
            statements_max,
            statements: Mutex::default(),
            shapes: Mutex::new(LruCache::new(SHAPES_MAX)),
            batchers: Mutex::default(),
            registry: match user_types {
                Some(registry) => registry,
                None => Py::new(py, Registry::default())?,
            },
        };
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// Whether events are to be told, by callouts of the lane "events".
    fn listen(&self, listens: bool) {
        self.core.tells_events.store(listens, Ordering::Relaxed);
    }

    /// Which notices are to be told, by callouts of the lane "log": those of `least` ("info" or "warning") and
    /// above; None for none.
    fn log(&self, least: Option<&str>) -> PyResult<()> {
        self.core.notices.set(severity(least)?);
        Ok(())
    }

    /// Ends when requests can be sent.
    fn ready(&self, py: Python<'_>) -> PyResult<Py<Request>> {
        Request::begin(py, &self.core, Operation::WhenReady, Finish::Ready)
    }

    /// Forgets prepared statements and what was compiled of results: something was registered.
    fn forget_compiled(&self) {
        let caches: Vec<StatementCache> = lock(&self.core.statements).values().cloned().collect();
        for cache in caches {
            let fresh = LruCache::new(self.core.statements_max);
            // Dropped when the lock is released: that runs Python code.
            let _old = std::mem::replace(&mut *lock(&cache), fresh);
        }
        let fresh = LruCache::new(SHAPES_MAX);
        let _old = std::mem::replace(&mut *lock(&self.core.shapes), fresh);
    }

    /// Ends when all nodes that are up report one schema version; RequestTimeout if that takes too long.
    fn schema_agreement(&self, py: Python<'_>, timeout: f64) -> PyResult<Py<Request>> {
        let timeout = seconds_to_duration(timeout).ok_or_else(|| {
            PyValueError::new_err(format!(
                "timeout={timeout}: give a number of seconds, not negative"
            ))
        })?;
        let dialect = self.core.client(py)?.dialect();
        let spec = RequestSpec::schema_agreement(dialect, timeout);
        Request::begin(py, &self.core, Operation::Submit(spec), Finish::Ready)
    }

    /// Takes no more requests; those under way get `drain` seconds.
    #[pyo3(signature = (drain=0.0))]
    fn close(&self, drain: f64) -> PyResult<()> {
        let drain = seconds_to_duration(drain).ok_or_else(|| {
            PyValueError::new_err(format!(
                "drain={drain}: give a number of seconds, not negative"
            ))
        })?;
        if self.core.origin.is_here() {
            self.core.client.close(drain);
        }
        Ok(())
    }

    /// Blocks until the I/O thread has ended.
    fn join(&self, py: Python<'_>) {
        if self.core.origin.is_here() {
            py.detach(|| self.core.client.join());
        }
    }

    /// Lets go of the running event loop, after `join()`.
    fn detach_loop(&self, py: Python<'_>) -> PyResult<()> {
        let client = self.core.client(py)?;
        if let Some(batcher) = self.core.running_batcher(py, client)? {
            batcher.get().detach(py)?;
            lock(&self.core.batchers).retain(|b| !b.is(&batcher));
        }
        Ok(())
    }

    #[getter]
    fn is_closed(&self) -> bool {
        !self.core.origin.is_here() || self.core.client.is_finished()
    }

    #[getter]
    fn name(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.core.client(py)?.cluster_view().name.clone())
    }

    /// The protocol version in use, known after `ready()`.
    #[getter]
    fn protocol_version(&self, py: Python<'_>) -> PyResult<u8> {
        Ok(self.core.client(py)?.dialect().version.number())
    }

    #[getter]
    fn partitioner(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.core.client(py)?.cluster_view().partitioner.clone())
    }

    fn nodes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let view = self.core.client(py)?.cluster_view();
        let nodes = PyList::empty(py);
        for node in &view.nodes {
            nodes.append(describe_node(py, node)?)?;
        }
        Ok(nodes)
    }

    fn keyspaces<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let view = self.core.client(py)?.cluster_view();
        let keyspaces = PyDict::new(py);
        for keyspace in &view.keyspaces {
            let info = PyDict::new(py);
            info.set_item("version", keyspace.version)?;
            info.set_item("replication", keyspace.replication.clone())?;
            info.set_item("partition_keys", keyspace.partition_keys.clone())?;
            keyspaces.set_item(&keyspace.name, info)?;
        }
        Ok(keyspaces)
    }

    fn pools<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let views = self.core.client(py)?.pool_views();
        let pools = PyList::empty(py);
        for pool in views.iter() {
            pools.append(describe_pool(py, pool)?)?;
        }
        Ok(pools)
    }

    /// Grows whenever topology, schema or pools have changed.
    #[getter]
    fn version(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.core.client(py)?.version())
    }

    /// Host ids of the nodes that take requests.
    fn connected(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let pools = self.core.client(py)?.pool_views();
        let connected = pools.iter().filter(|pool| !pool.connections.is_empty());
        Ok(connected.map(|pool| pool.host_id.to_string()).collect())
    }

    /// Host ids of the replicas of a token, by the ring.
    fn replicas(&self, py: Python<'_>, keyspace: &str, token: i64) -> PyResult<Vec<String>> {
        let view = self.core.client(py)?.cluster_view();
        let replicas = view.replicas(keyspace, Token(token));
        Ok(replicas.iter().map(ToString::to_string).collect())
    }

    /// What `percent` of the latest requests have not exceeded, in seconds; None before the first answer.
    fn latency(&self, py: Python<'_>, percent: f64) -> PyResult<Option<f64>> {
        let latencies = self.core.client(py)?.latencies();
        Ok(latencies.percentile(percent).map(|d| d.as_secs_f64()))
    }

    /// What has been done so far, by the names of `shardlane.Metrics`.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        metrics::describe(py, self.core.client(py)?)
    }

    /// How often the poll loop has turned, by who drove it.
    fn turns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let turns = self.core.client(py)?.turns();
        let counts = PyDict::new(py);
        counts.set_item("io_thread", turns.io_thread)?;
        counts.set_item("callers", turns.callers)?;
        counts.set_item("event_loops", turns.event_loops)?;
        Ok(counts)
    }

    /// A session; `profiles` are those that have names, `resolve_retry` describes retry policies.
    fn session(
        &self,
        keyspace: Option<&str>,
        profile: Py<Profile>,
        profiles: HashMap<String, Py<Profile>>,
        resolve_retry: Py<PyAny>,
    ) -> Session {
        let core = self.core.clone();
        Session::new(core, keyspace, profile, profiles, resolve_retry)
    }
}

pub(super) fn describe_node<'py>(py: Python<'py>, node: &NodeView) -> PyResult<Bound<'py, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("host_id", node.host_id.to_string())?;
    info.set_item("address", node.address.ip().to_string())?;
    info.set_item("port", node.address.port())?;
    info.set_item("datacenter", &*node.datacenter)?;
    info.set_item("rack", &*node.rack)?;
    info.set_item("release_version", &*node.release_version)?;
    Ok(info)
}

/// Who may drive the connections, by the environment: so that tests and measurements can have it their way.
fn steering() -> PyResult<Steering> {
    match std::env::var("SHARDLANE_DRIVER").as_deref() {
        Err(_) | Ok("" | "adaptive") => Ok(Steering::Adaptive),
        Ok("io-thread") => Ok(Steering::IoThread),
        Ok("others") => Ok(Steering::Others),
        Ok(other) => Err(PyValueError::new_err(format!(
            "SHARDLANE_DRIVER={other}: give adaptive, io-thread or others"
        ))),
    }
}

fn routes((connections, shard_aware_port): RoutesArg) -> PyResult<ClientRoutes> {
    if connections.is_empty() {
        let message = "client_routes is empty: give at least one connection id";
        return Err(PyValueError::new_err(message));
    }
    let connections = connections
        .into_iter()
        .map(|(connection_id, address)| ClientRoute {
            connection_id,
            address,
        })
        .collect();
    Ok(ClientRoutes {
        connections,
        shard_aware_port,
    })
}

fn contact_point(host: String, port: u16) -> ContactPoint {
    match host.parse::<IpAddr>() {
        Ok(ip) => ContactPoint::Address(SocketAddr::new(ip, port)),
        Err(_) => ContactPoint::Name { host, port },
    }
}

fn describe_pool<'py>(py: Python<'py>, pool: &PoolView) -> PyResult<Bound<'py, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("host_id", pool.host_id.to_string())?;
    info.set_item("address", pool.address.ip().to_string())?;
    info.set_item("port", pool.address.port())?;
    info.set_item("datacenter", &*pool.datacenter)?;
    info.set_item("nr_shards", pool.nr_shards)?;
    info.set_item("shard_aware_port_blocked", pool.shard_aware_port_blocked)?;
    info.set_item("opened_total", pool.opened_total)?;
    info.set_item("closed_total", pool.closed_total)?;
    info.set_item("last_error", pool.last_error.as_deref())?;
    let shards = PyList::empty(py);
    for index in 0..pool.nr_shards.unwrap_or(1) {
        let shard = pool.nr_shards.map(|_| index);
        let here: Vec<&ConnectionView> = pool
            .connections
            .iter()
            .filter(|c| c.shard.unwrap_or(0) == index)
            .collect();
        let entry = PyDict::new(py);
        entry.set_item("shard", shard)?;
        entry.set_item("connections", here.len())?;
        let algorithms: Vec<&str> = here.iter().map(|c| algorithm(c.opened)).collect();
        entry.set_item("algorithms", algorithms)?;
        let counters = pool.counters.get(usize::from(index));
        entry.set_item("in_flight", counters.map_or(0, |c| c.in_flight()))?;
        entry.set_item("requests", counters.map_or(0, |c| c.requests()))?;
        entry.set_item("errors", counters.map_or(0, |c| c.errors()))?;
        shards.append(entry)?;
    }
    info.set_item("shards", shards)?;
    Ok(info)
}

fn severity(name: Option<&str>) -> PyResult<Option<Severity>> {
    match name {
        None => Ok(None),
        Some("info") => Ok(Some(Severity::Info)),
        Some("warning") => Ok(Some(Severity::Warning)),
        Some(other) => Err(PyValueError::new_err(format!(
            "there is no severity {other:?}"
        ))),
    }
}

const fn algorithm(opened: Opened) -> &'static str {
    match opened {
        Opened::First => "first",
        Opened::ShardAwarePort => "shard-aware port",
        Opened::Legacy => "legacy",
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
