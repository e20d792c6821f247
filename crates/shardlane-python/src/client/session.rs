//! A session: a keyspace and defaults over a cluster's pools. Encodes requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use shardlane_io::Client;
use shardlane_proto::{PreparedRefs, RequestSpec};
use shardlane_wire::request::{Execute, Prepare, Query};
use shardlane_wire::{BoundValues, Dialect, EncodeError, Opcode, QueryParams, RequestEnvelope};

use super::args::{
    Arg, Flag, Level, Name, Now, PageSize, PagingState, Payload, SerialLevel, Timeout, Timestamp,
    refused,
};
use super::cluster::{Core, StatementCache, lock};
use super::page::Shaping;
use super::prepared::{Prepared, Preparing};
use super::profiles::{self, Profile};
use super::request::{Finish, Operation, Request};
use super::targets;
use crate::rows::RowFactory;
use crate::values::errors::bad_value;

/// The keyspace in use, with its prepared statements.
struct Using {
    keyspace: Option<Arc<str>>,
    statements: StatementCache,
}

/// A keyspace and defaults over a cluster's pools.
#[pyclass(frozen, module = "shardlane._core")]
pub(super) struct Session {
    pub(super) core: Arc<Core>,
    profile: Py<Profile>,
    profiles: HashMap<String, Py<Profile>>,
    /// Takes a retry policy of a single request; returns what [`profiles::retry`] reads.
    resolve_retry: Py<PyAny>,
    using: Mutex<Using>,
}

thread_local! {
    /// Values on their way into a frame body: encoded here first, because their number precedes them.
    static VALUES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The buffer goes back to the allocator if one statement made it larger than this.
const VALUES_KEPT_BYTES: usize = 1 << 20;

/// Runs `work` with an empty buffer that is reused from call to call.
pub(super) fn with_values<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    // Taken out, not borrowed: encoding runs Python code, which may come here again.
    let mut values = VALUES.take();
    values.clear();
    let result = work(&mut values);
    if values.capacity() <= VALUES_KEPT_BYTES {
        VALUES.set(values);
    }
    result
}

impl Session {
    pub(super) fn new(
        core: Arc<Core>,
        keyspace: Option<&str>,
        profile: Py<Profile>,
        profiles: HashMap<String, Py<Profile>>,
        resolve_retry: Py<PyAny>,
    ) -> Self {
        let keyspace: Option<Arc<str>> = keyspace.map(Into::into);
        let statements = core.statements(keyspace.as_ref());
        Self {
            core,
            profile,
            profiles,
            resolve_retry,
            using: Mutex::new(Using {
                keyspace,
                statements,
            }),
        }
    }

    /// A session for `system_traces`: as tuples, from whichever node has them.
    pub(super) fn for_traces(py: Python<'_>, core: Arc<Core>) -> PyResult<Self> {
        let profile = Py::new(py, Profile::for_traces(py)?)?;
        Ok(Self::new(core, None, profile, HashMap::new(), py.None()))
    }

    pub(super) fn keyspace_in_use(&self) -> Option<Arc<str>> {
        lock(&self.using).keyspace.clone()
    }

    /// The keyspace of a request that names one or not, with its statements.
    fn using(&self, keyspace: Option<&str>) -> (Option<Arc<str>>, StatementCache) {
        match keyspace {
            None => {
                let using = lock(&self.using);
                (using.keyspace.clone(), using.statements.clone())
            }
            Some(keyspace) => {
                let keyspace = Some(keyspace.into());
                let statements = self.core.statements(keyspace.as_ref());
                (keyspace, statements)
            }
        }
    }

    /// The keyspace of a request that names one or not.
    pub(super) fn keyspace_of(&self, keyspace: Option<&str>) -> Option<Arc<str>> {
        keyspace.map_or_else(|| self.keyspace_in_use(), |keyspace| Some(keyspace.into()))
    }

    pub(super) fn find(
        &self,
        py: Python<'_>,
        cql: &str,
        keyspace: Option<&str>,
    ) -> Option<Py<Prepared>> {
        let (_, cache) = self.using(keyspace);
        lock(&cache).get(cql).map(|p| p.clone_ref(py))
    }

    /// The profile of a request: the session's, or one of those that have names.
    fn profile(&self, given: &Arg<Bound<'_, PyAny>>) -> PyResult<&Profile> {
        let Arg::Given(name) = given else {
            return Ok(self.profile.get());
        };
        let known = name
            .cast::<PyString>()
            .ok()
            .and_then(|name| self.profiles.get(name.to_str().ok()?));
        known.map(Py::get).ok_or_else(|| {
            let mut names: Vec<&str> = self.profiles.keys().map(|name| &**name).collect();
            names.sort_unstable();
            let wanted = if names.is_empty() {
                "profiles= to connect() first".to_owned()
            } else {
                format!("one of {}", names.join(", "))
            };
            refused(name, "the name of a profile", &wanted)
        })
    }

    /// Puts into a request how it is tried.
    fn guide(
        &self,
        py: Python<'_>,
        spec: &mut RequestSpec,
        profile: &Profile,
        retry: &Arg<Bound<'_, PyAny>>,
        node: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        spec.policy = match retry {
            Arg::Unset => profile.policy.clone(),
            Arg::Given(retry) => {
                let resolved = self.resolve_retry.bind(py).call1((retry,))?;
                let retry = profiles::retry(resolved.cast::<PyTuple>()?)?;
                profile.policy_with(Some(retry))
            }
        };
        if node.is_some() || profile.planner.is_some() {
            let view = self.core.client(py)?.cluster_view();
            if let Some(node) = node {
                spec.node = Some(targets::target(&view, node)?);
            } else if let Some(planner) = &profile.planner {
                spec.plan = Some(targets::plan(&view, planner.bind(py), spec)?);
            }
        }
        Ok(())
    }
}

/// The timestamp of a write: the caller's, or the next one if the profile gives them.
fn timestamp_of(
    profile: &Profile,
    given: Option<&Timestamp>,
    client: &Client,
    is_write: bool,
) -> Option<i64> {
    match given {
        Some(at) => Some(at.0),
        None => (is_write && profile.client_timestamps).then(|| client.next_timestamp()),
    }
}

/// The row factory of a request: the profile's, or another one.
fn factory(profile: &Profile, given: Arg<Bound<'_, PyAny>>) -> PyResult<Arc<RowFactory>> {
    match given {
        Arg::Unset => Ok(profile.factory.clone()),
        Arg::Given(factory) => RowFactory::from_python(&factory).map(Arc::new),
    }
}

#[pymethods]
impl Session {
    #[getter]
    fn keyspace(&self) -> Option<String> {
        self.keyspace_in_use().map(|keyspace| keyspace.to_string())
    }

    #[setter]
    fn set_keyspace(&self, keyspace: Option<&str>) {
        let keyspace: Option<Arc<str>> = keyspace.map(Into::into);
        let statements = self.core.statements(keyspace.as_ref());
        *lock(&self.using) = Using {
            keyspace,
            statements,
        };
    }

    /// The statement, if it is in the cache.
    #[pyo3(signature = (cql, keyspace=None))]
    fn cached(&self, py: Python<'_>, cql: &str, keyspace: Option<&str>) -> Option<Py<Prepared>> {
        self.find(py, cql, keyspace)
    }

    /// Prepares and caches.
    #[pyo3(signature = (cql, timeout=Arg::Unset, keyspace=None))]
    fn prepare(
        &self,
        py: Python<'_>,
        cql: &str,
        timeout: Arg<Timeout>,
        keyspace: Option<Name>,
    ) -> PyResult<Py<Request>> {
        let (keyspace, cache) = self.using(keyspace.as_ref().map(Name::as_str));
        let dialect = self.core.client(py)?.dialect();
        let mut body = Vec::with_capacity(cql.len() + 8);
        encoded(
            py,
            Prepare {
                text: cql,
                keyspace: named(dialect, keyspace.as_ref()),
            }
            .encode(dialect, &mut body),
        )?;
        let mut spec = RequestSpec::new(Opcode::Prepare, body);
        spec.dialect = dialect;
        spec.keyspace = in_use(dialect, keyspace.clone());
        let profile = self.profile.get();
        spec.idempotent = true;
        spec.timeout = timeout.or(Timeout(profile.timeout)).0;
        spec.policy = profile.policy.clone();
        let finish = Finish::Prepared(Preparing {
            cql: cql.into(),
            keyspace,
            cache,
            types: self.core.user_types(),
        });
        Request::begin(py, &self.core, Operation::Submit(spec), finish)
    }

    /// Begins an execution; None if the statement must be prepared first.
    #[pyo3(signature = (
        statement, parameters=None, timeout=Arg::Unset, consistency=Arg::Unset, serial_consistency=Arg::Unset,
        page_size=Arg::Unset, paging_state=None, timestamp=None, idempotent=Arg::Unset, tracing=Flag(false),
        custom_payload=None, keyspace=None, now_in_seconds=None, row_factory=Arg::Unset,
        profile=Arg::Unset, retry=Arg::Unset, node=None
    ))]
    #[allow(clippy::too_many_arguments)] // the options of an execution, in Python
    fn execute<'py>(
        &self,
        py: Python<'py>,
        statement: &Bound<'py, PyAny>,
        parameters: Option<Bound<'py, PyAny>>,
        timeout: Arg<Timeout>,
        consistency: Arg<Level>,
        serial_consistency: Arg<SerialLevel>,
        page_size: Arg<PageSize>,
        paging_state: Option<PagingState<'py>>,
        timestamp: Option<Timestamp>,
        idempotent: Arg<Flag>,
        tracing: Flag,
        custom_payload: Option<Payload>,
        keyspace: Option<Name>,
        now_in_seconds: Option<Now>,
        row_factory: Arg<Bound<'py, PyAny>>,
        profile: Arg<Bound<'py, PyAny>>,
        retry: Arg<Bound<'py, PyAny>>,
        node: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Py<Request>>> {
        let profile = self.profile(&profile)?;
        let keyspace = keyspace.as_ref().map(Name::as_str);
        let prepared = match statement.cast::<Prepared>() {
            Ok(prepared) => Some(prepared.clone().unbind()),
            Err(_) if has_values(parameters.as_ref()) => {
                match self.find(py, text(statement)?, keyspace) {
                    Some(prepared) => Some(prepared),
                    None => return Ok(None),
                }
            }
            Err(_) => None,
        };
        let client = self.core.client(py)?;
        let dialect = client.dialect();
        let is_write = prepared
            .as_ref()
            .is_none_or(|p| p.get().newest(py).may_write());
        let consistency = consistency.or(Level(profile.consistency)).0;
        let serial = serial_consistency
            .or(SerialLevel(profile.serial_consistency))
            .0;
        let params = QueryParams {
            page_size: page_size.or(PageSize(profile.page_size)).0,
            paging_state: paging_state.as_ref().map(|state| state.0.as_bytes()),
            serial_consistency: serial,
            timestamp: timestamp_of(profile, timestamp.as_ref(), client, is_write),
            now_in_seconds: now(py, dialect, now_in_seconds)?,
            ..QueryParams::new(consistency)
        };
        let (flags, mut body) = envelope(py, dialect, tracing.0, custom_payload.as_ref())?;
        let mut expected = None;
        let mut spec = if let Some(prepared) = &prepared {
            let prepared = prepared.get().newest(py);
            with_values(|values| {
                let none = py.None().into_bound(py);
                let (row, token) =
                    prepared.bind(py, parameters.as_ref().unwrap_or(&none), values)?;
                body.reserve(values.len() + 64);
                // Only with an id would the server say that the columns are not these any more.
                let known = dialect.has_metadata_id().then(|| prepared.result());
                if let Some(known) = &known
                    && known.can_be_skipped()
                {
                    expected.clone_from(&known.shape);
                }
                let params = QueryParams {
                    values: BoundValues::positional(row.count as u16, values),
                    skip_metadata: expected.is_some(),
                    ..params
                };
                let execute = Execute {
                    tablet_block: None,
                    id: &prepared.reference.id,
                    result_metadata_id: known.as_ref().map(|known| &*known.id),
                    params,
                };
                encoded(py, execute.encode(dialect, &mut body))?;
                let mut spec = RequestSpec::new(Opcode::Execute, body);
                spec.token = token;
                spec.table_keyspace = prepared.table_keyspace.clone();
                spec.table = prepared.table.clone();
                spec.lwt = prepared.is_lwt;
                spec.prepared = PreparedRefs::One(prepared.reference.clone());
                PyResult::Ok(spec)
            })?
        } else {
            let keyspace = self.keyspace_of(keyspace);
            let params = QueryParams {
                keyspace: named(dialect, keyspace.as_ref()),
                ..params
            };
            let text = text(statement)?;
            encoded(py, Query { text, params }.encode(dialect, &mut body))?;
            let mut spec = RequestSpec::new(Opcode::Query, body);
            spec.keyspace = in_use(dialect, keyspace);
            spec
        };
        spec.dialect = dialect;
        spec.flags = flags;
        spec.consistency = consistency;
        spec.serial_consistency = serial;
        spec.idempotent = idempotent.or(Flag(profile.idempotent)).0;
        spec.timeout = timeout.or(Timeout(profile.timeout)).0;
        self.guide(py, &mut spec, profile, &retry, node.as_ref())?;
        let text = if prepared.is_none() {
            Some(text(statement)?.into())
        } else {
            None
        };
        let shaping = Shaping {
            prepared,
            text,
            expected,
            batch: Vec::new(),
            factory: factory(profile, row_factory)?,
        };
        Request::begin(
            py,
            &self.core,
            Operation::Submit(spec),
            Finish::Page(shaping),
        )
        .map(Some)
    }

    /// Begins a batch.
    #[pyo3(signature = (
        kind, statements, timeout=Arg::Unset, consistency=Arg::Unset, serial_consistency=Arg::Unset,
        timestamp=None, idempotent=Arg::Unset, tracing=Flag(false), custom_payload=None, keyspace=None,
        now_in_seconds=None, profile=Arg::Unset, retry=Arg::Unset, node=None
    ))]
    #[allow(clippy::too_many_arguments)] // the options of an execution, in Python
    fn batch<'py>(
        &self,
        py: Python<'py>,
        kind: &str,
        statements: &Bound<'py, PyAny>,
        timeout: Arg<Timeout>,
        consistency: Arg<Level>,
        serial_consistency: Arg<SerialLevel>,
        timestamp: Option<Timestamp>,
        idempotent: Arg<Flag>,
        tracing: Flag,
        custom_payload: Option<Payload>,
        keyspace: Option<Name>,
        now_in_seconds: Option<Now>,
        profile: Arg<Bound<'py, PyAny>>,
        retry: Arg<Bound<'py, PyAny>>,
        node: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Py<Request>> {
        let profile = self.profile(&profile)?;
        let client = self.core.client(py)?;
        let dialect = client.dialect();
        let (flags, body) = envelope(py, dialect, tracing.0, custom_payload.as_ref())?;
        let consistency = consistency.or(Level(profile.consistency)).0;
        let serial = serial_consistency
            .or(SerialLevel(profile.serial_consistency))
            .0;
        let (mut spec, batch) = super::batch::encode(
            self,
            py,
            kind,
            statements,
            super::batch::Options {
                dialect,
                consistency,
                serial_consistency: serial,
                timestamp: timestamp_of(profile, timestamp.as_ref(), client, true),
                keyspace: keyspace.as_ref().map(Name::as_str),
                now_in_seconds: now(py, dialect, now_in_seconds)?,
            },
            body,
        )?;
        spec.flags = flags;
        spec.consistency = consistency;
        spec.serial_consistency = serial;
        spec.idempotent = idempotent.or(Flag(profile.idempotent)).0;
        spec.timeout = timeout.or(Timeout(profile.timeout)).0;
        self.guide(py, &mut spec, profile, &retry, node.as_ref())?;
        let shaping = Shaping {
            prepared: None,
            text: Some(format!("{kind} batch").into()),
            expected: None,
            batch,
            factory: profile.factory.clone(),
        };
        Request::begin(
            py,
            &self.core,
            Operation::Submit(spec),
            Finish::Page(shaping),
        )
    }
}

/// Whether there is anything to bind. An empty sequence is as good as none.
pub(super) fn has_values(parameters: Option<&Bound<'_, PyAny>>) -> bool {
    // Something without a length (an iterator) goes to the encoder, which says what it takes.
    parameters.is_some_and(|p| !p.is_none() && p.len().map_or(true, |length| length > 0))
}

pub(super) fn text<'a>(statement: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    match statement.cast::<PyString>() {
        Ok(text) => text.to_str(),
        Err(_) => Err(refused(
            statement,
            "a statement",
            "CQL text as str, or a prepared statement",
        )),
    }
}

/// Header flags, and the body's beginning.
fn envelope(
    py: Python<'_>,
    dialect: Dialect,
    tracing: bool,
    custom_payload: Option<&Payload>,
) -> PyResult<(u8, Vec<u8>)> {
    let mut body = Vec::new();
    let Some(payload) = custom_payload else {
        return Ok((
            RequestEnvelope {
                tracing,
                ..RequestEnvelope::default()
            }
            .flags(),
            body,
        ));
    };
    let envelope = RequestEnvelope {
        tracing,
        custom_payload: payload
            .0
            .iter()
            .map(|(key, value)| (key.as_str(), Some(&value[..])))
            .collect(),
        body: &[],
    };
    encoded(py, envelope.encode_prefix(dialect, &mut body))?;
    Ok((envelope.flags(), body))
}

/// The "now" of a request, which only v5 has a place for.
fn now(py: Python<'_>, dialect: Dialect, given: Option<Now>) -> PyResult<Option<i32>> {
    match given {
        Some(_) if !dialect.has_wide_flags() => {
            let message = format!(
                "now_in_seconds= is part of protocol v5, and this cluster object speaks {}: leave it \
                 out, or connect to servers that speak v5",
                dialect.version
            );
            Err(bad_value(py, &message, None, None, None, None))
        }
        given => Ok(given.map(|now| now.0)),
    }
}

/// The keyspace as a request names it, where requests do.
pub(super) fn named(dialect: Dialect, keyspace: Option<&Arc<str>>) -> Option<&str> {
    keyspace
        .map(|keyspace| &**keyspace)
        .filter(|_| dialect.has_wide_flags())
}

/// The keyspace that the connection has to be in, where requests cannot name it.
pub(super) fn in_use(dialect: Dialect, keyspace: Option<Arc<str>>) -> Option<Arc<str>> {
    keyspace.filter(|_| !dialect.has_wide_flags())
}

/// Fails if something is too long for the protocol, or not part of the version in use.
pub(super) fn encoded(py: Python<'_>, result: Result<(), EncodeError>) -> PyResult<()> {
    result.map_err(|e| bad_value(py, &e.to_string(), None, None, None, None))
}
