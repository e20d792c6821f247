//! From a key to the connection of its shard.

use std::hint::black_box;
use std::num::NonZeroU16;

use shardlane_proto::bench::{Picks, Plans};
use shardlane_routing::{
    HostId, ReplicaMap, ReplicationStrategy, Ring, RingNode, Sharder, Tablet, TabletMap, Token,
    composite_token, murmur3_token,
};

use super::random::Random;
use super::server::tokens;
use crate::case::{Case, Subject};

/// Keys, or tokens, of a run: no two the same.
const COUNT: u32 = 256;
const NODES: u8 = 100;
const TABLETS: u32 = 4096;

const fn case(name: &'static str, unit: &'static str, make: fn() -> Box<dyn Subject>) -> Case {
    Case {
        name,
        units: COUNT,
        unit,
        make,
    }
}

pub(super) const CASES: [Case; 14] = [
    // The number is the length of the key in bytes.
    case("murmur3/8", "key", || hashing::<8>()),
    case("murmur3/16", "key", || hashing::<16>()),
    case("murmur3/64", "key", || hashing::<64>()),
    case("murmur3/1000", "key", || hashing::<1000>()),
    case("routing/composite_token", "key", || {
        let keys = keys::<8>();
        Box::new(move || {
            for key in black_box(&keys) {
                let parts = [&key[..], b"a second part"];
                black_box(composite_token(black_box(parts).into_iter()).expect("short"));
            }
        })
    }),
    case("routing/shard_of", "token", || {
        let sharder = Sharder::new(NonZeroU16::new(8).expect("some"), 12);
        looking_up(move |token| u32::from(sharder.shard_of(token)))
    }),
    case("routing/replicas_100_nodes", "token", || {
        let replicas = ReplicaMap::new(&ring(), &ReplicationStrategy::Simple { rf: 3 });
        looking_up(move |token| replicas.replicas(token)[0])
    }),
    case("routing/tablet_of_4096", "token", || {
        let tablets = tablets();
        looking_up(move |token| {
            tablets
                .lookup(token)
                .map_or(0, |t| t.replicas()[0].1.into())
        })
    }),
    case("plan/3_nodes", "request", || planning(3, None)),
    case("plan/3_nodes_tablets", "request", || {
        planning(3, Some(TABLETS))
    }),
    case("plan/100_nodes", "request", || planning(NODES, None)),
    case("pool/pick_of_8", "request", || picking(8)),
    case("pool/pick_of_64", "request", || picking(64)),
    case("pool/pick_any_of_64", "request", || {
        let mut pool = Picks::new(64);
        looking_up(move |_| pool.pick(None).map_or(0, |conn| conn.0))
    }),
];

fn keys<const LEN: usize>() -> Vec<[u8; LEN]> {
    let mut random = Random::new(3);
    let key = |_| std::array::from_fn(|_| random.next() as u8);
    (0..COUNT).map(key).collect()
}

fn hashing<const LEN: usize>() -> Box<dyn Subject> {
    let keys = keys::<LEN>();
    Box::new(move || {
        for key in black_box(&keys) {
            // Of a length that the compiler does not know.
            black_box(murmur3_token(black_box(&key[..])));
        }
    })
}

fn looking_up(mut look_up: impl FnMut(Token) -> u32 + 'static) -> Box<dyn Subject> {
    let mut random = Random::new(4);
    let tokens: Vec<Token> = (0..COUNT).map(|_| Token(random.next() as i64)).collect();
    Box::new(move || {
        for &token in black_box(&tokens) {
            black_box(look_up(token));
        }
    })
}

fn ring() -> Ring {
    let node = |node: u8| RingNode {
        host_id: HostId([node; 16]),
        datacenter: "dc1".to_owned(),
        rack: "r1".to_owned(),
    };
    let owned = (0..).zip(tokens(NODES));
    let owned = owned.flat_map(|(node, tokens)| tokens.into_iter().map(move |token| (token, node)));
    Ring::new((0..NODES).map(node).collect(), owned).expect("tokens differ")
}

fn tablets() -> TabletMap {
    let mut map = TabletMap::new();
    let size = u64::MAX / u64::from(TABLETS);
    let end = |of: u32| Token(i64::MIN.wrapping_add_unsigned(size * u64::from(of)));
    for at in 0..TABLETS {
        let replicas = (0..3).map(|node| (HostId([node; 16]), (at % 8) as u16));
        let tablet = Tablet::new(end(at), end(at + 1), replicas.collect());
        map.insert(tablet.expect("a range"));
    }
    map
}

fn planning(nodes: u8, tablets: Option<u32>) -> Box<dyn Subject> {
    let mut plans = Plans::new(tokens(nodes), 8);
    if let Some(count) = tablets {
        plans.learn_tablets(count);
    }
    looking_up(move |token| plans.first(token).expect("all are connected").0)
}

fn picking(shards: u16) -> Box<dyn Subject> {
    let mut pool = Picks::new(shards);
    looking_up(move |token| {
        let shard = (token.0 as u64 % u64::from(shards)) as u16;
        let conn = pool.pick(Some(shard)).expect("all have one");
        assert_eq!(conn.0, u32::from(shard));
        conn.0
    })
}
