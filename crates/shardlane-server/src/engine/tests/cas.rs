use super::*;

fn kv() -> Db {
    let mut db = Db::new();
    db.run("CREATE TABLE kv (k int PRIMARY KEY, v text, n int)");
    db
}

#[test]
fn insert_if_not_exists_shows_the_row_that_was_there() {
    let mut db = kv();
    let out = db.run("INSERT INTO kv (k, v, n) VALUES (1, 'a', 1) IF NOT EXISTS");
    assert_eq!(names(&out), ["[applied]", "k", "n", "v"]);
    assert_eq!(shown(&out), ["true null null null"]);
    assert_eq!(
        db.rows("INSERT INTO kv (k, v) VALUES (1, 'b') IF NOT EXISTS"),
        ["false 1 1 \"a\""]
    );
    assert_eq!(db.rows("SELECT v FROM kv"), ["\"a\""]);
}

#[test]
fn conditions_on_columns_show_the_old_values_applied_or_not() {
    let mut db = kv();
    db.run("INSERT INTO kv (k, v, n) VALUES (1, 'a', 1)");
    let out = db.run("UPDATE kv SET v = 'b' WHERE k = 1 IF v = 'nope'");
    assert_eq!(names(&out), ["[applied]", "v"]);
    assert_eq!(shown(&out), ["false \"a\""]);
    assert_eq!(
        db.rows("UPDATE kv SET v = 'b' WHERE k = 1 IF v = 'a'"),
        ["true \"a\""]
    );
    for (condition, applied) in [
        ("n > 0 AND n < 2", true),
        ("n IN (1, 5)", true),
        ("n != 1", false),
        ("n = null", false),
        ("n != null", true),
        ("v >= 'c'", false),
    ] {
        let rows = db.rows(&format!("UPDATE kv SET v = 'b' WHERE k = 1 IF {condition}"));
        assert!(
            rows[0].starts_with(&applied.to_string()),
            "{condition}: {rows:?}"
        );
    }
    assert_eq!(
        db.rows("UPDATE kv SET v = 'b' WHERE k = 9 IF v = null"),
        ["true null"]
    );
    assert_eq!(
        db.rows("UPDATE kv SET v = 'b' WHERE k = 10 IF EXISTS"),
        ["false null null null"]
    );
    assert_eq!(
        db.rows("DELETE FROM kv WHERE k = 1 IF EXISTS"),
        ["true 1 1 \"b\""]
    );
    assert_eq!(
        db.rows("DELETE FROM kv WHERE k = 1 IF n = 1"),
        ["false null"]
    );
}

#[test]
fn conditions_on_elements() {
    let mut db = Db::new();
    db.run("CREATE TABLE c (k int PRIMARY KEY, m map<text, int>, l list<int>, s set<int>)");
    db.run("INSERT INTO c (k, m, l) VALUES (1, {'a': 1}, [5, 6])");
    for (condition, applied) in [
        ("m['a'] = 1", true),
        ("l[1] = 6", true),
        ("l[0] > 9", false),
        ("m = {'a': 1}", true),
        ("s = {}", true),
    ] {
        let rows = db.rows(&format!(
            "UPDATE c SET m['b'] = 2, m = m - {{'b'}} WHERE k = 1 IF {condition}"
        ));
        assert!(
            rows[0].starts_with(&applied.to_string()),
            "{condition}: {rows:?}"
        );
        db.run("DELETE m['b'] FROM c WHERE k = 1");
    }
}

#[test]
fn static_conditions_guard_rows() {
    let mut db = Db::new();
    db.run("CREATE TABLE w (p int, c int, s int static, v int, PRIMARY KEY (p, c))");
    db.run("INSERT INTO w (p, s) VALUES (1, 10)");
    assert_eq!(
        db.rows("INSERT INTO w (p, c, v) VALUES (1, 1, 1) IF NOT EXISTS")
            .len(),
        1
    );
    assert_eq!(
        db.rows("UPDATE w SET v = 2 WHERE p = 1 AND c = 1 IF s = 10"),
        ["true 10"]
    );
    assert_eq!(
        db.rows("UPDATE w SET s = 11 WHERE p = 1 IF s = 10"),
        ["true 10"]
    );
    assert_eq!(db.rows("SELECT s, v FROM w"), ["11 2"]);
}

#[test]
fn a_conditional_batch_is_all_or_nothing() {
    let mut db = Db::new();
    db.run("CREATE TABLE w (p int, c int, v int, PRIMARY KEY (p, c))");
    db.run("INSERT INTO w (p, c, v) VALUES (1, 1, 1)");
    let out = db.run("BEGIN BATCH UPDATE w SET v = 2 WHERE p = 1 AND c = 1 IF v = 1; INSERT INTO w (p, c, v) VALUES (1, 2, 5) APPLY BATCH");
    assert_eq!(names(&out), ["[applied]", "p", "c", "v"]);
    assert_eq!(shown(&out), ["true 1 1 1", "true null null null"]);
    assert_eq!(db.rows("SELECT c, v FROM w"), ["1 2", "2 5"]);
    let rows = db.rows("BEGIN BATCH UPDATE w SET v = 9 WHERE p = 1 AND c = 1 IF v = 1; DELETE FROM w WHERE p = 1 AND c = 2 APPLY BATCH");
    assert!(rows[0].starts_with("false"));
    assert_eq!(db.rows("SELECT c, v FROM w"), ["1 2", "2 5"]);
    assert_eq!(db.error("BEGIN BATCH UPDATE w SET v = 9 WHERE p = 1 AND c = 1 IF v = 2; DELETE FROM w WHERE p = 2 APPLY BATCH").code(), 0x2200);
}

#[test]
fn what_conditional_writes_refuse() {
    let mut db = kv();
    for bad in [
        "UPDATE kv SET v = 'x' WHERE k IN (1, 2) IF n = 1",
        "UPDATE kv SET v = 'x' WHERE k = 1 IF k = 1",
        "INSERT INTO kv (k) VALUES (1) IF NOT EXISTS USING TIMESTAMP 5",
    ] {
        assert_eq!(db.error(bad).code(), 0x2200, "{bad}");
    }
    db.run("CREATE KEYSPACE tb WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 3} AND tablets = {'enabled': true}");
    db.run("CREATE TABLE tb.kv (k int PRIMARY KEY, v int)");
    let prepared = db
        .prepare("INSERT INTO tb.kv (k) VALUES (1) IF NOT EXISTS")
        .unwrap();
    assert!(prepared.is_lwt);
    assert!(
        db.execute(&prepared, &[])
            .unwrap_err()
            .message
            .contains("tablets")
    );
    // Since 2025.4 they are taken.
    let mut db = Db::new();
    db.schema = db.schema.clone().with_lwt_on_tablets();
    db.run("CREATE KEYSPACE tb WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 3} AND tablets = {'enabled': true}");
    db.run("CREATE TABLE tb.kv (k int PRIMARY KEY, v int)");
    db.run("INSERT INTO tb.kv (k) VALUES (1) IF NOT EXISTS");
}
