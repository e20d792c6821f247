//! A session: a keyspace and defaults over a cluster's pools. Begins requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use shardlane_proto::{RequestSpec, Retry};
use shardlane_wire::Opcode;
use shardlane_wire::request::Prepare;

use super::args::{
    Arg, Flag, Level, Name, Now, PageSize, PagingState, Payload, SerialLevel, Timeout, Timestamp,
    refused,
};
use super::bodies::{encoded, envelope, has_values, in_use, named, now, text};
use super::cluster::{Core, StatementCache, lock};
use super::execution::{self, Execution, Options};
use super::many::Many;
use super::page::Shaping;
use super::prepared::{Prepared, Preparing};
use super::profiles::{self, Profile};
use super::request::{Finish, Operation, Request};

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
    fn profile(&self, given: &Arg<Bound<'_, PyAny>>) -> PyResult<&Py<Profile>> {
        let Arg::Given(name) = given else {
            return Ok(&self.profile);
        };
        let known = name
            .cast::<PyString>()
            .ok()
            .and_then(|name| self.profiles.get(name.to_str().ok()?));
        known.ok_or_else(|| {
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

    /// A retry policy as a caller gives it.
    fn resolve(&self, retry: &Bound<'_, PyAny>) -> PyResult<Retry> {
        let resolved = self.resolve_retry.bind(retry.py()).call1((retry,))?;
        profiles::retry(resolved.cast::<PyTuple>()?)
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
        let options = Options {
            timeout,
            consistency,
            serial_consistency,
            page_size,
            paging_state,
            timestamp,
            idempotent,
            tracing,
            custom_payload,
            now_in_seconds,
            row_factory,
            retry,
            node,
        };
        let profile = self.profile(&profile)?;
        let keyspace = keyspace.as_ref().map(Name::as_str);
        let execution =
            Execution::new(profile.clone_ref(py), options, |retry| self.resolve(retry))?;
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
        let (spec, shaping) = match prepared {
            Some(prepared) => {
                let none = py.None().into_bound(py);
                let parameters = parameters.as_ref().unwrap_or(&none);
                execution.of_prepared(py, &self.core, prepared, parameters)?
            }
            None => {
                let keyspace = self.keyspace_of(keyspace);
                execution.of_text(py, &self.core, text(statement)?, keyspace)?
            }
        };
        Request::begin(
            py,
            &self.core,
            Operation::Submit(spec),
            Finish::Page(shaping),
        )
        .map(Some)
    }

    /// Executions of one statement for many parameter sets; see [`Many`].
    #[pyo3(signature = (
        statement, concurrency, stops, keep=None, *, timeout=Arg::Unset, consistency=Arg::Unset,
        serial_consistency=Arg::Unset, page_size=Arg::Unset, paging_state=None, timestamp=None,
        idempotent=Arg::Unset, tracing=Flag(false), custom_payload=None, keyspace=None, now_in_seconds=None,
        row_factory=Arg::Unset, profile=Arg::Unset, retry=Arg::Unset, node=None
    ))]
    #[allow(clippy::too_many_arguments)] // the options of an execution, in Python
    fn many<'py>(
        &self,
        py: Python<'py>,
        statement: Py<Prepared>,
        concurrency: usize,
        stops: bool,
        keep: Option<Py<PyAny>>,
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
    ) -> PyResult<Many> {
        // A prepared statement keeps the keyspace that it was prepared in.
        drop(keyspace);
        let options = Options {
            timeout,
            consistency,
            serial_consistency,
            page_size,
            paging_state,
            timestamp,
            idempotent,
            tracing,
            custom_payload,
            now_in_seconds,
            row_factory,
            retry,
            node,
        };
        let profile = self.profile(&profile)?.clone_ref(py);
        let execution = Execution::new(profile, options, |retry| self.resolve(retry))?;
        Ok(Many::new(
            py,
            self.core.clone(),
            execution,
            statement,
            concurrency,
            stops,
            keep,
        ))
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
        let profile = self.profile(&profile)?.get();
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
                timestamp: execution::timestamp(profile, timestamp, client, true),
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
        spec.policy = match retry {
            Arg::Unset => profile.policy.clone(),
            Arg::Given(retry) => profile.policy_with(self.resolve(&retry)?),
        };
        execution::direct(py, &mut spec, client, profile, node.as_ref())?;
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
