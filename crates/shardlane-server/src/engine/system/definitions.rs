//! The system keyspaces and their tables, written as the CQL that would create them.
//!
//! Columns and keys are ScyllaDB 6.2's, as drivers see them. There is no `peers_v2`, so that drivers of Apache
//! Cassandra fall back to `peers`, as they do for servers before 4.0.

use std::collections::BTreeMap;
use std::sync::Arc;

use shardlane_routing::ReplicationStrategy;

use super::Flavour;
use crate::cql::Statement;
use crate::cql::ast::DdlStatement;
use crate::engine::md5::md5;
use crate::engine::schema::{Keyspace, Table, TableId, build_table};

const LOCAL: &[(&str, &str)] = &[("class", "org.apache.cassandra.locator.LocalStrategy")];
const SIMPLE: &[(&str, &str)] =
    &[("class", "org.apache.cassandra.locator.SimpleStrategy"), ("replication_factor", "2")];

/// What every table of `system_schema` that describes tables or views says of options.
const OPTIONS: &str = "bloom_filter_fp_chance double, caching frozen<map<text, text>>, comment text,
    compaction frozen<map<text, text>>, compression frozen<map<text, text>>, crc_check_chance double,
    dclocal_read_repair_chance double, default_time_to_live int, extensions frozen<map<text, blob>>,
    gc_grace_seconds int, max_index_interval int, memtable_flush_period_in_ms int, min_index_interval int,
    read_repair_chance double, speculative_retry text";

struct Definition {
    keyspace: &'static str,
    table: &'static str,
    columns: &'static str,
    flavour: Option<Flavour>,
}

const fn of(keyspace: &'static str, table: &'static str, columns: &'static str) -> Definition {
    Definition { keyspace, table, columns, flavour: None }
}

const fn only(flavour: Flavour, keyspace: &'static str, table: &'static str, columns: &'static str) -> Definition {
    Definition { keyspace, table, columns, flavour: Some(flavour) }
}

/// `{options}` stands for [`OPTIONS`].
const TABLES: &[Definition] = &[
    of(
        "system",
        "local",
        "key text PRIMARY KEY, bootstrapped text, broadcast_address inet, cluster_name text, cql_version text,
         data_center text, gossip_generation int, host_id uuid, listen_address inet, native_protocol_version text,
         partitioner text, rack text, release_version text, rpc_address inet, schema_version uuid,
         supported_features text, tokens set<text>, truncated_at map<uuid, blob>",
    ),
    of(
        "system",
        "peers",
        "peer inet PRIMARY KEY, data_center text, host_id uuid, preferred_ip inet, rack text, release_version text,
         rpc_address inet, schema_version uuid, supported_features text, tokens set<text>",
    ),
    only(
        Flavour::Scylla,
        "system",
        "versions",
        "key text PRIMARY KEY, build_id text, build_mode text, version text",
    ),
    only(
        Flavour::Scylla,
        "system",
        "tablets",
        "table_id uuid, last_token bigint, keyspace_name text STATIC, resize_seq_number bigint STATIC,
         resize_type text STATIC, table_name text STATIC, tablet_count int STATIC,
         new_replicas frozen<list<frozen<tuple<uuid, int>>>>, replicas frozen<list<frozen<tuple<uuid, int>>>>,
         session uuid, stage text, transition text, PRIMARY KEY (table_id, last_token)",
    ),
    of(
        "system",
        "size_estimates",
        "keyspace_name text, table_name text, range_start text, range_end text, mean_partition_size bigint,
         partitions_count bigint, PRIMARY KEY (keyspace_name, table_name, range_start, range_end)",
    ),
    of(
        "system_schema",
        "keyspaces",
        "keyspace_name text PRIMARY KEY, durable_writes boolean, replication frozen<map<text, text>>",
    ),
    only(
        Flavour::Scylla,
        "system_schema",
        "scylla_keyspaces",
        "keyspace_name text PRIMARY KEY, initial_tablets int, storage_options frozen<map<text, text>>,
         storage_type text",
    ),
    of(
        "system_schema",
        "tables",
        "keyspace_name text, table_name text, flags frozen<set<text>>, id uuid, {options},
         PRIMARY KEY (keyspace_name, table_name)",
    ),
    only(
        Flavour::Scylla,
        "system_schema",
        "scylla_tables",
        "keyspace_name text, table_name text, cdc map<text, text>, in_memory boolean, partitioner text,
         per_partition_rate_limit map<text, text>, version uuid, PRIMARY KEY (keyspace_name, table_name)",
    ),
    of(
        "system_schema",
        "columns",
        "keyspace_name text, table_name text, column_name text, clustering_order text, column_name_bytes blob,
         kind text, position int, type text, PRIMARY KEY (keyspace_name, table_name, column_name)",
    ),
    of(
        "system_schema",
        "dropped_columns",
        "keyspace_name text, table_name text, column_name text, dropped_time timestamp, type text,
         PRIMARY KEY (keyspace_name, table_name, column_name)",
    ),
    of(
        "system_schema",
        "triggers",
        "keyspace_name text, table_name text, trigger_name text, options frozen<map<text, text>>,
         PRIMARY KEY (keyspace_name, table_name, trigger_name)",
    ),
    of(
        "system_schema",
        "views",
        "keyspace_name text, view_name text, base_table_id uuid, base_table_name text, id uuid,
         include_all_columns boolean, where_clause text, {options}, PRIMARY KEY (keyspace_name, view_name)",
    ),
    of(
        "system_schema",
        "types",
        "keyspace_name text, type_name text, field_names frozen<list<text>>, field_types frozen<list<text>>,
         PRIMARY KEY (keyspace_name, type_name)",
    ),
    of(
        "system_schema",
        "functions",
        "keyspace_name text, function_name text, argument_types frozen<list<text>>,
         argument_names frozen<list<text>>, body text, called_on_null_input boolean, language text,
         return_type text, PRIMARY KEY (keyspace_name, function_name, argument_types)",
    ),
    of(
        "system_schema",
        "aggregates",
        "keyspace_name text, aggregate_name text, argument_types frozen<list<text>>, final_func text, initcond text,
         return_type text, state_func text, state_type text,
         PRIMARY KEY (keyspace_name, aggregate_name, argument_types)",
    ),
    of(
        "system_schema",
        "indexes",
        "keyspace_name text, table_name text, index_name text, kind text, options frozen<map<text, text>>,
         PRIMARY KEY (keyspace_name, table_name, index_name)",
    ),
    of(
        "system_traces",
        "sessions",
        "session_id uuid PRIMARY KEY, client inet, command text, coordinator inet, duration int,
         parameters map<text, text>, request text, request_size int, response_size int, started_at timestamp,
         username text",
    ),
    of(
        "system_traces",
        "events",
        "session_id uuid, event_id timeuuid, activity text, scylla_parent_id bigint, scylla_span_id bigint,
         source inet, source_elapsed int, thread text, PRIMARY KEY (session_id, event_id)",
    ),
];

/// The keyspaces that every schema begins with.
pub(crate) fn keyspaces(flavour: Flavour) -> Vec<Keyspace> {
    let mut all = vec![
        empty("system", LOCAL),
        empty("system_auth", SIMPLE),
        empty("system_distributed", SIMPLE),
        empty("system_schema", LOCAL),
        empty("system_traces", SIMPLE),
    ];
    for definition in TABLES.iter().filter(|d| d.flavour.is_none_or(|wanted| wanted == flavour)) {
        let Some(keyspace) = all.iter_mut().find(|k| *k.name == *definition.keyspace) else { continue };
        if let Some(table) = table(keyspace, definition) {
            keyspace.tables.insert(table.name.clone(), Arc::new(table));
        }
    }
    all
}

fn empty(name: &str, replication: &[(&str, &str)]) -> Keyspace {
    let replication: BTreeMap<String, String> =
        replication.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Keyspace {
        name: name.into(),
        strategy: ReplicationStrategy::parse(&replication).unwrap_or(ReplicationStrategy::Local),
        replication,
        durable_writes: true,
        tablets: None,
        types: BTreeMap::new(),
        tables: BTreeMap::new(),
        views: BTreeMap::new(),
        functions: Vec::new(),
    }
}

/// `None` never happens: a test builds them all.
fn table(keyspace: &Keyspace, definition: &Definition) -> Option<Table> {
    let columns = definition.columns.replace("{options}", OPTIONS);
    let text = format!("CREATE TABLE {}.{} ({columns})", definition.keyspace, definition.table);
    let parsed = crate::cql::parse(&text).ok()?;
    let Statement::Ddl(DdlStatement::CreateTable(statement)) = parsed.statement else { return None };
    let id = TableId(md5(format!("{}.{}", definition.keyspace, definition.table).as_bytes()));
    let mut table = build_table(keyspace, &statement, id).ok()?;
    table.is_virtual = true;
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_builds() {
        for flavour in [Flavour::Scylla, Flavour::Cassandra] {
            let built: usize = keyspaces(flavour).iter().map(|k| k.tables.len()).sum();
            let wanted = TABLES.iter().filter(|d| d.flavour.is_none_or(|f| f == flavour)).count();
            assert_eq!(built, wanted);
        }
        let system = |flavour| keyspaces(flavour).swap_remove(0);
        assert!(system(Flavour::Scylla).table("versions").is_some());
        assert!(system(Flavour::Cassandra).table("versions").is_none(), "ScyllaDB's own");
    }
}
