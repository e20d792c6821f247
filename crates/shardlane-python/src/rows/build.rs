//! Tuples and lists of a known length, filled in place.
//!
//! `PyTuple::new` and `PyList::new` would do, were it not for instances of tuple subclasses: going
//! through `tuple.__new__` costs a second tuple and a copy per row.

use std::mem::{offset_of, size_of};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, Py_ssize_t};
use pyo3::prelude::*;
use pyo3::types::PyType;

/// Where CPython 3.14 put a hash cache between the header and the items of a tuple.
const HAS_HASH_CACHE: bool =
    offset_of!(ffi::PyTupleObject, ob_item) > size_of::<ffi::PyVarObject>();

/// A new list or tuple, or an instance of a subclass of tuple, being filled from the front.
///
/// Nobody else has it yet. Given up before it is full it frees the items that it has: Python
/// passes over the null ones.
pub(crate) struct Filling<'py> {
    whole: Bound<'py, PyAny>,
    /// Where the next item goes.
    next: *mut *mut ffi::PyObject,
    /// Behind the last item.
    end: *mut *mut ffi::PyObject,
}

impl<'py> Filling<'py> {
    /// A plain tuple of `length` items.
    #[inline]
    pub(crate) fn tuple(py: Python<'py>, length: usize) -> PyResult<Self> {
        // SAFETY: the thread is attached; the result is a new tuple of `length` null items (the
        // shared one if the length is 0, which has no items to fill), or null with an exception
        // set.
        unsafe {
            let tuple = ffi::PyTuple_New(length as Py_ssize_t);
            Ok(Self::of_tuple(
                Bound::from_owned_ptr_or_err(py, tuple)?,
                length,
            ))
        }
    }

    /// An instance of `class`, a subclass of tuple without slots of its own, past its `__new__`.
    #[inline]
    pub(crate) fn tuple_of_class(class: &Bound<'py, PyType>, length: usize) -> PyResult<Self> {
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
        // SAFETY: as allocated above.
        Ok(unsafe { Self::of_tuple(tuple, length) })
    }

    /// A list of `length` items.
    #[inline]
    pub(crate) fn list(py: Python<'py>, length: usize) -> PyResult<Self> {
        // SAFETY: the thread is attached; the result is a new list of `length` null items, or null
        // with an exception set. Its items do not move while nobody changes its length.
        unsafe {
            let list = ffi::PyList_New(length as Py_ssize_t);
            let list = Bound::from_owned_ptr_or_err(py, list)?;
            let items = (*list.as_ptr().cast::<ffi::PyListObject>()).ob_item;
            Ok(Self::of_items(list, items, length))
        }
    }

    /// # Safety
    ///
    /// `tuple` is an instance of tuple or a subclass, of `length` null items, that nobody else has.
    #[inline]
    unsafe fn of_tuple(tuple: Bound<'py, PyAny>, length: usize) -> Self {
        // SAFETY: that it is a tuple is promised; the place is computed without a reference to the
        // array, whose declared length is not the real one.
        unsafe {
            let items = &raw mut (*tuple.as_ptr().cast::<ffi::PyTupleObject>()).ob_item;
            Self::of_items(tuple, items.cast(), length)
        }
    }

    /// # Safety
    ///
    /// `items` are the `length` null items of `whole`, or `length` is 0.
    #[inline]
    unsafe fn of_items(
        whole: Bound<'py, PyAny>,
        items: *mut *mut ffi::PyObject,
        length: usize,
    ) -> Self {
        Self {
            whole,
            next: items,
            // SAFETY: behind the last of as many items; a null pointer may be moved by 0.
            end: unsafe { items.add(length) },
        }
    }

    /// Sets the next item.
    #[inline]
    pub(crate) fn push(&mut self, item: Bound<'py, PyAny>) {
        assert!(self.next != self.end, "all items are set");
        // SAFETY: the place is in front of the end, so one of an item; the item there is still
        // null. Its reference is the one given up by `into_ptr`.
        unsafe {
            self.next.write(item.into_ptr());
            self.next = self.next.add(1);
        }
    }

    /// The tuple or list, all of whose items are set.
    #[inline]
    pub(crate) fn finish(self) -> Bound<'py, PyAny> {
        assert!(self.next == self.end, "some items are not set");
        self.whole
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
