//! Whether a failed attempt is followed by another one.
//!
//! A request that may have taken effect is repeated only if it is idempotent. What surely had no effect
//! (refused before execution, never sent) may go to another node in any case.

use shardlane_wire::error::{ErrorBody, ErrorDetail, WriteType};

use crate::error::AttemptFailure;

/// The retry policy of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// Retry where it is safe and likely to help.
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

#[cfg(test)]
mod tests {
    use shardlane_wire::Consistency::Quorum;

    use super::Decision::{GiveUp, NextNode, SameNode};
    use super::*;
    use crate::error::ConnectionError;

    fn server(detail: ErrorDetail) -> AttemptFailure {
        AttemptFailure::Server(ErrorBody::new("no", detail))
    }

    const fn connection(written: bool) -> AttemptFailure {
        let error = ConnectionError::ClosedByServer;
        AttemptFailure::Connection { error, written }
    }

    fn read_timeout(received: i32, data_present: bool) -> AttemptFailure {
        server(ErrorDetail::ReadTimeout {
            consistency: Quorum,
            received,
            block_for: 2,
            data_present,
        })
    }

    fn write_timeout(write_type: WriteType) -> AttemptFailure {
        server(ErrorDetail::WriteTimeout {
            consistency: Quorum,
            received: 1,
            block_for: 2,
            write_type,
            contentions: None,
        })
    }

    #[test]
    fn decisions() {
        let unavailable = server(ErrorDetail::Unavailable {
            consistency: Quorum,
            required: 2,
            alive: 1,
        });
        // Failure; if repetition is harmless; if it may do harm; if harmless, but refused before.
        let table = [
            (AttemptFailure::NotConnected, NextNode, NextNode, NextNode),
            (AttemptFailure::Busy, NextNode, NextNode, NextNode),
            (connection(false), NextNode, NextNode, NextNode),
            (connection(true), NextNode, GiveUp, NextNode),
            (unavailable, NextNode, NextNode, GiveUp),
            (read_timeout(2, false), SameNode, SameNode, GiveUp),
            (read_timeout(2, true), GiveUp, GiveUp, GiveUp),
            (read_timeout(1, false), GiveUp, GiveUp, GiveUp),
            (write_timeout(WriteType::BatchLog), SameNode, GiveUp, GiveUp),
            (write_timeout(WriteType::Simple), GiveUp, GiveUp, GiveUp),
            (
                server(ErrorDetail::IsBootstrapping),
                NextNode,
                NextNode,
                NextNode,
            ),
            (server(ErrorDetail::Overloaded), NextNode, GiveUp, NextNode),
            (server(ErrorDetail::ServerError), NextNode, GiveUp, NextNode),
            (server(ErrorDetail::Invalid), GiveUp, GiveUp, GiveUp),
            (server(ErrorDetail::SyntaxError), GiveUp, GiveUp, GiveUp),
        ];
        for (failure, harmless, harmful, again) in table {
            let decide = |harmless, before| Retry::Default.decide(&failure, harmless, before);
            assert_eq!(decide(true, false), harmless, "{failure}");
            assert_eq!(decide(false, false), harmful, "{failure}");
            assert_eq!(decide(true, true), again, "{failure}");
            let expected = if failure == AttemptFailure::NotConnected {
                NextNode
            } else {
                GiveUp
            };
            assert_eq!(Retry::Fallthrough.decide(&failure, true, false), expected);
        }
    }
}
