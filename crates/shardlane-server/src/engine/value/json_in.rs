//! JSON as values, for INSERT JSON and fromJson().

use shardlane_wire::CqlType;

use super::literal::text_value;
use super::parts::{collection, push_value};
use super::{BigInt, compare, decimal_from_text};
use crate::engine::error::CqlError;

/// A JSON document. Numbers keep their text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Boolean(bool),
    Number(String),
    String(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

const MAX_DEPTH: usize = 64;

/// Reads one document.
pub(crate) fn parse_json(text: &str) -> Result<Json, CqlError> {
    let mut reader = Reader { text, at: 0 };
    let document = reader.value(0);
    reader.blank();
    match document {
        Some(document) if reader.at == text.len() => Ok(document),
        _ => Err(CqlError::invalid(format!(
            "Could not decode JSON string as a map: '{text}', at offset {}",
            reader.at
        ))),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.blank();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.blank();
        match self.rest().chars().next()? {
            '"' => self.string().map(Json::String),
            '[' => {
                self.eat("[");
                let mut items = Vec::new();
                while !self.eat("]") {
                    if !items.is_empty() && !self.eat(",") {
                        return None;
                    }
                    items.push(self.value(depth + 1)?);
                }
                Some(Json::Array(items))
            }
            '{' => {
                self.eat("{");
                let mut entries = Vec::new();
                while !self.eat("}") {
                    if !entries.is_empty() && !self.eat(",") {
                        return None;
                    }
                    self.blank();
                    let key = self.string()?;
                    if !self.eat(":") {
                        return None;
                    }
                    entries.push((key, self.value(depth + 1)?));
                }
                Some(Json::Object(entries))
            }
            _ if self.eat("null") => Some(Json::Null),
            _ if self.eat("true") => Some(Json::Boolean(true)),
            _ if self.eat("false") => Some(Json::Boolean(false)),
            _ => {
                let rest = self.rest();
                let len = rest
                    .find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c)))
                    .unwrap_or(rest.len());
                let number = rest[..len].to_owned();
                decimal_from_text(&number)?;
                self.at += len;
                Some(Json::Number(number))
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        if !self.rest().starts_with('"') {
            return None;
        }
        self.at += 1;
        let mut out = String::new();
        loop {
            let c = self.rest().chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => return Some(out),
                '\\' => {
                    let escape = self.rest().chars().next()?;
                    self.at += escape.len_utf8();
                    out.push(match escape {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'u' => self.escaped_char()?,
                        '"' | '\\' | '/' => escape,
                        _ => return None,
                    });
                }
                c => out.push(c),
            }
        }
    }

    fn hex4(&mut self) -> Option<u32> {
        let value = u32::from_str_radix(self.rest().get(..4)?, 16).ok()?;
        self.at += 4;
        Some(value)
    }

    fn escaped_char(&mut self) -> Option<char> {
        let high = self.hex4()?;
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high);
        }
        if !self.rest().starts_with("\\u") {
            return None;
        }
        self.at += 2;
        let low = self.hex4()?;
        (0xDC00..0xE000).contains(&low).then_some(())?;
        char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    }
}

/// The bytes of a JSON value as `ty`; `None` is null.
pub(crate) fn json_value(
    ty: &CqlType,
    json: &Json,
    name: &str,
) -> Result<Option<Vec<u8>>, CqlError> {
    let wrong = || {
        CqlError::invalid(format!(
            "Error decoding JSON value for {name}: unexpected value for type {ty}"
        ))
    };
    let element = |ty: &CqlType, json: &Json| json_value(ty, json, name)?.ok_or_else(wrong);
    Ok(Some(match (ty, json) {
        (_, Json::Null) => return Ok(None),
        (CqlType::List(inner), Json::Array(items)) => {
            let values = items
                .iter()
                .map(|item| element(inner, item))
                .collect::<Result<Vec<_>, _>>()?;
            collection(values.len(), values.iter().map(Vec::as_slice))
        }
        (CqlType::Set(inner), Json::Array(items)) => {
            let mut values = items
                .iter()
                .map(|item| element(inner, item))
                .collect::<Result<Vec<_>, _>>()?;
            values.sort_by(|a, b| compare(inner, a, b));
            values.dedup();
            collection(values.len(), values.iter().map(Vec::as_slice))
        }
        (CqlType::Map(entry), Json::Object(items)) => {
            let mut values = Vec::with_capacity(items.len());
            for (key, value) in items {
                let key = match &entry.0 {
                    CqlType::Text | CqlType::Ascii => Json::String(key.clone()),
                    _ => parse_json(key).unwrap_or_else(|_| Json::String(key.clone())),
                };
                values.push((element(&entry.0, &key)?, element(&entry.1, value)?));
            }
            values.sort_by(|a, b| compare(&entry.0, &a.0, &b.0));
            collection(
                values.len(),
                values
                    .iter()
                    .flat_map(|(k, v)| [k.as_slice(), v.as_slice()]),
            )
        }
        (CqlType::Tuple(types), Json::Array(items)) if items.len() == types.len() => {
            let mut out = Vec::new();
            for (ty, item) in types.iter().zip(items) {
                push_value(&mut out, json_value(ty, item, name)?.as_deref());
            }
            out
        }
        (CqlType::Udt(udt), Json::Object(items)) => {
            let mut out = Vec::new();
            for (field, ty) in &udt.fields {
                let item = items
                    .iter()
                    .find(|(key, _)| key.trim_matches('"') == &**field);
                let value = item.map_or(Ok(None), |(_, item)| json_value(ty, item, name))?;
                push_value(&mut out, value.as_deref());
            }
            out
        }
        (CqlType::Boolean, Json::Boolean(value)) => vec![u8::from(*value)],
        (_, Json::Number(text)) => number(ty, text).ok_or_else(wrong)?,
        (_, Json::String(text)) => text_value(ty, text).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    }))
}

/// A number as a value of a numeric type (or milliseconds, nanoseconds, days).
pub(crate) fn number(ty: &CqlType, text: &str) -> Option<Vec<u8>> {
    Some(match ty {
        CqlType::TinyInt => text.parse::<i8>().ok()?.to_be_bytes().to_vec(),
        CqlType::SmallInt => text.parse::<i16>().ok()?.to_be_bytes().to_vec(),
        CqlType::Int => text.parse::<i32>().ok()?.to_be_bytes().to_vec(),
        CqlType::BigInt | CqlType::Counter | CqlType::Timestamp => {
            text.parse::<i64>().ok()?.to_be_bytes().to_vec()
        }
        CqlType::Time => super::parse_time(text)?.to_be_bytes().to_vec(),
        CqlType::Date => text.parse::<u32>().ok()?.to_be_bytes().to_vec(),
        CqlType::VarInt => BigInt::parse(text)?.to_bytes(),
        CqlType::Decimal => decimal_from_text(text)?.to_bytes(),
        CqlType::Float => text.parse::<f32>().ok()?.to_be_bytes().to_vec(),
        CqlType::Double => text.parse::<f64>().ok()?.to_be_bytes().to_vec(),
        _ => return None,
    })
}
