use super::*;

fn apply(db: &mut Db, cql: &str) -> DdlOutcome {
    let prepared = db
        .prepare(cql)
        .unwrap_or_else(|error| panic!("{cql}: {error}"));
    let env = db.env();
    let Ok(Operation::Ddl(ddl)) = bind(&prepared, BoundArgs::NONE, &env) else {
        panic!("{cql} is no DDL")
    };
    let outcome = db
        .schema
        .apply(&ddl, env.now_us, env.seed, &["dc1"])
        .unwrap_or_else(|error| panic!("{cql}: {error}"));
    db.schema = outcome.schema.clone();
    outcome
}

fn table(kind: ChangeKind, name: &str) -> SchemaChange {
    SchemaChange::Table(kind, "ks".into(), name.into())
}

#[test]
fn results_events_and_versions() {
    use ChangeKind::{Created, Dropped, Updated};
    let mut db = Db::new();
    let before = db.schema.version();
    let outcome = apply(&mut db, "CREATE TABLE kv (k int PRIMARY KEY, n int)");
    assert_eq!(outcome.result, Some(table(Created, "kv")));
    assert_eq!(outcome.events, [table(Created, "kv")]);
    let version = db.schema.version();
    assert_ne!(before, version);
    // ScyllaDB says CREATED again, but nothing happens
    let outcome = apply(&mut db, "CREATE TABLE IF NOT EXISTS kv (k int PRIMARY KEY)");
    assert_eq!(
        (outcome.result, outcome.events.len()),
        (Some(table(Created, "kv")), 0)
    );
    assert_eq!(db.schema.version(), version);
    let outcome = apply(&mut db, "CREATE INDEX kv_n ON kv (n)");
    assert_eq!(outcome.result, Some(table(Updated, "kv")));
    assert_eq!(
        outcome.events,
        [table(Created, "kv_n_index"), table(Updated, "kv")]
    );
    let outcome = apply(
        &mut db,
        "CREATE MATERIALIZED VIEW by_n AS SELECT * FROM kv WHERE n IS NOT NULL AND k IS NOT NULL PRIMARY KEY (n, k)",
    );
    assert_eq!(
        outcome.events,
        [table(Created, "by_n"), table(Updated, "kv")]
    );
    let outcome = apply(&mut db, "ALTER TABLE kv ADD extra text");
    assert_eq!(
        outcome.events,
        [table(Updated, "kv"), table(Updated, "by_n")]
    );
    assert!(
        db.schema
            .table("ks", "by_n")
            .unwrap()
            .column("extra")
            .is_some()
    );
    apply(&mut db, "DROP MATERIALIZED VIEW by_n");
    let outcome = apply(&mut db, "DROP TABLE kv");
    assert_eq!(outcome.result, Some(table(Dropped, "kv")));
    assert!(db.schema.table("ks", "kv_n_index").is_none());
    let outcome = apply(&mut db, "DROP TABLE IF EXISTS kv");
    assert_eq!((outcome.result, outcome.events.len()), (None, 0));
}

#[test]
fn keyspaces_expand_their_factor_and_warn() {
    let mut db = Db::empty(Flavour::Scylla);
    let outcome = apply(
        &mut db,
        "CREATE KEYSPACE a WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 1} AND tablets = {'enabled': true}",
    );
    assert_eq!(outcome.warnings.len(), 2, "{:?}", outcome.warnings);
    assert!(
        outcome.warnings[0].starts_with("Tables in this keyspace will be replicated using Tablets")
    );
    assert!(outcome.warnings[1].contains("replication_factor=1 lower"));
    let keyspace = db.schema.keyspace("a").unwrap();
    assert_eq!(keyspace.replication["dc1"], "1");
    assert_eq!(keyspace.tablets, Some(0));
    apply(
        &mut db,
        "CREATE KEYSPACE plain WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 3}",
    );
    assert_eq!(db.schema.keyspace("plain").unwrap().tablets, None, "opt-in");
    let outcome = apply(
        &mut db,
        "CREATE KEYSPACE b WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 2} AND tablets = {'enabled': false} AND durable_writes = false",
    );
    assert!(outcome.warnings[0].starts_with("SimpleStrategy replication class is not recommended"));
    assert!(!db.schema.keyspace("b").unwrap().durable_writes);
    apply(&mut db, "ALTER KEYSPACE b WITH durable_writes = true");
    assert_eq!(
        db.schema.keyspace("b").unwrap().replication["replication_factor"],
        "2"
    );
    for (cql, code) in [
        (
            "CREATE KEYSPACE c WITH replication = {'replication_factor': 1}",
            0x2300,
        ),
        (
            "CREATE KEYSPACE c WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 'x'}",
            0x2300,
        ),
        (
            "CREATE KEYSPACE c WITH replication = {'class': 'NetworkTopologyStrategy', 'nowhere': 1}",
            0x2300,
        ),
        ("CREATE KEYSPACE c WITH nope = 1", 0x2000),
        ("DROP KEYSPACE nope", 0x2300),
    ] {
        assert_eq!(db.error(cql).code(), code, "{cql}");
    }
    let mut cassandra = Db::empty(Flavour::Cassandra);
    let outcome = apply(
        &mut cassandra,
        "CREATE KEYSPACE a WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    );
    assert!(outcome.warnings.is_empty());
    let outcome = apply(
        &mut cassandra,
        "CREATE KEYSPACE IF NOT EXISTS a WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    );
    assert_eq!(outcome.result, None);
}

#[test]
fn a_column_added_again_does_not_show_old_data() {
    let mut db = Db::new();
    db.run("CREATE TABLE t (k int PRIMARY KEY, v text, w int)");
    db.run("INSERT INTO t (k, v, w) VALUES (1, 'old', 1)");
    db.run("ALTER TABLE t DROP v");
    assert_eq!(db.rows("SELECT * FROM t"), ["1 1"]);
    db.run("ALTER TABLE t ADD v text");
    assert_eq!(db.rows("SELECT * FROM t"), ["1 null 1"]);
    db.run("ALTER TABLE t RENAME k TO key");
    assert_eq!(db.rows("SELECT key FROM t"), ["1"]);
    db.run("ALTER TABLE t WITH comment = 'hi' AND gc_grace_seconds = 5");
    assert_eq!(
        db.schema.table("ks", "t").unwrap().options.text("comment"),
        Some("hi")
    );
}

#[test]
fn what_tables_and_types_refuse() {
    let mut db = Db::new();
    db.run("CREATE TYPE u (a int)");
    db.run("CREATE TABLE t (k int PRIMARY KEY, v frozen<u>)");
    for (cql, code) in [
        ("CREATE TABLE x (k int)", 0x2200),
        (
            "CREATE TABLE x (k int PRIMARY KEY, j int PRIMARY KEY)",
            0x2200,
        ),
        ("CREATE TABLE x (k int, PRIMARY KEY (nope))", 0x2200),
        ("CREATE TABLE x (k list<int> PRIMARY KEY)", 0x2200),
        ("CREATE TABLE x (k counter PRIMARY KEY)", 0x2200),
        (
            "CREATE TABLE x (k int PRIMARY KEY, c counter, v int)",
            0x2200,
        ),
        ("CREATE TABLE x (k int PRIMARY KEY, s int static)", 0x2200),
        (
            "CREATE TABLE x (k int PRIMARY KEY, l list<list<int>>)",
            0x2200,
        ),
        ("CREATE TABLE x (k int PRIMARY KEY, l list<u>)", 0x2200),
        ("CREATE TABLE x (k int PRIMARY KEY, l nope)", 0x2200),
        ("CREATE TABLE x (k int PRIMARY KEY, k int)", 0x2200),
        (
            "CREATE TABLE x (k int, c int, PRIMARY KEY (k, c)) WITH CLUSTERING ORDER BY (k DESC)",
            0x2200,
        ),
        ("CREATE TABLE \"bad name\" (k int PRIMARY KEY)", 0x2200),
        ("ALTER TABLE t DROP k", 0x2200),
        ("ALTER TABLE t DROP nope", 0x2200),
        ("ALTER TABLE t RENAME v TO w", 0x2200),
        ("ALTER TABLE nope ADD x int", 0x2200),
        ("CREATE TYPE u (a int)", 0x2200),
        ("DROP TYPE u", 0x2200),
        ("DROP TYPE nope", 0x2200),
        ("DROP INDEX nope", 0x2200),
        ("CREATE INDEX ON t (nope)", 0x2200),
        ("CREATE INDEX ON t (k)", 0x2200),
        (
            "CREATE MATERIALIZED VIEW m AS SELECT * FROM t WHERE k IS NOT NULL PRIMARY KEY (v, k)",
            0x2200,
        ),
    ] {
        assert_eq!(db.error(cql).code(), code, "{cql}");
    }
    db.run("CREATE KEYSPACE tb WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 3} AND tablets = {'enabled': true}");
    assert!(
        db.error("CREATE TABLE tb.c (k int PRIMARY KEY, c counter)")
            .message
            .contains("tablets")
    );
}

#[test]
fn functions_are_recorded() {
    let mut db = Db::new();
    let create = "CREATE FUNCTION twice(x int) RETURNS NULL ON NULL INPUT RETURNS int LANGUAGE lua AS 'return x * 2'";
    let outcome = apply(&mut db, create);
    let change = |kind| {
        Some(SchemaChange::Function(
            kind,
            "ks".into(),
            "twice".into(),
            vec!["int".into()],
        ))
    };
    assert_eq!(outcome.result, change(ChangeKind::Created));
    assert_eq!(db.error(create).code(), 0x2200);
    assert_eq!(db.rows("SELECT function_name, argument_types, called_on_null_input FROM system_schema.functions"), ["\"twice\" [\"int\"] false"]);
    assert_eq!(
        apply(&mut db, "DROP FUNCTION twice").result,
        change(ChangeKind::Dropped)
    );
}

#[test]
fn aggregates_are_recorded_with_what_they_are_made_of() {
    let mut db = Db::new();
    let create = "CREATE AGGREGATE total(int) SFUNC plus STYPE int FINALFUNC show INITCOND 0";
    assert_eq!(db.error(create).code(), 0x2200, "no such function");
    let function = |name: &str, arguments: &str, returns: &str| {
        format!(
            "CREATE FUNCTION {name}({arguments}) CALLED ON NULL INPUT RETURNS {returns} LANGUAGE lua AS $$ return 1 $$"
        )
    };
    db.run(&function("plus", "a int, b int", "int"));
    db.run(&function("show", "a int", "text"));
    let change = |kind| {
        let types = vec!["int".to_owned()];
        Some(SchemaChange::Aggregate(
            kind,
            "ks".into(),
            "total".into(),
            types,
        ))
    };
    let outcome = apply(&mut db, create);
    assert_eq!(outcome.result, change(ChangeKind::Created));
    assert_eq!(db.error(create).code(), 0x2200, "it exists");
    let rows = db.rows(
        "SELECT aggregate_name, argument_types, state_func, state_type, final_func, initcond, return_type \
         FROM system_schema.aggregates",
    );
    assert_eq!(
        rows,
        ["\"total\" [\"int\"] \"plus\" \"int\" \"show\" \"0\" \"text\""]
    );
    assert_eq!(
        db.rows("SELECT * FROM system_schema.scylla_aggregates")
            .len(),
        0
    );
    let replace = "CREATE OR REPLACE AGGREGATE total(int) SFUNC plus STYPE int REDUCEFUNC plus";
    assert_eq!(apply(&mut db, replace).result, change(ChangeKind::Updated));
    assert_eq!(
        db.rows(
            "SELECT aggregate_name, reduce_func, state_type FROM system_schema.scylla_aggregates"
        ),
        ["\"total\" \"plus\" \"int\""]
    );
    assert_eq!(db.error("DROP FUNCTION plus").code(), 0x2200, "in use");
    assert_eq!(db.error("DROP AGGREGATE total(text)").code(), 0x2200);
    let dropped = apply(&mut db, "DROP AGGREGATE total(int)").result;
    assert_eq!(dropped, change(ChangeKind::Dropped));
    assert_eq!(
        apply(&mut db, "DROP AGGREGATE IF EXISTS total").result,
        None
    );
    db.run("DROP FUNCTION plus");
}

#[test]
fn triggers_are_recorded_where_there_are_any() {
    let create = "CREATE TRIGGER audit ON ks.kv USING 'org.example.Audit'";
    let mut db = Db::new();
    db.run("CREATE TABLE kv (k int PRIMARY KEY)");
    assert_eq!(db.error(create).code(), 0x2000, "ScyllaDB has none");
    let mut db = Db::empty(Flavour::Cassandra);
    db.run("CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
    db.run("CREATE TABLE ks.kv (k int PRIMARY KEY)");
    db.run(create);
    assert_eq!(db.error(create).code(), 0x2200, "it exists");
    assert_eq!(
        db.rows("SELECT table_name, trigger_name, options FROM system_schema.triggers"),
        ["\"kv\" \"audit\" {\"class\": \"org.example.Audit\"}"]
    );
    db.run("DROP TRIGGER audit ON ks.kv");
    assert_eq!(db.error("DROP TRIGGER audit ON ks.kv").code(), 0x2200);
    assert_eq!(
        apply(&mut db, "DROP TRIGGER IF EXISTS audit ON ks.kv").result,
        None
    );
}
