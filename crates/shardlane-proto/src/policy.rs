//! How requests are tried: where, how often, and whether a slow answer is waited for.
//!
//! A policy belongs to an execution profile and is shared by all its requests, so that a request
//! carries no more than a pointer to it.

use std::time::Duration;

use shardlane_wire::{Consistency, SerialConsistency};

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Another attempt.
    Retry(Again),
    /// The error is the request's.
    GiveUp,
    /// The request counts as done, with an empty result.
    Ignore,
}

/// How another attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// On the same node, or on the next one of the query plan.
    pub same_node: bool,
    /// Not before so long has passed.
    pub delay: Duration,
    /// With this consistency instead of the request's.
    pub consistency: Option<Consistency>,
    /// When the query plan is used up, begin it anew.
    pub wraps: bool,
}

impl Decision {
    /// At once, on the next node of the plan.
    pub const NEXT_NODE: Self = Self::Retry(Again {
        same_node: false,
        delay: Duration::ZERO,
        consistency: None,
        wraps: false,
    });
    /// At once, on the same node.
    pub const SAME_NODE: Self = Self::Retry(Again {
        same_node: true,
        delay: Duration::ZERO,
        consistency: None,
        wraps: false,
    });

    pub(crate) const fn downgraded(consistency: Consistency) -> Self {
        Self::Retry(Again {
            same_node: true,
            delay: Duration::ZERO,
            consistency: Some(consistency),
            wraps: false,
        })
    }
}

/// Which nodes come first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Balancing {
    /// The datacenter whose nodes come first; `None`: the cluster object's.
    pub datacenter: Option<String>,
    /// The rack whose nodes come first within that datacenter; `None`: all are alike.
    pub rack: Option<String>,
    /// Whether nodes of other datacenters are asked when no local one can be.
    pub remote: Remote,
    /// Which of several equally near replicas comes first.
    pub choice: Choice,
}

/// Whether requests may leave the local datacenter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remote {
    /// Never.
    Never,
    /// When no local node is left, unless the request's consistency is a local one: `LOCAL_QUORUM` of
    /// another datacenter is another promise than the caller has asked for.
    #[default]
    Failover,
    /// When no local node is left, whatever the consistency.
    Always,
}

/// Which of several equally near replicas comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// Two are drawn at random, and of these the one with fewer requests in flight is taken: a slow node
    /// gets less, and clients that all see the same loads do not run to the same node. If they are about as
    /// busy, the one to which something is being written anyway.
    #[default]
    LeastBusy,
    /// One is drawn at random.
    Random,
}

/// When a second execution of a request begins while the first is still unanswered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speculation {
    /// How long to wait for each.
    pub delay: SpeculationDelay,
    /// Executions besides the first one.
    pub executions_max: u8,
}

/// How long an execution may take before another one begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SpeculationDelay {
    /// As long as this.
    Constant(Duration),
    /// As long as so many per cent of the latest requests have taken.
    Percentile(f64),
}

/// The retry policy of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// Retry where it is safe and likely to help.
    #[default]
    Default,
    /// Never retry.
    Fallthrough,
    /// As `Default`; and where too few replicas are there for the consistency asked for, once more with
    /// what they suffice for. Who uses it must be content with less than was asked for.
    DowngradingConsistency,
    /// Retry whatever may be different next time, after longer and longer delays; also wait for a node when
    /// none is connected.
    Backoff(RetryBackoff),
    /// Ask the shell's advisor, by [`crate::Question::Retry`]. Applications may
    /// have several; this is the number of the one to ask.
    Advisor(u32),
}

/// Bounds of `Retry::Backoff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBackoff {
    /// Retries after the first attempt.
    pub retries_max: u32,
    /// Delay before the first retry; it doubles up to `delay_max`, with 15 % jitter.
    pub delay_min: Duration,
    /// Longest delay.
    pub delay_max: Duration,
}

/// All of it. What a session's requests use if they name no other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// What follows a failed attempt.
    pub retry: Retry,
    /// Whether a slow answer is waited for. Only idempotent requests are executed twice.
    pub speculation: Option<Speculation>,
    /// Which nodes come first.
    pub balancing: Balancing,
}

impl Balancing {
    /// Whether a request of these consistencies may go to another datacenter.
    pub(crate) const fn may_leave(
        &self,
        consistency: Consistency,
        serial: Option<SerialConsistency>,
    ) -> bool {
        match self.remote {
            Remote::Never => false,
            Remote::Always => true,
            Remote::Failover => {
                !matches!(
                    consistency,
                    Consistency::LocalOne | Consistency::LocalQuorum | Consistency::LocalSerial
                ) && !matches!(serial, Some(SerialConsistency::LocalSerial))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_consistencies_stay_at_home() {
        let mut balancing = Balancing::default();
        for &level in Consistency::ALL {
            let stays = level.as_str().starts_with("LOCAL_");
            assert_eq!(balancing.may_leave(level, None), !stays, "{level}");
        }
        let serial = Some(SerialConsistency::LocalSerial);
        assert!(!balancing.may_leave(Consistency::Quorum, serial));
        assert!(balancing.may_leave(Consistency::Quorum, Some(SerialConsistency::Serial)));
        balancing.remote = Remote::Always;
        assert!(balancing.may_leave(Consistency::LocalQuorum, serial));
        balancing.remote = Remote::Never;
        assert!(!balancing.may_leave(Consistency::One, None));
    }
}
