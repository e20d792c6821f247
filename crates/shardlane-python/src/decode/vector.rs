//! Vectors: the elements one after another; each with its length as an unsigned vint in front
//! unless the element type has a fixed size (Cassandra 5, `VectorType`).

use pyo3::prelude::*;
use shardlane_wire::CqlType;

use super::collection::sequence;
use super::{Decoder, Place, ends_inside, expect_end, too_long};
use crate::encode::fixed_size;
use crate::values::errors::{DecodeError, DecodeResult};
use crate::values::path::Step;
use crate::values::user_types::Compiling;
use crate::values::vint;

/// Decodes a vector into a list, or a tuple where it is hashed.
pub(crate) struct VectorDecoder {
    element: Box<Decoder>,
    dimensions: usize,
    /// The size of an element if it is fixed.
    element_bytes: Option<usize>,
    place: Place,
}

impl VectorDecoder {
    pub(super) fn compile(
        cx: Compiling<'_>,
        element: &CqlType,
        dimensions: u16,
        place: Place,
    ) -> Self {
        Self {
            element: Box::new(Decoder::compile_at(cx, element, place)),
            dimensions: usize::from(dimensions),
            element_bytes: fixed_size(element),
            place,
        }
    }

    pub(super) fn decode<'py>(
        &self,
        py: Python<'py>,
        bytes: &[u8],
    ) -> DecodeResult<Bound<'py, PyAny>> {
        if let Some(size) = self.element_bytes
            && bytes.len() != size * self.dimensions
        {
            return Err(DecodeError::length(size * self.dimensions, bytes.len()));
        }
        let mut rest = bytes;
        let elements = (0..self.dimensions).map(|index| {
            self.next_element(&mut rest)
                .and_then(|bytes| self.element.decode(py, bytes))
                .map_err(|error| error.within(Step::Index(index)))
        });
        let vector = sequence(py, self.dimensions, self.place, elements)?;
        expect_end(rest)?;
        Ok(vector)
    }

    fn next_element<'a>(&self, input: &mut &'a [u8]) -> DecodeResult<&'a [u8]> {
        let size = match self.element_bytes {
            Some(size) => size,
            None => {
                let size = vint::read_unsigned(input).ok_or_else(|| ends_inside("a vector"))?;
                usize::try_from(size).unwrap_or(usize::MAX)
            }
        };
        let Some((bytes, rest)) = input.split_at_checked(size) else {
            return Err(too_long(size, input.len()));
        };
        *input = rest;
        Ok(bytes)
    }
}
