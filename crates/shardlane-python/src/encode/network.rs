//! UUIDs and internet addresses.
//!
//! `uuid` and `timeuuid` take `uuid.UUID` and the `str` forms that it reads; a `timeuuid` must be
//! of version 1. `inet` takes `ipaddress` objects and `str`; an address with a scope is refused,
//! because the protocol has no room for it.

use std::net::IpAddr;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::values::classes;
use crate::values::errors::{EncodeError, EncodeResult};

pub(super) fn encode_uuid(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    out.extend_from_slice(&uuid_number(value, "uuid")?.to_be_bytes());
    Ok(())
}

pub(super) fn encode_timeuuid(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let number = uuid_number(value, "timeuuid")?;
    if (number >> 76) & 0xF != 1 {
        let hint = "uuid.uuid1() makes one; random ids (uuid4) belong in a uuid column";
        return Err(EncodeError::bad(
            value,
            "timeuuid",
            "expected a version 1 UUID",
            Some(hint),
        ));
    }
    out.extend_from_slice(&number.to_be_bytes());
    Ok(())
}

fn uuid_number(value: &Bound<'_, PyAny>, cql_type: &str) -> EncodeResult<u128> {
    const REASON: &str = "expected a uuid.UUID or its str form";
    let py = value.py();
    let class = classes::uuid(py)?;
    if value.is_instance(class)? {
        return Ok(value.getattr(intern!(py, "int"))?.extract()?);
    }
    if let Ok(text) = value.cast::<PyString>() {
        if let Some(number) = canonical_uuid(text.to_str().unwrap_or_default()) {
            return Ok(number);
        }
        // Braces, "urn:uuid:" and hyphens elsewhere: rare, and Python's rules are the ones meant.
        let parsed = class
            .call1((text,))
            .map_err(|cause| EncodeError::refused(cause, value, cql_type, REASON, None))?;
        return Ok(parsed.getattr(intern!(py, "int"))?.extract()?);
    }
    Err(EncodeError::bad(value, cql_type, REASON, None))
}

/// Reads 8-4-4-4-12 hexadecimal digits.
fn canonical_uuid(text: &str) -> Option<u128> {
    if text.len() != 36 {
        return None;
    }
    let mut number = 0;
    for (index, byte) in text.bytes().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        number = (number << 4) | u128::from((byte as char).to_digit(16)?);
    }
    Some(number)
}

pub(super) fn encode_inet(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    const REASON: &str = "expected an IPv4 or IPv6 address, as an ipaddress object or a str";
    let py = value.py();
    if let Ok(text) = value.cast::<PyString>() {
        match text.to_str().unwrap_or_default().parse() {
            Ok(IpAddr::V4(address)) => out.extend_from_slice(&address.octets()),
            Ok(IpAddr::V6(address)) => out.extend_from_slice(&address.octets()),
            Err(_) => {
                let hint = "host names, scopes (%eth0) and networks (/24) are no addresses";
                return Err(EncodeError::bad(value, "inet", REASON, Some(hint)));
            }
        }
        return Ok(());
    }
    let is_ipv6 = value.is_instance(classes::ipv6(py)?)?;
    if !is_ipv6 && !value.is_instance(classes::ipv4(py)?)? {
        return Err(EncodeError::bad(value, "inet", REASON, None));
    }
    if is_ipv6 && !value.getattr(intern!(py, "scope_id"))?.is_none() {
        let reason = "an inet cannot hold an address's scope";
        return Err(EncodeError::bad(value, "inet", reason, None));
    }
    let packed = value.getattr(intern!(py, "packed"))?;
    out.extend_from_slice(packed.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes());
    Ok(())
}
