//! Tuples and user-defined types: a `[bytes]` per field. Fields missing at the end are null, as
//! they are in values written before the type grew.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use shardlane_wire::{CqlType, UdtType};

use super::{Decoder, Place, expect_end, read_bytes};
use crate::rows::build::Filling;
use crate::rows::call::call_with_keywords;
use crate::rows::named;
use crate::values::errors::DecodeResult;
use crate::values::path::Step;
use crate::values::user_types::{Compiling, UdtClass};

/// Decodes a tuple.
pub(crate) struct TupleDecoder {
    elements: Box<[Decoder]>,
}

impl TupleDecoder {
    pub(super) fn compile(cx: Compiling<'_>, elements: &[CqlType], place: Place) -> Self {
        let compile = |element| Decoder::compile_at(cx, element, place);
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
        let mut tuple = Filling::tuple(py, self.elements.len())?;
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

/// Decodes a user-defined type.
pub(crate) struct UdtDecoder {
    name: Box<str>,
    fields: Box<[(Box<str>, Decoder)]>,
    shape: Shape,
}

/// What the fields become.
enum Shape {
    /// A named tuple.
    Named(PyOnceLock<Py<PyType>>),
    /// A dict by these names.
    Dict(Box<[Py<PyString>]>),
    /// What a class makes of them.
    Class {
        class: Arc<UdtClass>,
        /// Whether it takes each field.
        takes: Box<[bool]>,
        /// The names of those that it takes.
        names: Py<PyTuple>,
    },
}

impl Shape {
    fn of(cx: Compiling<'_>, udt: &UdtType, place: Place) -> Self {
        let py = cx.py;
        let interned = |name: &str| PyString::intern(py, name);
        match cx.types.udt(udt) {
            // Where only hashable values can be, a class of others gives way.
            Some(class) if class.hashable || place == Place::Anywhere => {
                let takes = |name: &str| {
                    let mut accepts = class.accepts.iter().flatten();
                    class.accepts.is_none() || accepts.any(|accepted| **accepted == *name)
                };
                let names = udt.fields.iter().map(|(name, _)| &**name);
                let taken: Vec<_> = names.clone().filter(|n| takes(n)).map(interned).collect();
                let tuple = PyTuple::new(py, taken).expect("a list knows its length");
                Self::Class {
                    class: class.clone(),
                    takes: names.map(takes).collect(),
                    names: tuple.unbind(),
                }
            }
            None if cx.types.udts_as_dicts && place == Place::Anywhere => {
                let names = udt.fields.iter().map(|(name, _)| interned(name).unbind());
                Self::Dict(names.collect())
            }
            _ => Self::Named(PyOnceLock::new()),
        }
    }
}

impl UdtDecoder {
    pub(super) fn compile(cx: Compiling<'_>, udt: &UdtType, place: Place) -> Self {
        let fields = udt
            .fields
            .iter()
            .map(|(name, cql_type)| (name.clone(), Decoder::compile_at(cx, cql_type, place)));
        Self {
            name: udt.name.clone(),
            fields: fields.collect(),
            shape: Shape::of(cx, udt, place),
        }
    }

    // What is left over at the end are fields that ALTER TYPE added after the metadata was sent.
    pub(super) fn decode<'py>(
        &self,
        py: Python<'py>,
        bytes: &[u8],
    ) -> DecodeResult<Bound<'py, PyAny>> {
        let mut values = self.values(py, bytes);
        match &self.shape {
            Shape::Named(class) => {
                let class = class.get_or_try_init(py, || {
                    let names: Vec<_> = self.fields.iter().map(|(name, _)| &**name).collect();
                    named::class(py, &self.name, &names)
                })?;
                let mut tuple = Filling::tuple_of_class(class.bind(py), self.fields.len())?;
                for value in values {
                    tuple.push(value?);
                }
                Ok(tuple.finish())
            }
            Shape::Dict(names) => {
                let dict = PyDict::new(py);
                for (name, value) in names.iter().zip(values) {
                    dict.set_item(name, value?)?;
                }
                Ok(dict.into_any())
            }
            Shape::Class {
                class,
                takes,
                names,
            } => {
                let mut arguments = Vec::with_capacity(takes.len());
                for &takes in takes {
                    if let Some(value) = values.next().transpose()?
                        && takes
                    {
                        arguments.push(value);
                    }
                }
                let callable = class.callable.bind(py);
                Ok(call_with_keywords(callable, &arguments, names.bind(py))?)
            }
        }
    }

    fn values<'a, 'py>(
        &'a self,
        py: Python<'py>,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = DecodeResult<Bound<'py, PyAny>>> + use<'a, 'py> {
        let mut rest = bytes;
        self.fields.iter().map(move |(name, decoder)| {
            next_field(py, decoder, &mut rest)
                .map_err(|error| error.within(Step::Field(name.clone())))
        })
    }
}
