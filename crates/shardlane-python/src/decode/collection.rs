//! Lists, sets and maps: `[int]` count, then `[bytes]` elements (v4 specification, section 6).

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PySet, PyTuple};
use shardlane_wire::CqlType;

use super::{Decoder, Place, expect_end, read_bytes, read_int};
use crate::rows::build::Filling;
use crate::values::errors::{DecodeError, DecodeResult};
use crate::values::path::Step;
use crate::values::user_types::Compiling;

/// Takes the count of a collection off the front. Every element has at least a length of four
/// bytes, and a pair two of them; a count that the bytes cannot hold must not size a container.
fn read_count(input: &mut &[u8], element_bytes_min: usize) -> DecodeResult<usize> {
    let count = read_int(input, "the count of a collection")?;
    let most = input.len() / element_bytes_min;
    match usize::try_from(count) {
        Ok(count) if count <= most => Ok(count),
        _ => Err(DecodeError::malformed(format!(
            "a collection claims {count} elements, but there is room for {most} at most"
        ))),
    }
}

/// Decodes the next element of a collection.
#[inline]
fn next_element<'py>(
    py: Python<'py>,
    element: &Decoder,
    index: usize,
    input: &mut &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    read_bytes(input)
        .and_then(|cell| element.decode_nullable(py, cell))
        .map_err(|error| error.within(Step::Index(index)))
}

/// Decodes a list, into a tuple where it is hashed.
pub(crate) struct ListDecoder {
    element: Box<Decoder>,
    place: Place,
}

impl ListDecoder {
    pub(super) fn compile(cx: Compiling<'_>, element: &CqlType, place: Place) -> Self {
        Self {
            element: Box::new(Decoder::compile_at(cx, element, place)),
            place,
        }
    }

    pub(super) fn decode<'py>(
        &self,
        py: Python<'py>,
        bytes: &[u8],
    ) -> DecodeResult<Bound<'py, PyAny>> {
        let mut rest = bytes;
        let count = read_count(&mut rest, 4)?;
        let elements = (0..count).map(|index| next_element(py, &self.element, index, &mut rest));
        let sequence = sequence(py, count, self.place, elements)?;
        expect_end(rest)?;
        Ok(sequence)
    }
}

/// A list of `count` elements, or a tuple where it is hashed.
pub(super) fn sequence<'py>(
    py: Python<'py>,
    count: usize,
    place: Place,
    elements: impl Iterator<Item = DecodeResult<Bound<'py, PyAny>>>,
) -> DecodeResult<Bound<'py, PyAny>> {
    let mut sequence = match place {
        Place::Anywhere => Filling::list(py, count)?,
        Place::Hashed => Filling::tuple(py, count)?,
    };
    for element in elements {
        sequence.push(element?);
    }
    Ok(sequence.finish())
}

/// Decodes a set, into a frozenset where it is hashed.
pub(crate) struct SetDecoder {
    element: Box<Decoder>,
    place: Place,
}

impl SetDecoder {
    pub(super) fn compile(cx: Compiling<'_>, element: &CqlType, place: Place) -> Self {
        Self {
            element: Box::new(Decoder::compile_at(cx, element, Place::Hashed)),
            place,
        }
    }

    pub(super) fn decode<'py>(
        &self,
        py: Python<'py>,
        bytes: &[u8],
    ) -> DecodeResult<Bound<'py, PyAny>> {
        let mut rest = bytes;
        let count = read_count(&mut rest, 4)?;
        let set = match self.place {
            Place::Anywhere => PySet::empty(py)?.into_any(),
            Place::Hashed => new_frozenset(py)?,
        };
        for index in 0..count {
            let element = next_element(py, &self.element, index, &mut rest)?;
            // SAFETY: `set` is a set, or a frozenset that nobody else has seen yet, which
            // PySet_Add is documented to fill; `element` is a live object.
            if unsafe { ffi::PySet_Add(set.as_ptr(), element.as_ptr()) } != 0 {
                return Err(PyErr::fetch(py).into());
            }
        }
        expect_end(rest)?;
        Ok(set)
    }
}

fn new_frozenset(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: a null iterable asks for an empty frozenset, a new one on every supported version
    // (`frozenset()` in Python is a shared object and must not be filled); the result is owned or
    // null with an exception set.
    let set =
        unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyFrozenSet_New(std::ptr::null_mut()))? };
    debug_assert!(set.is_exact_instance_of::<PyFrozenSet>());
    Ok(set)
}

/// Decodes a map, into a tuple of pairs where it is hashed.
pub(crate) struct MapDecoder {
    pair: Box<(Decoder, Decoder)>,
    place: Place,
}

impl MapDecoder {
    pub(super) fn compile(cx: Compiling<'_>, pair: &(CqlType, CqlType), place: Place) -> Self {
        let keys = Decoder::compile_at(cx, &pair.0, Place::Hashed);
        let items = Decoder::compile_at(cx, &pair.1, place);
        Self {
            pair: Box::new((keys, items)),
            place,
        }
    }

    pub(super) fn decode<'py>(
        &self,
        py: Python<'py>,
        bytes: &[u8],
    ) -> DecodeResult<Bound<'py, PyAny>> {
        let mut rest = bytes;
        let count = read_count(&mut rest, 8)?;
        let map = match self.place {
            Place::Anywhere => {
                let dict = PyDict::new(py);
                for index in 0..count {
                    let (key, item) = self.next_pair(py, index, &mut rest)?;
                    dict.set_item(key, item)?;
                }
                dict.into_any()
            }
            Place::Hashed => {
                let mut pairs = Filling::tuple(py, count)?;
                for index in 0..count {
                    let (key, item) = self.next_pair(py, index, &mut rest)?;
                    pairs.push(PyTuple::new(py, [key, item])?.into_any());
                }
                pairs.finish()
            }
        };
        expect_end(rest)?;
        Ok(map)
    }

    fn next_pair<'py>(
        &self,
        py: Python<'py>,
        index: usize,
        input: &mut &[u8],
    ) -> DecodeResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let (keys, items) = &*self.pair;
        let key = read_bytes(input)
            .and_then(|cell| keys.decode_nullable(py, cell))
            .map_err(|error| error.within(Step::Key(index)))?;
        let item = read_bytes(input)
            .and_then(|cell| items.decode_nullable(py, cell))
            .map_err(|error| error.within(Step::Index(index)))?;
        Ok((key, item))
    }
}
