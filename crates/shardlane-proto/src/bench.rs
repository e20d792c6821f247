//! Inner parts by themselves, for `benchmarks/micro` to measure: there with the feature `bench` only, and no
//! part of what the crate promises. Each is set up as the engine would have it.

use std::net::SocketAddr;
use std::num::NonZeroU16;

use shardlane_routing::{HostId, Sharder, Tablet, Token};
use shardlane_wire::Opcode;

use crate::cluster::{Cluster, KeyspaceInfo, NodeInfo, Scope, Topology, Update};
use crate::config::Config;
use crate::connection::Sharding;
use crate::ids::ConnId;
use crate::policy::Balancing;
use crate::pool::Pool;
use crate::request::{Goal, QueryPlan, RequestSpec};
use crate::rng::Rng;
use crate::time::Instant;

/// As ScyllaDB has it by default.
const IGNORE_MSB: u8 = 12;

/// A cluster, with connections to all its nodes, of which the first target of requests is asked.
#[derive(Debug)]
pub struct Plans {
    cluster: Cluster,
    spec: RequestSpec,
    balancing: Balancing,
    rng: Rng,
}

impl Plans {
    /// Nodes with these tokens, of `shards` shards each, in one datacenter; three replicas of each token.
    ///
    /// # Panics
    /// If there are more than 65536 nodes, or no shards.
    #[must_use]
    pub fn new(tokens: Vec<Vec<Token>>, shards: u16) -> Self {
        let node = |(index, tokens): (u16, Vec<Token>)| {
            let [high, low] = index.to_be_bytes();
            let mut id = [1; 16];
            id[..2].copy_from_slice(&[high, low]);
            NodeInfo {
                host_id: HostId(id),
                address: SocketAddr::from(([10, 0, high, low], 9042)),
                datacenter: "dc1".to_owned(),
                rack: "r1".to_owned(),
                release_version: String::new(),
                tokens,
                schema_version: None,
            }
        };
        let options = [("class", "SimpleStrategy"), ("replication_factor", "3")];
        let keyspace = KeyspaceInfo {
            replication: options.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            ..KeyspaceInfo::default()
        };
        let mut update = Update::new(Scope::EVERYTHING);
        update.topology = Topology {
            partitioner: "org.apache.cassandra.dht.Murmur3Partitioner".to_owned(),
            nodes: (0..).zip(tokens).map(node).collect(),
            ..Topology::default()
        };
        update.keyspaces.insert("ks".into(), keyspace);
        let config = Config::new(Vec::new());
        let mut cluster = Cluster::new(&config);
        let (gone, _) = cluster.apply(&config, update);
        assert!(gone.is_empty(), "there was nothing before");
        let mut rng = Rng::new(1);
        for key in cluster.keys() {
            let node = cluster.node_mut(key).expect("just listed");
            fill(&mut node.pool, shards, key.0 * u32::from(shards), &mut rng);
        }
        Self {
            cluster,
            spec: RequestSpec {
                table_keyspace: Some("ks".into()),
                table: Some("t".into()),
                ..RequestSpec::new(Opcode::Execute, Vec::new())
            },
            balancing: Balancing::default(),
            rng,
        }
    }

    /// From now on the table's tablets are known: `count` of equal size, each on three nodes.
    ///
    /// # Panics
    /// If there are fewer than three nodes.
    pub fn learn_tablets(&mut self, count: u32) {
        let ids: Vec<HostId> = self
            .cluster
            .nodes()
            .map(|(_, node)| node.coordinator.host_id)
            .collect();
        let size = u64::MAX / u64::from(count);
        let end = |of: u32| i64::MIN.wrapping_add_unsigned(size * u64::from(of));
        for at in 0..count {
            let replicas = (0..3).map(|n| (ids[(at as usize + n) % ids.len()], at as u16 % 8));
            let tablet = Tablet::new(Token(end(at)), Token(end(at + 1)), replicas.collect());
            self.cluster
                .learn_tablet("ks", "t", tablet.expect("a range"));
        }
    }

    /// The first target of a request, and the shard there.
    #[must_use]
    pub fn first(&mut self, token: Token) -> Option<(u32, Option<u16>)> {
        self.spec.token = Some(token);
        let spec = &self.spec;
        let load = |cluster: &Cluster, goal: Goal| {
            let node = cluster.node(goal.node);
            node.map_or(usize::MAX, |node| node.pool.load(goal.shard, |_| 0))
        };
        let goal = QueryPlan::first(
            &mut self.cluster,
            spec,
            &self.balancing,
            load,
            &mut self.rng,
        )?;
        Some((goal.node.0, goal.shard))
    }
}

/// A node's pool, with a connection to each shard.
#[derive(Debug)]
pub struct Picks(Pool);

impl Picks {
    /// A pool of a node with so many shards.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        let mut pool = Pool::new(&Config::new(Vec::new()));
        fill(&mut pool, shards, 0, &mut Rng::new(1));
        Self(pool)
    }

    /// The connection for a request of this shard, or of any.
    #[must_use]
    pub fn pick(&mut self, shard: Option<u16>) -> Option<ConnId> {
        self.0.pick(shard, |_| 0)
    }
}

fn fill(pool: &mut Pool, shards: u16, first: u32, rng: &mut Rng) {
    let now = Instant(1);
    let sharder = Sharder::new(NonZeroU16::new(shards).expect("some shards"), IGNORE_MSB);
    for shard in 0..shards {
        let conn = ConnId(first + u32::from(shard));
        let via = pool.next_open(now).expect("one is missing");
        pool.opened(conn, via, rng).expect("there are ports");
        let sharding = Sharding {
            shard,
            sharder,
            shard_aware_port: Some(19042),
        };
        pool.established(now, conn, Some(sharding), rng, &mut Vec::new());
    }
    assert!(pool.is_full());
}
