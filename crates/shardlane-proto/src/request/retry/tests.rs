use std::time::Duration;

use shardlane_wire::Consistency::Quorum;
use shardlane_wire::error::RateLimitOp;

use super::Decision::GiveUp;
use super::*;
use crate::error::ConnectionError;

const NEXT: Decision = Decision::NEXT_NODE;
const SAME: Decision = Decision::SAME_NODE;

fn server(detail: ErrorDetail) -> AttemptFailure {
    AttemptFailure::Server(ErrorBody::new("no", detail))
}

const fn connection(written: bool) -> AttemptFailure {
    let error = ConnectionError::ClosedByServer;
    AttemptFailure::Connection { error, written }
}

fn unavailable(alive: i32) -> AttemptFailure {
    server(ErrorDetail::Unavailable {
        consistency: Quorum,
        required: 2,
        alive,
    })
}

fn read_timeout(received: i32, data_present: bool) -> AttemptFailure {
    server(ErrorDetail::ReadTimeout {
        consistency: Quorum,
        received,
        block_for: 2,
        data_present,
    })
}

fn write_timeout(write_type: WriteType, received: i32) -> AttemptFailure {
    server(ErrorDetail::WriteTimeout {
        consistency: Quorum,
        received,
        block_for: 2,
        write_type,
        contentions: None,
    })
}

fn rate_limit(rejected_by_coordinator: bool) -> AttemptFailure {
    server(ErrorDetail::RateLimitReached {
        code: 0x4321,
        operation: RateLimitOp::Write,
        rejected_by_coordinator,
    })
}

const fn case(failure: &AttemptFailure, harmless: bool, failed_before: usize) -> Case<'_> {
    Case {
        failure,
        harmless,
        refused_before: failed_before > 0,
        failed_before,
        consistency: Quorum,
    }
}

#[test]
fn the_default_decides() {
    // Failure; if repetition is harmless; if it may do harm; if harmless, but refused before.
    let table = [
        (AttemptFailure::NotConnected, NEXT, NEXT, NEXT),
        (AttemptFailure::Busy, NEXT, NEXT, NEXT),
        (connection(false), NEXT, NEXT, NEXT),
        (connection(true), NEXT, GiveUp, NEXT),
        (unavailable(1), NEXT, NEXT, GiveUp),
        (read_timeout(2, false), SAME, SAME, GiveUp),
        (read_timeout(2, true), GiveUp, GiveUp, GiveUp),
        (read_timeout(1, false), GiveUp, GiveUp, GiveUp),
        (write_timeout(WriteType::BatchLog, 1), SAME, GiveUp, GiveUp),
        (write_timeout(WriteType::Simple, 1), GiveUp, GiveUp, GiveUp),
        (server(ErrorDetail::IsBootstrapping), NEXT, NEXT, NEXT),
        (server(ErrorDetail::Overloaded), NEXT, GiveUp, NEXT),
        (server(ErrorDetail::ServerError), NEXT, GiveUp, NEXT),
        (server(ErrorDetail::Invalid), GiveUp, GiveUp, GiveUp),
        (server(ErrorDetail::SyntaxError), GiveUp, GiveUp, GiveUp),
    ];
    for (failure, harmless, harmful, again) in table {
        let decide =
            |harmless, before| Retry::Default.decide(case(&failure, harmless, usize::from(before)));
        assert_eq!(decide(true, false), Some(harmless), "{failure}");
        assert_eq!(decide(false, false), Some(harmful), "{failure}");
        assert_eq!(decide(true, true), Some(again), "{failure}");
        let never = Retry::Fallthrough.decide(case(&failure, true, 0));
        let advised = Retry::Advisor(0).decide(case(&failure, true, 0));
        if failure == AttemptFailure::NotConnected {
            assert_eq!((never, advised), (Some(NEXT), Some(NEXT)));
        } else {
            assert_eq!(never, Some(GiveUp));
            assert_eq!(advised.is_none(), failure != AttemptFailure::Busy);
        }
    }
}

#[test]
fn downgrading_asks_for_what_there_is() {
    let one = Decision::downgraded(Consistency::One);
    // Failure; if repetition is harmless; if it may do harm.
    let table = [
        (unavailable(1), one, one),
        (unavailable(0), GiveUp, GiveUp),
        (read_timeout(1, true), one, one),
        (read_timeout(0, false), GiveUp, GiveUp),
        (read_timeout(2, false), SAME, SAME),
        (
            write_timeout(WriteType::Simple, 1),
            Decision::Ignore,
            GiveUp,
        ),
        (write_timeout(WriteType::Simple, 0), GiveUp, GiveUp),
        (write_timeout(WriteType::UnloggedBatch, 1), one, GiveUp),
        (write_timeout(WriteType::BatchLog, 0), SAME, GiveUp),
        (write_timeout(WriteType::Counter, 1), GiveUp, GiveUp),
        (connection(true), NEXT, GiveUp),
        (server(ErrorDetail::Overloaded), NEXT, GiveUp),
    ];
    for (failure, harmless, harmful) in table {
        let retry = Retry::DowngradingConsistency;
        assert_eq!(
            retry.decide(case(&failure, true, 0)),
            Some(harmless),
            "{failure}"
        );
        assert_eq!(
            retry.decide(case(&failure, false, 0)),
            Some(harmful),
            "{failure}"
        );
        // Once: what was refused with less is refused.
        let again = retry.decide(case(&failure, true, 1));
        let downgrades = matches!(
            again,
            Some(Decision::Retry(Again {
                consistency: Some(_),
                ..
            }))
        );
        assert!(!downgrades, "{failure}");
        let serial = Case {
            consistency: Consistency::Serial,
            ..case(&failure, true, 0)
        };
        let default = Retry::Default.decide(serial);
        assert_eq!(retry.decide(serial), default, "{failure}");
    }
}

#[test]
fn backoff_waits_longer_each_time_and_gives_up() {
    let bounds = RetryBackoff {
        retries_max: 5,
        delay_min: Duration::from_millis(100),
        delay_max: Duration::from_millis(700),
    };
    let retry = Retry::Backoff(bounds);
    let delays: Vec<u128> = (0..5)
        .map(
            |before| match retry.decide(case(&unavailable(1), false, before)) {
                Some(Decision::Retry(again)) => again.delay.as_millis(),
                other => panic!("{other:?}"),
            },
        )
        .collect();
    assert_eq!(delays, [100, 200, 400, 700, 700]);
    assert_eq!(retry.decide(case(&unavailable(1), true, 5)), Some(GiveUp));
    // Failure; whether another attempt is made if that is harmless, and if it may do harm.
    let table = [
        (connection(true), true, false),
        (connection(false), true, true),
        (read_timeout(0, false), true, true),
        (write_timeout(WriteType::Simple, 1), true, false),
        (server(ErrorDetail::Overloaded), true, false),
        (rate_limit(true), true, true),
        (rate_limit(false), true, false),
        (server(ErrorDetail::Invalid), false, false),
        (server(ErrorDetail::Unauthorized), false, false),
    ];
    for (failure, harmless, harmful) in table {
        let retries = |harmless| retry.decide(case(&failure, harmless, 0)) != Some(GiveUp);
        assert_eq!(
            (retries(true), retries(false)),
            (harmless, harmful),
            "{failure}"
        );
    }
}
