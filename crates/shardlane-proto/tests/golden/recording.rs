//! What the captured servers told: about themselves, in their system tables, of their statements.

use std::collections::HashMap;

use shardlane_wire::result::Rows;
use shardlane_wire::{Opcode, Request, Response, ResultBody, SupportedOptions, Version};

use crate::capture::{Frame, Step};

/// A state that was told may have come about so long before: the driver asked later than we do.
const TOLD_LATER_SECONDS: f64 = 5.0;

/// A statement that was prepared.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) text: String,
    pub(crate) keyspace: String,
    pub(crate) table: String,
    pub(crate) pk_indexes: Vec<u16>,
    answer: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Recording {
    /// SUPPORTED of each shard of each server.
    supported: HashMap<(u8, u16), Vec<u8>>,
    /// Answers to queries of system tables, and when they were given.
    told: Vec<(f64, String, Vec<u8>)>,
    /// By id.
    pub(crate) prepared: HashMap<Vec<u8>, Prepared>,
}

impl Recording {
    pub(crate) fn of(steps: &[Step]) -> Self {
        let mut recording = Self::default();
        for step in steps {
            if let Step::Ask {
                request,
                response: Some(response),
            } = step
            {
                recording.note(request, response);
            }
        }
        recording
    }

    fn note(&mut self, request: &Frame, response: &Frame) {
        match (request.request(), response.response()) {
            (Request::Options, Response::Supported(options)) => {
                let options = SupportedOptions::parse(&options).expect("sound options");
                let shard = options.shard_info.expect("shards").shard;
                let key = (request.server, shard);
                self.supported.insert(key, response.body.clone());
            }
            (Request::Query(query), Response::Result(ResultBody::Rows(_)))
                if query.text.contains("FROM system") =>
            {
                let told = (
                    response.seconds,
                    query.text.to_owned(),
                    response.body.clone(),
                );
                self.told.push(told);
            }
            (Request::Prepare(prepare), Response::Result(ResultBody::Prepared(prepared))) => {
                let columns = prepared.parse_bind_columns().expect("sound columns");
                let first = columns.first().expect("a variable");
                let known = Prepared {
                    text: prepare.text.to_owned(),
                    keyspace: first.keyspace.to_string(),
                    table: first.table.to_string(),
                    pk_indexes: prepared.pk_indexes.clone(),
                    answer: response.body.clone(),
                };
                self.prepared.insert(prepared.id.to_vec(), known);
            }
            _ => {}
        }
    }

    pub(crate) fn shards(&self, server: u8) -> u16 {
        let known = self.supported.keys().filter(|(s, _)| *s == server);
        known.count() as u16
    }

    /// Has a server say from now on that it is this node.
    pub(crate) fn rename(&mut self, server: u8, host_id: [u8; 16]) {
        for (_, body) in self
            .supported
            .iter_mut()
            .filter(|(place, _)| place.0 == server)
        {
            let decoded = Response::decode(Version::V4, Opcode::Supported, body);
            let Ok(Response::Supported(options)) = decoded else {
                panic!("SUPPORTED was recorded")
            };
            let mut options = SupportedOptions::parse(&options).expect("sound options");
            options.host_id = Some(host_id);
            let options = options.to_options();
            let options = options
                .iter()
                .map(|(key, values)| (*key, values.iter().map(String::as_str).collect()))
                .collect();
            let mut renamed = Vec::new();
            Response::Supported(options)
                .encode(Version::V4, &mut renamed)
                .expect("short");
            *body = renamed;
        }
    }

    pub(crate) fn supported(&self, server: u8, shard: u16) -> &[u8] {
        &self.supported[&(server, shard)]
    }

    pub(crate) fn prepared_answer(&self, text: &str) -> &[u8] {
        let mut all = self.prepared.values();
        let known = all.find(|prepared| prepared.text == text);
        &known.expect("it was prepared in the session").answer
    }

    /// The answer to a query of the machines' own.
    pub(crate) fn answer(&self, text: &str, now: f64) -> Vec<u8> {
        if text.contains("FROM system.local") {
            return self
                .newest("FROM system.local", "data_center", now)
                .to_vec();
        }
        if text.contains("FROM system.peers") {
            return self
                .newest("FROM system.peers", "data_center", now)
                .to_vec();
        }
        assert!(text.contains("FROM system_schema.keyspaces"), "{text}");
        if let Some((_, rest)) = text.split_once("keyspace_name = ") {
            let name = rest.split(' ').next().expect("a name");
            return self
                .newest("FROM system_schema.keyspaces", name, now)
                .to_vec();
        }
        // All: what was there in the beginning, and what was told of since.
        let mut names: Vec<&str> = Vec::new();
        for (at, query, _) in &self.told {
            if *at <= now
                && query.contains("FROM system_schema.keyspaces")
                && let Some((_, name)) = query.split_once("keyspace_name = ")
            {
                names.push(name.split(' ').next().expect("a name"));
            }
        }
        names.sort_unstable();
        names.dedup();
        let mut bodies = vec![self.newest("FROM system_schema.keyspaces USING", "", 0.0)];
        for name in names {
            bodies.push(self.newest("FROM system_schema.keyspaces", name, now));
        }
        concatenated(&bodies)
    }

    /// What was told in answer to a query with these parts: the next time, if that is soon, for it is what
    /// the servers knew by now; else the last time.
    fn newest(&self, from: &str, part: &str, now: f64) -> &[u8] {
        let fits = |told: &&(f64, String, Vec<u8>)| told.1.contains(from) && told.1.contains(part);
        let next = self
            .told
            .iter()
            .filter(fits)
            .find(|told| told.0 >= now && told.0 < now + TOLD_LATER_SECONDS);
        let last = || self.told.iter().filter(fits).rfind(|told| told.0 <= now);
        let found = next.or_else(last);
        &found
            .unwrap_or_else(|| panic!("no query {from} {part} until {now}"))
            .2
    }
}

/// The rows of several results with the same columns, as one result.
fn concatenated(bodies: &[&[u8]]) -> Vec<u8> {
    let results: Vec<Rows<'_>> = bodies
        .iter()
        .map(
            |body| match Response::decode(Version::V4, Opcode::Result, body) {
                Ok(Response::Result(ResultBody::Rows(rows))) => rows,
                other => panic!("rows were expected, not {other:?}"),
            },
        )
        .collect();
    let cells: Vec<u8> = results.iter().flat_map(|rows| rows.rows.to_vec()).collect();
    let all = Response::Result(ResultBody::Rows(Rows {
        metadata: results[0].metadata,
        rows_count: results.iter().map(|rows| rows.rows_count).sum(),
        rows: &cells,
    }));
    let mut body = Vec::new();
    all.encode(Version::V4, &mut body).expect("short");
    body
}
