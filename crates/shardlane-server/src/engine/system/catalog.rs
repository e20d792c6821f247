//! The keyspaces that every node has, declared in CQL.

use std::collections::BTreeMap;
use std::sync::Arc;

use shardlane_routing::ReplicationStrategy;

use super::Flavour;
use crate::cql::ast::{DdlStatement, Statement};
use crate::cql::parse;
use crate::engine::md5::md5;
use crate::engine::schema::{Keyspace, TableId, build_table};

/// The tables of a ScyllaDB 6.2 node, `client_routes` of newer ones, and those that only Cassandra has, one CREATE TABLE per line.
const TABLES: &str = include_str!("tables.cql");

/// Name, replication class, factor, and whether its tables are made when read.
const KEYSPACES: [(&str, &str, Option<&str>, bool); 6] = [
    ("system", "LocalStrategy", None, true),
    ("system_schema", "LocalStrategy", None, true),
    ("system_auth", "SimpleStrategy", Some("1"), true),
    ("system_traces", "SimpleStrategy", Some("2"), false),
    ("system_distributed", "SimpleStrategy", Some("3"), false),
    (
        "system_distributed_everywhere",
        "EverywhereStrategy",
        None,
        false,
    ),
];

/// Tables that Apache Cassandra does not have.
fn is_scylla_only(keyspace: &str, table: &str) -> bool {
    table.starts_with("scylla_")
        || keyspace == "system_distributed_everywhere"
        || (keyspace == "system"
            && matches!(
                table,
                "tablets"
                    | "client_routes"
                    | "token_ring"
                    | "versions"
                    | "topology"
                    | "topology_requests"
                    | "cluster_status"
                    | "config"
            ))
}

/// Tables that only Apache Cassandra has.
fn is_cassandra_only(keyspace: &str, table: &str) -> bool {
    keyspace == "system" && table == "peers_v2"
}

/// The keyspaces of the server itself.
pub(crate) fn system_keyspaces(flavour: Flavour) -> Vec<Keyspace> {
    let mut keyspaces: Vec<Keyspace> = KEYSPACES
        .iter()
        .map(|(name, class, factor, _)| empty(name, class, *factor))
        .collect();
    for line in TABLES.lines().filter(|line| !line.is_empty()) {
        let parsed = parse(line);
        let Ok(Statement::Ddl(DdlStatement::CreateTable(statement))) =
            parsed.map(|parsed| parsed.statement)
        else {
            unreachable!("the catalog is tested to parse: {line}");
        };
        let name = statement.table.keyspace.as_deref().unwrap_or_default();
        let is_others = match flavour {
            Flavour::Cassandra => is_scylla_only(name, &statement.table.name),
            Flavour::Scylla => is_cassandra_only(name, &statement.table.name),
        };
        if is_others {
            continue;
        }
        let Some(at) = KEYSPACES
            .iter()
            .position(|(keyspace, ..)| *keyspace == name)
        else {
            unreachable!("the catalog is tested to name known keyspaces: {line}");
        };
        let id = legacy_id(name, &statement.table.name);
        match build_table(&keyspaces[at], &statement, id) {
            Ok(mut table) => {
                table.is_virtual = KEYSPACES[at].3;
                keyspaces[at]
                    .tables
                    .insert(table.name.clone(), Arc::new(table));
            }
            Err(error) => unreachable!("the catalog is tested to be valid: {error}: {line}"),
        }
    }
    if flavour == Flavour::Cassandra {
        keyspaces.retain(|keyspace| &*keyspace.name != "system_distributed_everywhere");
    }
    keyspaces
}

fn empty(name: &str, class: &str, factor: Option<&str>) -> Keyspace {
    let mut replication = BTreeMap::new();
    replication.insert(
        "class".to_owned(),
        format!("org.apache.cassandra.locator.{class}"),
    );
    if let Some(factor) = factor {
        replication.insert("replication_factor".to_owned(), factor.to_owned());
    }
    let strategy = match factor.and_then(|factor| factor.parse().ok()) {
        Some(rf) => ReplicationStrategy::Simple { rf },
        None if class == "LocalStrategy" => ReplicationStrategy::Local,
        None => ReplicationStrategy::Everywhere,
    };
    Keyspace {
        name: name.into(),
        replication,
        strategy,
        durable_writes: true,
        tablets: None,
        consistency: None,
        types: BTreeMap::new(),
        tables: BTreeMap::new(),
        views: BTreeMap::new(),
        functions: Vec::new(),
        aggregates: Vec::new(),
    }
}

/// The id that system tables have on every node: a version 3 UUID of keyspace and name.
fn legacy_id(keyspace: &str, table: &str) -> TableId {
    let mut id = md5(&[keyspace.as_bytes(), table.as_bytes()].concat());
    id[6] = id[6] & 0x0F | 0x30;
    id[8] = id[8] & 0x3F | 0x80;
    TableId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_catalogs_are_valid_and_ids_are_scyllas() {
        for flavour in [Flavour::Scylla, Flavour::Cassandra] {
            let keyspaces = system_keyspaces(flavour);
            let system = keyspaces.iter().find(|k| &*k.name == "system").unwrap();
            let local = &system.tables["local"];
            assert_eq!(local.id.to_string(), "7ad54392-bcdd-35a6-8417-4e047860b377");
            assert_eq!(
                system.tables.contains_key("tablets"),
                flavour == Flavour::Scylla
            );
            assert_eq!(
                system.tables.contains_key("peers_v2"),
                flavour == Flavour::Cassandra
            );
        }
    }
}
