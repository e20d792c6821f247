//! The order of values: as a byte string that compares as the values do, and as a comparison.

use std::cmp::Ordering;

use shardlane_wire::CqlType;

use super::decimal::decimal_parts;
use super::ids::time_uuid_ticks;
use super::integer::BigInt;
use super::parts::{map_entries, read_values, tuple_values};

/// Compares two values of a type; the bytes are valid.
pub(crate) fn compare(ty: &CqlType, left: &[u8], right: &[u8]) -> Ordering {
    match ty {
        CqlType::Ascii | CqlType::Text | CqlType::Blob => left.cmp(right),
        CqlType::Int
        | CqlType::BigInt
        | CqlType::SmallInt
        | CqlType::TinyInt
        | CqlType::Timestamp
            if left.len() == right.len() && !left.is_empty() =>
        {
            let signed = |bytes: &[u8]| bytes[0] ^ 0x80;
            signed(left)
                .cmp(&signed(right))
                .then_with(|| left[1..].cmp(&right[1..]))
        }
        _ => comparable(ty, left).cmp(&comparable(ty, right)),
    }
}

/// The comparable form of one value.
pub(crate) fn comparable(ty: &CqlType, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 4);
    encode_comparable(ty, bytes, false, &mut out);
    out
}

/// Marks an empty value, which sorts before all others of its type.
const EMPTY: u8 = 0x08;
/// Marks any other value. 0xFF never begins a value, so that it can mean "behind this prefix".
const PRESENT: u8 = 0x10;

/// Appends the comparable form of a value: no value's form is the beginning of another's.
pub(crate) fn encode_comparable(ty: &CqlType, bytes: &[u8], descending: bool, out: &mut Vec<u8>) {
    let start = out.len();
    encode_ascending(ty, bytes, out);
    if descending {
        // the complement reverses the order and keeps forms prefix-free; 0xFF stays free for bounds
        for byte in &mut out[start + 1..] {
            *byte = !*byte;
        }
        out[start] = if out[start] == EMPTY { PRESENT } else { EMPTY };
    }
}

fn encode_ascending(ty: &CqlType, bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_empty() && !matches!(ty, CqlType::Ascii | CqlType::Text | CqlType::Blob) {
        out.push(EMPTY);
        return;
    }
    out.push(PRESENT);
    match ty {
        CqlType::TinyInt
        | CqlType::SmallInt
        | CqlType::Int
        | CqlType::BigInt
        | CqlType::Counter
        | CqlType::Timestamp
        | CqlType::Time => {
            out.push(bytes[0] ^ 0x80);
            out.extend_from_slice(&bytes[1..]);
        }
        // fixed length and unsigned
        CqlType::Boolean | CqlType::Date => out.extend_from_slice(bytes),
        CqlType::Float | CqlType::Double => float(bytes, out),
        CqlType::Uuid => uuid(bytes, out),
        CqlType::TimeUuid => time_uuid(bytes, out),
        CqlType::VarInt => big(&BigInt::from_bytes(bytes), out),
        CqlType::Decimal => decimal(bytes, out),
        CqlType::List(element) | CqlType::Set(element) => {
            for value in read_values(bytes, 1).unwrap_or_default() {
                encode_ascending(element, value, out);
            }
            out.push(0);
        }
        CqlType::Map(entry) => {
            for (key, value) in map_entries(bytes).unwrap_or_default() {
                encode_ascending(&entry.0, key, out);
                encode_ascending(&entry.1, value, out);
            }
            out.push(0);
        }
        CqlType::Tuple(types) => fields(types.iter(), types.len(), bytes, out),
        CqlType::Udt(udt) => fields(
            udt.fields.iter().map(|(_, ty)| ty),
            udt.fields.len(),
            bytes,
            out,
        ),
        _ => escaped(bytes, out),
    }
}

/// Bytes of any length, ended by two zeros; a zero inside is followed by 0xFF.
fn escaped(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

/// IEEE bits in the order of the numbers; NaN is the greatest, and -0 is below 0.
fn float(bytes: &[u8], out: &mut Vec<u8>) {
    let nan = match bytes.len() {
        4 => bytes
            .try_into()
            .is_ok_and(|b| f32::from_be_bytes(b).is_nan()),
        _ => bytes
            .try_into()
            .is_ok_and(|b| f64::from_be_bytes(b).is_nan()),
    };
    if nan {
        out.extend(bytes.iter().map(|_| 0xFF));
    } else if bytes[0] & 0x80 == 0 {
        out.push(bytes[0] ^ 0x80);
        out.extend_from_slice(&bytes[1..]);
    } else {
        out.extend(bytes.iter().map(|b| !b));
    }
}

/// By version; time UUIDs by time; all else by bytes.
fn uuid(bytes: &[u8], out: &mut Vec<u8>) {
    let version = bytes.get(6).map_or(0, |b| b >> 4);
    out.push(version);
    if version == 1 {
        ticks(bytes, out);
    }
    out.extend_from_slice(bytes);
}

/// By time, then by signed bytes, as Cassandra compares them.
fn time_uuid(bytes: &[u8], out: &mut Vec<u8>) {
    ticks(bytes, out);
    out.extend(bytes.iter().map(|b| b ^ 0x80));
}

fn ticks(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&time_uuid_ticks(bytes).unwrap_or_default().to_be_bytes());
}

/// Sign, then the number of digits, then the digits.
fn big(number: &BigInt, out: &mut Vec<u8>) {
    if number.is_zero() {
        out.push(1);
        return;
    }
    out.push(if number.negative { 0 } else { 2 });
    let start = out.len();
    let digits = number.digits();
    out.extend_from_slice(&(digits.len() as u32).to_be_bytes());
    out.extend_from_slice(digits.as_bytes());
    complement_if(number.negative, &mut out[start..]);
}

/// Sign, then the power of ten of the first digit, then the digits without trailing zeros: 1.0 equals 1.00.
fn decimal(bytes: &[u8], out: &mut Vec<u8>) {
    let Some(decimal) = decimal_parts(bytes).filter(|decimal| !decimal.unscaled.is_zero()) else {
        out.push(1);
        return;
    };
    let negative = decimal.unscaled.negative;
    out.push(if negative { 0 } else { 2 });
    let start = out.len();
    let digits = decimal.unscaled.digits();
    let exponent = digits.len() as i64 - i64::from(decimal.scale);
    out.extend_from_slice(&(exponent.cast_unsigned() ^ (1 << 63)).to_be_bytes());
    out.extend_from_slice(digits.trim_end_matches('0').as_bytes());
    out.push(0);
    complement_if(negative, &mut out[start..]);
}

fn complement_if(condition: bool, bytes: &mut [u8]) {
    if condition {
        for byte in bytes {
            *byte = !*byte;
        }
    }
}

fn fields<'a>(
    types: impl Iterator<Item = &'a CqlType>,
    len: usize,
    bytes: &[u8],
    out: &mut Vec<u8>,
) {
    let values = tuple_values(bytes, len).unwrap_or_default();
    for (at, ty) in types.enumerate() {
        match values.get(at).copied().flatten() {
            Some(value) => {
                out.push(2);
                encode_ascending(ty, value, out);
            }
            None => out.push(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decimal::decimal_from_text;
    use super::*;

    proptest! {
        #[test]
        fn ints_compare_as_numbers(a: i32, b: i32) {
            prop_assert_eq!(compare(&CqlType::Int, &a.to_be_bytes(), &b.to_be_bytes()), a.cmp(&b));
            let (x, y) = (comparable(&CqlType::Int, &a.to_be_bytes()), comparable(&CqlType::Int, &b.to_be_bytes()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }

        #[test]
        fn varints_compare_as_numbers(a: i128, b: i128) {
            let bytes = |n: i128| BigInt::parse(&n.to_string()).unwrap().to_bytes();
            prop_assert_eq!(compare(&CqlType::VarInt, &bytes(a), &bytes(b)), a.cmp(&b));
        }

        #[test]
        fn doubles_compare_as_numbers(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a != b && !a.is_nan() && !b.is_nan());
            let order = compare(&CqlType::Double, &a.to_be_bytes(), &b.to_be_bytes());
            prop_assert_eq!(Some(order), a.partial_cmp(&b));
        }

        #[test]
        fn decimals_compare_as_numbers(a in -10_000i64..10_000, b in -10_000i64..10_000, s in 0i32..4, t in 0i32..4) {
            let bytes = |n: i64, s: i32| decimal_from_text(&format!("{n}E-{s}")).unwrap().to_bytes();
            let exact = (a * 10i64.pow(t as u32)).cmp(&(b * 10i64.pow(s as u32)));
            prop_assert_eq!(compare(&CqlType::Decimal, &bytes(a, s), &bytes(b, t)), exact);
        }

        #[test]
        fn composites_sort_by_component_and_descending_reverses(
            a: Vec<u8>, b: i16, c: Vec<u8>, d: i16, descending: bool,
        ) {
            let key = |x: &[u8], y: i16| {
                let mut out = Vec::new();
                encode_comparable(&CqlType::Blob, x, descending, &mut out);
                encode_comparable(&CqlType::SmallInt, &y.to_be_bytes(), false, &mut out);
                out
            };
            let first = if descending { c.cmp(&a) } else { a.cmp(&c) };
            prop_assert_eq!(key(&a, b).cmp(&key(&c, d)), first.then(b.cmp(&d)));
        }
    }
}
