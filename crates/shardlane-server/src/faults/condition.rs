//! When a fault applies.

use std::sync::atomic::{AtomicU64, Ordering};

use shardlane_wire::Opcode;

/// When a rule applies. Everything is asked at the moment a request has arrived.
///
/// [`First`](Self::First) and [`Probability`](Self::Probability) have a memory, shared by all
/// nodes and shards. They move only when they are really asked: `And` and `Or` ask their parts in
/// order and stop as soon as the answer is known, so put them last.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Every request.
    Always,
    /// Requests of this kind.
    Opcode(Opcode),
    /// Requests to the node with this index.
    Node(usize),
    /// Requests on connections that a shard of this number serves.
    Shard(u16),
    /// Requests on the n-th connection that a node accepted since its start, counted from 1.
    Connection(u64),
    /// Requests on connections that came in by the shard-aware port.
    OnShardAwarePort,
    /// Requests whose CQL contains this text; for EXECUTE and BATCH that of the prepared statements.
    TextContains(String),
    /// Only the first n times that this is asked.
    First(u64),
    /// With this probability, decided by a generator with this seed.
    Probability {
        /// From 0.0, never, to 1.0, always.
        probability: f64,
        /// The same seed gives the same sequence of answers.
        seed: u64,
    },
    /// The opposite.
    Not(Box<Self>),
    /// All of these; true if there are none.
    And(Vec<Self>),
    /// Any of these; false if there are none.
    Or(Vec<Self>),
}

/// What conditions may ask about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestContext<'a> {
    pub(crate) opcode: Opcode,
    pub(crate) node: usize,
    pub(crate) shard: u16,
    pub(crate) connection: u64,
    pub(crate) shard_aware_port: bool,
    /// The CQL of all statements of the request, if it has any.
    pub(crate) text: Option<&'a str>,
}

/// A condition with its memory.
#[derive(Debug)]
pub(super) enum Matcher {
    Plain(Condition),
    First { asked: AtomicU64, limit: u64 },
    Probability { state: AtomicU64, threshold: u64 },
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

impl Matcher {
    pub(super) fn new(condition: Condition) -> Self {
        match condition {
            Condition::First(limit) => Self::First {
                asked: AtomicU64::new(0),
                limit,
            },
            Condition::Probability { probability, seed } => Self::Probability {
                state: AtomicU64::new(seed),
                // 2^53 steps: what an f64 can tell apart.
                threshold: (probability.clamp(0.0, 1.0) * (1u64 << 53) as f64) as u64,
            },
            Condition::Not(inner) => Self::Not(Box::new(Self::new(*inner))),
            Condition::And(parts) => Self::And(parts.into_iter().map(Self::new).collect()),
            Condition::Or(parts) => Self::Or(parts.into_iter().map(Self::new).collect()),
            plain => Self::Plain(plain),
        }
    }

    pub(super) fn holds(&self, request: &RequestContext<'_>) -> bool {
        match self {
            Self::Plain(condition) => plain(condition, request),
            Self::First { asked, limit } => asked
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                    (n < *limit).then(|| n + 1)
                })
                .is_ok(),
            Self::Probability { state, threshold } => {
                let step = state.fetch_add(crate::rng::GOLDEN_GAMMA, Ordering::Relaxed);
                crate::rng::mix(step.wrapping_add(crate::rng::GOLDEN_GAMMA)) >> 11 < *threshold
            }
            Self::Not(inner) => !inner.holds(request),
            Self::And(parts) => parts.iter().all(|part| part.holds(request)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(request)),
        }
    }
}

/// The conditions without a memory and without parts.
fn plain(condition: &Condition, request: &RequestContext<'_>) -> bool {
    match condition {
        Condition::Opcode(opcode) => request.opcode == *opcode,
        Condition::Node(node) => request.node == *node,
        Condition::Shard(shard) => request.shard == *shard,
        Condition::Connection(connection) => request.connection == *connection,
        Condition::OnShardAwarePort => request.shard_aware_port,
        Condition::TextContains(text) => request.text.is_some_and(|cql| cql.contains(&**text)),
        // The rest have matchers of their own.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(opcode: Opcode, text: Option<&str>) -> RequestContext<'_> {
        RequestContext {
            opcode,
            node: 1,
            shard: 2,
            connection: 3,
            shard_aware_port: true,
            text,
        }
    }

    #[test]
    fn each_plain_condition_tells_its_own_field() {
        let query = request(Opcode::Query, Some("SELECT * FROM ks.t"));
        let cases = [
            (Condition::Always, true),
            (Condition::Opcode(Opcode::Query), true),
            (Condition::Opcode(Opcode::Execute), false),
            (Condition::Node(1), true),
            (Condition::Node(0), false),
            (Condition::Shard(2), true),
            (Condition::Shard(1), false),
            (Condition::Connection(3), true),
            (Condition::Connection(2), false),
            (Condition::OnShardAwarePort, true),
            (Condition::TextContains("ks.t".to_owned()), true),
            (Condition::TextContains("ks.u".to_owned()), false),
        ];
        for (condition, expected) in cases {
            let matcher = Matcher::new(condition.clone());
            assert_eq!(matcher.holds(&query), expected, "{condition:?}");
            let opposite = Matcher::new(Condition::Not(Box::new(condition)));
            assert_eq!(opposite.holds(&query), !expected);
        }
        let no_text = Matcher::new(Condition::TextContains(String::new()));
        assert!(!no_text.holds(&request(Opcode::Options, None)));
    }

    #[test]
    fn first_counts_only_what_it_is_asked() {
        let matcher = Matcher::new(Condition::And(vec![
            Condition::Opcode(Opcode::Query),
            Condition::First(2),
        ]));
        let (query, options) = (request(Opcode::Query, None), request(Opcode::Options, None));
        let answers = [&options, &query, &options, &query, &query].map(|r| matcher.holds(r));
        assert_eq!(answers, [false, true, false, true, false]);
    }

    #[test]
    fn probability_is_repeatable_and_about_right() {
        let sample = |seed| -> Vec<bool> {
            let matcher = Matcher::new(Condition::Probability {
                probability: 0.25,
                seed,
            });
            let query = request(Opcode::Query, None);
            (0..4000).map(|_| matcher.holds(&query)).collect()
        };
        assert_eq!(sample(1), sample(1));
        assert_ne!(sample(1), sample(2));
        let hits = sample(7).into_iter().filter(|hit| *hit).count();
        assert!((850..1150).contains(&hits), "{hits} of 4000 at 0.25");
    }

    #[test]
    fn and_or_of_nothing() {
        let query = request(Opcode::Query, None);
        assert!(Matcher::new(Condition::And(Vec::new())).holds(&query));
        assert!(!Matcher::new(Condition::Or(Vec::new())).holds(&query));
    }
}
