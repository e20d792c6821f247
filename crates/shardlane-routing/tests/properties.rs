//! The fast versions against the naive ones, on whatever proptest thinks of.

mod naive;

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use proptest::prelude::*;
use shardlane_routing::{
    HostId, Murmur3Hasher, ReplicaMap, ReplicationStrategy, Ring, RingNode, Sharder, SourcePorts,
    Token, composite_key, composite_token, murmur3_token,
};

const DATACENTERS: [&str; 3] = ["eu", "us", "ap"];

/// A cluster of up to a dozen nodes in few racks, so that racks repeat, and some nodes have no
/// token.
fn cluster() -> impl Strategy<Value = (Vec<RingNode>, BTreeMap<i64, u32>)> {
    let places = prop::collection::vec((0usize..3, 0u8..4), 1..12);
    let token = prop_oneof![any::<i64>(), -30i64..30, Just(i64::MIN), Just(i64::MAX)];
    places.prop_flat_map(move |places| {
        let owner = 0..places.len() as u32;
        let nodes: Vec<RingNode> = places
            .iter()
            .zip(0u8..)
            .map(|(&(datacenter, rack), id)| RingNode {
                host_id: HostId([id; 16]),
                datacenter: DATACENTERS[datacenter].to_owned(),
                // The same rack names in every datacenter: they are different racks all the same.
                rack: format!("rack{rack}"),
            })
            .collect();
        (
            Just(nodes),
            prop::collection::btree_map(token.clone(), owner, 0..40),
        )
    })
}

fn strategy() -> impl Strategy<Value = ReplicationStrategy> {
    let rf = 0u32..7;
    // Four names for three datacenters: one is not in the cluster.
    let name = prop::sample::select(vec!["eu", "us", "ap", "mars"]).prop_map(str::to_owned);
    prop_oneof![
        2 => rf.clone().prop_map(|rf| ReplicationStrategy::Simple { rf }),
        6 => prop::collection::btree_map(name, rf, 0..4)
            .prop_map(|factors| ReplicationStrategy::NetworkTopology { factors }),
        1 => Just(ReplicationStrategy::Everywhere),
        1 => Just(ReplicationStrategy::Local),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn murmur3_agrees_with_the_naive_one(key in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(murmur3_token(&key), Token(naive::murmur3(&key)));
    }

    #[test]
    fn the_hasher_does_not_care_about_pieces(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
    ) {
        let mut hasher = Murmur3Hasher::new();
        let mut whole = Vec::new();
        for piece in &pieces {
            hasher.write(piece);
            whole.extend_from_slice(piece);
            prop_assert_eq!(hasher.finish(), murmur3_token(&whole));
        }
    }

    #[test]
    fn composite_token_is_the_token_of_the_composite_key(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5),
    ) {
        let parts = || parts.iter().map(Vec::as_slice);
        let mut key = Vec::new();
        composite_key(parts(), &mut key).unwrap();
        let extra: usize = if parts().len() == 1 { 0 } else { 3 * parts().len() };
        prop_assert_eq!(key.len(), parts().map(<[u8]>::len).sum::<usize>() + extra);
        prop_assert_eq!(composite_token(parts()), Ok(murmur3_token(&key)));
    }

    #[test]
    fn sharder_agrees_with_the_formula(
        token in any::<i64>(),
        nr_shards in 1u16..,
        ignore_msb in 0u8..70,
    ) {
        let sharder = Sharder::new(NonZeroU16::new(nr_shards).unwrap(), ignore_msb);
        let shard = sharder.shard_of(Token(token));
        prop_assert_eq!(shard, naive::shard_of(token, nr_shards, ignore_msb));
        prop_assert!(shard < nr_shards);
    }

    #[test]
    fn source_ports_are_all_congruent_ones_once(
        nr_shards in 1u16..300,
        pick in any::<u16>(),
        low in any::<u16>(),
        length in 0u16..2000,
        random in any::<u64>(),
    ) {
        let (shard, range) = (pick % nr_shards, low..=low.saturating_add(length));
        let nr_shards = NonZeroU16::new(nr_shards).unwrap();
        let sharder = Sharder::new(nr_shards, 12);
        let expected: Vec<u16> = range
            .clone()
            .filter(|&port| port != 0 && sharder.shard_of_source_port(port) == shard)
            .collect();
        match SourcePorts::new(nr_shards, shard, range, random) {
            Err(_) => prop_assert!(expected.is_empty()),
            Ok(ports) => {
                prop_assert_eq!(ports.len(), expected.len());
                let mut found: Vec<u16> = ports.collect();
                // One rotation puts them in order: one walk, one wrap.
                let lowest = found.iter().position(|port| Some(port) == expected.first()).unwrap();
                found.rotate_left(lowest);
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn replicas_agree_with_the_naive_placement(
        (nodes, tokens) in cluster(),
        strategy in strategy(),
        anywhere in prop::collection::vec(any::<i64>(), 4),
    ) {
        let ring = Ring::new(nodes.clone(), tokens.iter().map(|(&t, &n)| (Token(t), n))).unwrap();
        let map = ReplicaMap::new(&ring, &strategy);
        let edges = tokens.keys().flat_map(|&t| [t.wrapping_sub(1), t, t.wrapping_add(1)]);
        for token in edges.chain(anywhere).map(Token) {
            let expected = naive::replicas(&nodes, &tokens, token, &strategy);
            prop_assert_eq!(map.replicas(token), &expected[..], "map at {}", token);
            prop_assert_eq!(ring.replicas(token, &strategy), expected, "ring at {}", token);
        }
    }

    #[test]
    fn no_replica_comes_twice_and_every_datacenter_gets_its_share(
        (nodes, tokens) in cluster(),
        factors in prop::collection::btree_map(prop::sample::select(DATACENTERS.to_vec()), 0u32..5, 0..4),
        token in any::<i64>(),
    ) {
        let ring = Ring::new(nodes.clone(), tokens.iter().map(|(&t, &n)| (Token(t), n))).unwrap();
        let strategy = ReplicationStrategy::NetworkTopology {
            factors: factors.iter().map(|(dc, &rf)| ((*dc).to_owned(), rf)).collect(),
        };
        let mut replicas = ring.replicas(Token(token), &strategy);
        if let Some(owner) = ring.owner(Token(token))
            && factors.get(nodes[owner as usize].datacenter.as_str()).is_some_and(|&rf| rf > 0)
        {
            prop_assert_eq!(replicas.first(), Some(&owner));
        }
        for datacenter in DATACENTERS {
            let local = |node: &u32| nodes[*node as usize].datacenter == datacenter;
            let mut owners: Vec<u32> = tokens.values().copied().filter(|node| local(node)).collect();
            owners.sort_unstable();
            owners.dedup();
            let wanted = factors.get(datacenter).map_or(0, |&rf| rf as usize).min(owners.len());
            prop_assert_eq!(replicas.iter().filter(|node| local(node)).count(), wanted);
        }
        let count = replicas.len();
        replicas.sort_unstable();
        replicas.dedup();
        prop_assert_eq!(replicas.len(), count);
    }
}
