//! Strategies, and worked examples of replica placement.

use std::collections::BTreeMap;

use shardlane_routing::{
    HostId, ReplicaMap, ReplicationStrategy, Ring, RingError, RingNode, StrategyError, Token,
    expand_replication_factor,
};

fn node(id: u8, datacenter: &str, rack: &str) -> RingNode {
    let (datacenter, rack) = (datacenter.to_owned(), rack.to_owned());
    RingNode {
        host_id: HostId([id; 16]),
        datacenter,
        rack,
    }
}

fn network(factors: &[(&str, u32)]) -> ReplicationStrategy {
    let factors = factors
        .iter()
        .map(|&(dc, rf)| (dc.to_owned(), rf))
        .collect();
    ReplicationStrategy::NetworkTopology { factors }
}

fn parse(options: &[(&str, &str)]) -> Result<ReplicationStrategy, StrategyError> {
    ReplicationStrategy::parse(&map(options))
}

fn map(options: &[(&str, &str)]) -> BTreeMap<String, String> {
    options
        .iter()
        .map(|&(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// Replicas by both ways of asking, which must agree.
fn replicas(ring: &Ring, strategy: &ReplicationStrategy, token: i64) -> Vec<u32> {
    let walked = ring.replicas(Token(token), strategy);
    let mapped = ReplicaMap::new(ring, strategy);
    assert_eq!(
        mapped.replicas(Token(token)),
        walked,
        "{strategy:?} at {token}"
    );
    walked
}

/// Two datacenters that take turns; "eu" has racks a a b, "us" has racks a b (the same names, other
/// racks).
fn two_datacenters() -> Ring {
    let nodes = vec![
        node(0, "eu", "a"),
        node(1, "us", "a"),
        node(2, "eu", "a"),
        node(3, "us", "b"),
        node(4, "eu", "b"),
        node(5, "eu", "c"), // has no tokens yet
    ];
    let tokens = [(0, 0), (10, 1), (20, 2), (30, 3), (40, 4)];
    Ring::new(nodes, tokens.map(|(token, node)| (Token(token), node))).unwrap()
}

#[test]
fn a_token_belongs_to_the_node_at_or_after_it() {
    let ring = two_datacenters();
    for (token, owner) in [
        (i64::MIN, 0),
        (-1, 0),
        (0, 0),
        (1, 1),
        (40, 4),
        (41, 0),
        (i64::MAX, 0),
    ] {
        assert_eq!(ring.owner(Token(token)), Some(owner), "{token}");
    }
}

#[test]
fn simple_strategy_takes_the_next_nodes() {
    let ring = two_datacenters();
    let simple = |rf| ReplicationStrategy::Simple { rf };
    assert_eq!(replicas(&ring, &simple(3), 15), [2, 3, 4]);
    assert_eq!(replicas(&ring, &simple(3), 35), [4, 0, 1]);
    assert_eq!(replicas(&ring, &simple(0), 15), []);
    assert_eq!(
        replicas(&ring, &simple(u32::MAX), 41),
        [0, 1, 2, 3, 4],
        "no more than have tokens"
    );
}

#[test]
fn network_topology_prefers_new_racks() {
    let ring = two_datacenters();
    assert_eq!(
        replicas(&ring, &network(&[("eu", 2)]), -5),
        [0, 4],
        "2 shares its rack with 0"
    );
    assert_eq!(replicas(&ring, &network(&[("eu", 2)]), 15), [2, 4]);
    assert_eq!(replicas(&ring, &network(&[("eu", 2)]), 35), [4, 0]);
}

#[test]
fn network_topology_repeats_racks_in_ring_order_when_they_are_too_few() {
    let ring = two_datacenters();
    // "eu" has two racks with tokens, so one repetition is needed, and it keeps its place in the
    // order.
    assert_eq!(replicas(&ring, &network(&[("eu", 3)]), -5), [0, 2, 4]);
    assert_eq!(
        replicas(&ring, &network(&[("eu", 9)]), 35),
        [4, 0, 2],
        "no more than there are"
    );
}

#[test]
fn network_topology_mixes_datacenters_in_ring_order() {
    let ring = two_datacenters();
    assert_eq!(
        replicas(&ring, &network(&[("eu", 2), ("us", 2)]), -5),
        [0, 1, 3, 4]
    );
    assert_eq!(
        replicas(&ring, &network(&[("eu", 1), ("us", 1)]), 25),
        [3, 4]
    );
    assert_eq!(
        replicas(&ring, &network(&[("us", 1), ("mars", 3)]), 25),
        [3]
    );
    assert_eq!(replicas(&ring, &network(&[("eu", 0)]), 25), []);
    let huge = network(&[("eu", u32::MAX), ("us", u32::MAX)]);
    assert_eq!(replicas(&ring, &huge, 25), [3, 4, 0, 1, 2]);
    assert_eq!(huge.replication_factor(), Some(u32::MAX));
}

#[test]
fn strategies_without_a_walk() {
    let ring = two_datacenters();
    assert_eq!(
        replicas(&ring, &ReplicationStrategy::Everywhere, 25),
        [0, 1, 2, 3, 4]
    );
    assert_eq!(replicas(&ring, &ReplicationStrategy::Local, 25), []);
    assert_eq!(
        replicas(&ring, &ReplicationStrategy::Other("x.Y".into()), 25),
        []
    );
}

#[test]
fn an_empty_ring_has_no_replicas() {
    let ring = Ring::new(vec![node(0, "eu", "a")], []).unwrap();
    assert!(ring.is_empty());
    assert_eq!(ring.owner(Token(0)), None);
    for strategy in [
        ReplicationStrategy::Simple { rf: 1 },
        network(&[("eu", 1)]),
        ReplicationStrategy::Everywhere,
    ] {
        assert_eq!(replicas(&ring, &strategy, 0), []);
    }
}

#[test]
fn the_node_table_answers_by_host_id() {
    let ring = two_datacenters();
    assert_eq!(ring.node_index(HostId([3; 16])), Some(3));
    assert_eq!(ring.node_index(HostId([9; 16])), None);
    assert_eq!(ring.nodes().len(), 6);
    assert_eq!(ring.tokens().last(), Some((Token(40), 4)));
}

#[test]
fn a_disputed_token_goes_to_the_first_in_the_table() {
    let nodes = vec![node(0, "eu", "a"), node(1, "eu", "a")];
    let tokens = [(Token(5), 1), (Token(5), 0), (Token(9), 1)];
    let ring = Ring::new(nodes, tokens).unwrap();
    assert_eq!(
        ring.tokens().collect::<Vec<_>>(),
        [(Token(5), 0), (Token(9), 1)]
    );
}

#[test]
fn a_token_of_nobody_is_refused() {
    let error = Ring::new(vec![node(0, "eu", "a")], [(Token(1), 0), (Token(2), 1)]).unwrap_err();
    assert_eq!(
        error,
        RingError::NoSuchNode {
            token: Token(2),
            node: 1
        }
    );
}

#[test]
fn strategies_are_read_from_the_schema() {
    let package = "org.apache.cassandra.locator.";
    for prefix in ["", package] {
        let class = |name: &str| format!("{prefix}{name}");
        assert_eq!(
            parse(&[
                ("class", &class("SimpleStrategy")),
                ("replication_factor", "3")
            ]),
            Ok(ReplicationStrategy::Simple { rf: 3 })
        );
        assert_eq!(
            parse(&[
                ("class", &class("NetworkTopologyStrategy")),
                ("eu", "3"),
                ("us", "0")
            ]),
            Ok(network(&[("eu", 3), ("us", 0)]))
        );
        assert_eq!(
            parse(&[("class", &class("LocalStrategy"))]),
            Ok(ReplicationStrategy::Local)
        );
        assert_eq!(
            parse(&[("class", &class("EverywhereStrategy"))]),
            Ok(ReplicationStrategy::Everywhere)
        );
        assert_eq!(
            parse(&[("class", &class("MetaStrategy"))]),
            Ok(ReplicationStrategy::Other(class("MetaStrategy")))
        );
    }
    let hashed: std::collections::HashMap<&str, &str> = [("class", "LocalStrategy")].into();
    assert_eq!(
        ReplicationStrategy::parse(&hashed),
        Ok(ReplicationStrategy::Local)
    );
}

#[test]
fn transient_replicas_count() {
    let class = ("class", "NetworkTopologyStrategy");
    assert_eq!(parse(&[class, ("eu", "3/1")]), Ok(network(&[("eu", 3)])));
    assert!(parse(&[class, ("eu", "3/3")]).is_err());
    assert!(parse(&[class, ("eu", "3/")]).is_err());
}

#[test]
fn senseless_options_give_typed_errors() {
    assert_eq!(parse(&[]), Err(StrategyError::MissingClass));
    assert_eq!(
        parse(&[("class", "SimpleStrategy")]),
        Err(StrategyError::MissingFactor)
    );
    for value in ["", "-1", "three", "4294967296", "1.0"] {
        let (option, value) = ("eu".to_owned(), value.to_owned());
        let options = [("class", "NetworkTopologyStrategy"), ("eu", value.as_str())];
        let result = parse(&options);
        assert_eq!(result, Err(StrategyError::InvalidFactor { option, value }));
    }
    let short = [
        ("class", "NetworkTopologyStrategy"),
        ("replication_factor", "3"),
    ];
    assert_eq!(parse(&short), Err(StrategyError::UnexpandedFactor));
}

#[test]
fn the_abbreviated_factor_is_expanded_as_servers_do() {
    let mut options = map(&[
        ("class", "NetworkTopologyStrategy"),
        ("replication_factor", "3"),
        ("us", "1"),
    ]);
    expand_replication_factor(&mut options, ["eu", "us"]);
    assert_eq!(
        ReplicationStrategy::parse(&options),
        Ok(network(&[("eu", 3), ("us", 1)]))
    );

    let simple = map(&[("class", "SimpleStrategy"), ("replication_factor", "3")]);
    let mut expanded = simple.clone();
    expand_replication_factor(&mut expanded, ["eu"]);
    assert_eq!(expanded, simple);
}
