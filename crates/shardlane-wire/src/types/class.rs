//! Java class names of types, as servers send them for custom types and in old schema tables:
//! `org.apache.cassandra.db.marshal.MapType(...UTF8Type,...Int32Type)`.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::{CqlType, MAX_TYPE_DEPTH, UdtType};

/// The package that a class name without a package belongs to.
const PACKAGE: &str = "org.apache.cassandra.db.marshal.";

/// Why a class name could not be read: where, and what was missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeClassError {
    /// Offset in the class name, in bytes.
    pub offset: usize,
    /// What was wrong there.
    pub reason: TypeClassReason,
}

/// What is wrong with a class name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TypeClassReason {
    /// This character was expected.
    Expected(char),
    /// A name was expected.
    ExpectedName,
    /// Names of user-defined types and their fields are hexadecimal UTF-8.
    Hex,
    /// The dimension of a vector must be in 1..=65535.
    Dimension,
    /// Nested deeper than [`MAX_TYPE_DEPTH`].
    TooDeep,
    /// Text after the end of the type.
    Trailing,
}

impl fmt::Display for TypeClassError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "type class, character {}: ", self.offset)?;
        match self.reason {
            TypeClassReason::Expected(c) => write!(f, "{c:?} expected"),
            TypeClassReason::ExpectedName => f.write_str("a name expected"),
            TypeClassReason::Hex => f.write_str("hexadecimal UTF-8 expected"),
            TypeClassReason::Dimension => f.write_str("a dimension in 1..=65535 expected"),
            TypeClassReason::TooDeep => f.write_str("nested too deeply"),
            TypeClassReason::Trailing => f.write_str("text after the end"),
        }
    }
}

impl std::error::Error for TypeClassError {}

/// Reads the class name of a type. `FrozenType` and `ReversedType` are left out of the result; a
/// class that is not known becomes [`CqlType::Custom`], with its parameters.
pub fn parse_type_class(class: &str) -> Result<CqlType, TypeClassError> {
    parse_type_class_within(class, MAX_TYPE_DEPTH)
}

pub(super) fn parse_type_class_within(
    class: &str,
    depth: usize,
) -> Result<CqlType, TypeClassError> {
    let mut parser = Parser {
        text: class,
        pos: 0,
    };
    let parsed = parser.read_type(depth)?;
    parser.skip_spaces();
    if parser.pos < class.len() {
        return Err(parser.error(TypeClassReason::Trailing));
    }
    Ok(parsed)
}

/// The type without parameters that has this class.
fn simple_type(name: &str) -> Option<CqlType> {
    Some(match name {
        "AsciiType" => CqlType::Ascii,
        "LongType" => CqlType::BigInt,
        "BytesType" => CqlType::Blob,
        "BooleanType" => CqlType::Boolean,
        "CounterColumnType" => CqlType::Counter,
        "DecimalType" => CqlType::Decimal,
        "DoubleType" => CqlType::Double,
        "FloatType" => CqlType::Float,
        "Int32Type" => CqlType::Int,
        // Timestamps were of this class before Cassandra 2.
        "TimestampType" | "DateType" => CqlType::Timestamp,
        "UUIDType" => CqlType::Uuid,
        "UTF8Type" => CqlType::Text,
        "IntegerType" => CqlType::VarInt,
        "TimeUUIDType" => CqlType::TimeUuid,
        "InetAddressType" => CqlType::Inet,
        "SimpleDateType" => CqlType::Date,
        "TimeType" => CqlType::Time,
        "ShortType" => CqlType::SmallInt,
        "ByteType" => CqlType::TinyInt,
        "DurationType" => CqlType::Duration,
        _ => return None,
    })
}

struct Parser<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Parser<'a> {
    const fn error(&self, reason: TypeClassReason) -> TypeClassError {
        TypeClassError {
            offset: self.pos,
            reason,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.pos += 1;
        }
    }

    /// Takes `wanted` if it comes next, after spaces.
    fn accept(&mut self, wanted: u8) -> bool {
        self.skip_spaces();
        let found = self.peek() == Some(wanted);
        if found {
            self.pos += 1;
        }
        found
    }

    fn expect(&mut self, wanted: u8) -> Result<(), TypeClassError> {
        if self.accept(wanted) {
            Ok(())
        } else {
            Err(self.error(TypeClassReason::Expected(wanted.into())))
        }
    }

    /// Everything up to the next separator. All separators are ASCII, so this is a char boundary.
    fn word(&mut self) -> Result<&'a str, TypeClassError> {
        self.skip_spaces();
        let rest = &self.text[self.pos..];
        let end = rest
            .find(['(', ')', ',', ':', ' ', '='])
            .unwrap_or(rest.len());
        if end == 0 {
            return Err(self.error(TypeClassReason::ExpectedName));
        }
        self.pos += end;
        Ok(&rest[..end])
    }

    fn read_type(&mut self, depth: usize) -> Result<CqlType, TypeClassError> {
        self.skip_spaces();
        let start = self.pos;
        let word = self.word()?;
        let name = word.strip_prefix(PACKAGE).unwrap_or(word);
        if let Some(simple) = simple_type(name) {
            return Ok(simple);
        }
        let Some(depth) = depth.checked_sub(1) else {
            return Err(TypeClassError {
                offset: start,
                reason: TypeClassReason::TooDeep,
            });
        };
        match name {
            "FrozenType" | "ReversedType" => self.one_parameter(depth),
            "ListType" => Ok(CqlType::List(Box::new(self.one_parameter(depth)?))),
            "SetType" => Ok(CqlType::Set(Box::new(self.one_parameter(depth)?))),
            "MapType" => {
                self.expect(b'(')?;
                let key = self.read_type(depth)?;
                self.expect(b',')?;
                let value = self.read_type(depth)?;
                self.expect(b')')?;
                Ok(CqlType::Map(Box::new((key, value))))
            }
            "TupleType" => {
                self.expect(b'(')?;
                let mut elements = vec![self.read_type(depth)?];
                while self.accept(b',') {
                    elements.push(self.read_type(depth)?);
                }
                self.expect(b')')?;
                Ok(CqlType::Tuple(elements))
            }
            "VectorType" => self.vector(depth),
            "UserType" => self.user_type(depth),
            _ => self.custom(start),
        }
    }

    fn one_parameter(&mut self, depth: usize) -> Result<CqlType, TypeClassError> {
        self.expect(b'(')?;
        let parameter = self.read_type(depth)?;
        self.expect(b')')?;
        Ok(parameter)
    }

    fn vector(&mut self, depth: usize) -> Result<CqlType, TypeClassError> {
        self.expect(b'(')?;
        let element = self.read_type(depth)?;
        self.expect(b',')?;
        self.skip_spaces();
        let at = self.pos;
        let dimension = self.word()?.parse().ok().filter(|n| *n > 0);
        let dimension = dimension.ok_or(TypeClassError {
            offset: at,
            reason: TypeClassReason::Dimension,
        })?;
        self.expect(b')')?;
        Ok(CqlType::Vector(Box::new(element), dimension))
    }

    fn user_type(&mut self, depth: usize) -> Result<CqlType, TypeClassError> {
        self.expect(b'(')?;
        let keyspace = self.word()?.into();
        self.expect(b',')?;
        let name = self.hex_word()?;
        let mut fields = Vec::new();
        while self.accept(b',') {
            let field = self.hex_word()?;
            self.expect(b':')?;
            fields.push((field, self.read_type(depth)?));
        }
        self.expect(b')')?;
        Ok(CqlType::Udt(Arc::new(UdtType {
            keyspace,
            name,
            fields,
        })))
    }

    fn hex_word(&mut self) -> Result<Box<str>, TypeClassError> {
        self.skip_spaces();
        let error = self.error(TypeClassReason::Hex);
        let word = self.word()?.as_bytes();
        let (pairs, odd) = word.as_chunks::<2>();
        let digit = |c: u8| char::from(c).to_digit(16).map(|d| d as u8);
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
            .collect();
        let text = bytes
            .filter(|_| odd.is_empty())
            .and_then(|b| String::from_utf8(b).ok());
        text.map(String::into_boxed_str).ok_or(error)
    }

    /// A class that is not known, with its parameters as they are.
    fn custom(&mut self, start: usize) -> Result<CqlType, TypeClassError> {
        self.skip_spaces();
        if self.peek() == Some(b'(') {
            let mut open = 0usize;
            loop {
                match self.peek() {
                    Some(b'(') => open += 1,
                    Some(b')') => open -= 1,
                    Some(_) => {}
                    None => return Err(self.error(TypeClassReason::Expected(')'))),
                }
                self.pos += 1;
                if open == 0 {
                    break;
                }
            }
        }
        Ok(CqlType::Custom(
            self.text[start..self.pos].trim_end_matches(' ').into(),
        ))
    }
}

/// The class name of a type, as servers write it.
pub fn type_class(cql_type: &CqlType) -> String {
    let mut out = String::new();
    write_class(cql_type, &mut out);
    out
}

fn write_class(cql_type: &CqlType, out: &mut String) {
    if let CqlType::Custom(class) = cql_type {
        out.push_str(class);
        return;
    }
    out.push_str(PACKAGE);
    match cql_type {
        CqlType::Ascii => out.push_str("AsciiType"),
        CqlType::BigInt => out.push_str("LongType"),
        CqlType::Blob => out.push_str("BytesType"),
        CqlType::Boolean => out.push_str("BooleanType"),
        CqlType::Counter => out.push_str("CounterColumnType"),
        CqlType::Decimal => out.push_str("DecimalType"),
        CqlType::Double => out.push_str("DoubleType"),
        CqlType::Float => out.push_str("FloatType"),
        CqlType::Int => out.push_str("Int32Type"),
        CqlType::Timestamp => out.push_str("TimestampType"),
        CqlType::Uuid => out.push_str("UUIDType"),
        CqlType::Text => out.push_str("UTF8Type"),
        CqlType::VarInt => out.push_str("IntegerType"),
        CqlType::TimeUuid => out.push_str("TimeUUIDType"),
        CqlType::Inet => out.push_str("InetAddressType"),
        CqlType::Date => out.push_str("SimpleDateType"),
        CqlType::Time => out.push_str("TimeType"),
        CqlType::SmallInt => out.push_str("ShortType"),
        CqlType::TinyInt => out.push_str("ByteType"),
        CqlType::Duration => out.push_str("DurationType"),
        CqlType::List(element) => write_parameters("ListType", [&**element], out),
        CqlType::Set(element) => write_parameters("SetType", [&**element], out),
        CqlType::Map(entry) => write_parameters("MapType", [&entry.0, &entry.1], out),
        CqlType::Tuple(elements) => write_parameters("TupleType", elements, out),
        CqlType::Vector(element, dimension) => {
            out.push_str("VectorType(");
            write_class(element, out);
            // Writing to a string cannot fail.
            let _ = write!(out, ", {dimension})");
        }
        CqlType::Udt(udt) => {
            out.push_str("UserType(");
            out.push_str(&udt.keyspace);
            out.push(',');
            write_hex(&udt.name, out);
            for (name, field) in &udt.fields {
                out.push(',');
                write_hex(name, out);
                out.push(':');
                write_class(field, out);
            }
            out.push(')');
        }
        CqlType::Custom(_) => {}
    }
}

fn write_parameters<'a>(
    name: &str,
    parameters: impl IntoIterator<Item = &'a CqlType>,
    out: &mut String,
) {
    out.push_str(name);
    for (index, parameter) in parameters.into_iter().enumerate() {
        out.push(if index == 0 { '(' } else { ',' });
        write_class(parameter, out);
    }
    out.push(')');
}

fn write_hex(text: &str, out: &mut String) {
    for byte in text.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(class: &str) -> String {
        parse_type_class(class).expect(class).to_string()
    }

    #[test]
    fn known_classes_become_types() {
        assert_eq!(
            named("org.apache.cassandra.db.marshal.DurationType"),
            "duration"
        );
        assert_eq!(named("UTF8Type"), "text");
        assert_eq!(
            named(
                "org.apache.cassandra.db.marshal.ReversedType(\
                 org.apache.cassandra.db.marshal.TimestampType)"
            ),
            "timestamp"
        );
        assert_eq!(
            named("MapType(UTF8Type,FrozenType(SetType(Int32Type)))"),
            "map<text, set<int>>"
        );
        assert_eq!(
            named("TupleType(ListType(LongType), ByteType)"),
            "tuple<list<bigint>, tinyint>"
        );
        assert_eq!(named("VectorType(FloatType , 1536)"), "vector<float, 1536>");
    }

    #[test]
    fn user_types_have_hexadecimal_names() {
        let class =
            "FrozenType(UserType(ks,61646472657373,7a6970:Int32Type,74616773:SetType(UTF8Type)))";
        let CqlType::Udt(udt) = parse_type_class(class).unwrap() else {
            panic!("{class}")
        };
        assert_eq!((&*udt.keyspace, &*udt.name), ("ks", "address"));
        assert_eq!(&*udt.fields[0].0, "zip");
        assert_eq!(udt.fields[1].1, CqlType::Set(Box::new(CqlType::Text)));
    }

    #[test]
    fn unknown_classes_are_kept_with_their_parameters() {
        let class = "org.apache.cassandra.db.marshal.CompositeType(UTF8Type,Foo(a:B,c=>D))";
        assert_eq!(parse_type_class(class), Ok(CqlType::Custom(class.into())));
        let nested = "ListType(com.example.Mine(x))";
        let list = CqlType::List(Box::new(CqlType::Custom("com.example.Mine(x)".into())));
        assert_eq!(parse_type_class(nested), Ok(list));
    }

    #[test]
    fn errors_tell_where() {
        let refused = |class: &str| {
            let TypeClassError { offset, reason } = parse_type_class(class).unwrap_err();
            (offset, reason)
        };
        assert_eq!(refused(""), (0, TypeClassReason::ExpectedName));
        assert_eq!(refused("ListType"), (8, TypeClassReason::Expected('(')));
        assert_eq!(
            refused("MapType(Int32Type)"),
            (17, TypeClassReason::Expected(','))
        );
        assert_eq!(
            refused("TupleType(Int32Type"),
            (19, TypeClassReason::Expected(')'))
        );
        assert_eq!(refused("Int32Type)"), (9, TypeClassReason::Trailing));
        assert_eq!(
            refused("VectorType(Int32Type, 0)"),
            (22, TypeClassReason::Dimension)
        );
        assert_eq!(
            refused("VectorType(Int32Type, 65536)"),
            (22, TypeClassReason::Dimension)
        );
        assert_eq!(refused("UserType(ks,6)"), (12, TypeClassReason::Hex));
        assert_eq!(refused("UserType(ks,ff)"), (12, TypeClassReason::Hex));
        assert_eq!(refused("Foo((x)"), (7, TypeClassReason::Expected(')')));
        assert_eq!(refused("ListType(é"), (11, TypeClassReason::Expected(')')));
    }

    #[test]
    fn depth_is_limited_not_the_stack() {
        let nested = |depth: usize| {
            format!(
                "{}Int32Type{}",
                "ListType(".repeat(depth),
                ")".repeat(depth)
            )
        };
        assert!(parse_type_class(&nested(MAX_TYPE_DEPTH)).is_ok());
        let error = parse_type_class(&nested(MAX_TYPE_DEPTH + 1)).unwrap_err();
        assert_eq!(error.reason, TypeClassReason::TooDeep);
        assert!(parse_type_class(&nested(100_000)).is_err());
    }
}
