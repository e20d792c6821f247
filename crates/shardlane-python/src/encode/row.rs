//! The values of a statement: what PREPARED says about its variables, compiled.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString, PyTuple};
use shardlane_wire::ColumnSpec;

use super::{Encoder, NULL, UNSET};
use crate::values::errors::{EncodeError, bad_value, python_type_name};
use crate::values::sentinel::is_unset;
use crate::values::user_types::Compiling;

/// Encodes the parameters of one statement.
#[derive(Debug)]
pub(crate) struct RowEncoder {
    variables: Box<[Variable]>,
    /// How many different names the variables have.
    distinct: usize,
    /// How many components the partition key has, if all of them are variables.
    key_length: usize,
}

#[derive(Debug)]
struct Variable {
    name: Py<PyString>,
    encoder: Encoder,
    /// Which component of the partition key the variable is.
    key_component: Option<usize>,
}

/// Where a value's bytes are in the buffer it was written to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Of the first byte, after the length.
    pub(crate) start: usize,
    /// In bytes.
    pub(crate) length: usize,
}

/// Partition keys of up to this many components need no allocation.
const INLINE_KEY: usize = 4;

/// What [`RowEncoder::encode`] wrote.
#[derive(Debug)]
pub(crate) struct EncodedRow {
    /// The number of values.
    pub(crate) count: usize,
    /// Whether one of them is UNSET, which protocol v3 does not know.
    pub(crate) has_unset: bool,
    key: KeyExtents,
}

#[derive(Debug)]
enum KeyExtents {
    /// No partition key among the variables, or a null in it.
    None,
    Inline([Extent; INLINE_KEY], usize),
    Spilled(Vec<Extent>),
}

impl EncodedRow {
    /// The components of the partition key in key order, or `None` if the statement does not bind
    /// all of them or one of them is null.
    pub(crate) fn key(&self) -> Option<&[Extent]> {
        match &self.key {
            KeyExtents::None => None,
            KeyExtents::Inline(extents, length) => Some(&extents[..*length]),
            KeyExtents::Spilled(extents) => Some(extents),
        }
    }
}

impl KeyExtents {
    fn new(length: usize) -> Self {
        match length {
            0 => Self::None,
            1..=INLINE_KEY => Self::Inline([Extent::default(); INLINE_KEY], length),
            _ => Self::Spilled(vec![Extent::default(); length]),
        }
    }

    fn set(&mut self, component: usize, extent: Extent) {
        match self {
            Self::None => {}
            Self::Inline(extents, _) => extents[component] = extent,
            Self::Spilled(extents) => extents[component] = extent,
        }
    }
}

impl RowEncoder {
    /// Compiles the variables of a statement in order, and for each
    /// component of the partition key the index of its variable (empty if unknown).
    pub(crate) fn compile(
        cx: Compiling<'_>,
        variables: &[ColumnSpec],
        key_indexes: &[u16],
    ) -> Self {
        let variables: Box<[_]> = variables
            .iter()
            .enumerate()
            .map(|(index, spec)| Variable {
                name: PyString::intern(cx.py, &spec.name).unbind(),
                encoder: Encoder::compile_variable(cx, spec),
                key_component: key_indexes
                    .iter()
                    .position(|&key| usize::from(key) == index),
            })
            .collect();
        let distinct = (0..variables.len())
            .filter(|&index| {
                let is_same = |other: &Variable| other.name.is(&variables[index].name);
                !variables[..index].iter().any(is_same)
            })
            .count();
        let covered = variables
            .iter()
            .filter(|variable| variable.key_component.is_some())
            .count();
        // An index beyond the variables would leave a component that is never written.
        let key_length = if covered == key_indexes.len() {
            covered
        } else {
            0
        };
        Self {
            variables,
            distinct,
            key_length,
        }
    }

    /// The number of variables.
    pub(crate) fn len(&self) -> usize {
        self.variables.len()
    }

    /// Appends a `[value]` per variable. `params` is a sequence in the order of the variables or
    /// a mapping by their names; `None` stands for no parameters. On failure `out` is as before.
    pub(crate) fn encode(
        &self,
        py: Python<'_>,
        params: &Bound<'_, PyAny>,
        out: &mut Vec<u8>,
    ) -> PyResult<EncodedRow> {
        let start = out.len();
        let encoded = self.encode_params(py, params, out);
        if encoded.is_err() {
            out.truncate(start);
        }
        encoded
    }

    fn encode_params(
        &self,
        py: Python<'_>,
        params: &Bound<'_, PyAny>,
        out: &mut Vec<u8>,
    ) -> PyResult<EncodedRow> {
        let mut row = EncodedRow {
            count: self.variables.len(),
            has_unset: false,
            key: KeyExtents::new(self.key_length),
        };
        if let Ok(tuple) = params.cast::<PyTuple>() {
            self.encode_tuple(tuple, &mut row, out)?;
        } else if let Ok(dict) = params.cast::<PyDict>() {
            self.encode_dict(dict, &mut row, out)?;
        } else if params.is_none() {
            self.encode_tuple(&PyTuple::empty(py), &mut row, out)?;
        } else if let Ok(list) = params.cast::<PyList>() {
            // A snapshot: encoding runs code of the elements' classes, and that may change the list.
            self.encode_tuple(&list.to_tuple(), &mut row, out)?;
        } else if let Ok(mapping) = params.cast::<PyMapping>() {
            // Looked at late: whether an object is a mapping is asked of an abstract class, in Python.
            let dict = PyDict::new(py);
            dict.update(mapping)?;
            self.encode_dict(&dict, &mut row, out)?;
        } else if let Some(tuple) = self.as_tuple(params)? {
            self.encode_tuple(&tuple, &mut row, out)?;
        } else {
            return Err(self.not_parameters(params));
        }
        Ok(row)
    }

    /// A snapshot of a sequence other than a list.
    fn as_tuple<'py>(&self, params: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        // A str or bytes is a sequence, too, but as parameters it is a forgotten comma.
        let class = params.get_type();
        let looks_like_a_sequence = class.hasattr(intern!(params.py(), "__getitem__"))?
            && class.hasattr(intern!(params.py(), "__len__"))?;
        let is_one_value = params.is_instance_of::<PyString>()
            || params.is_instance_of::<pyo3::types::PyBytes>()
            || params.is_instance_of::<pyo3::types::PyByteArray>()
            || params.is_instance_of::<pyo3::types::PyMemoryView>();
        if !looks_like_a_sequence || is_one_value {
            return Ok(None);
        }
        let mut items = Vec::with_capacity(self.variables.len());
        for item in params.try_iter()? {
            items.push(item?);
        }
        PyTuple::new(params.py(), items).map(Some)
    }

    fn encode_tuple(
        &self,
        params: &Bound<'_, PyTuple>,
        row: &mut EncodedRow,
        out: &mut Vec<u8>,
    ) -> PyResult<()> {
        if params.len() != self.variables.len() {
            return Err(self.wrong_count(params.py(), params.len()));
        }
        for (variable, value) in self.variables.iter().zip(params.iter_borrowed()) {
            variable.encode(&value, row, out)?;
        }
        Ok(())
    }

    fn encode_dict(
        &self,
        params: &Bound<'_, PyDict>,
        row: &mut EncodedRow,
        out: &mut Vec<u8>,
    ) -> PyResult<()> {
        let py = params.py();
        for variable in &self.variables {
            match params.get_item(variable.name.bind(py))? {
                Some(value) => variable.encode(&value, row, out)?,
                None => return Err(self.wrong_names(params)),
            }
        }
        // Every name was found, so more entries than names are names that nobody knows.
        if params.len() != self.distinct {
            return Err(self.wrong_names(params));
        }
        Ok(())
    }

    fn unknown_names(&self, params: &Bound<'_, PyDict>) -> PyResult<Option<String>> {
        let mut unknown = Vec::new();
        for key in params.keys() {
            let mut known = false;
            for variable in &self.variables {
                known = known || key.eq(&variable.name)?;
            }
            if !known {
                unknown.push(key.str()?.to_string_lossy().into_owned());
            }
        }
        Ok(if unknown.is_empty() {
            None
        } else {
            Some(unknown.join(", "))
        })
    }

    /// The names of the variables, for messages.
    fn names(&self, py: Python<'_>) -> String {
        let names: Vec<_> = self
            .variables
            .iter()
            .map(|variable| variable.name.bind(py).to_string_lossy().into_owned())
            .collect();
        names.join(", ")
    }

    #[cold]
    fn wrong_count(&self, py: Python<'_>, given: usize) -> PyErr {
        let message = match self.variables.len() {
            0 => format!("the statement has no variables, got {given} values"),
            1 => format!(
                "the statement has 1 variable ({}), got {given} values",
                self.names(py)
            ),
            count => {
                format!(
                    "the statement has {count} variables ({}), got {given} values",
                    self.names(py)
                )
            }
        };
        let hint = "pass a value for each; UNSET leaves a column as it is";
        bad_value(py, &message, None, None, None, Some(hint))
    }

    #[cold]
    fn wrong_names(&self, params: &Bound<'_, PyDict>) -> PyErr {
        let py = params.py();
        let mut missing: Vec<String> = Vec::new();
        for variable in &self.variables {
            let name = variable.name.bind(py);
            if !params.contains(name).unwrap_or(false) {
                missing.push(name.to_string_lossy().into_owned());
            }
        }
        missing.dedup();
        let unknown = match self.unknown_names(params) {
            Ok(unknown) => unknown,
            Err(error) => return error,
        };
        let mut faults = Vec::new();
        if !missing.is_empty() {
            faults.push(format!("no value for {}", missing.join(", ")));
        }
        if let Some(unknown) = unknown {
            faults.push(format!("no variable called {unknown}"));
        }
        let message = format!(
            "{}; the statement's variables are ({})",
            faults.join("; "),
            self.names(py)
        );
        let hint = "pass UNSET for a column that is to stay as it is, None for null";
        bad_value(py, &message, None, None, None, Some(hint))
    }

    #[cold]
    fn not_parameters(&self, params: &Bound<'_, PyAny>) -> PyErr {
        let given = python_type_name(params);
        let message = format!("parameters must be a sequence or a mapping, got {given}");
        let hint = "a single parameter is passed as (value,)";
        bad_value(params.py(), &message, None, None, Some(&given), Some(hint))
    }
}

impl Variable {
    #[inline]
    fn encode(
        &self,
        value: &Bound<'_, PyAny>,
        row: &mut EncodedRow,
        out: &mut Vec<u8>,
    ) -> PyResult<()> {
        if value.is_none() || is_unset(value) {
            let unset = !value.is_none();
            row.has_unset |= unset;
            if self.key_component.is_some() {
                row.key = KeyExtents::None;
            }
            out.extend_from_slice(&(if unset { UNSET } else { NULL }).to_be_bytes());
            return Ok(());
        }
        let start = out.len() + 4;
        if let Err(error) = self.encoder.encode_sized(value, out) {
            return Err(self.named(value.py(), error));
        }
        if let Some(component) = self.key_component {
            row.key.set(
                component,
                Extent {
                    start,
                    length: out.len() - start,
                },
            );
        }
        Ok(())
    }

    #[cold]
    fn named(&self, py: Python<'_>, error: EncodeError) -> PyErr {
        error.into_pyerr(py, Some(&self.name.bind(py).to_string_lossy()))
    }
}
