//! The control machine alone: rounds of candidates, and which refresh tells what.

use shardlane_routing::HostId;
use shardlane_wire::error::{ErrorBody, ErrorDetail};
use shardlane_wire::result::MetadataFlags;
use shardlane_wire::types::CqlType;
use shardlane_wire::{ColumnSpec, ResultBody, Rows, RowsMetadata};

use super::*;

const MS: Duration = Duration::from_millis(1);

struct Bench {
    control: Control,
    rng: Rng,
    now: Instant,
    next: u32,
}

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 9042))
}

fn name(host: &str) -> ContactPoint {
    ContactPoint::Name {
        host: host.to_owned(),
        port: 9042,
    }
}

impl Bench {
    fn new(contact_points: Vec<ContactPoint>) -> Self {
        Self {
            control: Control::new(&Config::new(contact_points)),
            rng: Rng::new(3),
            now: Instant(1),
            next: 0,
        }
    }

    /// Lets the next timer fire.
    fn wait(&mut self, known: &[u8]) {
        let at = self.control.next_timeout().expect("a timer");
        self.now = self.now.max(at);
        let known = || known.iter().map(|&n| address(n)).collect();
        self.control.handle_timeout(self.now, known, &mut self.rng);
    }

    /// The address of the attempt that is wanted now; it has a connection from here on.
    fn connect(&mut self) -> SocketAddr {
        match self.control.poll_request() {
            Some(ControlRequest::Connect { address }) => {
                self.control.opened(ConnId(self.next));
                self.next += 1;
                address
            }
            other => panic!("{other:?}"),
        }
    }

    fn resolve(&mut self) -> String {
        match self.control.poll_request() {
            Some(ControlRequest::Resolve { host, .. }) => host,
            other => panic!("{other:?}"),
        }
    }

    fn resolved(&mut self, host: &str, result: Result<Vec<SocketAddr>, String>) {
        self.control
            .handle_resolved(self.now, host, result, &mut self.rng);
    }

    fn lose(&mut self) {
        let error = ConnectionError::ClosedByServer;
        self.control.handle_lost(self.now, &error, &mut self.rng);
    }

    fn establish(&mut self) {
        self.control
            .handle_established(self.now, ConnId(self.next - 1));
    }

    /// How many queries of a refresh wait to be sent; REGISTER aside.
    fn queries(&mut self) -> usize {
        std::iter::from_fn(|| self.control.poll_request())
            .filter(|r| matches!(r, ControlRequest::Send { token, .. } if *token != REGISTER))
            .count()
    }

    /// Answers all queries of the refresh in flight.
    fn answer(&mut self) -> Result<(), ConnectionError> {
        let row = [
            ("host_id", [7; 16].to_vec()),
            ("data_center", b"dc".to_vec()),
            ("tokens", vec![0, 0, 0, 1, 0, 0, 0, 1, b'5']),
        ];
        respond(&mut self.control, 0, &[&row])?;
        (1..4).try_for_each(|token| respond(&mut self.control, token, &[]))
    }

    fn refreshed(&mut self) -> Option<(u64, usize)> {
        std::iter::from_fn(|| self.control.poll_event()).find_map(|event| match event {
            ControlEvent::Refreshed {
                generation,
                snapshot,
            } => Some((generation, snapshot.nodes.len())),
            _ => None,
        })
    }
}

fn respond(
    control: &mut Control,
    token: u64,
    rows: &[&[(&str, Vec<u8>)]],
) -> Result<(), ConnectionError> {
    let (mut raw_columns, mut cells) = (Vec::new(), Vec::new());
    let names = rows.first().copied().unwrap_or_default();
    let specs: Vec<ColumnSpec> = names
        .iter()
        .map(|(name, _)| ColumnSpec {
            keyspace: "system".into(),
            table: "t".into(),
            name: (*name).into(),
            cql_type: CqlType::Blob,
        })
        .collect();
    shardlane_wire::result::encode_columns(&specs, true, &mut raw_columns).unwrap();
    for (_, value) in rows.iter().copied().flatten() {
        cells.extend_from_slice(&(value.len() as i32).to_be_bytes());
        cells.extend_from_slice(value);
    }
    let rows = Rows {
        metadata: RowsMetadata {
            flags: MetadataFlags::GLOBAL_TABLE_SPEC,
            column_count: specs.len() as u32,
            raw_columns: &raw_columns,
            ..RowsMetadata::default()
        },
        rows_count: rows.len() as u32,
        rows: &cells,
    };
    control.handle_response(token, &Response::Result(ResultBody::Rows(rows)))
}

#[test]
fn names_are_asked_only_when_no_address_is_left() {
    let points = vec![
        name("a"),
        ContactPoint::Address(address(1)),
        name("b"),
        name("c"),
    ];
    let mut bench = Bench::new(points);
    bench.wait(&[]);
    assert_eq!(bench.connect(), address(1));
    bench.lose();
    assert_eq!(
        [bench.resolve(), bench.resolve(), bench.resolve()],
        ["a", "b", "c"]
    );
    bench.resolved("b", Ok(vec![]));
    bench.resolved("a", Err("no such host".to_owned()));
    bench.resolved("c", Ok(vec![address(1), address(2), address(3)]));
    assert_eq!(bench.connect(), address(2), "1 has been tried");
    bench.lose();
    assert_eq!(bench.connect(), address(3));
    bench.lose();
    let Some(ControlEvent::Unreachable(errors)) = bench.control.poll_event() else {
        panic!("not told")
    };
    let who: Vec<&str> = errors.iter().map(|(who, _)| &**who).collect();
    assert_eq!(
        who,
        ["10.0.0.1:9042", "b", "a", "10.0.0.2:9042", "10.0.0.3:9042"]
    );
    // And all over again, a little later.
    let begun = bench.now;
    bench.wait(&[]);
    assert!(bench.now > begun);
    assert_eq!(bench.connect(), address(1));
}

#[test]
fn known_nodes_come_first_and_the_one_just_lost_last() {
    let mut bench = Bench::new(vec![ContactPoint::Address(address(1))]);
    bench.wait(&[]);
    assert_eq!(bench.connect(), address(1));
    bench.establish();
    assert_eq!(bench.queries(), QUERIES.len());
    bench.answer().unwrap();
    assert_eq!(bench.refreshed(), Some((1, 1)));
    bench.lose();
    bench.wait(&[1, 2, 3]);
    for expected in [2, 3, 1] {
        assert_eq!(bench.connect(), address(expected));
        bench.lose();
    }
    assert!(matches!(
        bench.control.poll_event(),
        Some(ControlEvent::Unreachable(_))
    ));
}

#[test]
fn a_node_whose_first_refresh_fails_is_as_good_as_unreachable() {
    let mut bench = Bench::new(vec![
        ContactPoint::Address(address(1)),
        ContactPoint::Address(address(2)),
    ]);
    bench.wait(&[]);
    bench.connect();
    bench.establish();
    bench.queries();
    let refusal = Response::Error(ErrorBody::new("no", ErrorDetail::ServerError));
    let error = bench.control.handle_response(1, &refusal).unwrap_err();
    assert!(matches!(error, ConnectionError::Protocol(_)));
    bench.lose();
    assert_eq!(bench.connect(), address(2), "at once");
    // Silence is no better.
    bench.establish();
    bench.queries();
    bench.wait(&[]);
    let request = bench.control.poll_request();
    assert!(
        matches!(request, Some(ControlRequest::Close { .. })),
        "{request:?}"
    );
}

#[test]
fn a_refresh_in_flight_does_not_tell_what_came_after_it_began() {
    let mut bench = Bench::new(vec![ContactPoint::Address(address(1))]);
    bench.wait(&[]);
    bench.connect();
    bench.establish();
    assert_eq!(bench.queries(), QUERIES.len());
    // The first refresh is on its way when something happens.
    let wanted = bench.control.schedule_refresh(bench.now, Duration::ZERO);
    bench.answer().unwrap();
    let (generation, _) = bench.refreshed().unwrap();
    assert!(generation < wanted, "too early to know");
    assert_eq!(bench.queries(), 0);
    bench.wait(&[]);
    assert_eq!(bench.queries(), QUERIES.len());
    // Lost on the way: the next one will do.
    bench.lose();
    bench.wait(&[1]);
    bench.connect();
    bench.establish();
    bench.queries();
    bench.answer().unwrap();
    assert!(bench.refreshed().unwrap().0 >= wanted);
}

#[test]
fn events_wait_for_the_rest_of_the_burst() {
    let mut bench = Bench::new(vec![ContactPoint::Address(address(1))]);
    bench.wait(&[]);
    bench.connect();
    bench.establish();
    bench.queries();
    bench.answer().unwrap();
    assert_eq!(bench.control.next_timeout(), None);
    let first = bench.now;
    for _ in 0..5 {
        let event = Event::TopologyChange {
            change: shardlane_wire::event::TopologyChangeKind::New,
            address: address(2),
        };
        bench.control.handle_event(bench.now, &event);
        bench.now = bench.now + MS * 10;
    }
    assert_eq!(bench.control.next_timeout(), Some(first + EVENT_QUIET));
    bench.wait(&[]);
    assert_eq!(bench.queries(), QUERIES.len());
}

#[test]
fn an_answer_without_any_usable_node_is_refused() {
    let mut bench = Bench::new(vec![ContactPoint::Address(address(1))]);
    bench.wait(&[]);
    bench.connect();
    bench.establish();
    let end = (0..4).try_for_each(|token| respond(&mut bench.control, token, &[]));
    assert!(matches!(end, Err(ConnectionError::Protocol(_))), "{end:?}");
}

#[test]
fn one_node_under_two_addresses_counts_once_and_old_versions_of_the_dead_do_not() {
    let node = |id: u8, at: u8, version: u8| super::super::topology::NodeInfo {
        host_id: HostId([id; 16]),
        address: address(at),
        datacenter: "dc".to_owned(),
        rack: String::new(),
        release_version: String::new(),
        tokens: vec![shardlane_routing::Token(1)],
        schema_version: Some(HostId([version; 16])),
    };
    let mut snapshot = Snapshot {
        nodes: vec![node(1, 1, 5), node(2, 2, 5), node(1, 9, 5), node(3, 3, 4)],
        ..Snapshot::default()
    };
    snapshot.drop_repeated_nodes();
    let addresses: Vec<SocketAddr> = snapshot.nodes.iter().map(|n| n.address).collect();
    assert_eq!(addresses, [address(1), address(2), address(3)]);
    assert!(!snapshot.schema_agrees(|_| true));
    assert!(snapshot.schema_agrees(|host_id| host_id != HostId([3; 16])));
}
