//! Options of tables and views, kept as given.

use std::collections::BTreeMap;

use crate::cql::ast::{Properties, PropertyValue};
use crate::engine::error::CqlError;

/// A value of an option.
pub type OptionValue = PropertyValue;

/// Options by name; what is not there has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableOptions {
    values: BTreeMap<String, OptionValue>,
}

/// The options that ScyllaDB and Cassandra know, with whether the value is a map.
const KNOWN: &[(&str, bool)] = &[
    ("additional_write_policy", false),
    ("allow_auto_snapshot", false),
    ("bloom_filter_fp_chance", false),
    ("caching", true),
    ("cdc", true),
    ("comment", false),
    ("compaction", true),
    ("compression", true),
    ("crc_check_chance", false),
    ("dclocal_read_repair_chance", false),
    ("default_time_to_live", false),
    ("extensions", true),
    ("gc_grace_seconds", false),
    ("in_memory", false),
    ("incremental_backups", false),
    ("max_index_interval", false),
    ("memtable", false),
    ("memtable_flush_period_in_ms", false),
    ("min_index_interval", false),
    ("paxos_grace_seconds", false),
    ("per_partition_rate_limit", true),
    ("read_repair", false),
    ("read_repair_chance", false),
    ("scylla_encryption_options", true),
    ("speculative_retry", false),
    ("synchronous_updates", false),
    ("tombstone_gc", true),
];

/// Cassandra's own limit: 20 years.
const MAX_TTL_S: i64 = 630_720_000;

impl TableOptions {
    /// Takes over `properties`.
    pub(super) fn update(&mut self, properties: &Properties) -> Result<(), CqlError> {
        for (name, value) in properties {
            let Some((_, wants_map)) = KNOWN.iter().find(|(known, _)| known == name) else {
                return Err(CqlError::syntax(format!("Unknown property '{name}'")));
            };
            let is_map = matches!(value, PropertyValue::Map(_));
            // `cdc = ...` and `memtable = ...` come as maps only; a scalar for a map is a mistake
            if is_map != *wants_map {
                return Err(CqlError::syntax(format!(
                    "Invalid value for property '{name}'."
                )));
            }
            self.values.insert(name.clone(), value.clone());
        }
        for name in ["default_time_to_live", "gc_grace_seconds"] {
            if let Some(PropertyValue::Scalar(text)) = self.values.get(name)
                && !text
                    .parse::<i64>()
                    .is_ok_and(|n| (0..=MAX_TTL_S.max(i64::from(i32::MAX))).contains(&n))
            {
                return Err(CqlError::config(format!(
                    "{name} must be greater than or equal to 0 (got {text})"
                )));
            }
        }
        for (name, value) in self.map("per_partition_rate_limit").unwrap_or_default() {
            if !matches!(&**name, "max_reads_per_second" | "max_writes_per_second") {
                return Err(CqlError::config(format!(
                    "Unknown keys in map for per_partition_rate_limit extension: {name}"
                )));
            }
            if value.parse::<u32>().is_err() {
                return Err(CqlError::config(format!(
                    "Invalid value for {name} in per_partition_rate_limit: {value}"
                )));
            }
        }
        if self
            .int("default_time_to_live")
            .is_some_and(|ttl| i64::from(ttl) > MAX_TTL_S)
        {
            return Err(CqlError::config(format!(
                "default_time_to_live must be less than or equal to {MAX_TTL_S}"
            )));
        }
        Ok(())
    }

    /// The value of an option.
    pub fn get(&self, name: &str) -> Option<&OptionValue> {
        self.values.get(name)
    }

    /// A scalar option's text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name)? {
            PropertyValue::Scalar(text) => Some(text),
            PropertyValue::Map(_) => None,
        }
    }

    /// A scalar option as a number.
    pub fn int(&self, name: &str) -> Option<i32> {
        self.text(name)?.parse().ok()
    }

    /// An entry of `per_partition_rate_limit`; `None`: there is no limit.
    pub fn per_partition_limit(&self, key: &str) -> Option<u32> {
        let entries = self.map("per_partition_rate_limit")?;
        let (_, value) = entries.iter().find(|(name, _)| name == key)?;
        value.parse().ok()
    }

    /// A map option's entries.
    pub fn map(&self, name: &str) -> Option<&[(String, String)]> {
        match self.values.get(name)? {
            PropertyValue::Map(entries) => Some(entries),
            PropertyValue::Scalar(_) => None,
        }
    }
}
