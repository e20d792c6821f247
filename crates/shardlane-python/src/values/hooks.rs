//! Functions for the package's own tests: conversion of single values and rows, with the types
//! given as CQL text.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use shardlane_wire::primitive::Reader;
use shardlane_wire::types::read_type as read_type_option;
use shardlane_wire::{ColumnSpec, CqlType};

use super::registry::Registry;
use super::type_parser::parse;
use super::user_types::{Compiling, UserTypes};
use crate::decode::{Decoder, RowDecoder};
use crate::encode::{Encoder, RowEncoder};
use crate::rows::RowFactory;

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_encode_value, module)?)?;
    module.add_function(wrap_pyfunction!(_decode_value, module)?)?;
    module.add_class::<BoundRowEncoder>()?;
    module.add_class::<BoundRowDecoder>()
}

/// A type as a str of CQL, or as the bytes of its `[option]` in metadata.
fn read_type(given: &Bound<'_, PyAny>) -> PyResult<CqlType> {
    if let Ok(option) = given.cast::<PyBytes>() {
        let mut reader = Reader::new(option.as_bytes());
        let read = read_type_option(&mut reader).and_then(|cql_type| {
            reader.finish("type option")?;
            Ok(cql_type)
        });
        return read.map_err(|error| PyValueError::new_err(error.to_string()));
    }
    parse(given.extract()?).map_err(PyValueError::new_err)
}

/// Names and types of columns as Python gives them.
type Columns<'py> = Vec<(String, Bound<'py, PyAny>)>;

fn read_columns(columns: &Columns<'_>) -> PyResult<Vec<ColumnSpec>> {
    let read = |(name, text): &(String, Bound<'_, PyAny>)| {
        Ok(ColumnSpec {
            keyspace: "test".into(),
            table: "t".into(),
            name: name.as_str().into(),
            cql_type: read_type(text)?,
        })
    };
    columns.iter().map(read).collect()
}

/// The types registered in `given`, or none.
fn registered(given: Option<&Bound<'_, Registry>>) -> Arc<UserTypes> {
    given.map_or_else(Arc::default, |registry| registry.get().types())
}

/// The bytes of one value, without a length; `None` for null.
#[pyfunction]
#[pyo3(signature = (cql_type, value, user_types=None))]
fn _encode_value<'py>(
    cql_type: &Bound<'py, PyAny>,
    value: &Bound<'py, PyAny>,
    user_types: Option<&Bound<'py, Registry>>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = value.py();
    if value.is_none() {
        return Ok(None);
    }
    let mut out = Vec::new();
    let types = &registered(user_types);
    let encoder = Encoder::compile(Compiling { py, types }, &read_type(cql_type)?);
    encoder
        .encode(value, &mut out)
        .map_err(|error| error.into_pyerr(py, None))?;
    Ok(Some(PyBytes::new(py, &out)))
}

/// The value of one cell's bytes; `None` for null.
#[pyfunction]
#[pyo3(signature = (cql_type, cell, user_types=None))]
fn _decode_value(
    cql_type: &Bound<'_, PyAny>,
    cell: Option<&[u8]>,
    user_types: Option<&Bound<'_, Registry>>,
) -> PyResult<Py<PyAny>> {
    let py = cql_type.py();
    let cql_type = read_type(cql_type)?;
    let types = &registered(user_types);
    let decoder = Decoder::compile(Compiling { py, types }, &cql_type);
    match cell {
        None => Ok(py.None()),
        Some(bytes) => decoder
            .decode(py, bytes)
            .map(Bound::unbind)
            .map_err(|error| error.into_pyerr(py, "value", &cql_type.to_string())),
    }
}

/// A row encoder of variables given as (name, CQL type), and the indexes of the partition key.
#[pyclass(frozen, name = "_RowEncoder", module = "shardlane._core")]
struct BoundRowEncoder(RowEncoder);

/// The encoded values, their number, whether one is UNSET, and the components of the partition
/// key if all are bound.
type Encoded<'py> = (
    Bound<'py, PyBytes>,
    usize,
    bool,
    Option<Vec<Bound<'py, PyBytes>>>,
);

#[pymethods]
impl BoundRowEncoder {
    #[new]
    #[pyo3(signature = (columns, key_indexes=Vec::new()))]
    fn py_new(py: Python<'_>, columns: Columns<'_>, key_indexes: Vec<u16>) -> PyResult<Self> {
        let columns = read_columns(&columns)?;
        let types = &UserTypes::default();
        let cx = Compiling { py, types };
        Ok(Self(RowEncoder::compile(cx, &columns, &key_indexes)))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn encode<'py>(&self, params: &Bound<'py, PyAny>) -> PyResult<Encoded<'py>> {
        let py = params.py();
        // Something in front shows that extents count from the start of the whole buffer.
        let prefix = b"prefix";
        let mut out = prefix.to_vec();
        let encoded = self.0.encode(py, params, &mut out);
        if encoded.is_err() && out != prefix {
            return Err(PyValueError::new_err("a failed encoding left bytes behind"));
        }
        let row = encoded?;
        let component = |&extent: &crate::encode::Extent| {
            PyBytes::new(py, &out[extent.start..extent.start + extent.length])
        };
        let key = row
            .key()
            .map(|extents| extents.iter().map(component).collect());
        Ok((
            PyBytes::new(py, &out[prefix.len()..]),
            row.count,
            row.has_unset,
            key,
        ))
    }
}

/// A row decoder of columns given as (name, CQL type).
#[pyclass(frozen, name = "_RowDecoder", module = "shardlane._core")]
struct BoundRowDecoder(RowDecoder);

#[pymethods]
impl BoundRowDecoder {
    #[new]
    fn py_new(py: Python<'_>, columns: Columns<'_>) -> PyResult<Self> {
        let columns = read_columns(&columns)?;
        let types = &UserTypes::default();
        RowDecoder::compile(Compiling { py, types }, &columns).map(Self)
    }

    #[getter]
    fn names(&self, py: Python<'_>) -> Py<PyAny> {
        self.0.names().clone_ref(py).into_any()
    }

    #[pyo3(signature = (rows_bytes, rows_count, row_factory=None))]
    fn decode_rows(
        &self,
        py: Python<'_>,
        rows_bytes: &[u8],
        rows_count: usize,
        row_factory: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyList>> {
        let factory = read_factory(row_factory)?;
        self.0.decode_rows(py, rows_bytes, rows_count, &factory)
    }

    /// The row at an offset, and the offset behind it.
    #[pyo3(signature = (rows_bytes, offset, row_factory=None))]
    fn decode_row(
        &self,
        py: Python<'_>,
        rows_bytes: &[u8],
        mut offset: usize,
        row_factory: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(Py<PyAny>, usize)> {
        let factory = read_factory(row_factory)?;
        let row = self.0.decode_row(py, rows_bytes, &mut offset, &factory)?;
        Ok((row, offset))
    }
}

fn read_factory(given: Option<&Bound<'_, PyAny>>) -> PyResult<RowFactory> {
    given.map_or(Ok(RowFactory::Named), RowFactory::from_python)
}
