//! Many seeds: faults of all kinds at once, then peace, in which all must be well again.

use std::time::Duration;

use shardlane_proto::{Config, ContactPoint, PoolSize, ShardAwareness};

use crate::client::{Kind, READY_ID};
use crate::node::{Node, PORT, Placement};
use crate::rng::Rng;
use crate::server::MENDING;
use crate::world::{Happening, MS, Unkindness, World, setting};

const STORM: Duration = Duration::from_secs(12);

pub(crate) fn config(rng: &mut Rng, nodes: &[Node]) -> Config {
    let points = nodes
        .iter()
        .filter(|n| n.is_member)
        .map(|n| ContactPoint::Address(n.address));
    let mut config = Config::new(points.collect());
    config.seed = rng.next();
    config.connect_timeout = Duration::from_secs(1);
    config.control_timeout = Duration::from_secs(2);
    config.keepalive_interval = Duration::from_secs(8);
    config.keepalive_timeout = Duration::from_secs(3);
    config.schema_agreement_timeout = Duration::from_secs(3);
    config.attempts_per_node_max = rng.pick(&[1, 2, 8]);
    config
}

fn world(seed: u64) -> World {
    let mut rng = Rng::new(seed);
    let mut nodes: Vec<Node> = (0..1 + rng.below(4))
        .map(|index| {
            let shards = rng.pick(&[0, 1, 2, 3, 4]);
            Node::new(index, shards, &mut rng)
        })
        .collect();
    for node in &mut nodes {
        node.placement = rng.pick(&[Placement::LeastLoaded, Placement::Random]);
    }
    if nodes.len() > 2 {
        nodes[2].is_member = rng.chance(50);
    }
    let mut config = config(&mut rng, &nodes);
    config.pool_size = PoolSize::PerShard(rng.pick(&[1, 1, 2]));
    config.shard_awareness = rng.pick(&[
        ShardAwareness::Full,
        ShardAwareness::Full,
        ShardAwareness::Legacy,
    ]);
    config.in_flight_per_connection_max = rng.pick(&[8, 32768]);
    config.asks_about_nodes = rng.chance(20);
    config
        .tells_events
        .store(true, std::sync::atomic::Ordering::Relaxed);
    config.requests_in_flight_max = rng.pick(&[None, None, Some(4), Some(20)]);
    config.orphans_max = rng.pick(&[3, 1024]);
    config.requests_in_flight_max = rng.pick(&[None, None, Some(4), Some(20)]);
    if rng.chance(30) {
        config.contact_points = vec![
            ContactPoint::Name {
                host: "nobody".to_owned(),
                port: PORT,
            },
            ContactPoint::Name {
                host: "everybody".to_owned(),
                port: PORT,
            },
        ];
    }
    let mut world = World::new(seed, nodes, config, rng.pick(&[2, 64]));
    world
        .names
        .insert("everybody".to_owned(), (0..world.nodes.len()).collect());
    world
}

fn run(seed: u64) {
    let mut world = world(seed);
    let PoolSize::PerShard(per_shard) = world.config.pool_size else {
        unreachable!("set above")
    };
    world.unkindness = Unkindness {
        port_taken: world.rng.pick(&[0, 5, 50]),
        error: world.rng.pick(&[0, 10]),
        no_answer: world.rng.pick(&[0, 3]),
        cancel: 10,
        truncate: world.rng.pick(&[0, 0, 2]),
    };
    world.replicates = true;
    world.engine.when_ready(READY_ID);
    if world.rng.chance(50) {
        assert!(
            world.run_until(MENDING, |w| !w.client.readies.is_empty()),
            "never ready"
        );
    }
    world.client.has_policies = world.rng.chance(70);
    let until = world.now + STORM;
    world.after(MS * 200, Happening::Chaos { until });
    world.after(
        MS,
        Happening::Traffic {
            until,
            gap: MS * 50,
        },
    );
    world.run_for(STORM);
    if world.rng.chance(10) {
        // In the middle of trouble.
        close(&mut world, seed);
        return;
    }

    world.client.has_policies = false;
    world.mend();
    assert!(
        world.run_until(MENDING, |w| w.is_covered(usize::from(per_shard))),
        "not mended: {:#?}",
        world.engine.pool_views(world.now)
    );
    assert!(
        world.client.readies.len() == 1,
        "ready, or unreachable, once"
    );
    world.run_for(Duration::from_secs(20));
    assert!(
        world.client.pending.is_empty(),
        "{:?}",
        world.client.pending
    );

    read_all_back(&mut world);

    // Peace: every request succeeds, on the right node and shard.
    let (connects, wrong, failed) = (world.connects, world.wrong_shard, world.client.failed.len());
    for _ in 0..100 {
        world.submit(Kind::Execute);
        // So that eight streams suffice, which is all that a connection may have.
        world.run_for(MS * 6);
    }
    world.run_for(Duration::from_secs(13));
    assert!(world.is_covered(usize::from(per_shard)), "still so");
    assert_eq!(world.connects, connects, "no connection in vain");
    assert_eq!(world.wrong_shard, wrong, "all on the right shard");
    let mut in_time = world.client.failed[failed..].iter().filter(|(_, kind)| {
        // 50 ms are short where every step takes up to 7 ms and UNPREPARED may come first.
        !matches!(kind, shardlane_proto::RequestErrorKind::Timeout { .. })
    });
    if let Some((id, kind)) = in_time.next() {
        let history = &world.client.histories[id];
        panic!("{id} failed in peace: {kind:?} {history:?}");
    }
    let views = world.engine.pool_views(world.now);
    let mut counters = views.iter().flat_map(|view| &view.counters);
    assert!(counters.all(|c| c.in_flight() == 0), "{views:#?}");
    close(&mut world, seed);

    for (id, kind) in &world.client.succeeded {
        let count = world.executions.get(id).copied().unwrap_or(0);
        assert!(
            count > 0 || !matches!(kind, Kind::Execute | Kind::Write(_)),
            "{id} was acknowledged, never executed"
        );
    }
    for (id, &count) in &world.executions {
        assert!(
            count == 1 || world.client.is_idempotent[id],
            "{id} executed {count} times"
        );
    }
}

/// Every acknowledged write is found: what is lost fails where the answer is checked.
fn read_all_back(world: &mut World) {
    let all: Vec<u64> = world.client.acknowledged.keys().copied().collect();
    for id in all {
        let read = world.submit_for(Kind::Read(id), MS * 3000);
        let is_over = |w: &mut World| !w.client.pending.contains_key(&read);
        assert!(world.run_until(Duration::from_secs(4), is_over));
        let last = world.client.succeeded.last().map(|(id, _)| *id);
        assert_eq!(last, Some(read), "{:?}", world.client.failed.last());
    }
}

fn close(world: &mut World, seed: u64) {
    for _ in 0..5 {
        world.submit(Kind::Execute);
    }
    let drain = MS * (seed % 3 * 1000) as u32;
    world.engine.close(world.now, drain);
    world.turn();
    let late = world.submit(Kind::Execute);
    assert!(
        world.client.failed.iter().any(|(id, _)| *id == late),
        "refused at once"
    );
    assert!(
        world.run_until(drain, |w| w.is_finished),
        "not finished after {drain:?}"
    );
    assert!(
        world.client.pending.is_empty(),
        "{:?}",
        world.client.pending
    );
    let seconds = world.now.0 / 1_000_000_000;
    // Stale timers: a few per connection and keepalive interval.
    let max = 200 + seconds * 40 + world.connects * 4;
    assert!(
        world.idle_timeouts < max,
        "{} idle timeouts in {seconds} s",
        world.idle_timeouts
    );
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.engine.next_timeout(), None, "nothing left to do");
}

/// Tells how to repeat a run that fails.
pub(crate) struct Tell(pub(crate) u64, pub(crate) &'static str);

impl Drop for Tell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "once more: SHARDLANE_SIM_SEED={} cargo test -p shardlane-proto --test simulation {}",
                self.0, self.1
            );
        }
    }
}

pub(crate) fn number(name: &str) -> Option<u64> {
    let value = setting(name)?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={value}: a number is wanted")))
}

/// Runs this share of all seeds, or the one that the environment names.
fn run_seeds(share: u64, shares: u64) {
    if let Some(seed) = number("SHARDLANE_SIM_SEED") {
        let _tell = Tell(seed, "storms");
        return run(seed);
    }
    let count = number("SHARDLANE_SIM_SEEDS")
        .unwrap_or(1000)
        .div_ceil(shares);
    for seed in share * count..(share + 1) * count {
        let _tell = Tell(seed, "storms");
        run(seed);
    }
}

#[test]
fn storms_and_peace_1() {
    run_seeds(0, 2);
}

#[test]
fn storms_and_peace_2() {
    run_seeds(1, 2);
}
