//! What must hold for any bytes. Each check panics if it does not, and otherwise tells how far the
//! input got.

mod compression;
mod engine;
mod engine_server;
mod message;
mod segment;
mod sequence;
mod stream;
mod type_class;

pub use compression::check_compression;
pub use engine::check_engine;
pub use message::{check_request, check_response};
pub use segment::check_segments;
pub use sequence::check_parser_sequence;
pub use stream::check_stream;
pub use type_class::check_type_class;

use std::ops::AddAssign;

/// How far inputs got: a fuzzer that only ever sees errors tests little.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Frames cut from streams.
    pub frames: u64,
    /// Bodies that were messages.
    pub messages: u64,
    /// Bodies that were none.
    pub refused: u64,
    /// Cells and bound values walked.
    pub cells: u64,
    /// Column specs parsed.
    pub columns: u64,
    /// Requests of an engine that have ended.
    pub requests: u64,
    /// Of those, the ones that were answered.
    pub answered: u64,
}

impl AddAssign for Depth {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.messages += other.messages;
        self.refused += other.refused;
        self.cells += other.cells;
        self.columns += other.columns;
        self.requests += other.requests;
        self.answered += other.answered;
    }
}
