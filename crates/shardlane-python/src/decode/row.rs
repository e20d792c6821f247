//! Rows: what result metadata says about the columns, compiled.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};
use shardlane_wire::ColumnSpec;

use super::{Decoder, read_bytes};
use crate::rows::build::{ListBuilder, TupleBuilder};
use crate::rows::call::call_with_keywords;
use crate::rows::{RowFactory, named};
use crate::values::errors::{bad_value, decode_error};
use crate::values::user_types::Compiling;

/// The name of row classes.
const ROW_CLASS_NAME: &str = "Row";

/// Decodes the rows of one result.
pub(crate) struct RowDecoder {
    columns: Box<[Column]>,
    /// The column names, interned.
    names: Py<PyTuple>,
    /// A name that several columns have.
    repeated: Option<Box<str>>,
    /// Whether rows can be hidden from the garbage collector.
    atomic: bool,
    class: PyOnceLock<Py<PyType>>,
}

struct Column {
    name: Box<str>,
    type_name: Box<str>,
    decoder: Decoder,
}

impl Column {
    /// Decodes the next cell.
    #[inline]
    fn next<'py>(&self, py: Python<'py>, input: &mut &[u8]) -> PyResult<Bound<'py, PyAny>> {
        match read_bytes(input).and_then(|cell| self.decoder.decode_nullable(py, cell)) {
            Ok(value) => Ok(value),
            Err(error) => Err(error.into_pyerr(py, &self.name, &self.type_name)),
        }
    }

    /// Passes over the next cell.
    fn skip(&self, py: Python<'_>, input: &mut &[u8]) -> PyResult<()> {
        match read_bytes(input) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.into_pyerr(py, &self.name, &self.type_name)),
        }
    }
}

impl RowDecoder {
    /// Compiles the columns of a result, in order.
    pub(crate) fn compile(cx: Compiling<'_>, columns: &[ColumnSpec]) -> PyResult<Self> {
        let py = cx.py;
        let columns: Box<[_]> = columns
            .iter()
            .map(|spec| Column {
                name: spec.name.clone(),
                type_name: spec.cql_type.to_string().into(),
                decoder: Decoder::compile_column(cx, spec),
            })
            .collect();
        let names = columns
            .iter()
            .map(|column| PyString::intern(py, &column.name));
        let names = PyTuple::new(py, names.collect::<Vec<_>>())?.unbind();
        let repeated = columns
            .iter()
            .enumerate()
            .find(|(index, column)| {
                columns[..*index]
                    .iter()
                    .any(|other| other.name == column.name)
            })
            .map(|(_, column)| column.name.clone());
        let atomic = columns.iter().all(|column| column.decoder.is_atomic());
        Ok(Self {
            columns,
            names,
            repeated,
            atomic,
            class: PyOnceLock::new(),
        })
    }

    /// The column names, as a tuple of str.
    pub(crate) fn names(&self) -> &Py<PyTuple> {
        &self.names
    }

    /// Decodes a page: `rows_count` rows that fill `rows_bytes`.
    pub(crate) fn decode_rows(
        &self,
        py: Python<'_>,
        rows_bytes: &[u8],
        rows_count: usize,
        factory: &RowFactory,
    ) -> PyResult<Py<PyList>> {
        // Each cell has at least its length, and a count that the bytes cannot hold must not
        // size a list. Rows without columns do not exist.
        let row_bytes_min = 4 * self.columns.len();
        if rows_count > 0 && (row_bytes_min == 0 || rows_bytes.len() / row_bytes_min < rows_count) {
            let message = format!(
                "the result claims {rows_count} rows of {} columns in {} bytes",
                self.columns.len(),
                rows_bytes.len()
            );
            return Err(decode_error(py, &message, None, None));
        }
        let mut rest = rows_bytes;
        let mut rows = ListBuilder::new(py, rows_count)?;
        let mut maker = self.maker(py, factory)?;
        for _ in 0..rows_count {
            rows.push(maker.next(&mut rest)?);
        }
        if !rest.is_empty() {
            let message = format!("{} bytes too many after the last row", rest.len());
            return Err(decode_error(py, &message, None, None));
        }
        Ok(rows.finish().unbind())
    }

    /// Decodes the row at `*offset` and moves the offset behind it.
    pub(crate) fn decode_row(
        &self,
        py: Python<'_>,
        rows_bytes: &[u8],
        offset: &mut usize,
        factory: &RowFactory,
    ) -> PyResult<Py<PyAny>> {
        let Some(mut rest) = rows_bytes.get(*offset..) else {
            return Err(PyValueError::new_err("the offset is behind the rows"));
        };
        let row = self.maker(py, factory)?.next(&mut rest)?;
        *offset = rows_bytes.len() - rest.len();
        Ok(row.unbind())
    }

    fn maker<'a, 'py>(
        &'a self,
        py: Python<'py>,
        factory: &'a RowFactory,
    ) -> PyResult<RowMaker<'a, 'py>> {
        let shape = match factory {
            RowFactory::Named => {
                let class = self.class.get_or_try_init(py, || {
                    let names: Vec<_> = self.columns.iter().map(|column| &*column.name).collect();
                    named::class(py, ROW_CLASS_NAME, &names)
                })?;
                Shape::Named(class.bind(py))
            }
            RowFactory::Tuple => Shape::Tuple,
            RowFactory::Dict => Shape::Dict(self.names.bind(py)),
            RowFactory::Scalar => match self.columns.split_first() {
                Some((first, others)) => Shape::Scalar(first, others),
                None => {
                    let message = "the result has no column to make a scalar of";
                    return Err(bad_value(py, message, None, None, None, None));
                }
            },
            RowFactory::Class(callable) => {
                if let Some(name) = &self.repeated {
                    let message = format!(
                        "several columns are called {name}, but a keyword argument can be given once only"
                    );
                    let hint = "rename one of them: SELECT a AS b";
                    return Err(bad_value(py, &message, Some(name), None, None, Some(hint)));
                }
                Shape::Class(callable.bind(py), Vec::with_capacity(self.columns.len()))
            }
        };
        Ok(RowMaker {
            py,
            decoder: self,
            shape,
        })
    }
}

/// A factory bound to a decoder, for the rows of one page.
struct RowMaker<'a, 'py> {
    py: Python<'py>,
    decoder: &'a RowDecoder,
    shape: Shape<'a, 'py>,
}

enum Shape<'a, 'py> {
    Named(&'a Bound<'py, PyType>),
    Tuple,
    Dict(&'a Bound<'py, PyTuple>),
    /// The column wanted and those to pass over.
    Scalar(&'a Column, &'a [Column]),
    /// The callable, and room for its arguments.
    Class(&'a Bound<'py, PyAny>, Vec<Bound<'py, PyAny>>),
}

impl<'py> RowMaker<'_, 'py> {
    #[inline]
    fn next(&mut self, input: &mut &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let Self { py, decoder, shape } = self;
        let (py, columns) = (*py, &decoder.columns);
        match shape {
            Shape::Named(class) => {
                decoder.fill(TupleBuilder::of_class(class, columns.len())?, py, input)
            }
            Shape::Tuple => decoder.fill(TupleBuilder::new(py, columns.len())?, py, input),
            Shape::Dict(names) => {
                let row = PyDict::new(py);
                for (column, name) in columns.iter().zip(names.iter_borrowed()) {
                    row.set_item(name, column.next(py, input)?)?;
                }
                Ok(row.into_any())
            }
            Shape::Scalar(first, others) => {
                let value = first.next(py, input)?;
                for column in *others {
                    column.skip(py, input)?;
                }
                Ok(value)
            }
            Shape::Class(callable, arguments) => {
                arguments.clear();
                for column in columns {
                    arguments.push(column.next(py, input)?);
                }
                call_with_keywords(callable, arguments, decoder.names.bind(py))
            }
        }
    }
}

impl RowDecoder {
    #[inline]
    fn fill<'py>(
        &self,
        mut row: TupleBuilder<'py>,
        py: Python<'py>,
        input: &mut &[u8],
    ) -> PyResult<Bound<'py, PyAny>> {
        for column in &self.columns {
            row.push(column.next(py, input)?);
        }
        Ok(if self.atomic {
            row.finish_untracked()
        } else {
            row.finish()
        })
    }
}
