//! Segments, the outer framing of protocol v5 (`native_protocol_v5.spec`, section 2): envelopes
//! travel in the payload of segments that carry checksums, and are perhaps compressed.
//!
//! A *self-contained* segment holds one or more whole envelopes. An envelope longer than a payload
//! may be is split over several segments that hold nothing else. Segments begin after the answer to
//! STARTUP: that, and everything before it, travels bare.

mod checksum;
mod header;
mod parser;
mod writer;

pub use parser::StreamParser;
pub use writer::SegmentWriter;

use std::fmt;

use crate::parser::FrameError;

/// The longest payload of a segment, before and after compression, in bytes: 128 KiB - 1.
pub const MAX_PAYLOAD_LEN: usize = (1 << 17) - 1;

/// Why a segment cannot be read. The connection is of no further use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentError {
    /// The checksum of the header does not fit: even its length cannot be trusted.
    HeaderChecksum,
    /// The checksum of the payload does not fit.
    PayloadChecksum,
    /// The payload is no LZ4 block of the announced length.
    Corrupt,
    /// A self-contained segment that ends within an envelope, or comes in the middle of one that is
    /// split over segments.
    CutEnvelope,
    /// Something follows the end of an envelope that is split over segments.
    TrailingBytes,
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeaderChecksum => "segment header with a wrong checksum",
            Self::PayloadChecksum => "segment payload with a wrong checksum",
            Self::Corrupt => "segment payload that cannot be decompressed",
            Self::CutEnvelope => "self-contained segment without whole envelopes",
            Self::TrailingBytes => "bytes after an envelope that was split over segments",
        })
    }
}

impl std::error::Error for SegmentError {}

/// Why a byte stream cannot be read on, whether envelopes travel bare or in segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError {
    /// An envelope is wrong.
    Frame(FrameError),
    /// A segment is wrong.
    Segment(SegmentError),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::Segment(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StreamError {}

impl From<FrameError> for StreamError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<SegmentError> for StreamError {
    fn from(error: SegmentError) -> Self {
        Self::Segment(error)
    }
}
