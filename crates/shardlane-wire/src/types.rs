//! CQL data types as the protocol describes them (the `[option]` of result and bind metadata,
//! CQL native protocol v4, section 4.2.5.2).

mod class;
mod display;
mod option;

pub use class::{TypeClassError, parse_type_class, type_class};
pub use option::{encode_type, read_type, skip_type};

use std::sync::Arc;

/// How deeply types may be nested. Real schemas stay below ten; the limit guards the stack.
pub const MAX_TYPE_DEPTH: usize = 32;

/// The data type of a column, a bind variable or a nested value.
///
/// "Frozen" is no part of a type on the wire: metadata does not carry it, and neither does this.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CqlType {
    /// `ascii`, option 0x0001.
    Ascii,
    /// `bigint`, option 0x0002.
    BigInt,
    /// `blob`, option 0x0003.
    Blob,
    /// `boolean`, option 0x0004.
    Boolean,
    /// `counter`, option 0x0005.
    Counter,
    /// `decimal`, option 0x0006.
    Decimal,
    /// `double`, option 0x0007.
    Double,
    /// `float`, option 0x0008.
    Float,
    /// `int`, option 0x0009.
    Int,
    /// `timestamp`, option 0x000B: milliseconds since the epoch.
    Timestamp,
    /// `uuid`, option 0x000C.
    Uuid,
    /// `text` (`varchar`), option 0x000D.
    Text,
    /// `varint`, option 0x000E.
    VarInt,
    /// `timeuuid`, option 0x000F.
    TimeUuid,
    /// `inet`, option 0x0010.
    Inet,
    /// `date`, option 0x0011: days, with the epoch at 2^31.
    Date,
    /// `time`, option 0x0012: nanoseconds since midnight.
    Time,
    /// `smallint`, option 0x0013.
    SmallInt,
    /// `tinyint`, option 0x0014.
    TinyInt,
    /// `duration`, option 0x0015 in v5; v4 servers send it as a custom class.
    Duration,
    /// `list<T>`, option 0x0020.
    List(Box<Self>),
    /// `map<K, V>`, option 0x0021.
    Map(Box<(Self, Self)>),
    /// `set<T>`, option 0x0022.
    Set(Box<Self>),
    /// A user-defined type, option 0x0030.
    Udt(Arc<UdtType>),
    /// `tuple<...>`, option 0x0031.
    Tuple(Vec<Self>),
    /// `vector<T, n>`: sent as a custom class by v4 servers.
    Vector(Box<Self>, u16),
    /// Any other custom class, option 0x0000: its Java class name as sent.
    Custom(Box<str>),
}

/// A user-defined type: its name and its fields in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UdtType {
    /// The keyspace that the type belongs to.
    pub keyspace: Box<str>,
    /// The name of the type.
    pub name: Box<str>,
    /// Field names and types, in declaration order.
    pub fields: Vec<(Box<str>, CqlType)>,
}
