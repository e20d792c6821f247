//! Our wire crate beside `scylla-cql`, an independent implementation of protocol v4: what one writes
//! the other reads, and both read the same from a real server's frames.

mod compare;
mod golden;
mod requests;
mod responses;
#[allow(
    dead_code,
    reason = "shared with the golden tests of the wire crate, which use all of it"
)]
#[path = "../../../../crates/shardlane-wire/tests/golden/session.rs"]
mod session;

use scylla_cql::frame::protocol_features::ProtocolFeatures;
use shardlane_wire::{Dialect, Version};

/// Plain v4 with or without result metadata ids, in their words and ours.
fn features(metadata_id: bool) -> (ProtocolFeatures, Dialect) {
    let mut features = ProtocolFeatures::default();
    features.scylla_metadata_id_supported = metadata_id;
    features.rate_limit_error = Some(0xF000);
    let dialect = Dialect {
        version: Version::V4,
        metadata_id,
        tablet_block: false,
        rate_limit_error: Some(0xF000),
    };
    (features, dialect)
}
