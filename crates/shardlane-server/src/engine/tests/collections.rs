use super::*;

fn db() -> Db {
    let mut db = Db::new();
    db.run("CREATE TYPE addr (street text, zip int)");
    db.run("CREATE TABLE c (k int PRIMARY KEY, l list<int>, s set<text>, m map<text, int>, u addr, f frozen<list<int>>)");
    db
}

#[test]
fn lists_keep_their_order() {
    let mut db = db();
    db.run("INSERT INTO c (k, l) VALUES (1, [3, 1, 2])");
    db.run("UPDATE c SET l = l + [9, 8] WHERE k = 1");
    db.run("UPDATE c SET l = [7, 6] + l WHERE k = 1");
    assert_eq!(db.rows("SELECT l FROM c"), ["[7, 6, 3, 1, 2, 9, 8]"]);
    db.run("UPDATE c SET l[1] = 60 WHERE k = 1");
    db.run("DELETE l[0] FROM c WHERE k = 1");
    db.run("UPDATE c SET l = l - [3, 9] WHERE k = 1");
    assert_eq!(db.rows("SELECT l FROM c"), ["[60, 1, 2, 8]"]);
    assert!(
        db.error("UPDATE c SET l[9] = 1 WHERE k = 1")
            .message
            .contains("out of bound")
    );
    assert!(
        db.error("UPDATE c SET l[0] = 1 WHERE k = 2")
            .message
            .contains("null")
    );
    db.run("UPDATE c SET l = [5] WHERE k = 1");
    assert_eq!(db.rows("SELECT l FROM c"), ["[5]"]);
    db.run("BEGIN BATCH UPDATE c SET l = l + [1] WHERE k = 1; UPDATE c SET l = l + [2] WHERE k = 1; APPLY BATCH");
    assert_eq!(db.rows("SELECT l FROM c"), ["[5, 1, 2]"]);
    db.run("UPDATE c SET l = [] WHERE k = 1");
    assert_eq!(db.rows("SELECT k, l FROM c"), ["1 null"]);
}

#[test]
fn sets_and_maps_sort_by_value() {
    let mut db = db();
    db.run("INSERT INTO c (k, s, m) VALUES (1, {'b', 'a'}, {'y': 1, 'x': 2})");
    db.run("UPDATE c SET s = s + {'c', 'a'}, m = m + {'z': 3, 'y': 10} WHERE k = 1");
    assert_eq!(
        db.rows("SELECT s, m FROM c"),
        ["[\"a\", \"b\", \"c\"] {\"x\": 2, \"y\": 10, \"z\": 3}"]
    );
    db.run("UPDATE c SET s = s - {'a'}, m = m - {'x'}, m['w'] = 0 WHERE k = 1");
    db.run("DELETE m['z'] FROM c WHERE k = 1");
    db.run("DELETE s['b'] FROM c WHERE k = 1");
    assert_eq!(
        db.rows("SELECT s, m FROM c"),
        ["[\"c\"] {\"w\": 0, \"y\": 10}"]
    );
    db.run("UPDATE c SET m['w'] = null WHERE k = 1");
    assert_eq!(db.rows("SELECT m FROM c"), ["{\"y\": 10}"]);
    db.run("UPDATE c USING TTL 5 SET m['t'] = 1 WHERE k = 1");
    db.now_us += 6_000_000;
    assert_eq!(db.rows("SELECT m FROM c"), ["{\"y\": 10}"]);
    db.run("DELETE s, m FROM c WHERE k = 1");
    assert_eq!(db.rows("SELECT s, m FROM c"), ["null null"]);
}

#[test]
fn user_types_by_field_and_as_a_whole() {
    let mut db = db();
    db.run("INSERT INTO c (k, u) VALUES (1, {street: 'Main', zip: 1})");
    db.run("UPDATE c SET u.zip = 2 WHERE k = 1");
    assert_eq!(
        db.rows("SELECT u, u.zip FROM c"),
        ["{\"street\": \"Main\", \"zip\": 2} 2"]
    );
    db.run("DELETE u.street FROM c WHERE k = 1");
    assert_eq!(
        db.rows("SELECT u FROM c"),
        ["{\"street\": null, \"zip\": 2}"]
    );
    db.run("ALTER TYPE addr ADD city text");
    db.run("UPDATE c SET u.city = 'Bonn' WHERE k = 1");
    assert_eq!(
        db.rows("SELECT u FROM c"),
        ["{\"street\": null, \"zip\": 2, \"city\": \"Bonn\"}"]
    );
    assert_eq!(
        db.error("UPDATE c SET u.nope = 1 WHERE k = 1").code(),
        0x2200
    );
    assert_eq!(
        db.error("INSERT INTO c (k, u) VALUES (1, {nope: 1})")
            .code(),
        0x2200
    );
}

#[test]
fn frozen_ones_are_values() {
    let mut db = db();
    db.run("INSERT INTO c (k, f) VALUES (1, [])");
    assert_eq!(db.rows("SELECT f FROM c"), ["[]"]);
    for bad in [
        "f = f + [1]",
        "f[0] = 1",
        "l = l + {1}",
        "m = m - ['x']",
        "k = 2",
        "s = [1]",
    ] {
        assert_eq!(
            db.error(&format!("UPDATE c SET {bad} WHERE k = 1")).code(),
            0x2200,
            "{bad}"
        );
    }
}

#[test]
fn bind_variables_of_collections_have_scyllas_names() {
    let db = db();
    let prepared = db.prepare("UPDATE c USING TTL ? AND TIMESTAMP ? SET l = l + ?, m[?] = ?, l[?] = ?, s = {?} WHERE k IN ?").unwrap();
    let names: Vec<_> = prepared.bind.iter().map(|spec| &*spec.name).collect();
    assert_eq!(
        names,
        [
            "[ttl]",
            "[timestamp]",
            "l",
            "key(m)",
            "value(m)",
            "idx(l)",
            "value(l)",
            "value(s)",
            "in(k)"
        ]
    );
    assert!(prepared.pk_indexes.is_empty());
    assert_eq!(prepared.bind[8].cql_type.to_string(), "list<int>");
}

#[test]
fn vectors_of_any_element() {
    let mut db = Db::new();
    db.run("CREATE TABLE v (k int PRIMARY KEY, f vector<float, 2>, t vector<text, 2>, n vector<vector<tinyint, 2>, 1>)");
    db.run("INSERT INTO v (k, f, t, n) VALUES (1, [1.5, 2], ['a', ''], [[1, -1]])");
    assert_eq!(
        db.rows("SELECT JSON f, t, n FROM v"),
        ["\"{\\\"f\\\": [1.5, 2], \\\"t\\\": [\\\"a\\\", \\\"\\\"], \\\"n\\\": [[1, -1]]}\""]
    );
}
