//! How a statement is executed: the options of a caller over a profile's, and the request they make of it.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use shardlane_io::Client;
use shardlane_proto::{Policy, PreparedRefs, RequestSpec, Retry};
use shardlane_wire::request::{Execute, Query};
use shardlane_wire::{BoundValues, Consistency, Dialect, Opcode, QueryParams, SerialConsistency};

use super::args::{
    Arg, Flag, Level, Now, PageSize, PagingState, Payload, SerialLevel, Timeout, Timestamp,
};
use super::bodies::{encoded, envelope, in_use, named, now, with_values};
use super::cluster::Core;
use super::page::Shaping;
use super::prepared::Prepared;
use super::profiles::Profile;
use super::targets;
use crate::rows::RowFactory;

/// What a caller may say of an execution.
pub(super) struct Options<'py> {
    pub(super) timeout: Arg<Timeout>,
    pub(super) consistency: Arg<Level>,
    pub(super) serial_consistency: Arg<SerialLevel>,
    pub(super) page_size: Arg<PageSize>,
    pub(super) paging_state: Option<PagingState<'py>>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) idempotent: Arg<Flag>,
    pub(super) tracing: Flag,
    pub(super) custom_payload: Option<Payload>,
    pub(super) now_in_seconds: Option<Now>,
    pub(super) row_factory: Arg<Bound<'py, PyAny>>,
    pub(super) retry: Arg<Bound<'py, PyAny>>,
    pub(super) node: Option<Bound<'py, PyAny>>,
}

/// How a statement is executed, once or many times.
pub(super) struct Execution {
    profile: Py<Profile>,
    consistency: Consistency,
    serial_consistency: Option<SerialConsistency>,
    timeout: Option<Duration>,
    page_size: Option<i32>,
    paging_state: Option<Py<PyBytes>>,
    timestamp: Option<Timestamp>,
    idempotent: bool,
    tracing: bool,
    custom_payload: Option<Payload>,
    now_in_seconds: Option<Now>,
    /// `None`: the profile's.
    factory: Option<Arc<RowFactory>>,
    /// `None`: the profile's.
    policy: Option<Option<Arc<Policy>>>,
    node: Option<Py<PyAny>>,
}

impl Execution {
    /// Fills in the profile's defaults. `resolve` reads a retry policy.
    pub(super) fn new(
        profile: Py<Profile>,
        options: Options<'_>,
        resolve: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<Retry>,
    ) -> PyResult<Self> {
        let defaults = profile.get();
        let factory = match options.row_factory {
            Arg::Unset => None,
            Arg::Given(factory) => Some(Arc::new(RowFactory::from_python(&factory)?)),
        };
        let policy = match options.retry {
            Arg::Unset => None,
            Arg::Given(retry) => Some(defaults.policy_with(resolve(&retry)?)),
        };
        let serial_consistency = SerialLevel(defaults.serial_consistency);
        Ok(Self {
            consistency: options.consistency.or(Level(defaults.consistency)).0,
            serial_consistency: options.serial_consistency.or(serial_consistency).0,
            timeout: options.timeout.or(Timeout(defaults.timeout)).0,
            page_size: options.page_size.or(PageSize(defaults.page_size)).0,
            paging_state: options.paging_state.map(|state| state.0.unbind()),
            timestamp: options.timestamp,
            idempotent: options.idempotent.or(Flag(defaults.idempotent)).0,
            tracing: options.tracing.0,
            custom_payload: options.custom_payload,
            now_in_seconds: options.now_in_seconds,
            factory,
            policy,
            node: options.node.map(Bound::unbind),
            profile,
        })
    }

    /// A request that executes a prepared statement, and what its answer becomes.
    pub(super) fn of_prepared(
        &self,
        py: Python<'_>,
        core: &Core,
        statement: Py<Prepared>,
        parameters: &Bound<'_, PyAny>,
    ) -> PyResult<(RequestSpec, Shaping)> {
        let client = core.client(py)?;
        let dialect = client.dialect();
        let prepared = statement.get().newest(py);
        let params = self.params(py, client, dialect, prepared.may_write())?;
        let (flags, mut body) = envelope(py, dialect, self.tracing, self.custom_payload.as_ref())?;
        // Only with an id would the server say that the columns are not these any more.
        let known = dialect.has_metadata_id().then(|| prepared.result());
        let mut expected = None;
        if let Some(known) = &known
            && known.can_be_skipped()
        {
            expected.clone_from(&known.shape);
        }
        let token = with_values(|values| {
            let (row, token) = prepared.bind(py, parameters, values)?;
            body.reserve(values.len() + 64);
            let execute = Execute {
                tablet_block: None,
                id: &prepared.reference.id,
                result_metadata_id: known.as_ref().map(|known| &*known.id),
                params: QueryParams {
                    values: BoundValues::positional(row.count as u16, values),
                    skip_metadata: expected.is_some(),
                    ..params
                },
            };
            encoded(py, execute.encode(dialect, &mut body))?;
            PyResult::Ok(token)
        })?;
        let mut spec = RequestSpec::new(Opcode::Execute, body);
        spec.token = token;
        spec.table_keyspace = prepared.table_keyspace.clone();
        spec.table = prepared.table.clone();
        spec.lwt = prepared.is_lwt;
        spec.prepared = PreparedRefs::One(prepared.reference.clone());
        self.finish(py, client, dialect, flags, &mut spec)?;
        let shaping = Shaping {
            prepared: Some(statement),
            text: None,
            expected,
            batch: Vec::new(),
            factory: self.factory(),
        };
        Ok((spec, shaping))
    }

    /// A request that executes a text without parameters, and what its answer becomes.
    pub(super) fn of_text(
        &self,
        py: Python<'_>,
        core: &Core,
        text: &str,
        keyspace: Option<Arc<str>>,
    ) -> PyResult<(RequestSpec, Shaping)> {
        let client = core.client(py)?;
        let dialect = client.dialect();
        let (flags, mut body) = envelope(py, dialect, self.tracing, self.custom_payload.as_ref())?;
        let params = QueryParams {
            keyspace: named(dialect, keyspace.as_ref()),
            ..self.params(py, client, dialect, true)?
        };
        encoded(py, Query { text, params }.encode(dialect, &mut body))?;
        let mut spec = RequestSpec::new(Opcode::Query, body);
        spec.keyspace = in_use(dialect, keyspace);
        self.finish(py, client, dialect, flags, &mut spec)?;
        let shaping = Shaping {
            prepared: None,
            text: Some(text.into()),
            expected: None,
            batch: Vec::new(),
            factory: self.factory(),
        };
        Ok((spec, shaping))
    }

    fn params<'a>(
        &'a self,
        py: Python<'a>,
        client: &Client,
        dialect: Dialect,
        is_write: bool,
    ) -> PyResult<QueryParams<'a>> {
        let profile = self.profile.get();
        let paging_state = self.paging_state.as_ref();
        Ok(QueryParams {
            page_size: self.page_size,
            paging_state: paging_state.map(|state| state.bind(py).as_bytes()),
            serial_consistency: self.serial_consistency,
            timestamp: timestamp(profile, self.timestamp, client, is_write),
            now_in_seconds: now(py, dialect, self.now_in_seconds)?,
            ..QueryParams::new(self.consistency)
        })
    }

    /// Puts into a request how it is tried.
    fn finish(
        &self,
        py: Python<'_>,
        client: &Client,
        dialect: Dialect,
        flags: u8,
        spec: &mut RequestSpec,
    ) -> PyResult<()> {
        let profile = self.profile.get();
        spec.dialect = dialect;
        spec.flags = flags;
        spec.consistency = self.consistency;
        spec.serial_consistency = self.serial_consistency;
        spec.idempotent = self.idempotent;
        spec.timeout = self.timeout;
        spec.policy = match &self.policy {
            Some(policy) => policy.clone(),
            None => profile.policy.clone(),
        };
        let node = self.node.as_ref().map(|node| node.bind(py));
        direct(py, spec, client, profile, node)
    }

    fn factory(&self) -> Arc<RowFactory> {
        let given = self.factory.as_ref();
        given.unwrap_or(&self.profile.get().factory).clone()
    }
}

/// The timestamp of a write: the caller's, or the next one if the profile gives them.
pub(super) fn timestamp(
    profile: &Profile,
    given: Option<Timestamp>,
    client: &Client,
    is_write: bool,
) -> Option<i64> {
    match given {
        Some(at) => Some(at.0),
        None => (is_write && profile.client_timestamps).then(|| client.next_timestamp()),
    }
}

/// Puts into a request which nodes are asked, where the caller or the application has a say.
pub(super) fn direct(
    py: Python<'_>,
    spec: &mut RequestSpec,
    client: &Client,
    profile: &Profile,
    node: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    if let Some(node) = node {
        spec.node = Some(targets::target(&client.cluster_view(), node)?);
    } else if let Some(planner) = &profile.planner {
        spec.plan = Some(targets::plan(
            &client.cluster_view(),
            planner.bind(py),
            spec,
        )?);
    }
    Ok(())
}
