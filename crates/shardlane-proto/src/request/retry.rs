//! Whether a failed attempt is followed by another one.
//!
//! A request that may have taken effect is repeated only if it is idempotent. What surely had no effect
//! (refused before execution, never sent) may go to another node in any case.

use shardlane_wire::error::{ErrorBody, ErrorDetail, WriteType};

use crate::error::AttemptFailure;

/// The retry policy of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// Retry where it is safe and likely to help; see [`Decision`]'s making below.
    #[default]
    Default,
    /// Never retry.
    Fallthrough,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    SameNode,
    NextNode,
    GiveUp,
}

impl Retry {
    /// `harmless`: a repetition does no harm, because the request is idempotent or has not been executed.
    /// `refused_before`: a server has answered this request with an error before.
    pub(crate) fn decide(
        self,
        failure: &AttemptFailure,
        harmless: bool,
        refused_before: bool,
    ) -> Decision {
        let next_if = |condition| {
            if condition {
                Decision::NextNode
            } else {
                Decision::GiveUp
            }
        };
        if self == Self::Fallthrough {
            // Not a retry: nothing has been asked of any node yet.
            return next_if(matches!(failure, AttemptFailure::NotConnected));
        }
        match failure {
            AttemptFailure::NotConnected | AttemptFailure::Busy => Decision::NextNode,
            AttemptFailure::Connection { written, .. } => next_if(!written || harmless),
            AttemptFailure::Server(body) => decide_server(body, harmless, !refused_before),
        }
    }
}

fn decide_server(body: &ErrorBody, harmless: bool, first: bool) -> Decision {
    match &body.detail {
        // Another coordinator may see more live replicas; once, or a small cluster is asked in circles.
        ErrorDetail::Unavailable { .. } if first => Decision::NextNode,
        // Enough replicas answered, only the data was missing: they are alive, ask once more.
        ErrorDetail::ReadTimeout {
            received,
            block_for,
            data_present,
            ..
        } if first && received >= block_for && !data_present => Decision::SameNode,
        // The batch log was not written in time, so nothing was: safe if the batch is idempotent.
        ErrorDetail::WriteTimeout {
            write_type: WriteType::BatchLog,
            ..
        } if first && harmless => Decision::SameNode,
        // The node refused before doing anything.
        ErrorDetail::IsBootstrapping => Decision::NextNode,
        ErrorDetail::Overloaded | ErrorDetail::ServerError | ErrorDetail::TruncateError
            if harmless =>
        {
            Decision::NextNode
        }
        _ => Decision::GiveUp,
    }
}
