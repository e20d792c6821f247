//! Tokens, shards and source ports beside the `scylla` crate's own.
//!
//! Its replica locator and tablet parser cannot be reached from outside, so they are no oracles.

use std::num::NonZeroU16;

use proptest::prelude::*;
use scylla::routing::Sharder as TheirSharder;
use scylla::routing::Token as TheirToken;
use scylla::routing::partitioner::{
    CDCPartitioner, Murmur3Partitioner, Partitioner as _, PartitionerHasher as _,
};
use shardlane_routing::{
    Murmur3Hasher, Partitioner, Sharder, SourcePorts, Token, composite_token, murmur3_token,
};

/// Keys of every length up to a few blocks, with many bytes above 127, where the variants differ.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), 0x80u8.., Just(0)];
    prop::collection::vec(byte, 0..80)
}

fn both_sharders(nr_shards: u16, ignore_msb: u8) -> (Sharder, TheirSharder) {
    let nr_shards = NonZeroU16::new(nr_shards).unwrap();
    (
        Sharder::new(nr_shards, ignore_msb),
        TheirSharder::new(nr_shards, ignore_msb),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn murmur3_tokens_are_theirs(key in key()) {
        prop_assert_eq!(murmur3_token(&key).0, Murmur3Partitioner.hash_one(&key).value());
    }

    #[test]
    fn tokens_of_pieces_are_theirs(pieces in prop::collection::vec(key(), 0..5)) {
        let mut ours = Murmur3Hasher::new();
        let mut theirs = Murmur3Partitioner.build_hasher();
        for piece in &pieces {
            ours.write(piece);
            theirs.write(piece);
        }
        prop_assert_eq!(ours.finish().0, theirs.finish().value());
    }

    #[test]
    fn composite_tokens_are_theirs(parts in prop::collection::vec(key(), 2..5)) {
        let mut theirs = Murmur3Partitioner.build_hasher();
        for part in &parts {
            theirs.write(&(part.len() as u16).to_be_bytes());
            theirs.write(part);
            theirs.write(&[0]);
        }
        let ours = composite_token(parts.iter().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(ours.0, theirs.finish().value());
    }

    #[test]
    fn cdc_tokens_are_theirs(id in any::<[u8; 16]>()) {
        prop_assert_eq!(Partitioner::Cdc.token(&id).0, CDCPartitioner.hash_one(&id).value());
    }

    #[test]
    fn shards_are_theirs(token in any::<i64>(), nr_shards in 1u16.., ignore_msb in 0u8..64) {
        // Their token type admits no i64::MIN, as no partition has it.
        prop_assume!(token != i64::MIN);
        let (ours, theirs) = both_sharders(nr_shards, ignore_msb);
        let shard = u32::from(ours.shard_of(Token(token)));
        prop_assert_eq!(shard, theirs.shard_of(TheirToken::new(token)));
    }

    #[test]
    fn source_ports_are_theirs(nr_shards in 1u16..2000, pick in any::<u16>(), random in any::<u64>()) {
        let (ours, theirs) = both_sharders(nr_shards, 12);
        let shard = pick % nr_shards;
        // Their range is fixed and their start is drawn from a generator of their own.
        let ports = SourcePorts::new(ours.nr_shards, shard, 49_152..=65_535, random).unwrap();
        let mut ports: Vec<u16> = ports.collect();
        let mut expected: Vec<u16> =
            theirs.iter_source_ports_for_shard(u32::from(shard)).collect();
        for &port in &expected {
            let shard = u32::from(ours.shard_of_source_port(port));
            prop_assert_eq!(shard, theirs.shard_of_source_port(port));
        }
        ports.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(ports, expected);
    }
}
