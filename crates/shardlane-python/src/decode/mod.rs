//! CQL bytes to Python values.
//!
//! A [`CqlType`] is compiled once into a [`Decoder`], a tree of enum variants; result metadata
//! into a [`RowDecoder`]. Decoding then builds Python objects straight from the response bytes.
//!
//! | CQL | Python |
//! |---|---|
//! | ascii, text | `str` |
//! | tinyint, smallint, int, bigint, varint, counter | `int` |
//! | float, double | `float` |
//! | decimal | `decimal.Decimal`, exact |
//! | boolean, blob | `bool`, `bytes` |
//! | timestamp | `datetime.datetime`, aware, in UTC; outside the years 1 to 9999 `Timestamp`, an `int` of milliseconds |
//! | date | `datetime.date`; outside the years 1 to 9999 `Date`, an `int` of days |
//! | time | `Time`, a `datetime.time` that also has nanoseconds |
//! | duration | `Duration` |
//! | uuid, timeuuid | `uuid.UUID` |
//! | inet | `ipaddress.IPv4Address` or `IPv6Address` |
//! | list, set, map, tuple | `list`, `set`, `dict`, `tuple` |
//! | UDT | a named tuple class of the type's fields, a dict, or what the user has registered |
//! | vector | `list` |
//! | unknown custom class | `bytes` |
//!
//! Null is `None`, and so is the empty value (zero bytes) of a type that has no empty value of its
//! own, unless the user wants to see it as `EMPTY`. In a set or as a map's key, a list or vector becomes a `tuple`, a set a `frozenset` and a
//! map a `tuple` of pairs, all the way down, because only hashable objects may stand there.

mod collection;
mod decimal;
mod network;
mod row;
mod scalar;
mod structured;
mod temporal;
mod vector;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use shardlane_wire::{ColumnSpec, CqlType};

pub(crate) use self::row::{Cursor, RowDecoder};
use crate::values::errors::{DecodeError, DecodeResult};
use crate::values::sentinel::empty;
use crate::values::user_types::{Codec, Compiling};

/// How to decode one CQL type.
pub(crate) enum Decoder {
    /// `ascii` and `text`: ASCII is UTF-8.
    Text,
    Blob,
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    /// `bigint` and `counter`.
    BigInt,
    Float,
    Double,
    VarInt,
    Decimal,
    /// `uuid` and `timeuuid`.
    Uuid,
    Inet,
    Timestamp,
    Date,
    Time,
    Duration,
    List(collection::ListDecoder),
    Set(collection::SetDecoder),
    Map(collection::MapDecoder),
    Tuple(structured::TupleDecoder),
    Udt(structured::UdtDecoder),
    Vector(vector::VectorDecoder),
    /// As the inner one, but no bytes at all are `EMPTY`.
    KeepsEmpty(Box<Self>),
    /// What a function of the user's makes of the inner one's value.
    Converted(Box<(Py<PyAny>, Self)>),
}

/// What the place of a value asks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing: a column, or inside something that need not be hashable.
    Anywhere,
    /// Inside a set or a map's key: it must be hashable.
    Hashed,
}

impl Decoder {
    /// Compiles the decoder of a type.
    pub(crate) fn compile(cx: Compiling<'_>, cql_type: &CqlType) -> Self {
        Self::compile_at(cx, cql_type, Place::Anywhere)
    }

    fn compile_at(cx: Compiling<'_>, cql_type: &CqlType, place: Place) -> Self {
        let plain = Self::compile_plain(cx, cql_type, place);
        match cx.types.codec(cql_type) {
            Some(codec) => plain.converted(cx.py, codec),
            None => plain,
        }
    }

    /// Compiles the decoder of a result column.
    fn compile_column(cx: Compiling<'_>, spec: &ColumnSpec) -> Self {
        match cx.types.column(spec) {
            Some(codec) => {
                let plain = Self::compile_plain(cx, &spec.cql_type, Place::Anywhere);
                plain.converted(cx.py, codec)
            }
            None => Self::compile(cx, &spec.cql_type),
        }
    }

    fn converted(self, py: Python<'_>, codec: &Codec) -> Self {
        match &codec.decode {
            Some(function) => Self::Converted(Box::new((function.clone_ref(py), self))),
            None => self,
        }
    }

    fn compile_plain(cx: Compiling<'_>, cql_type: &CqlType, place: Place) -> Self {
        let plain = Self::compile_usual(cx, cql_type, place);
        if cx.types.keeps_empty && plain.has_empty() {
            Self::KeepsEmpty(Box::new(plain))
        } else {
            plain
        }
    }

    /// Whether no bytes at all are a value of the type that is neither null nor one of its ordinary values.
    fn has_empty(&self) -> bool {
        matches!(
            self,
            Self::BigInt
                | Self::Boolean
                | Self::Decimal
                | Self::Double
                | Self::Float
                | Self::Inet
                | Self::Int
                | Self::Timestamp
                | Self::Uuid
                | Self::VarInt
        )
    }

    fn compile_usual(cx: Compiling<'_>, cql_type: &CqlType, place: Place) -> Self {
        match cql_type {
            CqlType::Ascii | CqlType::Text => Self::Text,
            CqlType::Blob => Self::Blob,
            CqlType::Boolean => Self::Boolean,
            CqlType::TinyInt => Self::TinyInt,
            CqlType::SmallInt => Self::SmallInt,
            CqlType::Int => Self::Int,
            CqlType::BigInt | CqlType::Counter => Self::BigInt,
            CqlType::Float => Self::Float,
            CqlType::Double => Self::Double,
            CqlType::VarInt => Self::VarInt,
            CqlType::Decimal => Self::Decimal,
            CqlType::Uuid | CqlType::TimeUuid => Self::Uuid,
            CqlType::Inet => Self::Inet,
            CqlType::Timestamp => Self::Timestamp,
            CqlType::Date => Self::Date,
            CqlType::Time => Self::Time,
            CqlType::Duration => Self::Duration,
            CqlType::List(element) => {
                Self::List(collection::ListDecoder::compile(cx, element, place))
            }
            CqlType::Set(element) => Self::Set(collection::SetDecoder::compile(cx, element, place)),
            CqlType::Map(pair) => Self::Map(collection::MapDecoder::compile(cx, pair, place)),
            CqlType::Tuple(elements) => {
                Self::Tuple(structured::TupleDecoder::compile(cx, elements, place))
            }
            CqlType::Udt(udt) => Self::Udt(structured::UdtDecoder::compile(cx, udt, place)),
            CqlType::Vector(element, dimensions) => Self::Vector(vector::VectorDecoder::compile(
                cx,
                element,
                *dimensions,
                place,
            )),
            // Custom classes, and types that the wire learned after this was written.
            _ => Self::Blob,
        }
    }

    /// The Python value of `bytes`, which are not null.
    #[inline(always)]
    pub(crate) fn decode<'py>(
        &self,
        py: Python<'py>,
        bytes: &[u8],
    ) -> DecodeResult<Bound<'py, PyAny>> {
        match self {
            Self::Text => scalar::decode_text(py, bytes),
            Self::Int => scalar::decode_int(py, bytes),
            Self::BigInt => scalar::decode_bigint(py, bytes),
            Self::Double => scalar::decode_double(py, bytes),
            _ => self.decode_other(py, bytes),
        }
    }

    /// As [`Self::decode`], out of the way of the loops that have the most frequent types inside.
    #[inline(never)]
    fn decode_other<'py>(&self, py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
        match self {
            Self::Text | Self::Int | Self::BigInt | Self::Double => self.decode(py, bytes),
            Self::Blob => Ok(PyBytes::new(py, bytes).into_any()),
            Self::SmallInt => scalar::decode_smallint(py, bytes),
            Self::TinyInt => scalar::decode_tinyint(py, bytes),
            Self::Boolean => scalar::decode_boolean(py, bytes),
            Self::Float => scalar::decode_float(py, bytes),
            // Zero bytes are the first field of nothing, but a tuple all the same.
            Self::Tuple(tuple) => tuple.decode(py, bytes),
            Self::Udt(udt) => udt.decode(py, bytes),
            Self::Converted(converted) => decode_converted(py, converted, bytes),
            Self::KeepsEmpty(_) if bytes.is_empty() => Ok(empty(py)?.bind(py).clone().into_any()),
            _ if bytes.is_empty() => Ok(py.None().into_bound(py)),
            Self::VarInt => decimal::decode_varint(py, bytes),
            Self::Decimal => decimal::decode_decimal(py, bytes),
            Self::Uuid => network::decode_uuid(py, bytes),
            Self::Inet => network::decode_inet(py, bytes),
            Self::Timestamp => temporal::decode_timestamp(py, bytes),
            Self::Date => temporal::decode_date(py, bytes),
            Self::Time => temporal::decode_time(py, bytes),
            Self::Duration => temporal::decode_duration(py, bytes),
            Self::List(list) => list.decode(py, bytes),
            Self::Set(set) => set.decode(py, bytes),
            Self::Map(map) => map.decode(py, bytes),
            Self::Vector(vector) => vector.decode(py, bytes),
            Self::KeepsEmpty(inner) => inner.decode(py, bytes),
        }
    }

    /// As [`Self::decode`], with null as `None`.
    #[inline(always)]
    fn decode_nullable<'py>(
        &self,
        py: Python<'py>,
        cell: Option<&[u8]>,
    ) -> DecodeResult<Bound<'py, PyAny>> {
        match cell {
            Some(bytes) => self.decode(py, bytes),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// Whether the values can never be part of a reference cycle, so that the garbage collector
    /// need not look inside what holds them.
    pub(crate) fn is_atomic(&self) -> bool {
        !matches!(
            self,
            Self::List(_)
                | Self::Set(_)
                | Self::Map(_)
                | Self::Tuple(_)
                | Self::Udt(_)
                | Self::Vector(_)
                | Self::Converted(_)
        )
    }
}

/// The empty value that counts as null is not shown to the function, nor is null.
fn decode_converted<'py>(
    py: Python<'py>,
    (convert, inner): &(Py<PyAny>, Decoder),
    bytes: &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    let value = inner.decode(py, bytes)?;
    if value.is_none() {
        return Ok(value);
    }
    Ok(convert.bind(py).call1((value,))?)
}

/// Takes `[int]` off the front.
#[inline]
fn read_int(input: &mut &[u8], what: &str) -> DecodeResult<i32> {
    let Some((head, rest)) = input.split_first_chunk::<4>() else {
        return Err(ends_inside(what));
    };
    *input = rest;
    Ok(i32::from_be_bytes(*head))
}

/// Takes `[bytes]` off the front: a length and as many bytes, or `None` if the length is negative.
#[inline]
fn read_bytes<'a>(input: &mut &'a [u8]) -> DecodeResult<Option<&'a [u8]>> {
    let length = read_int(input, "the length of a value")?;
    let Ok(length) = usize::try_from(length) else {
        return Ok(None);
    };
    let Some((bytes, rest)) = input.split_at_checked(length) else {
        return Err(too_long(length, input.len()));
    };
    *input = rest;
    Ok(Some(bytes))
}

#[cold]
fn ends_inside(what: &str) -> Box<DecodeError> {
    DecodeError::malformed(format!("the bytes end inside {what}"))
}

#[cold]
fn too_long(length: usize, left: usize) -> Box<DecodeError> {
    DecodeError::malformed(format!(
        "a value claims {length} bytes, but only {left} are left"
    ))
}

/// Fails if anything is left.
#[inline]
fn expect_end(input: &[u8]) -> DecodeResult<()> {
    if input.is_empty() {
        return Ok(());
    }
    Err(DecodeError::malformed(format!(
        "{} bytes too many",
        input.len()
    )))
}

/// The bytes as an array of the size of a fixed type.
#[inline]
fn exactly<const N: usize>(bytes: &[u8]) -> DecodeResult<[u8; N]> {
    <[u8; N]>::try_from(bytes).map_err(|_| DecodeError::length(N, bytes.len()))
}

/// What `make` makes of the bytes of a type of fixed size; of none at all, which are null, `None`.
#[inline]
fn fixed<'py, const N: usize>(
    py: Python<'py>,
    bytes: &[u8],
    make: impl FnOnce([u8; N]) -> Bound<'py, PyAny>,
) -> DecodeResult<Bound<'py, PyAny>> {
    match <[u8; N]>::try_from(bytes) {
        Ok(bytes) => Ok(make(bytes)),
        Err(_) if bytes.is_empty() => Ok(py.None().into_bound(py)),
        Err(_) => Err(DecodeError::length(N, bytes.len())),
    }
}
