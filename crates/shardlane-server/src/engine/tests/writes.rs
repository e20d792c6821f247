use super::*;

fn kv() -> Db {
    let mut db = Db::new();
    db.run("CREATE TABLE kv (k int PRIMARY KEY, v text, n int)");
    db
}

#[test]
fn a_later_timestamp_wins_whatever_the_order() {
    let mut db = kv();
    db.run("INSERT INTO kv (k, v) VALUES (1, 'late') USING TIMESTAMP 20");
    db.run("INSERT INTO kv (k, v) VALUES (1, 'early') USING TIMESTAMP 10");
    assert_eq!(db.rows("SELECT v, writetime(v) FROM kv"), ["\"late\" 20"]);
    db.run("DELETE v FROM kv USING TIMESTAMP 15 WHERE k = 1");
    assert_eq!(db.rows("SELECT v FROM kv"), ["\"late\""]);
    db.run("DELETE v FROM kv USING TIMESTAMP 20 WHERE k = 1");
    assert_eq!(db.rows("SELECT v FROM kv"), ["null"]);
}

#[test]
fn rows_by_insert_outlive_their_columns_and_rows_by_update_do_not() {
    let mut db = kv();
    db.run("INSERT INTO kv (k, v) VALUES (1, 'x')");
    db.run("UPDATE kv SET v = 'y' WHERE k = 2");
    db.run("UPDATE kv SET v = null WHERE k = 1");
    db.run("DELETE v FROM kv WHERE k = 2");
    assert_eq!(db.rows("SELECT k, v FROM kv"), ["1 null"]);
    db.run("DELETE FROM kv WHERE k = 1");
    assert!(db.rows("SELECT k FROM kv").is_empty());
}

#[test]
fn time_to_live_follows_the_clock() {
    let mut db = kv();
    db.run("INSERT INTO kv (k, v) VALUES (1, 'x') USING TTL 10");
    db.run("INSERT INTO kv (k, n) VALUES (2, 5)");
    db.run("UPDATE kv USING TTL 100 SET v = 'y' WHERE k = 2");
    assert_eq!(db.rows("SELECT ttl(v) FROM kv WHERE k = 1"), ["10"]);
    db.now_us += 4_000_000;
    assert_eq!(db.rows("SELECT ttl(v) FROM kv WHERE k = 1"), ["6"]);
    db.now_us += 6_000_000;
    assert!(db.rows("SELECT * FROM kv WHERE k = 1").is_empty());
    assert_eq!(
        db.rows("SELECT v, ttl(v), ttl(n) FROM kv WHERE k = 2"),
        ["\"y\" 90 null"]
    );
    db.now_us += 90_000_000;
    assert_eq!(db.rows("SELECT v, n FROM kv WHERE k = 2"), ["null 5"]);
    assert_eq!(
        db.error("INSERT INTO kv (k) VALUES (1) USING TTL -1")
            .code(),
        0x2200
    );
    assert_eq!(
        db.error("INSERT INTO kv (k) VALUES (1) USING TTL 999999999")
            .code(),
        0x2200
    );
}

#[test]
fn the_tables_default_time_to_live_applies_unless_overridden() {
    let mut db = Db::new();
    db.run("CREATE TABLE d (k int PRIMARY KEY, v int) WITH default_time_to_live = 60");
    db.run("INSERT INTO d (k, v) VALUES (1, 1)");
    db.run("INSERT INTO d (k, v) VALUES (2, 2) USING TTL 0");
    assert_eq!(db.rows("SELECT ttl(v) FROM d WHERE k = 1"), ["60"]);
    assert_eq!(db.rows("SELECT ttl(v) FROM d WHERE k = 2"), ["null"]);
}

#[test]
fn deletions_of_rows_ranges_and_partitions() {
    let mut db = Db::new();
    db.run("CREATE TABLE w (p int, c int, d int, s int static, v int, PRIMARY KEY (p, c, d))");
    let fill = |db: &mut Db| {
        for c in 0..3 {
            for d in 0..3 {
                db.run(&format!(
                    "INSERT INTO w (p, c, d, s, v) VALUES (1, {c}, {d}, 7, {})",
                    c * 10 + d
                ));
            }
        }
    };
    for (clause, left) in [
        ("c = 1 AND d = 1", 8),
        ("c = 1", 6),
        ("c > 0", 3),
        ("c >= 1 AND c < 2", 6),
        ("c = 2 AND d > 0", 7),
        ("c IN (0, 1)", 3),
        ("c = 0 AND d IN (0, 2)", 7),
        ("(c, d) > (1, 1)", 5),
        ("(c, d) IN ((0, 0), (2, 2))", 7),
    ] {
        fill(&mut db);
        db.run(&format!("DELETE FROM w WHERE p = 1 AND {clause}"));
        assert_eq!(
            db.rows("SELECT v FROM w WHERE p = 1 AND c >= 0").len(),
            left,
            "{clause}"
        );
        assert_eq!(
            db.rows("SELECT DISTINCT p, s FROM w WHERE p = 1"),
            ["1 7"],
            "{clause}"
        );
    }
    fill(&mut db);
    db.run("DELETE s FROM w WHERE p = 1");
    assert_eq!(
        db.rows("SELECT s, v FROM w WHERE p = 1 LIMIT 1"),
        ["null 0"]
    );
    db.run("DELETE FROM w WHERE p = 1");
    assert!(db.rows("SELECT * FROM w").is_empty());
    fill(&mut db);
    assert_eq!(
        db.rows("SELECT v FROM w").len(),
        9,
        "rows written after a deletion live"
    );
    db.run("TRUNCATE w");
    assert!(db.rows("SELECT * FROM w").is_empty());
}

#[test]
fn counters_add_up() {
    let mut db = Db::new();
    db.run("CREATE TABLE c (k int, r int, s counter static, n counter, PRIMARY KEY (k, r))");
    db.run("UPDATE c SET n = n + 5, s = s + 1 WHERE k = 1 AND r = 1");
    db.run("UPDATE c SET n = n - 2 WHERE k = 1 AND r = 1");
    db.run("UPDATE c SET n += 10 WHERE k = 1 AND r = 2");
    db.run("BEGIN COUNTER BATCH UPDATE c SET n = n + 1 WHERE k = 1 AND r = 1; UPDATE c SET s = s + 4 WHERE k = 1; APPLY BATCH");
    assert_eq!(
        db.rows("SELECT r, s, n FROM c WHERE k = 1"),
        ["1 5 4", "2 5 10"]
    );
    assert_eq!(db.rows("SELECT sum(n) FROM c"), ["14"]);
    for bad in [
        "INSERT INTO c (k, r, n) VALUES (1, 1, 1)",
        "UPDATE c SET n = 1 WHERE k = 1 AND r = 1",
        "UPDATE c USING TTL 5 SET n = n + 1 WHERE k = 1 AND r = 1",
        "BEGIN BATCH UPDATE c SET n = n + 1 WHERE k = 1 AND r = 1 APPLY BATCH",
    ] {
        assert_eq!(db.error(bad).code(), 0x2200, "{bad}");
    }
}

#[test]
fn batches_and_their_timestamps() {
    let mut db = kv();
    db.run("BEGIN BATCH USING TIMESTAMP 50 INSERT INTO kv (k, v) VALUES (1, 'a'); UPDATE kv SET n = 1 WHERE k = 1; \
            DELETE n FROM kv WHERE k = 2 APPLY BATCH");
    assert_eq!(
        db.rows("SELECT k, v, n, writetime(v), writetime(n) FROM kv"),
        ["1 \"a\" 1 50 50"]
    );
    let insert = db.prepare("INSERT INTO kv (k, v) VALUES (?, ?)").unwrap();
    let select = db.prepare("SELECT * FROM kv").unwrap();
    let env = db.env();
    let (one, two) = (5i32.to_be_bytes(), 6i32.to_be_bytes());
    let first = [Bound::Value(&one), Bound::Value(b"x")];
    let second = [Bound::Value(&two), Bound::Null];
    let statement = |args| BatchStatement {
        prepared: &insert,
        args: BoundArgs::Positional(args),
    };
    let operation = bind_batch(
        BatchKind::Logged,
        &[statement(&first), statement(&second)],
        &env,
    )
    .unwrap();
    assert!(matches!(&operation, Operation::Write(mutations) if mutations.len() == 2));
    db.perform(operation, &env).unwrap();
    assert_eq!(db.rows("SELECT v FROM kv WHERE k = 5"), ["\"x\""]);
    let bad = [BatchStatement {
        prepared: &select,
        args: BoundArgs::NONE,
    }];
    assert_eq!(
        bind_batch(BatchKind::Logged, &bad, &env)
            .unwrap_err()
            .code(),
        0x2200
    );
}

#[test]
fn insert_json_names_columns_by_key() {
    let mut db = kv();
    db.run(r#"INSERT INTO kv JSON '{"k": 1, "v": "a\"b\u00e9", "n": null}'"#);
    db.run("UPDATE kv SET n = 4 WHERE k = 1");
    assert_eq!(
        db.rows("SELECT JSON * FROM kv"),
        [r#""{\"k\": 1, \"n\": 4, \"v\": \"a\\\"bé\"}""#]
    );
    db.run(r#"INSERT INTO kv JSON '{"k": 1, "v": "z"}' DEFAULT UNSET"#);
    assert_eq!(db.rows("SELECT v, n FROM kv"), ["\"z\" 4"]);
    db.run(r#"INSERT INTO kv JSON '{"k": 1, "v": "z"}'"#);
    assert_eq!(db.rows("SELECT v, n FROM kv"), ["\"z\" null"]);
    for bad in [
        r#"'{"v": "no key"}'"#,
        r#"'{"k": 1, "nope": 2}'"#,
        r#"'{"k": "x"}'"#,
        "'[1]'",
        "'{'",
    ] {
        assert_eq!(
            db.error(&format!("INSERT INTO kv JSON {bad}")).code(),
            0x2200,
            "{bad}"
        );
    }
}

#[test]
fn unset_values_leave_what_is_there() {
    let mut db = kv();
    db.run("INSERT INTO kv (k, v, n) VALUES (1, 'x', 1)");
    let insert = db
        .prepare("INSERT INTO kv (k, v, n) VALUES (?, ?, ?)")
        .unwrap();
    let key = 1i32.to_be_bytes();
    db.execute(&insert, &[Bound::Value(&key), Bound::Unset, Bound::Null])
        .unwrap();
    assert_eq!(db.rows("SELECT v, n FROM kv"), ["\"x\" null"]);
    assert!(
        db.execute(&insert, &[Bound::Unset, Bound::Unset, Bound::Null])
            .is_err()
    );
    assert!(
        db.execute(&insert, &[Bound::Null, Bound::Unset, Bound::Null])
            .is_err()
    );
}
