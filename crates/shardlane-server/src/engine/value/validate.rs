//! Whether bytes are a value of a type.

use shardlane_wire::CqlType;

use super::parts::{map_entries, read_values, tuple_values};
use super::vector::vector_values;
use crate::engine::error::CqlError;

/// Checks `bytes`, which are to become column `name`.
pub(crate) fn expect_valid(ty: &CqlType, bytes: &[u8], name: &str) -> Result<(), CqlError> {
    if is_valid(ty, bytes) {
        return Ok(());
    }
    let reason = if fixed_len(ty).is_some() {
        format!(
            "Validation failed for type {}: got {} bytes",
            class_name(ty),
            bytes.len()
        )
    } else if matches!(ty, CqlType::Text | CqlType::Ascii) {
        format!(
            "Validation failed - non-{} character in a {} string",
            if *ty == CqlType::Ascii {
                "ASCII"
            } else {
                "UTF8"
            },
            ty
        )
    } else {
        format!(
            "Validation failed for type {}: malformed value of {} bytes",
            class_name(ty),
            bytes.len()
        )
    };
    Err(CqlError::invalid(format!(
        "Exception while binding column {name}: marshaling error: {reason}"
    )))
}

fn class_name(ty: &CqlType) -> String {
    shardlane_wire::types::type_class(ty)
}

/// The only length besides 0 that a value may have.
fn fixed_len(ty: &CqlType) -> Option<usize> {
    Some(match ty {
        CqlType::Boolean | CqlType::TinyInt => 1,
        CqlType::SmallInt => 2,
        CqlType::Int | CqlType::Float | CqlType::Date => 4,
        CqlType::BigInt
        | CqlType::Counter
        | CqlType::Double
        | CqlType::Timestamp
        | CqlType::Time => 8,
        CqlType::Uuid | CqlType::TimeUuid => 16,
        _ => return None,
    })
}

/// Whether `bytes` are a value of `ty`. Most types allow the empty value.
pub(crate) fn is_valid(ty: &CqlType, bytes: &[u8]) -> bool {
    if let Some(len) = fixed_len(ty) {
        let uuid_version = *ty != CqlType::TimeUuid || bytes.get(6).is_none_or(|b| b >> 4 == 1);
        return (bytes.is_empty() || bytes.len() == len) && uuid_version;
    }
    match ty {
        CqlType::Ascii => bytes.is_ascii(),
        CqlType::Text => std::str::from_utf8(bytes).is_ok(),
        CqlType::Decimal => bytes.is_empty() || bytes.len() > 4,
        CqlType::Inet => matches!(bytes.len(), 0 | 4 | 16),
        CqlType::Duration => bytes.is_empty() || super::text::duration_from_bytes(bytes).is_some(),
        CqlType::List(element) | CqlType::Set(element) => read_values(bytes, 1)
            .is_some_and(|values| values.iter().all(|value| is_valid(element, value))),
        CqlType::Map(entry) => map_entries(bytes).is_some_and(|entries| {
            entries
                .iter()
                .all(|(k, v)| is_valid(&entry.0, k) && is_valid(&entry.1, v))
        }),
        CqlType::Tuple(types) => fields_valid(types.iter(), bytes, types.len()),
        CqlType::Udt(udt) => {
            fields_valid(udt.fields.iter().map(|(_, ty)| ty), bytes, udt.fields.len())
        }
        CqlType::Vector(element, len) => vector_values(element, bytes, usize::from(*len))
            .is_some_and(|values| values.iter().all(|value| is_valid(element, value))),
        _ => true,
    }
}

fn fields_valid<'a>(types: impl Iterator<Item = &'a CqlType>, bytes: &[u8], len: usize) -> bool {
    tuple_values(bytes, len).is_some_and(|values| {
        values
            .iter()
            .zip(types)
            .all(|(value, ty)| value.is_none_or(|value| is_valid(ty, value)))
    })
}
