//! Python values to CQL bytes.
//!
//! A [`CqlType`] is compiled once into an [`Encoder`], a tree of enum variants; a prepared
//! statement into a [`RowEncoder`]. Encoding then writes straight into the request's buffer:
//! there is no value tree in between, and no dispatch on type names.
//!
//! What is accepted is the exact Python counterpart first and then what Python users pass for
//! it; each file lists its own. What could silently become another value is refused with a hint:
//! a bool in a number, a float in an integer or decimal, a null inside a collection.

mod collection;
mod converted;
mod decimal;
mod network;
mod number;
mod order;
mod row;
mod structured;
mod temporal;
mod text;
mod vector;

use pyo3::intern;
use pyo3::prelude::*;
use shardlane_wire::{ColumnSpec, CqlType};

pub(crate) use self::decimal::exact_context;
pub(crate) use self::row::{EncodedRow, Extent, RowEncoder};
pub(crate) use self::vector::fixed_size;
use crate::values::classes;
use crate::values::errors::{EncodeError, EncodeResult};
use crate::values::sentinel::{is_empty, is_unset};
use crate::values::user_types::{Codec, Compiling};

/// Length of a null value: v4 specification, section 3, `[value]`.
const NULL: i32 = -1;
/// Length of a value that is not set.
const UNSET: i32 = -2;

/// How to encode one CQL type.
#[derive(Debug)]
pub(crate) enum Encoder {
    Ascii,
    BigInt,
    Blob,
    Boolean,
    Counter,
    Date,
    Decimal,
    Double,
    Duration,
    Float,
    Inet,
    Int,
    SmallInt,
    Text,
    Time,
    Timestamp,
    TimeUuid,
    TinyInt,
    Uuid,
    VarInt,
    List(collection::ElementsEncoder),
    Set(collection::ElementsEncoder),
    Map(collection::MapEncoder),
    Tuple(structured::TupleEncoder),
    Udt(structured::UdtEncoder),
    Vector(vector::VectorEncoder),
    /// A custom class that is not known here: bytes as they are.
    Opaque(Box<str>),
    /// A type for which the user has registered a conversion.
    Converted(Box<converted::ConvertedEncoder>),
}

impl Encoder {
    /// Compiles the encoder of a type.
    pub(crate) fn compile(cx: Compiling<'_>, cql_type: &CqlType) -> Self {
        let plain = Self::compile_plain(cx, cql_type);
        match cx.types.codec(cql_type) {
            Some(codec) => plain.converted(cx.py, codec),
            None => plain,
        }
    }

    /// Compiles the encoder of a bound variable.
    fn compile_variable(cx: Compiling<'_>, spec: &ColumnSpec) -> Self {
        match cx.types.column(spec) {
            Some(codec) => Self::compile_plain(cx, &spec.cql_type).converted(cx.py, codec),
            None => Self::compile(cx, &spec.cql_type),
        }
    }

    fn converted(self, py: Python<'_>, codec: &Codec) -> Self {
        match &codec.encode {
            Some(function) => {
                let converted = converted::ConvertedEncoder::new(function.clone_ref(py), self);
                Self::Converted(Box::new(converted))
            }
            None => self,
        }
    }

    fn compile_plain(cx: Compiling<'_>, cql_type: &CqlType) -> Self {
        match cql_type {
            CqlType::Ascii => Self::Ascii,
            CqlType::BigInt => Self::BigInt,
            CqlType::Blob => Self::Blob,
            CqlType::Boolean => Self::Boolean,
            CqlType::Counter => Self::Counter,
            CqlType::Decimal => Self::Decimal,
            CqlType::Double => Self::Double,
            CqlType::Float => Self::Float,
            CqlType::Int => Self::Int,
            CqlType::Timestamp => Self::Timestamp,
            CqlType::Uuid => Self::Uuid,
            CqlType::Text => Self::Text,
            CqlType::VarInt => Self::VarInt,
            CqlType::TimeUuid => Self::TimeUuid,
            CqlType::Inet => Self::Inet,
            CqlType::Date => Self::Date,
            CqlType::Time => Self::Time,
            CqlType::SmallInt => Self::SmallInt,
            CqlType::TinyInt => Self::TinyInt,
            CqlType::Duration => Self::Duration,
            CqlType::List(element) => {
                Self::List(collection::ElementsEncoder::list(cx, cql_type, element))
            }
            CqlType::Set(element) => {
                Self::Set(collection::ElementsEncoder::set(cx, cql_type, element))
            }
            CqlType::Map(pair) => Self::Map(collection::MapEncoder::compile(cx, cql_type, pair)),
            CqlType::Tuple(elements) => {
                Self::Tuple(structured::TupleEncoder::compile(cx, cql_type, elements))
            }
            CqlType::Udt(udt) => Self::Udt(structured::UdtEncoder::compile(cx, udt)),
            CqlType::Vector(element, dimensions) => Self::Vector(vector::VectorEncoder::compile(
                cx,
                cql_type,
                element,
                *dimensions,
            )),
            // Custom classes, and types that the wire learned after this was written.
            other => Self::Opaque(other.to_string().into()),
        }
    }

    /// Appends the bytes of `value`, without a length. `None` and `UNSET` are the caller's.
    #[inline]
    pub(crate) fn encode(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        let start = out.len();
        match self.encode_plain(value, out) {
            Ok(()) => Ok(()),
            Err(error) => {
                out.truncate(start);
                self.encode_stand_in(value, out, error)
            }
        }
    }

    /// Appends the bytes of what `value` stands for: `EMPTY` for none at all, a member of an enumeration for its
    /// value. Looked at only when nothing else fits, so that ordinary values do not pay for it.
    #[cold]
    fn encode_stand_in(
        &self,
        value: &Bound<'_, PyAny>,
        out: &mut Vec<u8>,
        error: EncodeError,
    ) -> EncodeResult {
        if is_empty(value) {
            return if self.has_empty() {
                Ok(())
            } else {
                let reason = "the type has no empty value";
                Err(EncodeError::bad(value, self.type_name(), reason, None))
            };
        }
        if matches!(error, EncodeError::Python(_))
            || !value.is_instance(classes::enumeration(value.py())?)?
        {
            return Err(error);
        }
        // Not `encode`: a member whose value is a member must not lead round in circles.
        self.encode_plain(&value.getattr(intern!(value.py(), "value"))?, out)
    }

    /// Whether no bytes at all are a value of the type, other than null.
    fn has_empty(&self) -> bool {
        match self {
            Self::Ascii
            | Self::BigInt
            | Self::Blob
            | Self::Boolean
            | Self::Decimal
            | Self::Double
            | Self::Float
            | Self::Inet
            | Self::Int
            | Self::Opaque(_)
            | Self::Text
            | Self::Timestamp
            | Self::TimeUuid
            | Self::Uuid
            | Self::VarInt => true,
            Self::Converted(converted) => converted.inner().has_empty(),
            _ => false,
        }
    }

    fn encode_plain(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        match self {
            Self::Ascii => text::encode_ascii(value, out),
            Self::Text => text::encode_text(value, out),
            Self::Blob => text::encode_blob(value, "blob", out),
            Self::Boolean => number::encode_boolean(value, out),
            Self::TinyInt => number::encode_tinyint(value, out),
            Self::SmallInt => number::encode_smallint(value, out),
            Self::Int => number::encode_int(value, out),
            Self::BigInt => number::encode_bigint(value, "bigint", out),
            Self::Counter => number::encode_bigint(value, "counter", out),
            Self::Float => number::encode_float(value, out),
            Self::Double => number::encode_double(value, out),
            Self::VarInt => decimal::encode_varint(value, out),
            Self::Decimal => decimal::encode_decimal(value, out),
            Self::Uuid => network::encode_uuid(value, out),
            Self::TimeUuid => network::encode_timeuuid(value, out),
            Self::Inet => network::encode_inet(value, out),
            Self::Timestamp => temporal::encode_timestamp(value, out),
            Self::Date => temporal::encode_date(value, out),
            Self::Time => temporal::encode_time(value, out),
            Self::Duration => temporal::encode_duration(value, out),
            Self::List(list) => list.encode(value, out),
            Self::Set(set) => set.encode(value, out),
            Self::Map(map) => map.encode(value, out),
            Self::Tuple(tuple) => tuple.encode(value, out),
            Self::Udt(udt) => udt.encode(value, out),
            Self::Vector(vector) => vector.encode(value, out),
            Self::Opaque(class) => text::encode_blob(value, class, out),
            Self::Converted(converted) => converted.encode(value, out),
        }
    }

    /// Appends `[bytes]`: a length and the value, or the null length for `None`.
    fn encode_nullable(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        if value.is_none() {
            out.extend_from_slice(&NULL.to_be_bytes());
            return Ok(());
        }
        self.encode_sized(value, out)
    }

    /// Appends a length and the value, which is not `None`.
    fn encode_sized(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        self.encode(value, out)?;
        let length = i32::try_from(out.len() - start - 4).map_err(|_| {
            EncodeError::bad(
                value,
                self.type_name(),
                "a value is at most 2**31 - 1 bytes",
                None,
            )
        })?;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// Appends a length and the value, where null has no place: inside a collection.
    fn encode_element(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
        if value.is_none() || is_unset(value) {
            return Err(self.missing_element(value));
        }
        self.encode_sized(value, out)
    }

    #[cold]
    fn missing_element(&self, value: &Bound<'_, PyAny>) -> EncodeError {
        let hint = "leave the element out, or bind None for the whole collection";
        EncodeError::bad(
            value,
            self.type_name(),
            "a collection cannot hold null",
            Some(hint),
        )
    }

    /// The CQL name of the type.
    pub(crate) fn type_name(&self) -> &str {
        match self {
            Self::Ascii => "ascii",
            Self::BigInt => "bigint",
            Self::Blob => "blob",
            Self::Boolean => "boolean",
            Self::Counter => "counter",
            Self::Date => "date",
            Self::Decimal => "decimal",
            Self::Double => "double",
            Self::Duration => "duration",
            Self::Float => "float",
            Self::Inet => "inet",
            Self::Int => "int",
            Self::SmallInt => "smallint",
            Self::Text => "text",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimeUuid => "timeuuid",
            Self::TinyInt => "tinyint",
            Self::Uuid => "uuid",
            Self::VarInt => "varint",
            Self::List(elements) | Self::Set(elements) => elements.type_name(),
            Self::Map(map) => map.type_name(),
            Self::Tuple(tuple) => tuple.type_name(),
            Self::Udt(udt) => udt.type_name(),
            Self::Vector(vector) => vector.type_name(),
            Self::Opaque(class) => class,
            Self::Converted(converted) => converted.inner().type_name(),
        }
    }
}
