//! Putting envelopes into segments.

use super::MAX_PAYLOAD_LEN;
use super::checksum::crc32;
use super::header::{Format, SegmentHeader};
use crate::compression::COMPRESS_FROM_BYTES;
use crate::frame::HEADER_LEN;

/// Collects envelopes into segments: many small ones share a segment, and a long one gets several.
///
/// Nothing waits to be collected: call [`Self::seal`] before the bytes are handed to a socket.
#[derive(Debug)]
pub struct SegmentWriter {
    format: Format,
    /// Whole envelopes of the segment that has not been sealed yet.
    pending: Vec<u8>,
    packed: Vec<u8>,
}

impl SegmentWriter {
    /// A writer for a connection that has agreed on LZ4, or on no compression.
    pub const fn new(compressed: bool) -> Self {
        Self {
            format: if compressed {
                Format::Lz4
            } else {
                Format::Plain
            },
            pending: Vec::new(),
            packed: Vec::new(),
        }
    }

    /// Whether there is anything that [`Self::seal`] would append.
    pub const fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes an envelope, given as header and body. Segments that are full are appended to `out`.
    pub fn push(&mut self, header: &[u8; HEADER_LEN], body: &[u8], out: &mut Vec<u8>) {
        if self.pending.len() + HEADER_LEN + body.len() > MAX_PAYLOAD_LEN {
            self.seal(out);
        }
        if HEADER_LEN + body.len() <= MAX_PAYLOAD_LEN {
            self.pending.extend_from_slice(header);
            self.pending.extend_from_slice(body);
            return;
        }
        let (first, rest) = body.split_at(MAX_PAYLOAD_LEN - HEADER_LEN);
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(header);
        pending.extend_from_slice(first);
        self.write(&pending, false, out);
        pending.clear();
        self.pending = pending;
        for part in rest.chunks(MAX_PAYLOAD_LEN) {
            self.write(part, false, out);
        }
    }

    /// Appends what has been collected as a segment of its own.
    pub fn seal(&mut self, out: &mut Vec<u8>) {
        if self.pending.is_empty() {
            return;
        }
        let mut pending = std::mem::take(&mut self.pending);
        self.write(&pending, true, out);
        pending.clear();
        self.pending = pending;
    }

    fn write(&mut self, payload: &[u8], is_self_contained: bool, out: &mut Vec<u8>) {
        let is_packed = self.pack(payload);
        let (sent, unpacked_len) = if is_packed {
            (&self.packed[..], payload.len())
        } else {
            (payload, 0)
        };
        let header = SegmentHeader {
            payload_len: sent.len(),
            unpacked_len,
            is_self_contained,
        };
        header.write(self.format, out);
        out.extend_from_slice(sent);
        out.extend_from_slice(&crc32(sent).to_le_bytes());
    }

    /// Compresses into `packed`; false if that is not agreed on, or not worth it.
    fn pack(&mut self, payload: &[u8]) -> bool {
        if self.format == Format::Plain || payload.len() < COMPRESS_FROM_BYTES {
            return false;
        }
        let bound = lz4_flex::block::get_maximum_output_size(payload.len());
        self.packed.resize(bound, 0);
        match lz4_flex::block::compress_into(payload, &mut self.packed) {
            Ok(len) if len < payload.len() => {
                self.packed.truncate(len);
                true
            }
            _ => false,
        }
    }
}
