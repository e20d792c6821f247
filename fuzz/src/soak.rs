//! Inputs for the soak: seeds from the golden sessions, mutated, or made up by grammar.

mod corpus;
mod grammar;
mod mutate;
mod rng;

pub use corpus::Corpus;
pub use rng::Rng;

use shardlane_wire::Direction;

use crate::checks::{
    Depth, check_compression, check_engine, check_parser_sequence, check_segments, check_stream,
    check_type_class,
};

/// Runs one iteration. Seed, number and corpus are all that it depends on.
pub fn run_one(corpus: &Corpus, seed: u64, iteration: u64) -> Depth {
    let mut rng = Rng::new(seed ^ iteration.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let direction = if rng.one_in(2) {
        Direction::Request
    } else {
        Direction::Response
    };
    match rng.below(100) {
        0..50 => check_stream(direction, &mutate::stream(corpus, direction, &mut rng)),
        50..58 => {
            let data = mutate::stream(corpus, direction, &mut rng);
            check_segments(direction, rng.one_in(2), &data)
        }
        58..60 => check_engine(&rng.bytes(3000)),
        60..82 => check_stream(direction, &grammar::stream(direction, &mut rng)),
        82..90 => {
            let data = mutate::stream(corpus, direction, &mut rng);
            let mut operations = rng.bytes(40);
            operations.insert(0, u8::from(direction == Direction::Request));
            check_parser_sequence(&operations, &data)
        }
        90..97 => {
            let mut class = grammar::type_class(&mut rng).into_bytes();
            if rng.one_in(2) {
                mutate::text(&mut class, &mut rng);
            }
            check_type_class(&String::from_utf8_lossy(&class))
        }
        _ => check_compression(&mutate::compressed(corpus, direction, &mut rng)),
    }
}
