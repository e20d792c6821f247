//! Operations on the client's engine: see [`shardlane_fuzz::checks::check_engine`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use shardlane_fuzz::checks::check_engine;

fuzz_target!(|input: &[u8]| {
    check_engine(input);
});
