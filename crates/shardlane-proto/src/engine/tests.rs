use super::*;
use crate::config::ContactPoint;
use crate::error::ConnectFailure;

/// An engine whose only contact point refuses the first connection, after `asking` have asked for it.
fn refused(asking: &[u32]) -> Engine<u32> {
    let address = SocketAddr::from(([10, 0, 0, 1], 9042));
    let config = Config::new(vec![ContactPoint::Address(address)]);
    let mut engine = Engine::new(config, Arc::new(AttemptBudget::new(8)));
    for &who in asking {
        engine.when_ready(who);
    }
    let now = Instant(1);
    engine.handle_timeout(now);
    let Some(Effect::Connect { conn, .. }) = engine.poll_effect() else {
        panic!("it connects at once");
    };
    let failure = ConnectFailure::Failed("refused".to_owned());
    engine.handle_connect_failed(now, conn, failure);
    engine
}

fn told(engine: &mut Engine<u32>) -> Vec<u32> {
    let mut ended = Vec::new();
    engine.take_completions(&mut ended);
    let who = |(who, outcome): (u32, Outcome)| {
        let error = outcome.expect_err("nobody is there");
        assert!(matches!(error.kind, RequestErrorKind::Unreachable(_)));
        who
    };
    ended.into_iter().map(who).collect()
}

#[test]
fn who_asks_after_the_first_round_has_failed_is_told_at_once() {
    let mut engine = refused(&[]);
    engine.when_ready(1);
    assert_eq!(told(&mut engine), [1]);
    // Once: whoever asks later wants to know of the next round.
    engine.when_ready(2);
    assert_eq!(told(&mut engine), []);
}

#[test]
fn what_somebody_has_been_told_is_no_answer_to_the_next() {
    let mut engine = refused(&[1]);
    assert_eq!(told(&mut engine), [1]);
    engine.when_ready(2);
    assert_eq!(told(&mut engine), []);
}
