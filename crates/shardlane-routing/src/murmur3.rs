//! Cassandra's variant of Murmur3 x64-128.
//!
//! It differs from the published hash in one point: the bytes of the tail (after the last whole
//! 16-byte block) are sign-extended before they are shifted into place, because the original was
//! written in Java, whose bytes are signed. The data of every cluster is placed by that variant, so
//! it can never be mended.

use crate::Token;

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;
const BLOCK: usize = 16;

/// The Murmur3 token of a partition key: the first 64 bits of the hash, with `i64::MIN` moved to
/// `i64::MAX`.
#[inline]
pub fn murmur3_token(key: &[u8]) -> Token {
    let (blocks, tail) = key.as_chunks::<BLOCK>();
    let mut state = State::default();
    for block in blocks {
        state.mix(block);
    }
    state.finish(tail, key.len() as u64)
}

/// Computes [`murmur3_token`] of a key that arrives in pieces.
///
/// Made for composite keys, whose pieces lie scattered among the bound values; see
/// [`composite_token`](crate::composite_token).
#[derive(Clone, Debug, Default)]
pub struct Murmur3Hasher {
    state: State,
    /// Bytes that do not fill a block yet: the first `length % 16` are in use.
    pending: [u8; BLOCK],
    length: u64,
}

impl Murmur3Hasher {
    /// A hasher that has seen no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `bytes` to the key.
    pub fn write(&mut self, bytes: &[u8]) {
        let used = self.used();
        self.length += bytes.len() as u64;
        let mut rest = bytes;
        if used > 0 {
            let (head, after) = rest.split_at(rest.len().min(BLOCK - used));
            self.pending[used..used + head.len()].copy_from_slice(head);
            if used + head.len() < BLOCK {
                return;
            }
            self.state.mix(&self.pending);
            rest = after;
        }
        let (blocks, tail) = rest.as_chunks::<BLOCK>();
        for block in blocks {
            self.state.mix(block);
        }
        self.pending[..tail.len()].copy_from_slice(tail);
    }

    /// The token of all bytes written so far.
    pub fn finish(&self) -> Token {
        self.state
            .clone()
            .finish(&self.pending[..self.used()], self.length)
    }

    fn used(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }
}

#[derive(Clone, Debug, Default)]
struct State {
    h1: u64,
    h2: u64,
}

impl State {
    #[inline(always)]
    fn mix(&mut self, block: &[u8; BLOCK]) {
        // A 16-byte array splits into exactly two 8-byte ones, and the compiler sees that: two
        // plain loads remain.
        let (words, _) = block.as_chunks::<8>();
        self.h1 ^= scramble1(u64::from_le_bytes(words[0]));
        self.h1 = self.h1.rotate_left(27).wrapping_add(self.h2);
        self.h1 = self.h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        self.h2 ^= scramble2(u64::from_le_bytes(words[1]));
        self.h2 = self.h2.rotate_left(31).wrapping_add(self.h1);
        self.h2 = self.h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }

    #[inline(always)]
    fn finish(mut self, tail: &[u8], length: u64) -> Token {
        let (low, high) = tail.split_at(tail.len().min(8));
        // scramble(0) is 0, so a missing half needs no branch.
        self.h1 ^= scramble1(signed_word(low));
        self.h2 ^= scramble2(signed_word(high));
        self.h1 ^= length;
        self.h2 ^= length;
        self.h1 = self.h1.wrapping_add(self.h2);
        self.h2 = self.h2.wrapping_add(self.h1);
        Token::from_hash(avalanche(self.h1).wrapping_add(avalanche(self.h2)) as i64)
    }
}

/// Up to eight bytes as a little-endian word, each one sign-extended over all higher bytes and
/// xored in.
///
/// A negative byte flips every bit above it, so byte `i` of the plain word is inverted if an odd
/// number of lower bytes is negative. That parity comes from three xors instead of one sign
/// extension per byte.
#[inline(always)]
fn signed_word(bytes: &[u8]) -> u64 {
    let word = match bytes.try_into() {
        Ok(whole) => u64::from_le_bytes(whole),
        Err(_) => bytes
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    let mut parity = (word >> 7) & 0x0101_0101_0101_0101;
    parity ^= parity << 8;
    parity ^= parity << 16;
    parity ^= parity << 32;
    word ^ (parity << 8).wrapping_mul(0xff)
}

#[inline(always)]
fn scramble1(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

#[inline(always)]
fn scramble2(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

#[inline(always)]
fn avalanche(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}
