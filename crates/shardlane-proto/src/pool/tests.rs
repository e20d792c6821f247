//! The pool alone: attempts are begun and ended by hand.

use std::num::NonZeroU16;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const PORT: u16 = 19042;
const LOST: ConnectionError = ConnectionError::ClosedByServer;

struct Bench {
    pool: Pool,
    rng: Rng,
    now: Instant,
    next: u32,
}

impl Bench {
    fn new(adapt: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(Vec::new());
        adapt(&mut config);
        Self {
            pool: Pool::new(&config),
            rng: Rng::new(1),
            now: Instant(0) + SECOND,
            next: 0,
        }
    }

    /// Begins the attempt that the pool wants now.
    fn open(&mut self) -> Option<(ConnId, Via, Option<u16>)> {
        let via = self.pool.next_open(self.now)?;
        let conn = ConnId(self.next);
        self.next += 1;
        let port = self.pool.opened(conn, via, &mut self.rng);
        Some((
            conn,
            via,
            port.expect("the range has ports for every shard"),
        ))
    }

    fn open_all(&mut self) -> Vec<(ConnId, Via, Option<u16>)> {
        std::iter::from_fn(|| self.open()).collect()
    }

    fn establish(&mut self, conn: ConnId, sharding: Option<Sharding>) -> (Landing, Vec<ConnId>) {
        let mut closes = Vec::new();
        let landing = self
            .pool
            .established(self.now, conn, sharding, &mut self.rng, &mut closes);
        (landing, closes)
    }

    /// A pool whose first connection has landed on shard 0 of `shards`.
    fn begun(shards: u16, adapt: impl FnOnce(&mut Config)) -> Self {
        let mut bench = Self::new(adapt);
        let (conn, via, _) = bench.open().expect("the first");
        assert_eq!(via, Via::Normal);
        assert_eq!(
            bench.open(),
            None,
            "one connection tells first what the node is"
        );
        bench.establish(conn, on(0, shards));
        bench
    }
}

fn on(shard: u16, shards: u16) -> Option<Sharding> {
    Some(Sharding {
        shard,
        sharder: Sharder::new(NonZeroU16::new(shards).expect("not zero"), 12),
        shard_aware_port: Some(PORT),
    })
}

#[test]
fn each_missing_shard_is_aimed_at_once() {
    let mut bench = Bench::begun(4, |_| {});
    let opened = bench.open_all();
    assert_eq!(opened.len(), 3);
    for (wanted, &(conn, via, port)) in (1..).zip(&opened) {
        assert_eq!(
            via,
            Via::ShardAware {
                shard: wanted,
                port: PORT
            }
        );
        assert_eq!(port.map(|p| p % 4), Some(wanted));
        let (landing, closes) = bench.establish(conn, on(wanted, 4));
        assert_eq!((landing, closes), (Landing::Pooled, vec![]));
    }
    assert!(bench.pool.is_full());
    assert_eq!(bench.open(), None, "none in vain");
    assert_eq!(bench.pool.next_timeout(bench.now), None);
}

#[test]
fn a_login_that_was_refused_is_not_repeated_soon_and_blocks_no_port() {
    let mut bench = Bench::begun(2, |_| {});
    let (conn, via, _) = bench.open().expect("shard 1");
    let refused = ConnectionError::Authentication("no".to_owned());
    bench.pool.failed(bench.now, conn, &refused, &mut bench.rng);
    assert!(!bench.pool.is_blocked(bench.now));
    assert_eq!(bench.open(), None);
    let next = bench.pool.next_timeout(bench.now).expect("later");
    assert!(
        next.since(bench.now) >= SECOND * 8,
        "the longest delay, with jitter"
    );
    bench.now = next;
    assert_eq!(bench.open().expect("again").1, via);
}

#[test]
fn simultaneous_attempts_are_bounded() {
    let mut bench = Bench::begun(64, |config| config.attempts_per_node_max = 5);
    let opened = bench.open_all();
    assert_eq!(opened.len(), 5);
    bench.establish(opened[0].0, on(1, 64));
    assert_eq!(bench.open_all().len(), 1, "one ended, one begins");
    bench
        .pool
        .failed(bench.now, opened[1].0, &LOST, &mut bench.rng);
    assert_eq!(bench.open_all().len(), 1);
}

#[test]
fn a_refused_port_falls_back_at_once_and_is_blocked_for_a_while() {
    let mut bench = Bench::begun(2, |_| {});
    let (conn, _, _) = bench.open().expect("shard 1");
    bench.pool.failed(bench.now, conn, &LOST, &mut bench.rng);
    assert!(bench.pool.is_blocked(bench.now));
    let (conn, via, port) = bench.open().expect("at once");
    assert_eq!((via, port), (Via::Normal, None));
    // It lands on the shard that is covered already: kept, until the other one is.
    assert_eq!(bench.establish(conn, on(0, 2)), (Landing::Excess, vec![]));
    let (last, _, _) = bench.open().expect("still missing");
    assert_eq!(
        bench.establish(last, on(1, 2)),
        (Landing::Pooled, vec![conn])
    );
    // After the block the port is used again.
    bench.now = bench.now + SECOND * 300;
    assert!(!bench.pool.is_blocked(bench.now));
    bench.pool.lost(bench.now, last, &mut bench.rng);
    bench.now = bench.now + SECOND;
    let (_, via, _) = bench.open().expect("the lost one");
    assert_eq!(
        via,
        Via::ShardAware {
            shard: 1,
            port: PORT
        }
    );
}

#[test]
fn landing_elsewhere_blocks_the_port_but_the_connection_is_used() {
    let mut bench = Bench::begun(3, |_| {});
    let (conn, via, _) = bench.open().expect("shard 1");
    assert_eq!(
        via,
        Via::ShardAware {
            shard: 1,
            port: PORT
        }
    );
    assert_eq!(bench.establish(conn, on(2, 3)), (Landing::Pooled, vec![]));
    assert!(bench.pool.is_blocked(bench.now));
    assert!(bench.pool.is_blocked(bench.now + SECOND * 299));
    assert!(!bench.pool.is_blocked(bench.now + SECOND * 300));
    assert_eq!(bench.open().map(|o| o.1), Some(Via::Normal));
}

#[test]
fn local_ports_are_walked_each_once() {
    let mut bench = Bench::begun(4, |config| config.source_ports = 50_000..=50_015);
    let (conn, _, first) = bench.open().expect("shard 1");
    let mut ports = vec![first.expect("an aimed attempt binds a port")];
    ports.extend(std::iter::from_fn(|| bench.pool.next_source_port(conn)));
    ports.sort_unstable();
    assert_eq!(ports, [50_001, 50_005, 50_009, 50_013]);
    let mut narrow = Bench::begun(4, |config| config.source_ports = 50_000..=50_000);
    let via = narrow.pool.next_open(narrow.now).expect("shard 1");
    assert_eq!(narrow.pool.opened(ConnId(9), via, &mut narrow.rng), Err(()));
}

#[test]
fn no_shard_is_forgotten_when_aimed_attempts_fail_one_by_one() {
    let mut bench = Bench::begun(8, |_| {});
    for (conn, _, _) in bench.open_all() {
        bench.pool.failed(bench.now, conn, &LOST, &mut bench.rng);
    }
    // Least loaded shard first, as the server does it.
    for shard in 1..8 {
        let (conn, via, _) = bench.open().expect("still missing");
        assert_eq!(via, Via::Normal);
        assert_eq!(bench.establish(conn, on(shard, 8)).0, Landing::Pooled);
    }
    assert!(bench.pool.is_full());
}

#[test]
fn excess_is_bounded_and_then_takes_longer_each_time() {
    let mut bench = Bench::begun(2, |config| {
        config.shard_awareness = ShardAwareness::Legacy;
        config.excess_per_shard_max = 3;
        config.attempts_per_node_max = 1;
    });
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let mut opened = 0;
        while let Some((conn, _, _)) = bench.open() {
            opened += 1;
            let (_, closes) = bench.establish(conn, on(0, 2));
            assert!(closes.is_empty() || closes.len() == 7, "all or none");
        }
        assert_eq!(opened, 7, "three per shard, and the one too many");
        let next = bench.pool.next_timeout(bench.now).expect("a pause");
        pauses.push(next.since(bench.now));
        bench.now = next;
    }
    assert!(
        pauses[0] < SECOND / 10 && pauses[11] > SECOND * 8,
        "{pauses:?}"
    );
}

#[test]
fn what_comes_after_the_last_missing_one_is_surplus() {
    let mut bench = Bench::begun(2, |_| {});
    let (aimed, _, _) = bench.open().expect("shard 1");
    bench.establish(aimed, on(1, 2));
    // The engine closes such a connection itself.
    let (landing, closes) = bench.establish(ConnId(99), on(1, 2));
    assert_eq!((landing, closes), (Landing::Surplus, vec![]));
    assert!(bench.pool.is_full());
}

#[test]
fn another_number_of_shards_makes_a_new_pool() {
    let mut bench = Bench::begun(2, |_| {});
    let (conn, _, _) = bench.open().expect("shard 1");
    let (landing, closes) = bench.establish(conn, on(5, 8));
    assert_eq!((landing, closes), (Landing::Pooled, vec![ConnId(0)]));
    assert!(
        !bench.pool.is_blocked(bench.now),
        "it was aimed by the old count: no NAT"
    );
    assert_eq!(bench.open_all().len(), 7);
}

#[test]
fn a_node_that_turns_out_to_have_no_shards() {
    let mut bench = Bench::new(|config| config.pool_size = PoolSize::PerShard(2));
    let (conn, _, _) = bench.open().expect("the first");
    bench.establish(conn, None);
    let (conn, via, _) = bench.open().expect("the second");
    assert_eq!(via, Via::Normal);
    assert_eq!(bench.establish(conn, None).0, Landing::Pooled);
    assert!(bench.pool.is_full());
    assert_eq!(bench.open(), None);
}

#[test]
fn per_host_takes_what_comes() {
    let mut bench = Bench::new(|config| config.pool_size = PoolSize::PerHost(3));
    let (first, _, _) = bench.open().expect("the first");
    bench.establish(first, on(2, 4));
    for (conn, via, _) in bench.open_all() {
        assert_eq!(via, Via::Normal);
        assert_eq!(bench.establish(conn, on(2, 4)).0, Landing::Pooled);
    }
    assert!(bench.pool.is_full());
    assert_eq!(bench.pool.pick(None, |_| 0), Some(first));
}

#[test]
fn losses_come_back_with_longer_and_longer_delays() {
    let mut bench = Bench::begun(1, |_| {});
    let mut delays = Vec::new();
    let mut conn = ConnId(0);
    for _ in 0..12 {
        bench.pool.lost(bench.now, conn, &mut bench.rng);
        assert_eq!(bench.open(), None, "not at once");
        let next = bench.pool.next_timeout(bench.now).expect("later");
        delays.push(next.since(bench.now));
        bench.now = next;
        conn = bench.open().expect("now").0;
        bench.establish(conn, on(0, 1));
    }
    assert!(
        delays[0] < SECOND / 10 && delays[11] > SECOND * 8,
        "{delays:?}"
    );
    // A while of quiet, and it is soon again.
    bench.now = bench.now + SECOND * 60;
    bench.pool.lost(bench.now, conn, &mut bench.rng);
    let next = bench.pool.next_timeout(bench.now).expect("later");
    assert!(next.since(bench.now) < SECOND / 10);
    // The server says that the node is up: at once.
    bench.pool.wake(bench.now);
    assert!(bench.open().is_some());
}

#[test]
fn losing_all_connections_at_once_counts_as_one_failure() {
    let mut bench = Bench::begun(8, |_| {});
    let opened = bench.open_all();
    for (shard, (conn, _, _)) in (1..).zip(&opened) {
        bench.establish(*conn, on(shard, 8));
    }
    for conn in (0..8).map(ConnId) {
        bench.pool.lost(bench.now, conn, &mut bench.rng);
    }
    let next = bench.pool.next_timeout(bench.now).expect("later");
    assert!(
        next.since(bench.now) < SECOND / 10,
        "{:?}",
        next.since(bench.now)
    );
    bench.now = next;
    assert_eq!(
        bench.open().map(|o| o.1),
        Some(Via::Normal),
        "what is it now?"
    );
    assert_eq!(bench.open(), None);
}

#[test]
fn giving_up_what_is_not_in_the_pool_is_no_loss() {
    let mut bench = Bench::begun(2, |_| {});
    bench.pool.lost(bench.now, ConnId(77), &mut bench.rng);
    assert!(bench.open().is_some(), "no delay");
}

#[test]
fn requests_go_to_the_owner_or_else_to_whoever_is_there() {
    let mut bench = Bench::begun(4, |config| config.pool_size = PoolSize::PerShard(2));
    let mut of_shard = [vec![ConnId(0)], vec![], vec![], vec![]];
    for (conn, via, _) in bench.open_all() {
        let Via::ShardAware { shard, .. } = via else {
            panic!("{via:?}")
        };
        if shard == 3 {
            continue;
        }
        bench.establish(conn, on(shard, 4));
        of_shard[usize::from(shard)].push(conn);
    }
    for n in 0..1000 {
        let shard = (n % 4) as u16;
        let owner = usize::from(shard);
        let busy = of_shard[owner].first().copied();
        let picked = bench
            .pool
            .pick(Some(shard), |c| usize::from(Some(c) == busy));
        if owner == 3 {
            assert!(
                picked.is_some(),
                "another connection of the node serves meanwhile"
            );
        } else {
            assert_eq!(
                picked,
                of_shard[owner].get(1).copied(),
                "the less loaded of the two"
            );
        }
    }
    for none in [None, Some(4), Some(u16::MAX)] {
        let spread: std::collections::HashSet<_> = (0..50)
            .filter_map(|_| bench.pool.pick(none, |_| 0))
            .collect();
        assert_eq!(
            spread.len(),
            3,
            "without a shard, or one that is not, all that are there"
        );
    }
}
