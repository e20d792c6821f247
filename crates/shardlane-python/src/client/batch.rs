//! BATCH: several statements in one request.

use std::sync::Arc;

use pyo3::prelude::*;
use shardlane_proto::{PreparedRef, PreparedRefs, RequestSpec};
use shardlane_wire::request::{Batch, BatchQuery, BatchStatement, BatchStatements, BatchType};
use shardlane_wire::{BoundValues, Consistency, Dialect, Opcode, SerialConsistency};

use super::bodies::{encoded, has_values, in_use, named, text, with_values};
use super::prepared::Prepared;
use super::session::Session;
use crate::values::errors::bad_value;

/// What a batch says besides its statements.
pub(super) struct Options<'a> {
    pub(super) dialect: Dialect,
    pub(super) consistency: Consistency,
    pub(super) serial_consistency: Option<SerialConsistency>,
    pub(super) timestamp: Option<i64>,
    /// Of names without one; `None` for the session's.
    pub(super) keyspace: Option<&'a str>,
    pub(super) now_in_seconds: Option<i32>,
}

/// Encodes a batch; gives its prepared statements as well. It is routed by its first statement whose
/// partition is known.
pub(super) fn encode(
    session: &Session,
    py: Python<'_>,
    kind: &str,
    statements: &Bound<'_, PyAny>,
    options: Options<'_>,
    mut body: Vec<u8>,
) -> PyResult<(RequestSpec, Vec<Py<Prepared>>)> {
    let refused = |message: &str| bad_value(py, message, None, None, None, None);
    let batch_type = match kind {
        "logged" => BatchType::Logged,
        "unlogged" => BatchType::Unlogged,
        "counter" => BatchType::Counter,
        other => {
            return Err(refused(&format!(
                "batch kind {other:?}: give 'logged', 'unlogged' or 'counter'"
            )));
        }
    };
    let mut spec = RequestSpec::new(Opcode::Batch, Vec::new());
    let mut references: Vec<Arc<PreparedRef>> = Vec::new();
    let (mut bytes, mut count) = (Vec::new(), 0usize);
    let mut keyspace = None;
    let mut statements_used = Vec::new();
    for item in statements.try_iter()? {
        let (statement, parameters): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
        let prepared = match statement.cast::<Prepared>() {
            Ok(prepared) => Some(prepared.clone().unbind()),
            Err(_) if has_values(Some(&parameters)) => {
                let cql = text(&statement)?;
                Some(
                    session
                        .find(py, cql, options.keyspace)
                        .ok_or_else(|| refused(&format!("{cql:?} has not been prepared")))?,
                )
            }
            Err(_) => None,
        };
        count += 1;
        if let Some(prepared) = prepared {
            statements_used.push(prepared.clone_ref(py));
            let prepared = prepared.get().newest(py);
            with_values(|values| {
                let (row, token) = prepared.bind(py, &parameters, values)?;
                if spec.token.is_none() && token.is_some() {
                    spec.token = token;
                    spec.table_keyspace = prepared.table_keyspace.clone();
                    spec.table = prepared.table.clone();
                }
                spec.lwt |= prepared.is_lwt;
                references.push(prepared.reference.clone());
                let query = BatchQuery::Prepared(&prepared.reference.id);
                let values = BoundValues::positional(row.count as u16, values);
                encoded(py, BatchStatement { query, values }.encode(&mut bytes))
            })?;
        } else {
            // Only plain statements depend on the keyspace in use: PREPARE has resolved the others' names.
            keyspace = session.keyspace_of(options.keyspace);
            let query = BatchQuery::Text(text(&statement)?);
            encoded(
                py,
                BatchStatement {
                    query,
                    values: BoundValues::positional(0, &[]),
                }
                .encode(&mut bytes),
            )?;
        }
    }
    let count = u16::try_from(count).map_err(|_| {
        refused(&format!(
            "a batch holds at most {} statements, not {count}",
            u16::MAX
        ))
    })?;
    let batch = Batch {
        batch_type,
        statements: BatchStatements {
            count,
            bytes: &bytes,
        },
        consistency: options.consistency,
        serial_consistency: options.serial_consistency,
        timestamp: options.timestamp,
        keyspace: named(options.dialect, keyspace.as_ref()),
        now_in_seconds: options.now_in_seconds,
    };
    encoded(py, batch.encode(options.dialect, &mut body))?;
    spec.body = body;
    spec.dialect = options.dialect;
    spec.keyspace = in_use(options.dialect, keyspace);
    spec.prepared = PreparedRefs::Many(references.into());
    Ok((spec, statements_used))
}
