//! One pool serves sessions with different keyspaces, but in protocol v4 the keyspace is a state of the
//! connection. So a request that depends on it waits until the connection is in that keyspace; requests
//! that do not (EXECUTE: names were resolved by PREPARE) pass by. With one keyspace per cluster object,
//! the ordinary case, there is one USE per connection and never a wait after it.

use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct KeyspaceState {
    current: Option<Arc<str>>,
    switching_to: Option<Arc<str>>,
    /// Unanswered requests that depend on `current`, those just admitted included.
    dependents: usize,
    waiting: VecDeque<(u64, Arc<str>)>,
}

impl KeyspaceState {
    /// Whether a request that needs `keyspace` may be sent now.
    pub(crate) fn admits(&self, keyspace: &Arc<str>) -> bool {
        self.switching_to.is_none()
            && self.waiting.is_empty()
            && self.current.as_ref() == Some(keyspace)
    }

    pub(crate) fn wait(&mut self, token: u64, keyspace: Arc<str>) {
        self.waiting.push_back((token, keyspace));
    }

    pub(crate) const fn sent(&mut self) {
        self.dependents += 1;
    }

    pub(crate) const fn answered(&mut self) {
        self.dependents = self.dependents.saturating_sub(1);
    }

    /// The keyspace to switch to now, if somebody waits for another one and nobody depends on this one.
    pub(crate) fn begin_switch(&mut self) -> Option<Arc<str>> {
        if self.switching_to.is_some() || self.dependents > 0 {
            return None;
        }
        let (_, wanted) = self.waiting.front()?;
        if self.current.as_ref() == Some(wanted) {
            return None;
        }
        self.switching_to = Some(wanted.clone());
        self.switching_to.clone()
    }

    /// USE was refused: those who wanted that keyspace.
    pub(crate) fn refused(&mut self) -> Vec<u64> {
        let Some(keyspace) = self.switching_to.take() else {
            return Vec::new();
        };
        let (refused, kept) = self.waiting.drain(..).partition(|(_, k)| *k == keyspace);
        self.waiting = kept;
        let refused: VecDeque<(u64, Arc<str>)> = refused;
        refused.into_iter().map(|(token, _)| token).collect()
    }

    /// USE succeeded. The name is the one we asked for: a server that spells it otherwise must not make
    /// us ask again and again.
    pub(crate) fn switched(&mut self) {
        self.current = self.switching_to.take();
    }

    /// The application has sent a USE of its own: where the connection is now is not for us to guess.
    pub(crate) fn forget_current(&mut self) {
        self.current = None;
    }

    /// The next request that waited and may go now. It counts as a dependent from here on, so that no
    /// switch comes between its admission and its sending.
    pub(crate) fn pop_admitted(&mut self) -> Option<u64> {
        let (_, wanted) = self.waiting.front()?;
        if self.switching_to.is_none() && self.current.as_ref() == Some(wanted) {
            self.sent();
            return self.waiting.pop_front().map(|(token, _)| token);
        }
        None
    }

    pub(crate) fn forget(&mut self, token: u64) {
        self.waiting.retain(|&(t, _)| t != token);
    }

    pub(crate) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn waiting_tokens(&self) -> impl Iterator<Item = u64> + '_ {
        self.waiting.iter().map(|&(token, _)| token)
    }
}
