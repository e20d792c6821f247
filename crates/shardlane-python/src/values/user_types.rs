//! What users have registered: classes for their user-defined types, and conversions of their own.
//!
//! It is looked at only while an encoder or decoder is compiled: who registers nothing pays nothing, and who
//! does pays where it applies.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::prelude::*;
use shardlane_wire::{ColumnSpec, CqlType, UdtType};

/// The Python class of a user-defined type.
#[derive(Debug)]
pub(crate) struct UdtClass {
    /// Called with the fields as keyword arguments.
    pub(crate) callable: Py<PyAny>,
    /// The fields that it takes; `None`: all.
    pub(crate) accepts: Option<Box<[Box<str>]>>,
    /// Whether its instances may be elements of sets and keys of maps.
    pub(crate) hashable: bool,
}

/// A conversion on top of the usual one.
#[derive(Debug)]
pub(crate) struct Codec {
    /// From the user's value to one that the type takes.
    pub(crate) encode: Option<Py<PyAny>>,
    /// From the value that the type gives to the user's.
    pub(crate) decode: Option<Py<PyAny>>,
}

/// Keyspace, table and name.
type ColumnName = (Box<str>, Box<str>, Box<str>);

/// Everything registered, at one moment: a change makes a new one.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserTypes {
    /// By keyspace and name.
    udts: HashMap<(Box<str>, Box<str>), Arc<UdtClass>>,
    /// User-defined types without a class become dicts, not named tuples.
    pub(crate) udts_as_dicts: bool,
    /// By CQL type.
    codecs: HashMap<Box<str>, Arc<Codec>>,
    /// Of single columns.
    columns: HashMap<ColumnName, Arc<Codec>>,
    /// Empty values become `EMPTY`, not `None`.
    pub(crate) keeps_empty: bool,
}

impl UserTypes {
    pub(crate) fn set_udt(&mut self, keyspace: &str, name: &str, class: UdtClass) {
        self.udts
            .insert((keyspace.into(), name.into()), Arc::new(class));
    }

    pub(crate) fn set_codec(&mut self, cql_type: &CqlType, codec: Codec) {
        self.codecs
            .insert(cql_type.to_string().into(), Arc::new(codec));
    }

    pub(crate) fn set_column(&mut self, keyspace: &str, table: &str, name: &str, codec: Codec) {
        let key = (keyspace.into(), table.into(), name.into());
        self.columns.insert(key, Arc::new(codec));
    }

    pub(crate) fn udt(&self, udt: &UdtType) -> Option<&Arc<UdtClass>> {
        if self.udts.is_empty() {
            return None;
        }
        self.udts.get(&(udt.keyspace.clone(), udt.name.clone()))
    }

    pub(crate) fn codec(&self, cql_type: &CqlType) -> Option<&Codec> {
        if self.codecs.is_empty() {
            return None;
        }
        Some(self.codecs.get(&*cql_type.to_string())?)
    }

    /// The codec of a column; it goes before that of the column's type.
    pub(crate) fn column(&self, spec: &ColumnSpec) -> Option<&Codec> {
        if self.columns.is_empty() {
            return None;
        }
        let key = (
            (*spec.keyspace).into(),
            (*spec.table).into(),
            spec.name.clone(),
        );
        Some(self.columns.get(&key)?)
    }
}

/// What compiling needs at every step.
#[derive(Clone, Copy)]
pub(crate) struct Compiling<'a> {
    pub(crate) py: Python<'a>,
    pub(crate) types: &'a UserTypes,
}
