//! How requests are tried: one policy at a time, and what exactly must come of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shardlane_proto::{
    AttemptFailure, ClusterEventKind, Config, ContactPoint, Instant, Policy, RequestErrorKind,
    Retry, RetryBackoff, Speculation, SpeculationDelay,
};

use shardlane_routing::HostId;
use shardlane_wire::Event;
use shardlane_wire::event::StatusChangeKind;

use crate::client::{Kind, READY_ID};
use crate::node::{Node, PORT};
use crate::rng::Rng;
use crate::storms;
use crate::world::{MS, World};

const SECOND: Duration = Duration::from_secs(1);

fn ready(seed: u64, nodes: usize, adapt: impl FnOnce(&mut Config)) -> World {
    let mut rng = Rng::new(seed);
    let nodes: Vec<Node> = (0..nodes).map(|n| Node::new(n, 2, &mut rng)).collect();
    let mut config = storms::config(&mut rng, &nodes);
    config.attempts_per_node_max = 8;
    adapt(&mut config);
    let mut world = World::new(seed, nodes, config, 64);
    world.engine.when_ready(READY_ID);
    let is_ready = |w: &mut World| !w.client.readies.is_empty();
    assert!(world.run_until(SECOND * 10, is_ready), "never ready");
    // Statements are known everywhere from here on.
    for _ in 0..40 {
        world.submit_for(Kind::Execute, SECOND * 10);
        world.run_for(MS * 50);
    }
    assert!(world.client.failed.is_empty(), "{:?}", world.client.failed);
    world.client.succeeded.clear();
    world
}

fn speculating(delay: SpeculationDelay, executions_max: u8) -> Arc<Policy> {
    Arc::new(Policy {
        speculation: Some(Speculation {
            delay,
            executions_max,
        }),
        ..Policy::default()
    })
}

fn in_flight(world: &World) -> u64 {
    let views = world.engine.pool_views(world.now);
    let counters = views.iter().flat_map(|view| &view.counters);
    counters.map(|c| c.in_flight()).sum()
}

#[test]
fn a_slow_answer_is_not_waited_for() {
    for seed in 0..20 {
        let policy = speculating(SpeculationDelay::Constant(MS * 20), 1);
        let mut world = ready(seed, 3, |config| config.policy = policy);
        world.nodes[0].silent_until = world.now + SECOND * 2;
        let ids: Vec<u64> = (0..60)
            .map(|_| world.submit_for(Kind::Execute, SECOND * 10))
            .collect();
        world.run_for(MS * 100);
        let done =
            |world: &World, id: &u64| world.client.succeeded.iter().any(|(done, _)| done == id);
        let (mut late, mut early) = (0, 0);
        for id in &ids {
            if world.client.is_idempotent[id] {
                assert!(done(&world, id), "{id} is executed on another node");
                early += 1;
            } else if !done(&world, id) {
                late += 1;
            }
        }
        assert!(early > 10 && late > 0, "seed {seed}: {early} {late}");
        let orphans = world.engine.load().streams;
        assert!(
            orphans > late,
            "the slow node still owes answers: {orphans}"
        );
        assert_eq!(in_flight(&world), late as u64, "nobody waits for them");
        world.run_for(SECOND * 10);
        assert!(ids.iter().all(|id| done(&world, id)));
        assert_eq!(
            world.engine.load().streams,
            0,
            "late answers free their streams"
        );
        for (id, &count) in &world.executions {
            assert!(count <= 1 || world.client.is_idempotent[id], "{id}");
        }
    }
}

#[test]
fn an_unanswered_request_tells_whom_it_asked() {
    let policy = speculating(SpeculationDelay::Constant(MS * 10), 2);
    let mut world = ready(3, 3, |config| config.policy = policy);
    for node in &mut world.nodes {
        node.silent_until = world.now + SECOND * 20;
    }
    let ids: Vec<u64> = (0..20)
        .map(|_| world.submit_for(Kind::Execute, SECOND))
        .collect();
    world.run_for(SECOND);
    for id in ids {
        let history = &world.client.histories[&id];
        let mut nodes: Vec<_> = history.iter().map(|attempt| attempt.host_id).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let executions = if world.client.is_idempotent[&id] {
            3
        } else {
            1
        };
        assert_eq!(nodes.len(), executions, "each on another node: {history:?}");
        assert_eq!(history.len(), executions);
        let unanswered = |failure: &AttemptFailure| *failure == AttemptFailure::Unanswered;
        assert!(history.iter().all(|attempt| unanswered(&attempt.failure)));
    }
    let timed_out = |kind: &RequestErrorKind| {
        matches!(
            kind,
            RequestErrorKind::Timeout {
                in_flight: true,
                ..
            }
        )
    };
    assert!(world.client.failed.iter().all(|(_, kind)| timed_out(kind)));
}

#[test]
fn an_error_of_one_execution_leaves_the_request_to_the_other() {
    let policy = speculating(SpeculationDelay::Constant(MS * 20), 1);
    let mut world = ready(5, 2, |config| {
        config.policy = policy;
        config.keepalive_interval = SECOND * 60;
    });
    world.nodes[0].silent_until = world.now + SECOND;
    world.unkindness.error = 100;
    let ids: Vec<u64> = (0..60)
        .map(|_| world.submit_for(Kind::Execute, SECOND * 10))
        .collect();
    world.run_for(MS * 300);
    // The node that answers has refused them all: those that it shares with the silent one go on.
    let waiting = ids
        .iter()
        .filter(|id| world.client.pending.contains_key(id))
        .count();
    assert!(waiting > 0);
    world.unkindness.error = 0;
    world.run_for(SECOND * 10);
    let succeeded = world.client.succeeded.len();
    assert!(succeeded >= waiting / 2, "{succeeded} of {waiting}");
    assert_eq!(in_flight(&world), 0);
}

#[test]
fn a_percentile_of_what_answers_take_is_known_after_a_while() {
    let policy = speculating(SpeculationDelay::Percentile(99.0), 1);
    let mut world = ready(4, 3, |config| config.policy = policy);
    for _ in 0..300 {
        world.submit_for(Kind::Execute, SECOND * 10);
        world.run_for(MS * 3);
    }
    world.run_for(SECOND);
    let p99 = world
        .engine
        .latencies()
        .percentile(99.0)
        .expect("answers came");
    // A few milliseconds each way, and as much in the server.
    assert!(p99 > MS && p99 < MS * 30, "{p99:?}");
    world.nodes[1].silent_until = world.now + SECOND * 3;
    let ids: Vec<u64> = (0..60)
        .map(|_| world.submit_for(Kind::Execute, SECOND * 10))
        .collect();
    world.run_for(p99 * 3 + MS * 20);
    for id in ids {
        let waits = world.client.pending.contains_key(&id);
        assert!(!waits || !world.client.is_idempotent[&id], "{id}");
    }
}

#[test]
fn backoff_outlasts_an_outage_and_never_the_deadline() {
    let bounds = RetryBackoff {
        retries_max: 10,
        delay_min: MS * 50,
        delay_max: MS * 500,
    };
    let policy = Arc::new(Policy {
        retry: Retry::Backoff(bounds),
        ..Policy::default()
    });
    let mut world = ready(6, 3, |config| config.policy = policy);
    for node in 0..3 {
        // Refuses all there is to refuse without having done anything.
        world.nodes[node].bad_answer =
            Some(&[0x00, 0, 0, 0, 8, 0, 0, 0x10, 0x02, 0, 2, b'n', b'o']);
    }
    let hasty: Vec<u64> = (0..20)
        .map(|_| world.submit_for(Kind::Execute, MS * 300))
        .collect();
    world.run_for(MS * 300);
    let began = world.now;
    for id in hasty {
        assert!(
            !world.client.pending.contains_key(&id),
            "its deadline has come"
        );
    }
    let patient: Vec<u64> = (0..20)
        .map(|_| world.submit_for(Kind::Execute, SECOND * 12))
        .collect();
    world.run_for(SECOND);
    for node in 0..3 {
        world.nodes[node].bad_answer = None;
    }
    world.run_for(SECOND * 11);
    assert!(world.now <= began + SECOND * 12);
    for id in patient {
        let done = world.client.succeeded.iter().any(|(done, _)| *done == id);
        let kind = world.client.failed.iter().find(|(failed, _)| *failed == id);
        assert!(done || !world.client.is_idempotent[&id], "{kind:?}");
    }
}

#[test]
fn more_requests_than_may_be_under_way_wait_for_their_turn() {
    let mut world = ready(8, 3, |config| {
        config.requests_in_flight_max = Some(2);
        config.requests_queued_max = 3;
    });
    for node in &mut world.nodes {
        node.silent_until = world.now + SECOND;
    }
    let timeouts = [5000, 5000, 5000, 300, 5000, 5000];
    let ids = timeouts.map(|ms| world.submit_for(Kind::Execute, MS * ms));
    let refused = RequestErrorKind::ClientOverloaded {
        in_flight: 2,
        queued: 3,
    };
    assert_eq!(world.client.failed, [(ids[5], refused.clone())]);
    world.run_for(MS * 500);
    let waited_in_vain = RequestErrorKind::Timeout {
        timeout: MS * 300,
        in_flight: false,
    };
    assert_eq!(
        world.client.failed[1..],
        [(ids[3], waited_in_vain)],
        "its deadline counts while it waits"
    );
    assert_eq!(in_flight(&world), 2);
    // One has left the queue, so there is room for one more, and no more.
    let late = world.submit_for(Kind::Execute, SECOND * 5);
    let too_late = world.submit_for(Kind::Execute, SECOND * 5);
    assert_eq!(world.client.failed.last(), Some(&(too_late, refused)));
    world.cancel(late);
    let later = world.submit_for(Kind::Execute, SECOND * 5);
    let mut order = Vec::new();
    let until = world.now + SECOND * 5;
    while world.now < until {
        world.run_for(MS);
        assert!(in_flight(&world) <= 2);
        order = world.client.succeeded.iter().map(|&(id, _)| id).collect();
    }
    assert_eq!(order.len(), 5);
    let place = |id| order.iter().position(|&done| done == id);
    assert!(
        place(ids[2]) < place(later),
        "first come, first served: {order:?}"
    );
}

#[test]
fn a_queue_that_nobody_can_serve_ends_at_once() {
    let mut world = ready(9, 2, |config| {
        config.requests_in_flight_max = Some(1);
        config.requests_queued_max = 100_000;
    });
    for node in &mut world.nodes {
        node.silent_until = world.now + SECOND;
    }
    for _ in 0..20_000 {
        world.submit_for(Kind::Execute, SECOND * 5);
    }
    world.kill(0, false);
    world.kill(1, false);
    // All of them, one after the other, and not one inside the other.
    world.run_for(SECOND);
    assert!(world.client.pending.is_empty());
}

#[test]
fn names_are_resolved_again_when_all_nodes_are_gone() {
    let mut rng = Rng::new(11);
    let nodes: Vec<Node> = (0..4).map(|n| Node::new(n, 2, &mut rng)).collect();
    let mut config = storms::config(&mut rng, &nodes);
    config.contact_points = vec![ContactPoint::Name {
        host: "cluster".to_owned(),
        port: PORT,
    }];
    let mut world = World::new(11, nodes, config, 64);
    // Two nodes now; two others, at other addresses, take their place later.
    for node in [2, 3] {
        world.nodes[node].is_member = false;
        world.nodes[node].is_alive = false;
    }
    world.names.insert("cluster".to_owned(), vec![0, 1]);
    world.engine.when_ready(READY_ID);
    let is_ready = |w: &mut World| !w.client.readies.is_empty();
    assert!(world.run_until(SECOND * 10, is_ready), "never ready");
    for node in [0, 1] {
        world.kill(node, true);
        world.nodes[node].is_member = false;
    }
    for node in [2, 3] {
        world.nodes[node].is_member = true;
        world.nodes[node].is_alive = true;
    }
    world.names.insert("cluster".to_owned(), vec![2, 3]);
    assert!(
        world.run_until(SECOND * 60, |w| w.is_covered(1)),
        "the nodes that are there now: {:#?}",
        world.engine.pool_views(world.now)
    );
    let before: Instant = world.now;
    let id = world.submit_for(Kind::Execute, SECOND * 5);
    world.run_for(SECOND);
    assert!(world.now > before);
    assert_eq!(world.client.succeeded, [(id, Kind::Execute)]);
}

/// A world whose application is asked about nodes, before anything has happened.
fn asking(nodes: usize, adapt: impl FnOnce(&mut Vec<Node>, &mut Config)) -> World {
    let mut rng = Rng::new(12);
    let mut nodes: Vec<Node> = (0..nodes).map(|n| Node::new(n, 2, &mut rng)).collect();
    let mut config = storms::config(&mut rng, &nodes);
    config.asks_about_nodes = true;
    config.tells_events.store(true, Ordering::Relaxed);
    adapt(&mut nodes, &mut config);
    let mut world = World::new(12, nodes, config, 64);
    world.engine.when_ready(READY_ID);
    world
}

fn become_ready(world: &mut World) {
    let is_ready = |w: &mut World| !w.client.readies.is_empty();
    assert!(world.run_until(SECOND * 10, is_ready), "never ready");
}

fn connected(world: &World) -> Vec<SocketAddr> {
    let mut views = world.engine.pool_views(world.now);
    views.retain(|view| !view.connections.is_empty());
    let mut addresses: Vec<SocketAddr> = views.iter().map(|view| view.address).collect();
    addresses.sort_unstable();
    addresses
}

#[test]
fn nodes_are_where_the_application_says() {
    let mut world = asking(3, |nodes, config| {
        // What the servers tell leads nowhere: the world panics if somebody connects there.
        for (index, node) in nodes.iter_mut().enumerate() {
            node.told = Some(Ipv4Addr::new(192, 168, 7, index as u8));
        }
        config.contact_points.truncate(1);
    });
    become_ready(&mut world);
    assert!(world.run_until(SECOND * 5, |w| w.is_covered(1)));
    assert_eq!(world.node_questions, 1);
    // Events name the address that the servers know.
    world.kill(1, false);
    world.run_for(SECOND * 2);
    assert_eq!(connected(&world).len(), 2);
    world.nodes[1].is_alive = true;
    let told = SocketAddr::new(IpAddr::V4(world.nodes[1].told.expect("above")), PORT);
    let connects = world.nodes[1].connects;
    let event = Event::StatusChange {
        change: StatusChangeKind::Up,
        address: told,
    };
    world.send_event(0, &event);
    world.run_for(MS * 40);
    assert!(
        world.nodes[1].connects > connects,
        "it is known by that address"
    );
    // The control connection finds its way as well.
    world.kill(0, false);
    assert!(world.run_until(SECOND * 10, |w| connected(w).len() == 2));
    world.run_for(SECOND * 5);
    world.restart(0);
    assert!(world.run_until(SECOND * 30, |w| w.is_covered(1)));
}

#[test]
fn nodes_that_the_application_does_not_want_get_no_connection() {
    let mut world = asking(3, |nodes, _| nodes[2].is_unwanted = true);
    become_ready(&mut world);
    world.run_for(SECOND * 5);
    let wanted: Vec<SocketAddr> = world.nodes[..2].iter().map(|n| n.address).collect();
    assert_eq!(connected(&world), wanted);
    assert_eq!(world.engine.pool_views(world.now).len(), 2);
    for _ in 0..50 {
        world.submit_for(Kind::Execute, SECOND * 5);
        world.run_for(MS * 20);
    }
    assert!(world.client.failed.is_empty(), "{:?}", world.client.failed);
    assert_eq!(world.nodes[2].connects, 0);
    // It may change its mind, and is asked at the next refresh.
    world.nodes[2].is_unwanted = false;
    world.nodes[0].is_unwanted = true;
    world.restart(1);
    let changed = [world.nodes[1].address, world.nodes[2].address];
    assert!(world.run_until(SECOND * 10, |w| connected(w) == changed));
    let of = |node: usize| world.nodes[node].host_id;
    let down = (ClusterEventKind::Down, of(0));
    assert!(world.events.contains(&down), "{:?}", world.events);
}

#[test]
fn an_application_that_does_not_answer_is_not_waited_for() {
    let mut world = asking(3, |_, config| config.control_timeout = SECOND);
    world.advisor_hangs = true;
    become_ready(&mut world);
    assert!(world.now >= Instant(0) + SECOND);
    assert!(world.run_until(SECOND * 5, |w| w.is_covered(1)));
}

#[test]
fn events_tell_of_nodes_as_they_come_and_go() {
    use ClusterEventKind::{Added, Down, Removed, Up};
    let mut world = asking(3, |nodes, config| {
        config.asks_about_nodes = false;
        nodes[2].is_member = false;
    });
    become_ready(&mut world);
    world.run_for(SECOND);
    let of = |world: &World, node: usize| -> Vec<ClusterEventKind> {
        let id = world.nodes[node].host_id;
        let of_node = |(_, host_id): &&(ClusterEventKind, HostId)| *host_id == id;
        world
            .events
            .iter()
            .filter(of_node)
            .map(|&(kind, _)| kind)
            .collect()
    };
    assert_eq!(of(&world, 0), [Added, Up]);
    assert_eq!(of(&world, 1), [Added, Up]);
    assert_eq!(of(&world, 2), []);
    world.restart(2);
    world.run_for(SECOND * 3);
    assert_eq!(of(&world, 2), [Added, Up], "it has joined");
    world.kill(1, false);
    world.run_for(SECOND);
    world.restart(1);
    world.run_for(SECOND * 20);
    assert_eq!(of(&world, 1), [Added, Up, Down, Up]);
    world.remove(2);
    world.run_for(SECOND * 5);
    assert_eq!(of(&world, 2), [Added, Up, Down, Removed]);
    // Nobody listens any more.
    world.config.tells_events.store(false, Ordering::Relaxed);
    let count = world.events.len();
    world.kill(1, false);
    world.run_for(SECOND * 5);
    assert_eq!(world.events.len(), count);
}

#[test]
fn a_number_of_remote_nodes_is_connected_to_and_no_more() {
    for max in [Some(0), Some(1), Some(2), None] {
        let mut world = asking(5, |nodes, config| {
            config.asks_about_nodes = false;
            config.local_datacenter = Some("dc1".to_owned());
            config.remote_nodes_per_datacenter_max = max;
            for node in &mut nodes[2..] {
                node.datacenter = "dc2";
            }
        });
        become_ready(&mut world);
        world.run_for(SECOND * 5);
        let remote = max.unwrap_or(3).min(3);
        let before = connected(&world);
        assert_eq!(before.len(), 2 + remote, "{max:?}");
        // Refreshes do not change the choice.
        world.restart(0);
        world.run_for(SECOND * 10);
        assert_eq!(connected(&world), before, "{max:?}");
    }
}

#[test]
fn a_bound_of_one_request_per_connection_is_no_obstacle_to_connecting() {
    let mut world = ready(13, 3, |config| config.in_flight_per_connection_max = 1);
    assert!(world.is_covered(1));
    // One on each connection; what is more finds room on another replica, or none at all.
    for node in &mut world.nodes {
        node.silent_until = world.now + SECOND;
    }
    for _ in 0..40 {
        world.submit_for(Kind::Execute, SECOND * 5);
    }
    assert_eq!(in_flight(&world), 6);
    assert_eq!(world.client.failed.len(), 34);
    for (id, kind) in &world.client.failed {
        assert_eq!(*kind, RequestErrorKind::NoNodeAvailable);
        let history = &world.client.histories[id];
        assert!(history.iter().all(|a| a.failure == AttemptFailure::Busy));
    }
    world.run_for(SECOND * 5);
    assert_eq!(world.client.succeeded.len(), 6);
}
