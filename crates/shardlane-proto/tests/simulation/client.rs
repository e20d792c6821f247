//! The application: what it has asked for, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shardlane_proto::{
    Attempt, ConnectionError, Instant, Outcome, PreparedRef, PreparedRefs, RequestErrorKind,
    RequestKey, RequestSpec,
};
use shardlane_routing::murmur3_token;
use shardlane_wire::request::{Execute, Prepare, Query};
use shardlane_wire::{
    BoundValues, Consistency, Dialect, Opcode, QueryParams, Request, Response, ResultBody, Version,
};

use crate::policies;
use crate::rng::Rng;

/// Completions of `when_ready` have ids from here on.
pub(crate) const READY_ID: u64 = 1 << 40;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Routed by token; the answer echoes the id.
    Execute,
    /// The same, at a consistency of its own; once acknowledged it must be found.
    Write(Consistency),
    /// Looks for an acknowledged write, at the consistency that must find it.
    Read(u64),
    /// Depends on the connection's keyspace; the answer names it.
    InKeyspace(&'static str),
    Prepare(String),
    Ddl,
    /// Nothing but schema agreement.
    Agreement,
}

/// A write, as it was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) keyspace: &'static str,
    key: [u8; 8],
    pub(crate) consistency: Consistency,
}

#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) kind: Kind,
    pub(crate) deadline: Option<Instant>,
    pub(crate) key: RequestKey,
    pub(crate) is_idempotent: bool,
    pub(crate) is_cancelled: bool,
    written: Option<Written>,
}

#[derive(Debug, Default)]
pub(crate) struct Client {
    next_id: u64,
    /// Whether requests are tried in all the ways there are, instead of the default one.
    pub(crate) has_policies: bool,
    pub(crate) pending: BTreeMap<u64, Pending>,
    pub(crate) is_idempotent: BTreeMap<u64, bool>,
    /// Acknowledged writes.
    pub(crate) acknowledged: BTreeMap<u64, Written>,
    pub(crate) succeeded: Vec<(u64, Kind)>,
    pub(crate) failed: Vec<(u64, RequestErrorKind)>,
    pub(crate) histories: BTreeMap<u64, Vec<Attempt>>,
    pub(crate) readies: Vec<(u64, bool)>,
    pub(crate) unreachable: Vec<(String, ConnectionError)>,
}

impl Client {
    /// A request of that kind.
    pub(crate) fn make(
        &mut self,
        now: Instant,
        kind: Kind,
        timeout: Duration,
        rng: &mut Rng,
    ) -> (u64, RequestSpec) {
        let id = self.next_id;
        self.next_id += 1;
        let mut written = None;
        let mut spec = match &kind {
            Kind::Execute => write(id, Consistency::One, rng).1,
            Kind::Write(consistency) => {
                let (what, spec) = write(id, *consistency, rng);
                written = Some(what);
                spec
            }
            Kind::Read(id) => read(*id, &self.acknowledged[id]),
            Kind::InKeyspace(keyspace) => RequestSpec {
                keyspace: Some((*keyspace).into()),
                ..query(&format!("SELECT {id}"))
            },
            Kind::Prepare(text) => prepare(text),
            Kind::Ddl => query(&format!("CREATE {id}")),
            Kind::Agreement => RequestSpec::schema_agreement(Dialect::V4, timeout),
        };
        spec.idempotent = rng.chance(50);
        spec.timeout = Some(timeout);
        if self.has_policies {
            spec.policy = policies::random(rng);
        }
        let pending = Pending {
            kind,
            deadline: spec.timeout.map(|t| now + t),
            key: RequestKey::NONE,
            is_idempotent: spec.idempotent,
            is_cancelled: false,
            written,
        };
        self.is_idempotent.insert(id, pending.is_idempotent);
        self.pending.insert(id, pending);
        (id, spec)
    }

    /// A request has ended: exactly once, in time, and with the answer that belongs to it.
    pub(crate) fn complete(&mut self, now: Instant, id: u64, outcome: Outcome) {
        if id >= READY_ID {
            self.readies.push((id, outcome.is_ok()));
            if let Err(error) = outcome
                && let RequestErrorKind::Unreachable(reasons) = error.kind
            {
                self.unreachable = reasons;
            }
            return;
        }
        let pending = self.pending.remove(&id);
        let pending = pending.unwrap_or_else(|| panic!("request {id} ended twice"));
        if let Some(deadline) = pending.deadline {
            assert!(now <= deadline, "request {id} ended after its deadline");
        }
        match outcome {
            Ok(answer) => {
                check_answer(id, &pending.kind, answer.opcode, &answer.body);
                if let Some(written) = pending.written {
                    self.acknowledged.insert(id, written);
                }
                self.succeeded.push((id, pending.kind));
            }
            Err(error) => {
                match error.kind {
                    RequestErrorKind::Attempt => assert!(
                        !error.attempts.is_empty(),
                        "an attempt decided, but the history is empty"
                    ),
                    RequestErrorKind::Cancelled => {
                        assert!(pending.is_cancelled, "request {id} was never cancelled");
                    }
                    _ => {}
                }
                self.failed.push((id, error.kind));
                self.histories.insert(id, error.attempts);
            }
        }
    }

    /// Forgets what is over.
    pub(crate) fn forget(&mut self) {
        self.is_idempotent.clear();
        self.acknowledged.clear();
        self.succeeded.clear();
        self.failed.clear();
        self.histories.clear();
        self.unreachable.clear();
    }

    pub(crate) fn check_deadlines(&self, now: Instant) {
        for (id, pending) in &self.pending {
            if let Some(deadline) = pending.deadline {
                assert!(
                    now <= deadline,
                    "request {id} missed its deadline: {pending:?}"
                );
            }
        }
    }
}

fn check_answer(id: u64, kind: &Kind, opcode: Opcode, body: &[u8]) {
    let response = Response::decode(Version::V4, opcode, body).expect("a sound answer");
    let Response::Result(result) = response else {
        panic!("{opcode} as the answer to request {id}");
    };
    match (kind, result) {
        (Kind::Read(written), ResultBody::Rows(rows)) => {
            assert_eq!(rows.rows_count, 1, "acknowledged write {written} is lost");
            let cell = rows.cells().next_cell().expect("a cell");
            assert_eq!(
                cell,
                Some(&written.to_be_bytes()[..]),
                "somebody else's answer"
            );
        }
        (Kind::Execute | Kind::Write(_), ResultBody::Rows(rows)) => {
            let cell = rows.cells().next_cell().expect("a cell");
            assert_eq!(cell, Some(&id.to_be_bytes()[..]), "somebody else's answer");
        }
        (Kind::InKeyspace(keyspace), ResultBody::Rows(rows)) => {
            let mut cells = rows.cells();
            let cell = cells.next_cell().expect("a cell");
            assert_eq!(cell, Some(keyspace.as_bytes()), "run in a wrong keyspace");
            let cell = cells.next_cell().expect("a cell");
            assert_eq!(
                cell,
                Some(id.to_string().as_bytes()),
                "somebody else's answer"
            );
        }
        (Kind::Prepare(text), ResultBody::Prepared(prepared)) => {
            assert_eq!(prepared.id, text.as_bytes(), "another statement");
        }
        (Kind::Agreement, ResultBody::Rows(_)) => {}
        (Kind::Ddl, ResultBody::SchemaChange(change)) => {
            assert_eq!(*change.keyspace, *id.to_string(), "somebody else's answer");
        }
        (kind, result) => panic!("{result:?} as the answer to {kind:?}"),
    }
}

fn write(id: u64, consistency: Consistency, rng: &mut Rng) -> (Written, RequestSpec) {
    let written = Written {
        keyspace: rng.pick(&["one", "three"]),
        key: rng.next().to_be_bytes(),
        consistency,
    };
    let mut spec = execute("INSERT", id, &written, consistency);
    if rng.chance(20)
        && let PreparedRefs::One(prepared) = &mut spec.prepared
    {
        Arc::make_mut(prepared).keyspace = Some("one".into());
    }
    (written, spec)
}

fn read(id: u64, written: &Written) -> RequestSpec {
    // Together with that of the write it covers all replicas and one more.
    let consistency = match written.consistency {
        Consistency::Quorum => Consistency::Quorum,
        Consistency::All => Consistency::One,
        _ => Consistency::All,
    };
    execute("SELECT", id, written, consistency)
}

fn execute(verb: &str, id: u64, written: &Written, consistency: Consistency) -> RequestSpec {
    let text = format!("{verb} {}", written.keyspace);
    let mut values = Vec::new();
    for value in [written.key, id.to_be_bytes()] {
        values.extend_from_slice(&8i32.to_be_bytes());
        values.extend_from_slice(&value);
    }
    let request = Request::Execute(Execute {
        tablet_block: None,
        id: text.as_bytes(),
        result_metadata_id: None,
        params: QueryParams {
            values: BoundValues::positional(2, &values),
            ..QueryParams::new(consistency)
        },
    });
    RequestSpec {
        token: Some(murmur3_token(&written.key)),
        table_keyspace: Some(written.keyspace.into()),
        prepared: PreparedRefs::One(Arc::new(PreparedRef {
            id: text.as_bytes().into(),
            query: text.as_str().into(),
            keyspace: None,
            bind_columns: Some(Box::default()),
        })),
        ..spec_of(&request)
    }
}

fn query(text: &str) -> RequestSpec {
    spec_of(&Request::Query(Query {
        text,
        params: QueryParams::new(Consistency::One),
    }))
}

fn prepare(text: &str) -> RequestSpec {
    spec_of(&Request::Prepare(Prepare {
        text,
        keyspace: None,
    }))
}

fn spec_of(request: &Request<'_>) -> RequestSpec {
    let mut body = Vec::new();
    request.encode(Version::V4, &mut body).expect("short");
    RequestSpec::new(request.opcode(), body)
}
