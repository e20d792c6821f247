//! Questions that the machines put to the application's own code, and its answers.
//!
//! A machine cannot call code that may block or take locks. So a question leaves as an
//! [`Effect::Ask`](crate::Effect::Ask), whoever can answer it takes as long as it takes on a thread of its own, and
//! the answer comes back through [`Engine::handle_advice`](crate::Engine::handle_advice). Meanwhile everything else
//! goes on, and the deadlines of whoever asked still count.

use std::fmt;
use std::net::SocketAddr;

use shardlane_routing::HostId;
use shardlane_wire::Consistency;

use crate::cluster::NodeView;
use crate::error::Attempt;
use crate::notice::Notice;
use crate::policy::Decision;

/// Names a question until it is answered. Numbers are not reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuestionId(pub(crate) u64);

/// Bytes of a login. They may be a password, so `Debug` shows only how many there are.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// What the application is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Question {
    /// The next step of a login.
    Login {
        /// Tells logins apart: each connection has one of its own.
        login: u64,
        /// The node that wants it.
        address: SocketAddr,
        /// The class of the server's authenticator.
        class: String,
        /// What it wants to know.
        step: LoginStep,
    },
    /// What follows a failed attempt of a request. Answered with [`Advice::Retry`].
    Retry(Box<RetryQuestion>),
    /// Which nodes to use, and under which addresses. Answered with [`Advice::Nodes`].
    Nodes(Vec<NodeQuestion>),
    /// Something has happened; no answer is waited for.
    Event(Box<ClusterEvent>),
    /// Something for a log; no answer is waited for.
    Notice(Box<Notice>),
}

/// A node, as the servers tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeQuestion {
    /// Host id.
    pub host_id: HostId,
    /// Where the servers say it is.
    pub address: SocketAddr,
    /// Datacenter.
    pub datacenter: String,
    /// Rack.
    pub rack: String,
    /// The release version it reports.
    pub release_version: String,
    /// It is the node that was asked: `address` is where it was reached.
    pub is_reached: bool,
}

/// Something that applications may want to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterEvent {
    /// What has happened.
    pub kind: ClusterEventKind,
    /// The node it concerns.
    pub node: NodeView,
}

/// What has happened to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterEventKind {
    /// It has joined the cluster, or its address has changed.
    Added,
    /// It has left the cluster, or its address has changed.
    Removed,
    /// It takes requests: there is a connection.
    Up,
    /// There is no connection any more.
    Down,
}

/// A failed attempt of a request whose policy is `Retry::Advisor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryQuestion {
    /// Which of the application's policies is asked.
    pub advisor: u32,
    /// The attempt that has failed.
    pub attempt: Attempt,
    /// Attempts that have failed before it.
    pub failed_before: usize,
    /// Whether the request may be repeated although it may have taken effect.
    pub idempotent: bool,
    /// Whether it may have taken effect.
    pub maybe_executed: bool,
    /// The consistency asked for.
    pub consistency: Consistency,
}

/// What a login has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginStep {
    /// It begins: what to say first? Answered with [`Advice::Token`].
    Start,
    /// The server has sent a challenge. Answered with [`Advice::Token`].
    Challenge(Secret),
    /// The server is content, and proves itself with this (it may be empty). Answered with
    /// [`Advice::Accept`] if that will do.
    Success(Secret),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Bytes to send to the server.
    Token(Secret),
    /// Go on.
    Accept,
    /// What follows a failed attempt.
    Retry(Decision),
    /// For each node that was asked about, in that order: where to reach it; `None`: it is not to be used.
    Nodes(Vec<Option<SocketAddr>>),
}

/// The application's code did not answer, but failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdviceError {
    /// What happened, in words.
    pub message: String,
    /// The number under which whoever was asked has kept more about it; 0 for nothing.
    pub cause: u64,
}

impl fmt::Display for AdviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AdviceError {}
