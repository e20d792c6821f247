//! The control machine alone: rounds of candidates, and which refresh tells what.

use shardlane_routing::{HostId, Token};
use shardlane_wire::error::{ErrorBody, ErrorDetail};
use shardlane_wire::event::ClientRoutesChange;
use shardlane_wire::result::MetadataFlags;
use shardlane_wire::types::CqlType;
use shardlane_wire::{ColumnSpec, ResultBody, Rows, RowsMetadata, Version};

use super::super::topology::Topology;
use super::*;
use crate::config::{ClientRoute, ClientRoutes};

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
        Self::with(&Config::new(contact_points))
    }

    fn with(config: &Config) -> Self {
        Self {
            control: Control::new(config),
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

    /// A ScyllaDB node has answered.
    fn establish(&mut self) {
        self.establish_as(Dialect::V4, true);
    }

    fn establish_as(&mut self, dialect: Dialect, is_scylla: bool) {
        self.control
            .handle_established(self.now, ConnId(self.next - 1), dialect, is_scylla);
    }

    /// What waits to be sent: token, text and paging state of queries; REGISTER aside.
    fn sent(&mut self) -> Vec<(u64, String, Option<Vec<u8>>)> {
        let query = |request| match request {
            ControlRequest::Send {
                token,
                opcode: Opcode::Query,
                body,
                ..
            } => match Request::decode(Dialect::V4, Opcode::Query, &body) {
                Ok(Request::Query(query)) => {
                    let paging_state = query.params.paging_state.map(<[u8]>::to_vec);
                    Some((token, query.text.to_owned(), paging_state))
                }
                other => panic!("{other:?}"),
            },
            _ => None,
        };
        std::iter::from_fn(|| self.control.poll_request())
            .filter_map(query)
            .collect()
    }

    /// The tables that wait to be read.
    fn tables(&mut self) -> Vec<String> {
        let table = |(_, text, _): (u64, String, Option<Vec<u8>>)| {
            let from = text.split(" FROM ").nth(1).unwrap_or_default();
            // Said to ScyllaDB only.
            from.split(" USING TIMEOUT 5000ms")
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        self.sent().into_iter().map(table).collect()
    }

    fn respond(&mut self, token: u64, rows: &[&[(&str, Vec<u8>)]]) -> Result<(), ConnectionError> {
        self.respond_with(token, rows, None)
    }

    /// Answers all queries of a full refresh of a ScyllaDB node.
    fn answer(&mut self) -> Result<(), ConnectionError> {
        self.respond(0, &[&node_row(7)])?;
        (1..3).try_for_each(|token| self.respond(token, &[]))
    }

    /// Connected, and through the first refresh.
    fn up() -> Self {
        let mut bench = Self::new(vec![ContactPoint::Address(address(1))]);
        bench.wait(&[]);
        bench.connect();
        bench.establish();
        assert_eq!(bench.tables().len(), 3);
        bench.answer().unwrap();
        assert_eq!(bench.refreshed(), Some((1, 1)));
        bench
    }

    fn update(&mut self) -> Option<Update> {
        std::iter::from_fn(|| self.control.poll_event()).find_map(|event| match event {
            ControlEvent::Refreshed { update, .. } => Some(*update),
            _ => None,
        })
    }

    fn refreshed(&mut self) -> Option<(u64, usize)> {
        std::iter::from_fn(|| self.control.poll_event()).find_map(|event| match event {
            ControlEvent::Refreshed { generation, update } => {
                Some((generation, update.topology.nodes.len()))
            }
            _ => None,
        })
    }

    fn respond_with(
        &mut self,
        token: u64,
        rows: &[&[(&str, Vec<u8>)]],
        paging_state: Option<&[u8]>,
    ) -> Result<(), ConnectionError> {
        let body = rows_body(rows);
        let mut rows = body.rows();
        rows.metadata.paging_state = paging_state;
        let response = Response::Result(ResultBody::Rows(rows));
        self.control.handle_response(self.now, token, &response)
    }
}

fn node_row(id: u8) -> [(&'static str, Vec<u8>); 3] {
    [
        ("host_id", [id; 16].to_vec()),
        ("data_center", b"dc".to_vec()),
        ("tokens", vec![0, 0, 0, 1, 0, 0, 0, 1, b'5']),
    ]
}

/// Rows as bytes.
struct RowsBody {
    column_count: u32,
    raw_columns: Vec<u8>,
    rows_count: u32,
    cells: Vec<u8>,
}

impl RowsBody {
    fn rows(&self) -> Rows<'_> {
        Rows {
            metadata: RowsMetadata {
                flags: MetadataFlags::GLOBAL_TABLE_SPEC,
                column_count: self.column_count,
                raw_columns: &self.raw_columns,
                ..RowsMetadata::default()
            },
            rows_count: self.rows_count,
            rows: &self.cells,
        }
    }
}

fn rows_body(rows: &[&[(&str, Vec<u8>)]]) -> RowsBody {
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
    RowsBody {
        column_count: specs.len() as u32,
        raw_columns,
        rows_count: rows.len() as u32,
        cells,
    }
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
    assert_eq!(bench.tables().len(), 3);
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
    bench.tables();
    let refusal = Response::Error(ErrorBody::new("no", ErrorDetail::ServerError));
    let error = bench
        .control
        .handle_response(bench.now, 1, &refusal)
        .unwrap_err();
    assert!(matches!(error, ConnectionError::Protocol(_)));
    bench.lose();
    assert_eq!(bench.connect(), address(2), "at once");
    // Silence is no better.
    bench.establish();
    bench.tables();
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
    assert_eq!(bench.tables().len(), 3);
    // The first refresh is on its way when something happens.
    let wanted = bench
        .control
        .schedule_refresh(bench.now, Duration::ZERO, Scope::EVERYTHING);
    bench.answer().unwrap();
    let (generation, _) = bench.refreshed().unwrap();
    assert!(generation < wanted, "too early to know");
    assert_eq!(bench.tables(), [""; 0]);
    bench.wait(&[]);
    assert_eq!(bench.tables().len(), 3);
    // Lost on the way: the next one will do.
    bench.lose();
    bench.wait(&[1]);
    bench.connect();
    bench.establish();
    bench.tables();
    bench.answer().unwrap();
    assert!(bench.refreshed().unwrap().0 >= wanted);
}

fn schema_change(keyspace: &str, target: SchemaTarget) -> Event {
    Event::SchemaChange(SchemaChange {
        kind: SchemaChangeKind::Updated,
        keyspace: keyspace.into(),
        target,
    })
}

#[test]
fn scylla_is_told_how_long_a_query_may_take() {
    for is_scylla in [true, false] {
        let mut bench = Bench::new(vec![ContactPoint::Address(address(1))]);
        bench.wait(&[]);
        bench.connect();
        bench.establish_as(Dialect::V4, is_scylla);
        for (_, text, _) in bench.sent() {
            assert_eq!(text.ends_with(" USING TIMEOUT 5000ms"), is_scylla, "{text}");
        }
    }
}

/// A row of `system.tablets` with one replica.
fn tablet_row(table: &str, last: i64, shard: u8) -> Vec<(&'static str, Vec<u8>)> {
    let tablet = vec![(HostId([7; 16]), u16::from(shard))];
    let tablet = shardlane_routing::Tablet::new(Token(i64::MIN), Token(last), tablet).unwrap();
    let mut value = Vec::new();
    shardlane_routing::tablets::payload::encode(&tablet, &mut value);
    vec![
        ("keyspace_name", b"ks".to_vec()),
        ("table_name", table.as_bytes().to_vec()),
        ("last_token", last.to_be_bytes().to_vec()),
        // Behind two tokens and the length.
        ("replicas", value[28..].to_vec()),
    ]
}

#[test]
fn all_tablets_are_read_in_advance_if_that_is_wanted() {
    let mut config = Config::new(vec![ContactPoint::Address(address(1))]);
    config.tablet_warm_up = true;
    let mut bench = Bench::with(&config);
    bench.wait(&[]);
    bench.connect();
    bench.establish();
    assert_eq!(bench.tables().last().unwrap(), "system.tablets");
    bench.answer().unwrap();
    let rows = [
        tablet_row("a", -5, 1),
        tablet_row("a", i64::MAX, 2),
        tablet_row("b", 9, 3),
    ];
    let rows: Vec<&[_]> = rows.iter().map(Vec::as_slice).collect();
    bench.respond(3, &rows).unwrap();
    let tablets = bench.update().unwrap().tablets;
    let told: Vec<_> = tablets
        .iter()
        .map(|(_, table, t)| (&**table, t.first().0, t.last().0, t.replicas()[0].1))
        .collect();
    assert_eq!(
        told,
        [
            ("a", i64::MIN, -5, 1),
            ("a", -5, i64::MAX, 2),
            ("b", i64::MIN, 9, 3)
        ]
    );
    // Who may not read them goes without.
    bench.lose();
    bench.wait(&[1]);
    bench.connect();
    bench.establish();
    assert_eq!(bench.tables().len(), 4);
    bench.answer().unwrap();
    let refused = ErrorBody::new("no", ErrorDetail::Unauthorized);
    bench
        .control
        .handle_response(bench.now, 3, &Response::Error(refused))
        .unwrap();
    assert!(bench.update().unwrap().tablets.is_empty());
}

#[test]
fn events_wait_for_the_rest_of_the_burst() {
    let mut bench = Bench::up();
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
    let tables = bench.tables();
    assert_eq!(tables, ["system.local WHERE key = 'local'", "system.peers"]);
}

const NODES: [&str; 2] = ["system.local WHERE key = 'local'", "system.peers"];

#[test]
fn nodes_are_read_again_although_no_event_comes() {
    let mut bench = Bench::up();
    let interval = Config::new(Vec::new()).refresh_interval.unwrap();
    for generation in 2..10 {
        let due = bench.now + interval;
        assert_eq!(bench.control.next_timeout(), Some(due));
        bench.now = bench.now + interval - MS;
        let known = Vec::new;
        bench
            .control
            .handle_timeout(bench.now, known, &mut bench.rng);
        assert_eq!(bench.tables(), [""; 0], "not before its time");
        bench.wait(&[]);
        assert_eq!(bench.now, due);
        assert_eq!(bench.tables(), NODES);
        // An answer takes a while, and only its end begins the next interval.
        bench.now = bench.now + MS * 20;
        bench.respond(0, &[&node_row(7)]).unwrap();
        bench.respond(1, &[]).unwrap();
        assert_eq!(bench.refreshed(), Some((generation, 1)));
    }
}

#[test]
fn what_an_event_has_read_need_not_be_read_again_soon() {
    let mut bench = Bench::up();
    let interval = Config::new(Vec::new()).refresh_interval.unwrap();
    let first = bench.now + interval;
    bench.now = bench.now + interval - MS;
    let change = schema_change("a", SchemaTarget::Keyspace);
    bench.control.handle_event(bench.now, &change);
    // It tells nothing of nodes, so both are read together when the quiet is over.
    bench.wait(&[]);
    assert_eq!(bench.now, first);
    assert_eq!(bench.tables().len(), 3);
    bench.answer().unwrap();
    bench.now = bench.now + interval - MS;
    let event = Event::TopologyChange {
        change: shardlane_wire::event::TopologyChangeKind::New,
        address: address(2),
    };
    bench.control.handle_event(bench.now, &event);
    bench.wait(&[]);
    assert_eq!(bench.tables(), NODES);
    bench.respond(0, &[&node_row(7)]).unwrap();
    bench.respond(1, &[]).unwrap();
    assert_eq!(bench.control.next_timeout(), Some(bench.now + interval));
}

#[test]
fn a_lost_control_connection_is_not_asked_and_a_new_one_begins_anew() {
    let mut bench = Bench::up();
    bench.lose();
    bench.wait(&[1]);
    bench.connect();
    bench.establish();
    assert_eq!(bench.tables().len(), 3);
    bench.now = bench.now + MS * 3;
    bench.answer().unwrap();
    let interval = Config::new(Vec::new()).refresh_interval.unwrap();
    assert_eq!(bench.control.next_timeout(), Some(bench.now + interval));
}

#[test]
fn who_wants_no_periodic_refresh_gets_none() {
    let config = Config {
        refresh_interval: None,
        ..Config::new(vec![ContactPoint::Address(address(1))])
    };
    let mut bench = Bench::with(&config);
    bench.wait(&[]);
    bench.connect();
    bench.establish();
    bench.tables();
    bench.answer().unwrap();
    assert_eq!(bench.control.next_timeout(), None);
}

#[test]
fn a_change_of_the_schema_reads_only_what_it_concerns() {
    let mut bench = Bench::up();
    let periodic = bench.control.next_timeout();
    let table = || SchemaTarget::Table("t".into());
    for target in [table(), SchemaTarget::Type("u".into())] {
        bench
            .control
            .handle_event(bench.now, &schema_change("k", target));
    }
    assert_eq!(
        bench.control.next_timeout(),
        periodic,
        "of no concern to routing"
    );
    let told = std::iter::from_fn(|| bench.control.poll_event());
    let told = told.filter(|e| matches!(e, ControlEvent::SchemaChanged(c) if &*c.keyspace == "k"));
    assert_eq!(told.count(), 2);

    for keyspace in ["k", "other", "k"] {
        let event = schema_change(keyspace, SchemaTarget::Keyspace);
        bench.control.handle_event(bench.now, &event);
    }
    bench.wait(&[]);
    let tables = bench.tables();
    assert_eq!(
        tables,
        [
            "system_schema.keyspaces WHERE keyspace_name = 'k'",
            "system_schema.keyspaces WHERE keyspace_name = 'other'",
        ]
    );
    bench.respond(0, &[]).unwrap();
    bench.respond(1, &[]).unwrap();
    let update = bench.update().expect("read, and found to be gone");
    assert!(!update.scope.nodes && update.keyspaces.is_empty());
}

#[test]
fn who_wants_no_events_of_the_schema_gets_none() {
    let kinds = |schema_events| {
        let mut config = Config::new(vec![ContactPoint::Address(address(1))]);
        config.schema_events = schema_events;
        let mut bench = Bench::with(&config);
        bench.wait(&[]);
        bench.connect();
        bench.establish();
        let Some(ControlRequest::Send { opcode, body, .. }) = bench.control.poll_request() else {
            panic!("nothing registered")
        };
        match Request::decode(Dialect::V4, opcode, &body) {
            Ok(Request::Register(register)) => register.kinds,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        kinds(true),
        [
            EventKind::TopologyChange,
            EventKind::StatusChange,
            EventKind::SchemaChange
        ]
    );
    assert_eq!(
        kinds(false),
        [EventKind::TopologyChange, EventKind::StatusChange]
    );
}

#[test]
fn client_routes_are_listened_to_and_read_where_they_are_configured() {
    let mut config = Config::new(vec![ContactPoint::Address(address(1))]);
    config.client_routes = Some(ClientRoutes {
        connections: vec![ClientRoute {
            connection_id: "a".to_owned(),
            address: None,
        }],
        shard_aware_port: false,
    });
    config.refresh_interval = None;
    let mut bench = Bench::with(&config);
    bench.wait(&[]);
    bench.connect();
    bench.establish();
    let Some(ControlRequest::Send { opcode, body, .. }) = bench.control.poll_request() else {
        panic!("nothing registered")
    };
    match Request::decode(Dialect::V4, opcode, &body) {
        Ok(Request::Register(register)) => assert_eq!(register.kinds, EventKind::ALL),
        other => panic!("{other:?}"),
    }
    let all = "system.client_routes WHERE connection_id = 'a'";
    assert_eq!(bench.tables()[2], all);
    let host_id = HostId([7; 16]);
    let own = ("rpc_address", vec![10, 9, 9, 9]);
    let node: Vec<_> = node_row(7).into_iter().chain([own]).collect();
    bench.respond(0, &[&node]).unwrap();
    bench.respond(1, &[]).unwrap();
    let route = [
        ("connection_id", b"a".to_vec()),
        ("host_id", host_id.0.to_vec()),
        ("address", b"proxy".to_vec()),
        ("port", 7001i32.to_be_bytes().to_vec()),
        ("tls_port", 70_000i32.to_be_bytes().to_vec()),
    ];
    bench.respond(2, &[&route]).unwrap();
    bench.respond(3, &[]).unwrap();
    let update = bench.update().expect("read");
    // Where the node believes it is: the proxy was reached, not the node.
    assert_eq!(
        update.topology.nodes[0].address,
        SocketAddr::from(([10, 9, 9, 9], 9042))
    );
    let [row] = &update.routes[..] else {
        panic!("{:?}", update.routes)
    };
    assert_eq!(
        (row.address.as_deref(), row.port),
        (Some("proxy"), Some(7001))
    );
    assert_eq!(row.tls_port, None, "no port has such a number");

    let change = |id: &str| {
        Event::ClientRoutesChange(ClientRoutesChange::UpdateNodes {
            connection_ids: vec![id.into()],
            host_ids: vec![host_id.to_string().into()],
        })
    };
    bench.control.handle_event(bench.now, &change("another"));
    assert_eq!(bench.control.next_timeout(), None, "that concerns others");
    bench.control.handle_event(bench.now, &change("a"));
    bench.wait(&[]);
    assert_eq!(bench.tables(), [format!("{all} AND host_id = {host_id}")]);
    bench.respond(0, &[]).unwrap();
    let update = bench.update().expect("read, and found to be gone");
    assert!(!update.scope.nodes && update.routes.is_empty());
    let unknown = Event::ClientRoutesChange(ClientRoutesChange::Other("MOVE_NODES".into()));
    bench.control.handle_event(bench.now, &unknown);
    bench.wait(&[]);
    assert_eq!(bench.tables(), [all]);
}

#[test]
fn a_server_that_tells_of_no_events_says_why() {
    let mut bench = Bench::new(vec![ContactPoint::Address(address(1))]);
    bench.wait(&[]);
    bench.connect();
    bench.establish();
    let response = Response::Error(ErrorBody {
        message: "Invalid value 'CLIENT_ROUTES_CHANGE'".into(),
        detail: ErrorDetail::ProtocolError,
    });
    let refused = bench
        .control
        .handle_response(bench.now, REGISTER, &response);
    assert!(
        matches!(&refused, Err(ConnectionError::Protocol(why)) if why.contains("'CLIENT_ROUTES_CHANGE'")),
        "{refused:?}"
    );
}

#[test]
fn in_v3_the_schema_tells_partition_keys() {
    let mut bench = Bench::new(vec![ContactPoint::Address(address(1))]);
    bench.wait(&[]);
    bench.connect();
    let v3 = Dialect::new(Version::V3);
    bench.establish_as(v3, true);
    bench.tables();
    bench.respond(0, &[&node_row(7)]).unwrap();
    bench.respond(1, &[]).unwrap();
    let keyspace = ("keyspace_name", b"k".to_vec());
    let mut replication = 1i32.to_be_bytes().to_vec();
    for text in ["class", "LocalStrategy"] {
        replication.extend_from_slice(&(text.len() as i32).to_be_bytes());
        replication.extend_from_slice(text.as_bytes());
    }
    bench
        .respond(2, &[&[keyspace.clone(), ("replication", replication)]])
        .unwrap();
    let column = |name: &str, kind: &str, position: i32| {
        [
            keyspace.clone(),
            ("table_name", b"t".to_vec()),
            ("column_name", name.as_bytes().to_vec()),
            ("kind", kind.as_bytes().to_vec()),
            ("position", position.to_be_bytes().to_vec()),
        ]
    };
    // The second part of the key is on the first page.
    let page = [column("b", "partition_key", 1), column("c", "regular", -1)];
    bench
        .respond_with(3, &[&page[0], &page[1]], Some(b"more"))
        .unwrap();
    assert!(bench.update().is_none(), "there is more");
    let sent = bench.sent();
    let states: Vec<_> = sent
        .iter()
        .map(|(token, _, state)| (*token, state))
        .collect();
    assert_eq!(states, [(3, &Some(b"more".to_vec()))]);
    bench
        .respond(3, &[&column("a", "partition_key", 0)])
        .unwrap();
    let update = bench.update().expect("complete");
    assert_eq!(update.keyspaces["k"].partition_keys["t"], ["a", "b"]);

    // And here changes of tables do matter.
    let event = schema_change("k", SchemaTarget::Table("t".into()));
    bench.control.handle_event(bench.now, &event);
    bench.wait(&[]);
    let tables = bench.tables();
    assert_eq!(
        tables,
        [
            "system_schema.keyspaces WHERE keyspace_name = 'k'",
            "system_schema.columns WHERE keyspace_name = 'k'",
        ]
    );
}

#[test]
fn a_server_whose_pages_never_end_is_given_up() {
    let mut bench = Bench::new(vec![ContactPoint::Address(address(1))]);
    bench.wait(&[]);
    bench.connect();
    bench.establish();
    bench.tables();
    let begun = bench.now;
    for _ in 0..PAGES_MAX {
        // Slow, but each page in time.
        bench.now = bench.now + MS;
        bench.respond_with(1, &[], Some(b"more")).unwrap();
        bench.sent();
    }
    let deadline = bench.control.next_timeout().expect("the next page's");
    assert!(deadline.since(begun) > MS * PAGES_MAX);
    let end = bench.respond_with(1, &[], Some(b"more"));
    assert!(matches!(end, Err(ConnectionError::Protocol(_))), "{end:?}");
}

#[test]
fn cassandra_tells_the_port_of_each_node_or_is_asked_the_old_way() {
    let mut bench = Bench::new(vec![ContactPoint::Address(address(1))]);
    bench.wait(&[]);
    bench.connect();
    bench.establish_as(Dialect::V4, false);
    assert_eq!(bench.tables()[1], "system.peers_v2");
    bench.respond(0, &[&node_row(7)]).unwrap();
    let mut peer = node_row(8).to_vec();
    peer.push(("native_address", vec![10, 0, 0, 2]));
    peer.push(("native_port", 9999i32.to_be_bytes().to_vec()));
    bench.respond(1, &[&peer]).unwrap();
    bench.respond(2, &[]).unwrap();
    let nodes = bench.update().expect("complete").topology.nodes;
    let addresses: Vec<SocketAddr> = nodes.iter().map(|n| n.address).collect();
    assert_eq!(
        addresses,
        [address(1), SocketAddr::from(([10, 0, 0, 2], 9999))]
    );

    // An older one: it is asked again within the same refresh, and only once for good.
    bench.lose();
    bench.wait(&[]);
    bench.connect();
    bench.establish_as(Dialect::V4, false);
    bench.tables();
    bench.respond(0, &[&node_row(7)]).unwrap();
    let refusal = ErrorBody::new("unconfigured table peers_v2", ErrorDetail::Invalid);
    bench
        .control
        .handle_response(bench.now, 1, &Response::Error(refusal))
        .unwrap();
    assert_eq!(bench.tables(), ["system.peers"]);
    let mut peer = node_row(8).to_vec();
    peer.push(("rpc_address", vec![10, 0, 0, 2]));
    bench.respond(1, &[&peer]).unwrap();
    bench.respond(2, &[]).unwrap();
    let nodes = bench.update().expect("complete").topology.nodes;
    assert_eq!(nodes[1].address, address(2));
    bench
        .control
        .schedule_refresh(bench.now, Duration::ZERO, Scope::NODES);
    bench.wait(&[]);
    assert_eq!(bench.tables()[1], "system.peers");
}

#[test]
fn an_answer_without_any_usable_node_is_refused() {
    let mut bench = Bench::new(vec![ContactPoint::Address(address(1))]);
    bench.wait(&[]);
    bench.connect();
    bench.establish();
    let end = (0..3).try_for_each(|token| bench.respond(token, &[]));
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
        tokens: vec![Token(1)],
        schema_version: Some(HostId([version; 16])),
    };
    let mut topology = Topology {
        nodes: vec![node(1, 1, 5), node(2, 2, 5), node(1, 9, 5), node(3, 3, 4)],
        ..Topology::default()
    };
    topology.drop_repeated_nodes();
    let addresses: Vec<SocketAddr> = topology.nodes.iter().map(|n| n.address).collect();
    assert_eq!(addresses, [address(1), address(2), address(3)]);
    assert_eq!(topology.agreed_schema(|_| true), None);
    let up = |host_id| host_id != HostId([3; 16]);
    assert!(topology.agreed_schema(up).is_some());
}

#[test]
fn a_node_with_a_lower_version_is_asked_again_at_once() {
    let first = address(1);
    let mut bench = Bench::new(vec![
        ContactPoint::Address(first),
        ContactPoint::Address(address(2)),
    ]);
    bench.wait(&[]);
    assert_eq!(bench.connect(), first);
    let error = ConnectionError::LowerVersion {
        lower: Version::V3,
        message: "no".into(),
    };
    bench.control.handle_lost(bench.now, &error, &mut bench.rng);
    assert_eq!(bench.connect(), first, "not the next one");
    bench.lose();
    assert_eq!(bench.connect(), address(2));
    bench.lose();
    let Some(ControlEvent::Unreachable(errors)) = bench.control.poll_event() else {
        panic!("no node is left");
    };
    assert_eq!(errors.len(), 2, "being asked again is no error");
}
