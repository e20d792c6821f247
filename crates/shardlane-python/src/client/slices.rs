//! The rows of a page, piece by piece.

use pyo3::prelude::*;
use pyo3::types::PyList;

use super::page::Page;
use crate::decode::Cursor;
use crate::rows::RowFactory;

/// A slice is what may be decoded without a pause: well below a millisecond of work.
const SLICE_ROWS_MAX: usize = 4096;
/// As above, where a row is a call of somebody else's code.
const SLICE_CALLS_MAX: usize = 1024;
/// As above, for rows of many or of large columns.
const SLICE_BYTES_MAX: usize = 256 * 1024;

/// How many rows to decode next, of `left` that take up `bytes`: a page is cut into equal slices.
pub(super) fn slice_rows(left: usize, bytes: usize, factory: &RowFactory) -> usize {
    let most = match factory {
        RowFactory::Class(_) => SLICE_CALLS_MAX,
        _ => SLICE_ROWS_MAX,
    };
    let slices = left.div_ceil(most).max(bytes.div_ceil(SLICE_BYTES_MAX));
    left.div_ceil(slices.max(1))
}

/// Goes through a page slice by slice, each of which is decoded when it is asked for.
#[pyclass(module = "shardlane._core")]
pub(super) struct Slices {
    page: Py<Page>,
    state: State,
}

pub(super) enum State {
    /// All rows, as the page keeps them.
    Whole,
    /// What follows the cursor.
    Rest(Cursor),
    End,
}

impl Slices {
    pub(super) const fn new(page: Py<Page>, state: State) -> Self {
        Self { page, state }
    }
}

#[pymethods]
impl Slices {
    /// Whether there is a next one.
    #[getter]
    const fn has_more(&self) -> bool {
        !matches!(self.state, State::End)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyList>>> {
        let page = self.page.get();
        // Nothing follows a failure.
        match std::mem::replace(&mut self.state, State::End) {
            State::End => Ok(None),
            State::Whole => Ok(Some(page.rows(py)?.unbind())),
            State::Rest(mut cursor) => {
                let rows = page.decode_slice(py, &mut cursor)?;
                if cursor.left > 0 {
                    self.state = State::Rest(cursor);
                }
                Ok(Some(rows))
            }
        }
    }
}
