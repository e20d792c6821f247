//! Vectors: the elements one after another, without a count; each with its length as an unsigned
//! vint in front unless the element type has a fixed size (Cassandra 5, `VectorType`).
//!
//! A vector takes any iterable of exactly its length; float and double vectors also take a
//! one-dimensional buffer of C floats or doubles (`array.array`, numpy), without a Python float
//! per element.

use std::ffi::CStr;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use shardlane_wire::CqlType;

use super::Encoder;
use super::collection::for_each_item;
use crate::values::errors::{EncodeError, EncodeResult};
use crate::values::path::Step;
use crate::values::sentinel::is_unset;
use crate::values::user_types::Compiling;
use crate::values::vint;

/// The encoder of a vector.
#[derive(Debug)]
pub(crate) struct VectorEncoder {
    name: Box<str>,
    element: Box<Encoder>,
    dimensions: usize,
    fixed: bool,
}

/// The bytes of every value of a type, for the types whose elements stand in a vector without a
/// length. (`smallint`, `tinyint`, `date` and `time` are not among them, whatever one expects.)
pub(crate) fn fixed_size(cql_type: &CqlType) -> Option<usize> {
    match cql_type {
        CqlType::Boolean => Some(1),
        CqlType::Int | CqlType::Float => Some(4),
        CqlType::BigInt | CqlType::Double | CqlType::Timestamp => Some(8),
        CqlType::Uuid | CqlType::TimeUuid => Some(16),
        CqlType::Vector(element, dimensions) => {
            fixed_size(element).map(|size| size * usize::from(*dimensions))
        }
        _ => None,
    }
}

impl VectorEncoder {
    pub(super) fn compile(
        cx: Compiling<'_>,
        whole: &CqlType,
        element: &CqlType,
        dimensions: u16,
    ) -> Self {
        Self {
            name: whole.to_string().into(),
            element: Box::new(Encoder::compile(cx, element)),
            dimensions: usize::from(dimensions),
            fixed: fixed_size(element).is_some(),
        }
    }

    pub(super) fn type_name(&self) -> &str {
        &self.name
    }

    pub(super) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        if !value.is_exact_instance_of::<PyList>()
            && !value.is_exact_instance_of::<PyTuple>()
            && self.encode_buffer(value, out)?
        {
            return Ok(());
        }
        let count = for_each_item(value, &self.name, |index, item| {
            if index >= self.dimensions {
                return Err(self.wrong_length(value));
            }
            self.encode_element(item, out)
                .map_err(|error| error.within(Step::Index(index)))
        })?;
        if count == self.dimensions {
            Ok(())
        } else {
            Err(self.wrong_length(value))
        }
    }

    fn encode_element(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        if value.is_none() || is_unset(value) {
            return Err(self.element.missing_element(value));
        }
        if self.fixed {
            return self.element.encode(value, out);
        }
        let mut bytes = Vec::new();
        self.element.encode(value, &mut bytes)?;
        vint::write_unsigned(bytes.len() as u64, out);
        out.extend_from_slice(&bytes);
        Ok(())
    }

    /// Copies a buffer of floats; `false` if there is none and the elements must be visited.
    fn encode_buffer(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult<bool> {
        if !matches!(*self.element, Encoder::Float | Encoder::Double) {
            return Ok(false);
        }
        let Ok(buffer) = PyUntypedBuffer::get(value) else {
            return Ok(false);
        };
        if buffer.dimensions() != 1 || !is_native_float(buffer.format()) {
            return Ok(false);
        }
        if buffer.item_count() != self.dimensions {
            return Err(self.wrong_length(value));
        }
        let py = value.py();
        match (&*self.element, buffer.item_size()) {
            (Encoder::Float, 4) => {
                for number in buffer.as_typed::<f32>()?.to_vec(py)? {
                    out.extend_from_slice(&number.to_be_bytes());
                }
            }
            (Encoder::Double, 4) => {
                for number in buffer.as_typed::<f32>()?.to_vec(py)? {
                    out.extend_from_slice(&f64::from(number).to_be_bytes());
                }
            }
            (Encoder::Double, 8) => {
                for number in buffer.as_typed::<f64>()?.to_vec(py)? {
                    out.extend_from_slice(&number.to_be_bytes());
                }
            }
            // Narrowing can overflow, which has to name the element.
            _ => return Ok(false),
        }
        Ok(true)
    }

    #[cold]
    fn wrong_length(&self, value: &Bound<'_, PyAny>) -> EncodeError {
        let reason = format!("expected exactly {} elements", self.dimensions);
        EncodeError::bad(value, &*self.name, reason, None)
    }
}

/// Whether a buffer's format is a C float or double in this machine's byte order. (PyO3 reads past
/// the byte order in a format, and would take the bytes as they are.)
fn is_native_float(format: &CStr) -> bool {
    let foreign = if cfg!(target_endian = "little") {
        b">!"
    } else {
        b"<<"
    };
    match format.to_bytes() {
        [b'f' | b'd'] => true,
        [order, b'f' | b'd'] => !foreign.contains(order),
        _ => false,
    }
}
