//! Operations on a parser: see [`shardlane_fuzz::checks::check_parser_sequence`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use shardlane_fuzz::checks::check_parser_sequence;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    check_parser_sequence(&input.0, &input.1);
});
