//! What an operator may want to read in a log: noteworthy, and said once.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use shardlane_wire::Version;

use crate::advice::ClusterEventKind;
use crate::cluster::NodeView;
use crate::error::ConnectionError;

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Info,
    /// Somebody may have to do something about it.
    Warning,
}

/// Which notices somebody wants; may be changed at any time. None by default.
#[derive(Debug, Default)]
pub struct NoticeLevel(AtomicU8);

impl NoticeLevel {
    /// Only notices that matter as much as `least`, or more; `None`: no notices.
    pub fn set(&self, least: Option<Severity>) {
        let value = match least {
            None => 0,
            Some(Severity::Warning) => 1,
            Some(Severity::Info) => 2,
        };
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn wants(&self, severity: Severity) -> bool {
        let least = match severity {
            Severity::Warning => 1,
            Severity::Info => 2,
        };
        self.0.load(Ordering::Relaxed) >= least
    }
}

/// Something noteworthy. `Display` says it in words, without secrets, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// What has become of a node.
    Node {
        /// What.
        kind: ClusterEventKind,
        /// Which one.
        node: NodeView,
    },
    /// A connection to a node could not be made.
    ConnectFailed {
        /// Its address, with the port that was tried.
        address: SocketAddr,
        /// Why.
        error: ConnectionError,
    },
    /// A connection to a node has ended, and not because we wanted it to.
    ConnectionLost {
        /// Its address, with the port it was made to.
        address: SocketAddr,
        /// Why.
        error: ConnectionError,
    },
    /// The shard-aware port of a node is not used for a while.
    ShardAwarePortBlocked {
        /// The node's address and normal port.
        address: SocketAddr,
        /// For how long.
        block: Duration,
        /// What is wrong with it.
        why: Box<str>,
    },
    /// There is a control connection.
    ControlUp {
        /// To which node.
        address: SocketAddr,
        /// What it speaks.
        version: Version,
    },
    /// There is none any more.
    ControlLost {
        /// It was to this node.
        address: SocketAddr,
        /// Why it ended.
        error: ConnectionError,
    },
    /// No node could be reached, of those that were ever heard of.
    Unreachable(Vec<(String, ConnectionError)>),
    /// The nodes did not come to agree on the schema.
    NoSchemaAgreement {
        /// In so long.
        timeout: Duration,
    },
}

impl Notice {
    /// How much it matters.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Node {
                kind: ClusterEventKind::Down,
                ..
            }
            | Self::ConnectFailed { .. }
            | Self::ConnectionLost { .. }
            | Self::ShardAwarePortBlocked { .. }
            | Self::ControlLost { .. }
            | Self::Unreachable(_)
            | Self::NoSchemaAgreement { .. } => Severity::Warning,
            Self::Node { .. } | Self::ControlUp { .. } => Severity::Info,
        }
    }

    /// What it is about, in a word.
    #[must_use]
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::Node { .. } => "nodes",
            Self::ConnectFailed { .. }
            | Self::ConnectionLost { .. }
            | Self::ShardAwarePortBlocked { .. } => "connections",
            Self::ControlUp { .. } | Self::ControlLost { .. } | Self::Unreachable(_) => "control",
            Self::NoSchemaAgreement { .. } => "schema",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = OneLine { f, left: LINE_MAX };
        self.say(&mut line)
    }
}

impl Notice {
    fn say(&self, f: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Node { kind, node } => {
                let what = match kind {
                    ClusterEventKind::Added => "has joined the cluster",
                    ClusterEventKind::Removed => "has left the cluster",
                    ClusterEventKind::Up => "is up: there is a connection to it",
                    ClusterEventKind::Down => "is down: there is no connection to it any more",
                };
                let NodeView {
                    address,
                    host_id,
                    datacenter,
                    ..
                } = node;
                write!(f, "node {address} ({host_id}, {datacenter}) {what}")
            }
            Self::ConnectFailed { address, error } => {
                write!(f, "no connection to {address}: {error}")
            }
            Self::ConnectionLost { address, error } => {
                write!(f, "a connection to {address} has ended: {error}")
            }
            Self::ShardAwarePortBlocked {
                address,
                block,
                why,
            } => write!(
                f,
                "the shard-aware port of node {address} is not used for {block:?}, and shards are reached by \
                 chance over the normal port: {why}"
            ),
            Self::ControlUp { address, version } => {
                write!(f, "control connection to {address}, protocol {version}")
            }
            Self::ControlLost { address, error } => {
                write!(f, "the control connection to {address} has ended: {error}")
            }
            Self::Unreachable(errors) => {
                write!(f, "no node can be reached, trying on")?;
                for (host, error) in errors {
                    write!(f, "; {host}: {error}")?;
                }
                Ok(())
            }
            Self::NoSchemaAgreement { timeout } => {
                write!(
                    f,
                    "the nodes have not agreed on the schema within {timeout:?}"
                )
            }
        }
    }
}

/// Characters of one notice: servers' messages are part of them.
const LINE_MAX: usize = 2000;

/// Lets no server write lines of its own into a log.
struct OneLine<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    left: usize,
}

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.left == 0 {
                return Ok(());
            }
            self.left -= 1;
            match character {
                _ if self.left == 0 => self.f.write_str("...")?,
                c if c.is_control() => write!(self.f, "{}", c.escape_default())?,
                c => self.f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Causes that have been told of a node, so that each is told once until things have changed.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<Box<str>>);

/// Causes kept for a node; more than so many different ones are told again.
const TOLD_MAX: usize = 16;

impl Told {
    /// Whether a cause is news.
    pub(crate) fn is_news(&mut self, cause: &str) -> bool {
        if self.0.iter().any(|told| **told == *cause) {
            return false;
        }
        if self.0.len() == TOLD_MAX {
            self.0.remove(0);
        }
        self.0.push(cause.into());
        true
    }

    /// Things are well: what comes next is news.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(why: &str) -> Notice {
        Notice::ConnectionLost {
            address: SocketAddr::from(([127, 0, 0, 1], 9042)),
            error: ConnectionError::Io(why.to_owned()),
        }
    }

    #[test]
    fn a_server_cannot_write_lines_of_its_own() {
        let said = lost("a\nCRITICAL all is lost\x1b[2J").to_string();
        assert_eq!(
            said,
            "a connection to 127.0.0.1:9042 has ended: connection failed: a\\nCRITICAL all is lost\\u{1b}[2J"
        );
        let said = lost(&"é\n".repeat(100_000)).to_string();
        assert!(said.chars().count() < 2 * LINE_MAX, "{}", said.len());
        assert!(said.ends_with("..."));
    }

    #[test]
    fn only_what_is_wanted() {
        let level = NoticeLevel::default();
        let wanted = |level: &NoticeLevel| {
            [Severity::Info, Severity::Warning].map(|severity| level.wants(severity))
        };
        assert_eq!(wanted(&level), [false, false]);
        level.set(Some(Severity::Warning));
        assert_eq!(wanted(&level), [false, true]);
        level.set(Some(Severity::Info));
        assert_eq!(wanted(&level), [true, true]);
        level.set(None);
        assert_eq!(wanted(&level), [false, false]);
    }

    #[test]
    fn causes_are_told_once() {
        let mut told = Told::default();
        let news: Vec<bool> = ["a", "b", "a", "b"].map(|cause| told.is_news(cause)).into();
        assert_eq!(news, [true, true, false, false]);
        told.clear();
        assert!(told.is_news("a"));
        for number in 0..1000 {
            told.is_news(&number.to_string());
        }
        assert_eq!(told.0.len(), TOLD_MAX);
    }
}
