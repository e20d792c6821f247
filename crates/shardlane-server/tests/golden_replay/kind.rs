//! The kind of an answer: what must be the same as the real server's.

use std::fmt::Write;

use shardlane_wire::{ColumnSpec, Response, ResultBody};

/// Describes an answer without the values that are the host's or the moment's own. Equal texts are
/// equal kinds.
pub(crate) fn describe(response: &Response<'_>) -> String {
    match response {
        Response::Error(error) => format!("ERROR {:#06x}", error.code()),
        Response::Ready => "READY".to_owned(),
        Response::Authenticate(class) => format!("AUTHENTICATE {class}"),
        Response::AuthChallenge(_) => "AUTH_CHALLENGE".to_owned(),
        Response::AuthSuccess(token) => format!("AUTH_SUCCESS {token:?}"),
        Response::Event(event) => format!("EVENT {event:?}"),
        Response::Supported(options) => {
            // The captured version did not have these yet.
            let is_newer = |key: &str| matches!(key, "SCYLLA_USE_METADATA_ID" | "SCYLLA_HOST_ID");
            let keys = options.iter().map(|(key, _)| *key);
            let mut keys: Vec<&str> = keys.filter(|key| !is_newer(key)).collect();
            keys.sort_unstable();
            format!("SUPPORTED {}", keys.join(" "))
        }
        Response::Result(body) => describe_result(body),
    }
}

fn describe_result(body: &ResultBody<'_>) -> String {
    match body {
        ResultBody::Void => "VOID".to_owned(),
        ResultBody::SetKeyspace(keyspace) => format!("SET_KEYSPACE {keyspace}"),
        ResultBody::SchemaChange(change) => {
            format!(
                "SCHEMA_CHANGE {:?} {} {:?}",
                change.kind, change.keyspace, change.target
            )
        }
        ResultBody::Rows(rows) => {
            let metadata = &rows.metadata;
            if metadata.has_no_metadata() {
                format!("ROWS of {} columns, no metadata", metadata.column_count)
            } else {
                format!(
                    "ROWS {}",
                    columns(&metadata.parse_columns().expect("sound columns"))
                )
            }
        }
        ResultBody::Prepared(prepared) => {
            let bind = prepared.parse_bind_columns().expect("sound columns");
            let result = prepared
                .result_metadata
                .parse_columns()
                .expect("sound columns");
            format!(
                "PREPARED bind flags {:#x} pk {:?} {} result {}",
                prepared.bind_flags,
                prepared.pk_indexes,
                columns(&bind),
                columns(&result)
            )
        }
    }
}

fn columns(columns: &[ColumnSpec]) -> String {
    columns.iter().fold(String::new(), |mut text, column| {
        let ColumnSpec {
            keyspace,
            table,
            name,
            cql_type,
        } = column;
        let _ = write!(text, "[{keyspace}.{table} {name} {cql_type}]");
        text
    })
}
