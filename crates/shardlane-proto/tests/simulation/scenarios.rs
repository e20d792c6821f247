//! One fault at a time, and what exactly must come of it.

use std::time::Duration;

use shardlane_proto::{
    AttemptFailure, Config, ConnectionError, ContactPoint, Opened, PoolSize, RequestErrorKind,
    RequestSpec, ShardAwareness, Target,
};
use shardlane_wire::Opcode;

use crate::client::{Kind, READY_ID};
use crate::node::{Node, PORT, Placement, ShardPort};
use crate::rng::Rng;
use crate::storms;
use crate::world::{MS, World};

const SECOND: Duration = Duration::from_secs(1);

/// A world of `nodes` nodes with `shards` shards each; `adapt` has the last word.
fn world(nodes: usize, shards: u16, adapt: impl FnOnce(&mut Vec<Node>, &mut Config)) -> World {
    let mut rng = Rng::new(7);
    let mut nodes: Vec<Node> = (0..nodes).map(|n| Node::new(n, shards, &mut rng)).collect();
    let mut config = storms::config(&mut rng, &nodes);
    config.attempts_per_node_max = 8;
    adapt(&mut nodes, &mut config);
    let mut world = World::new(7, nodes, config, 64);
    world.engine.when_ready(READY_ID);
    world
}

fn become_ready(world: &mut World) {
    let is_ready = |w: &mut World| !w.client.readies.is_empty();
    assert!(world.run_until(SECOND * 10, is_ready), "never ready");
    assert_eq!(world.client.readies, [(READY_ID, true)]);
}

/// Runs `count` routed requests; all must succeed.
fn execute(world: &mut World, count: usize) {
    let before = (world.client.succeeded.len(), world.client.failed.len());
    for _ in 0..count {
        world.submit(Kind::Execute);
        world.run_for(MS);
    }
    world.run_for(SECOND * 13);
    let late = |kind: &RequestErrorKind| matches!(kind, RequestErrorKind::Timeout { timeout, .. } if *timeout == MS * 50);
    let failed = &world.client.failed[before.1..];
    assert!(failed.iter().all(|(_, kind)| late(kind)), "{failed:?}");
    assert_eq!(
        world.client.succeeded.len() - before.0 + failed.len(),
        count
    );
}

fn opened_by(world: &World, node: usize, way: Opened) -> usize {
    let views = world.engine.pool_views(world.now);
    let view = views
        .iter()
        .find(|v| v.host_id == world.nodes[node].host_id);
    let view = view.expect("a pool per node");
    view.connections.iter().filter(|c| c.opened == way).count()
}

#[test]
fn the_shard_aware_port_needs_exactly_one_connection_per_shard() {
    for shards in [1, 4, 8, 17] {
        let mut world = world(3, shards, |_, _| {});
        become_ready(&mut world);
        assert!(world.is_covered(1), "ready means covered");
        assert_eq!(world.connects, 3 * u64::from(shards) + 1, "none in vain");
        execute(&mut world, 300);
        assert_eq!(world.wrong_shard, 0);
        assert_eq!(world.connects, 3 * u64::from(shards) + 1);
        assert_eq!(
            opened_by(&world, 1, Opened::ShardAwarePort),
            usize::from(shards) - 1
        );
    }
}

#[test]
fn several_connections_per_shard() {
    let mut world = world(2, 4, |_, config| config.pool_size = PoolSize::PerShard(3));
    become_ready(&mut world);
    assert!(world.is_covered(3));
    assert_eq!(world.connects, 2 * 4 * 3 + 1);
}

#[test]
fn a_shard_aware_port_that_fails_is_left_alone_and_used_again() {
    for fault in [ShardPort::Refused, ShardPort::Dropped, ShardPort::Nat] {
        // With 8 shards misled connections do not cover all of them by chance.
        let mut world = world(3, 8, |nodes, _| nodes[1].shard_port = fault);
        become_ready(&mut world);
        let covered = world.run_until(SECOND * 5, |w| w.is_covered(1));
        assert!(covered, "{fault:?}: all shards are covered all the same");
        let wrong = world.wrong_shard;
        execute(&mut world, 200);
        assert_eq!(world.wrong_shard, wrong, "{fault:?}");
        let blocked = |w: &World| {
            let views = w.engine.pool_views(w.now);
            views.iter().filter(|v| v.shard_aware_port_blocked).count()
        };
        assert_eq!(blocked(&world), 1, "{fault:?}: and only on that node");
        // Within five minutes what is lost comes back by the normal port ...
        world.nodes[1].shard_port = ShardPort::Open;
        let aimed = opened_by(&world, 1, Opened::ShardAwarePort);
        lose_one(&mut world, 1, Opened::Legacy);
        assert_eq!(
            opened_by(&world, 1, Opened::ShardAwarePort),
            aimed,
            "{fault:?}"
        );
        // ... and after that by the shard-aware port again.
        world.run_for(SECOND * 300);
        assert_eq!(blocked(&world), 0);
        lose_one(&mut world, 1, Opened::Legacy);
        assert_eq!(
            opened_by(&world, 1, Opened::ShardAwarePort),
            aimed + 1,
            "{fault:?}"
        );
    }
}

/// Cuts one connection of that kind, and waits until the pool is whole again.
fn lose_one(world: &mut World, node: usize, way: Opened) {
    let views = world.engine.pool_views(world.now);
    let view = views
        .iter()
        .find(|v| v.host_id == world.nodes[node].host_id);
    let lost = view.and_then(|v| v.connections.iter().find(|c| c.opened == way));
    let port = lost
        .unwrap_or_else(|| panic!("one to lose: {view:?}"))
        .local_port;
    let is_it = |id: &u64| {
        let socket = &world.sockets[id];
        socket.node == node && socket.local_port == port
    };
    let socket = *world
        .by_conn
        .values()
        .find(|id| is_it(id))
        .expect("it is open");
    world.cut(socket, ConnectionError::ClosedByServer);
    world.run_for(MS * 50);
    let covered = world.run_until(SECOND * 10, |w| w.is_covered(1));
    assert!(covered, "the shard is covered again");
}

#[test]
fn taken_local_ports_are_stepped_over() {
    let mut world = world(2, 4, |_, _| {});
    world.unkindness.port_taken = 80;
    become_ready(&mut world);
    assert!(world.is_covered(1));
    assert_eq!(world.connects, 2 * 4 + 1);
    assert_eq!(opened_by(&world, 0, Opened::ShardAwarePort), 3);
}

#[test]
fn without_a_free_local_port_the_normal_port_serves() {
    for taken in [true, false] {
        let mut world = world(2, 4, |_, config| {
            // One port per shard, or too few for all shards.
            config.source_ports = if taken {
                50_000..=50_003
            } else {
                50_000..=50_001
            };
        });
        world.unkindness.port_taken = if taken { 100 } else { 0 };
        become_ready(&mut world);
        assert!(world.run_until(SECOND, |w| w.is_covered(1)));
        assert!(opened_by(&world, 0, Opened::Legacy) >= 2);
        execute(&mut world, 50);
        assert_eq!(world.wrong_shard, 0);
    }
}

#[test]
fn the_legacy_algorithm_covers_all_shards() {
    for placement in [Placement::LeastLoaded, Placement::Random] {
        let mut world = world(2, 8, |nodes, config| {
            config.shard_awareness = ShardAwareness::Legacy;
            nodes.iter_mut().for_each(|n| n.placement = placement);
        });
        become_ready(&mut world);
        assert!(
            world.run_until(SECOND * 30, |w| w.is_covered(1)),
            "{placement:?}"
        );
        execute(&mut world, 200);
        assert_eq!(world.wrong_shard, 0, "{placement:?}");
        if placement == Placement::LeastLoaded {
            // The control connection and shards covered twice cost a few.
            assert!(world.connects <= 2 * 8 + 1 + 8, "{}", world.connects);
        }
    }
}

#[test]
fn a_server_that_gives_one_shard_only_is_not_stormed() {
    let mut world = world(1, 4, |nodes, config| {
        config.shard_awareness = ShardAwareness::Legacy;
        nodes[0].placement = Placement::Always(2);
    });
    become_ready(&mut world);
    execute(&mut world, 50);
    let before = world.connects;
    world.run_for(SECOND * 600);
    // Excess of 4 x 10 at most, then a pause of 10 s: the longest delay.
    let rounds = (world.connects - before) / 41;
    assert!(
        (50..=75).contains(&rounds),
        "{rounds} rounds in ten minutes"
    );
    let open = world.sockets.values().filter(|s| s.is_open()).count();
    assert!(open <= 1 + 1 + 41 + 8, "{open} connections");
    execute(&mut world, 50);
}

#[test]
fn a_server_that_drops_connections_after_the_handshake_is_not_stormed() {
    let mut world = world(2, 2, |nodes, _| nodes[1].closes_at_once = true);
    become_ready(&mut world);
    world.run_for(SECOND * 60);
    let before = world.nodes[1].connects;
    world.run_for(SECOND * 600);
    let count = world.nodes[1].connects - before;
    assert!(
        count <= 600 / 8 * 2 + 10,
        "{count} connections in ten minutes"
    );
    execute(&mut world, 20);
    world.nodes[1].closes_at_once = false;
    assert!(world.run_until(SECOND * 13, |w| w.is_covered(1)));
}

#[test]
fn nodes_without_shards_and_pools_that_ignore_them() {
    let mut cassandra = world(3, 0, |_, _| {});
    become_ready(&mut cassandra);
    assert!(cassandra.is_covered(1));
    execute(&mut cassandra, 100);
    assert_eq!(cassandra.wrong_shard, 0);

    let mut off = world(3, 4, |_, config| {
        config.shard_awareness = ShardAwareness::Off
    });
    become_ready(&mut off);
    execute(&mut off, 100);
    assert_eq!(off.connects, 3 + 1);

    let mut per_host = world(3, 4, |_, config| config.pool_size = PoolSize::PerHost(6));
    become_ready(&mut per_host);
    execute(&mut per_host, 100);
    assert_eq!(per_host.connects, 3 * 6 + 1);
    assert_eq!(
        per_host.wrong_shard, 0,
        "six connections, least loaded shard first"
    );
}

#[test]
fn a_node_may_come_back_with_another_number_of_shards() {
    let mut world = world(3, 4, |_, _| {});
    become_ready(&mut world);
    for shards in [8, 3, 0, 4] {
        world.kill(1, false);
        world.run_for(SECOND * 3);
        world.nodes[1].shards = shards;
        world.restart(1);
        assert!(
            world.run_until(SECOND * 15, |w| w.is_covered(1)),
            "{shards} shards"
        );
        execute(&mut world, 100);
    }
    assert_eq!(world.wrong_shard, 0);
}

#[test]
fn a_node_may_be_replaced_at_the_same_address() {
    let mut world = world(3, 2, |_, _| {});
    become_ready(&mut world);
    for _ in 0..20 {
        world.submit(Kind::Execute);
    }
    world.remove(1);
    world.nodes[1].host_id.0 = [0xAB; 16];
    world.restart(1);
    assert!(world.run_until(SECOND * 15, |w| w.is_covered(1)));
    world.run_for(SECOND * 13);
    assert!(world.client.pending.is_empty());
    execute(&mut world, 100);
    assert_eq!(
        world
            .client
            .failed
            .iter()
            .filter(|(_, k)| is_unclassified(k))
            .count(),
        0
    );
}

const fn is_unclassified(kind: &RequestErrorKind) -> bool {
    matches!(
        kind,
        RequestErrorKind::Cancelled | RequestErrorKind::PreparedChanged(_)
    )
}

#[test]
fn nobody_reachable_tells_every_reason() {
    let mut world = world(3, 2, |nodes, config| {
        nodes.iter_mut().for_each(|n| n.is_alive = false);
        nodes[2].drops_syn = true;
        let name = |host: &str| ContactPoint::Name {
            host: host.to_owned(),
            port: PORT,
        };
        config.contact_points = vec![
            name("nowhere"),
            ContactPoint::Address(nodes[0].address),
            name("two"),
            name("empty"),
        ];
    });
    world.names.insert("two".to_owned(), vec![1, 2]);
    world.names.insert("empty".to_owned(), vec![]);
    let is_told = |w: &mut World| !w.client.readies.is_empty();
    assert!(world.run_until(SECOND * 10, is_told));
    assert_eq!(world.client.readies, [(READY_ID, false)]);
    let mut blamed: Vec<&str> = world
        .client
        .unreachable
        .iter()
        .map(|(who, _)| &**who)
        .collect();
    blamed.sort_unstable();
    assert_eq!(
        blamed,
        [
            "10.0.0.1:9042",
            "10.0.0.2:9042",
            "10.0.0.3:9042",
            "empty",
            "nowhere"
        ]
    );
    // It goes on trying, and whoever asks again is told when it works.
    world.client.readies.clear();
    world.restart(2);
    world.engine.when_ready(READY_ID);
    assert!(world.run_until(SECOND * 30, is_told));
}

#[test]
fn a_node_that_cannot_read_its_system_tables_is_passed_over() {
    let mut world = world(3, 2, |nodes, _| nodes[0].is_broken = true);
    become_ready(&mut world);
    assert!(world.is_covered(1), "by way of the next contact point");
    world.nodes[1].is_broken = true;
    world.kill(1, false);
    world.run_for(SECOND * 5);
    world.restart(1);
    assert!(world.run_until(SECOND * 15, |w| w.is_covered(1)));
}

#[test]
fn ddl_waits_for_the_nodes_that_are_up() {
    let mut world = world(3, 2, |_, _| {});
    world.expects_agreement = true;
    become_ready(&mut world);
    // In bursts, so that refreshes are in flight when the next one comes.
    for gap in (0..60).map(|n| MS * (n % 12)) {
        world.submit_for(Kind::Ddl, SECOND * 12);
        world.run_for(gap);
    }
    world.run_for(SECOND * 13);
    assert_eq!(world.client.succeeded.len(), 60);

    // A dead node has an old version for ever: that must not matter.
    world.kill(2, false);
    world.run_for(SECOND);
    let begun = world.now;
    let id = world.submit_for(Kind::Ddl, SECOND * 12);
    assert!(world.run_until(SECOND * 10, |w| !w.client.pending.contains_key(&id)));
    assert!(
        world.now.since(begun) < SECOND * 2,
        "{:?}",
        world.now.since(begun)
    );
}

#[test]
fn agreement_can_be_waited_for_and_its_lack_is_an_error() {
    let mut world = world(3, 2, |_, _| {});
    become_ready(&mut world);
    let outcome = |world: &mut World, timeout| {
        let id = world.submit_for(Kind::Agreement, timeout);
        assert!(world.run_until(SECOND * 20, |w| !w.client.pending.contains_key(&id)));
        world
            .client
            .failed
            .iter()
            .find(|(failed, _)| *failed == id)
            .cloned()
    };
    assert_eq!(outcome(&mut world, SECOND), None);
    world.nodes[2].schema_version = 9;
    // Longer than the time after which DDL gives up waiting.
    let begun = world.now;
    let (_, kind) = outcome(&mut world, SECOND * 15).expect("they differ");
    assert!(matches!(kind, RequestErrorKind::Timeout { .. }), "{kind:?}");
    assert_eq!(world.now.since(begun), SECOND * 15);
    for node in &mut world.nodes {
        node.schema_version = 9;
    }
    assert_eq!(outcome(&mut world, SECOND), None);
    // Where nobody follows changes nothing else reads the nodes: it must be asked all the same.
    world.nodes[1].schema_version = 8;
    world.kill(1, false);
    world.run_for(SECOND);
    assert_eq!(outcome(&mut world, SECOND), None, "the dead do not count");
}

#[test]
fn ddl_does_not_wait_for_agreement_for_ever() {
    let mut world = world(3, 2, |_, _| {});
    become_ready(&mut world);
    let id = world.submit_for(Kind::Ddl, SECOND * 12);
    let begun = world.now;
    while world.client.pending.contains_key(&id) {
        // A node that never learns, but is up.
        world.nodes[2].schema_version = 1;
        world.run_for(MS * 10);
    }
    let waited = world.now.since(begun);
    let max = world.config.schema_agreement_timeout;
    assert!(waited >= max && waited < max + SECOND, "{waited:?}");
    // Nor without any control connection.
    let id = world.submit_for(Kind::Ddl, SECOND * 12);
    world.run_for(MS * 20);
    for node in 0..3 {
        world.kill(node, true);
    }
    assert!(world.run_until(SECOND * 10, |w| !w.client.pending.contains_key(&id)));
}

#[test]
fn closing_lets_requests_finish() {
    let mut world = world(2, 2, |_, _| {});
    become_ready(&mut world);
    let ids: Vec<u64> = (0..50).map(|_| world.submit(Kind::Execute)).collect();
    world.engine.close(world.now, SECOND * 30);
    world.turn();
    assert!(!world.is_finished);
    assert!(
        world.run_until(SECOND, |w| w.is_finished),
        "as soon as the last one has"
    );
    let done = &world.client.succeeded;
    assert!(ids.iter().all(|id| done.iter().any(|(done, _)| done == id)));
}

#[test]
fn closing_before_anything_has_begun() {
    let mut world = world(2, 2, |_, _| {});
    world.engine.close(world.now, SECOND);
    world.turn();
    assert!(world.is_finished);
    assert_eq!(world.client.readies, [(READY_ID, false)]);
}

#[test]
fn a_node_killed_and_restarted_under_load_costs_no_idempotent_request() {
    let mut world = world(3, 4, |_, _| {});
    become_ready(&mut world);
    for round in 0..400 {
        if round == 100 {
            world.kill(0, false);
        }
        if round == 250 {
            world.restart(0);
        }
        world.submit(Kind::Execute);
        world.run_for(MS * 10);
    }
    world.run_for(SECOND * 13);
    assert!(world.client.pending.is_empty());
    for (id, kind) in &world.client.failed {
        let short =
            matches!(kind, RequestErrorKind::Timeout { timeout, .. } if *timeout == MS * 50);
        assert!(short || !world.client.is_idempotent[id], "{id}: {kind:?}");
    }
    assert!(world.client.failed.len() < 20, "{:?}", world.client.failed);
    assert!(world.is_covered(1));
}

#[test]
fn a_request_for_one_node_goes_there_or_nowhere() {
    let mut world = world(3, 2, |_, _| {});
    become_ready(&mut world);
    world.kill(1, false);
    world.run_for(SECOND);
    let spec = RequestSpec {
        node: Some(Target {
            host_id: world.nodes[1].host_id,
            shard: None,
        }),
        idempotent: true,
        ..RequestSpec::new(Opcode::Query, Vec::new())
    };
    world.engine.submit(world.now, spec, READY_ID + 1);
    world.turn();
    assert_eq!(world.client.readies.last(), Some(&(READY_ID + 1, false)));
}

#[test]
fn answers_that_break_the_protocol_end_the_connection_and_no_more() {
    let bad_answers: [&[u8]; 8] = [
        // READY, SUPPORTED, an event: sound, but no answer to EXECUTE.
        &[0x02, 0, 0, 0, 0],
        &[0x06, 0, 0, 0, 2, 0, 0],
        // A RESULT longer than the limit, and half of one.
        &[0x08, 0x7F, 0xFF, 0xFF, 0xFF],
        &[0x08, 0, 0, 0, 9, 1, 2],
        // An ERROR without a code, and one without its fields.
        &[0x00, 0, 0, 0, 1, 1],
        &[0x00, 0, 0, 0, 6, 0, 0, 0x10, 0, 0, 0],
        // No such opcode, and a request's.
        &[0x55, 0, 0, 0, 0],
        &[0x0A, 0, 0, 0, 0],
    ];
    for bad_answer in bad_answers {
        let mut world = world(3, 2, |_, _| {});
        become_ready(&mut world);
        execute(&mut world, 20);
        world.nodes[1].bad_answer = Some(bad_answer);
        for _ in 0..60 {
            world.submit(Kind::Execute);
            world.run_for(MS * 20);
        }
        world.run_for(SECOND * 13);
        assert!(world.client.pending.is_empty());
        let mut blamed = 0;
        for (id, kind) in &world.client.failed {
            match kind {
                RequestErrorKind::Timeout { .. } => {}
                RequestErrorKind::Attempt => {
                    assert!(
                        !world.client.is_idempotent[id],
                        "{id} could have gone elsewhere"
                    );
                    let history = &world.client.histories[id];
                    let last = history.last().expect("a history");
                    assert_eq!(last.host_id, world.nodes[1].host_id);
                    let AttemptFailure::Connection {
                        error,
                        written: true,
                    } = &last.failure
                    else {
                        panic!("{last:?}")
                    };
                    let is_half = bad_answer == bad_answers[3];
                    assert_eq!(
                        *error == ConnectionError::ClosedByServer,
                        is_half,
                        "{error:?}"
                    );
                    assert_eq!(matches!(error, ConnectionError::Protocol(_)), !is_half);
                    blamed += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(blamed > 0, "somebody must have met it");
        world.nodes[1].bad_answer = None;
        assert!(
            world.run_until(SECOND * 20, |w| w.is_covered(1)),
            "{bad_answer:?}"
        );
    }
}

#[test]
fn whoever_shares_a_prepare_has_a_deadline_of_its_own() {
    let mut world = world(1, 2, |_, _| {});
    become_ready(&mut world);
    let kind = || Kind::Prepare("INSERT one".to_owned());
    // Shortest patience first, last, and in between; all while the node says nothing.
    world.nodes[0].silent_until = world.now + SECOND;
    let leader = world.submit_for(kind(), MS * 100);
    let patient = world.submit_for(kind(), SECOND * 5);
    let hasty = world.submit_for(kind(), MS * 50);
    let cancelled = world.submit_for(kind(), SECOND * 5);
    let last = world.submit_for(kind(), SECOND * 5);
    world.run_for(MS * 60);
    let ended = |w: &World, id: u64| w.client.failed.iter().any(|(failed, _)| *failed == id);
    assert!(
        ended(&world, hasty) && !ended(&world, leader),
        "at its own deadline"
    );
    world.run_for(MS * 60);
    assert!(
        ended(&world, leader) && !ended(&world, patient),
        "another one takes over"
    );
    world.cancel(patient);
    world.cancel(cancelled);
    assert!(!ended(&world, last));
    world.run_for(SECOND * 2);
    assert_eq!(world.client.succeeded, [(last, kind())]);
    // One that nobody shares any more leaves nothing behind.
    let again = world.submit_for(kind(), SECOND);
    world.run_for(SECOND);
    assert_eq!(world.client.succeeded.last(), Some(&(again, kind())));
}

#[test]
fn a_lost_answer_is_repeated_only_if_that_is_harmless() {
    let mut world = world(3, 2, |_, _| {});
    become_ready(&mut world);
    execute(&mut world, 20);
    for _ in 0..40 {
        for _ in 0..5 {
            world.submit_for(Kind::Execute, SECOND * 5);
        }
        world.run_for(MS * 5);
        let open: Vec<u64> = world.by_conn.values().copied().collect();
        for socket in open
            .into_iter()
            .filter(|s| world.sockets[s].is_open())
            .collect::<Vec<_>>()
        {
            if world.sockets[&socket].node < 2 && world.rng.chance(50) {
                world.cut(socket, ConnectionError::Io("reset".to_owned()));
            }
        }
        world.run_for(SECOND);
    }
    world.run_for(SECOND * 10);
    let idempotent = |id: &u64| world.client.is_idempotent[id];
    let repeated = world
        .executions
        .values()
        .filter(|&&count| count > 1)
        .count();
    assert!(repeated > 0, "some are repeated");
    for (id, &count) in &world.executions {
        assert!(count == 1 || idempotent(id), "{id} executed {count} times");
    }
    for (id, kind) in &world.client.failed {
        assert!(!idempotent(id), "{id}: {kind:?}");
    }
}

#[test]
fn events_in_bursts_cause_one_refresh() {
    let mut world = world(3, 2, |_, _| {});
    become_ready(&mut world);
    world.run_for(SECOND);
    let before = world.system_queries;
    world.restart(1);
    world.restart(2);
    world.restart(1);
    world.run_for(SECOND * 3);
    // Of topology alone: two queries.
    let refreshes = (world.system_queries - before) / 2;
    // Three nodes tell of three restarts within 300 ms, and refreshes are 100 ms apart.
    assert!((1..=3).contains(&refreshes), "{refreshes} refreshes");
}

#[test]
fn a_process_that_has_few_attempts_gets_there_all_the_same() {
    let mut world = world(3, 8, |_, _| {});
    world.engine = shardlane_proto::Engine::new(
        world.config.clone(),
        std::sync::Arc::new(shardlane_proto::AttemptBudget::new(1)),
    );
    world.engine.when_ready(READY_ID);
    become_ready(&mut world);
    assert!(world.run_until(SECOND * 10, |w| w.is_covered(1)));
    assert!(world.attempts_max <= 2, "one, and the control connection's");
}

#[test]
fn another_connection_of_the_same_node_takes_over() {
    let mut world = world(1, 4, |_, _| {});
    become_ready(&mut world);
    execute(&mut world, 20);
    let ids: Vec<u64> = (0..200)
        .map(|_| world.submit_for(Kind::Execute, SECOND * 5))
        .collect();
    world.run_for(MS * 5);
    let mut views = world.engine.pool_views(world.now);
    let port = views.remove(0).connections.remove(2).local_port;
    let is_it = |id: &u64| world.sockets[id].local_port == port;
    let socket = *world
        .by_conn
        .values()
        .find(|id| is_it(id))
        .expect("it is open");
    world.cut(socket, ConnectionError::Io("reset".to_owned()));
    world.run_for(SECOND * 10);
    let failed: Vec<u64> = world.client.failed.iter().map(|&(id, _)| id).collect();
    let lost: Vec<&u64> = ids.iter().filter(|id| failed.contains(id)).collect();
    assert!(
        !lost.is_empty(),
        "what may have been executed is not repeated"
    );
    assert!(
        lost.iter().all(|id| !world.client.is_idempotent[id]),
        "{lost:?}"
    );
}

#[test]
fn a_connection_with_too_many_orphans_is_replaced_at_once() {
    let mut world = world(1, 1, |_, config| {
        config.orphans_max = 3;
        config.orphan_age = Duration::ZERO;
    });
    become_ready(&mut world);
    execute(&mut world, 5);
    world.nodes[0].silent_until = world.now + SECOND;
    let connects = world.connects;
    let ids: Vec<u64> = (0..4)
        .map(|_| world.submit_for(Kind::Execute, SECOND * 5))
        .collect();
    for id in ids {
        world.cancel(id);
    }
    assert!(
        world
            .engine
            .next_timeout()
            .is_some_and(|at| at <= world.now),
        "something to do"
    );
    world.run_for(SECOND / 2);
    assert_eq!(world.connects, connects + 1);
}

#[test]
fn a_refresh_that_began_before_ddl_does_not_end_its_wait() {
    let mut world = world(3, 2, |_, _| {});
    world.expects_agreement = true;
    become_ready(&mut world);
    world.run_for(SECOND);
    for offset in 0..120 {
        // The event's refresh begins some 100 ms later, all nodes agreeing on the old schema.
        world.restart(1);
        let before = world.system_queries;
        world.run_until(SECOND, |w| w.system_queries > before);
        world.run_for(MS / 10 * (offset % 30));
        world.submit_for(Kind::Ddl, SECOND * 12);
        world.run_for(SECOND * 2);
    }
    assert_eq!(world.client.succeeded.len(), 120);
}
