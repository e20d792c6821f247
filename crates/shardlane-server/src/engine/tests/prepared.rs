use super::*;

#[test]
fn statement_ids_are_scyllas() {
    let mut db = Db::empty(Flavour::Scylla);
    db.run("CREATE KEYSPACE vn WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
    db.run("CREATE TABLE vn.kv (k int PRIMARY KEY, v text, n int)");
    assert_eq!(
        id_text(&db.prepare("SELECT * FROM vn.kv WHERE k = ?").unwrap()),
        "f1a3ca150bb42028b91fc908d4f87a5f"
    );
    db.run("USE vn");
    assert_eq!(
        id_text(&db.prepare("SELECT * FROM kv WHERE k = ?").unwrap()),
        "99f43c6b733397f5a5d8050b3965caaf"
    );
}

#[test]
fn partition_key_indexes_name_the_variables() {
    let mut db = Db::new();
    db.run("CREATE TABLE w (p int, q text, c int, v int, PRIMARY KEY ((p, q), c))");
    for (cql, indexes) in [
        ("SELECT * FROM w WHERE q = ? AND p = ?", vec![1, 0]),
        (
            "SELECT * FROM w WHERE p = ? AND q = ? AND c > ?",
            vec![0, 1],
        ),
        ("INSERT INTO w (v, c, q, p) VALUES (?, ?, ?, ?)", vec![3, 2]),
        (
            "UPDATE w SET v = ? WHERE p = ? AND q = ? AND c = ?",
            vec![1, 2],
        ),
        ("DELETE FROM w WHERE p = ? AND q = 'x'", vec![]),
        ("SELECT * FROM w WHERE p = ? AND q IN ?", vec![]),
        ("SELECT * FROM w WHERE token(p, q) > ?", vec![]),
        (
            "BEGIN BATCH INSERT INTO w (p, q, c) VALUES (?, ?, ?) APPLY BATCH",
            vec![0, 1],
        ),
    ] {
        assert_eq!(db.prepare(cql).unwrap().pk_indexes, indexes, "{cql}");
    }
}

#[test]
fn variables_and_columns_have_types() {
    let mut db = Db::new();
    db.run("CREATE TABLE w (p int, c timeuuid, m map<text, int>, PRIMARY KEY (p, c))");
    let describe = |specs: &[ColumnSpec]| {
        specs
            .iter()
            .map(|s| format!("{} {}", s.name, s.cql_type))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let prepared = db.prepare("SELECT * FROM w WHERE token(p) >= ? AND m CONTAINS KEY :x PER PARTITION LIMIT ? LIMIT ? ALLOW FILTERING").unwrap();
    assert_eq!(
        describe(&prepared.bind),
        "partition key token bigint, x text, [limit] int, [limit] int"
    );
    assert_eq!(
        describe(prepared.result.as_ref().unwrap()),
        "p int, c timeuuid, m map<text, int>"
    );
    let prepared = db
        .prepare("SELECT p FROM w WHERE p IN ? AND (c) > (?)")
        .unwrap();
    assert_eq!(describe(&prepared.bind), "in(p) list<int>, (c)[0] timeuuid");
    assert!(
        db.prepare("INSERT INTO w (p, c) VALUES (?, ?)")
            .unwrap()
            .result
            .is_none()
    );
    assert!(
        !db.prepare("INSERT INTO w (p, c) VALUES (?, ?)")
            .unwrap()
            .is_lwt
    );
}

#[test]
fn a_change_of_the_table_outdates_the_statement() {
    let mut db = Db::new();
    db.run("CREATE TABLE kv (k int PRIMARY KEY, v text)");
    let old = db.prepare("SELECT * FROM kv WHERE k = ?").unwrap();
    db.run("CREATE TABLE other (k int PRIMARY KEY)");
    assert!(old.is_current(&db.schema));
    db.run("ALTER TABLE kv ADD extra text");
    assert!(!old.is_current(&db.schema));
    let new = db.prepare("SELECT * FROM kv WHERE k = ?").unwrap();
    assert_eq!(old.id, new.id);
    assert_eq!(new.result.as_ref().unwrap().len(), 3);
    db.run("DROP TABLE kv");
    assert!(!new.is_current(&db.schema));
}

#[test]
fn values_are_counted_named_and_checked() {
    let mut db = Db::new();
    db.run("CREATE TABLE kv (k int PRIMARY KEY, v text, l list<int>)");
    let insert = db
        .prepare("INSERT INTO kv (k, v, l) VALUES (:key, :val, ?)")
        .unwrap();
    let key = 1i32.to_be_bytes();
    let env = db.env();
    let named = [
        ("val", Bound::Value(&b"x"[..])),
        ("l", Bound::Null),
        ("key", Bound::Value(&key)),
    ];
    let operation = bind(&insert, BoundArgs::Named(&named), &env).unwrap();
    db.perform(operation, &env).unwrap();
    assert_eq!(db.rows("SELECT k, v FROM kv"), ["1 \"x\""]);
    assert_eq!(
        bind(&insert, BoundArgs::Named(&named[..2]), &env)
            .unwrap_err()
            .code(),
        0x2200
    );
    assert_eq!(
        bind(&insert, BoundArgs::NONE, &env).unwrap_err().code(),
        0x2200
    );
    let eight = [0; 8];
    for bad in [
        [Bound::Value(&eight[..]), Bound::Null, Bound::Null],
        [Bound::Value(&key), Bound::Value(&[0xFF]), Bound::Null],
        [Bound::Value(&key), Bound::Null, Bound::Value(&[0, 0, 0, 9])],
        [
            Bound::Value(&key),
            Bound::Null,
            Bound::Value(&[0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]),
        ],
        [Bound::Value(&[]), Bound::Null, Bound::Null],
    ] {
        assert_eq!(
            bind(&insert, BoundArgs::Positional(&bad), &env)
                .unwrap_err()
                .code(),
            0x2200,
            "{bad:?}"
        );
    }
}
