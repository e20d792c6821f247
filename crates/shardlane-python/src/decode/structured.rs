//! Tuples and user-defined types: a `[bytes]` per field. Fields missing at the end are null, as
//! they are in values written before the type grew.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use shardlane_wire::{CqlType, UdtType};

use super::{Decoder, Place, expect_end, read_bytes};
use crate::rows::build::TupleBuilder;
use crate::rows::named;
use crate::values::errors::DecodeResult;
use crate::values::path::Step;

/// Decodes a tuple.
pub(crate) struct TupleDecoder {
    elements: Box<[Decoder]>,
}

impl TupleDecoder {
    pub(super) fn compile(py: Python<'_>, elements: &[CqlType], place: Place) -> Self {
        let compile = |element| Decoder::compile_at(py, element, place);
        Self {
            elements: elements.iter().map(compile).collect(),
        }
    }

    pub(super) fn decode<'py>(
        &self,
        py: Python<'py>,
        bytes: &[u8],
    ) -> DecodeResult<Bound<'py, PyAny>> {
        let mut rest = bytes;
        let mut tuple = TupleBuilder::new(py, self.elements.len())?;
        for (index, element) in self.elements.iter().enumerate() {
            let value = next_field(py, element, &mut rest)
                .map_err(|error| error.within(Step::Index(index)))?;
            tuple.push(value);
        }
        expect_end(rest)?;
        Ok(tuple.finish())
    }
}

#[inline]
fn next_field<'py>(
    py: Python<'py>,
    decoder: &Decoder,
    input: &mut &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    let cell = if input.is_empty() {
        None
    } else {
        read_bytes(input)?
    };
    decoder.decode_nullable(py, cell)
}

/// Decodes a user-defined type into a named tuple.
pub(crate) struct UdtDecoder {
    name: Box<str>,
    fields: Box<[(Box<str>, Decoder)]>,
    class: PyOnceLock<Py<PyType>>,
}

impl UdtDecoder {
    pub(super) fn compile(py: Python<'_>, udt: &UdtType, place: Place) -> Self {
        let fields = udt
            .fields
            .iter()
            .map(|(name, cql_type)| (name.clone(), Decoder::compile_at(py, cql_type, place)));
        Self {
            name: udt.name.clone(),
            fields: fields.collect(),
            class: PyOnceLock::new(),
        }
    }

    pub(super) fn decode<'py>(
        &self,
        py: Python<'py>,
        bytes: &[u8],
    ) -> DecodeResult<Bound<'py, PyAny>> {
        let class = self.class.get_or_try_init(py, || {
            let names: Vec<_> = self.fields.iter().map(|(name, _)| &**name).collect();
            named::class(py, &self.name, &names)
        })?;
        let mut rest = bytes;
        let mut tuple = TupleBuilder::of_class(class.bind(py), self.fields.len())?;
        for (name, decoder) in &self.fields {
            let value = next_field(py, decoder, &mut rest)
                .map_err(|error| error.within(Step::Field(name.clone())))?;
            tuple.push(value);
        }
        // What is left over are fields that ALTER TYPE added after the metadata was sent.
        Ok(tuple.finish())
    }
}
