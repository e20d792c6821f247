//! Compressed bodies: see [`shardlane_fuzz::checks::check_compression`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use shardlane_fuzz::checks::check_compression;

fuzz_target!(|data: &[u8]| {
    check_compression(data);
});
