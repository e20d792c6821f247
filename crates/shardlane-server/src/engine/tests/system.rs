use super::*;

#[test]
fn local_and_peers() {
    let mut db = Db::empty(Flavour::Scylla);
    let out = db.run("SELECT broadcast_address, cluster_name, data_center, host_id, listen_address, partitioner, rack, \
                      release_version, rpc_address, schema_version, tokens FROM system.local WHERE key='local' USING TIMEOUT 30000ms");
    assert_eq!(out.rows.len(), 1);
    assert_eq!(&*out.columns[0].keyspace, "system");
    assert_eq!(out.rows[0][9].as_deref(), Some(&db.schema.version()[..]));
    assert_eq!(
        db.rows("SELECT release_version, tokens FROM system.local"),
        ["\"3.0.8\" [\"1\"]"]
    );
    assert_eq!(db.rows("SELECT peer, rack FROM system.peers").len(), 2);
    assert_eq!(
        db.rows("SELECT rack FROM system.peers WHERE peer = '127.0.0.3'"),
        ["\"rack3\""]
    );
    assert_eq!(db.rows("SELECT * FROM system.peers LIMIT 1").len(), 1);
    assert_eq!(db.rows("SELECT count(*) FROM system.size_estimates"), ["0"]);
    let mut cassandra = Db::empty(Flavour::Cassandra);
    assert_eq!(
        cassandra.rows("SELECT release_version FROM system.local"),
        ["\"4.1.7\""]
    );
    assert_eq!(
        cassandra.rows("SELECT native_address, native_port, rack FROM system.peers_v2"),
        [
            "\"127.0.0.3\" 9042 \"rack3\"",
            "\"127.0.0.2\" 9042 \"rack2\""
        ]
    );
    assert!(db.try_run("SELECT * FROM system.peers_v2").is_err());
    assert!(
        cassandra
            .try_run("SELECT * FROM system_schema.scylla_tables")
            .is_err()
    );
}

#[test]
fn the_schema_describes_itself() {
    let mut db = Db::new();
    db.run(
        "CREATE TYPE address (street text, zip int, phones frozen<map<text, frozen<set<int>>>>)",
    );
    db.run("CREATE TABLE wide (p text, q int, c1 timeuuid, c2 text, st text static, v tuple<int, varchar>, a frozen<address>, \
            PRIMARY KEY ((p, q), c1, c2)) WITH CLUSTERING ORDER BY (c1 DESC, c2 ASC) AND comment = 'hi'");
    assert_eq!(
        db.rows("SELECT column_name, clustering_order, kind, position, type FROM system_schema.columns WHERE keyspace_name = 'ks' AND table_name = 'wide'"),
        [
            "\"a\" \"NONE\" \"regular\" -1 \"frozen<address>\"",
            "\"c1\" \"DESC\" \"clustering\" 0 \"timeuuid\"",
            "\"c2\" \"ASC\" \"clustering\" 1 \"text\"",
            "\"p\" \"NONE\" \"partition_key\" 0 \"text\"",
            "\"q\" \"NONE\" \"partition_key\" 1 \"int\"",
            "\"st\" \"NONE\" \"static\" -1 \"text\"",
            "\"v\" \"NONE\" \"regular\" -1 \"frozen<tuple<int, text>>\"",
        ]
    );
    assert_eq!(
        db.rows("SELECT field_names, field_types FROM system_schema.types WHERE keyspace_name = 'ks' AND type_name = 'address'"),
        ["[\"street\", \"zip\", \"phones\"] [\"text\", \"int\", \"frozen<map<text, frozen<set<int>>>>\"]"]
    );
    assert_eq!(db.rows("SELECT comment, flags FROM system_schema.tables WHERE keyspace_name = 'ks' AND table_name = 'wide'"), ["\"hi\" [\"compound\"]"]);
    assert_eq!(
        db.rows("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = 'ks'"),
        ["{\"class\": \"org.apache.cassandra.locator.NetworkTopologyStrategy\", \"dc1\": \"3\"}"]
    );
    db.run("CREATE TABLE kv (k int PRIMARY KEY, n int)");
    db.run("CREATE INDEX kv_n ON kv (n)");
    db.run("CREATE MATERIALIZED VIEW kv_by_n AS SELECT * FROM kv WHERE n IS NOT NULL AND k IS NOT NULL PRIMARY KEY (n, k)");
    assert_eq!(
        db.rows("SELECT index_name, kind, options FROM system_schema.indexes WHERE keyspace_name = 'ks' AND table_name = 'kv'"),
        ["\"kv_n\" \"COMPOSITES\" {\"target\": \"n\"}"]
    );
    assert_eq!(
        db.rows("SELECT view_name, include_all_columns, where_clause FROM system_schema.views WHERE keyspace_name = 'ks'"),
        ["\"kv_by_n\" true \"n IS NOT null AND k IS NOT null\"", "\"kv_n_index\" false \"n IS NOT NULL\""]
    );
    assert!(db.pages("SELECT * FROM system_schema.columns", 100).0.len() > 450);
}

#[test]
fn traces_can_be_written_and_read() {
    let mut db = Db::empty(Flavour::Scylla);
    db.run("INSERT INTO system_traces.sessions (session_id, command) VALUES (5d432250-e67c-11f1-8e43-93a72fc328c7, 'QUERY')");
    assert_eq!(db.rows("SELECT command FROM system_traces.sessions WHERE session_id = 5d432250-e67c-11f1-8e43-93a72fc328c7"), ["\"QUERY\""]);
}

#[test]
fn roles_are_answered_without_authorization() {
    let mut db = Db::empty(Flavour::Scylla);
    let out = db.run("LIST ROLES");
    assert_eq!(names(&out), ["role", "super", "login", "options"]);
    assert_eq!(shown(&out), ["\"cassandra\" true true {}"]);
    db.run("CREATE ROLE IF NOT EXISTS bob WITH PASSWORD = 'b' AND LOGIN = true");
    assert_eq!(
        db.error("GRANT SELECT ON ALL KEYSPACES TO bob").code(),
        0x2200
    );
}
