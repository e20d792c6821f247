//! Values as JSON, for SELECT JSON and toJson().

use shardlane_wire::CqlType;

use super::parts::{map_entries, read_values, tuple_values};
use super::text::{hex, to_text};
use super::vector::vector_values;
use super::{format_timestamp, int_from_bytes};

/// The JSON text of a value.
pub(crate) fn to_json(ty: &CqlType, value: Option<&[u8]>) -> String {
    let Some(bytes) = value else {
        return "null".to_owned();
    };
    match ty {
        CqlType::Ascii | CqlType::Text => json_string(&String::from_utf8_lossy(bytes)),
        CqlType::Blob => format!("\"{}\"", hex(bytes)),
        CqlType::Float | CqlType::Double => match to_text(ty, bytes).unwrap_or_default().as_str() {
            "" => "null".to_owned(),
            text @ ("NaN" | "inf" | "-inf") => format!("\"{text}\""),
            text => text.to_owned(),
        },
        CqlType::Boolean
        | CqlType::TinyInt
        | CqlType::SmallInt
        | CqlType::Int
        | CqlType::BigInt
        | CqlType::Counter
        | CqlType::VarInt
        | CqlType::Decimal => to_text(ty, bytes)
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| "null".to_owned()),
        CqlType::Timestamp => int_from_bytes(bytes).map_or_else(
            || "\"\"".to_owned(),
            |ms| format!("\"{}\"", format_timestamp(ms, " ", "Z")),
        ),
        CqlType::List(element) | CqlType::Set(element) => {
            let values = read_values(bytes, 1).unwrap_or_default();
            let parts: Vec<_> = values
                .iter()
                .map(|value| to_json(element, Some(value)))
                .collect();
            format!("[{}]", parts.join(", "))
        }
        CqlType::Vector(element, len) => {
            let values = vector_values(element, bytes, usize::from(*len)).unwrap_or_default();
            let parts = values.iter().map(|value| to_json(element, Some(value)));
            format!("[{}]", parts.collect::<Vec<_>>().join(", "))
        }
        CqlType::Map(entry) => {
            let entries = map_entries(bytes).unwrap_or_default();
            let parts: Vec<_> = entries
                .iter()
                .map(|(key, value)| {
                    format!(
                        "{}: {}",
                        json_key(&entry.0, key),
                        to_json(&entry.1, Some(value))
                    )
                })
                .collect();
            format!("{{{}}}", parts.join(", "))
        }
        CqlType::Tuple(types) => {
            let values = tuple_values(bytes, types.len()).unwrap_or_default();
            let field = |(at, ty)| to_json(ty, values.get(at).copied().flatten());
            format!(
                "[{}]",
                types
                    .iter()
                    .enumerate()
                    .map(field)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        CqlType::Udt(udt) => {
            let values = tuple_values(bytes, udt.fields.len()).unwrap_or_default();
            let field = |(at, (name, ty)): (usize, &(Box<str>, CqlType))| {
                format!(
                    "{}: {}",
                    json_name(name),
                    to_json(ty, values.get(at).copied().flatten())
                )
            };
            format!(
                "{{{}}}",
                udt.fields
                    .iter()
                    .enumerate()
                    .map(field)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        _ => json_string(&to_text(ty, bytes).unwrap_or_else(|| hex(bytes))),
    }
}

/// A map's key is always a string.
fn json_key(ty: &CqlType, bytes: &[u8]) -> String {
    let text = to_json(ty, Some(bytes));
    if text.starts_with('"') {
        text
    } else {
        json_string(&text)
    }
}

/// A column's name: case-sensitive ones keep their quotes inside.
pub(crate) fn json_name(name: &str) -> String {
    let plain = name.chars().all(|c| !c.is_uppercase());
    if plain {
        json_string(name)
    } else {
        json_string(&format!("\"{name}\""))
    }
}

/// A JSON string.
pub(crate) fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
