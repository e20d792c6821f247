//! Types as CQL spells them, without `frozen`, which metadata does not carry.

use std::fmt;

use super::{CqlType, UdtType};

impl fmt::Display for CqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Set(element) => write!(f, "set<{element}>"),
            Self::Map(entry) => write!(f, "map<{}, {}>", entry.0, entry.1),
            Self::Vector(element, dimensions) => write!(f, "vector<{element}, {dimensions}>"),
            Self::Udt(udt) => write!(f, "{udt}"),
            Self::Tuple(elements) => {
                f.write_str("tuple<")?;
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{element}")?;
                }
                f.write_str(">")
            }
            Self::Custom(class) => write!(f, "'{}'", class.replace('\'', "''")),
            simple => f.write_str(simple.simple_name().unwrap_or("unknown")),
        }
    }
}

impl CqlType {
    /// The CQL name of a type without parameters; `None` for the others.
    pub const fn simple_name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Ascii => "ascii",
            Self::BigInt => "bigint",
            Self::Blob => "blob",
            Self::Boolean => "boolean",
            Self::Counter => "counter",
            Self::Decimal => "decimal",
            Self::Double => "double",
            Self::Float => "float",
            Self::Int => "int",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::Text => "text",
            Self::VarInt => "varint",
            Self::TimeUuid => "timeuuid",
            Self::Inet => "inet",
            Self::Date => "date",
            Self::Time => "time",
            Self::SmallInt => "smallint",
            Self::TinyInt => "tinyint",
            Self::Duration => "duration",
            Self::List(_)
            | Self::Map(_)
            | Self::Set(_)
            | Self::Udt(_)
            | Self::Tuple(_)
            | Self::Vector(..)
            | Self::Custom(_) => return None,
        })
    }

    /// The type without parameters that CQL calls by this name; `varchar` is `text`.
    pub fn from_simple_name(name: &str) -> Option<Self> {
        Some(match name {
            "ascii" => Self::Ascii,
            "bigint" => Self::BigInt,
            "blob" => Self::Blob,
            "boolean" => Self::Boolean,
            "counter" => Self::Counter,
            "decimal" => Self::Decimal,
            "double" => Self::Double,
            "float" => Self::Float,
            "int" => Self::Int,
            "timestamp" => Self::Timestamp,
            "uuid" => Self::Uuid,
            "text" | "varchar" => Self::Text,
            "varint" => Self::VarInt,
            "timeuuid" => Self::TimeUuid,
            "inet" => Self::Inet,
            "date" => Self::Date,
            "time" => Self::Time,
            "smallint" => Self::SmallInt,
            "tinyint" => Self::TinyInt,
            "duration" => Self::Duration,
            _ => return None,
        })
    }
}

/// The name alone, quoted if CQL needs quotes to keep its case.
impl fmt::Display for UdtType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.name.chars();
        let plain = chars.next().is_some_and(|c| c.is_ascii_lowercase())
            && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if plain {
            f.write_str(&self.name)
        } else {
            write!(f, "\"{}\"", self.name.replace('"', "\"\""))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn nested_types_read_as_cql() {
        let map = CqlType::Map(Box::new((CqlType::Text, CqlType::Int)));
        let tuple = CqlType::Tuple(vec![
            CqlType::List(Box::new(map)),
            CqlType::Vector(Box::new(CqlType::Float), 3),
        ]);
        assert_eq!(
            tuple.to_string(),
            "tuple<list<map<text, int>>, vector<float, 3>>"
        );
        assert_eq!(
            CqlType::Set(Box::new(CqlType::Custom("a.B".into()))).to_string(),
            "set<'a.B'>"
        );
    }

    #[test]
    fn simple_names_are_read_back() {
        for name in [
            "ascii", "text", "duration", "tinyint", "timeuuid", "counter",
        ] {
            assert_eq!(CqlType::from_simple_name(name).unwrap().to_string(), name);
        }
        assert_eq!(CqlType::from_simple_name("varchar"), Some(CqlType::Text));
        assert_eq!(CqlType::from_simple_name("list"), None);
    }

    #[test]
    fn names_of_user_types_are_quoted_if_needed() {
        let named = |name: &str| {
            let udt = UdtType {
                keyspace: "k".into(),
                name: name.into(),
                fields: vec![],
            };
            CqlType::Udt(Arc::new(udt)).to_string()
        };
        assert_eq!(named("address_2"), "address_2");
        assert_eq!(named("Address"), "\"Address\"");
        assert_eq!(named("a\"b"), "\"a\"\"b\"");
    }
}
