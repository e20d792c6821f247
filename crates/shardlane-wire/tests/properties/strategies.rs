//! Generators of what messages are made of.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use shardlane_wire::primitive::{write_bytes_opt, write_string, write_unset};
use shardlane_wire::result::ColumnSpec;
use shardlane_wire::{Consistency, CqlType, Dialect, SerialConsistency, UdtType, Version};

pub(crate) fn dialects() -> impl Strategy<Value = Dialect> {
    let versions = select(vec![Version::V3, Version::V4, Version::V5]);
    (
        versions,
        any::<bool>(),
        any::<bool>(),
        option::of(Just(0xF000)),
    )
        .prop_map(
            |(version, metadata_id, tablet_block, rate_limit_error)| Dialect {
                version,
                metadata_id,
                tablet_block,
                rate_limit_error,
            },
        )
}

pub(crate) fn consistencies() -> impl Strategy<Value = Consistency> {
    select(Consistency::ALL.to_vec())
}

pub(crate) fn serial_consistencies() -> impl Strategy<Value = SerialConsistency> {
    select(SerialConsistency::ALL.to_vec())
}

pub(crate) fn names() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_ ☃]{0,12}"
}

pub(crate) fn blobs() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..24)
}

pub(crate) fn addresses() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

pub(crate) fn payloads() -> impl Strategy<Value = Vec<(String, Option<Vec<u8>>)>> {
    vec((names(), option::of(blobs())), 0..3)
}

/// Borrows a generated payload.
pub(crate) fn borrowed(payload: &[(String, Option<Vec<u8>>)]) -> Vec<(&str, Option<&[u8]>)> {
    payload
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_deref()))
        .collect()
}

/// Bound values as generated: some names, and `None` for a value that is not set.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    pub(crate) named: bool,
    pub(crate) values: Vec<(String, Option<Option<Vec<u8>>>)>,
}

impl Values {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in &self.values {
            if self.named {
                write_string(&mut out, name, "name").unwrap();
            }
            match value {
                Some(value) => write_bytes_opt(&mut out, value.as_deref(), "value").unwrap(),
                None => write_unset(&mut out),
            }
        }
        out
    }
}

pub(crate) fn values(named: impl Strategy<Value = bool>) -> impl Strategy<Value = Values> {
    let value = option::weighted(0.9, option::weighted(0.9, blobs()));
    (named, vec((names(), value), 0..5)).prop_map(|(named, values)| Values {
        named: named && !values.is_empty(),
        values,
    })
}

pub(crate) fn cql_types() -> impl Strategy<Value = CqlType> {
    let simple = select(vec![
        CqlType::Ascii,
        CqlType::BigInt,
        CqlType::Blob,
        CqlType::Boolean,
        CqlType::Counter,
        CqlType::Decimal,
        CqlType::Double,
        CqlType::Float,
        CqlType::Int,
        CqlType::Timestamp,
        CqlType::Uuid,
        CqlType::Text,
        CqlType::VarInt,
        CqlType::TimeUuid,
        CqlType::Inet,
        CqlType::Date,
        CqlType::Time,
        CqlType::SmallInt,
        CqlType::TinyInt,
        CqlType::Duration,
        CqlType::Custom("com.example.Unknown(a=>B,(c))".into()),
    ]);
    simple.prop_recursive(5, 24, 4, |inner| {
        let fields = vec(("[a-z☃]{1,6}", inner.clone()), 0..4);
        prop_oneof![
            inner.clone().prop_map(|t| CqlType::List(Box::new(t))),
            inner.clone().prop_map(|t| CqlType::Set(Box::new(t))),
            (inner.clone(), inner.clone()).prop_map(|pair| CqlType::Map(Box::new(pair))),
            // A tuple without elements has no class name.
            vec(inner.clone(), 1..4).prop_map(CqlType::Tuple),
            (inner, 1u16..).prop_map(|(t, n)| CqlType::Vector(Box::new(t), n)),
            ("[a-z]{1,6}", "[A-Za-z☃]{1,6}", fields).prop_map(|(keyspace, name, fields)| {
                let fields = fields
                    .into_iter()
                    .map(|(name, t)| (name.into(), t))
                    .collect();
                let (keyspace, name) = (keyspace.into(), name.into());
                CqlType::Udt(Arc::new(UdtType {
                    keyspace,
                    name,
                    fields,
                }))
            }),
        ]
    })
}

/// Column specs, of one table if the flag says so.
pub(crate) fn columns() -> impl Strategy<Value = (bool, Vec<ColumnSpec>)> {
    let table = || (names(), names());
    let column = (table(), names(), cql_types());
    (any::<bool>(), table(), vec(column, 0..5)).prop_map(|(global, shared, columns)| {
        // Without a column nothing would remember the names.
        let global = global && !columns.is_empty();
        let specs = columns.into_iter().map(|(own, name, cql_type)| {
            let (keyspace, table) = if global { shared.clone() } else { own };
            ColumnSpec {
                keyspace: keyspace.into(),
                table: table.into(),
                name: name.into(),
                cql_type,
            }
        });
        (global, specs.collect())
    })
}
