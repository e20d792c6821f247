//! Logging in, as a real server answered it: what is sent must be what scylla-driver sent, byte for byte.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use shardlane_proto::{
    AttemptBudget, Config, ContactPoint, Credentials, Effect, Engine, Instant, Login,
    RequestErrorKind,
};
use shardlane_wire::{Direction, Frame, FrameHeader, FrameParser, Opcode};

use crate::capture::{Step, load};

/// How a connection's handshake went in the capture: requests and answers, OPTIONS first.
fn handshake(connection: u64) -> Vec<(Opcode, Vec<u8>, FrameHeader, Vec<u8>)> {
    let steps = load("auth").into_iter().filter_map(|step| match step {
        Step::Ask {
            request,
            response: Some(response),
        } if request.connection == connection => Some((
            request.header.opcode,
            request.body,
            response.header,
            response.body,
        )),
        _ => None,
    });
    steps
        .take_while(|(opcode, ..)| {
            matches!(
                opcode,
                Opcode::Options | Opcode::Startup | Opcode::AuthResponse
            )
        })
        .collect()
}

/// An engine that connects, up to the end of the recorded handshake.
fn connect(username: &str, password: &str, connection: u64) -> Engine<u8> {
    let address = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 31), 9042));
    let mut config = Config::new(vec![ContactPoint::Address(address)]);
    config.seed = 1;
    config.login = Login::Password(Credentials {
        username: username.to_owned(),
        password: password.to_owned(),
    });
    let mut engine = Engine::new(config, Arc::new(AttemptBudget::new(64)));
    let now = Instant::default();
    engine.when_ready(7);
    engine.handle_timeout(now);
    let conn = loop {
        match engine.poll_effect() {
            Some(Effect::Connect { conn, .. }) => break conn,
            Some(_) => {}
            None => panic!("does not connect"),
        }
    };
    engine.handle_connected(now, conn, 40_000);
    let mut parser = FrameParser::new(Direction::Request);
    for (opcode, body, mut header, answer) in handshake(connection) {
        let bytes = engine.unsent(conn).to_vec();
        engine.handle_written(conn, bytes.len());
        let mut input = &bytes[..];
        let frame: Frame<'_> = parser.push(&mut input).expect("sound").expect("a frame");
        assert_eq!(frame.header.opcode, opcode);
        if opcode == Opcode::AuthResponse {
            assert_eq!(frame.body, body, "as scylla-driver has sent it");
        }
        // The capture's frames may have been compressed; these are not.
        header.flags = 0;
        header.stream = frame.header.stream;
        header.length = answer.len() as u32;
        engine.handle_bytes(now, conn, &[&header.encode()[..], &answer].concat());
    }
    engine
}

#[test]
fn a_login_that_is_accepted() {
    for (username, password, connection) in [("cassandra", "cassandra", 1), ("bob", "b", 8)] {
        let mut engine = connect(username, password, connection);
        let mut completions = Vec::new();
        engine.take_completions(&mut completions);
        assert!(completions.is_empty(), "it goes on: {completions:?}");
        let conn = engine.poll_dirty().expect("REGISTER and queries");
        let sent = engine.unsent(conn);
        assert_eq!(sent[4], Opcode::Register as u8);
    }
}

#[test]
fn a_login_that_is_refused() {
    let mut engine = connect("cassandra", "wrong", 4);
    let mut completions = Vec::new();
    engine.take_completions(&mut completions);
    let [(7, Err(error))] = &completions[..] else {
        panic!("{completions:?}")
    };
    let RequestErrorKind::Unreachable(reasons) = &error.kind else {
        panic!("{error:?}")
    };
    let [(point, reason)] = &reasons[..] else {
        panic!("{reasons:?}")
    };
    assert_eq!(point, "127.0.0.31:9042");
    assert!(reason.is_authentication());
    let expected = "the server refused the login: Username and/or password are incorrect";
    assert_eq!(reason.to_string(), expected);
    // Not again soon: the longest delay, with its jitter.
    let again = loop {
        let now = engine.next_timeout().expect("it tries again");
        engine.handle_timeout(now);
        let effects = std::iter::from_fn(|| engine.poll_effect());
        if effects
            .into_iter()
            .any(|e| matches!(e, Effect::Connect { .. }))
        {
            break now;
        }
    };
    assert!(again.0 >= 8_000_000_000, "{again:?}");
}
