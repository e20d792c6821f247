//! Constants of CQL text as values of the type that is wanted.

use shardlane_wire::CqlType;

use super::json_in::number;
use super::text::duration_bytes;
use super::{inet_from_text, parse_date, parse_time, parse_timestamp, uuid_from_text};
use crate::cql::Duration;
use crate::cql::ast::Literal;
use crate::engine::error::CqlError;

/// The bytes of a constant as a value for the receiver `name` of type `ty`.
pub(crate) fn literal_value(
    ty: &CqlType,
    literal: &Literal,
    name: &str,
) -> Result<Vec<u8>, CqlError> {
    let bytes = match literal {
        Literal::String(text) => return string_value(ty, text, name),
        Literal::Integer(text) => match ty {
            CqlType::Date | CqlType::Time if text.starts_with('-') => None,
            _ => number(ty, text),
        },
        Literal::Float(text) => match ty {
            CqlType::Float => text.parse::<f32>().ok().map(|n| n.to_be_bytes().to_vec()),
            CqlType::Double => text.parse::<f64>().ok().map(|n| n.to_be_bytes().to_vec()),
            CqlType::Decimal => number(ty, text),
            _ => None,
        },
        Literal::Boolean(value) => (*ty == CqlType::Boolean).then(|| vec![u8::from(*value)]),
        Literal::Uuid(id) => match ty {
            CqlType::Uuid => Some(id.to_vec()),
            CqlType::TimeUuid if id[6] >> 4 == 1 => Some(id.to_vec()),
            _ => None,
        },
        Literal::Hex(bytes) => (*ty == CqlType::Blob).then(|| bytes.clone()),
        Literal::Duration(duration) => {
            (*ty == CqlType::Duration).then(|| duration_bytes(*duration))
        }
    };
    let (kind, text) = match literal {
        Literal::String(_) => unreachable!("returned above"),
        Literal::Integer(text) => ("INTEGER", text.clone()),
        Literal::Float(text) => ("FLOAT", text.clone()),
        Literal::Boolean(value) => ("BOOLEAN", value.to_string()),
        Literal::Uuid(id) => ("UUID", super::uuid_text(id)),
        Literal::Hex(bytes) => ("HEX", super::text::hex(bytes)),
        Literal::Duration(duration) => ("DURATION", duration.to_string()),
    };
    bytes.ok_or_else(|| {
        CqlError::invalid(format!(
            "Invalid {kind} constant ({text}) for \"{name}\" of type {ty}"
        ))
    })
}

/// Strings also stand for dates, addresses and the like.
fn string_value(ty: &CqlType, text: &str, name: &str) -> Result<Vec<u8>, CqlError> {
    let accepts_strings = matches!(
        ty,
        CqlType::Ascii
            | CqlType::Text
            | CqlType::Inet
            | CqlType::Timestamp
            | CqlType::Date
            | CqlType::Time
            | CqlType::Custom(_)
    );
    if !accepts_strings {
        return Err(CqlError::invalid(format!(
            "Invalid STRING constant ({text}) for \"{name}\" of type {ty}"
        )));
    }
    text_value(ty, text).ok_or_else(|| {
        CqlError::invalid(format!("marshaling error: unable to parse {ty} '{text}'"))
    })
}

/// Text as a value, for strings and for JSON, where every type has a textual form.
pub(crate) fn text_value(ty: &CqlType, text: &str) -> Option<Vec<u8>> {
    match ty {
        CqlType::Text | CqlType::Custom(_) => Some(text.as_bytes().to_vec()),
        CqlType::Ascii => text.is_ascii().then(|| text.as_bytes().to_vec()),
        CqlType::Inet => inet_from_text(text),
        CqlType::Timestamp => parse_timestamp(text).map(|n| n.to_be_bytes().to_vec()),
        CqlType::Date => parse_date(text).map(|n| n.to_be_bytes().to_vec()),
        CqlType::Time => parse_time(text).map(|n| n.to_be_bytes().to_vec()),
        CqlType::Uuid | CqlType::TimeUuid => uuid_from_text(text).map(|id| id.to_vec()),
        CqlType::Duration => Duration::parse_signed(text).map(duration_bytes),
        CqlType::Boolean => text
            .to_lowercase()
            .parse::<bool>()
            .ok()
            .map(|b| vec![u8::from(b)]),
        CqlType::Blob => {
            let digits = text.strip_prefix("0x")?;
            let even = digits.len() % 2 == 0 && digits.is_ascii();
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).ok();
            even.then(|| (0..digits.len()).step_by(2).map(byte).collect())?
        }
        _ => number(ty, text),
    }
}
