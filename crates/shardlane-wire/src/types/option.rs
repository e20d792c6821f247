//! The `[option]` of a type in metadata (section 4.2.5.2): reading, passing over and writing it.

use std::sync::Arc;

use super::class::{parse_type_class_within, type_class};
use super::{CqlType, MAX_TYPE_DEPTH, UdtType};
use crate::primitive::{Reader, short_len, write_short, write_string};
use crate::wire_error::{EncodeError, WireError, WireErrorKind};

mod id {
    pub(super) const CUSTOM: u16 = 0x0000;
    pub(super) const LIST: u16 = 0x0020;
    pub(super) const MAP: u16 = 0x0021;
    pub(super) const SET: u16 = 0x0022;
    pub(super) const UDT: u16 = 0x0030;
    pub(super) const TUPLE: u16 = 0x0031;
}

/// The shortest type option.
const MIN_OPTION_LEN: usize = 2;

/// The type that has this option id and no more to it.
const fn simple_type(id: u16) -> Option<CqlType> {
    Some(match id {
        0x0001 => CqlType::Ascii,
        0x0002 => CqlType::BigInt,
        0x0003 => CqlType::Blob,
        0x0004 => CqlType::Boolean,
        0x0005 => CqlType::Counter,
        0x0006 => CqlType::Decimal,
        0x0007 => CqlType::Double,
        0x0008 => CqlType::Float,
        0x0009 => CqlType::Int,
        0x000B => CqlType::Timestamp,
        0x000C => CqlType::Uuid,
        // 0x000A was `text` in v1 and v2; later servers send it as `varchar`.
        0x000A | 0x000D => CqlType::Text,
        0x000E => CqlType::VarInt,
        0x000F => CqlType::TimeUuid,
        0x0010 => CqlType::Inet,
        0x0011 => CqlType::Date,
        0x0012 => CqlType::Time,
        0x0013 => CqlType::SmallInt,
        0x0014 => CqlType::TinyInt,
        0x0015 => CqlType::Duration,
        _ => return None,
    })
}

/// Reads a type option.
pub fn read_type(reader: &mut Reader<'_>) -> Result<CqlType, WireError> {
    read_within(reader, MAX_TYPE_DEPTH)
}

fn read_within(reader: &mut Reader<'_>, depth: usize) -> Result<CqlType, WireError> {
    let at = reader.clone();
    let id = reader.short("type")?;
    if let Some(simple) = simple_type(id) {
        return Ok(simple);
    }
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| at.error("type", WireErrorKind::TooDeep))?;
    Ok(match id {
        id::CUSTOM => {
            let class = reader.string("type class")?;
            parse_type_class_within(class, depth + 1)
                .map_err(|error| at.error("type class", WireErrorKind::TypeClass(error)))?
        }
        id::LIST => CqlType::List(Box::new(read_within(reader, depth)?)),
        id::SET => CqlType::Set(Box::new(read_within(reader, depth)?)),
        id::MAP => CqlType::Map(Box::new((
            read_within(reader, depth)?,
            read_within(reader, depth)?,
        ))),
        id::UDT => {
            let keyspace = reader.string("keyspace of a type")?.into();
            let name = reader.string("name of a type")?.into();
            let n = usize::from(reader.short("count of fields")?);
            let mut fields = Vec::with_capacity(n.min(reader.rest().len() / (2 * MIN_OPTION_LEN)));
            for _ in 0..n {
                let field = reader.string("name of a field")?.into();
                fields.push((field, read_within(reader, depth)?));
            }
            CqlType::Udt(Arc::new(UdtType {
                keyspace,
                name,
                fields,
            }))
        }
        id::TUPLE => {
            let n = usize::from(reader.short("count of tuple elements")?);
            let mut elements = Vec::with_capacity(n.min(reader.rest().len() / MIN_OPTION_LEN));
            for _ in 0..n {
                elements.push(read_within(reader, depth)?);
            }
            CqlType::Tuple(elements)
        }
        other => return Err(at.error("type", WireErrorKind::UnknownCode(other.into()))),
    })
}

/// Passes over a type option without allocating; strings are not looked at.
pub fn skip_type(reader: &mut Reader<'_>) -> Result<(), WireError> {
    skip_within(reader, MAX_TYPE_DEPTH)
}

fn skip_within(reader: &mut Reader<'_>, depth: usize) -> Result<(), WireError> {
    let at = reader.clone();
    let id = reader.short("type")?;
    if matches!(id, 0x0001..=0x0015) {
        return Ok(());
    }
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| at.error("type", WireErrorKind::TooDeep))?;
    match id {
        id::CUSTOM => reader.skip_string("type class"),
        id::LIST | id::SET => skip_within(reader, depth),
        id::MAP => {
            skip_within(reader, depth)?;
            skip_within(reader, depth)
        }
        id::UDT => {
            reader.skip_string("keyspace of a type")?;
            reader.skip_string("name of a type")?;
            for _ in 0..reader.short("count of fields")? {
                reader.skip_string("name of a field")?;
                skip_within(reader, depth)?;
            }
            Ok(())
        }
        id::TUPLE => {
            for _ in 0..reader.short("count of tuple elements")? {
                skip_within(reader, depth)?;
            }
            Ok(())
        }
        other => Err(at.error("type", WireErrorKind::UnknownCode(other.into()))),
    }
}

/// Appends a type option. Vectors have no option of their own and go as a custom class, as real
/// servers send them.
pub fn encode_type(cql_type: &CqlType, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let simple = |id: u16, out: &mut Vec<u8>| {
        write_short(out, id);
        Ok(())
    };
    match cql_type {
        CqlType::Ascii => simple(0x0001, out),
        CqlType::BigInt => simple(0x0002, out),
        CqlType::Blob => simple(0x0003, out),
        CqlType::Boolean => simple(0x0004, out),
        CqlType::Counter => simple(0x0005, out),
        CqlType::Decimal => simple(0x0006, out),
        CqlType::Double => simple(0x0007, out),
        CqlType::Float => simple(0x0008, out),
        CqlType::Int => simple(0x0009, out),
        CqlType::Timestamp => simple(0x000B, out),
        CqlType::Uuid => simple(0x000C, out),
        CqlType::Text => simple(0x000D, out),
        CqlType::VarInt => simple(0x000E, out),
        CqlType::TimeUuid => simple(0x000F, out),
        CqlType::Inet => simple(0x0010, out),
        CqlType::Date => simple(0x0011, out),
        CqlType::Time => simple(0x0012, out),
        CqlType::SmallInt => simple(0x0013, out),
        CqlType::TinyInt => simple(0x0014, out),
        CqlType::Duration => simple(0x0015, out),
        CqlType::List(element) => {
            write_short(out, id::LIST);
            encode_type(element, out)
        }
        CqlType::Set(element) => {
            write_short(out, id::SET);
            encode_type(element, out)
        }
        CqlType::Map(entry) => {
            write_short(out, id::MAP);
            encode_type(&entry.0, out)?;
            encode_type(&entry.1, out)
        }
        CqlType::Udt(udt) => {
            write_short(out, id::UDT);
            write_string(out, &udt.keyspace, "keyspace of a type")?;
            write_string(out, &udt.name, "name of a type")?;
            write_short(out, short_len(udt.fields.len(), "count of fields")?);
            udt.fields.iter().try_for_each(|(name, field)| {
                write_string(out, name, "name of a field")?;
                encode_type(field, out)
            })
        }
        CqlType::Tuple(elements) => {
            write_short(out, id::TUPLE);
            write_short(out, short_len(elements.len(), "count of tuple elements")?);
            elements
                .iter()
                .try_for_each(|element| encode_type(element, out))
        }
        CqlType::Vector(..) | CqlType::Custom(_) => {
            write_short(out, id::CUSTOM);
            write_string(out, &type_class(cql_type), "type class")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<CqlType, WireError> {
        let mut reader = Reader::new(bytes);
        let cql_type = read_type(&mut reader)?;
        reader.finish("type")?;
        Ok(cql_type)
    }

    fn custom(class: &str) -> Vec<u8> {
        let mut bytes = vec![0, 0];
        write_string(&mut bytes, class, "class").unwrap();
        bytes
    }

    #[test]
    fn every_simple_id_is_read_and_skipped_alike() {
        for id in 0..=u16::from(u8::MAX) {
            let bytes = id.to_be_bytes();
            let mut reader = Reader::new(&bytes);
            let skipped = skip_type(&mut reader).is_ok();
            assert_eq!(read(&bytes).is_ok(), skipped, "{id:#06x}");
        }
    }

    #[test]
    fn custom_classes_that_are_known_become_types() {
        let duration = custom("org.apache.cassandra.db.marshal.DurationType");
        assert_eq!(read(&duration), Ok(CqlType::Duration));
        let vector = CqlType::Vector(Box::new(CqlType::Int), 3);
        let mut bytes = Vec::new();
        encode_type(&vector, &mut bytes).unwrap();
        assert_eq!(&bytes[..2], [0, 0], "a custom class");
        assert_eq!(read(&bytes), Ok(vector));
        let error = read(&custom("ListType(")).unwrap_err();
        assert!(matches!(error.kind, WireErrorKind::TypeClass(_)), "{error}");
    }

    #[test]
    fn depth_is_limited_for_reading_and_skipping() {
        let nested = |depth: usize| [[0, 0x20].repeat(depth), vec![0, 9]].concat();
        assert!(read(&nested(MAX_TYPE_DEPTH)).is_ok());
        let too_deep = nested(MAX_TYPE_DEPTH + 1);
        assert_eq!(read(&too_deep).unwrap_err().kind, WireErrorKind::TooDeep);
        let skipped = skip_type(&mut Reader::new(&too_deep));
        assert_eq!(skipped.unwrap_err().kind, WireErrorKind::TooDeep);
        // A class name below the options counts on.
        let below = [
            [0, 0x20].repeat(MAX_TYPE_DEPTH),
            custom("ListType(Int32Type)"),
        ]
        .concat();
        assert!(read(&below).is_err());
    }

    #[test]
    fn unknown_ids_are_named() {
        assert_eq!(
            read(&[0, 0x16]).unwrap_err().kind,
            WireErrorKind::UnknownCode(0x16)
        );
    }
}
