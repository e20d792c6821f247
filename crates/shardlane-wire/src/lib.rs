//! CQL native protocol messages, both directions: bytes to messages and back.
//!
//! The crate is pure. It knows no sockets, no clock and keeps no state but the half-received frame
//! inside [`FrameParser`]. Messages borrow from the bytes they were read from; the hot paths (a
//! request's bound values, a result's rows) are slices that nobody has walked yet.
//!
//! Everything version-dependent takes a [`Dialect`]: the protocol version plus the extensions that
//! a connection negotiated. A plain [`Version`] converts into one.
//!
//! ```
//! use shardlane_wire::{Direction, FrameParser, Request, RequestEnvelope, Version};
//!
//! let mut bytes = Vec::new();
//! Request::Options.encode_frame(Version::V4, 0, &RequestEnvelope::default(), &mut bytes)?;
//!
//! let mut parser = FrameParser::new(Direction::Request);
//! let mut input = &bytes[..];
//! let frame = parser.push(&mut input)?.expect("a whole frame was given");
//! assert_eq!(Request::decode(Version::V4, frame.header.opcode, frame.body)?, Request::Options);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Section numbers in the documentation are those of `native_protocol_v4.spec` unless it says v5.

pub mod compression;
pub mod consistency;
pub mod dialect;
pub mod error;
pub mod event;
pub mod extensions;
pub mod frame;
pub mod parser;
pub mod primitive;
pub mod request;
pub mod response;
pub mod result;
pub mod segment;
pub mod types;
pub mod wire_error;

pub use compression::{Compression, CompressionError};
pub use consistency::{Consistency, SerialConsistency};
pub use dialect::Dialect;
pub use error::{ErrorBody, ErrorDetail, Failures, RateLimitOp, WriteType};
pub use event::{
    ClientRoutesChange, Event, EventKind, SchemaChange, SchemaChangeKind, SchemaTarget,
};
pub use extensions::{ShardInfo, StartupOptions, SupportedOptions};
pub use frame::{Direction, Flags, FrameHeader, FrameMark, HEADER_LEN, Opcode, Version};
pub use parser::{Frame, FrameError, FrameParser};
pub use request::{BoundValues, QueryParams, Request, RequestEnvelope, Value};
pub use response::{Response, ResponseEnvelope};
pub use result::{CellReader, ColumnSpec, Prepared, ResultBody, Rows, RowsMetadata};
pub use segment::{SegmentError, SegmentWriter, StreamError, StreamParser};
pub use types::{CqlType, UdtType};
pub use wire_error::{EncodeError, WireError, WireErrorKind};
