//! One request from submission to result: where it goes, how often it is tried, when it gives up.

mod deadline;
mod downgrade;
mod latency;
mod plan;
mod retry;

use std::sync::Arc;
use std::time::Duration;

use shardlane_routing::{HostId, Token};
use shardlane_wire::{Consistency, Dialect, Opcode, Request as WireRequest, SerialConsistency};

pub(crate) use self::deadline::Deadlines;
pub use self::latency::Latencies;
pub(crate) use self::latency::Percentile;
pub(crate) use self::plan::{Goal, QueryPlan, load};
pub(crate) use self::retry::Case;
use crate::advice::QuestionId;
use crate::cluster::{Cluster, Coordinator, NodeKey, Place};
use crate::connection::plain_query;
use crate::error::{Attempt, RequestError};
use crate::ids::{ConnId, RequestKey};
use crate::policy::Policy;
use crate::time::Instant;

/// What PREPARE needs to be said again, when a node has forgotten the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedRef {
    /// The statement id that the server gave.
    pub id: Box<[u8]>,
    /// The CQL text.
    pub query: Box<str>,
    /// The keyspace in use when it was prepared.
    pub keyspace: Option<Arc<str>>,
    /// The specs of its bind variables, as PREPARED brought them: values are encoded for these, and are
    /// not to be sent when preparing again gives others. `None`: whatever they are.
    pub bind_columns: Option<Box<[u8]>>,
}

/// An answer to PREPARE that is not what the statement was prepared as: the schema has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reprepared {
    /// The id that the statement had.
    pub id: Box<[u8]>,
    /// What the connection speaks that the answer came over.
    pub dialect: Dialect,
    /// Header flags of the answer.
    pub flags: u8,
    /// Its frame body: a RESULT of kind PREPARED.
    pub body: Vec<u8>,
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

/// A node that a request is to go to, and the shard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The node.
    pub host_id: HostId,
    /// Its shard; `None`: that of the token, or any.
    pub shard: Option<u16>,
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
    /// What the body is laid out for. A connection with another layout makes the engine lay it out
    /// again, which takes time on the I/O thread: see [`crate::Engine::dialect`].
    pub dialect: Dialect,
    /// Token of the partition key, if known.
    pub token: Option<Token>,
    /// The keyspace whose replication places the token.
    pub table_keyspace: Option<Arc<str>>,
    /// The table, in `table_keyspace`: its tablets are asked before the keyspace's replication.
    pub table: Option<Arc<str>>,
    /// The keyspace that must be in use on the connection (QUERY, PREPARE, BATCH with unqualified names).
    /// In v5 the body names it instead.
    pub keyspace: Option<Arc<str>>,
    /// Consistency asked for; retry and load balancing look at it.
    pub consistency: Consistency,
    /// Consistency of the conditional part; load balancing looks at it.
    pub serial_consistency: Option<SerialConsistency>,
    /// Whether running it twice is as good as once.
    pub idempotent: bool,
    /// A lightweight transaction: replicas are tried in a fixed order (see [`Self::keeps_order`]).
    pub lwt: bool,
    /// Time from submission to the deadline; `None`: no deadline.
    pub timeout: Option<Duration>,
    /// How it is tried; `None`: as the cluster object's configuration says.
    pub policy: Option<Arc<Policy>>,
    /// Statements to prepare again if a node has forgotten them.
    pub prepared: PreparedRefs,
    /// Only this node.
    pub node: Option<Target>,
    /// A query plan made by the caller, used instead of the policy's.
    pub plan: Option<Box<[Target]>>,
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
            dialect: Dialect::V4,
            token: None,
            table_keyspace: None,
            table: None,
            keyspace: None,
            consistency: Consistency::LocalQuorum,
            serial_consistency: None,
            idempotent: false,
            lwt: false,
            timeout: None,
            policy: None,
            prepared: PreparedRefs::None,
            node: None,
            plan: None,
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
            dialect,
            // Any node will do.
            consistency: Consistency::One,
            idempotent: true,
            timeout: Some(timeout),
            awaits_schema_agreement: true,
            ..Self::new(Opcode::Query, body)
        }
    }

    /// Where its partition lives; `None`: the token is not known.
    pub(crate) fn place<'a>(&self, cluster: &'a Cluster) -> Option<Place<'a>> {
        let (keyspace, table) = (self.table_keyspace.as_deref(), self.table.as_deref());
        self.token
            .map(|token| cluster.place(keyspace, table, token))
    }

    /// The shard that the caller has chosen on this node, if it has.
    pub(crate) fn chosen_shard(&self, host_id: HostId) -> Option<u16> {
        let targets = self.node.as_slice().iter();
        targets
            .chain(self.plan.iter().flatten())
            .find(|target| target.host_id == host_id)?
            .shard
    }

    /// Asks one node for its own schema version.
    pub(crate) fn schema_version(node: HostId, timeout: Duration) -> Self {
        let text = "SELECT schema_version FROM system.local WHERE key='local'";
        let mut body = Vec::new();
        let _ = WireRequest::Query(plain_query(text)).encode(Dialect::V4, &mut body);
        Self {
            idempotent: true,
            timeout: Some(timeout),
            node: Some(Target {
                host_id: node,
                shard: None,
            }),
            ..Self::new(Opcode::Query, body)
        }
    }
}

/// A response that is not an error.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What the connection speaks that it came over.
    pub dialect: Dialect,
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
    /// Waits for its turn: the client has as much under way as it may have.
    Queued,
    /// Waits for the time of its next attempt, on `node`.
    Delayed { at: Instant, node: NodeKey },
    /// The advisor has been asked what follows the failure of an attempt on `node`.
    Advised {
        question: QuestionId,
        node: NodeKey,
        may_return: bool,
    },
    /// Has failed for good; other executions of the request are still under way.
    Exhausted,
}

impl Phase {
    /// The connection that it waits for.
    pub(crate) const fn conn(&self) -> Option<ConnId> {
        match self {
            Self::Sent { conn, .. } | Self::Waiting { conn } | Self::Repreparing { conn, .. } => {
                Some(*conn)
            }
            _ => None,
        }
    }

    /// The question that it waits for the answer to.
    pub(crate) const fn question(&self) -> Option<QuestionId> {
        match self {
            Self::Advised { question, .. } => Some(*question),
            _ => None,
        }
    }

    /// The stream on which an answer is due.
    pub(crate) const fn stream(&self) -> Option<u16> {
        match self {
            Self::Sent { stream, .. } => Some(*stream),
            Self::Repreparing { stream, .. } => *stream,
            _ => None,
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
    /// Made when the first target has failed, or a second execution begins.
    pub(crate) plan: Option<QueryPlan>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) reprepared: u8,
    /// Counts among the requests under way that the client may have.
    pub(crate) admitted: bool,
    /// The node of the latest attempt.
    pub(crate) node: NodeKey,
    /// When the latest attempt began.
    pub(crate) sent_at: Instant,
    pub(crate) deadline: Option<Instant>,
    /// Of a further execution: the request that it is an execution of. Attempts, plan and further
    /// executions are kept there.
    pub(crate) root: Option<RequestKey>,
    /// Further executions under way.
    pub(crate) executions: Vec<RequestKey>,
    /// Further executions begun.
    pub(crate) executions_begun: u8,
    /// How often there was no node to begin with.
    pub(crate) starts: u8,
}

impl<C> Request<C> {
    pub(crate) fn new(
        generation: u32,
        spec: RequestSpec,
        completion: Option<C>,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            generation,
            spec,
            completion,
            followers: Vec::new(),
            phase: Phase::Idle,
            plan: None,
            attempts: Vec::new(),
            reprepared: 0,
            admitted: false,
            node: NodeKey(u32::MAX),
            sent_at: Instant::default(),
            deadline,
            root: None,
            executions: Vec::new(),
            executions_begun: 0,
            starts: 0,
        }
    }
}
