//! One request from submission to result: where it goes, how often it is tried, when it gives up.

mod deadline;
mod plan;
mod retry;

use std::sync::Arc;
use std::time::Duration;

use shardlane_routing::{HostId, Token};
use shardlane_wire::{Consistency, Dialect, Opcode, Request as WireRequest};

pub(crate) use self::deadline::Deadlines;
pub(crate) use self::plan::{QueryPlan, shard_on};
pub(crate) use self::retry::Decision;
pub use self::retry::Retry;
use crate::cluster::Coordinator;
use crate::connection::plain_query;
use crate::error::{Attempt, RequestError};
use crate::ids::{ConnId, RequestKey};

/// What PREPARE needs to be said again, when a node has forgotten the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedRef {
    /// The statement id that the server gave.
    pub id: Box<[u8]>,
    /// The CQL text.
    pub query: Box<str>,
    /// The keyspace in use when it was prepared.
    pub keyspace: Option<Arc<str>>,
}

/// The prepared statements that a request executes.
#[derive(Debug, Clone, Default)]
pub enum PreparedRefs {
    /// None: QUERY, PREPARE, or a batch of plain statements.
    #[default]
    None,
    /// EXECUTE.
    One(Arc<PreparedRef>),
    /// A batch with prepared statements.
    Many(Box<[Arc<PreparedRef>]>),
}

impl PreparedRefs {
    pub(crate) fn find(&self, id: &[u8]) -> Option<Arc<PreparedRef>> {
        match self {
            Self::None => None,
            // One statement: the server can mean no other.
            Self::One(one) => Some(one.clone()),
            Self::Many(many) => many.iter().find(|p| *p.id == *id).cloned(),
        }
    }
}

/// A request as the caller hands it over: an encoded body, and what routing and retry need to know.
#[derive(Debug, Clone)]
pub struct RequestSpec {
    /// QUERY, PREPARE, EXECUTE or BATCH.
    pub opcode: Opcode,
    /// Header flags: tracing, custom payload. Compression is the connection's own matter.
    pub flags: u8,
    /// The frame body, uncompressed.
    pub body: Vec<u8>,
    /// Token of the partition key, if known.
    pub token: Option<Token>,
    /// The keyspace whose replication places the token.
    pub table_keyspace: Option<Arc<str>>,
    /// The table, in `table_keyspace`: its tablets are asked before the keyspace's replication.
    pub table: Option<Arc<str>>,
    /// The keyspace that must be in use on the connection (QUERY, PREPARE, BATCH with unqualified names).
    pub keyspace: Option<Arc<str>>,
    /// Consistency asked for; the retry policy looks at it.
    pub consistency: Consistency,
    /// Whether running it twice is as good as once.
    pub idempotent: bool,
    /// A lightweight transaction: replicas are tried in a fixed order (see [`Self::keeps_order`]).
    pub lwt: bool,
    /// Time from submission to the deadline; `None`: no deadline.
    pub timeout: Option<Duration>,
    /// The retry policy.
    pub retry: Retry,
    /// Statements to prepare again if a node has forgotten them.
    pub prepared: PreparedRefs,
    /// Only this node.
    pub node: Option<HostId>,
    /// The answer is held back until all nodes that are up report one schema version; a deadline before that is
    /// an error. (DDL waits in any case, and succeeds even if they do not agree in time.)
    pub awaits_schema_agreement: bool,
}

impl RequestSpec {
    /// Whether replicas are tried in their own order, the same for all clients: coordinators of one
    /// transaction compete otherwise. So for conditional statements, and for reads that join in them.
    #[must_use]
    pub const fn keeps_order(&self) -> bool {
        self.lwt
            || matches!(
                self.consistency,
                Consistency::Serial | Consistency::LocalSerial
            )
    }

    /// A request of `opcode` with the given body, and defaults elsewhere: no routing, not idempotent.
    #[must_use]
    pub fn new(opcode: Opcode, body: Vec<u8>) -> Self {
        Self {
            opcode,
            flags: 0,
            body,
            token: None,
            table_keyspace: None,
            table: None,
            keyspace: None,
            consistency: Consistency::LocalQuorum,
            idempotent: false,
            lwt: false,
            timeout: None,
            retry: Retry::Default,
            prepared: PreparedRefs::None,
            node: None,
            awaits_schema_agreement: false,
        }
    }

    /// A request that does nothing but wait for schema agreement, for `timeout` at most.
    #[must_use]
    pub fn schema_agreement(dialect: Dialect, timeout: Duration) -> Self {
        let mut body = Vec::new();
        // A text as short as this can be encoded.
        let _ = WireRequest::Query(plain_query("SELECT key FROM system.local"))
            .encode(dialect, &mut body);
        Self {
            idempotent: true,
            timeout: Some(timeout),
            awaits_schema_agreement: true,
            ..Self::new(Opcode::Query, body)
        }
    }
}

/// A response that is not an error.
#[derive(Debug, Clone)]
pub struct Answer {
    /// RESULT, in all ordinary cases.
    pub opcode: Opcode,
    /// Header flags: tracing id, warnings, custom payload precede the message in `body`.
    pub flags: u8,
    /// The frame body, uncompressed.
    pub body: Vec<u8>,
    /// The node that answered.
    pub coordinator: Arc<Coordinator>,
    /// The shard of the connection it came over.
    pub shard: Option<u16>,
    /// Attempts that failed before this one succeeded.
    pub failed_attempts: Vec<Attempt>,
}

/// How a request ends.
pub type Outcome = Result<Answer, Box<RequestError>>;

/// Where a request stands.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Not on any connection (between attempts).
    Idle,
    /// Another request does the same PREPARE: its answer will do.
    Following,
    /// Its own frame is on `conn`; `position`: where the frame begins in that connection's output.
    Sent {
        conn: ConnId,
        stream: u16,
        position: u64,
    },
    /// `conn` is to change its keyspace first.
    Waiting { conn: ConnId },
    /// A PREPARE for it is on `conn` (`stream: None`: waits for its keyspace), because the node had
    /// forgotten the statement.
    Repreparing {
        conn: ConnId,
        stream: Option<u16>,
        prepared: Arc<PreparedRef>,
    },
    /// DDL went through; the answer waits for schema agreement.
    AwaitingSchema { answer: Box<Answer> },
}

impl Phase {
    /// The connection that it waits for.
    pub(crate) const fn conn(&self) -> Option<ConnId> {
        match self {
            Self::Sent { conn, .. } | Self::Waiting { conn } | Self::Repreparing { conn, .. } => {
                Some(*conn)
            }
            Self::Idle | Self::Following | Self::AwaitingSchema { .. } => None,
        }
    }

    /// The stream on which an answer is due.
    pub(crate) const fn stream(&self) -> Option<u16> {
        match self {
            Self::Sent { stream, .. } => Some(*stream),
            Self::Repreparing { stream, .. } => *stream,
            Self::Idle | Self::Following | Self::Waiting { .. } | Self::AwaitingSchema { .. } => {
                None
            }
        }
    }
}

/// A request in the engine's slab.
#[derive(Debug)]
pub(crate) struct Request<C> {
    pub(crate) generation: u32,
    pub(crate) spec: RequestSpec,
    /// `None` for requests of the engine's own (statements prepared on further nodes).
    pub(crate) completion: Option<C>,
    /// Others who asked for the same PREPARE while it was under way; some may have given up by now.
    pub(crate) followers: Vec<RequestKey>,
    pub(crate) phase: Phase,
    /// Made when the first target has failed.
    pub(crate) plan: Option<QueryPlan>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) reprepared: u8,
}
