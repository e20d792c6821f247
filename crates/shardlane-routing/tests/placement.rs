//! Replica placement beside scylla-driver's (Python), recorded by `data/make_replicas.py`.
//!
//! Its NetworkTopologyStrategy lists the datacenters one after the other and a rack's repetitions
//! last, which is not the servers' order. So the sets must agree and, in each datacenter, the first.
//! Where racks repeat it may also list a node twice and so lose a replica, which servers never do:
//! then what is left must be among ours.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shardlane_routing::{HostId, ReplicaMap, ReplicationStrategy, Ring, RingNode, Token};

fn index(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

#[test]
fn replicas_are_those_of_scylla_driver() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/replicas.json")).unwrap();
    let (mut checked, mut repeated) = (0, 0);
    for case in &cases {
        let nodes: Vec<RingNode> = (0..)
            .zip(case["nodes"].as_array().unwrap())
            .map(|(id, place)| RingNode {
                host_id: HostId([id; 16]),
                datacenter: place[0].as_str().unwrap().to_owned(),
                rack: place[1].as_str().unwrap().to_owned(),
            })
            .collect();
        let options: BTreeMap<String, String> =
            serde_json::from_value(case["replication"].clone()).unwrap();
        let strategy = ReplicationStrategy::parse(&options).unwrap();
        let points: Vec<(Token, u32)> = case["ring"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| (Token(point[0].as_i64().unwrap()), index(&point[1])))
            .collect();
        let ring = Ring::new(nodes.clone(), points.iter().copied()).unwrap();
        let map = ReplicaMap::new(&ring, &strategy);
        let expected = case["replicas"].as_array().unwrap();
        assert_eq!(expected.len(), points.len());
        for (&(token, _), expected) in points.iter().zip(expected) {
            let theirs: Vec<u32> = expected.as_array().unwrap().iter().map(index).collect();
            let ours = map.replicas(token);
            match strategy {
                ReplicationStrategy::Simple { .. } => assert_eq!(ours, theirs, "{token} {case}"),
                _ => {
                    let first = |replicas: &[u32], datacenter: &str| {
                        let local = |node: u32| nodes[node as usize].datacenter == datacenter;
                        replicas.iter().copied().find(|&node| local(node))
                    };
                    for datacenter in ["eu", "us", "ap"] {
                        let (us, them) = (first(ours, datacenter), first(&theirs, datacenter));
                        assert_eq!(us, them, "{datacenter} {token} {case}");
                    }
                    let listed = theirs.len();
                    let theirs: BTreeSet<u32> = theirs.into_iter().collect();
                    let set: BTreeSet<u32> = ours.iter().copied().collect();
                    assert_eq!(set.len(), ours.len(), "{token} {case}");
                    if theirs.len() == listed {
                        assert_eq!(set, theirs, "{token} {case}");
                    } else {
                        assert_eq!(set.len(), listed, "{token} {case}");
                        assert!(set.is_superset(&theirs), "{token} {case}");
                        repeated += 1;
                    }
                }
            }
            checked += 1;
        }
    }
    assert!(
        checked > 300 && repeated < checked / 4,
        "{checked} tokens, {repeated} repeated"
    );
}
