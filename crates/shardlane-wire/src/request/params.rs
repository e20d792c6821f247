//! The parameters of QUERY and EXECUTE (section 4.1.4, `<query_parameters>`).

use super::BoundValues;
use crate::consistency::{Consistency, SerialConsistency};
use crate::dialect::Dialect;
use crate::primitive::{
    Reader, write_bytes, write_consistency, write_int, write_long, write_short, write_string,
};
use crate::wire_error::{EncodeError, WireError, WireErrorKind};

/// Bits of `<flags>`: a \[byte\] up to v4, an \[int\] in v5.
pub(super) mod flag {
    pub(in crate::request) const VALUES: u32 = 0x01;
    pub(in crate::request) const SKIP_METADATA: u32 = 0x02;
    pub(in crate::request) const PAGE_SIZE: u32 = 0x04;
    pub(in crate::request) const PAGING_STATE: u32 = 0x08;
    pub(in crate::request) const SERIAL_CONSISTENCY: u32 = 0x10;
    pub(in crate::request) const TIMESTAMP: u32 = 0x20;
    pub(in crate::request) const NAMES: u32 = 0x40;
    pub(in crate::request) const KEYSPACE: u32 = 0x80;
    pub(in crate::request) const NOW_IN_SECONDS: u32 = 0x100;

    pub(in crate::request) const KNOWN_V4: u32 = 0x7F;
    pub(in crate::request) const KNOWN_V5: u32 = 0x1FF;
}

/// The parameters of a statement. `..QueryParams::new(consistency)` leaves out what is not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryParams<'a> {
    /// The consistency of the request.
    pub consistency: Consistency,
    /// Bound values.
    pub values: BoundValues<'a>,
    /// Asks the server to leave out the result metadata, which the client holds already.
    pub skip_metadata: bool,
    /// Rows per page.
    pub page_size: Option<i32>,
    /// Where to go on, from the page before.
    pub paging_state: Option<&'a [u8]>,
    /// The consistency of the Paxos phase of a conditional update.
    pub serial_consistency: Option<SerialConsistency>,
    /// The default timestamp of writes, microseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The keyspace for unqualified names (v5).
    pub keyspace: Option<&'a str>,
    /// The "now" of TTLs, seconds since the epoch, for tests (v5).
    pub now_in_seconds: Option<i32>,
}

impl<'a> QueryParams<'a> {
    /// Parameters with nothing but a consistency.
    pub const fn new(consistency: Consistency) -> Self {
        Self {
            consistency,
            values: BoundValues::NONE,
            skip_metadata: false,
            page_size: None,
            paging_state: None,
            serial_consistency: None,
            timestamp: None,
            keyspace: None,
            now_in_seconds: None,
        }
    }

    fn flags(&self) -> u32 {
        let bit = |set: bool, flag: u32| if set { flag } else { 0 };
        bit(!self.values.is_empty(), flag::VALUES)
            | bit(self.skip_metadata, flag::SKIP_METADATA)
            | bit(self.page_size.is_some(), flag::PAGE_SIZE)
            | bit(self.paging_state.is_some(), flag::PAGING_STATE)
            | bit(self.serial_consistency.is_some(), flag::SERIAL_CONSISTENCY)
            | bit(self.timestamp.is_some(), flag::TIMESTAMP)
            | bit(!self.values.is_empty() && self.values.named, flag::NAMES)
            | bit(self.keyspace.is_some(), flag::KEYSPACE)
            | bit(self.now_in_seconds.is_some(), flag::NOW_IN_SECONDS)
    }

    /// Appends the parameters.
    pub fn encode(
        &self,
        dialect: impl Into<Dialect>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        write_consistency(out, self.consistency);
        write_flags(dialect.into(), self.flags(), out)?;
        if !self.values.is_empty() {
            write_short(out, self.values.count);
            out.extend_from_slice(self.values.bytes);
        }
        if let Some(page_size) = self.page_size {
            write_int(out, page_size);
        }
        if let Some(paging_state) = self.paging_state {
            write_bytes(out, paging_state, "paging state")?;
        }
        write_tail(
            self.serial_consistency,
            self.timestamp,
            self.keyspace,
            self.now_in_seconds,
            out,
        )
    }

    /// Reads parameters from the middle of a body.
    pub(super) fn read(dialect: Dialect, reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let consistency = reader.consistency("consistency")?;
        let flags = read_flags(dialect, flag::KNOWN_V4, flag::KNOWN_V5, reader)?;
        let has = |bit: u32| flags & bit != 0;
        let mut params = Self::new(consistency);
        params.skip_metadata = has(flag::SKIP_METADATA);
        if has(flag::VALUES) {
            let count = reader.short("count of bound values")?;
            // A name needs a value: without any, the flag says nothing.
            let named = has(flag::NAMES) && count > 0;
            params.values = BoundValues::read(reader, count, named)?;
        }
        if has(flag::PAGE_SIZE) {
            params.page_size = Some(reader.int("page size")?);
        }
        if has(flag::PAGING_STATE) {
            params.paging_state = reader.bytes("paging state")?;
        }
        let tail = Tail::read(flags, reader)?;
        params.serial_consistency = tail.serial_consistency;
        params.timestamp = tail.timestamp;
        params.keyspace = tail.keyspace;
        params.now_in_seconds = tail.now_in_seconds;
        Ok(params)
    }
}

/// The optional fields that BATCH shares with QUERY, in the order of the wire.
#[derive(Debug, Default)]
pub(super) struct Tail<'a> {
    pub(super) serial_consistency: Option<SerialConsistency>,
    pub(super) timestamp: Option<i64>,
    pub(super) keyspace: Option<&'a str>,
    pub(super) now_in_seconds: Option<i32>,
}

impl<'a> Tail<'a> {
    pub(super) fn read(flags: u32, reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let has = |bit: u32| flags & bit != 0;
        let mut tail = Self::default();
        if has(flag::SERIAL_CONSISTENCY) {
            tail.serial_consistency = Some(reader.serial_consistency("serial consistency")?);
        }
        if has(flag::TIMESTAMP) {
            tail.timestamp = Some(reader.long("default timestamp")?);
        }
        if has(flag::KEYSPACE) {
            tail.keyspace = Some(reader.string("keyspace")?);
        }
        if has(flag::NOW_IN_SECONDS) {
            tail.now_in_seconds = Some(reader.int("now in seconds")?);
        }
        Ok(tail)
    }
}

pub(super) fn write_tail(
    serial_consistency: Option<SerialConsistency>,
    timestamp: Option<i64>,
    keyspace: Option<&str>,
    now_in_seconds: Option<i32>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if let Some(level) = serial_consistency {
        write_consistency(out, level);
    }
    if let Some(timestamp) = timestamp {
        write_long(out, timestamp);
    }
    if let Some(keyspace) = keyspace {
        write_string(out, keyspace, "keyspace")?;
    }
    if let Some(now) = now_in_seconds {
        write_int(out, now);
    }
    Ok(())
}

/// Writes flags as a byte or, in v5, an int. Flags of a later version are an error.
pub(super) fn write_flags(
    dialect: Dialect,
    flags: u32,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if dialect.has_wide_flags() {
        write_int(out, flags as i32);
    } else if flags & flag::KEYSPACE != 0 {
        return Err(EncodeError::NotInThisVersion {
            writing: "keyspace of a request",
        });
    } else if flags & flag::NOW_IN_SECONDS != 0 {
        return Err(EncodeError::NotInThisVersion {
            writing: "now in seconds",
        });
    } else {
        out.push(flags as u8);
    }
    Ok(())
}

/// Reads flags and refuses unknown ones, which could announce fields of unknown length.
pub(super) fn read_flags(
    dialect: Dialect,
    known_v4: u32,
    known_v5: u32,
    reader: &mut Reader<'_>,
) -> Result<u32, WireError> {
    let at = reader.clone();
    let (flags, known) = if dialect.has_wide_flags() {
        (reader.int("flags")? as u32, known_v5)
    } else {
        (u32::from(reader.byte("flags")?), known_v4)
    };
    if flags & !known != 0 {
        return Err(at.error("flags", WireErrorKind::UnknownFlags(flags & !known)));
    }
    Ok(flags)
}
