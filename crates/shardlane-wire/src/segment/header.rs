//! Segment headers: lengths and the self-contained bit, little-endian, with their checksum.

use super::checksum::crc24;
use super::{MAX_PAYLOAD_LEN, SegmentError};

/// Length of the payload's checksum, which follows it.
pub(super) const TRAILER_LEN: usize = 4;

const CHECKSUM_LEN: usize = 3;
const LENGTH_BITS: u32 = 17;

/// Which of the two formats a connection uses: that is agreed on in STARTUP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Without compression: 3 bytes and the checksum.
    Plain,
    /// With LZ4: 5 bytes and the checksum.
    Lz4,
}

impl Format {
    const fn fields_len(self) -> usize {
        match self {
            Self::Plain => 3,
            Self::Lz4 => 5,
        }
    }

    pub(super) const fn header_len(self) -> usize {
        self.fields_len() + CHECKSUM_LEN
    }
}

/// A segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Length of the payload as it travels, in bytes.
    pub(super) payload_len: usize,
    /// Its length when unpacked; 0 if it travels as it is.
    pub(super) unpacked_len: usize,
    /// Whether it holds whole envelopes.
    pub(super) is_self_contained: bool,
}

impl SegmentHeader {
    /// Appends the header. Lengths must not exceed [`MAX_PAYLOAD_LEN`].
    pub(super) fn write(self, format: Format, out: &mut Vec<u8>) {
        debug_assert!(self.payload_len.max(self.unpacked_len) <= MAX_PAYLOAD_LEN);
        let (mut fields, mut shift) = (self.payload_len as u64, LENGTH_BITS);
        if format == Format::Lz4 {
            fields |= (self.unpacked_len as u64) << shift;
            shift += LENGTH_BITS;
        }
        fields |= u64::from(self.is_self_contained) << shift;
        let fields = &fields.to_le_bytes()[..format.fields_len()];
        out.extend_from_slice(fields);
        out.extend_from_slice(&crc24(fields).to_le_bytes()[..CHECKSUM_LEN]);
    }

    /// Reads a header from the [`Format::header_len`] bytes that `bytes` begins with.
    pub(super) fn read(format: Format, bytes: &[u8]) -> Result<Self, SegmentError> {
        let (fields, checksum) = bytes[..format.header_len()].split_at(format.fields_len());
        if crc24(fields).to_le_bytes()[..CHECKSUM_LEN] != *checksum {
            return Err(SegmentError::HeaderChecksum);
        }
        let mut all = [0; 8];
        all[..fields.len()].copy_from_slice(fields);
        let mut bits = u64::from_le_bytes(all);
        let mut length = || {
            let length = bits as usize & MAX_PAYLOAD_LEN;
            bits >>= LENGTH_BITS;
            length
        };
        let payload_len = length();
        let unpacked_len = match format {
            Format::Plain => 0,
            Format::Lz4 => length(),
        };
        Ok(Self {
            payload_len,
            unpacked_len,
            is_self_contained: bits & 1 != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip() {
        for format in [Format::Plain, Format::Lz4] {
            for payload_len in [0, 1, 255, 65_536, MAX_PAYLOAD_LEN] {
                for is_self_contained in [false, true] {
                    let header = SegmentHeader {
                        payload_len,
                        unpacked_len: if format == Format::Lz4 {
                            MAX_PAYLOAD_LEN - payload_len
                        } else {
                            0
                        },
                        is_self_contained,
                    };
                    let mut bytes = Vec::new();
                    header.write(format, &mut bytes);
                    assert_eq!(bytes.len(), format.header_len());
                    assert_eq!(SegmentHeader::read(format, &bytes), Ok(header));
                }
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for format in [Format::Plain, Format::Lz4] {
            let mut bytes = Vec::new();
            let header = SegmentHeader {
                payload_len: 77,
                unpacked_len: 0,
                is_self_contained: true,
            };
            header.write(format, &mut bytes);
            for bit in 0..bytes.len() * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    SegmentHeader::read(format, &bytes),
                    Err(SegmentError::HeaderChecksum)
                );
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}
