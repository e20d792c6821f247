use super::*;

fn wide() -> Db {
    let mut db = Db::new();
    db.run("CREATE TABLE w (p int, c int, d text, s text static, v int, PRIMARY KEY (p, c, d)) WITH CLUSTERING ORDER BY (c DESC, d ASC)");
    for p in 0..3 {
        db.run(&format!("INSERT INTO w (p, s) VALUES ({p}, 's{p}')"));
        for c in 0..4 {
            for d in ["a", "b"] {
                db.run(&format!(
                    "INSERT INTO w (p, c, d, v) VALUES ({p}, {c}, '{d}', {})",
                    p * 100 + c
                ));
            }
        }
    }
    db
}

#[test]
fn clustering_order_and_its_reverse() {
    let mut db = wide();
    let rows = db.rows("SELECT c, d FROM w WHERE p = 1");
    assert_eq!(
        rows,
        [
            "3 \"a\"", "3 \"b\"", "2 \"a\"", "2 \"b\"", "1 \"a\"", "1 \"b\"", "0 \"a\"", "0 \"b\""
        ]
    );
    let mut reversed = db.rows("SELECT c, d FROM w WHERE p = 1 ORDER BY c ASC");
    reversed.reverse();
    assert_eq!(rows, reversed);
    assert_eq!(
        db.rows("SELECT c, d FROM w WHERE p = 1 ORDER BY c ASC, d DESC LIMIT 1"),
        ["0 \"b\""]
    );
    assert_eq!(
        db.error("SELECT c FROM w WHERE p = 1 ORDER BY c ASC, d ASC")
            .code(),
        0x2200
    );
    assert_eq!(db.error("SELECT c FROM w ORDER BY c ASC").code(), 0x2200);
}

#[test]
fn ranges_of_rows() {
    let mut db = wide();
    for (clause, expected) in [
        ("c = 2", vec!["2 \"a\"", "2 \"b\""]),
        ("c = 2 AND d = 'b'", vec!["2 \"b\""]),
        ("c > 2", vec!["3 \"a\"", "3 \"b\""]),
        ("c >= 1 AND c < 2", vec!["1 \"a\"", "1 \"b\""]),
        ("c IN (3, 0, 9) AND d = 'a'", vec!["3 \"a\"", "0 \"a\""]),
        ("c = 1 AND d > 'a'", vec!["1 \"b\""]),
        ("c = 1 AND d <= 'a'", vec!["1 \"a\""]),
        ("(c, d) = (1, 'a')", vec!["1 \"a\""]),
        ("(c, d) IN ((1, 'a'), (3, 'b'))", vec!["3 \"b\"", "1 \"a\""]),
        ("(c) > (2)", vec!["3 \"a\"", "3 \"b\""]),
        ("c > 5", vec![]),
    ] {
        assert_eq!(
            db.rows(&format!("SELECT c, d FROM w WHERE p = 0 AND {clause}")),
            expected,
            "{clause}"
        );
    }
    // columns of different direction are no range, but can be filtered
    let rows = db.rows("SELECT c, d FROM w WHERE p = 0 AND (c, d) >= (2, 'b')");
    assert_eq!(rows, ["3 \"a\"", "3 \"b\"", "2 \"b\""]);
}

#[test]
fn several_partitions_come_in_token_order() {
    let mut db = wide();
    let all = db.rows("SELECT token(p), p FROM w PER PARTITION LIMIT 1");
    let mut sorted = all.clone();
    sorted.sort_by_key(|row| row.split(' ').next().and_then(|t| t.parse::<i64>().ok()));
    assert_eq!(all, sorted);
    let picked =
        db.rows("SELECT token(p), p FROM w WHERE p IN (2, 1, 0, 1, 7) PER PARTITION LIMIT 1");
    assert_eq!(picked, all);
    let first: i64 = all[0].split(' ').next().unwrap().parse().unwrap();
    assert_eq!(
        db.rows(&format!(
            "SELECT token(p), p FROM w WHERE token(p) > {first} PER PARTITION LIMIT 1"
        )),
        all[1..]
    );
    assert_eq!(
        db.rows(&format!(
            "SELECT token(p), p FROM w WHERE token(p) <= {first} PER PARTITION LIMIT 1"
        )),
        all[..1]
    );
    assert_eq!(db.rows("SELECT DISTINCT p, s FROM w").len(), 3);
}

#[test]
fn a_partition_with_a_static_row_only_is_a_row() {
    let mut db = wide();
    db.run("INSERT INTO w (p, s) VALUES (9, 'alone')");
    assert_eq!(
        db.rows("SELECT p, c, s, v FROM w WHERE p = 9"),
        ["9 null \"alone\" null"]
    );
    assert!(db.rows("SELECT p FROM w WHERE p = 9 AND c = 1").is_empty());
    assert_eq!(db.rows("SELECT count(*) FROM w"), ["25"]);
}

#[test]
fn pages_join_to_the_whole() {
    let mut db = wide();
    for cql in [
        "SELECT p, c, d, s FROM w",
        "SELECT p, c, d FROM w LIMIT 11",
        "SELECT p, c, d FROM w PER PARTITION LIMIT 3",
        "SELECT p, c, d FROM w WHERE p IN (0, 1, 2)",
        "SELECT p, c, d FROM w WHERE p = 1 ORDER BY c ASC",
        "SELECT p, c, d FROM w WHERE v = 102 ALLOW FILTERING",
        "SELECT DISTINCT p FROM w",
        "SELECT p, c, d FROM w WHERE token(p) > -9000000000000000000 AND c = 2 ALLOW FILTERING",
    ] {
        let whole = db.rows(cql);
        assert!(!whole.is_empty(), "{cql}");
        for size in [1, 2, 3, 7, 100] {
            let (rows, pages) = db.pages(cql, size);
            assert_eq!(rows, whole, "{cql} in pages of {size}");
            assert!(pages <= whole.len() / size + 2, "{cql}: {pages} pages");
        }
    }
}

#[test]
fn an_unusable_paging_state_is_a_protocol_error() {
    let mut db = wide();
    for state in [&b"x"[..], b"", b"SLP\x01", &[0xFF; 64]] {
        assert_eq!(
            db.page("SELECT * FROM w", 2, Some(state))
                .unwrap_err()
                .code(),
            0x000A
        );
    }
}

#[test]
fn aggregates_and_groups() {
    let mut db = wide();
    let out =
        db.run("SELECT count(*), max(v), min(v), sum(v), avg(v), count(v) AS n FROM w WHERE p = 1");
    assert_eq!(
        names(&out),
        [
            "count",
            "system.max(v)",
            "system.min(v)",
            "system.sum(v)",
            "system.avg(v)",
            "n"
        ]
    );
    assert_eq!(shown(&out), ["8 103 100 812 101 8"]);
    assert_eq!(
        db.rows("SELECT count(*), max(v), sum(v) FROM w WHERE p = 77"),
        ["0 null 0"]
    );
    assert_eq!(
        db.rows("SELECT p, c, sum(v) FROM w WHERE p = 1 GROUP BY p, c"),
        ["1 3 206", "1 2 204", "1 1 202", "1 0 200"]
    );
    assert_eq!(
        db.rows("SELECT p, count(*) FROM w GROUP BY p LIMIT 2")
            .len(),
        2
    );
    assert_eq!(db.error("SELECT v FROM w GROUP BY v").code(), 0x2200);
}

#[test]
fn aggregates_of_every_numeric_type() {
    let mut db = Db::new();
    db.run("CREATE TABLE n (k int PRIMARY KEY, t tinyint, b bigint, f float, d double, e decimal, v varint)");
    db.run("INSERT INTO n (k, t, b, f, d, e, v) VALUES (1, 1, 10, 1.5, 2.5, 1.25, 123456789012345678901234567890)");
    db.run("INSERT INTO n (k, t, b, f, d, e, v) VALUES (2, 2, 20, 2.5, 3.5, -0.5, 10)");
    let rows =
        db.rows("SELECT sum(t), avg(b), sum(f), avg(d), sum(e), avg(e), sum(v), max(v) FROM n");
    assert_eq!(
        rows,
        ["3 15 4 3 0.75 0.37 123456789012345678901234567900 123456789012345678901234567890"]
    );
}

#[test]
fn functions_casts_and_fields() {
    let mut db = Db::new();
    db.run("CREATE TYPE point (x int, y int)");
    db.run("CREATE TABLE f (k int PRIMARY KEY, t timeuuid, ts timestamp, b blob, p frozen<point>, m map<text, int>, n double)");
    db.run("INSERT INTO f (k, t, ts, b, p, m, n) VALUES (1, 50554d6e-29bb-11e5-b345-feff819cdc9f, '2020-01-02 03:04:05Z', \
            0x00000007, {x: 1, y: 2}, {'a': 5}, 3.9)");
    let out = db.run("SELECT totimestamp(t), todate(ts), blobasint(b), p.y, m['a'], cast(n AS int), cast(k AS text), \
                      intasblob(k), tojson(m), token(k) FROM f");
    assert_eq!(
        shown(&out),
        [
            "\"2015-07-14 00:00:18.805Z\" \"2020-01-02\" 7 2 5 3 \"1\" \"0x00000001\" \"{\\\"a\\\": 5}\" -4069959284402364209"
        ]
    );
    assert_eq!(
        names(&out)[3..7],
        ["p.y", "m['a']", "cast(n as int)", "cast(k as text)"]
    );
    assert_eq!(db.rows("SELECT JSON * FROM f").len(), 1);
    let out = db.run("SELECT now(), uuid() FROM f");
    assert_ne!(out.rows[0][0], out.rows[0][1]);
    assert_eq!(db.error("SELECT nope(k) FROM f").code(), 0x2200);
    assert_eq!(db.error("SELECT cast(p AS int) FROM f").code(), 0x2200);
}

#[test]
fn filtering_must_be_allowed() {
    let mut db = wide();
    db.run(
        "CREATE TABLE col (k int PRIMARY KEY, l list<int>, m map<text, int>, st set<text>, t text)",
    );
    db.run("INSERT INTO col (k, l, m, st, t) VALUES (1, [1, 2], {'a': 1}, {'x'}, 'hello')");
    for (clause, found) in [
        ("l CONTAINS 2", 1),
        ("l CONTAINS 3", 0),
        ("m CONTAINS 1", 1),
        ("m CONTAINS KEY 'a'", 1),
        ("m['a'] = 1", 1),
        ("m['b'] = 1", 0),
        ("st CONTAINS 'x'", 1),
        ("t LIKE 'he%'", 1),
        ("t > 'a' AND t < 'z'", 1),
        ("t IN ('x', 'hello')", 1),
    ] {
        assert_eq!(
            db.rows(&format!("SELECT k FROM col WHERE {clause} ALLOW FILTERING"))
                .len(),
            found,
            "{clause}"
        );
        let error = db.error(&format!("SELECT k FROM col WHERE {clause}"));
        assert!(
            error.message.contains("ALLOW FILTERING"),
            "{clause}: {error}"
        );
    }
    assert!(
        db.error("SELECT * FROM w WHERE c = 1")
            .message
            .contains("ALLOW FILTERING")
    );
    assert_eq!(
        db.rows("SELECT p FROM w WHERE c = 1 AND d = 'a' ALLOW FILTERING")
            .len(),
        3
    );
    assert!(db.rows("SELECT * FROM w WHERE p = 1 AND p = 2").is_empty());
}

#[test]
fn an_index_allows_filtering_by_its_column() {
    let mut db = Db::new();
    db.run("CREATE TABLE i (k int PRIMARY KEY, n int, l set<int>)");
    db.run("CREATE INDEX ON i (n)");
    db.run("CREATE INDEX by_l ON i (l)");
    for k in 0..10 {
        db.run(&format!(
            "INSERT INTO i (k, n, l) VALUES ({k}, {}, {{{k}, 100}})",
            k % 2
        ));
    }
    assert_eq!(db.rows("SELECT k FROM i WHERE n = 1").len(), 5);
    assert_eq!(db.pages("SELECT k FROM i WHERE n = 1", 2).0.len(), 5);
    assert_eq!(db.rows("SELECT k FROM i WHERE l CONTAINS 3"), ["3"]);
    assert!(
        db.error("SELECT k FROM i WHERE n > 1")
            .message
            .contains("ALLOW FILTERING")
    );
    db.run("DROP INDEX by_l");
    assert!(
        db.error("SELECT k FROM i WHERE l CONTAINS 3")
            .message
            .contains("ALLOW FILTERING")
    );
}

#[test]
fn a_view_shows_its_base_in_its_own_order() {
    let mut db = Db::new();
    db.run("CREATE TABLE base (k int PRIMARY KEY, n int, v text)");
    db.run("CREATE MATERIALIZED VIEW by_n AS SELECT * FROM base WHERE n IS NOT NULL AND k IS NOT NULL PRIMARY KEY (n, k) WITH CLUSTERING ORDER BY (k DESC)");
    for k in 0..6 {
        db.run(&format!(
            "INSERT INTO base (k, n, v) VALUES ({k}, {}, 'v{k}')",
            k % 2
        ));
    }
    db.run("INSERT INTO base (k, v) VALUES (99, 'no n')");
    let out = db.run("SELECT * FROM by_n WHERE n = 1");
    assert_eq!(names(&out), ["n", "k", "v"]);
    assert_eq!(shown(&out), ["1 5 \"v5\"", "1 3 \"v3\"", "1 1 \"v1\""]);
    assert_eq!(
        db.rows("SELECT k FROM by_n WHERE n = 1 AND k > 1 LIMIT 1"),
        ["5"]
    );
    assert_eq!(
        db.rows("SELECT k FROM by_n WHERE n = 0 ORDER BY k ASC"),
        ["0", "2", "4"]
    );
    assert_eq!(db.rows("SELECT count(*) FROM by_n"), ["6"]);
    db.run("UPDATE base SET n = 7 WHERE k = 1");
    assert_eq!(db.rows("SELECT k, v FROM by_n WHERE n = 7"), ["1 \"v1\""]);
    assert_eq!(
        db.error("INSERT INTO by_n (n, k) VALUES (1, 1)").code(),
        0x2200
    );
    assert_eq!(db.error("DROP TABLE base").code(), 0x2200);
    db.run("DROP MATERIALIZED VIEW by_n");
    db.run("DROP TABLE base");
}

#[test]
fn sorted_partitions_are_limited_after_sorting() {
    let mut db = Db::new();
    db.run("CREATE TABLE o (p int, c int, PRIMARY KEY (p, c))");
    for (p, c) in [(1, 5), (1, 1), (2, 4), (2, 2), (3, 3)] {
        db.run(&format!("INSERT INTO o (p, c) VALUES ({p}, {c})"));
    }
    assert_eq!(
        db.rows("SELECT c FROM o WHERE p IN (1, 2, 3) ORDER BY c ASC LIMIT 3"),
        ["1", "2", "3"]
    );
    assert_eq!(
        db.rows("SELECT c FROM o WHERE p IN (1, 2, 3) ORDER BY c DESC LIMIT 2"),
        ["5", "4"]
    );
    assert!(
        db.page("SELECT c FROM o WHERE p IN (1, 2) ORDER BY c ASC", 2, None)
            .is_err()
    );
}
