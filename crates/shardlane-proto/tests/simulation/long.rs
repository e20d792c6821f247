//! The life of a cluster over hours: storm and peace in turn, and nothing may wear out.

use std::time::Duration;

use shardlane_proto::{EngineLoad, Instant};

use crate::client::READY_ID;
use crate::node::Node;
use crate::rng::Rng;
use crate::server::MENDING;
use crate::storms::{self, Tell, number};
use crate::world::{Happening, MS, Unkindness, World};

const HOUR: Duration = Duration::from_secs(3600);
/// In which what is being written is written.
const SOON: Duration = Duration::from_secs(1);
const NODES: usize = 4;
const SHARDS: u16 = 4;

/// All that is left of an hour when everything has been answered: connections with their timers.
fn check_idle(world: &mut World) {
    // A keepalive may be on its way into a socket just now.
    let written = world.run_until(SOON, |w| w.engine.load().unsent_bytes == 0);
    assert!(written, "{:?}", world.engine.load());
    let load = world.engine.load();
    let shards: usize = world.nodes.iter().map(|n| usize::from(n.shards)).sum();
    assert_eq!(
        EngineLoad {
            timers: 0,
            deadlines: 0,
            streams: 0,
            ..load
        },
        EngineLoad {
            connections: shards + 1,
            ..EngineLoad::default()
        },
        "{load:?}"
    );
    // Taken are only streams of keepalives, and of requests that no server will ever answer.
    let awaited: usize = world
        .by_conn
        .values()
        .map(|socket| world.sockets[socket].awaited())
        .sum();
    assert!(load.streams <= awaited, "{load:?}, {awaited} awaited");
    let views = world.engine.pool_views(world.now);
    let mut counters = views.iter().flat_map(|view| &view.counters);
    assert!(counters.all(|c| c.in_flight() == 0), "{views:#?}");
}

fn live(seed: u64, hours: u64) {
    let mut rng = Rng::new(seed);
    let mut nodes: Vec<Node> = (0..NODES).map(|n| Node::new(n, SHARDS, &mut rng)).collect();
    let config = storms::config(&mut rng, &nodes);
    nodes[3].is_member = false;
    let mut world = World::new(seed, nodes, config, 64);
    world.replicates = true;
    world.engine.when_ready(READY_ID);
    let end = Instant(0) + HOUR * hours as u32;
    let (mut storms, mut requests) = (0, 0);
    while world.now < end {
        world.unkindness = Unkindness {
            port_taken: world.rng.pick(&[0, 5]),
            error: world.rng.pick(&[0, 10]),
            no_answer: world.rng.pick(&[0, 3]),
            cancel: 5,
            truncate: world.rng.pick(&[0, 2]),
        };
        let storm = Duration::from_secs(30 + world.rng.below(240) as u64);
        let until = world.now + storm;
        let gap = MS * world.rng.pick(&[20, 100, 500]);
        world.after(MS, Happening::Chaos { until });
        world.after(MS, Happening::Traffic { until, gap });
        world.run_for(storm);
        world.mend();
        let mended = world.run_until(MENDING, |w| w.is_covered(1));
        assert!(
            mended,
            "not mended: {:#?}",
            world.engine.pool_views(world.now)
        );
        // The longest timeout is over, and then some.
        world.run_for(Duration::from_secs(30));
        assert!(world.client.pending.is_empty());
        check_idle(&mut world);

        let (connects, wrong) = (world.connects, world.wrong_shard);
        let peace = Duration::from_secs(300 + world.rng.below(300) as u64);
        let until = world.now + peace;
        let gap = MS * 200;
        world.after(MS, Happening::Traffic { until, gap });
        world.run_for(peace + Duration::from_secs(30));
        assert!(world.is_covered(1), "still so");
        assert_eq!(world.connects, connects, "no connection in vain");
        assert_eq!(world.wrong_shard, wrong, "all on the right shard");
        check_idle(&mut world);
        storms += 1;
        requests += world.client.succeeded.len() + world.client.failed.len();
        world.forget();
    }
    println!(
        "{hours} h: {storms} storms, {requests} requests, {} connections",
        world.connects
    );
}

/// An hour, or as many as `SHARDLANE_SIM_HOURS` says (`make soak`: a day).
#[test]
fn a_long_life() {
    let seed = number("SHARDLANE_SIM_SEED").unwrap_or(1);
    let _tell = Tell(seed, "a_long_life");
    live(seed, number("SHARDLANE_SIM_HOURS").unwrap_or(1));
}
