//! What a cluster object's user registers, as Python holds it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::type_parser::parse;
use super::user_types::{Codec, UdtClass, UserTypes};

/// Classes and conversions for values, shared by all sessions of a cluster object.
#[derive(Default)]
#[pyclass(frozen, name = "UserTypes", module = "shardlane._core")]
pub(crate) struct Registry {
    types: Mutex<Arc<UserTypes>>,
}

impl Registry {
    /// What is registered now.
    pub(crate) fn types(&self) -> Arc<UserTypes> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Arc<UserTypes>> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the whole, so that who compiles sees all of a change or nothing.
    fn change(&self, change: impl FnOnce(&mut UserTypes)) {
        let mut types = self.lock();
        let mut next = UserTypes::clone(&types);
        change(&mut next);
        *types = Arc::new(next);
    }
}

#[pymethods]
impl Registry {
    #[new]
    #[pyo3(signature = (*, udts_as_dicts=false, keeps_empty=false))]
    fn py_new(udts_as_dicts: bool, keeps_empty: bool) -> Self {
        let mut types = UserTypes::default();
        types.udts_as_dicts = udts_as_dicts;
        types.keeps_empty = keeps_empty;
        Self {
            types: Mutex::new(Arc::new(types)),
        }
    }

    /// A class for a user-defined type, called with the fields in `accepts` (all if None) by name.
    fn register_udt(
        &self,
        keyspace: &str,
        name: &str,
        callable: Py<PyAny>,
        accepts: Option<Vec<String>>,
        hashable: bool,
    ) {
        let accepts = accepts.map(|names| names.into_iter().map(Into::into).collect());
        let class = UdtClass {
            callable,
            accepts,
            hashable,
        };
        self.change(|types| types.set_udt(keyspace, name, class));
    }

    /// Conversions for a CQL type wherever it occurs.
    fn register_codec(
        &self,
        cql_type: &str,
        encode: Option<Py<PyAny>>,
        decode: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let cql_type = parse(cql_type).map_err(PyValueError::new_err)?;
        self.change(|types| types.set_codec(&cql_type, Codec { encode, decode }));
        Ok(())
    }

    /// Conversions for one column.
    fn register_column_codec(
        &self,
        keyspace: &str,
        table: &str,
        column: &str,
        encode: Option<Py<PyAny>>,
        decode: Option<Py<PyAny>>,
    ) {
        self.change(|types| types.set_column(keyspace, table, column, Codec { encode, decode }));
    }
}
