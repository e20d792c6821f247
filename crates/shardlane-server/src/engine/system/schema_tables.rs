//! `system_schema`: the schema describes itself.

use super::rows::{NamedCell, Rows, boolean, double, int, text, text_map, texts, uuid};
use crate::engine::schema::{Column, ColumnKind, Keyspace, Schema, Table, TableOptions, quoted, type_text};
use crate::engine::value::collection;

/// Fills `rows` if `table` is one of these tables.
pub(super) fn fill(table: &str, schema: &Schema, rows: &mut Rows<'_>) {
    for keyspace in schema.keyspaces() {
        let tables = || keyspace.tables.values().chain(keyspace.views.values());
        match table {
            "keyspaces" => keyspaces(keyspace, rows),
            "scylla_keyspaces" => scylla_keyspaces(keyspace, rows),
            "tables" => keyspace.tables.values().for_each(|t| tables_row(t, rows)),
            "scylla_tables" => tables().for_each(|t| scylla_tables(t, rows)),
            "views" => keyspace.views.values().for_each(|t| views(t, rows)),
            "columns" => tables().for_each(|t| t.columns.iter().for_each(|c| columns(t, c, rows))),
            "dropped_columns" => tables().for_each(|t| dropped_columns(t, rows)),
            "types" => types(keyspace, rows),
            "functions" => functions(keyspace, rows),
            "indexes" => keyspace.tables.values().for_each(|t| indexes(t, rows)),
            _ => {}
        }
    }
}

fn keyspaces(keyspace: &Keyspace, rows: &mut Rows<'_>) {
    rows.add(&[
        ("keyspace_name", text(&keyspace.name)),
        ("durable_writes", boolean(keyspace.durable_writes)),
        ("replication", text_map(keyspace.replication.iter().map(|(k, v)| (k.as_str(), v.as_str())))),
    ]);
}

fn scylla_keyspaces(keyspace: &Keyspace, rows: &mut Rows<'_>) {
    if let Some(tablets) = keyspace.tablets {
        rows.add(&[
            ("keyspace_name", text(&keyspace.name)),
            ("initial_tablets", int(i32::try_from(tablets).unwrap_or(i32::MAX))),
        ]);
    }
}

fn tables_row(table: &Table, rows: &mut Rows<'_>) {
    let flags: &[&str] = if table.is_counter { &["compound", "counter"] } else { &["compound"] };
    let mut cells: Vec<NamedCell<'_>> = vec![
        ("keyspace_name", text(&table.keyspace)),
        ("table_name", text(&table.name)),
        ("flags", texts(flags)),
        ("id", uuid(&table.id.0)),
    ];
    cells.extend(options(&table.options));
    rows.add(&cells);
}

fn scylla_tables(table: &Table, rows: &mut Rows<'_>) {
    let mut cells: Vec<NamedCell<'_>> = vec![
        ("keyspace_name", text(&table.keyspace)),
        ("table_name", text(&table.name)),
        ("version", uuid(&table.id.0)),
    ];
    for option in ["cdc", "per_partition_rate_limit"] {
        if let Some(entries) = table.options.map(option) {
            cells.push((option, text_map(entries.iter().map(|(k, v)| (k.as_str(), v.as_str())))));
        }
    }
    rows.add(&cells);
}

fn views(table: &Table, rows: &mut Rows<'_>) {
    let Some(view) = &table.view else { return };
    let mut cells: Vec<NamedCell<'_>> = vec![
        ("keyspace_name", text(&table.keyspace)),
        ("view_name", text(&table.name)),
        ("base_table_id", uuid(&view.base.0)),
        ("base_table_name", text(&view.base_name)),
        ("id", uuid(&table.id.0)),
        ("include_all_columns", boolean(view.include_all)),
        ("where_clause", text(&view.where_text)),
    ];
    cells.extend(options(&table.options));
    rows.add(&cells);
}

/// The options, with ScyllaDB's defaults for what was not given.
fn options(given: &TableOptions) -> Vec<NamedCell<'static>> {
    let real = |name: &str, default: f64| double(given.text(name).and_then(|t| t.parse().ok()).unwrap_or(default));
    let number = |name: &str, default: i32| int(given.int(name).unwrap_or(default));
    let map = |name: &str, default: &[(&'static str, &'static str)]| match given.map(name) {
        Some(entries) => text_map(entries.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
        None => text_map(default.iter().copied()),
    };
    vec![
        ("bloom_filter_fp_chance", real("bloom_filter_fp_chance", 0.01)),
        ("caching", map("caching", &[("keys", "ALL"), ("rows_per_partition", "ALL")])),
        ("comment", text(given.text("comment").unwrap_or_default())),
        ("compaction", map("compaction", &[("class", "SizeTieredCompactionStrategy")])),
        (
            "compression",
            map("compression", &[("sstable_compression", "org.apache.cassandra.io.compress.LZ4Compressor")]),
        ),
        ("crc_check_chance", real("crc_check_chance", 1.0)),
        ("default_time_to_live", number("default_time_to_live", 0)),
        ("extensions", Some(collection(0, []))),
        ("gc_grace_seconds", number("gc_grace_seconds", 864_000)),
        ("max_index_interval", number("max_index_interval", 2048)),
        ("memtable_flush_period_in_ms", number("memtable_flush_period_in_ms", 0)),
        ("min_index_interval", number("min_index_interval", 128)),
        ("speculative_retry", text(given.text("speculative_retry").unwrap_or("99.0PERCENTILE"))),
    ]
}

const fn kind_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::PartitionKey => "partition_key",
        ColumnKind::Clustering => "clustering",
        ColumnKind::Static => "static",
        ColumnKind::Regular => "regular",
    }
}

fn columns(table: &Table, column: &Column, rows: &mut Rows<'_>) {
    let order = match column.kind {
        ColumnKind::Clustering if column.descending => "DESC",
        ColumnKind::Clustering => "ASC",
        _ => "NONE",
    };
    let position = if column.is_primary_key() { i32::try_from(column.position).unwrap_or(i32::MAX) } else { -1 };
    rows.add(&[
        ("keyspace_name", text(&table.keyspace)),
        ("table_name", text(&table.name)),
        ("column_name", text(&column.name)),
        ("clustering_order", text(order)),
        ("column_name_bytes", text(&column.name)),
        ("kind", text(kind_name(column.kind))),
        ("position", int(position)),
        ("type", text(&type_text(&column.declared))),
    ]);
}

fn dropped_columns(table: &Table, rows: &mut Rows<'_>) {
    for (name, declared, dropped_us, _) in &table.dropped {
        rows.add(&[
            ("keyspace_name", text(&table.keyspace)),
            ("table_name", text(&table.name)),
            ("column_name", text(name)),
            ("dropped_time", Some((dropped_us / 1000).to_be_bytes().to_vec())),
            ("type", text(&type_text(declared))),
        ]);
    }
}

fn types(keyspace: &Keyspace, rows: &mut Rows<'_>) {
    for user in keyspace.types.values() {
        let names: Vec<&str> = user.fields.iter().map(|(name, _)| &**name).collect();
        let declared: Vec<String> = user.fields.iter().map(|(_, ty)| type_text(ty)).collect();
        rows.add(&[
            ("keyspace_name", text(&keyspace.name)),
            ("type_name", text(&user.name)),
            ("field_names", texts(&names)),
            ("field_types", texts(&declared)),
        ]);
    }
}

fn functions(keyspace: &Keyspace, rows: &mut Rows<'_>) {
    for function in &keyspace.functions {
        let types: Vec<String> = function.arguments.iter().map(|(_, ty)| ty.to_string()).collect();
        let names: Vec<&str> = function.arguments.iter().map(|(name, _)| name.as_str()).collect();
        rows.add(&[
            ("keyspace_name", text(&keyspace.name)),
            ("function_name", text(&function.name)),
            ("argument_types", texts(&types)),
            ("argument_names", texts(&names)),
            ("body", text(&function.body)),
            ("called_on_null_input", boolean(function.called_on_null)),
            ("language", text(&function.language)),
            ("return_type", text(&function.returns.to_string())),
        ]);
    }
}

fn indexes(table: &Table, rows: &mut Rows<'_>) {
    for index in table.indexes.values() {
        let target = if index.target.is_empty() { quoted(&index.column) } else { index.target.clone() };
        let mut entries: Vec<(&str, &str)> = index.options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        entries.push(("target", &target));
        rows.add(&[
            ("keyspace_name", text(&table.keyspace)),
            ("table_name", text(&table.name)),
            ("index_name", text(&index.name)),
            ("kind", text("COMPOSITES")),
            ("options", text_map(entries)),
        ]);
    }
}
