//! UUIDs and internet addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};

use super::exactly;
use crate::values::classes;
use crate::values::errors::{DecodeError, DecodeResult};

pub(super) fn decode_uuid<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    let number = u128::from_be_bytes(exactly(bytes)?);
    let maker = UuidMaker::get(py)?;
    Ok(match &maker.safety {
        Some(safety) => maker.make(py, number, safety.bind(py))?,
        None => UuidMaker::call(maker.class.bind(py), number)?,
    })
}

/// Makes `uuid.UUID` objects. Calling the class costs about a microsecond, nearly all of it in
/// `__init__`, which sorts out its many kinds of arguments; all it does in the end is to set two
/// slots, and that is done here.
struct UuidMaker {
    class: Py<PyType>,
    /// `SafeUUID.unknown`; absent if this interpreter's UUID is not made as expected.
    safety: Option<Py<PyAny>>,
}

impl UuidMaker {
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        static MAKER: PyOnceLock<UuidMaker> = PyOnceLock::new();
        MAKER.get_or_try_init(py, || {
            let class = classes::uuid(py)?;
            let safety = py.import("uuid")?.getattr("SafeUUID")?.getattr("unknown")?;
            let mut maker = Self {
                class: class.clone().unbind(),
                safety: None,
            };
            // The inner workings of UUID are no contract, so compare with one made properly.
            const PROBE: u128 = 0x123e_4567_e89b_12d3_a456_4266_1417_4000;
            if let Ok(made) = maker.make(py, PROBE, &safety) {
                let called = Self::call(class, PROBE)?;
                let same = made.eq(&called)?
                    && made.hash()? == called.hash()?
                    && made.repr()?.as_any().eq(called.repr()?)?
                    && made.getattr("is_safe")?.is(&called.getattr("is_safe")?);
                if same {
                    maker.safety = Some(safety.unbind());
                }
            }
            Ok(maker)
        })
    }

    fn call<'py>(class: &Bound<'py, PyType>, number: u128) -> PyResult<Bound<'py, PyAny>> {
        let keywords = PyDict::new(class.py());
        keywords.set_item(intern!(class.py(), "int"), number)?;
        class.call((), Some(&keywords))
    }

    fn make<'py>(
        &self,
        py: Python<'py>,
        number: u128,
        safety: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let number = number.into_pyobject(py)?;
        let class: *mut ffi::PyTypeObject = self.class.bind(py).as_type_ptr();
        // SAFETY: `class` is a live heap type, ready since it was imported; its tp_alloc returns
        // a new, zeroed instance or null with an exception set.
        let made = unsafe {
            let Some(allocate) = (*class).tp_alloc else {
                return Err(pyo3::exceptions::PyTypeError::new_err(
                    "UUID cannot be allocated",
                ));
            };
            Bound::from_owned_ptr_or_err(py, allocate(class, 0))?
        };
        set_slot(&made, intern!(py, "int"), number.as_any())?;
        set_slot(&made, intern!(py, "is_safe"), safety)?;
        // SAFETY: `made` is a live object of a GC type. It holds an int and an enum member only,
        // so it can be in no cycle, and the collector need not visit it.
        unsafe { ffi::PyObject_GC_UnTrack(made.as_ptr().cast()) };
        Ok(made)
    }
}

/// Sets an attribute past the class's own `__setattr__`, which says that UUIDs are immutable.
fn set_slot(
    object: &Bound<'_, PyAny>,
    name: &Bound<'_, PyString>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    // SAFETY: all three are live objects and the thread is attached; this is object.__setattr__.
    let status =
        unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), value.as_ptr()) };
    if status == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(object.py()))
    }
}

pub(super) fn decode_inet<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    match bytes.len() {
        4 => {
            let address = Ipv4Addr::from(exactly::<4>(bytes)?);
            Ok(classes::ipv4(py)?.call1((u32::from(address),))?)
        }
        16 => {
            let address = Ipv6Addr::from(exactly::<16>(bytes)?);
            Ok(classes::ipv6(py)?.call1((u128::from(address),))?)
        }
        length => Err(DecodeError::length("4 or 16", length)),
    }
}
