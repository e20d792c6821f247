//! Values as text, for CAST, JSON map keys and messages; and text as values, for literals and JSON.

use std::net::IpAddr;

use shardlane_wire::CqlType;

use super::decimal::{decimal_parts, decimal_text};
use super::ids::uuid_text;
use super::integer::{BigInt, int_from_bytes};
use super::vint::{push_vint, read_vint};
use super::{format_date, format_time, format_timestamp};
use crate::cql::Duration;

/// The text of a scalar value; `None` for collections and the like, or malformed bytes.
pub(crate) fn to_text(ty: &CqlType, bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return Some(String::new());
    }
    Some(match ty {
        CqlType::Ascii | CqlType::Text => std::str::from_utf8(bytes).ok()?.to_owned(),
        CqlType::Blob => hex(bytes),
        CqlType::Boolean => (bytes[0] != 0).to_string(),
        CqlType::TinyInt
        | CqlType::SmallInt
        | CqlType::Int
        | CqlType::BigInt
        | CqlType::Counter => int_from_bytes(bytes)?.to_string(),
        CqlType::VarInt => BigInt::from_bytes(bytes).to_string(),
        CqlType::Decimal => decimal_text(&decimal_parts(bytes)?),
        CqlType::Float => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        CqlType::Double => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        CqlType::Uuid | CqlType::TimeUuid => uuid_text(bytes.try_into().ok()?),
        CqlType::Inet => inet_to_text(bytes)?,
        CqlType::Date => format_date(u32::from_be_bytes(bytes.try_into().ok()?)),
        CqlType::Time => format_time(int_from_bytes(bytes)?),
        CqlType::Timestamp => format_timestamp(int_from_bytes(bytes)?, "T", "Z"),
        CqlType::Duration => duration_from_bytes(bytes)?.to_string(),
        _ => return None,
    })
}

/// `0x` and hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(2 + bytes.len() * 2);
    out.push_str("0x");
    for byte in bytes {
        let written = write!(out, "{byte:02x}");
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    }
    out
}

fn inet_to_text(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        _ => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
    }
}

/// An address as `inet` bytes.
pub(crate) fn inet_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Reads an address.
pub(crate) fn inet_from_text(text: &str) -> Option<Vec<u8>> {
    text.parse().ok().map(inet_bytes)
}

/// A duration's bytes: three zigzag vints (native protocol v5, section 6.5).
pub(crate) fn duration_bytes(duration: Duration) -> Vec<u8> {
    let mut out = Vec::with_capacity(8);
    for part in [
        i64::from(duration.months),
        i64::from(duration.days),
        duration.nanoseconds,
    ] {
        push_vint((part << 1 ^ part >> 63).cast_unsigned(), &mut out);
    }
    out
}

/// Reads a duration's bytes.
pub(crate) fn duration_from_bytes(mut bytes: &[u8]) -> Option<Duration> {
    let mut next = || {
        let value = read_vint(&mut bytes)?;
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    };
    let (months, days, nanoseconds) = (next()?, next()?, next()?);
    let duration = Duration {
        months: months.try_into().ok()?,
        days: days.try_into().ok()?,
        nanoseconds,
    };
    bytes.is_empty().then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_bytes_as_a_server_sent_them() {
        let bytes = duration_bytes(Duration::parse("1y2mo3w4d5h6m7s8ms9us10ns").unwrap());
        assert_eq!(hex(&bytes), "0x1c32fc2168cdf9d664");
        assert_eq!(
            hex(&duration_bytes(Duration::parse("89h9m9s").unwrap())),
            "0x0000fe0247cd8645a400"
        );
        for text in [
            "1y2mo",
            "-1mo",
            "0s",
            "-3d4ns",
            "9223372036854775807ns",
            "-9223372036854775807ns",
        ] {
            let duration = Duration::parse_signed(text).unwrap();
            assert_eq!(
                duration_from_bytes(&duration_bytes(duration)),
                Some(duration)
            );
        }
        assert_eq!(duration_from_bytes(&[0xFF, 0]), None);
    }
}
