//! Bytes from the peer, as a stream of frames: see [`shardlane_fuzz::checks::check_stream`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use shardlane_fuzz::checks::check_stream;
use shardlane_wire::Direction;

fuzz_target!(|data: &[u8]| {
    check_stream(Direction::Response, data);
});
