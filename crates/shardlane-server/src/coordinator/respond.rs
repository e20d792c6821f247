//! Answers to clients: from outcome to bytes in the connection's output.

use std::sync::Arc;

use shardlane_wire::result::{MetadataFlags, Prepared, Rows, RowsMetadata};
use shardlane_wire::{
    ErrorBody, ErrorDetail, Event, FrameHeader, Response, ResponseEnvelope, ResultBody, Version,
    frame::begin_frame, frame::end_frame, primitive,
};

use super::replica::Outcome;
use super::task::{Client, MetadataWish, TabletNote};
use crate::engine::RowsOut;
use crate::faults::{Aftermath, ResponseFault, damage};
use crate::net::connection::{Connection, ConnectionKey};
use crate::node::shard::Shard;
use crate::node::statements::{EncodedColumns, Statement};

impl Shard {
    pub(crate) fn respond_outcome(&mut self, client: &Client, result: Result<Outcome, ErrorBody>) {
        match result {
            Ok(Outcome::Rows(rows)) => self.respond_rows(client, &rows),
            Ok(Outcome::Void | Outcome::Read(_)) => {
                self.respond_result(client, ResultBody::Void, &[]);
            }
            Err(error) => self.respond_error(client, error),
        }
    }

    pub(crate) fn respond_error(&mut self, client: &Client, error: ErrorBody) {
        self.counters().error();
        self.respond(client, &Response::Error(error), &[]);
    }

    pub(crate) fn respond_result(
        &mut self,
        client: &Client,
        body: ResultBody<'_>,
        warnings: &[&str],
    ) {
        self.respond(client, &Response::Result(body), warnings);
    }

    fn respond_rows(&mut self, client: &Client, rows: &RowsOut) {
        let mut cells = std::mem::take(&mut self.scratch);
        cells.clear();
        let written =
            rows.rows.iter().flatten().try_for_each(|cell| {
                primitive::write_bytes_opt(&mut cells, cell.as_deref(), "cell")
            });
        let prepared = client.statement.as_ref().filter(|statement| {
            let columns = statement.prepared.result.as_ref();
            columns.is_some_and(|columns| Arc::ptr_eq(columns, &rows.columns))
        });
        let encoded;
        let columns = match prepared.and_then(|statement| statement.result.as_ref()) {
            Some(columns) => columns,
            None => {
                encoded = EncodedColumns::new(&rows.columns);
                &encoded
            }
        };
        // Columns that PREPARED did not tell, as those of a conditional write that was not applied,
        // are told each time and are no news (CASSANDRA-13992).
        let wish = if prepared.is_some() {
            client.metadata
        } else {
            MetadataWish::Full
        };
        let (flags, raw_columns) = match wish {
            MetadataWish::None => (MetadataFlags::NO_METADATA, &[][..]),
            MetadataWish::Full | MetadataWish::Changed => (columns.flags, &columns.raw[..]),
        };
        let body = ResultBody::Rows(Rows {
            metadata: RowsMetadata {
                flags,
                column_count: columns.count,
                paging_state: rows.paging_state.as_deref(),
                new_metadata_id: (wish == MetadataWish::Changed).then_some(&columns.id[..]),
                raw_columns,
            },
            rows_count: rows.rows.len() as u32,
            rows: &cells,
        });
        match written {
            Ok(()) => self.respond_result(client, body, &[]),
            Err(error) => {
                let error = ErrorBody::new(error.to_string(), ErrorDetail::ServerError);
                self.respond_error(client, error);
            }
        }
        self.scratch = cells;
    }

    pub(crate) fn respond_prepared(&mut self, client: &Client, statement: &Statement) {
        let Some(connection) = self.connection(client.connection) else {
            return;
        };
        let mut bind_flags = statement.bind.flags;
        if statement.prepared.is_lwt && connection.marks_lwt {
            bind_flags |= super::session::LWT_MARK;
        }
        let none = EncodedColumns::default();
        let result = statement.result.as_ref().unwrap_or(&none);
        let no_metadata = if result.count == 0 {
            MetadataFlags::NO_METADATA
        } else {
            result.flags
        };
        let body = ResultBody::Prepared(Prepared {
            id: &statement.prepared.id,
            // Written only where it is part of the dialect. Without columns there is none.
            result_metadata_id: (result.count > 0).then_some(&result.id[..]),
            bind_flags,
            bind_count: statement.bind.count,
            pk_indexes: statement.prepared.pk_indexes.clone(),
            raw_bind_columns: &statement.bind.raw,
            result_metadata: RowsMetadata {
                flags: no_metadata,
                column_count: result.count,
                paging_state: None,
                new_metadata_id: None,
                raw_columns: &result.raw,
            },
        });
        self.respond_result(client, body, &[]);
    }

    /// Puts a response into the output of the client's connection, if that still exists.
    pub(crate) fn respond(&mut self, client: &Client, response: &Response<'_>, warnings: &[&str]) {
        let now = self.now;
        let mut scratch = Vec::new();
        let entry = match response {
            Response::Result(_) => self.tablet_entry(client.tablet),
            _ => None,
        };
        let Some(connection) = self.connection(client.connection) else {
            return;
        };
        if connection.is_silent {
            return;
        }
        let start = connection.out.len();
        let envelope = ResponseEnvelope {
            tracing_id: client.tracing_id,
            // v3 has no place for them.
            warnings: if connection.dialect.version < Version::V4 {
                Vec::new()
            } else {
                warnings.to_vec()
            },
            custom_payload: entry
                .iter()
                .map(|(key, value)| (*key, Some(&value[..])))
                .collect(),
            ..ResponseEnvelope::default()
        };
        if !append(connection, client.stream, response, &envelope, &mut scratch) {
            let message = "the response is longer than a frame may be";
            let error = ErrorBody::new(message, ErrorDetail::ServerError);
            append(
                connection,
                client.stream,
                &Response::Error(error),
                &envelope,
                &mut scratch,
            );
        }
        let fault = connection
            .faults
            .iter()
            .position(|(stream, _)| *stream == client.stream)
            .map(|at| connection.faults.swap_remove(at).1);
        match fault {
            None => connection.wrap(start),
            Some(ResponseFault::Delay(by)) => {
                let frame = connection.out.split_off(start);
                self.delayed.push(now + by, (client.connection, frame));
                return self.end_trace_of(client);
            }
            Some(fault) => {
                let aftermath = if fault.is_in_envelope() {
                    let aftermath = damage(fault, &mut connection.out, start);
                    connection.wrap(start);
                    aftermath
                } else {
                    let start = connection.wrap_alone(start);
                    damage(fault, &mut connection.out, start)
                };
                match aftermath {
                    Aftermath::None => {}
                    Aftermath::Close => {
                        connection.closes_when_sent = true;
                        // Another answer would pass for the rest of half a frame.
                        connection.is_silent = true;
                    }
                    Aftermath::Silence => connection.is_silent = true,
                }
            }
        }
        self.queue_flush(client.connection);
        self.end_trace_of(client);
    }

    /// Tells the connections that have registered for it.
    pub(crate) fn notify_clients(&mut self, event: &Event) {
        let keys: Vec<ConnectionKey> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.is_registered(event.kind()))
            .map(|(slot, connection)| ConnectionKey {
                slot: slot as u32,
                generation: connection.generation,
            })
            .collect();
        for connection in keys {
            let client = Client {
                connection,
                stream: EVENT_STREAM,
                tracing_id: None,
                metadata: MetadataWish::Full,
                statement: None,
                tablet: TabletNote::None,
            };
            self.respond(&client, &Response::Event(event.clone()), &[]);
        }
    }
}

/// Events answer no request.
const EVENT_STREAM: i16 = -1;

/// Appends a frame in the connection's dialect and compression; false if it is too long.
fn append(
    connection: &mut Connection,
    stream: i16,
    response: &Response<'_>,
    envelope: &ResponseEnvelope<'_>,
    scratch: &mut Vec<u8>,
) -> bool {
    let (dialect, out) = (connection.dialect, &mut connection.out);
    let mut header = FrameHeader::response(dialect.version, stream, response.opcode());
    header.flags = envelope.flags();
    let start = out.len();
    let mark = begin_frame(out, header);
    let written = envelope
        .encode_prefix(dialect, out)
        .and_then(|()| response.encode(dialect, out))
        .and_then(|()| match connection.compression {
            // In v5 segments are compressed.
            Some(compression) if dialect.version < Version::V5 => {
                compression.end_frame(out, mark, scratch)
            }
            _ => end_frame(out, mark),
        });
    if written.is_err() {
        out.truncate(start);
    }
    written.is_ok()
}
