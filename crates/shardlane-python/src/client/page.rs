//! What one execution brought: at most one page of rows, decoded when it is looked at.

use std::ops::Range;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use shardlane_proto::{Answer, Coordinator, Reprepared};
use shardlane_routing::tablets;
use shardlane_wire::{
    CqlType, FrameHeader, Opcode, Response, ResponseEnvelope, ResultBody, RowsMetadata,
    SchemaChange, SchemaTarget,
};

use super::cluster::Core;
use super::errors;
use super::prepared::Prepared;
use super::session::Session;
use super::slices::{self, Slices, slice_rows};
use crate::decode::{Cursor, RowDecoder};
use crate::rows::RowFactory;
use crate::values::user_types::Compiling;

/// The first result column of a lightweight transaction.
const APPLIED: &str = "[applied]";

/// What an answer's rows become.
pub(super) struct Shaping {
    pub(super) prepared: Option<Py<Prepared>>,
    /// The text, if the statement was not prepared.
    pub(super) text: Option<Box<str>>,
    /// The columns, if the server was asked to leave them out.
    pub(super) expected: Option<Arc<Shape>>,
    /// The prepared statements of a batch.
    pub(super) batch: Vec<Py<Prepared>>,
    pub(super) factory: Arc<RowFactory>,
}

impl Shaping {
    /// The schema has changed under a statement that was to be executed.
    pub(super) fn replace(
        &self,
        py: Python<'_>,
        core: &Core,
        reprepared: &Reprepared,
    ) -> PyResult<()> {
        let all = self.prepared.iter().chain(&self.batch);
        all.map(Py::get)
            .filter(|statement| *statement.newest(py).reference.id == *reprepared.id)
            .try_for_each(|statement| statement.succeed(py, core, reprepared))
    }

    pub(super) fn statement(&self) -> Option<&str> {
        match &self.prepared {
            Some(prepared) => Some(&prepared.get().reference.query),
            None => self.text.as_deref(),
        }
    }
}

/// The columns of a result, compiled.
pub(crate) struct Shape {
    decoder: RowDecoder,
    columns: Vec<(String, String)>,
    is_lwt: bool,
    raw_columns: Box<[u8]>,
    column_count: u32,
    is_global: bool,
}

impl Shape {
    pub(super) fn compile(cx: Compiling<'_>, metadata: &RowsMetadata<'_>) -> PyResult<Arc<Self>> {
        let specs = metadata
            .parse_columns()
            .map_err(|e| errors::plain(cx.py, "protocol", &e.to_string()))?;
        let is_lwt = specs
            .first()
            .is_some_and(|c| *c.name == *APPLIED && c.cql_type == CqlType::Boolean);
        Ok(Arc::new(Self {
            decoder: RowDecoder::compile(cx, &specs)?,
            columns: specs
                .iter()
                .map(|c| (c.name.to_string(), c.cql_type.to_string()))
                .collect(),
            is_lwt,
            raw_columns: metadata.raw_columns.into(),
            column_count: metadata.column_count,
            is_global: metadata.has_global_table_spec(),
        }))
    }

    /// Whether `metadata` describes the same columns: a comparison of bytes, nothing is parsed.
    pub(super) fn is_for(&self, metadata: &RowsMetadata<'_>) -> bool {
        *self.raw_columns == *metadata.raw_columns
            && self.column_count == metadata.column_count
            && self.is_global == metadata.has_global_table_spec()
    }
}

enum Content {
    Void,
    Rows {
        shape: Arc<Shape>,
        rows: Range<usize>,
        count: usize,
        paging_state: Option<Range<usize>>,
    },
    SetKeyspace(Box<str>),
    SchemaChange(SchemaChange),
}

/// What precedes the message in a frame body; rare.
#[derive(Default)]
struct Extras {
    tracing_id: Option<[u8; 16]>,
    warnings: Vec<String>,
    custom_payload: Vec<(String, Option<Vec<u8>>)>,
    /// Of a traced request: where its trace can be read.
    core: Option<Arc<Core>>,
}

/// What the server answered to one execution.
#[pyclass(frozen, module = "shardlane._core")]
pub(super) struct Page {
    body: Vec<u8>,
    content: Content,
    extras: Option<Box<Extras>>,
    factory: Arc<RowFactory>,
    decoded: PyOnceLock<Py<PyList>>,
    coordinator: Arc<Coordinator>,
    shard: Option<u16>,
    attempts: usize,
}

/// The frame header of an answer, as far as it matters to decoding.
pub(super) fn header(answer: &Answer) -> FrameHeader {
    FrameHeader {
        flags: answer.flags,
        ..FrameHeader::response(answer.dialect.version, 0, answer.opcode)
    }
}

impl Page {
    pub(super) fn new(
        py: Python<'_>,
        core: &Arc<Core>,
        answer: Answer,
        shaping: &Shaping,
    ) -> PyResult<Py<Self>> {
        let (content, extras) = read(py, core, &answer, shaping)?;
        Py::new(
            py,
            Self {
                body: answer.body,
                content,
                extras,
                factory: shaping.factory.clone(),
                decoded: PyOnceLock::new(),
                coordinator: answer.coordinator,
                shard: answer.shard,
                attempts: answer.failed_attempts.len() + 1,
            },
        )
    }

    /// Decodes the slice at `cursor`.
    pub(super) fn decode_slice(&self, py: Python<'_>, cursor: &mut Cursor) -> PyResult<Py<PyList>> {
        let Content::Rows { shape, rows, .. } = &self.content else {
            return Ok(PyList::empty(py).unbind());
        };
        let bytes = &self.body[rows.clone()];
        let count = slice_rows(cursor.left, bytes.len() - cursor.offset, &self.factory);
        shape
            .decoder
            .decode_some(py, bytes, cursor, count, &self.factory)
    }

    fn decode_first(&self, py: Python<'_>, factory: &RowFactory) -> PyResult<Py<PyAny>> {
        match &self.content {
            Content::Rows {
                shape, rows, count, ..
            } if *count > 0 => {
                shape
                    .decoder
                    .decode_row(py, &self.body[rows.clone()], &mut 0, factory)
            }
            _ => Ok(py.None()),
        }
    }
}

/// Tablets, which the engine has taken over: no message from server to application.
fn is_for_the_driver(key: &str) -> bool {
    matches!(key, tablets::payload::KEY | tablets::payload::KEY_V2)
}

fn read(
    py: Python<'_>,
    core: &Arc<Core>,
    answer: &Answer,
    shaping: &Shaping,
) -> PyResult<(Content, Option<Box<Extras>>)> {
    let protocol = |e: shardlane_wire::WireError| errors::plain(py, "protocol", &e.to_string());
    let body = &answer.body[..];
    let envelope = ResponseEnvelope::decode(&header(answer), body).map_err(protocol)?;
    let extras = (answer.flags != 0).then(|| {
        Box::new(Extras {
            tracing_id: envelope.tracing_id,
            core: envelope.tracing_id.map(|_| core.clone()),
            warnings: envelope.warnings.iter().map(|&w| w.to_owned()).collect(),
            custom_payload: envelope
                .custom_payload
                .iter()
                .filter(|(key, _)| !is_for_the_driver(key))
                .map(|(key, value)| ((*key).to_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
        })
    });
    let result =
        match Response::decode(answer.dialect, answer.opcode, envelope.body).map_err(protocol)? {
            Response::Result(result) if answer.opcode == Opcode::Result => result,
            other => {
                return Err(errors::plain(
                    py,
                    "protocol",
                    &format!("{} as the answer to a request", other.opcode()),
                ));
            }
        };
    // Offsets instead of slices: the page owns the body.
    let place = |slice: &[u8]| {
        let start = slice.as_ptr() as usize - body.as_ptr() as usize;
        start..start + slice.len()
    };
    let content = match result {
        ResultBody::Void => Content::Void,
        ResultBody::Rows(rows) => {
            let metadata = &rows.metadata;
            let shape = match (&shaping.expected, &shaping.prepared) {
                (Some(expected), _) if metadata.has_no_metadata() => {
                    if expected.column_count != metadata.column_count {
                        let message = "rows of other columns than the prepared statement's";
                        return Err(errors::plain(py, "protocol", message));
                    }
                    expected.clone()
                }
                (_, Some(prepared)) => {
                    prepared
                        .get()
                        .newest(py)
                        .shape(py, core, answer.dialect, metadata)?
                }
                (_, None) => core.shape_of(py, metadata)?,
            };
            let paging_state = metadata.paging_state.map(place);
            Content::Rows {
                shape,
                rows: place(rows.rows),
                count: rows.rows_count as usize,
                paging_state,
            }
        }
        ResultBody::SetKeyspace(keyspace) => Content::SetKeyspace(keyspace.into()),
        ResultBody::SchemaChange(change) => Content::SchemaChange(change),
        ResultBody::Prepared(_) => {
            return Err(errors::plain(
                py,
                "protocol",
                "PREPARED as the answer to an execution",
            ));
        }
    };
    Ok((content, extras))
}

#[pymethods]
impl Page {
    #[getter]
    const fn kind(&self) -> &'static str {
        match self.content {
            Content::Void => "void",
            Content::Rows { .. } => "rows",
            Content::SetKeyspace(_) => "set_keyspace",
            Content::SchemaChange(_) => "schema_change",
        }
    }

    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match &self.content {
            Content::Rows { shape, .. } => PyTuple::new(py, &shape.columns),
            _ => Ok(PyTuple::empty(py)),
        }
    }

    const fn __len__(&self) -> usize {
        match self.content {
            Content::Rows { count, .. } => count,
            _ => 0,
        }
    }

    /// All rows of this page.
    pub(super) fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let decoded = self.decoded.get_or_try_init(py, || match &self.content {
            Content::Rows {
                shape, rows, count, ..
            } => shape
                .decoder
                .decode_rows(py, &self.body[rows.clone()], *count, &self.factory),
            _ => Ok(PyList::empty(py).unbind()),
        })?;
        Ok(decoded.bind(py).clone())
    }

    /// All rows of this page, a list of some of them at a time; if it is small, or decoded already, in one.
    fn slices(slf: Bound<'_, Self>) -> Slices {
        let page = slf.get();
        let state = match &page.content {
            Content::Rows { rows, count, .. } if page.decoded.get(slf.py()).is_none() => {
                if slice_rows(*count, rows.len(), &page.factory) < *count {
                    slices::State::Rest(Cursor::new(*count))
                } else {
                    slices::State::Whole
                }
            }
            _ => slices::State::Whole,
        };
        Slices::new(slf.unbind(), state)
    }

    /// The first row, or None.
    fn first(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if let Some(rows) = self.decoded.get(py) {
            let rows = rows.bind(py);
            return if rows.is_empty() {
                Ok(py.None())
            } else {
                Ok(rows.get_item(0)?.unbind())
            };
        }
        self.decode_first(py, &self.factory)
    }

    /// First column of the first row, or None.
    fn scalar(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.decode_first(py, &RowFactory::Scalar)
    }

    /// For a lightweight transaction whether it was applied.
    #[getter]
    fn was_applied(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        match &self.content {
            Content::Rows { shape, .. } if shape.is_lwt => self.scalar(py)?.extract(py),
            _ => Ok(None),
        }
    }

    /// Whether nothing follows: no further page, no keyspace to go over to.
    #[getter]
    const fn is_complete(&self) -> bool {
        !matches!(
            self.content,
            Content::Rows {
                paging_state: Some(_),
                ..
            } | Content::SetKeyspace(_)
        )
    }

    #[getter]
    const fn has_more(&self) -> bool {
        matches!(
            self.content,
            Content::Rows {
                paging_state: Some(_),
                ..
            }
        )
    }

    #[getter]
    fn paging_state<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        match &self.content {
            Content::Rows {
                paging_state: Some(place),
                ..
            } => Some(PyBytes::new(py, &self.body[place.clone()])),
            _ => None,
        }
    }

    #[getter]
    fn keyspace(&self) -> Option<&str> {
        match &self.content {
            Content::SetKeyspace(keyspace) => Some(keyspace),
            _ => None,
        }
    }

    #[getter]
    fn schema_change(&self) -> Option<(&str, &str, &str, Option<&str>)> {
        let Content::SchemaChange(change) = &self.content else {
            return None;
        };
        let name = match &change.target {
            SchemaTarget::Table(name)
            | SchemaTarget::Type(name)
            | SchemaTarget::Function { name, .. }
            | SchemaTarget::Aggregate { name, .. } => Some(&**name),
            SchemaTarget::Keyspace => None,
        };
        Some((
            change.kind.as_str(),
            change.target.as_str(),
            &change.keyspace,
            name,
        ))
    }

    #[getter]
    fn warnings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match &self.extras {
            Some(extras) => PyTuple::new(py, &extras.warnings),
            None => Ok(PyTuple::empty(py)),
        }
    }

    #[getter]
    fn tracing_id<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let id = self.extras.as_ref()?.tracing_id.as_ref()?;
        Some(PyBytes::new(py, id))
    }

    /// A session to read the trace with; None if the execution was not traced.
    fn tracer(&self, py: Python<'_>) -> PyResult<Option<Session>> {
        let core = self.extras.as_ref().and_then(|extras| extras.core.clone());
        core.map(|core| Session::for_traces(py, core)).transpose()
    }

    #[getter]
    fn custom_payload<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let payload = PyDict::new(py);
        if let Some(extras) = &self.extras {
            for (key, value) in &extras.custom_payload {
                payload.set_item(
                    PyString::new(py, key),
                    value.as_ref().map(|v| PyBytes::new(py, v)),
                )?;
            }
        }
        Ok(payload)
    }

    #[getter]
    fn coordinator(&self) -> (String, u16) {
        (
            self.coordinator.address.ip().to_string(),
            self.coordinator.address.port(),
        )
    }

    #[getter]
    fn host_id(&self) -> String {
        self.coordinator.host_id.to_string()
    }

    #[getter]
    const fn shard(&self) -> Option<u16> {
        self.shard
    }

    #[getter]
    const fn attempts(&self) -> usize {
        self.attempts
    }
}
