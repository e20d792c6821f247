//! Compressed bodies up to v4 (section 5): the whole body, extras included.

use std::fmt;

use crate::frame::{Flags, FrameMark, HEADER_LEN, Version, end_frame};
use crate::wire_error::EncodeError;

/// Length of the uncompressed length that precedes an LZ4 block.
const LZ4_PREFIX_LEN: usize = 4;

/// Shorter bodies and segments travel as they are: compressing them costs more than it saves.
pub const COMPRESS_FROM_BYTES: usize = 512;

/// Where the flags are in a frame header.
const FLAGS_OFFSET: usize = 1;

/// An algorithm that STARTUP can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// An LZ4 block, preceded by its uncompressed length in 4 bytes.
    Lz4,
    /// Snappy, without its framing format.
    Snappy,
}

/// Why a body could not be decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressionError {
    /// The body is shorter than the length field that must precede it.
    Truncated,
    /// The uncompressed length is over the limit; nothing was allocated.
    TooLong {
        /// The length announced, in bytes.
        seen: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// The data is no valid block of the announced length.
    Corrupt(Compression),
}

impl fmt::Display for CompressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("compressed body without its length"),
            Self::TooLong { seen, max } => {
                write!(
                    f,
                    "compressed body of {seen} bytes when unpacked, the limit is {max}"
                )
            }
            Self::Corrupt(algorithm) => write!(f, "corrupt {algorithm} body"),
        }
    }
}

impl std::error::Error for CompressionError {}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Compression {
    /// The name in SUPPORTED and STARTUP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
        }
    }

    /// The algorithm with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Lz4, Self::Snappy]
            .into_iter()
            .find(|c| c.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether this version of the protocol has the algorithm: v5 has LZ4 only.
    pub const fn exists_in(self, version: Version) -> bool {
        matches!(self, Self::Lz4) || !matches!(version, Version::V5)
    }

    /// Appends the compressed form of `body`.
    pub fn compress(self, body: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        let too_long = |max| EncodeError::TooLong {
            writing: "compressed body",
            len: body.len(),
            max,
        };
        match self {
            Self::Lz4 => {
                let length = u32::try_from(body.len()).map_err(|_| too_long(u32::MAX as usize))?;
                out.extend_from_slice(&length.to_be_bytes());
                let from = out.len();
                out.resize(
                    from + lz4_flex::block::get_maximum_output_size(body.len()),
                    0,
                );
                let written = lz4_flex::block::compress_into(body, &mut out[from..]);
                let written = written.map_err(|_| too_long(out.len() - from));
                let written = written.inspect_err(|_| out.truncate(start))?;
                out.truncate(from + written);
            }
            Self::Snappy => {
                // Zero says that the input is longer than the format allows.
                let bound = snap::raw::max_compress_len(body.len());
                if bound == 0 {
                    return Err(too_long(u32::MAX as usize));
                }
                out.resize(start + bound, 0);
                let written = snap::raw::Encoder::new().compress(body, &mut out[start..]);
                let written = written.map_err(|_| too_long(bound));
                let written = written.inspect_err(|_| out.truncate(start))?;
                out.truncate(start + written);
            }
        }
        Ok(())
    }

    /// Appends the uncompressed form of `body`, which may not be longer than `max_len`.
    /// After an error `out` is as it was.
    pub fn decompress(
        self,
        body: &[u8],
        max_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        // Nothing need not be packed, and implementations differ in whether they do.
        if body.is_empty() {
            return Ok(());
        }
        let (length, block) = match self {
            Self::Lz4 => {
                let (prefix, block) = body
                    .split_first_chunk::<LZ4_PREFIX_LEN>()
                    .ok_or(CompressionError::Truncated)?;
                (u32::from_be_bytes(*prefix) as usize, block)
            }
            Self::Snappy => {
                let length =
                    snap::raw::decompress_len(body).map_err(|_| CompressionError::Corrupt(self))?;
                (length, body)
            }
        };
        if length > max_len {
            return Err(CompressionError::TooLong {
                seen: length,
                max: max_len,
            });
        }
        if length / self.max_ratio() > block.len() {
            return Err(CompressionError::Corrupt(self));
        }
        let start = out.len();
        out.resize(start + length, 0);
        let unpacked = match self {
            Self::Lz4 => lz4_flex::block::decompress_into(block, &mut out[start..]).ok(),
            Self::Snappy => snap::raw::Decoder::new()
                .decompress(block, &mut out[start..])
                .ok(),
        };
        if unpacked == Some(length) {
            Ok(())
        } else {
            out.truncate(start);
            Err(CompressionError::Corrupt(self))
        }
    }

    /// A bound on how far one byte can expand, so that a few bytes cannot claim much memory.
    ///
    /// LZ4 lengths grow by at most 255 for each byte; a Snappy copy of 3 bytes makes at most 64.
    const fn max_ratio(self) -> usize {
        match self {
            Self::Lz4 => 256,
            Self::Snappy => 64,
        }
    }

    /// Ends a frame as [`end_frame`] does, with its body compressed, unless that is empty.
    /// `scratch` is a buffer to reuse; its contents are lost.
    pub fn end_frame(
        self,
        out: &mut Vec<u8>,
        mark: FrameMark,
        scratch: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let body_start = mark.body_start();
        if out.len() > body_start {
            scratch.clear();
            self.compress(&out[body_start..], scratch)
                .inspect_err(|_| out.truncate(body_start - HEADER_LEN))?;
            out.truncate(body_start);
            out.extend_from_slice(scratch);
            out[mark.header_start() + FLAGS_OFFSET] |= Flags::COMPRESSION;
        }
        end_frame(out, mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameHeader, Opcode, begin_frame};

    const BOTH: [Compression; 2] = [Compression::Lz4, Compression::Snappy];

    #[test]
    fn bodies_survive_and_are_appended() {
        for algorithm in BOTH {
            let mut nothing = Vec::new();
            assert_eq!(algorithm.decompress(&[], 0, &mut nothing), Ok(()));
            for body in [&b""[..], b"a", &[7; 100_000], b"no repetition here"] {
                let (mut packed, mut plain) = (vec![1], vec![2]);
                algorithm.compress(body, &mut packed).unwrap();
                algorithm
                    .decompress(&packed[1..], body.len(), &mut plain)
                    .unwrap();
                assert_eq!((packed[0], plain[0], &plain[1..]), (1, 2, body));
            }
        }
    }

    #[test]
    fn lz4_has_a_big_endian_length_in_front() {
        let mut packed = Vec::new();
        Compression::Lz4.compress(&[0; 258], &mut packed).unwrap();
        assert_eq!(packed[..4], [0, 0, 1, 2]);
    }

    #[test]
    fn lengths_are_judged_before_memory_is_claimed() {
        let mut out = Vec::new();
        let mut refuse = |algorithm: Compression, body: &[u8], max| {
            let error = algorithm.decompress(body, max, &mut out).unwrap_err();
            assert_eq!((out.len(), out.capacity()), (0, 0));
            error
        };
        let huge = [0x10, 0, 0, 0, 0x10, 0x61];
        let (seen, max) = (0x1000_0000, 1000);
        let too_long = CompressionError::TooLong { seen, max };
        assert_eq!(refuse(Compression::Lz4, &huge, max), too_long);
        // Within the limit, but six bytes cannot hold it.
        let corrupt = CompressionError::Corrupt(Compression::Lz4);
        assert_eq!(refuse(Compression::Lz4, &huge, usize::MAX), corrupt);
        assert_eq!(
            refuse(Compression::Lz4, &[0, 0, 0], max),
            CompressionError::Truncated
        );
        let corrupt = CompressionError::Corrupt(Compression::Snappy);
        assert_eq!(refuse(Compression::Snappy, &[0xFF; 6], max), corrupt);
    }

    #[test]
    fn a_wrong_length_or_block_is_corrupt() {
        for algorithm in BOTH {
            let mut packed = Vec::new();
            algorithm
                .compress(b"some words, some words, some words", &mut packed)
                .unwrap();
            let mut out = vec![9];
            packed.pop();
            let error = algorithm.decompress(&packed, 1000, &mut out).unwrap_err();
            assert_eq!(error, CompressionError::Corrupt(algorithm));
            assert_eq!(out, [9], "as it was");
        }
    }

    #[test]
    fn a_block_shorter_than_announced_is_corrupt() {
        let mut packed = Vec::new();
        Compression::Lz4
            .compress(b"seven, seven, seven", &mut packed)
            .unwrap();
        packed[3] += 1;
        let error = Compression::Lz4
            .decompress(&packed, 1000, &mut Vec::new())
            .unwrap_err();
        assert_eq!(error, CompressionError::Corrupt(Compression::Lz4));
    }

    #[test]
    fn a_frame_is_compressed_in_place_unless_it_is_empty() {
        let mut scratch = Vec::new();
        let header = FrameHeader::request(Version::V4, 1, Opcode::Query);
        for (body, flag) in [(&[5; 200][..], Flags::COMPRESSION), (&[], 0)] {
            let mut out = vec![0xEE];
            let mark = begin_frame(&mut out, header);
            out.extend_from_slice(body);
            Compression::Lz4
                .end_frame(&mut out, mark, &mut scratch)
                .unwrap();
            let (head, packed) = out[1..].split_first_chunk().unwrap();
            let head = FrameHeader::decode(head).unwrap();
            assert_eq!((head.flags, head.length as usize), (flag, packed.len()));
            let mut plain = Vec::new();
            if head.has(Flags::COMPRESSION) {
                Compression::Lz4
                    .decompress(packed, 200, &mut plain)
                    .unwrap();
            }
            assert_eq!(plain, body);
        }
    }

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!(Compression::from_name("LZ4"), Some(Compression::Lz4));
        assert_eq!(Compression::from_name("snappy"), Some(Compression::Snappy));
        assert_eq!(Compression::from_name("zstd"), None);
    }
}
