//! Segments of v5: see [`shardlane_fuzz::checks::check_segments`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use shardlane_fuzz::checks::check_segments;
use shardlane_wire::Direction;

fuzz_target!(|input: (bool, &[u8])| {
    let (compressed, data) = input;
    check_segments(Direction::Response, compressed, data);
});
