//! A prepared statement: encoder, routing and row decoder, compiled once from PREPARED's metadata.

use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyTuple};
use shardlane_proto::{Answer, ClusterView, PreparedRef, Reprepared};
use shardlane_routing::{Partitioner, Token, composite_key, composite_token};
use shardlane_wire::{
    ColumnSpec, CqlType, Dialect, FrameHeader, Opcode, Response, ResponseEnvelope, ResultBody,
    RowsMetadata, Version,
};

use super::cluster::{Core, StatementCache, lock};
use super::errors;
use super::page::Shape;
use crate::encode::{EncodedRow, Extent, RowEncoder};
use crate::values::errors::bad_value;
use crate::values::user_types::{Compiling, UserTypes};

/// ScyllaDB's mark of a lightweight transaction in the flags of bind metadata; the mask it offers in SUPPORTED.
const LWT_MARK: u32 = 1 << 31;

/// What an answer to PREPARE is combined with.
pub(super) struct Preparing {
    pub(super) cql: Box<str>,
    pub(super) keyspace: Option<Arc<str>>,
    pub(super) cache: StatementCache,
    /// What was registered when it was asked for: it stays with the statement.
    pub(super) types: Arc<UserTypes>,
}

/// A prepared statement.
#[pyclass(frozen, module = "shardlane._core")]
pub(crate) struct Prepared {
    pub(super) reference: Arc<PreparedRef>,
    pub(super) table_keyspace: Option<Arc<str>>,
    pub(super) is_lwt: bool,
    encoder: RowEncoder,
    pub(super) table: Option<Arc<str>>,
    variables: Vec<(String, String)>,
    columns: Vec<(String, String)>,
    key_indexes: Vec<u16>,
    partitioner: Partitioner,
    types: Arc<UserTypes>,
    result: Mutex<Arc<ResultMetadata>>,
    /// What it has become since the schema changed under it.
    successor: PyOnceLock<Py<Self>>,
}

/// What is known of a statement's result: the columns, and the server's id of them. They are
/// exchanged as a pair, for with the id of other columns rows would be misread.
pub(super) struct ResultMetadata {
    /// Empty if the server gave none.
    pub(super) id: Box<[u8]>,
    /// `None` if no rows have been seen or announced yet.
    pub(super) shape: Option<Arc<Shape>>,
}

impl ResultMetadata {
    /// Whether the server may leave the columns out.
    pub(super) fn can_be_skipped(&self) -> bool {
        !self.id.is_empty() && self.shape.is_some()
    }
}

impl Prepared {
    pub(super) fn from_answer(
        py: Python<'_>,
        core: &Core,
        answer: &Answer,
        preparing: &Preparing,
    ) -> PyResult<Py<Self>> {
        let (dialect, flags) = (answer.dialect, answer.flags);
        Self::compile(py, core, dialect, flags, &answer.body, preparing)
    }

    /// The schema has changed under the statement: executions go to what it has become from now on.
    pub(super) fn succeed(
        &self,
        py: Python<'_>,
        core: &Core,
        reprepared: &Reprepared,
    ) -> PyResult<()> {
        let this = self.newest(py);
        let keyspace = this.reference.keyspace.clone();
        let preparing = Preparing {
            cql: this.reference.query.clone(),
            cache: core.statements(keyspace.as_ref()),
            keyspace,
            types: this.types.clone(),
        };
        let Reprepared {
            dialect,
            flags,
            body,
            ..
        } = reprepared;
        let successor = Self::compile(py, core, *dialect, *flags, body, &preparing)?;
        if successor.get().reference == this.reference {
            // Another request has found out before.
            return Ok(());
        }
        // Lost against another thread that has found out the same: then that one's is as good.
        let _ = this.successor.set(py, successor);
        Ok(())
    }

    /// What the statement is now.
    pub(super) fn newest<'a>(&'a self, py: Python<'_>) -> &'a Self {
        let mut newest = self;
        while let Some(successor) = newest.successor.get(py) {
            newest = successor.get();
        }
        newest
    }

    fn compile(
        py: Python<'_>,
        core: &Core,
        dialect: Dialect,
        flags: u8,
        body: &[u8],
        preparing: &Preparing,
    ) -> PyResult<Py<Self>> {
        let protocol = |e: shardlane_wire::WireError| errors::plain(py, "protocol", &e.to_string());
        let header = FrameHeader {
            flags,
            ..FrameHeader::response(dialect.version, 0, Opcode::Result)
        };
        let envelope = ResponseEnvelope::decode(&header, body).map_err(protocol)?;
        let response =
            Response::decode(dialect, Opcode::Result, envelope.body).map_err(protocol)?;
        let Response::Result(ResultBody::Prepared(prepared)) = response else {
            let message = "another RESULT as the answer to PREPARE";
            return Err(errors::plain(py, "protocol", message));
        };
        let variables = prepared.parse_bind_columns().map_err(protocol)?;
        let columns = prepared.result_metadata.parse_columns().map_err(protocol)?;
        let table = variables.first().or_else(|| columns.first());
        let named = |specs: &[ColumnSpec]| -> Vec<(String, String)> {
            specs
                .iter()
                .map(|c| (c.name.to_string(), c.cql_type.to_string()))
                .collect()
        };
        let key_indexes = if dialect.version == Version::V3 {
            key_by_schema(&core.client(py)?.cluster_view(), &variables)
        } else {
            prepared.pk_indexes.clone()
        };
        let is_blob = matches!(key_indexes[..], [only] if variables
            .get(usize::from(only))
            .is_some_and(|variable| variable.cql_type == CqlType::Blob));
        let partitioner = table.map_or_else(Partitioner::default, |t| {
            Partitioner::of_table(&t.table, is_blob)
        });
        let types = &preparing.types;
        let cx = Compiling { py, types };
        let shape = if columns.is_empty() {
            None
        } else {
            Some(Shape::compile(cx, &prepared.result_metadata)?)
        };
        let statement = Py::new(
            py,
            Self {
                reference: Arc::new(PreparedRef {
                    id: prepared.id.into(),
                    query: preparing.cql.clone(),
                    keyspace: preparing.keyspace.clone(),
                    bind_columns: Some(prepared.raw_bind_columns.into()),
                }),
                table_keyspace: table.map(|t| t.keyspace.clone()),
                is_lwt: prepared.bind_flags & LWT_MARK != 0,
                encoder: RowEncoder::compile(cx, &variables, &key_indexes),
                types: preparing.types.clone(),
                table: table.map(|t| t.table.clone()),
                variables: named(&variables),
                columns: named(&columns),
                key_indexes,
                partitioner,
                result: Mutex::new(Arc::new(ResultMetadata {
                    id: prepared.result_metadata_id.unwrap_or_default().into(),
                    shape,
                })),
                successor: PyOnceLock::new(),
            },
        )?;
        let evicted = lock(&preparing.cache).push(preparing.cql.clone(), statement.clone_ref(py));
        drop(evicted);
        Ok(statement)
    }

    /// Appends the values; gives what was written and the token of the partition, if it is known.
    pub(super) fn bind(
        &self,
        py: Python<'_>,
        parameters: &Bound<'_, PyAny>,
        values: &mut Vec<u8>,
    ) -> PyResult<(EncodedRow, Option<Token>)> {
        let row = self.encoder.encode(py, parameters, values)?;
        let slice = |e: &Extent| &values[e.start..e.start + e.length];
        let token = match row.key() {
            None => None,
            Some([only]) => Some(self.partitioner.token(slice(only))),
            Some(key) => composite_token(key.iter().map(slice)).ok(),
        };
        Ok((row, token))
    }

    /// Whether it may write: it brings no rows, or is conditional.
    pub(super) const fn may_write(&self) -> bool {
        self.is_lwt || self.columns.is_empty()
    }

    /// What is known of the result now.
    pub(super) fn result(&self) -> Arc<ResultMetadata> {
        lock(&self.result).clone()
    }

    /// The compiled shape of a result that came with this metadata.
    pub(super) fn shape(
        &self,
        py: Python<'_>,
        core: &Core,
        dialect: Dialect,
        metadata: &RowsMetadata<'_>,
    ) -> PyResult<Arc<Shape>> {
        let known = self.result();
        let same = known.shape.as_ref().filter(|shape| shape.is_for(metadata));
        let id = match (metadata.new_metadata_id, same) {
            (None, Some(shape)) => return Ok(shape.clone()),
            // Not what PREPARED told, and no news either: a conditional write has other columns when
            // it was not applied, and its server says so each time (CASSANDRA-13992).
            (None, None) if dialect.has_metadata_id() => return core.shape_of(py, metadata),
            (id, _) => id.unwrap_or_default(),
        };
        let shape = match same {
            Some(shape) => shape.clone(),
            None => {
                let types = &self.types;
                Shape::compile(Compiling { py, types }, metadata)?
            }
        };
        // A result without columns says nothing of those with.
        if metadata.column_count > 0 {
            *lock(&self.result) = Arc::new(ResultMetadata {
                id: id.into(),
                shape: Some(shape.clone()),
            });
        }
        Ok(shape)
    }
}

/// Which variables make up the partition key, by the schema: in v3 PREPARED does not tell. Empty if not all of
/// the key is among them.
fn key_by_schema(view: &ClusterView, variables: &[ColumnSpec]) -> Vec<u16> {
    let Some(first) = variables.first() else {
        return Vec::new();
    };
    let keyspace = view.keyspaces.iter().find(|k| *k.name == *first.keyspace);
    let key = keyspace.and_then(|k| k.partition_keys.get(&*first.table));
    let place = |column: &String| {
        let at = variables.iter().position(|v| *v.name == **column)?;
        u16::try_from(at).ok()
    };
    key.and_then(|key| key.iter().map(place).collect())
        .unwrap_or_default()
}

#[pymethods]
impl Prepared {
    #[getter]
    fn cql(&self) -> &str {
        &self.reference.query
    }

    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.newest(py).reference.id)
    }

    #[getter]
    fn keyspace(&self) -> Option<&str> {
        self.table_keyspace.as_deref()
    }

    #[getter]
    fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    #[getter]
    fn variables<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.newest(py).variables)
    }

    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.newest(py).columns)
    }

    #[getter]
    fn partition_key_indexes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.newest(py).key_indexes)
    }

    #[getter]
    fn is_lwt(&self) -> bool {
        self.is_lwt
    }

    /// Routing key and token of the partition that these parameters address.
    fn routing<'py>(
        &self,
        py: Python<'py>,
        parameters: &Bound<'py, PyAny>,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, i64)>> {
        let mut values = Vec::new();
        let (row, token) = self.newest(py).bind(py, parameters, &mut values)?;
        let (Some(key), Some(token)) = (row.key(), token) else {
            return Ok(None);
        };
        let mut routing_key = Vec::new();
        composite_key(
            key.iter().map(|e| &values[e.start..e.start + e.length]),
            &mut routing_key,
        )
        .map_err(|e| bad_value(py, &e.to_string(), None, None, None, None))?;
        Ok(Some((PyBytes::new(py, &routing_key), token.0)))
    }

    fn __repr__(&self) -> String {
        format!("<Prepared {:?}>", self.reference.query)
    }
}
