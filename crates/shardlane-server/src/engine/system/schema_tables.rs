//! `system_schema.*`.

use shardlane_routing::Partitioner;

use super::builder::{TableBuilder, Value};
use crate::engine::schema::{ColumnKind, Keyspace, Schema, Table, type_text};
use crate::engine::value::collection;

pub(super) fn fill(out: &mut TableBuilder<'_>, schema: &Schema) {
    let name = out.name();
    for keyspace in schema.keyspaces() {
        let keyspace = &**keyspace;
        let all = || keyspace.tables.values().chain(keyspace.views.values());
        match name {
            "keyspaces" => out.row(&[
                ("keyspace_name", (&*keyspace.name).into()),
                ("durable_writes", keyspace.durable_writes.into()),
                ("replication", Value::map(&keyspace.replication)),
            ]),
            "scylla_keyspaces" => {
                if let Some(initial) = keyspace.tablets {
                    out.row(&[
                        ("keyspace_name", (&*keyspace.name).into()),
                        (
                            "initial_tablets",
                            i32::try_from(initial).unwrap_or(i32::MAX).into(),
                        ),
                        (
                            "consistency",
                            keyspace
                                .consistency
                                .as_deref()
                                .map_or(Value::NULL, Into::into),
                        ),
                    ]);
                }
            }
            "tables" => keyspace
                .tables
                .values()
                .for_each(|table| tables_row(out, table)),
            "scylla_tables" => {
                for table in all() {
                    out.row(&[
                        ("keyspace_name", (&*keyspace.name).into()),
                        ("table_name", (&*table.name).into()),
                        ("committed_by_group0", true.into()),
                        ("version", table.id.0.into()),
                        (
                            "partitioner",
                            match table.partitioner() {
                                // Only what differs from the cluster's is told.
                                Partitioner::Murmur3 => Value::NULL,
                                other => other.class().into(),
                            },
                        ),
                        (
                            "cdc",
                            table
                                .options
                                .map("cdc")
                                .map_or(Value::NULL, |m| Value::map(m.iter().cloned())),
                        ),
                    ]);
                }
            }
            "views" => keyspace
                .views
                .values()
                .for_each(|view| views_row(out, view)),
            "columns" => all().for_each(|table| columns_rows(out, table)),
            "dropped_columns" => all().for_each(|table| dropped_rows(out, table)),
            "indexes" => keyspace
                .tables
                .values()
                .for_each(|table| indexes_rows(out, table)),
            "types" => types_rows(out, keyspace),
            "triggers" => keyspace
                .tables
                .values()
                .for_each(|table| triggers_rows(out, table)),
            "functions" => functions_rows(out, keyspace),
            "aggregates" => aggregates_rows(out, keyspace),
            "scylla_aggregates" => scylla_aggregates_rows(out, keyspace),
            _ => {}
        }
    }
}

/// Options that ScyllaDB keeps as extensions.
const EXTENSIONS: [&str; 3] = [
    "per_partition_rate_limit",
    "scylla_encryption_options",
    "tombstone_gc",
];

/// Extensions as ScyllaDB keeps them: each a map in a notation of its own, a count and then lengths and texts,
/// numbers in 32 bits, little end first.
fn extensions(table: &Table) -> Value {
    let options = EXTENSIONS
        .iter()
        .filter_map(|name| Some((*name, table.options.map(name)?)));
    let mut cells: Vec<Vec<u8>> = Vec::new();
    for (name, entries) in options {
        let mut blob = (entries.len() as u32).to_le_bytes().to_vec();
        for text in entries.iter().flat_map(|(k, v)| [k, v]) {
            blob.extend_from_slice(&(text.len() as u32).to_le_bytes());
            blob.extend_from_slice(text.as_bytes());
        }
        cells.push(name.as_bytes().to_vec());
        cells.push(blob);
    }
    Value::bytes(collection(cells.len() / 2, cells.iter().map(Vec::as_slice)))
}

/// The options that tables and views share, with ScyllaDB's defaults.
fn options(table: &Table) -> Vec<(&'static str, Value)> {
    let options = &table.options;
    let float = |name, default: f64| {
        options
            .text(name)
            .and_then(|t| t.parse().ok())
            .unwrap_or(default)
            .into()
    };
    let int = |name, default: i32| options.int(name).unwrap_or(default).into();
    let map = |name, default: &[(&str, &str)]| match options.map(name) {
        Some(given) => Value::map(given.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
        None => Value::map(default.iter().copied()),
    };
    let compression = (
        "sstable_compression",
        "org.apache.cassandra.io.compress.LZ4Compressor",
    );
    vec![
        (
            "bloom_filter_fp_chance",
            float("bloom_filter_fp_chance", 0.01),
        ),
        (
            "caching",
            map("caching", &[("keys", "ALL"), ("rows_per_partition", "ALL")]),
        ),
        (
            "comment",
            options.text("comment").unwrap_or_default().into(),
        ),
        (
            "compaction",
            map("compaction", &[("class", "SizeTieredCompactionStrategy")]),
        ),
        ("compression", map("compression", &[compression])),
        ("crc_check_chance", float("crc_check_chance", 1.0)),
        ("default_time_to_live", int("default_time_to_live", 0)),
        ("extensions", extensions(table)),
        ("gc_grace_seconds", int("gc_grace_seconds", 864_000)),
        ("id", table.id.0.into()),
        ("max_index_interval", int("max_index_interval", 2048)),
        (
            "memtable_flush_period_in_ms",
            int("memtable_flush_period_in_ms", 0),
        ),
        ("min_index_interval", int("min_index_interval", 128)),
        (
            "speculative_retry",
            options
                .text("speculative_retry")
                .unwrap_or("99.0PERCENTILE")
                .into(),
        ),
    ]
}

fn tables_row(out: &mut TableBuilder<'_>, table: &Table) {
    let mut row = options(table);
    row.push(("keyspace_name", (&*table.keyspace).into()));
    row.push(("table_name", (&*table.name).into()));
    let flags: &[&str] = if table.is_counter {
        &["compound", "counter"]
    } else {
        &["compound"]
    };
    row.push(("flags", Value::strings(flags)));
    out.row(&row);
}

fn views_row(out: &mut TableBuilder<'_>, table: &Table) {
    let Some(view) = &table.view else { return };
    let mut row = options(table);
    row.push(("keyspace_name", (&*table.keyspace).into()));
    row.push(("view_name", (&*table.name).into()));
    row.push(("base_table_id", view.base.0.into()));
    row.push(("base_table_name", (&*view.base_name).into()));
    row.push(("include_all_columns", view.include_all.into()));
    row.push(("where_clause", view.where_text.as_str().into()));
    out.row(&row);
}

const fn kind_text(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::PartitionKey => "partition_key",
        ColumnKind::Clustering => "clustering",
        ColumnKind::Static => "static",
        ColumnKind::Regular => "regular",
    }
}

fn columns_rows(out: &mut TableBuilder<'_>, table: &Table) {
    for column in &table.columns {
        let order = match (column.kind, column.descending) {
            (ColumnKind::Clustering, true) => "DESC",
            (ColumnKind::Clustering, false) => "ASC",
            _ => "NONE",
        };
        let position = if column.is_primary_key() {
            column.position as i32
        } else {
            -1
        };
        out.row(&[
            ("keyspace_name", (&*table.keyspace).into()),
            ("table_name", (&*table.name).into()),
            ("column_name", (&*column.name).into()),
            ("clustering_order", order.into()),
            ("column_name_bytes", (&*column.name).into()),
            ("kind", kind_text(column.kind).into()),
            ("position", position.into()),
            ("type", type_text(&column.declared).as_str().into()),
        ]);
    }
}

fn dropped_rows(out: &mut TableBuilder<'_>, table: &Table) {
    for (name, declared, at_us, _) in &table.dropped {
        out.row(&[
            ("keyspace_name", (&*table.keyspace).into()),
            ("table_name", (&*table.name).into()),
            ("column_name", (&**name).into()),
            ("dropped_time", at_us.div_euclid(1000).into()),
            ("type", type_text(declared).as_str().into()),
        ]);
    }
}

fn indexes_rows(out: &mut TableBuilder<'_>, table: &Table) {
    for index in table.indexes.values() {
        let target = [("target".to_owned(), index.target.clone())];
        out.row(&[
            ("keyspace_name", (&*table.keyspace).into()),
            ("table_name", (&*table.name).into()),
            ("index_name", (&*index.name).into()),
            (
                "kind",
                if index.options.contains_key("class_name") {
                    "CUSTOM"
                } else {
                    "COMPOSITES"
                }
                .into(),
            ),
            (
                "options",
                Value::map(index.options.clone().into_iter().chain(target)),
            ),
        ]);
    }
}

fn types_rows(out: &mut TableBuilder<'_>, keyspace: &Keyspace) {
    for user in keyspace.types.values() {
        out.row(&[
            ("keyspace_name", (&*keyspace.name).into()),
            ("type_name", (&*user.name).into()),
            (
                "field_names",
                Value::strings(user.fields.iter().map(|(name, _)| name)),
            ),
            (
                "field_types",
                Value::strings(user.fields.iter().map(|(_, ty)| type_text(ty))),
            ),
        ]);
    }
}

fn functions_rows(out: &mut TableBuilder<'_>, keyspace: &Keyspace) {
    for function in &keyspace.functions {
        out.row(&[
            ("keyspace_name", (&*keyspace.name).into()),
            ("function_name", (&*function.name).into()),
            (
                "argument_types",
                Value::strings(function.arguments.iter().map(|(_, ty)| ty.to_string())),
            ),
            (
                "argument_names",
                Value::strings(function.arguments.iter().map(|(name, _)| name)),
            ),
            ("body", function.body.as_str().into()),
            ("called_on_null_input", function.called_on_null.into()),
            ("language", function.language.as_str().into()),
            ("return_type", function.returns.to_string().as_str().into()),
        ]);
    }
}

fn triggers_rows(out: &mut TableBuilder<'_>, table: &Table) {
    for (name, class) in &table.triggers {
        out.row(&[
            ("keyspace_name", (&*table.keyspace).into()),
            ("table_name", (&*table.name).into()),
            ("trigger_name", (&**name).into()),
            ("options", Value::map([("class", class)])),
        ]);
    }
}

fn aggregates_rows(out: &mut TableBuilder<'_>, keyspace: &Keyspace) {
    for aggregate in &keyspace.aggregates {
        let text = |text: Option<&str>| text.map_or(Value::NULL, Value::from);
        out.row(&[
            ("keyspace_name", (&*keyspace.name).into()),
            ("aggregate_name", (&*aggregate.name).into()),
            (
                "argument_types",
                Value::strings(aggregate.arguments.iter().map(ToString::to_string)),
            ),
            ("final_func", text(aggregate.final_func.as_deref())),
            ("initcond", text(aggregate.initcond.as_deref())),
            ("return_type", aggregate.returns.to_string().as_str().into()),
            ("state_func", (&*aggregate.state_func).into()),
            (
                "state_type",
                aggregate.state_type.to_string().as_str().into(),
            ),
        ]);
    }
}

/// Only those that ScyllaDB can compute in parts.
fn scylla_aggregates_rows(out: &mut TableBuilder<'_>, keyspace: &Keyspace) {
    for aggregate in &keyspace.aggregates {
        let Some(reduce_func) = aggregate.reduce_func.as_deref() else {
            continue;
        };
        out.row(&[
            ("keyspace_name", (&*keyspace.name).into()),
            ("aggregate_name", (&*aggregate.name).into()),
            (
                "argument_types",
                Value::strings(aggregate.arguments.iter().map(ToString::to_string)),
            ),
            ("reduce_func", reduce_func.into()),
            (
                "state_type",
                aggregate.state_type.to_string().as_str().into(),
            ),
        ]);
    }
}
