//! One connection against a server made of frames.

use std::time::Duration;

use shardlane_wire::error::ErrorDetail;
use shardlane_wire::{SupportedOptions, event::StatusChangeKind};

use super::*;
use crate::config::{Credentials, Login, PoolSize};

mod logins;

mod versions;

const SECOND: Duration = Duration::from_secs(1);
const START: Instant = Instant(1_000_000_000);

/// What a connection has to tell.
#[derive(Debug)]
enum Told {
    Reply {
        token: u64,
        flags: u8,
        opcode: Opcode,
        body: Vec<u8>,
    },
    Event(ConnEvent),
}

/// A connection, and what it told while it read.
struct Reading {
    machine: Connection,
    told: VecDeque<Told>,
}

impl std::ops::Deref for Reading {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.machine
    }
}

impl std::ops::DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.machine
    }
}

impl Reading {
    fn handle_bytes(&mut self, now: Instant, mut bytes: &[u8]) -> Result<(), ConnectionError> {
        let mut parser = self.begin_input(now, bytes)?.expect("lent once");
        let result = self.read_frames(&mut parser, &mut bytes);
        self.end_input(parser);
        result
    }

    fn read_frames(
        &mut self,
        parser: &mut StreamParser,
        bytes: &mut &[u8],
    ) -> Result<(), ConnectionError> {
        loop {
            let frame = parser.push(bytes);
            let frame = frame.map_err(|e| ConnectionError::Protocol(e.to_string()))?;
            let Some(frame) = frame else { return Ok(()) };
            if let Some(reply) = self.machine.handle_frame(frame)? {
                self.told.push_back(Told::Reply {
                    token: reply.token,
                    flags: reply.flags,
                    opcode: reply.opcode,
                    body: reply.body.into_owned(),
                });
            }
            self.machine.adapt(parser);
            while let Some(event) = self.machine.poll_event() {
                self.told.push_back(Told::Event(event));
            }
        }
    }

    fn poll(&mut self) -> Option<Told> {
        let told = self.told.pop_front();
        told.or_else(|| self.machine.poll_event().map(Told::Event))
    }
}

struct Bench {
    conn: Reading,
    now: Instant,
    /// Parses what the connection writes.
    requests: StreamParser,
}

impl Bench {
    fn new(adapt: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(Vec::new());
        config.pool_size = PoolSize::PerShard(1);
        adapt(&mut config);
        let wanted = match config.protocol_version {
            Some(version) => Wanted::Exactly(version),
            None => Wanted::UpTo(Version::V5),
        };
        let mut conn = Reading {
            machine: Connection::new(Arc::new(config), wanted, START),
            told: VecDeque::new(),
        };
        conn.handle_connected(START);
        Self {
            conn,
            now: START,
            requests: StreamParser::new(Direction::Request, 16 << 20),
        }
    }

    /// Through the handshake.
    fn open(adapt: impl FnOnce(&mut Config)) -> Self {
        let mut bench = Self::new(adapt);
        assert_eq!(bench.sent(), [(0, Opcode::Options, vec![])]);
        bench.answer(0, &supported()).unwrap();
        assert_eq!(bench.sent()[0].1, Opcode::Startup);
        bench.answer(0, &Response::Ready).unwrap();
        let established = bench.conn.poll();
        assert!(matches!(
            established,
            Some(Told::Event(ConnEvent::Established(_)))
        ));
        bench
    }

    /// What the connection has written since the last call: stream, opcode, body.
    fn sent(&mut self) -> Vec<(i16, Opcode, Vec<u8>)> {
        self.conn.seal();
        let bytes = self.conn.unsent().to_vec();
        self.conn.handle_written(bytes.len());
        let (mut input, mut frames) = (&bytes[..], Vec::new());
        while let Some(frame) = self.requests.push(&mut input).expect("sound frames") {
            let header = frame.header;
            frames.push((header.stream, header.opcode, frame.body.to_vec()));
        }
        frames
    }

    fn answer(&mut self, stream: i16, response: &Response<'_>) -> Result<(), ConnectionError> {
        self.conn.handle_bytes(self.now, &frame(stream, response))
    }

    fn query(&mut self, token: u64, keyspace: Option<&str>) -> Result<Sent, Busy> {
        let keyspace: Option<Arc<str>> = keyspace.map(Into::into);
        let mut body = Vec::new();
        Request::Query(plain_query("SELECT"))
            .encode(Dialect::V4, &mut body)
            .unwrap();
        self.conn
            .send(token, Opcode::Query, 0, &body, keyspace.as_ref())
    }

    fn stream_of(&mut self, token: u64, keyspace: Option<&str>) -> u16 {
        match self.query(token, keyspace) {
            Ok(Sent::OnStream { stream, .. }) => stream,
            other => panic!("{other:?}"),
        }
    }

    /// The USE that was just sent: its stream and text.
    fn sent_use(&mut self) -> (i16, String) {
        let sent = self.sent();
        let [(stream, Opcode::Query, body)] = &sent[..] else {
            panic!("{sent:?}")
        };
        match Request::decode(Version::V4, Opcode::Query, body) {
            Ok(Request::Query(query)) => (*stream, query.text.to_owned()),
            other => panic!("{other:?}"),
        }
    }

    fn events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.conn.poll())
            .map(|told| match told {
                Told::Reply { token, opcode, .. } => format!("{opcode} {token}"),
                Told::Event(event) => match event {
                    ConnEvent::Established(_) => "established".to_owned(),
                    ConnEvent::Ask { class, step } => format!("ask {class} {step:?}"),
                    ConnEvent::KeyspaceReady { token } => format!("ready {token}"),
                    ConnEvent::KeyspaceRefused { token, .. } => format!("refused {token}"),
                    ConnEvent::Server(_) => "event".to_owned(),
                },
            })
            .collect()
    }
}

fn frame(stream: i16, response: &Response<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    response
        .encode_frame(Version::V4, stream, &ResponseEnvelope::default(), &mut out)
        .unwrap();
    out
}

fn supported() -> Response<'static> {
    Response::Supported(vec![
        ("CQL_VERSION", vec!["3.3.1"]),
        ("COMPRESSION", vec!["lz4", "snappy"]),
        ("SCYLLA_SHARD", vec!["2"]),
        ("SCYLLA_NR_SHARDS", vec!["4"]),
        ("SCYLLA_SHARDING_IGNORE_MSB", vec!["12"]),
        (
            "SCYLLA_SHARDING_ALGORITHM",
            vec!["biased-token-round-robin"],
        ),
        (
            "SCYLLA_PARTITIONER",
            vec!["org.apache.cassandra.dht.Murmur3Partitioner"],
        ),
        ("SCYLLA_SHARD_AWARE_PORT", vec!["19042"]),
        ("SCYLLA_SHARD_AWARE_PORT_SSL", vec!["19142"]),
    ])
}

const fn void() -> Response<'static> {
    Response::Result(ResultBody::Void)
}

fn error(detail: ErrorDetail) -> Response<'static> {
    Response::Error(ErrorBody::new("no", detail))
}

#[test]
fn handshake_with_a_shard_aware_server() {
    for (tls, port) in [(false, 19042), (true, 19142)] {
        let mut bench = Bench::new(|config| {
            config.tls = tls;
            config.application_name = Some("shop".to_owned());
        });
        bench.sent();
        bench.answer(0, &supported()).unwrap();
        let (_, _, body) = bench.sent().remove(0);
        let Ok(Request::Startup(startup)) = Request::decode(Version::V4, Opcode::Startup, &body)
        else {
            panic!("no STARTUP")
        };
        assert_eq!(startup.get("APPLICATION_NAME"), Some("shop"));
        assert_eq!(startup.get("COMPRESSION"), None, "off by default");
        bench.answer(0, &Response::Ready).unwrap();
        let Some(Told::Event(ConnEvent::Established(session))) = bench.conn.poll() else {
            panic!("not established")
        };
        let sharding = session.sharding.expect("shards were told");
        assert_eq!((sharding.shard, sharding.sharder.nr_shards.get()), (2, 4));
        assert_eq!(sharding.shard_aware_port, Some(port));
    }
}

#[test]
fn handshake_with_a_login() {
    let login = |config: &mut Config| {
        config.login = Login::Password(Credentials {
            username: "ann".to_owned(),
            password: "secret".to_owned(),
        });
    };
    let mut bench = Bench::new(login);
    bench.sent();
    bench.answer(0, &supported()).unwrap();
    bench.sent();
    let class = Response::Authenticate("org.apache.cassandra.auth.PasswordAuthenticator");
    bench.answer(0, &class).unwrap();
    let (_, opcode, body) = bench.sent().remove(0);
    assert_eq!(opcode, Opcode::AuthResponse);
    assert_eq!(body, b"\0\0\0\x0B\0ann\0secret");
    bench.answer(0, &Response::AuthSuccess(None)).unwrap();
    assert_eq!(bench.events(), ["established"]);
}

#[test]
fn a_server_that_wants_tls_is_recognised() {
    let alert = [0x15, 3, 1, 0, 2, 2, 10];
    let mut bench = Bench::new(|_| {});
    let end = bench.conn.handle_bytes(START, &alert).unwrap_err();
    assert!(
        matches!(&end, ConnectionError::Tls(e) if e.fault == TlsFault::TlsWanted),
        "{end:?}"
    );
    // The rest of a frame, or from a server that speaks TLS with us: no alert.
    let mut bench = Bench::new(|_| {});
    bench.conn.handle_bytes(START, &[0x84]).unwrap();
    bench.conn.handle_bytes(START, &alert).unwrap();
    let mut bench = Bench::new(|config| config.tls = true);
    bench.conn.handle_bytes(START, &alert).unwrap();
}

#[test]
fn a_server_that_hangs_up_at_once_is_told_from_one_that_hangs_up_later() {
    let bench = Bench::new(|_| {});
    let reset = ConnectionError::Io("reset".to_owned());
    for error in [&reset, &ConnectionError::ClosedByServer] {
        let told = bench.conn.handle_closed(error);
        assert!(matches!(told, ConnectionError::HungUp(_)), "{told:?}");
    }
    let bench = Bench::open(|_| {});
    assert_eq!(bench.conn.handle_closed(&reset), reset);
}

type IsRight = fn(&ConnectionError) -> bool;

#[test]
fn handshakes_that_fail() {
    let bad_login = ErrorBody::new("no", ErrorDetail::AuthenticationError);
    let class = Response::Authenticate("PasswordAuthenticator");
    let steps: [(&str, Vec<Response<'_>>, IsRight); 6] = [
        ("refused", vec![error(ErrorDetail::ProtocolError)], |e| {
            matches!(e, ConnectionError::Refused(_))
        }),
        ("out of turn", vec![Response::Ready], |e| {
            matches!(e, ConnectionError::Protocol(_))
        }),
        (
            "half an offer",
            vec![Response::Supported(vec![("SCYLLA_SHARD", vec!["0"])])],
            |e| matches!(e, ConnectionError::Protocol(_)),
        ),
        ("result instead of READY", vec![supported(), void()], |e| {
            matches!(e, ConnectionError::Protocol(_))
        }),
        (
            "bad login",
            vec![supported(), class.clone(), Response::Error(bad_login)],
            |e| matches!(e, ConnectionError::Refused(b) if b.detail == ErrorDetail::AuthenticationError),
        ),
        (
            "challenge",
            vec![supported(), class.clone(), Response::AuthChallenge(None)],
            |e| matches!(e, ConnectionError::Authentication(_)),
        ),
    ];
    for (name, responses, is_right) in steps {
        let mut bench = Bench::new(|config| {
            config.login = Login::Password(Credentials {
                username: String::new(),
                password: String::new(),
            });
        });
        let (last, before) = responses.split_last().unwrap();
        for response in before {
            bench.answer(0, response).unwrap();
        }
        let end = bench.answer(0, last).expect_err(name);
        assert!(is_right(&end), "{name}: {end:?}");
        assert!(bench.events().is_empty(), "{name}");
    }
    let mut bench = Bench::new(|_| {});
    bench.answer(0, &supported()).unwrap();
    let end = bench.answer(0, &class).unwrap_err();
    assert!(
        matches!(end, ConnectionError::Authentication(_)),
        "no credentials: {end:?}"
    );
}

#[test]
fn silence_ends_the_handshake_and_later_the_connection() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.conn.next_timeout(), START + SECOND * 5);
    assert_eq!(bench.conn.handle_timeout(START + SECOND * 4), Ok(()));
    let end = bench.conn.handle_timeout(START + SECOND * 5).unwrap_err();
    assert_eq!(end, ConnectionError::HandshakeTimeout(SECOND * 5));

    let mut bench = Bench::open(|_| {});
    let probe_at = bench.conn.next_timeout();
    assert_eq!(probe_at, START + SECOND * 30);
    bench.conn.handle_timeout(probe_at).unwrap();
    let keepalive = bench.sent();
    assert_eq!(keepalive[0].1, Opcode::Options);
    // Answered: all is well, and the next one comes as long after.
    bench.now = probe_at + SECOND;
    bench.answer(keepalive[0].0, &supported()).unwrap();
    assert_eq!(bench.conn.next_timeout(), probe_at + SECOND * 31);
    bench.conn.handle_timeout(probe_at + SECOND * 31).unwrap();
    bench.conn.handle_timeout(probe_at + SECOND * 60).unwrap();
    let end = bench
        .conn
        .handle_timeout(probe_at + SECOND * 61)
        .unwrap_err();
    assert_eq!(end, ConnectionError::KeepaliveTimeout(SECOND * 30));
}

#[test]
fn any_split_of_the_bytes_gives_the_same() {
    let event = Response::Event(Event::StatusChange {
        change: StatusChangeKind::Up,
        address: std::net::SocketAddr::from(([10, 0, 0, 1], 9042)),
    });
    let bytes = [
        frame(0, &void()),
        frame(-1, &event),
        frame(1, &error(ErrorDetail::Invalid)),
    ];
    let bytes = bytes.concat();
    for first in 0..=bytes.len() {
        for second in [first, (first + 5).min(bytes.len()), bytes.len()] {
            let mut bench = Bench::open(|_| {});
            assert_eq!((bench.stream_of(7, None), bench.stream_of(8, None)), (0, 1));
            for part in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                bench.conn.handle_bytes(bench.now, part).unwrap();
            }
            assert_eq!(
                bench.events(),
                ["RESULT 7", "event", "ERROR 8"],
                "{first} {second}"
            );
            assert!(bench.conn.unanswered().is_empty());
        }
    }
}

#[test]
fn bytes_that_break_the_protocol_end_the_connection() {
    let too_long = [0x84, 0, 0, 0, 8, 0x10, 0, 0, 1];
    let compressed = [0x84, 1, 0, 0, 8, 0, 0, 0, 0];
    let cases: [(&str, Vec<u8>); 9] = [
        (
            "a version of the future",
            vec![0x89, 0, 0, 0, 8, 0, 0, 0, 0],
        ),
        ("a request", vec![0x04, 0, 0, 0, 8, 0, 0, 0, 0]),
        ("an unknown opcode", vec![0x84, 0, 0, 0, 0x77, 0, 0, 0, 0]),
        ("an opcode of requests", vec![0x84, 0, 0, 0, 7, 0, 0, 0, 0]),
        ("a body beyond the limit", too_long.to_vec()),
        ("compression that was not negotiated", compressed.to_vec()),
        ("a stream that waits for nothing", frame(5, &void())),
        (
            "a second answer",
            [frame(0, &void()), frame(0, &void())].concat(),
        ),
        (
            "an event that is none",
            vec![0x84, 0, 0xFF, 0xFF, 0x0C, 0, 0, 0, 2, 0, 9],
        ),
    ];
    for (name, bytes) in cases {
        let mut bench = Bench::open(|_| {});
        bench.stream_of(7, None);
        bench.stream_of(8, None);
        bench.query(9, Some("a")).unwrap();
        let end = bench.conn.handle_bytes(bench.now, &bytes).expect_err(name);
        assert!(
            matches!(end, ConnectionError::Protocol(_)),
            "{name}: {end:?}"
        );
        let mut tokens = bench.conn.unanswered();
        while let Some(Told::Reply { token, .. }) = bench.conn.poll() {
            tokens.push(token);
        }
        tokens.sort_unstable();
        assert_eq!(tokens, [7, 8, 9], "{name}: all requests are accounted for");
    }
}

#[test]
fn a_body_is_copied_to_where_there_is_room_for_it() {
    let reply = |body| Reply {
        token: 0,
        opcode: Opcode::Result,
        flags: 0,
        body,
    };
    let bytes = [7; 100];
    let buffer = Vec::with_capacity(100);
    let place = buffer.as_ptr();
    let body = reply(Cow::Borrowed(&bytes[..])).into_body(buffer);
    assert_eq!((&body[..], body.as_ptr()), (&bytes[..], place));
    // Not where it does not fit, nor where it would hold on to far more.
    for capacity in [0, 99, 400 + SPARE_BYTES_MAX + 1] {
        let body = reply(Cow::Borrowed(&bytes[..])).into_body(Vec::with_capacity(capacity));
        assert_eq!((&body[..], body.capacity()), (&bytes[..], 100));
    }
    // What has a buffer of its own keeps it.
    let owned = bytes.to_vec();
    let place = owned.as_ptr();
    let body = reply(Cow::Owned(owned)).into_body(Vec::with_capacity(200));
    assert_eq!((&body[..], body.as_ptr()), (&bytes[..], place));
}

#[test]
fn a_write_buffer_that_has_grown_is_given_back_and_is_moved_seldom() {
    let mut bench = Bench::open(|_| {});
    let body = vec![7; 1 << 20];
    for token in 0..8 {
        let sent = bench.conn.send(token, Opcode::Query, 0, &body, None);
        assert!(matches!(sent, Ok(Sent::OnStream { .. })));
    }
    let (mut written, mut moves) = (Vec::new(), 0);
    while bench.conn.has_unsent() {
        let unsent = bench.conn.unsent();
        let count = unsent.len().min(10_000);
        written.extend_from_slice(&unsent[..count]);
        bench.conn.handle_written(count);
        moves += usize::from(bench.conn.out_start == 0);
    }
    assert_eq!(written.len(), 8 * ((1 << 20) + 9));
    assert!(
        written
            .chunks((1 << 20) + 9)
            .all(|frame| frame[9..] == body)
    );
    assert!(moves < 16, "{moves}");
    assert_eq!(bench.conn.out.capacity(), 0);
    // What requests need as a rule stays.
    bench.query(9, None).unwrap();
    bench.sent();
    assert!(bench.conn.out.capacity() > 0);
}

#[test]
fn random_bytes_never_panic() {
    let mut rng = crate::rng::Rng::new(5);
    for _ in 0..5000 {
        let mut bench = Bench::open(|_| {});
        bench.query(7, Some("ks")).unwrap();
        bench.stream_of(8, None);
        let mut bytes: Vec<u8> = (0..rng.below(60)).map(|_| rng.next_u64() as u8).collect();
        // Most of them plausible at first sight.
        for (at, value) in [0x84, 0, 0, rng.below(3) as u8, rng.below(17) as u8, 0, 0, 0]
            .into_iter()
            .enumerate()
        {
            if rng.below(10) > 0 && at < bytes.len() {
                bytes[at] = value;
            }
        }
        let _ = bench.conn.handle_bytes(bench.now, &bytes);
    }
}

#[test]
fn late_answers_reach_nobody_and_free_the_stream() {
    let mut bench = Bench::open(|config| config.in_flight_per_connection_max = 2);
    let (a, b) = (bench.stream_of(1, None), bench.stream_of(2, None));
    assert_eq!(bench.query(3, None), Err(Busy));
    bench.conn.abandon(bench.now, 1, Some(a)).unwrap();
    assert_eq!(
        bench.query(3, None),
        Err(Busy),
        "not before the answer has come"
    );
    assert_eq!(bench.conn.unanswered(), [2]);
    bench.answer(a as i16, &void()).unwrap();
    assert!(bench.events().is_empty(), "nobody waits for it");
    assert_eq!(bench.stream_of(3, None), a);
    bench.answer(a as i16, &void()).unwrap();
    bench.answer(b as i16, &void()).unwrap();
    assert_eq!(bench.events(), ["RESULT 3", "RESULT 2"]);
    assert_eq!(bench.conn.in_flight(), 0);
}

#[test]
fn too_many_old_orphans_end_the_connection() {
    let mut bench = Bench::open(|config| config.orphans_max = 3);
    for token in 0..4 {
        let stream = bench.stream_of(token, None);
        bench.conn.abandon(bench.now, token, Some(stream)).unwrap();
    }
    assert_eq!(
        bench.conn.handle_timeout(bench.now + SECOND / 2),
        Ok(()),
        "young ones"
    );
    let end = bench.conn.handle_timeout(bench.now + SECOND).unwrap_err();
    assert_eq!(end, ConnectionError::TooManyOrphans(4));
}

#[test]
fn a_connection_of_few_streams_is_given_up_before_orphans_fill_it() {
    let mut bench = Bench::open(|config| config.in_flight_per_connection_max = 8);
    for token in 0..5 {
        let stream = bench.stream_of(token, None);
        bench.conn.abandon(bench.now, token, Some(stream)).unwrap();
    }
    let due = bench.now + SECOND;
    assert_eq!(
        bench.conn.next_timeout(),
        due,
        "not only when something else happens"
    );
    let end = bench.conn.handle_timeout(due).unwrap_err();
    assert_eq!(end, ConnectionError::TooManyOrphans(5));
}

#[test]
fn two_sessions_with_different_keyspaces_take_turns() {
    let mut bench = Bench::open(|_| {});
    // Names resolved by PREPARE do not depend on the keyspace and pass by.
    assert_eq!(bench.query(1, Some("a")), Ok(Sent::AwaitingKeyspace));
    let (use_stream, text) = bench.sent_use();
    assert_eq!(text, "USE \"a\"");
    assert_eq!(bench.query(2, Some("b")), Ok(Sent::AwaitingKeyspace));
    assert_eq!(
        bench.query(3, Some("a")),
        Ok(Sent::AwaitingKeyspace),
        "behind b"
    );
    let by_passer = bench.stream_of(4, None);
    bench.sent();
    let in_use = Response::Result(ResultBody::SetKeyspace("a"));
    bench.answer(use_stream, &in_use).unwrap();
    assert_eq!(bench.events(), ["ready 1"]);
    assert!(
        bench.sent().is_empty(),
        "no switch before the admitted one is answered"
    );
    let (stream, _) = bench.conn.send_admitted(1, Opcode::Query, 0, &[]).unwrap();
    bench.sent();
    bench.answer(by_passer as i16, &void()).unwrap();
    assert!(bench.sent().is_empty(), "1 is not answered yet");
    bench.answer(stream as i16, &void()).unwrap();
    assert_eq!(bench.events(), ["RESULT 4", "RESULT 1"]);
    let (use_stream, text) = bench.sent_use();
    assert_eq!(text, "USE \"b\"");
    // Refused: it concerns only those who want it.
    bench
        .answer(use_stream, &error(ErrorDetail::Invalid))
        .unwrap();
    assert_eq!(bench.events(), ["refused 2", "ready 3"]);
    bench.conn.decline();
    assert_eq!(bench.stream_of(5, Some("a")), stream, "already in a");
    assert_eq!(bench.conn.unanswered(), [5]);
}

#[test]
fn a_server_that_spells_the_keyspace_otherwise_is_not_asked_again() {
    let mut bench = Bench::open(|_| {});
    bench.query(1, Some("My\"Keyspace")).unwrap();
    let (use_stream, text) = bench.sent_use();
    assert_eq!(text, "USE \"My\"\"Keyspace\"");
    bench
        .answer(
            use_stream,
            &Response::Result(ResultBody::SetKeyspace("other")),
        )
        .unwrap();
    assert_eq!(bench.events(), ["ready 1"]);
    bench.conn.decline();
    assert!(bench.sent().is_empty());
}

#[test]
fn use_by_the_application_makes_the_keyspace_unknown() {
    let mut bench = Bench::open(|_| {});
    bench.query(1, Some("a")).unwrap();
    let (stream, _) = bench.sent_use();
    bench
        .answer(stream, &Response::Result(ResultBody::SetKeyspace("a")))
        .unwrap();
    bench.events();
    bench.conn.decline();
    let stream = bench.stream_of(2, None);
    bench.sent();
    bench
        .answer(
            stream as i16,
            &Response::Result(ResultBody::SetKeyspace("z")),
        )
        .unwrap();
    assert_eq!(bench.query(3, Some("a")), Ok(Sent::AwaitingKeyspace));
    assert_eq!(bench.sent_use().1, "USE \"a\"");
}

#[test]
fn waiting_for_a_keyspace_is_bounded_and_can_be_given_up() {
    let mut bench = Bench::open(|config| config.in_flight_per_connection_max = 2);
    let (a, _) = (bench.stream_of(8, None), bench.stream_of(9, None));
    assert_eq!(bench.query(1, Some("a")), Ok(Sent::AwaitingKeyspace));
    assert_eq!(bench.query(2, Some("a")), Ok(Sent::AwaitingKeyspace));
    assert_eq!(bench.query(3, Some("a")), Err(Busy));
    bench.conn.abandon(bench.now, 1, None).unwrap();
    bench.sent();
    // No stream was free for USE; now one is.
    bench.answer(a as i16, &void()).unwrap();
    assert_eq!(bench.events(), ["RESULT 8"]);
    let (stream, _) = bench.sent_use();
    bench
        .answer(stream, &Response::Result(ResultBody::SetKeyspace("a")))
        .unwrap();
    // What nobody has polled yet is not lost either.
    let mut tokens = bench.conn.unanswered();
    tokens.sort_unstable();
    assert_eq!(tokens, [2, 9]);
    assert_eq!(bench.events(), ["ready 2"]);
}

#[test]
fn what_has_left_is_known_to_the_byte() {
    let mut bench = Bench::open(|_| {});
    let position = |sent| match sent {
        Ok(Sent::OnStream { position, .. }) => position,
        other => panic!("{other:?}"),
    };
    let first = position(bench.query(1, None));
    let second = position(bench.query(2, None));
    let length = (second - first) as usize;
    assert_eq!(bench.conn.unsent().len(), 2 * length);
    assert!(!bench.conn.has_written_from(first));
    bench.conn.handle_written(1);
    assert!(bench.conn.has_written_from(first) && !bench.conn.has_written_from(second));
    bench.conn.handle_written(length - 1);
    assert!(!bench.conn.has_written_from(second));
    bench.conn.handle_written(1);
    assert!(bench.conn.has_written_from(second));
}

#[test]
fn long_bodies_are_compressed_if_the_server_agrees() {
    for offered in [true, false] {
        let mut bench = Bench::new(|config| config.compression = Some(Compression::Lz4));
        bench.sent();
        let Response::Supported(mut options) = supported() else {
            unreachable!()
        };
        options.retain(|(key, _)| offered || *key != "COMPRESSION");
        assert_eq!(
            SupportedOptions::parse(&options)
                .unwrap()
                .offers(Compression::Lz4),
            offered
        );
        bench.answer(0, &Response::Supported(options)).unwrap();
        bench.sent();
        bench.answer(0, &Response::Ready).unwrap();
        let body = vec![7; 2000];
        bench.conn.send(1, Opcode::Query, 0, &body, None).unwrap();
        let bytes = bench.conn.unsent().to_vec();
        assert_eq!(bytes[1] & Flags::COMPRESSION != 0, offered);
        assert_eq!(bytes.len() < 1000, offered);
        if offered {
            // And an answer that is compressed is read.
            let mut compressed = Vec::new();
            Compression::Lz4
                .compress(&[0, 0, 0, 1], &mut compressed)
                .unwrap();
            let mut header = FrameHeader::response(Version::V4, 0, Opcode::Result);
            header.flags = Flags::COMPRESSION;
            header.length = compressed.len() as u32;
            let bytes = [&header.encode()[..], &compressed].concat();
            bench.events();
            bench.conn.handle_bytes(bench.now, &bytes).unwrap();
            let event = bench.conn.poll();
            assert!(
                matches!(&event, Some(Told::Reply { flags: 0, body, .. }) if *body == [0, 0, 0, 1]),
                "{event:?}"
            );
        }
    }
}
