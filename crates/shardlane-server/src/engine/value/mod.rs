//! Values of CQL types as bytes: made from literals and JSON, checked, compared, written as text.

mod datetime;
mod decimal;
mod ids;
mod integer;
mod json_in;
mod json_out;
mod literal;
mod order;
mod parts;
mod text;
mod validate;
mod vector;
mod vint;

use std::sync::Arc;

pub(crate) use datetime::{
    format_date, format_time, format_timestamp, parse_date, parse_time, parse_timestamp,
};
pub(crate) use decimal::{Decimal, decimal_from_text, decimal_parts, decimal_text};
pub use ids::uuid_text;
pub(crate) use ids::{
    SplitMix, random_uuid, time_uuid, time_uuid_bound, time_uuid_millis, uuid_from_text,
};
pub(crate) use integer::{BigInt, int_from_bytes};
pub(crate) use json_in::{Json, json_value, parse_json};
pub(crate) use json_out::{json_name, to_json};
pub(crate) use literal::literal_value;
pub(crate) use order::{compare, encode_comparable};
pub(crate) use parts::{collection, map_entries, push_value, read_values, tuple_values};
pub(crate) use text::{hex, inet_bytes, inet_from_text, to_text};
pub(crate) use validate::{expect_valid, is_valid};
pub(crate) use vector::push_element;

/// A value's bytes, shared.
pub type Bytes = Arc<[u8]>;
