//! Replicas: the order and number of merges makes no difference.

use proptest::prelude::*;

use super::*;
use crate::engine::storage::{Fragment, Partition};

fn schema() -> Db {
    let mut db = Db::new();
    db.run("CREATE TABLE m (p int, c int, s int static, v int, l set<int>, PRIMARY KEY (p, c))");
    db
}

/// Some writes to one partition, with colliding timestamps.
fn statement() -> impl Strategy<Value = String> {
    let value = 0..3i32;
    (0..7u8, 0..4i32, value, 1..5i64, prop::option::of(5..20i32)).prop_map(|(kind, c, v, ts, ttl)| {
        let ttl = ttl.map_or(String::new(), |ttl| format!(" AND TTL {ttl}"));
        match kind {
            0 => format!("INSERT INTO m (p, c, v) VALUES (1, {c}, {v}) USING TIMESTAMP {ts}{ttl}"),
            1 => format!("UPDATE m USING TIMESTAMP {ts}{ttl} SET v = {v}, l = l + {{{v}}} WHERE p = 1 AND c = {c}"),
            2 => format!("UPDATE m USING TIMESTAMP {ts} SET l = {{{v}}} WHERE p = 1 AND c = {c}"),
            3 => format!("DELETE FROM m USING TIMESTAMP {ts} WHERE p = 1 AND c >= {c} AND c < {}", c + v),
            4 => format!("DELETE v FROM m USING TIMESTAMP {ts} WHERE p = 1 AND c = {c}"),
            5 => format!("INSERT INTO m (p, s) VALUES (1, {v}) USING TIMESTAMP {ts}"),
            _ if v == 0 => format!("DELETE FROM m USING TIMESTAMP {ts} WHERE p = 1"),
            _ => format!("DELETE FROM m USING TIMESTAMP {ts} WHERE p = 1 AND c = {c}"),
        }
    })
}

fn mutations(db: &mut Db, statements: &[String]) -> Vec<Mutation> {
    let mut out = Vec::new();
    for cql in statements {
        let prepared = db.prepare(cql).unwrap();
        let env = Env {
            now_us: START_US,
            timestamp_us: START_US,
            seed: 1,
        };
        match bind(&prepared, BoundArgs::NONE, &env).unwrap() {
            Operation::Write(mutations) => out.extend(mutations),
            Operation::Void => {}
            other => panic!("{other:?}"),
        }
    }
    out
}

fn stored(mutations: &[Mutation]) -> Partition {
    let mut partition = Partition::default();
    mutations
        .iter()
        .for_each(|mutation| partition.apply(mutation.fragment.clone()));
    partition
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn applying_commutes_and_repeats(statements in prop::collection::vec(statement(), 1..12), seed: u64) {
        let mut db = schema();
        let mutations = mutations(&mut db, &statements);
        let expected = stored(&mutations);
        let mut shuffled = mutations.clone();
        let mut random = value::SplitMix::new(seed);
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, random.next() as usize % (at + 1));
        }
        prop_assert_eq!(&stored(&shuffled), &expected);
        let twice: Vec<_> = mutations.iter().chain(&shuffled).cloned().collect();
        prop_assert_eq!(&stored(&twice), &expected);
    }

    #[test]
    fn merging_fragments_is_associative_and_matches_applying(
        statements in prop::collection::vec(statement(), 3..12), cut in 1..3usize,
    ) {
        let mut db = schema();
        let mutations = mutations(&mut db, &statements);
        prop_assume!(mutations.len() >= 3);
        let join = |mutations: &[Mutation]| {
            let mut out = Fragment::new(mutations[0].fragment.key.clone());
            mutations.iter().for_each(|mutation| out.merge(mutation.fragment.clone()));
            out
        };
        let all = join(&mutations);
        let (left, right) = mutations.split_at(cut);
        let mut halves = join(left);
        halves.merge(join(right));
        prop_assert_eq!(&halves, &all);
        let mut turned = join(right);
        turned.merge(join(left));
        prop_assert_eq!(&turned, &all);
        let mut again = all.clone();
        again.merge(all.clone());
        prop_assert_eq!(&again, &all);
        let mut from_fragment = Partition::default();
        from_fragment.apply(all);
        prop_assert_eq!(from_fragment, stored(&mutations));
    }

    #[test]
    fn a_read_of_replicas_that_lack_some_writes_is_complete(
        statements in prop::collection::vec(statement(), 1..20), seed: u64, page in 1..5usize,
    ) {
        let mut db = schema();
        let mutations = mutations(&mut db, &statements);
        let mut random = value::SplitMix::new(seed);
        let mut replicas = [Store::new(), Store::new(), Store::new()];
        for mutation in &mutations {
            // each write reaches two of three replicas, and every read asks two of three
            let missing = random.next() as usize % 3;
            for (at, replica) in replicas.iter_mut().enumerate() {
                if at != missing {
                    replica.apply(mutation.clone());
                }
            }
            db.store.apply(mutation.clone());
        }
        let expected = db.rows("SELECT * FROM m");
        let mut rows = Vec::new();
        let mut state: Option<Vec<u8>> = None;
        loop {
            let prepared = db.prepare("SELECT * FROM m").unwrap();
            let env = db.env();
            let Ok(Operation::Read(plan)) = bind(&prepared, BoundArgs::NONE, &env) else { panic!() };
            let mut run = plan.start(Some(page), state.as_deref(), &env).unwrap();
            let out = loop {
                match run.step().unwrap() {
                    ReadStep::Read(command) => {
                        let skip = random.next() as usize % 3;
                        let asked = replicas.iter().enumerate().filter(|(at, _)| *at != skip);
                        let parts = asked.map(|(_, replica)| replica.read(&command, env.now_us)).collect();
                        run.feed(merge(&command, parts));
                    }
                    ReadStep::Done(out) => break out,
                }
            };
            rows.extend(shown(&out));
            state = out.paging_state;
            if state.is_none() {
                break;
            }
        }
        prop_assert_eq!(rows, expected);
    }
}

#[test]
fn a_scan_can_be_clipped_and_split_over_shards() {
    let mut db = Db::new();
    db.run("CREATE TABLE t (k int, c int, PRIMARY KEY (k, c))");
    let mut shards: Vec<Store> = (0..4).map(|_| Store::new()).collect();
    for k in 0..50 {
        let prepared = db
            .prepare(&format!("INSERT INTO t (k, c) VALUES ({k}, 1)"))
            .unwrap();
        let env = db.env();
        let Ok(Operation::Write(mutations)) = bind(&prepared, BoundArgs::NONE, &env) else {
            panic!()
        };
        for mutation in mutations {
            shards[mutation.token().0.rem_euclid(4) as usize].apply(mutation.clone());
            db.store.apply(mutation);
        }
    }
    let expected = db.rows("SELECT k FROM t");
    assert_eq!(expected.len(), 50);
    let prepared = db.prepare("SELECT k FROM t").unwrap();
    let env = db.env();
    let Ok(Operation::Read(plan)) = bind(&prepared, BoundArgs::NONE, &env) else {
        panic!()
    };
    let mut run = plan.start(None, None, &env).unwrap();
    let mut commands = 0;
    let out = loop {
        match run.step().unwrap() {
            ReadStep::Read(command) => {
                commands += 1;
                // as if each sixteenth of the ring had other owners
                let first = command.first_token().0;
                let clipped = command.clip(Token(
                    first.saturating_add((1 << 60) - first.rem_euclid(1 << 60) - 1),
                ));
                let parts = shards
                    .iter()
                    .map(|shard| shard.read(&clipped, env.now_us))
                    .collect();
                run.feed(merge(&clipped, parts));
            }
            ReadStep::Done(out) => break out,
        }
    };
    assert_eq!(shown(&out), expected);
    assert_eq!(commands, 16);
}

#[test]
fn counters_of_replicas_merge_by_clock() {
    let mut db = Db::new();
    db.run("CREATE TABLE c (k int PRIMARY KEY, n counter)");
    let prepared = db.prepare("UPDATE c SET n = n + 1 WHERE k = 1").unwrap();
    let mut replicas = [Store::new(), Store::new()];
    for round in 0..10usize {
        let env = db.env();
        let Ok(Operation::Counter(updates)) = bind(&prepared, BoundArgs::NONE, &env) else {
            panic!()
        };
        let leader = round % 2;
        let state = replicas[leader].apply_counter(&updates[0], [leader as u8; 16]);
        // delivered twice to the other, which changes nothing
        replicas[1 - leader].apply(state.clone());
        replicas[1 - leader].apply(state);
    }
    for replica in replicas {
        db.store = replica;
        assert_eq!(db.rows("SELECT n FROM c"), ["10"]);
    }
}
