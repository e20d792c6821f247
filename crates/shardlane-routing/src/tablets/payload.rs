//! The `tablets-routing-v1` and `-v2` entries of a response's custom payload, both ways.
//!
//! The value of the first is a CQL value of type `tuple<bigint, bigint, list<tuple<uuid, int>>>`:
//! the range `(first, last]` and the replicas, each a host id and a shard (ScyllaDB,
//! `docs/dev/protocol-extensions.md`, "Sending tablet info to the drivers"; encodings: CQL native
//! protocol v4, section 6). The second has a bigint more, the tablet's version, and names the leader
//! of strongly consistent tables first.

use std::error::Error;
use std::fmt;

use super::{Tablet, TabletError, TabletReplica, TabletVersion};
use crate::{HostId, Token};

/// The key of the entry in the custom payload.
pub const KEY: &str = "tablets-routing-v1";

/// The key of the entry with a version.
pub const KEY_V2: &str = "tablets-routing-v2";

/// Bytes of one replica in the list: its length, and a tuple of a UUID and an int with their
/// lengths.
const REPLICA_BYTES: usize = 4 + TUPLE_BYTES;
const TUPLE_BYTES: usize = (4 + 16) + (4 + 4);

/// Why a payload is not a tablet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PayloadError {
    /// The bytes end within this field.
    Truncated(&'static str),
    /// The field is null or has another length than its type.
    WrongLength {
        /// Which field.
        field: &'static str,
        /// The length it claims.
        length: i32,
    },
    /// The number of replicas is negative or more than the list has bytes for.
    ReplicaCount(i32),
    /// A shard number is negative or above 65535.
    Shard(i32),
    /// The field goes on after its end; by how many bytes.
    TrailingBytes(&'static str, usize),
    /// The range holds no token.
    Range(TabletError),
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tablet in a custom payload: ")?;
        match self {
            Self::Truncated(field) => write!(f, "the bytes end within the {field}"),
            Self::WrongLength { field, length } => {
                write!(f, "the {field} cannot have the length {length}")
            }
            Self::ReplicaCount(count) => {
                write!(f, "there cannot be {count} replicas in these bytes")
            }
            Self::Shard(shard) => write!(f, "there cannot be a shard {shard}"),
            Self::TrailingBytes(field, count) => {
                write!(f, "{count} bytes after the end of the {field}")
            }
            Self::Range(error) => error.fmt(f),
        }
    }
}

impl Error for PayloadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Range(error) => Some(error),
            _ => None,
        }
    }
}

/// Reads a tablet from the bytes of the payload's value.
pub fn parse(value: &[u8]) -> Result<Tablet, PayloadError> {
    let mut rest = value;
    let tablet = parse_tablet(&mut rest)?;
    no_more(rest, "tablet")?;
    Ok(tablet)
}

/// Reads a tablet with a version.
pub fn parse_v2(value: &[u8]) -> Result<Tablet, PayloadError> {
    let mut rest = value;
    let tablet = parse_tablet(&mut rest)?;
    let version = u64::from_be_bytes(fixed(&mut rest, "version")?);
    no_more(rest, "tablet")?;
    Ok(tablet.with_version(Some(TabletVersion(version))))
}

/// Appends the payload value of a tablet to `out`.
pub fn encode(tablet: &Tablet, out: &mut Vec<u8>) {
    let count = tablet.replicas().len();
    out.reserve(2 * (4 + 8) + 4 + 4 + count * REPLICA_BYTES);
    for token in [tablet.first(), tablet.last()] {
        put_bigint(out, token.0.to_be_bytes());
    }
    // A tablet has at most as many replicas as the cluster has nodes; lengths are far from the
    // limits of an int.
    out.extend_from_slice(&((4 + count * REPLICA_BYTES) as i32).to_be_bytes());
    out.extend_from_slice(&(count as i32).to_be_bytes());
    for (host_id, shard) in tablet.replicas() {
        out.extend_from_slice(&(TUPLE_BYTES as i32).to_be_bytes());
        out.extend_from_slice(&16i32.to_be_bytes());
        out.extend_from_slice(host_id.as_bytes());
        out.extend_from_slice(&4i32.to_be_bytes());
        out.extend_from_slice(&i32::from(*shard).to_be_bytes());
    }
}

/// Appends the payload value of a tablet with its version, 0 if it has none.
pub fn encode_v2(tablet: &Tablet, out: &mut Vec<u8>) {
    encode(tablet, out);
    let TabletVersion(version) = tablet.version().unwrap_or(TabletVersion(0));
    put_bigint(out, version.to_be_bytes());
}

fn put_bigint(out: &mut Vec<u8>, bytes: [u8; 8]) {
    out.extend_from_slice(&8i32.to_be_bytes());
    out.extend_from_slice(&bytes);
}

fn parse_tablet(rest: &mut &[u8]) -> Result<Tablet, PayloadError> {
    let first = Token(i64::from_be_bytes(fixed(rest, "first token")?));
    let last = Token(i64::from_be_bytes(fixed(rest, "last token")?));
    let list = sized(rest, "replica list")?;
    let replicas = parse_replicas(list)?;
    Tablet::new(first, last, replicas).map_err(PayloadError::Range)
}

/// Reads a list of replicas, as it is part of the payload and a cell of `system.tablets`.
pub fn parse_replicas(mut list: &[u8]) -> Result<Vec<TabletReplica>, PayloadError> {
    let claimed = i32::from_be_bytes(take(&mut list, "replica count")?);
    let count = usize::try_from(claimed)
        .ok()
        .filter(|&count| count <= list.len() / REPLICA_BYTES)
        .ok_or(PayloadError::ReplicaCount(claimed))?;
    let mut replicas = Vec::with_capacity(count);
    for _ in 0..count {
        let mut replica = sized(&mut list, "replica")?;
        let host_id = HostId(fixed(&mut replica, "host id")?);
        let shard = i32::from_be_bytes(fixed(&mut replica, "shard")?);
        no_more(replica, "replica")?;
        replicas.push((
            host_id,
            u16::try_from(shard).map_err(|_| PayloadError::Shard(shard))?,
        ));
    }
    no_more(list, "replica list")?;
    Ok(replicas)
}

/// The next `N` bytes.
fn take<const N: usize>(rest: &mut &[u8], field: &'static str) -> Result<[u8; N], PayloadError> {
    let (head, after) = rest
        .split_first_chunk()
        .ok_or(PayloadError::Truncated(field))?;
    *rest = after;
    Ok(*head)
}

/// A `[bytes]` whose length must be `N`.
fn fixed<const N: usize>(rest: &mut &[u8], field: &'static str) -> Result<[u8; N], PayloadError> {
    let length = i32::from_be_bytes(take(rest, field)?);
    if usize::try_from(length) != Ok(N) {
        return Err(PayloadError::WrongLength { field, length });
    }
    take(rest, field)
}

/// A `[bytes]` of any length but null.
fn sized<'a>(rest: &mut &'a [u8], field: &'static str) -> Result<&'a [u8], PayloadError> {
    let length = i32::from_be_bytes(take(rest, field)?);
    let wanted =
        usize::try_from(length).map_err(|_| PayloadError::WrongLength { field, length })?;
    let (head, after) = rest
        .split_at_checked(wanted)
        .ok_or(PayloadError::Truncated(field))?;
    *rest = after;
    Ok(head)
}

fn no_more(rest: &[u8], field: &'static str) -> Result<(), PayloadError> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err(PayloadError::TrailingBytes(field, rest.len()))
    }
}
