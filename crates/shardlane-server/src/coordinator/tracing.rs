//! Traces of requests that asked for one, kept in `system_traces` as real servers keep them: written after
//! the answer has been sent, so that a client that looks at once may find nothing yet.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use shardlane_wire::{Consistency, Request, WriteType};

use super::task::{Client, Origin};
use super::write::WriteOrder;
use crate::cluster::shared::now_us;
use crate::cluster::view::IdHash;
use crate::engine::{BoundArgs, Operation, bind, prepare};
use crate::node::shard::{Shard, ShardId};
use crate::node::statements::LocalStatement;

/// Traces that are kept, the oldest out first: they are for looking at soon.
const TRACES_MAX: usize = 1_000;

/// Traces of one shard that wait for their end. Those of requests that are never answered have none.
const OPEN_MAX: usize = 1_000;

/// Events of one trace; a batch of many statements would have more than anybody reads.
const EVENTS_MAX: usize = 200;

/// Between 1582, where version 1 UUIDs begin, and 1970, in units of 100 ns.
const UUID_EPOCH: i64 = 0x01B2_1DD2_1381_4000;

type TraceId = [u8; 16];

#[derive(Debug)]
struct Trace {
    begun: Instant,
    begun_us: i64,
    request: &'static str,
    query: Option<String>,
    consistency: Option<Consistency>,
    client: IpAddr,
    events: Vec<(Duration, String)>,
}

/// The traces of a shard.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    open: HashMap<TraceId, Trace, IdHash>,
    /// That of the request that is being handled at this moment.
    current: Option<TraceId>,
}

impl Shard {
    /// Begins the trace of a request, if it has asked for one. [`Self::trace`] adds to it until
    /// [`Self::leave_trace`].
    pub(crate) fn begin_trace(&mut self, client: &Client, request: &Request<'_>) {
        let Some(id) = client.tracing_id else {
            return;
        };
        let query = self.text_of(request);
        let (request, consistency) = match request {
            Request::Query(query) => ("Execute CQL3 query", Some(query.params.consistency)),
            Request::Execute(execute) => (
                "Execute CQL3 prepared query",
                Some(execute.params.consistency),
            ),
            Request::Batch(batch) => ("Execute batch of CQL3 queries", Some(batch.consistency)),
            _ => ("Preparing CQL3 query", None),
        };
        let client = self
            .connection(client.connection)
            .and_then(|connection| connection.socket.peer_addr().ok())
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        if self.traces.open.len() >= OPEN_MAX {
            self.traces.open.clear();
        }
        let trace = Trace {
            begun: Instant::now(),
            begun_us: now_us(),
            request,
            query,
            consistency,
            client,
            events: Vec::new(),
        };
        self.traces.open.insert(id, trace);
        self.traces.current = Some(id);
        self.trace(|| "Parsing a statement".to_owned());
    }

    /// What the request that is being handled executes, if it has a trace. When it arrived not all may have been known:
    /// another shard may prepare a statement just then.
    pub(crate) fn trace_statements<'a>(
        &mut self,
        statements: impl Iterator<Item = &'a LocalStatement>,
    ) {
        let current = self.traces.current;
        if let Some(trace) = current.and_then(|id| self.traces.open.get_mut(&id)) {
            let texts: Vec<&str> = statements.map(|s| &*s.prepared.cql).collect();
            trace.query = Some(texts.join("; "));
        }
    }

    /// What follows concerns another request.
    pub(crate) const fn leave_trace(&mut self) {
        self.traces.current = None;
    }

    /// Adds an event to the trace of the request that is being handled, if it has one.
    pub(crate) fn trace(&mut self, activity: impl FnOnce() -> String) {
        if let Some(id) = self.traces.current {
            self.trace_as(id, activity);
        }
    }

    fn trace_as(&mut self, id: TraceId, activity: impl FnOnce() -> String) {
        if let Some(trace) = self.traces.open.get_mut(&id)
            && trace.events.len() < EVENTS_MAX
        {
            trace.events.push((trace.begun.elapsed(), activity()));
        }
    }

    /// Adds the event that a shard is asked for something.
    pub(crate) fn trace_to(&mut self, what: &str, to: ShardId) {
        if self.traces.current.is_none() {
            return;
        }
        let place = self.place(to);
        if to == self.id {
            self.trace(|| format!("{what}: on this shard"));
        } else {
            self.trace(|| format!("{what}: sending a message to {place}"));
        }
    }

    /// The answer has been sent: writes the trace down, if there is one.
    pub(crate) fn end_trace_of(&mut self, client: &Client) {
        if let Some(id) = client.tracing_id {
            self.end_trace(id);
        }
    }

    fn end_trace(&mut self, id: TraceId) {
        self.trace_as(id, || "Done processing - preparing a result".to_owned());
        let Some(trace) = self.traces.open.remove(&id) else {
            return;
        };
        // Writing it down is not part of it.
        let current = self.traces.current.take();
        let text = self.describe(id, &trace);
        self.write_text(&text);
        if let Some(oldest) = self.shared.remember_trace(id, TRACES_MAX) {
            let id = hyphenated(oldest);
            self.write_text(&format!(
                "BEGIN UNLOGGED BATCH DELETE FROM system_traces.sessions WHERE session_id = {id};\
                 DELETE FROM system_traces.events WHERE session_id = {id}; APPLY BATCH"
            ));
        }
        self.traces.current = current.filter(|current| *current != id);
    }

    fn describe(&mut self, id: TraceId, trace: &Trace) -> String {
        let here = self.address_of(self.id);
        let (node, thread) = (self.rng.next_u64(), format!("shard {}", self.id.shard));
        let session = hyphenated(id);
        let mut text = "BEGIN UNLOGGED BATCH ".to_owned();
        for (at, (elapsed, activity)) in trace.events.iter().enumerate() {
            // Events may share a microsecond, and keep their order.
            let ticks = (trace.begun_us + elapsed.as_micros() as i64) * 10 + UUID_EPOCH;
            let event = hyphenated(time_uuid(ticks + at as i64, node));
            let _ = write!(
                text,
                "INSERT INTO system_traces.events \
                 (session_id, event_id, activity, source, source_elapsed, thread) VALUES \
                 ({session}, {event}, {}, '{here}', {}, '{thread}');",
                quoted(activity),
                elapsed.as_micros(),
            );
        }
        let mut parameters = Vec::new();
        if let Some(query) = &trace.query {
            parameters.push(format!("'query': {}", quoted(query)));
        }
        if let Some(consistency) = trace.consistency {
            parameters.push(format!("'consistency_level': '{}'", consistency.as_str()));
        }
        let _ = write!(
            text,
            "INSERT INTO system_traces.sessions \
             (session_id, client, command, coordinator, duration, parameters, request, started_at) VALUES \
             ({session}, '{}', 'QUERY', '{here}', {}, {{{}}}, '{}', {}); APPLY BATCH",
            trace.client,
            trace.begun.elapsed().as_micros(),
            parameters.join(", "),
            trace.request,
            trace.begun_us / 1000,
        );
        text
    }

    /// Carries out writes of the server's own.
    fn write_text(&mut self, text: &str) {
        let env = self.env(None, None);
        let bound = prepare(&self.view.schema, None, text)
            .and_then(|prepared| bind(&prepared, BoundArgs::Positional(&[]), &env));
        debug_assert!(
            matches!(bound, Ok(Operation::Write(_))),
            "{bound:?}: {text}"
        );
        if let Ok(Operation::Write(mutations)) = bound {
            let order = WriteOrder {
                mutations,
                level: Consistency::Any,
                consistency: Consistency::Any,
                write_type: WriteType::UnloggedBatch,
                rows: None,
            };
            self.write(Origin::Nobody, None, order);
        }
    }

    fn address_of(&self, shard: ShardId) -> String {
        let member = self.view.member(shard.node);
        member.map_or_else(String::new, |member| member.address.to_string())
    }

    fn place(&self, shard: ShardId) -> String {
        format!("/{} shard {}", self.address_of(shard), shard.shard)
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn hyphenated(id: TraceId) -> String {
    let hex = id.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let part = |from: usize, to: usize| &hex[from..to];
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

/// A version 1 UUID: `ticks` of 100 ns since 1582, and a node that nobody else has.
fn time_uuid(ticks: i64, node: u64) -> TraceId {
    let (time, node) = (ticks.to_be_bytes(), node.to_be_bytes());
    let mut id = [0; 16];
    id[..4].copy_from_slice(&time[4..]);
    id[4..6].copy_from_slice(&time[2..4]);
    id[6..8].copy_from_slice(&time[..2]);
    id[8..].copy_from_slice(&node);
    id[6] = id[6] & 0x0F | 0x10;
    id[8] = id[8] & 0x3F | 0x80;
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids() {
        // 2013-06-17 18:56:36.894 UTC.
        let ticks = 1_371_495_396_894_000 * 10 + UUID_EPOCH;
        let id = time_uuid(ticks, 0xFFFF_FFFF_FFFF_FFFF);
        assert_eq!(hyphenated(id), "a2ef33e0-d77f-11e2-bfff-ffffffffffff");
        assert_eq!(quoted("it's"), "'it''s'");
    }
}
