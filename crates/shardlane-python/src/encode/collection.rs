//! Lists, sets and maps: `[int]` count, then `[bytes]` elements (v4 specification, section 6).
//!
//! A list or set takes any iterable except `str`, bytes and mappings, whose elements are not what
//! the caller means. A map takes `dict`, any mapping, or an iterable of pairs. Null is refused
//! inside: servers do not take it.

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{self, Py_ssize_t};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyIterator, PyList, PyMapping, PyString, PyTuple};
use shardlane_wire::CqlType;

use super::Encoder;
use super::order::{Order, Sorter};
use crate::values::errors::{EncodeError, EncodeResult};
use crate::values::path::Step;
use crate::values::user_types::Compiling;

/// How many characters of a map key an error shows.
const SHOWN_KEY_MAX: usize = 40;

/// The encoder of a list or a set, which look alike on the wire.
#[derive(Debug)]
pub(crate) struct ElementsEncoder {
    name: Box<str>,
    element: Box<Encoder>,
    /// `None` for a list, which keeps its order.
    order: Option<Order>,
}

impl ElementsEncoder {
    pub(super) fn list(cx: Compiling<'_>, whole: &CqlType, element: &CqlType) -> Self {
        Self {
            name: whole.to_string().into(),
            element: Box::new(Encoder::compile(cx, element)),
            order: None,
        }
    }

    pub(super) fn set(cx: Compiling<'_>, whole: &CqlType, element: &CqlType) -> Self {
        Self {
            order: Order::of(element),
            ..Self::list(cx, whole, element)
        }
    }

    pub(super) fn type_name(&self) -> &str {
        &self.name
    }

    pub(super) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let mut sorter = Sorter::new(self.order);
        let count = for_each_item(value, &self.name, |index, item| {
            let start = out.len();
            self.element
                .encode_element(item, out)
                .map_err(|error| error.within(Step::Index(index)))?;
            sorter.note(out, start);
            Ok(())
        })?;
        let count = sorter.finish(out, start + 4, 1, count);
        write_count(value, &self.name, count, start, out)
    }
}

/// Calls `visit` for each element of a list, tuple or other iterable; returns their number.
pub(super) fn for_each_item(
    value: &Bound<'_, PyAny>,
    cql_type: &str,
    mut visit: impl FnMut(usize, &Bound<'_, PyAny>) -> EncodeResult,
) -> EncodeResult<usize> {
    let mut count = 0;
    if let Ok(list) = value.cast_exact::<PyList>() {
        // The length is asked each time: an element's own code may change the list.
        while count < list.len() {
            visit(count, &list.get_item(count)?)?;
            count += 1;
        }
    } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        for item in tuple.iter_borrowed() {
            visit(count, &item)?;
            count += 1;
        }
    } else {
        for item in iterate(value, cql_type)? {
            visit(count, &item?)?;
            count += 1;
        }
    }
    Ok(count)
}

fn iterate<'py>(value: &Bound<'py, PyAny>, cql_type: &str) -> EncodeResult<Bound<'py, PyIterator>> {
    const REASON: &str = "expected a list, tuple, set or other iterable";
    let iterates_over_something_else = value.is_instance_of::<PyString>()
        || value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyByteArray>()
        || value.cast::<PyMapping>().is_ok();
    if iterates_over_something_else {
        let hint = "for a single element pass [value]; for the keys of a mapping, list(value)";
        return Err(EncodeError::bad(value, cql_type, REASON, Some(hint)));
    }
    value
        .try_iter()
        .map_err(|cause| EncodeError::refused(cause, value, cql_type, REASON, None))
}

fn write_count(
    value: &Bound<'_, PyAny>,
    cql_type: &str,
    count: usize,
    start: usize,
    out: &mut [u8],
) -> EncodeResult {
    let count = i32::try_from(count).map_err(|_| {
        EncodeError::bad(
            value,
            cql_type,
            "a collection has at most 2**31 - 1 elements",
            None,
        )
    })?;
    out[start..start + 4].copy_from_slice(&count.to_be_bytes());
    Ok(())
}

/// The encoder of a map.
#[derive(Debug)]
pub(crate) struct MapEncoder {
    name: Box<str>,
    pair: Box<(Encoder, Encoder)>,
    order: Option<Order>,
}

impl MapEncoder {
    pub(super) fn compile(cx: Compiling<'_>, whole: &CqlType, pair: &(CqlType, CqlType)) -> Self {
        Self {
            name: whole.to_string().into(),
            pair: Box::new((Encoder::compile(cx, &pair.0), Encoder::compile(cx, &pair.1))),
            order: Order::of(&pair.0),
        }
    }

    pub(super) fn type_name(&self) -> &str {
        &self.name
    }

    pub(super) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        const REASON: &str = "expected a dict, a mapping or an iterable of pairs";
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let mut sorter = Sorter::new(self.order);
        let count = if let Ok(dict) = value.cast_exact::<PyDict>() {
            self.encode_dict(dict, &mut sorter, out)?
        } else if value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>() {
            return Err(EncodeError::bad(value, &*self.name, REASON, None));
        } else {
            // By method, not by registration as a Mapping: ordered maps of other drivers have it.
            let pairs = match value.getattr_opt(intern!(value.py(), "items"))? {
                Some(items) => items.call0()?,
                None => value.clone(),
            };
            let pairs = pairs
                .try_iter()
                .map_err(|cause| EncodeError::refused(cause, value, &*self.name, REASON, None))?;
            self.encode_pairs(pairs, &mut sorter, out)?
        };
        let count = sorter.finish(out, start + 4, 2, count);
        write_count(value, &self.name, count, start, out)
    }

    fn encode_dict(
        &self,
        dict: &Bound<'_, PyDict>,
        sorter: &mut Sorter,
        out: &mut Vec<u8>,
    ) -> EncodeResult<usize> {
        with_critical_section(dict, || {
            let before = dict.len();
            let mut position: Py_ssize_t = 0;
            let mut count = 0;
            while let Some((key, item)) = next_entry(dict, &mut position) {
                self.encode_pair(count, &key, &item, sorter, out)?;
                count += 1;
                // The code of a key or value may have changed the dict, as in any Python loop.
                if dict.len() != before || count > before {
                    let message = "dictionary changed during iteration";
                    return Err(PyRuntimeError::new_err(message).into());
                }
            }
            Ok(count)
        })
    }

    fn encode_pairs(
        &self,
        pairs: Bound<'_, PyIterator>,
        sorter: &mut Sorter,
        out: &mut Vec<u8>,
    ) -> EncodeResult<usize> {
        let mut count = 0;
        for pair in pairs {
            let pair = pair?;
            let Some((key, item)) = two_items(&pair)? else {
                let reason = "expected a (key, value) pair";
                let error = EncodeError::bad(&pair, &*self.name, reason, None);
                return Err(error.within(Step::Index(count)));
            };
            self.encode_pair(count, &key, &item, sorter, out)?;
            count += 1;
        }
        Ok(count)
    }

    fn encode_pair(
        &self,
        index: usize,
        key: &Bound<'_, PyAny>,
        item: &Bound<'_, PyAny>,
        sorter: &mut Sorter,
        out: &mut Vec<u8>,
    ) -> EncodeResult {
        let (keys, items) = &*self.pair;
        let start = out.len();
        keys.encode_element(key, out)
            .map_err(|error| error.within(Step::Key(index)))?;
        sorter.note(out, start);
        items
            .encode_element(item, out)
            .map_err(|error| error.within(Step::Entry(shown(key))))
    }
}

/// The items of a tuple or list of two.
fn two_items<'py>(
    pair: &Bound<'py, PyAny>,
) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
    if let Ok(tuple) = pair.cast::<PyTuple>() {
        return match tuple.len() {
            2 => Ok(Some((tuple.get_item(0)?, tuple.get_item(1)?))),
            _ => Ok(None),
        };
    }
    match pair.cast::<PyList>() {
        Ok(list) if list.len() == 2 => Ok(Some((list.get_item(0)?, list.get_item(1)?))),
        _ => Ok(None),
    }
}

/// The entry at `position`, which moves on.
fn next_entry<'py>(
    dict: &Bound<'py, PyDict>,
    position: &mut Py_ssize_t,
) -> Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let py = dict.py();
    let mut key = std::ptr::null_mut();
    let mut item = std::ptr::null_mut();
    // SAFETY: `dict` is a live dict, the out pointers are valid, and the thread is attached.
    // PyDict_Next checks `position` against the present table, so a dict that changed between
    // two calls gives odd entries at worst. The references it lends are made strong at once,
    // before any other code can run.
    unsafe {
        if ffi::PyDict_Next(dict.as_ptr(), position, &mut key, &mut item) == 0 {
            return None;
        }
        Some((
            Bound::from_borrowed_ptr(py, key),
            Bound::from_borrowed_ptr(py, item),
        ))
    }
}

#[cold]
fn shown(key: &Bound<'_, PyAny>) -> String {
    let Ok(text) = key.repr() else {
        return "...".to_owned();
    };
    let text = text.to_string_lossy();
    if text.chars().count() <= SHOWN_KEY_MAX {
        return text.into_owned();
    }
    text.chars()
        .take(SHOWN_KEY_MAX)
        .chain("...".chars())
        .collect()
}
