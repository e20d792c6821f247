//! Class names of types: see [`shardlane_fuzz::checks::check_type_class`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use shardlane_fuzz::checks::check_type_class;

fuzz_target!(|data: &str| {
    check_type_class(data);
});
