//! Maps by names of keyspaces and tables, looked into for each request.
//!
//! The standard library's hash keeps out attackers who choose keys, and costs more than all the rest of such a
//! look-up. Here whoever chooses the keys has the whole schema.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by name.
pub(crate) type Names<V> = HashMap<Box<str>, V, BuildHasherDefault<NameHasher>>;

/// Eight bytes at a time: xor, and a multiplication that spreads them upwards.
#[derive(Debug, Default)]
pub(crate) struct NameHasher(u64);

/// Odd, with its bits well mixed: 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl NameHasher {
    const fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(SPREAD).rotate_left(32);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for &word in words {
            self.add(u64::from_le_bytes(word));
        }
        let rest = rest
            .iter()
            .fold(0, |word, &byte| word << 8 | u64::from(byte));
        self.add(rest);
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::NameHasher;

    #[test]
    fn similar_names_spread_over_the_bits_that_a_map_looks_at() {
        let hasher = BuildHasherDefault::<NameHasher>::default();
        let names = (0..1000).map(|n| format!("table_{n}"));
        let hashes: Vec<u64> = names.map(|name| hasher.hash_one(&*name)).collect();
        // Low ones choose the place, the topmost seven tell its neighbours apart.
        let low: HashSet<u64> = hashes.iter().map(|hash| hash % 4096).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        // As many as of numbers drawn at random: 4096 * (1 - 1/e^(1000/4096)) are 887.
        assert!(low.len() > 830, "{}", low.len());
        assert_eq!(high.len(), 128);
        let all: HashSet<u64> = hashes.iter().copied().collect();
        assert_eq!(all.len(), hashes.len());
    }
}
