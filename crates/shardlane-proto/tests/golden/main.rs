//! The server's half of sessions captured from a real ScyllaDB 6.2, put to the client's machines: they
//! must come to the conclusions that the cluster itself would confirm. See `tests/golden/README.md`.
//!
//! The application's half (which statements, in which order) is the capture's too; what the machines ask of
//! their own accord is answered with what the servers told about it at that time.

#[allow(dead_code, reason = "the server's test, whose it is, wants more of it")]
#[path = "../../../shardlane-server/tests/golden_replay/capture.rs"]
mod capture;
mod logins;
mod player;
mod recording;
mod sessions;
