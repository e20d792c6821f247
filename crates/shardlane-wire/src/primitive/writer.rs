//! Writing the notations of section 3 to the end of a buffer.

use std::net::{IpAddr, SocketAddr};

use crate::wire_error::EncodeError;

/// The greatest length that an \[int\] can say.
const MAX_INT_LEN: usize = i32::MAX as usize;

#[inline]
pub(crate) fn short_len(len: usize, writing: &'static str) -> Result<u16, EncodeError> {
    u16::try_from(len).map_err(|_| EncodeError::TooLong {
        writing,
        len,
        max: u16::MAX.into(),
    })
}

#[inline]
pub(crate) fn int_len(len: usize, writing: &'static str) -> Result<i32, EncodeError> {
    i32::try_from(len).map_err(|_| EncodeError::TooLong {
        writing,
        len,
        max: MAX_INT_LEN,
    })
}

/// A \[byte\].
#[inline]
pub fn write_byte(out: &mut Vec<u8>, value: u8) {
    out.push(value);
}

/// A \[short\].
#[inline]
pub fn write_short(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// An \[int\].
#[inline]
pub fn write_int(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// A \[long\].
#[inline]
pub fn write_long(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// A \[consistency\], given its code.
#[inline]
pub fn write_consistency(out: &mut Vec<u8>, level: impl Into<crate::Consistency>) {
    write_short(out, level.into().code());
}

/// A \[string\].
pub fn write_string(
    out: &mut Vec<u8>,
    value: &str,
    writing: &'static str,
) -> Result<(), EncodeError> {
    write_short_bytes(out, value.as_bytes(), writing)
}

/// A \[long string\].
pub fn write_long_string(
    out: &mut Vec<u8>,
    value: &str,
    writing: &'static str,
) -> Result<(), EncodeError> {
    write_bytes(out, value.as_bytes(), writing)
}

/// A \[uuid\].
pub fn write_uuid(out: &mut Vec<u8>, value: &[u8; 16]) {
    out.extend_from_slice(value);
}

/// A \[bytes\] that is not null.
#[inline]
pub fn write_bytes(
    out: &mut Vec<u8>,
    value: &[u8],
    writing: &'static str,
) -> Result<(), EncodeError> {
    write_int(out, int_len(value.len(), writing)?);
    out.extend_from_slice(value);
    Ok(())
}

/// A \[bytes\]; `None` is null. Also writes a \[value\] that is set.
#[inline]
pub fn write_bytes_opt(
    out: &mut Vec<u8>,
    value: Option<&[u8]>,
    writing: &'static str,
) -> Result<(), EncodeError> {
    match value {
        Some(value) => write_bytes(out, value, writing),
        None => {
            write_int(out, -1);
            Ok(())
        }
    }
}

/// A \[value\] that is not set (v4 and later).
#[inline]
pub fn write_unset(out: &mut Vec<u8>) {
    write_int(out, -2);
}

/// A \[short bytes\].
#[inline]
pub fn write_short_bytes(
    out: &mut Vec<u8>,
    value: &[u8],
    writing: &'static str,
) -> Result<(), EncodeError> {
    write_short(out, short_len(value.len(), writing)?);
    out.extend_from_slice(value);
    Ok(())
}

/// An \[inetaddr\].
pub fn write_inetaddr(out: &mut Vec<u8>, value: IpAddr) {
    match value {
        IpAddr::V4(v4) => {
            out.push(4);
            out.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.push(16);
            out.extend_from_slice(&v6.octets());
        }
    }
}

/// An \[inet\].
pub fn write_inet(out: &mut Vec<u8>, value: SocketAddr) {
    write_inetaddr(out, value.ip());
    write_int(out, value.port().into());
}

/// A \[string list\].
pub fn write_string_list<S: AsRef<str>>(
    out: &mut Vec<u8>,
    list: &[S],
    writing: &'static str,
) -> Result<(), EncodeError> {
    write_short(out, short_len(list.len(), writing)?);
    list.iter()
        .try_for_each(|item| write_string(out, item.as_ref(), writing))
}

/// A \[string map\].
pub fn write_string_map<K: AsRef<str>, V: AsRef<str>>(
    out: &mut Vec<u8>,
    map: &[(K, V)],
    writing: &'static str,
) -> Result<(), EncodeError> {
    write_short(out, short_len(map.len(), writing)?);
    map.iter().try_for_each(|(key, value)| {
        write_string(out, key.as_ref(), writing)?;
        write_string(out, value.as_ref(), writing)
    })
}

/// A \[string multimap\].
pub fn write_string_multimap<K: AsRef<str>, V: AsRef<str>>(
    out: &mut Vec<u8>,
    map: &[(K, Vec<V>)],
    writing: &'static str,
) -> Result<(), EncodeError> {
    write_short(out, short_len(map.len(), writing)?);
    map.iter().try_for_each(|(key, values)| {
        write_string(out, key.as_ref(), writing)?;
        write_string_list(out, values, writing)
    })
}

/// A \[bytes map\].
pub fn write_bytes_map(
    out: &mut Vec<u8>,
    map: &[(&str, Option<&[u8]>)],
    writing: &'static str,
) -> Result<(), EncodeError> {
    write_short(out, short_len(map.len(), writing)?);
    map.iter().try_for_each(|(key, value)| {
        write_string(out, key, writing)?;
        write_bytes_opt(out, *value, writing)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::Reader;

    #[test]
    fn what_was_written_is_read_back() {
        let mut out = Vec::new();
        let inet: SocketAddr = "[2001:db8::1]:19042".parse().unwrap();
        write_byte(&mut out, 7);
        write_short(&mut out, 0xFFFE);
        write_int(&mut out, -5);
        write_long(&mut out, i64::MIN);
        write_string(&mut out, "snow ☃", "s").unwrap();
        write_long_string(&mut out, "long", "s").unwrap();
        write_uuid(&mut out, &[9; 16]);
        write_string_list(&mut out, &["a", ""], "s").unwrap();
        write_bytes_opt(&mut out, None, "s").unwrap();
        write_bytes_opt(&mut out, Some(&[1, 2]), "s").unwrap();
        write_inet(&mut out, inet);
        write_string_map(&mut out, &[("k", "v")], "s").unwrap();
        write_string_multimap(&mut out, &[("k", vec!["v", "w"])], "s").unwrap();
        write_bytes_map(&mut out, &[("k", None), ("l", Some(&[3]))], "s").unwrap();

        let mut r = Reader::new(&out);
        assert_eq!(r.byte("").unwrap(), 7);
        assert_eq!(r.short("").unwrap(), 0xFFFE);
        assert_eq!(r.int("").unwrap(), -5);
        assert_eq!(r.long("").unwrap(), i64::MIN);
        assert_eq!(r.string("").unwrap(), "snow ☃");
        assert_eq!(r.long_string("").unwrap(), "long");
        assert_eq!(r.uuid("").unwrap(), [9; 16]);
        assert_eq!(r.string_list("").unwrap(), ["a", ""]);
        assert_eq!(r.bytes("").unwrap(), None);
        assert_eq!(r.bytes("").unwrap(), Some(&[1, 2][..]));
        assert_eq!(r.inet("").unwrap(), inet);
        assert_eq!(r.string_map("").unwrap(), [("k", "v")]);
        assert_eq!(r.string_multimap("").unwrap(), [("k", vec!["v", "w"])]);
        assert_eq!(
            r.bytes_map("").unwrap(),
            [("k", None), ("l", Some(&[3][..]))]
        );
        r.finish("").unwrap();
    }

    #[test]
    fn too_long_is_an_error_not_a_wrong_length() {
        let long = "x".repeat(65536);
        let mut out = Vec::new();
        assert_eq!(
            write_string(&mut out, &long, "name"),
            Err(EncodeError::TooLong {
                writing: "name",
                len: 65536,
                max: 65535
            })
        );
        assert!(out.is_empty());
    }
}
