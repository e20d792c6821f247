//! Whether a failed attempt is followed by another one.
//!
//! A request that may have taken effect is repeated only if it is idempotent. What surely had no effect
//! (refused before execution, never sent) may go to another node in any case.

use std::time::Duration;

use shardlane_wire::Consistency;
use shardlane_wire::error::{ErrorBody, ErrorDetail, WriteType};

use crate::error::AttemptFailure;
use crate::policy::{Again, Decision, Retry, RetryBackoff};

/// What is decided upon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) failure: &'a AttemptFailure,
    /// A repetition does no harm, because the request is idempotent or has not been executed.
    pub(crate) harmless: bool,
    /// A server has answered this request with an error before.
    pub(crate) refused_before: bool,
    /// Attempts that have failed before this one.
    pub(crate) failed_before: usize,
    pub(crate) consistency: Consistency,
}

impl Retry {
    /// `None`: the advisor is to be asked.
    pub(crate) fn decide(self, case: Case<'_>) -> Option<Decision> {
        Some(match self {
            Self::Backoff(bounds) => decide_backoff(bounds, case),
            // Not a retry: nothing has been asked of any node yet.
            _ if matches!(case.failure, AttemptFailure::NotConnected) => Decision::NEXT_NODE,
            Self::Fallthrough => Decision::GiveUp,
            Self::Default => decide_default(case),
            Self::DowngradingConsistency => decide_downgrading(case),
            Self::Advisor(_) if matches!(case.failure, AttemptFailure::Busy) => Decision::NEXT_NODE,
            Self::Advisor(_) => return None,
        })
    }
}

impl RetryBackoff {
    /// The delay, jitter aside, after so many.
    pub(crate) fn delay(self, done: u32) -> Duration {
        let factor = 1u32.checked_shl(done.min(20)).unwrap_or(u32::MAX);
        self.delay_min.saturating_mul(factor).min(self.delay_max)
    }
}

fn next_if(condition: bool) -> Decision {
    if condition {
        Decision::NEXT_NODE
    } else {
        Decision::GiveUp
    }
}

fn decide_default(case: Case<'_>) -> Decision {
    match case.failure {
        AttemptFailure::NotConnected | AttemptFailure::Busy => Decision::NEXT_NODE,
        AttemptFailure::Connection { written, .. } => next_if(!written || case.harmless),
        AttemptFailure::Server(body) => decide_server(body, case.harmless, !case.refused_before),
        AttemptFailure::Unanswered => Decision::GiveUp,
    }
}

fn decide_server(body: &ErrorBody, harmless: bool, first: bool) -> Decision {
    match &body.detail {
        // Another coordinator may see more live replicas; once, or a small cluster is asked in circles.
        ErrorDetail::Unavailable { .. } if first => Decision::NEXT_NODE,
        // Enough replicas answered, only the data was missing: they are alive, ask once more.
        ErrorDetail::ReadTimeout {
            received,
            block_for,
            data_present,
            ..
        } if first && received >= block_for && !data_present => Decision::SAME_NODE,
        // The batch log was not written in time, so nothing was: safe if the batch is idempotent.
        ErrorDetail::WriteTimeout {
            write_type: WriteType::BatchLog,
            ..
        } if first && harmless => Decision::SAME_NODE,
        // The node refused before doing anything.
        ErrorDetail::IsBootstrapping => Decision::NEXT_NODE,
        ErrorDetail::Overloaded | ErrorDetail::ServerError | ErrorDetail::TruncateError
            if harmless =>
        {
            Decision::NEXT_NODE
        }
        _ => Decision::GiveUp,
    }
}

/// The highest consistency that so many replicas suffice for.
fn likely_to_work(replicas: i32) -> Decision {
    match replicas {
        3.. => Decision::downgraded(Consistency::Three),
        2 => Decision::downgraded(Consistency::Two),
        1 => Decision::downgraded(Consistency::One),
        _ => Decision::GiveUp,
    }
}

fn decide_downgrading(case: Case<'_>) -> Decision {
    let AttemptFailure::Server(body) = case.failure else {
        return decide_default(case);
    };
    // A serial read promises more than any number of replicas does.
    let is_serial = matches!(
        case.consistency,
        Consistency::Serial | Consistency::LocalSerial
    );
    if case.refused_before || is_serial {
        return decide_default(case);
    }
    match &body.detail {
        ErrorDetail::Unavailable { alive, .. } => likely_to_work(*alive),
        ErrorDetail::ReadTimeout {
            received,
            block_for,
            ..
        } if received < block_for => likely_to_work(*received),
        ErrorDetail::WriteTimeout {
            received,
            write_type,
            ..
        } if case.harmless => match write_type {
            // Some replica has it: hints and repair bring it to the others.
            WriteType::Simple | WriteType::Batch if *received > 0 => Decision::Ignore,
            WriteType::UnloggedBatch => likely_to_work(*received),
            _ => decide_default(case),
        },
        _ => decide_default(case),
    }
}

fn decide_backoff(bounds: RetryBackoff, case: Case<'_>) -> Decision {
    let may_help = match case.failure {
        AttemptFailure::NotConnected | AttemptFailure::Busy => true,
        AttemptFailure::Connection { written, .. } => !written || case.harmless,
        AttemptFailure::Server(body) => match &body.detail {
            ErrorDetail::Unavailable { .. }
            | ErrorDetail::ReadTimeout { .. }
            | ErrorDetail::IsBootstrapping
            | ErrorDetail::RateLimitReached {
                rejected_by_coordinator: true,
                ..
            } => true,
            ErrorDetail::Overloaded
            | ErrorDetail::ServerError
            | ErrorDetail::TruncateError
            | ErrorDetail::WriteTimeout { .. }
            | ErrorDetail::RateLimitReached { .. } => case.harmless,
            _ => false,
        },
        AttemptFailure::Unanswered => false,
    };
    let done = u32::try_from(case.failed_before).unwrap_or(u32::MAX);
    if !may_help || done >= bounds.retries_max {
        return Decision::GiveUp;
    }
    let same_node = matches!(case.failure, AttemptFailure::Server(body)
        if matches!(body.detail, ErrorDetail::ReadTimeout { .. } | ErrorDetail::WriteTimeout { .. }));
    Decision::Retry(Again {
        same_node,
        delay: bounds.delay(done),
        consistency: None,
        wraps: true,
    })
}

#[cfg(test)]
mod tests;
