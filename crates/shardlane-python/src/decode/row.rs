//! Rows: what result metadata says about the columns, compiled.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};
use shardlane_wire::ColumnSpec;

use super::{Decoder, read_bytes};
use crate::rows::build::Filling;
use crate::rows::call::KeywordCall;
use crate::rows::{RowFactory, named};
use crate::values::errors::{DecodeError, bad_value, decode_error};
use crate::values::user_types::Compiling;

/// The name of row classes.
const ROW_CLASS_NAME: &str = "Row";

/// How many items fit into the table that Python gives a new dict.
const NEW_DICT_ITEMS: usize = 5;

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

/// How far a page has been decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    /// Where in the bytes of the rows the next one begins.
    pub(crate) offset: usize,
    /// How many rows are left.
    pub(crate) left: usize,
}

impl Cursor {
    /// In front of the first of so many rows.
    pub(crate) const fn new(rows_count: usize) -> Self {
        Self {
            offset: 0,
            left: rows_count,
        }
    }
}

struct Column {
    name: Box<str>,
    type_name: Box<str>,
    decoder: Decoder,
}

impl Column {
    /// Decodes the next cell.
    #[inline(always)]
    fn next<'py>(&self, py: Python<'py>, input: &mut &[u8]) -> PyResult<Bound<'py, PyAny>> {
        // No closure around what is to be inlined: it would be a function of its own.
        let decoded = match read_bytes(input) {
            Ok(cell) => self.decoder.decode_nullable(py, cell),
            Err(error) => Err(error),
        };
        match decoded {
            Ok(value) => Ok(value),
            Err(error) => Err(self.malformed(py, error)),
        }
    }

    /// Passes over the next cell.
    fn skip(&self, py: Python<'_>, input: &mut &[u8]) -> PyResult<()> {
        match read_bytes(input) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.malformed(py, error)),
        }
    }

    #[cold]
    #[expect(clippy::boxed_local, reason = "a box is how decoders give it")]
    fn malformed(&self, py: Python<'_>, error: Box<DecodeError>) -> PyErr {
        error.into_pyerr(py, &self.name, &self.type_name)
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
        let mut cursor = Cursor::new(rows_count);
        self.decode_some(py, rows_bytes, &mut cursor, rows_count, factory)
    }

    /// Decodes the next `count` rows of a page, or as many as are left, and moves the cursor behind
    /// them unless that fails. With the last row the bytes have to be used up.
    pub(crate) fn decode_some(
        &self,
        py: Python<'_>,
        rows_bytes: &[u8],
        cursor: &mut Cursor,
        count: usize,
        factory: &RowFactory,
    ) -> PyResult<Py<PyList>> {
        let Cursor { offset, left } = *cursor;
        let mut rest = rows_bytes.get(offset..).ok_or_else(behind_the_rows)?;
        // Each cell has at least its length, and a count that the bytes cannot hold must not
        // size a list. Rows without columns do not exist.
        let row_bytes_min = 4 * self.columns.len();
        if left > 0 && (row_bytes_min == 0 || rest.len() / row_bytes_min < left) {
            let message = format!(
                "the result claims {left} rows of {} columns in {} bytes",
                self.columns.len(),
                rest.len()
            );
            return Err(decode_error(py, &message, None, None));
        }
        let count = count.min(left);
        let mut rows = Filling::list(py, count)?;
        let mut maker = self.maker(py, factory)?;
        for _ in 0..count {
            rows.push(maker.next(&mut rest)?);
        }
        let left = left - count;
        if left == 0 && !rest.is_empty() {
            let message = format!("{} bytes too many after the last row", rest.len());
            return Err(decode_error(py, &message, None, None));
        }
        *cursor = Cursor {
            offset: rows_bytes.len() - rest.len(),
            left,
        };
        // SAFETY: `Filling::list` made it.
        Ok(unsafe { rows.finish().cast_into_unchecked() }.unbind())
    }

    /// Decodes the row at `*offset` and moves the offset behind it.
    pub(crate) fn decode_row(
        &self,
        py: Python<'_>,
        rows_bytes: &[u8],
        offset: &mut usize,
        factory: &RowFactory,
    ) -> PyResult<Py<PyAny>> {
        let mut rest = rows_bytes.get(*offset..).ok_or_else(behind_the_rows)?;
        let row = self.maker(py, factory)?.next(&mut rest)?;
        *offset = rows_bytes.len() - rest.len();
        Ok(row.unbind())
    }

    /// The names with `None` for each: a dict of many columns that is copied from it has a table of the right
    /// size, where one that begins empty gets a larger table again and again.
    fn template<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        if self.columns.len() <= NEW_DICT_ITEMS {
            return Ok(None);
        }
        let template = PyDict::new(py);
        for name in self.names.bind(py) {
            template.set_item(name, py.None())?;
        }
        Ok(Some(template))
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
            RowFactory::Dict => Shape::Dict(self.template(py)?),
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
                let call = KeywordCall::new(callable.bind(py), self.names.bind(py))?;
                Shape::Class(call, Vec::with_capacity(self.columns.len()))
            }
        };
        Ok(RowMaker {
            py,
            decoder: self,
            shape,
        })
    }
}

#[cold]
fn behind_the_rows() -> PyErr {
    PyValueError::new_err("the offset is behind the rows")
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
    /// What each row begins as.
    Dict(Option<Bound<'py, PyDict>>),
    /// The column wanted and those to pass over.
    Scalar(&'a Column, &'a [Column]),
    /// The call, and room for its arguments.
    Class(KeywordCall<'a, 'py>, Vec<Bound<'py, PyAny>>),
}

impl<'py> RowMaker<'_, 'py> {
    // Inside of the loop over the rows nothing of a row has to go through memory.
    #[inline(always)]
    fn next(&mut self, input: &mut &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let Self { py, decoder, shape } = self;
        let (py, columns) = (*py, &decoder.columns);
        match shape {
            Shape::Named(class) => {
                decoder.fill(Filling::tuple_of_class(class, columns.len())?, py, input)
            }
            Shape::Tuple => decoder.fill(Filling::tuple(py, columns.len())?, py, input),
            Shape::Dict(template) => {
                let names = decoder.names.bind(py);
                let row = match template {
                    Some(template) => template.copy()?,
                    None => PyDict::new(py),
                };
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
            Shape::Class(call, arguments) => {
                arguments.clear();
                for column in columns {
                    arguments.push(column.next(py, input)?);
                }
                call.call(arguments)
            }
        }
    }
}

impl RowDecoder {
    #[inline(always)]
    fn fill<'py>(
        &self,
        mut row: Filling<'py>,
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
