//! Slow, obvious versions of what the crate does fast, written in another way on purpose.

use std::collections::{BTreeMap, BTreeSet};

use shardlane_routing::{ReplicationStrategy, RingNode, Token};

/// Murmur3 byte by byte, as Cassandra's Java states it: all arithmetic signed and wrapping.
pub(crate) fn murmur3(key: &[u8]) -> i64 {
    const C1: i64 = 0x87c3_7b91_1142_53d5_u64 as i64;
    const C2: i64 = 0x4cf5_ad43_2745_937f;
    let rotate = |x: i64, by: u32| x.rotate_left(by);
    let scramble = |k: i64, a: i64, by: u32, b: i64| rotate(k.wrapping_mul(a), by).wrapping_mul(b);
    let unsigned = |bytes: &[u8]| {
        (0..8).fold(0i64, |word, i| {
            word.wrapping_add(i64::from(bytes[i]).wrapping_shl(8 * i as u32))
        })
    };
    let whole = key.len() / 16 * 16;
    let (mut h1, mut h2) = (0i64, 0i64);
    for block in key[..whole].chunks(16) {
        h1 ^= scramble(unsigned(&block[..8]), C1, 31, C2);
        h1 = rotate(h1, 27)
            .wrapping_add(h2)
            .wrapping_mul(5)
            .wrapping_add(0x52dc_e729);
        h2 ^= scramble(unsigned(&block[8..]), C2, 33, C1);
        h2 = rotate(h2, 31)
            .wrapping_add(h1)
            .wrapping_mul(5)
            .wrapping_add(0x3849_5ab5);
    }
    let (mut k1, mut k2) = (0i64, 0i64);
    for (i, &byte) in key[whole..].iter().enumerate() {
        let signed = i64::from(byte as i8);
        if i < 8 {
            k1 ^= signed << (8 * i);
        } else {
            k2 ^= signed << (8 * (i - 8));
        }
    }
    h1 ^= scramble(k1, C1, 31, C2);
    h2 ^= scramble(k2, C2, 33, C1);
    h1 ^= key.len() as i64;
    h2 ^= key.len() as i64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    let mix = |k: i64| {
        let shifted = |k: i64| k ^ (k as u64 >> 33) as i64;
        let k = shifted(k).wrapping_mul(0xff51_afd7_ed55_8ccd_u64 as i64);
        shifted(shifted(k).wrapping_mul(0xc4ce_b9fe_1a85_ec53_u64 as i64))
    };
    let hash = mix(h1).wrapping_add(mix(h2));
    if hash == i64::MIN { i64::MAX } else { hash }
}

/// The sharding formula by plain integer arithmetic, with division for the shift.
pub(crate) fn shard_of(token: i64, nr_shards: u16, ignore_msb: u8) -> u16 {
    let two64 = 1u128 << 64;
    let biased = (i128::from(token) + (1i128 << 63)) as u128;
    let spread = (0..ignore_msb).fold(biased, |value, _| value * 2 % two64);
    (spread * u128::from(nr_shards) / two64) as u16
}

/// The replicas of `token`, declared instead of walked: for each datacenter the first node of each
/// rack, and as many further nodes as the racks are too few.
pub(crate) fn replicas(
    nodes: &[RingNode],
    tokens: &BTreeMap<i64, u32>,
    token: Token,
    strategy: &ReplicationStrategy,
) -> Vec<u32> {
    // By the way up from the token to the point, which is what "next on the ring" means.
    let mut points: Vec<(u64, u32)> = tokens
        .iter()
        .map(|(&at, &node)| (at.wrapping_sub(token.0) as u64, node))
        .collect();
    points.sort();
    let mut order: Vec<u32> = Vec::new();
    for (_, node) in points {
        if !order.contains(&node) {
            order.push(node);
        }
    }
    match strategy {
        ReplicationStrategy::Simple { rf } => {
            order.truncate(*rf as usize);
            order
        }
        ReplicationStrategy::NetworkTopology { factors } => {
            let mut chosen = BTreeSet::new();
            for (datacenter, &rf) in factors {
                let local: Vec<u32> = order
                    .iter()
                    .copied()
                    .filter(|&node| nodes[node as usize].datacenter == *datacenter)
                    .collect();
                let rack = |node: u32| nodes[node as usize].rack.as_str();
                let (leaders, others): (Vec<u32>, Vec<u32>) = local.iter().partition(|&&node| {
                    local.iter().find(|&&n| rack(n) == rack(node)) == Some(&node)
                });
                let repeats = (rf as usize).saturating_sub(leaders.len());
                chosen.extend(leaders.into_iter().take(rf as usize));
                chosen.extend(others.into_iter().take(repeats));
            }
            order.retain(|node| chosen.contains(node));
            order
        }
        ReplicationStrategy::Everywhere => {
            order.sort();
            order
        }
        _ => Vec::new(),
    }
}
