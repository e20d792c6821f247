//! What operators read: notices, each once, and counters that add up.

use std::time::Duration;

use shardlane_proto::{ClusterEventKind, Config, ContactPoint, Notice, Severity};

use crate::client::{Kind, READY_ID};
use crate::node::{Node, ShardPort};
use crate::rng::Rng;
use crate::storms;
use crate::world::{MS, World};

const SECOND: Duration = Duration::from_secs(1);

fn world(nodes: usize, shards: u16, adapt: impl FnOnce(&mut Vec<Node>, &mut Config)) -> World {
    let mut rng = Rng::new(11);
    let mut nodes: Vec<Node> = (0..nodes).map(|n| Node::new(n, shards, &mut rng)).collect();
    let mut config = storms::config(&mut rng, &nodes);
    config.attempts_per_node_max = 8;
    config.notices.set(Some(Severity::Info));
    adapt(&mut nodes, &mut config);
    let mut world = World::new(11, nodes, config, 64);
    world.engine.when_ready(READY_ID);
    world
}

fn become_ready(world: &mut World) {
    let is_ready = |w: &mut World| !w.client.readies.is_empty();
    assert!(world.run_until(SECOND * 10, is_ready), "never ready");
}

/// How many notices are of that kind.
fn count(world: &World, is_it: impl Fn(&Notice) -> bool) -> usize {
    world.notices.iter().filter(|notice| is_it(notice)).count()
}

fn of_node(world: &World, kind: ClusterEventKind) -> usize {
    count(
        world,
        |n| matches!(n, Notice::Node { kind: k, .. } if *k == kind),
    )
}

#[test]
fn a_quiet_start_warns_of_nothing() {
    let mut world = world(3, 4, |_, _| {});
    become_ready(&mut world);
    world.run_for(SECOND * 600);
    assert_eq!(of_node(&world, ClusterEventKind::Added), 3);
    assert_eq!(of_node(&world, ClusterEventKind::Up), 3);
    assert_eq!(count(&world, |n| matches!(n, Notice::ControlUp { .. })), 1);
    assert_eq!(world.notices.len(), 7, "{:?}", world.notices);
    let counters = world.engine.counters();
    assert_eq!(counters.connections_opened.get(), 12);
    assert_eq!(counters.connections_closed.get(), 0);
    assert_eq!(counters.connections_failed.get(), 0);
}

#[test]
fn a_node_that_is_down_for_long_is_told_once_for_each_cause() {
    let mut world = world(3, 8, |_, _| {});
    become_ready(&mut world);
    world.notices.clear();
    // The one without the control connection.
    world.kill(2, false);
    world.run_for(SECOND * 600);
    let failed = count(&world, |n| matches!(n, Notice::ConnectFailed { .. }));
    let lost = count(&world, |n| matches!(n, Notice::ConnectionLost { .. }));
    assert_eq!(of_node(&world, ClusterEventKind::Down), 1);
    assert_eq!(lost, 1, "of eight connections: {:?}", world.notices);
    assert!((1..=2).contains(&failed), "{:?}", world.notices);
    let counters = world.engine.counters();
    assert!(counters.connections_failed.get() > 30, "it has been tried");
    assert_eq!(counters.connections_closed.get(), 8);
    // It comes back, and goes again: that is news.
    world.restart(2);
    assert!(world.run_until(SECOND * 15, |w| w.is_covered(1)));
    world.notices.clear();
    world.kill(2, false);
    world.run_for(SECOND * 60);
    assert_eq!(of_node(&world, ClusterEventKind::Down), 1);
    assert!(count(&world, |n| matches!(n, Notice::ConnectionLost { .. })) == 1);
}

#[test]
fn a_shard_aware_port_that_is_not_used_is_told() {
    for (fault, why) in [
        (ShardPort::Refused, "no connection could be made"),
        (ShardPort::Dropped, "no connection could be made"),
        (ShardPort::Nat, "another shard"),
    ] {
        let mut world = world(3, 8, |nodes, _| nodes[1].shard_port = fault);
        become_ready(&mut world);
        world.run_for(SECOND * 200);
        let blocked = |n: &Notice| matches!(n, Notice::ShardAwarePortBlocked { .. });
        assert_eq!(count(&world, blocked), 1, "{fault:?}: {:?}", world.notices);
        let said = world.notices.iter().find(|n| blocked(n)).unwrap();
        assert_eq!(
            (said.severity(), said.topic()),
            (Severity::Warning, "connections")
        );
        assert!(said.to_string().contains(why), "{said}");
    }
}

#[test]
fn the_control_connection_moves_and_nobody_is_left() {
    let mut world = world(2, 2, |_, _| {});
    become_ready(&mut world);
    world.notices.clear();
    world.kill(0, false);
    world.kill(1, false);
    world.run_for(SECOND * 300);
    let of = |is_it: fn(&Notice) -> bool| count(&world, is_it);
    assert_eq!(of(|n| matches!(n, Notice::ControlLost { .. })), 1);
    assert_eq!(of(|n| matches!(n, Notice::ControlUp { .. })), 0);
    assert_eq!(
        of(|n| matches!(n, Notice::Unreachable(_))),
        1,
        "of many rounds"
    );
    world.restart(1);
    world.run_for(SECOND * 30);
    assert_eq!(count(&world, |n| matches!(n, Notice::ControlUp { .. })), 1);
    world.kill(1, false);
    world.run_for(SECOND * 60);
    let again = count(&world, |n| matches!(n, Notice::Unreachable(_)));
    assert_eq!(again, 2, "news, since it was up in between");
}

#[test]
fn nobody_ever_reached_is_told_once() {
    let mut world = world(1, 1, |nodes, config| {
        config.contact_points = vec![ContactPoint::Address(nodes[0].address)];
    });
    world.kill(0, false);
    world.run_for(SECOND * 120);
    assert_eq!(world.notices.len(), 1, "{:?}", world.notices);
    assert!(matches!(world.notices[0], Notice::Unreachable(_)));
}

#[test]
fn a_schema_that_is_not_agreed_on_is_told() {
    let mut world = world(3, 2, |_, _| {});
    become_ready(&mut world);
    let id = world.submit_for(Kind::Ddl, SECOND * 12);
    while world.client.pending.contains_key(&id) {
        world.nodes[2].schema_version = 1;
        world.run_for(MS * 10);
    }
    let said = count(&world, |n| matches!(n, Notice::NoSchemaAgreement { .. }));
    assert_eq!(said, 1);
}

#[test]
fn nothing_is_told_to_nobody() {
    let mut world = world(3, 2, |_, config| config.notices.set(None));
    become_ready(&mut world);
    world.kill(1, false);
    world.run_for(SECOND);
    assert!(world.notices.is_empty(), "{:?}", world.notices);
    // Later on somebody wants to know, but not everything.
    world.config.notices.set(Some(Severity::Warning));
    world.run_for(SECOND * 60);
    assert!(!world.notices.is_empty());
    world.restart(1);
    world.run_for(SECOND * 30);
    let warnings = count(&world, |n| n.severity() == Severity::Warning);
    assert_eq!(warnings, world.notices.len(), "{:?}", world.notices);
}

#[test]
fn closing_warns_of_nothing() {
    let mut world = world(3, 4, |_, _| {});
    become_ready(&mut world);
    let before = world.notices.len();
    world.engine.close(world.now, Duration::ZERO);
    world.turn();
    assert!(world.is_finished);
    assert_eq!(world.notices.len(), before, "{:?}", world.notices);
    let counters = world.engine.counters();
    assert_eq!(
        counters.connections_opened.get(),
        counters.connections_closed.get()
    );
}

#[test]
fn counters_add_up() {
    let mut world = world(3, 4, |_, _| {});
    become_ready(&mut world);
    for number in 0..300 {
        world.submit(Kind::Execute);
        match number {
            // Many are on their way at once when the node goes.
            100..150 => {}
            150 => {
                world.turn();
                world.kill(2, false);
            }
            _ => world.run_for(MS),
        }
    }
    world.run_for(SECOND * 15);
    let counters = world.engine.counters();
    let (succeeded, failed) = (&world.client.succeeded, &world.client.failed);
    assert_eq!(counters.requests.get(), 300);
    assert_eq!(counters.succeeded.get(), succeeded.len() as u64);
    assert_eq!(counters.ended_total(), 300);
    assert_eq!(counters.in_progress(), 0);
    let errors = counters.ended_total() - counters.succeeded.get();
    assert_eq!(errors, failed.len() as u64);
    assert!(
        counters.retries.get() > 0,
        "of those that were on their way"
    );
    assert!(counters.bytes_sent.get() > 300 * 9);
    assert!(counters.bytes_received.get() > 300 * 9);
}
