//! Nothing that a client sends makes the engine panic.

use proptest::prelude::*;

use super::*;

const SEEDS: &[&str] = &[
    "SELECT p, count(*), max(v), writetime(v) FROM w WHERE p = 1 AND c > ? AND (c, d) <= (1, 'x') GROUP BY p LIMIT 3 ALLOW FILTERING",
    "SELECT JSON DISTINCT p, s FROM w WHERE token(p) > -5 AND token(p) <= 7 PER PARTITION LIMIT 2",
    "SELECT cast(v AS text), m['a'], u.x, tojson(l), now() FROM w WHERE p IN (1, 2) AND m CONTAINS KEY 'a' ORDER BY c DESC",
    "INSERT INTO w (p, c, d, v, m, l, u) VALUES (1, 2, 'x', -3, {'a': 1}, [1, 2], {x: 1, y: null}) IF NOT EXISTS USING TTL 5",
    "INSERT INTO w JSON '{\"p\": 1, \"c\": 2, \"d\": \"x\", \"m\": {\"a\": [1]}}' DEFAULT UNSET",
    "UPDATE w USING TIMESTAMP 5 SET v = 1, m = m + {'b': 2}, l[0] = 5, l = [1] + l, u.x = 4, s = 9 WHERE p = 1 AND c = 2 AND d = 'x' IF v = 3 AND m['a'] != null",
    "DELETE m['a'], u.x, l[1] FROM w WHERE p = 1 AND c = 2 AND d = 'x' IF EXISTS",
    "DELETE FROM w USING TIMESTAMP 4 WHERE p = 1 AND c >= 1 AND c < 5",
    "BEGIN UNLOGGED BATCH INSERT INTO w (p, s) VALUES (1, 2); UPDATE w SET v = null WHERE p = 1 AND c = 1 AND d = '' APPLY BATCH",
    "CREATE TABLE IF NOT EXISTS x (a int, b frozen<map<text, frozen<set<u>>>>, c tuple<int, text> static, PRIMARY KEY ((a), b)) WITH CLUSTERING ORDER BY (b DESC) AND comment = 'x'",
    "ALTER TABLE w ADD z list<frozen<list<int>>>",
    "CREATE MATERIALIZED VIEW mv AS SELECT * FROM w WHERE v IS NOT NULL AND p IS NOT NULL AND c IS NOT NULL AND d IS NOT NULL PRIMARY KEY (v, p, c, d)",
    "SELECT 0x00, 1.5e3, NaN, -Infinity, 1y2mo, 123e4567-e89b-12d3-a456-426614174000, $$x$$, (int) 5, [1], {1}, {} FROM w",
];

fn db() -> Db {
    let mut db = Db::new();
    db.run("CREATE TYPE u (x int, y text)");
    db.run("CREATE TABLE w (p int, c int, d text, s int static, v int, m map<text, int>, l list<int>, u u, PRIMARY KEY (p, c, d))");
    for c in 0..3 {
        db.run(&format!("INSERT INTO w (p, c, d, s, v, m, l, u) VALUES (1, {c}, 'x', 1, {c}, {{'a': 1}}, [1, 2], {{x: 1}})"));
    }
    db
}

/// Tokens of one or two statements, some lost, doubled or exchanged.
fn mangled() -> impl Strategy<Value = String> {
    let edits = prop::collection::vec((0usize..200, 0usize..200, 0u8..4), 0..6);
    (0..SEEDS.len(), 0..SEEDS.len(), edits).prop_map(|(first, second, edits)| {
        let mut words: Vec<&str> = SEEDS[first]
            .split_inclusive(|c: char| !c.is_alphanumeric())
            .collect();
        let others: Vec<&str> = SEEDS[second]
            .split_inclusive(|c: char| !c.is_alphanumeric())
            .collect();
        for (at, from, kind) in edits {
            let at = at % words.len();
            match kind {
                0 if words.len() > 1 => drop(words.remove(at)),
                1 => words.insert(at, words[from % words.len()]),
                2 => words[at] = others[from % others.len()],
                _ => words.truncate(at + 1),
            }
        }
        words.concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn mangled_statements_give_answers_or_errors(cql in mangled(), value: Vec<u8>, short: bool) {
        let mut db = db();
        if let Ok(prepared) = db.prepare(&cql) {
            let value = if short { &value[..value.len().min(4)] } else { &value[..] };
            let values = vec![Bound::Value(value); prepared.bind.len()];
            // either is fine, as long as it returns
            let executed = db.execute(&prepared, &values).is_ok();
            let after = db.try_run("SELECT * FROM ks.w").map(|out| out.rows.len());
            prop_assert!(after.is_ok() || executed, "{cql}: {after:?}");
        }
    }

    #[test]
    fn random_text_is_an_error(text in "\\PC{0,60}") {
        if let Err(error) = db().prepare(&text) {
            prop_assert!(matches!(error.code(), 0x2000 | 0x2200), "{text}: {error}");
        }
    }

    #[test]
    fn whatever_bytes_pass_the_check_can_be_shown(bytes in prop::collection::vec(any::<u8>(), 0..24), at in 0..24usize) {
        const TYPES: [&str; 24] = [
            "ascii", "text", "blob", "boolean", "tinyint", "smallint", "int", "bigint", "varint", "decimal", "float",
            "double", "uuid", "timeuuid", "inet", "date", "time", "timestamp", "duration", "list<int>", "set<text>",
            "map<text, int>", "tuple<int, text>", "vector<float, 3>",
        ];
        let mut db = Db::new();
        db.run(&format!("CREATE TABLE t (k int PRIMARY KEY, v {})", TYPES[at]));
        let insert = db.prepare("INSERT INTO t (k, v) VALUES (1, ?)").unwrap();
        if db.execute(&insert, &[Bound::Value(&bytes)]).is_ok() {
            let shown = db.rows("SELECT JSON v, v FROM t");
            prop_assert_eq!(shown.len(), 1);
            prop_assert_eq!(db.rows("SELECT max(v) FROM t").len(), 1);
            prop_assert_eq!(db.run("SELECT cast(k AS text) FROM t").rows.len(), 1);
        }
    }
}
