//! Values that a function of the user's turns into what the type takes.

use pyo3::prelude::*;

use super::Encoder;
use crate::values::errors::{EncodeError, EncodeResult};

/// The encoder of a type with a registered conversion.
#[derive(Debug)]
pub(crate) struct ConvertedEncoder {
    convert: Py<PyAny>,
    inner: Encoder,
}

impl ConvertedEncoder {
    pub(super) const fn new(convert: Py<PyAny>, inner: Encoder) -> Self {
        Self { convert, inner }
    }

    pub(super) const fn inner(&self) -> &Encoder {
        &self.inner
    }

    /// What the function raises is passed on as it is.
    pub(super) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        let converted = self.convert.bind(value.py()).call1((value,))?;
        if converted.is_none() {
            return Err(EncodeError::bad(
                value,
                self.inner.type_name(),
                "the registered encode function returned None",
                Some("bind None itself for null; the function is not asked then"),
            ));
        }
        self.inner.encode(&converted, out)
    }
}
