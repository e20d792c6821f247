//! What a cluster object has done so far, all nodes together. Unlike the counters of shards these outlive nodes.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{AttemptFailure, RequestError, RequestErrorKind};

/// A number that only the I/O thread writes; reads may be a moment old.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    // Load and store instead of fetch_add: there is a single writer, and a locked add costs more.
    pub(crate) fn add(&self, count: u64) {
        self.set(self.get().wrapping_add(count));
    }

    pub(crate) fn one_more(&self) {
        self.add(1);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one cluster object. The engine's own requests, for metadata or to prepare on further nodes, are
/// left out.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests taken.
    pub requests: Counter,
    /// Requests that ended with a result.
    pub succeeded: Counter,
    /// Requests that ended by an error of a server.
    pub server_errors: Counter,
    /// Requests that ended with their connection.
    pub connection_errors: Counter,
    /// Requests for which no node was left, or none connected.
    pub unavailable_errors: Counter,
    /// Requests that ended by their deadline.
    pub timeouts: Counter,
    /// Requests refused because too many were under way.
    pub overloads: Counter,
    /// Requests given up by their callers.
    pub cancellations: Counter,
    /// Requests that ended with the cluster object.
    pub closed_errors: Counter,
    /// Requests to be begun anew: their statement is another one by now.
    pub restarts: Counter,
    /// Attempts that followed a failed one.
    pub retries: Counter,
    /// Further executions of requests that were slow.
    pub speculative_executions: Counter,
    /// Statements prepared again where they were forgotten.
    pub repreparations: Counter,
    /// Attempts whose answer nobody waits for any more.
    pub orphans: Counter,
    /// Requests that wait for their turn now.
    pub queued: Counter,
    /// Connections that came to be in use.
    pub connections_opened: Counter,
    /// Connections that were in use, and ended.
    pub connections_closed: Counter,
    /// Attempts at a connection that failed.
    pub connections_failed: Counter,
    /// Bytes written to servers, before encryption; control connections included.
    pub bytes_sent: Counter,
    /// Bytes read from servers, after decryption; control connections included.
    pub bytes_received: Counter,
}

impl Counters {
    /// A request of the application's has ended.
    pub(crate) fn ended(&self, error: Option<&RequestError>) {
        let Some(error) = error else {
            return self.succeeded.one_more();
        };
        let counter = match &error.kind {
            RequestErrorKind::Attempt => match error.attempts.last().map(|a| &a.failure) {
                Some(AttemptFailure::Server(_)) => &self.server_errors,
                _ => &self.connection_errors,
            },
            RequestErrorKind::NoNodeAvailable
            | RequestErrorKind::NoLocalNode { .. }
            | RequestErrorKind::Unreachable(_) => &self.unavailable_errors,
            RequestErrorKind::Timeout { .. } => &self.timeouts,
            RequestErrorKind::ClientOverloaded { .. } => &self.overloads,
            RequestErrorKind::Cancelled => &self.cancellations,
            RequestErrorKind::Closed => &self.closed_errors,
            RequestErrorKind::PreparedChanged(_) => &self.restarts,
        };
        counter.one_more();
    }

    /// Requests that have ended, in whichever way.
    #[must_use]
    pub fn ended_total(&self) -> u64 {
        [
            &self.succeeded,
            &self.server_errors,
            &self.connection_errors,
            &self.unavailable_errors,
            &self.timeouts,
            &self.overloads,
            &self.cancellations,
            &self.closed_errors,
            &self.restarts,
        ]
        .into_iter()
        .map(Counter::get)
        .sum()
    }

    /// Requests that have not ended, those in the queue included.
    #[must_use]
    pub fn in_progress(&self) -> u64 {
        // In this order: an end that is seen has a beginning that is.
        let ended = self.ended_total();
        self.requests.get().saturating_sub(ended)
    }
}
