//! Tuples and lists of a known length, filled in place.
//!
//! `PyTuple::new` and `PyList::new` would do, were it not for instances of tuple subclasses: going
//! through `tuple.__new__` costs a second tuple and a copy per row.

use std::mem::{offset_of, size_of};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, Py_ssize_t};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyType};

/// Where CPython 3.14 put a hash cache between the header and the items of a tuple.
const HAS_HASH_CACHE: bool =
    offset_of!(ffi::PyTupleObject, ob_item) > size_of::<ffi::PyVarObject>();

/// A tuple, or an instance of a subclass of it, being filled.
pub(crate) struct TupleBuilder<'py> {
    tuple: Bound<'py, PyAny>,
    length: usize,
    filled: usize,
}

impl<'py> TupleBuilder<'py> {
    /// A plain tuple of `length` items.
    #[inline]
    pub(crate) fn new(py: Python<'py>, length: usize) -> PyResult<Self> {
        // SAFETY: the thread is attached; the result is a new tuple of null items (the shared one
        // if the length is 0, which has no items to fill), or null with an exception set.
        let tuple =
            unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyTuple_New(length as Py_ssize_t))? };
        Ok(Self {
            tuple,
            length,
            filled: 0,
        })
    }

    /// An instance of `class`, a subclass of tuple without slots of its own, past its `__new__`.
    #[inline]
    pub(crate) fn of_class(class: &Bound<'py, PyType>, length: usize) -> PyResult<Self> {
        let type_object = class.as_type_ptr();
        // SAFETY: `class` is a live and ready type, so its tp_alloc may be called with a number of
        // items; it returns a zeroed instance, or null with an exception set. `named::class`, the
        // only source of classes, makes subclasses of tuple.
        let tuple = unsafe {
            debug_assert!(ffi::PyType_IsSubtype(type_object, &raw mut ffi::PyTuple_Type) != 0);
            let Some(allocate) = (*type_object).tp_alloc else {
                return Err(PyTypeError::new_err("the row class cannot be allocated"));
            };
            let tuple = allocate(type_object, length as Py_ssize_t);
            Bound::from_owned_ptr_or_err(class.py(), tuple)?
        };
        if HAS_HASH_CACHE {
            // SAFETY: the new instance starts like any tuple, with the cache right after the
            // header; a zeroed cache would be taken for a hash of 0, and -1 means not yet known.
            unsafe {
                let cache = tuple.as_ptr().cast::<ffi::PyVarObject>().add(1);
                cache.cast::<ffi::Py_hash_t>().write(-1);
            }
        }
        Ok(Self {
            tuple,
            length,
            filled: 0,
        })
    }

    /// Sets the next item.
    #[inline]
    pub(crate) fn push(&mut self, item: Bound<'py, PyAny>) {
        assert!(self.filled < self.length, "the tuple is full");
        // SAFETY: the index is within the tuple; the item there is still null, and nobody else
        // has the tuple; its reference to `item` is the one given up by `into_ptr`.
        unsafe {
            let index = self.filled as Py_ssize_t;
            ffi::PyTuple_SET_ITEM(self.tuple.as_ptr(), index, item.into_ptr());
        }
        self.filled += 1;
    }

    /// The tuple, all of whose items are set.
    #[inline]
    pub(crate) fn finish(self) -> Bound<'py, PyAny> {
        assert!(self.filled == self.length, "the tuple has gaps");
        self.tuple
    }

    /// The tuple, hidden from the cyclic garbage collector, which otherwise visits the rows of a
    /// page while they are made and again as long as the application keeps them. Measured on pages
    /// of 1000 rows of five columns, of which the application keeps the last 20: some 0.4 us per
    /// row in place of 1.1 to 1.6, most of which was collection, not decoding.
    ///
    /// Only for items that cannot be part of a cycle. CPython does this by itself for plain
    /// tuples, but not until a collection has visited them, and never for subclasses.
    #[inline]
    pub(crate) fn finish_untracked(self) -> Bound<'py, PyAny> {
        let tuple = self.finish();
        // SAFETY: a live object of a GC type; untracking one twice does nothing. A tuple of atoms
        // is immutable and refers to nothing but them and its class, so no cycle leads through it
        // (short of storing a row on the class of rows) and the collector has no need to see it.
        unsafe { ffi::PyObject_GC_UnTrack(tuple.as_ptr().cast()) };
        tuple
    }
}

/// A list being filled.
pub(crate) struct ListBuilder<'py> {
    list: Bound<'py, PyAny>,
    length: usize,
    filled: usize,
}

impl<'py> ListBuilder<'py> {
    /// A list of `length` items.
    #[inline]
    pub(crate) fn new(py: Python<'py>, length: usize) -> PyResult<Self> {
        // SAFETY: the thread is attached; the result is a new list of null items, or null with an
        // exception set.
        let list =
            unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyList_New(length as Py_ssize_t))? };
        Ok(Self {
            list,
            length,
            filled: 0,
        })
    }

    /// Sets the next item.
    #[inline]
    pub(crate) fn push(&mut self, item: Bound<'py, PyAny>) {
        assert!(self.filled < self.length, "the list is full");
        // SAFETY: the index is within the list; the item there is still null, and nobody else
        // has the list; its reference to `item` is the one given up by `into_ptr`.
        unsafe {
            let index = self.filled as Py_ssize_t;
            ffi::PyList_SET_ITEM(self.list.as_ptr(), index, item.into_ptr());
        }
        self.filled += 1;
    }

    /// The list, all of whose items are set.
    #[inline]
    pub(crate) fn finish(self) -> Bound<'py, PyList> {
        assert!(self.filled == self.length, "the list has gaps");
        // SAFETY: PyList_New made it.
        unsafe { self.list.cast_into_unchecked() }
    }
}
