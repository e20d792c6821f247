//! Bodies: refused with an error, or read, written, and read again as the same message.

use shardlane_wire::result::{encode_columns, parse_columns};
use shardlane_wire::{
    BoundValues, Dialect, FrameHeader, Request, RequestEnvelope, Response, ResponseEnvelope,
    ResultBody, Rows, WireErrorKind,
};

use super::Depth;

/// The most cells to walk in one input: a bound on time, not on what is legal.
const CELLS_MAX: u64 = 100_000;

/// Reads the body of a request frame.
pub fn check_request(dialect: Dialect, header: &FrameHeader, body: &[u8]) -> Depth {
    let mut depth = Depth {
        refused: 1,
        ..Depth::default()
    };
    let Ok(envelope) = RequestEnvelope::decode(header, body) else {
        return depth;
    };
    let mut prefix = Vec::new();
    if envelope.encode_prefix(header.version, &mut prefix).is_ok() {
        let flags = FrameHeader {
            flags: envelope.flags(),
            ..*header
        };
        let again = RequestEnvelope::decode(&flags, &prefix).expect("what was written is read");
        assert_eq!(again.custom_payload, envelope.custom_payload);
    }
    let Ok(request) = Request::decode(dialect, header.opcode, envelope.body) else {
        return depth;
    };
    depth = Depth {
        messages: 1,
        ..Depth::default()
    };

    let (mut once, mut twice) = (Vec::new(), Vec::new());
    request
        .encode(dialect, &mut once)
        .expect("what was read can be written");
    let again = Request::decode(dialect, header.opcode, &once).expect("what was written is read");
    assert_eq!(again, request);
    again
        .encode(dialect, &mut twice)
        .expect("what was read can be written");
    assert_eq!(once, twice);

    match request {
        Request::Query(query) => depth.cells += walk_values(query.params.values),
        Request::Execute(execute) => depth.cells += walk_values(execute.params.values),
        Request::Batch(batch) => {
            for statement in batch.statements.iter() {
                let statement = statement.expect("decoding has checked the statements");
                depth.cells += walk_values(statement.values);
            }
        }
        _ => {}
    }
    depth
}

fn walk_values(values: BoundValues<'_>) -> u64 {
    let walked = values
        .iter()
        .map(|value| value.expect("decoding has checked the values"));
    let count = walked.count();
    assert_eq!(count, usize::from(values.count));
    count as u64
}

/// Reads the body of a response frame.
pub fn check_response(dialect: Dialect, header: &FrameHeader, body: &[u8]) -> Depth {
    let mut depth = Depth {
        refused: 1,
        ..Depth::default()
    };
    let Ok(envelope) = ResponseEnvelope::decode(header, body) else {
        return depth;
    };
    let mut prefix = Vec::new();
    if envelope.encode_prefix(header.version, &mut prefix).is_ok() {
        let flags = FrameHeader {
            flags: envelope.flags(),
            ..*header
        };
        let again = ResponseEnvelope::decode(&flags, &prefix).expect("what was written is read");
        assert_eq!(
            again,
            ResponseEnvelope {
                body: &[],
                ..envelope.clone()
            }
        );
    }
    let Ok(response) = Response::decode(dialect, header.opcode, envelope.body) else {
        return depth;
    };
    depth = Depth {
        messages: 1,
        ..Depth::default()
    };

    let (mut once, mut twice) = (Vec::new(), Vec::new());
    response
        .encode(dialect, &mut once)
        .expect("what was read can be written");
    let again = Response::decode(dialect, header.opcode, &once).expect("what was written is read");
    assert_eq!(again, response);
    again
        .encode(dialect, &mut twice)
        .expect("what was read can be written");
    assert_eq!(once, twice);

    match &response {
        Response::Result(ResultBody::Rows(rows)) => walk_rows(rows, &mut depth),
        Response::Result(ResultBody::Prepared(prepared)) => {
            let global = prepared.bind_flags & 1 != 0;
            if prepared.bind_flags & 4 == 0 {
                walk_columns(
                    prepared.raw_bind_columns,
                    global,
                    prepared.bind_count,
                    &mut depth,
                );
            }
            let metadata = prepared.result_metadata;
            if !metadata.has_no_metadata() {
                let global = metadata.has_global_table_spec();
                walk_columns(
                    metadata.raw_columns,
                    global,
                    metadata.column_count,
                    &mut depth,
                );
            }
        }
        Response::Error(error) => {
            assert_eq!(error.code(), error.detail.code());
            assert!(!error.to_string().is_empty());
        }
        _ => {}
    }
    depth
}

fn walk_rows(rows: &Rows<'_>, depth: &mut Depth) {
    assert!(
        rows.cell_count() * 4 <= rows.rows.len() as u64,
        "room for all cells was checked"
    );
    assert!(rows.rows_count == 0 || rows.metadata.column_count > 0);
    let mut cells = rows.cells();
    let mut walked = 0;
    for _ in 0..rows.cell_count().min(CELLS_MAX) {
        if cells.next_cell().is_err() {
            break;
        }
        walked += 1;
        assert!(cells.position() <= rows.rows.len());
    }
    if rows.cell_count() <= CELLS_MAX {
        let all = walked == rows.cell_count() && cells.is_at_end();
        assert_eq!(rows.validate().is_ok(), all);
    }
    depth.cells += walked;
    if !rows.metadata.has_no_metadata() {
        let global = rows.metadata.has_global_table_spec();
        walk_columns(
            rows.metadata.raw_columns,
            global,
            rows.metadata.column_count,
            depth,
        );
    }
}

/// Column specs that were passed over can still be refused, but only for what is not looked at
/// before: strings. Otherwise passing over and reading disagree about where something ends.
fn walk_columns(raw: &[u8], global: bool, count: u32, depth: &mut Depth) {
    let columns = match parse_columns(raw, global, count) {
        Ok(columns) => columns,
        Err(error) => {
            let strings = matches!(
                error.kind,
                WireErrorKind::NotUtf8 | WireErrorKind::TypeClass(_)
            );
            assert!(strings, "passed over, but not readable: {error}");
            return;
        }
    };
    assert_eq!(columns.len(), count as usize);
    depth.columns += columns.len() as u64;
    let mut out = Vec::new();
    // Class names that were short may be too long when written in full.
    if encode_columns(&columns, global, &mut out).is_ok() {
        let again = parse_columns(&out, global, count).expect("what was written is read");
        assert_eq!(again, columns);
    }
    for column in &columns {
        assert!(!column.cql_type.to_string().is_empty());
    }
}
