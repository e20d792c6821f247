//! Values and statements captured from a real ScyllaDB 6.2.

use super::*;
use crate::engine::value::{Json, parse_json};

fn member<'a>(json: &'a Json, name: &str) -> &'a Json {
    match json {
        Json::Object(entries) => entries
            .iter()
            .find(|(key, _)| key == name)
            .map_or(&Json::Null, |(_, value)| value),
        _ => &Json::Null,
    }
}

fn text(json: &Json) -> Option<&str> {
    match json {
        Json::String(text) => Some(text),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All 80 literals of 27 types: the same bytes come back as the real server sent.
#[test]
fn every_literal_gives_the_bytes_of_a_real_server() {
    let Json::Array(values) =
        parse_json(include_str!("../../../../../tests/golden/types.json")).unwrap()
    else {
        panic!()
    };
    assert_eq!(values.len(), 80);
    let mut db = Db::empty(Flavour::Scylla);
    db.run("CREATE KEYSPACE vn WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 3} AND tablets = {'enabled': false}");
    db.run("USE vn");
    db.run(
        "CREATE TYPE address (street text, zip int, phones frozen<map<text, frozen<set<int>>>>)",
    );
    for (at, value) in values.iter().enumerate() {
        let cql_type = text(member(value, "cql_type")).unwrap();
        let literal = text(member(value, "literal")).unwrap();
        db.run(&format!(
            "CREATE TABLE t{at} (k int PRIMARY KEY, v {cql_type})"
        ));
        db.run(&format!("INSERT INTO t{at} (k, v) VALUES (0, {literal})"));
        let out = db.run(&format!("SELECT v FROM t{at} WHERE k = 0"));
        let got = out.rows[0][0].as_deref().map(hex);
        assert_eq!(
            got.as_deref(),
            text(member(value, "bytes")),
            "{cql_type} {literal}"
        );
        let mut option = Vec::new();
        shardlane_wire::types::encode_type(&out.columns[0].cql_type, &mut option).unwrap();
        assert_eq!(
            Some(hex(&option).as_str()),
            text(member(value, "type_option")),
            "{cql_type}"
        );
        // and as bound values they are accepted
        if let Some(bytes) = out.rows[0][0].clone() {
            let insert = db
                .prepare(&format!("INSERT INTO t{at} (k, v) VALUES (1, ?)"))
                .unwrap();
            db.execute(&insert, &[Bound::Value(&bytes)])
                .unwrap_or_else(|error| panic!("{cql_type} {literal}: {error}"));
            let again = db.run(&format!("SELECT v FROM t{at} WHERE k = 1"));
            assert_eq!(
                again.rows[0][0].as_deref().map(hex).as_deref(),
                text(member(value, "bytes")),
                "{cql_type} {literal}"
            );
        }
    }
}
