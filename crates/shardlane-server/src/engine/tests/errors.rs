//! The statements that a real ScyllaDB refused, with its words.

use super::*;

#[test]
fn refusals_of_a_real_server() {
    let mut db = Db::empty(Flavour::Scylla);
    db.run("CREATE KEYSPACE vn WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 3} AND tablets = {'enabled': false}");
    db.run("CREATE TABLE vn.kv (k int PRIMARY KEY, v text, n int)");
    let filtering = "Cannot execute this query as it might involve data filtering and thus may have unpredictable performance. \
                     If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING";
    for (cql, code, message) in [
        (
            "SELEC 1",
            0x2000,
            "line 1:0 no viable alternative at input 'SELEC'",
        ),
        (
            "SELECT * FROM nope.nope",
            0x2200,
            "Keyspace nope does not exist",
        ),
        ("SELECT * FROM vn.nope", 0x2200, "unconfigured table nope"),
        ("SELECT nope FROM vn.kv", 0x2200, "Unrecognized name nope"),
        (
            "CREATE TABLE vn.kv (k int PRIMARY KEY)",
            0x2400,
            "Cannot add already existing table \"kv\" to keyspace \"vn\"",
        ),
        (
            "CREATE KEYSPACE vn WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}",
            0x2400,
            "Cannot add existing keyspace \"vn\"",
        ),
        (
            "DROP TABLE vn.nope",
            0x2200,
            "Cannot drop non existing table 'nope' in keyspace 'vn'.",
        ),
        ("USE nope", 0x2200, "Keyspace 'nope' does not exist"),
        (
            "INSERT INTO vn.kv (v) VALUES ('x')",
            0x2200,
            "Missing mandatory PRIMARY KEY part k",
        ),
        (
            "INSERT INTO vn.kv (k) VALUES ('text')",
            0x2200,
            "Invalid STRING constant (text) for \"k\" of type int",
        ),
        ("SELECT * FROM vn.kv WHERE v = 'x'", 0x2200, filtering),
        (
            "CREATE KEYSPACE bad WITH replication = {'class': 'Nope'}",
            0x2300,
            "unable to find class 'Nope'",
        ),
        ("TRUNCATE vn.nope", 0x2200, "unconfigured table nope"),
        (
            "ALTER TABLE vn.kv ADD v text",
            0x2200,
            "Invalid column name v because it conflicts with an existing column",
        ),
        (
            "CREATE TYPE vn.a (x nope)",
            0x2200,
            "A user type cannot contain non-frozen user type fields",
        ),
        (
            "UPDATE vn.kv SET k = 1 WHERE k = 1",
            0x2200,
            "PRIMARY KEY part k found in SET part",
        ),
        (
            "SELECT * FROM system.peers_v2",
            0x2200,
            "unconfigured table peers_v2",
        ),
    ] {
        let error = db.error(cql);
        assert_eq!(
            (error.code(), error.message.as_str()),
            (code, message),
            "{cql}"
        );
    }
    let exists = db.error("CREATE TABLE vn.kv (k int PRIMARY KEY)").kind;
    assert_eq!(
        exists,
        ErrorKind::AlreadyExists {
            keyspace: "vn".into(),
            table: "kv".into()
        }
    );
}

#[test]
fn further_refusals() {
    let mut db = Db::new();
    db.run("CREATE TABLE w (p int, c int, s int static, v int, PRIMARY KEY (p, c))");
    for (cql, code) in [
        ("SELECT * FROM w WHERE p = 1 LIMIT 0", 0x2200),
        ("SELECT * FROM w WHERE v != 1 ALLOW FILTERING", 0x2200),
        ("SELECT DISTINCT v FROM w", 0x2200),
        ("SELECT DISTINCT s FROM w", 0x2200),
        ("SELECT writetime(p) FROM w", 0x2200),
        ("SELECT sum(c, v) FROM w", 0x2200),
        ("SELECT * FROM w WHERE token(c) > 1", 0x2200),
        ("INSERT INTO w (p, c) VALUES (1)", 0x2200),
        ("INSERT INTO w (p, p, c) VALUES (1, 1, 1)", 0x2200),
        ("INSERT INTO w (p, c, v) VALUES (1, 1, 99999999999)", 0x2200),
        ("UPDATE w SET v = 1 WHERE p = 1", 0x2200),
        ("UPDATE w SET v = 1 WHERE p = 1 AND c > 1", 0x2200),
        ("UPDATE w SET v = 1 WHERE p = 1 AND c = 1 AND v = 2", 0x2200),
        ("DELETE v FROM w WHERE p = 1", 0x2200),
        ("DELETE FROM w WHERE c = 1", 0x2200),
        ("DELETE c FROM w WHERE p = 1 AND c = 1", 0x2200),
        ("SELECT * FROM w WHERE p = null", 0x2200),
        ("INSERT INTO system.local (key) VALUES ('x')", 0x2100),
        ("DROP KEYSPACE system", 0x2100),
        ("CREATE TABLE system.x (k int PRIMARY KEY)", 0x2100),
        ("SELECT * FROM ?", 0x2000),
        ("CREATE TABLE x (k int PRIMARY KEY) WITH nope = 1", 0x2000),
    ] {
        assert_eq!(db.error(cql).code(), code, "{cql}: {}", db.error(cql));
    }
    db.keyspace = None;
    assert!(
        db.error("SELECT * FROM w")
            .message
            .starts_with("No keyspace has been specified")
    );
}
