//! Every request of the sessions captured from a real ScyllaDB 6.2, put to an embedded cluster of
//! the same shape: the answers must be of the same kind. See `tests/golden/README.md`.
//!
//! Requests are sent in the order of the capture, one at a time, each on a connection to the node,
//! port and shard that the captured one went to. Ids of prepared statements and paging states are
//! mapped from the capture's to ours. What differs and may differ is in [`accepted::ACCEPTED`], each
//! with its reason; an entry that nothing matches any more fails the test.

#[path = "golden_replay/accepted.rs"]
mod accepted;
#[allow(
    dead_code,
    reason = "read by the client's test too, which wants more of it"
)]
#[path = "golden_replay/capture.rs"]
mod capture;
#[path = "golden_replay/kind.rs"]
mod kind;
#[path = "golden_replay/player.rs"]
mod player;

use accepted::Judge;
use player::Player;

/// Replays one session and fails the test with all unexpected differences.
fn replay(session: &str) {
    let mut judge = Judge::new(session);
    Player::new(session).play(&mut judge);
    judge.verdict();
}

#[test]
fn types() {
    replay("types");
}

#[test]
fn statements() {
    replay("statements");
}

#[test]
fn statements_compressed() {
    replay("statements-lz4");
}

#[test]
fn errors() {
    replay("errors");
}

#[test]
fn routing() {
    replay("routing");
}

#[test]
fn events() {
    replay("events");
}

#[test]
fn auth() {
    replay("auth");
}
