//! Faults on demand, in the vocabulary of ScyllaDB's own test proxy: a [`Rule`] is a [`Condition`]
//! and a [`Reaction`]. Rules come and go while clients run, and count their hits.
//!
//! Rules are asked in the order they were added; the first whose condition holds is applied. With
//! no rules at all a request pays one comparison.

mod condition;
mod reaction;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use condition::Condition;
pub(crate) use condition::RequestContext;
pub(crate) use reaction::{Aftermath, ResponseFault, SupportedLie, damage};
pub use reaction::{PortFault, Reaction, TabletLie};

use condition::Matcher;

/// What is to happen, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// When it applies.
    pub condition: Condition,
    /// What then happens instead of the usual.
    pub reaction: Reaction,
}

impl Rule {
    /// A rule of these two halves.
    pub const fn new(condition: Condition, reaction: Reaction) -> Self {
        Self {
            condition,
            reaction,
        }
    }
}

/// Names a rule that was added, to remove it or to ask for its hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u64);

/// A rule in force: shared by all shards, so that "the first three times" means three in all.
#[derive(Debug)]
pub(crate) struct ActiveRule {
    id: RuleId,
    matcher: Matcher,
    pub(crate) reaction: Reaction,
    hits: AtomicU64,
}

/// The rules in force, as one immutable list that shards keep a copy of.
pub(crate) type RuleSet = Arc<[Arc<ActiveRule>]>;

/// The rules of a cluster.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Grows with each change, so that a shard sees with one load that its copy is old.
    version: AtomicU64,
    rules: Mutex<RuleSet>,
    next_id: AtomicU64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            version: AtomicU64::new(0),
            rules: Mutex::new(Arc::new([])),
            next_id: AtomicU64::new(1),
        }
    }
}

impl Faults {
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The rules in force; `version` must have been read before.
    pub(crate) fn rules(&self) -> RuleSet {
        self.rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn add(&self, rule: Rule) -> RuleId {
        let id = RuleId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let active = Arc::new(ActiveRule {
            id,
            matcher: Matcher::new(rule.condition),
            reaction: rule.reaction,
            hits: AtomicU64::new(0),
        });
        self.change(|rules| rules.push(active));
        id
    }

    /// Whether the rule was still there.
    pub(crate) fn remove(&self, id: RuleId) -> bool {
        let mut found = false;
        self.change(|rules| {
            let before = rules.len();
            rules.retain(|rule| rule.id != id);
            found = rules.len() < before;
        });
        found
    }

    pub(crate) fn clear(&self) {
        self.change(Vec::clear);
    }

    pub(crate) fn hits(&self, id: RuleId) -> Option<u64> {
        let rules = self.rules();
        let rule = rules.iter().find(|rule| rule.id == id)?;
        Some(rule.hits.load(Ordering::Relaxed))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<ActiveRule>>)) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = rules.to_vec();
        change(&mut list);
        *rules = list.into();
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// The first rule that applies, counted as a hit.
pub(crate) fn first_hit<'a>(
    rules: &'a [Arc<ActiveRule>],
    request: &RequestContext<'_>,
) -> Option<&'a Reaction> {
    let rule = rules.iter().find(|rule| rule.matcher.holds(request))?;
    rule.hits.fetch_add(1, Ordering::Relaxed);
    Some(&rule.reaction)
}

#[cfg(test)]
mod tests {
    use shardlane_wire::Opcode;

    use super::*;

    fn request() -> RequestContext<'static> {
        RequestContext {
            opcode: Opcode::Query,
            node: 0,
            shard: 0,
            connection: 1,
            shard_aware_port: false,
            text: None,
        }
    }

    #[test]
    fn the_first_rule_that_applies_wins_and_is_counted() {
        let faults = Faults::default();
        let never = faults.add(Rule::new(Condition::Node(7), Reaction::Silence));
        let once = faults.add(Rule::new(Condition::First(1), Reaction::Close));
        let rest = faults.add(Rule::new(Condition::Always, Reaction::Silence));
        let rules = faults.rules();
        let reactions: Vec<_> = (0..3)
            .map(|_| first_hit(&rules, &request()).cloned())
            .collect();
        assert_eq!(
            reactions,
            [
                Some(Reaction::Close),
                Some(Reaction::Silence),
                Some(Reaction::Silence)
            ]
        );
        assert_eq!(
            [never, once, rest].map(|id| faults.hits(id)),
            [Some(0), Some(1), Some(2)]
        );
    }

    #[test]
    fn a_change_raises_the_version_and_removal_tells_whether_there_was_one() {
        let faults = Faults::default();
        let before = faults.version();
        let id = faults.add(Rule::new(Condition::Always, Reaction::Close));
        assert!(faults.version() > before);
        assert!(faults.remove(id));
        assert!(!faults.remove(id));
        assert!(faults.rules().is_empty());
        faults.add(Rule::new(Condition::Always, Reaction::Close));
        faults.clear();
        assert_eq!(faults.hits(id), None);
        assert!(first_hit(&faults.rules(), &request()).is_none());
    }
}
