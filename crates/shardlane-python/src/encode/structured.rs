//! Tuples and user-defined types: a `[bytes]` per field, null allowed (v4 specification,
//! sections 6.23 and 6.24 on tuples and UDTs).
//!
//! A tuple takes a sequence of exactly its length. A UDT takes a mapping (missing fields are
//! null, unknown keys an error), a named tuple or any object with at least one attribute named
//! like a field (missing ones are null), or a plain tuple or list of exactly its length.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString, PyTuple};
use shardlane_wire::{CqlType, UdtType};

use super::collection::for_each_item;
use super::{Encoder, NULL};
use crate::values::classes;
use crate::values::errors::{EncodeError, EncodeResult};
use crate::values::path::Step;
use crate::values::sentinel::is_unset;
use crate::values::user_types::Compiling;

/// The encoder of a tuple.
#[derive(Debug)]
pub(crate) struct TupleEncoder {
    name: Box<str>,
    elements: Box<[Encoder]>,
}

impl TupleEncoder {
    pub(super) fn compile(cx: Compiling<'_>, whole: &CqlType, elements: &[CqlType]) -> Self {
        Self {
            name: whole.to_string().into(),
            elements: elements
                .iter()
                .map(|element| Encoder::compile(cx, element))
                .collect(),
        }
    }

    pub(super) fn type_name(&self) -> &str {
        &self.name
    }

    pub(super) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        let count = for_each_item(value, &self.name, |index, item| {
            let Some(element) = self.elements.get(index) else {
                return Err(self.wrong_length(value));
            };
            encode_field(element, item, out).map_err(|error| error.within(Step::Index(index)))
        })?;
        if count == self.elements.len() {
            Ok(())
        } else {
            Err(self.wrong_length(value))
        }
    }

    #[cold]
    fn wrong_length(&self, value: &Bound<'_, PyAny>) -> EncodeError {
        let reason = format!("expected exactly {} elements", self.elements.len());
        EncodeError::bad(value, &*self.name, reason, Some("None stands for null"))
    }
}

fn encode_field(encoder: &Encoder, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    if is_unset(value) {
        let reason = "only a whole bound value can be UNSET, not a part of one";
        return Err(EncodeError::bad(
            value,
            encoder.type_name(),
            reason,
            Some("pass None"),
        ));
    }
    encoder.encode_nullable(value, out)
}

/// The encoder of a user-defined type.
#[derive(Debug)]
pub(crate) struct UdtEncoder {
    name: Box<str>,
    fields: Box<[Field]>,
    /// The field names as a tuple, to recognise named tuples of the same shape at a glance.
    names: Py<PyTuple>,
}

#[derive(Debug)]
struct Field {
    name: Py<PyString>,
    encoder: Encoder,
}

impl UdtEncoder {
    pub(super) fn compile(cx: Compiling<'_>, udt: &UdtType) -> Self {
        let py = cx.py;
        let fields: Box<[_]> = udt
            .fields
            .iter()
            .map(|(name, cql_type)| Field {
                name: PyString::intern(py, name).unbind(),
                encoder: Encoder::compile(cx, cql_type),
            })
            .collect();
        let names = PyTuple::new(py, fields.iter().map(|field| field.name.bind(py)))
            .expect("the iterator of a slice knows its length");
        Self {
            name: udt.name.clone(),
            names: names.unbind(),
            fields,
        }
    }

    pub(super) fn type_name(&self) -> &str {
        &self.name
    }

    pub(super) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        if let Ok(dict) = value.cast::<PyDict>() {
            return self.encode_dict(dict, out);
        }
        if value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>() {
            return self.encode_sequence(value, out);
        }
        if let Ok(mapping) = value.cast::<PyMapping>() {
            let dict = PyDict::new(value.py());
            dict.update(mapping)?;
            return self.encode_dict(&dict, out);
        }
        self.encode_attributes(value, out)
    }

    fn encode_dict(&self, dict: &Bound<'_, PyDict>, out: &mut Vec<u8>) -> EncodeResult {
        let py = dict.py();
        let mut found = 0;
        for field in &self.fields {
            match dict.get_item(field.name.bind(py))? {
                Some(item) => {
                    found += 1;
                    field.encode(&item, out)?;
                }
                None => out.extend_from_slice(&NULL.to_be_bytes()),
            }
        }
        if found == dict.len() {
            Ok(())
        } else {
            Err(self.unknown_keys(dict))
        }
    }

    #[cold]
    fn unknown_keys(&self, dict: &Bound<'_, PyDict>) -> EncodeError {
        let py = dict.py();
        let unknown: Vec<_> = dict
            .keys()
            .iter()
            .filter(|key| !self.names.bind(py).contains(key).unwrap_or(false))
            .map(|key| key.to_string())
            .collect();
        let reason = format!("the type has no field {}", unknown.join(", "));
        let hint = format!("its fields are {}", self.field_list(py));
        EncodeError::bad(dict, &*self.name, reason, Some(&hint))
    }

    fn field_list(&self, py: Python<'_>) -> String {
        let names: Vec<_> = self.fields.iter().map(|field| field.name(py)).collect();
        names.join(", ")
    }

    fn encode_sequence(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        let py = value.py();
        // A named tuple goes by its names, so that it outlives an ALTER TYPE ... ADD.
        if let Some(names) = value.getattr_opt(intern!(py, "_fields"))?
            && !names.eq(&self.names)?
        {
            return self.encode_attributes(value, out);
        }
        let count = for_each_item(value, &self.name, |index, item| {
            let Some(field) = self.fields.get(index) else {
                return Err(self.wrong_length(value));
            };
            field.encode(item, out)
        })?;
        if count == self.fields.len() {
            Ok(())
        } else {
            Err(self.wrong_length(value))
        }
    }

    #[cold]
    fn wrong_length(&self, value: &Bound<'_, PyAny>) -> EncodeError {
        let reason = format!("expected exactly {} fields", self.fields.len());
        let hint = format!(
            "a dict may leave some out; the fields are {}",
            self.field_list(value.py())
        );
        EncodeError::bad(value, &*self.name, reason, Some(&hint))
    }

    fn encode_attributes(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        let py = value.py();
        let mut found = false;
        // Its `name` and `value` are no fields: it stands for its value.
        if value.is_instance(classes::enumeration(py)?)? {
            return Err(self.no_fields(value));
        }
        for field in &self.fields {
            match value.getattr_opt(field.name.bind(py))? {
                Some(item) => {
                    found = true;
                    field.encode(&item, out)?;
                }
                None => out.extend_from_slice(&NULL.to_be_bytes()),
            }
        }
        if found {
            return Ok(());
        }
        Err(self.no_fields(value))
    }

    #[cold]
    fn no_fields(&self, value: &Bound<'_, PyAny>) -> EncodeError {
        let reason = "expected a dict, a sequence, or an object with the type's fields";
        let hint = format!("the fields are {}", self.field_list(value.py()));
        EncodeError::bad(value, &*self.name, reason, Some(&hint))
    }
}

impl Field {
    fn name(&self, py: Python<'_>) -> String {
        self.name.bind(py).to_string_lossy().into_owned()
    }

    fn encode(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        encode_field(&self.encoder, value, out)
            .map_err(|error| error.within(Step::Field(self.name(value.py()).into())))
    }
}
