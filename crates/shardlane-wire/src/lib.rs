//! CQL native protocol messages, both directions.

pub mod types;

pub use types::{CqlType, UdtType};
