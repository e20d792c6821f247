//! Handshake, credentials, versions, prepared statements, events of the schema.

use std::io::ErrorKind;

use shardlane_server::{ClusterConfig, Credentials};
use shardlane_wire::request::{AuthResponse, Query, Startup};
use shardlane_wire::{
    Compression, Consistency, ErrorDetail, Event, QueryParams, Request, SchemaTarget,
};

use crate::support::{Answer, Client, address, config, int, make_table, start};

fn startup() -> Request<'static> {
    Request::Startup(Startup {
        options: vec![("CQL_VERSION".into(), "3.0.0".into())],
    })
}

#[test]
fn nothing_but_options_and_startup_comes_first() {
    let cluster = start(config(1, 1));
    let mut client = Client::dial(address(&cluster, 0, cluster.port()), 0).expect("it listens");
    let params = QueryParams::new(Consistency::One);
    let query = Request::Query(Query {
        text: "SELECT * FROM system.local",
        params,
    });
    assert_eq!(
        client.ask(&query).error().detail,
        ErrorDetail::ProtocolError
    );
    assert_eq!(client.ask(&startup()), Answer::Ready);
    assert_eq!(
        client.ask(&startup()).error().detail,
        ErrorDetail::ProtocolError
    );
    assert_eq!(client.ask(&query).rows().len(), 1);
}

#[test]
fn an_unknown_version_is_refused_in_words_that_drivers_know() {
    let cluster = start(config(1, 1));
    let mut client = Client::dial(address(&cluster, 0, cluster.port()), 0).expect("it listens");
    client
        .write(&[5, 0, 0, 9, 5, 0, 0, 0, 0])
        .expect("it reads");
    let (stream, answer) = client.receive().expect("an answer");
    let error = answer.error();
    assert_eq!((stream, &error.detail), (9, &ErrorDetail::ProtocolError));
    assert!(
        error.message.contains("unsupported protocol version"),
        "{error}"
    );
    let end = client.receive().expect_err("the connection is closed");
    assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn credentials_are_checked() {
    let ada = Credentials {
        user: "ada".to_owned(),
        password: "lovelace".to_owned(),
    };
    let cluster = start(ClusterConfig {
        users: vec![ada],
        ..config(1, 1)
    });
    let answer = |token: &[u8]| {
        let mut client = Client::dial(address(&cluster, 0, cluster.port()), 0).expect("it listens");
        assert_eq!(client.ask(&startup()), Answer::Authenticate);
        client.ask(&Request::AuthResponse(AuthResponse { token: Some(token) }))
    };
    assert_eq!(answer(b"\0ada\0lovelace"), Answer::AuthSuccess);
    for wrong in [&b"\0ada\0byron"[..], b"\0grace\0lovelace", b"ada", b""] {
        let error = answer(wrong).error();
        assert_eq!(error.detail, ErrorDetail::AuthenticationError);
        assert_eq!(&*error.message, "Username and/or password are incorrect");
    }
}

#[test]
fn an_unknown_compression_is_refused_and_known_ones_are_used() {
    let cluster = start(config(1, 1));
    let with = |name: &'static str| {
        let mut client = Client::dial(address(&cluster, 0, cluster.port()), 0).expect("it listens");
        let options = vec![
            ("CQL_VERSION".into(), "3.0.0".into()),
            ("COMPRESSION".into(), name.into()),
        ];
        client.ask(&Request::Startup(Startup { options }))
    };
    assert_eq!(with("zstd").error().detail, ErrorDetail::ProtocolError);
    for name in ["lz4", "snappy"] {
        assert_eq!(with(name), Answer::Ready);
        assert!(Compression::from_name(name).is_some());
    }
}

#[test]
fn a_forgotten_statement_is_unprepared_until_it_is_prepared_again() {
    let cluster = start(config(1, 2));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 1);
    let text = "SELECT v FROM ks.kv WHERE k = ?";
    let select = client.prepare(text);
    client
        .execute(&select.id, &[&int(1)], Consistency::One)
        .ok();
    assert_eq!(cluster.forget_prepared(Some(0)).expect("a node"), 1);
    let error = client
        .execute(&select.id, &[&int(1)], Consistency::One)
        .error();
    assert_eq!(
        error.detail,
        ErrorDetail::Unprepared {
            id: select.id.clone().into()
        }
    );
    assert_eq!(
        client.prepare(text),
        select,
        "the id depends on the text alone"
    );
    client
        .execute(&select.id, &[&int(1)], Consistency::One)
        .ok();
    let error = client.execute(b"short", &[], Consistency::One).error();
    assert_eq!(
        error.detail,
        ErrorDetail::Unprepared {
            id: (*b"short").into()
        }
    );
}

#[test]
fn a_statement_prepared_on_one_shard_is_known_to_all_of_its_node_only() {
    let cluster = start(config(2, 2));
    let mut client = Client::connect_to_shard(&cluster, 0, 0);
    make_table(&mut client, 1);
    let select = client.prepare("SELECT v FROM ks.kv WHERE k = ?");
    let run = |node, shard| {
        Client::connect_to_shard(&cluster, node, shard).execute(
            &select.id,
            &[&int(1)],
            Consistency::One,
        )
    };
    run(0, 1).ok();
    assert!(matches!(
        run(1, 0).error().detail,
        ErrorDetail::Unprepared { .. }
    ));
}

#[test]
fn conditional_statements_are_marked_as_negotiated() {
    let cluster = start(config(1, 1));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 1);
    let insert = client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?) IF NOT EXISTS");
    assert_eq!(insert.bind_flags & 0x8000_0000, 0x8000_0000);
    let plain = client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?)");
    assert_eq!(plain.bind_flags & 0x8000_0000, 0);
}

#[test]
fn every_node_tells_of_schema_changes() {
    let cluster = start(config(2, 2));
    let mut listeners = [Client::connect(&cluster, 0), Client::connect(&cluster, 1)];
    listeners.iter_mut().for_each(Client::register);
    make_table(&mut Client::connect(&cluster, 0), 1);
    for listener in &mut listeners {
        let events = listener.wait_for_event(|event| {
            matches!(event, Event::SchemaChange(change)
                if change.target == SchemaTarget::Table("kv".into()))
        });
        assert_eq!(events.len(), 2, "keyspace, then table: {events:?}");
        assert!(matches!(&events[0], Event::SchemaChange(change)
            if change.target == SchemaTarget::Keyspace && &*change.keyspace == "ks"));
    }
}

#[test]
fn use_chooses_the_keyspace_of_the_connection() {
    let cluster = start(config(1, 1));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 1);
    assert_eq!(client.query("USE ks"), Answer::SetKeyspace("ks".to_owned()));
    client.query("INSERT INTO kv (k, v) VALUES (1, 2)").ok();
    let mut other = Client::connect(&cluster, 0);
    assert_eq!(
        other.query("SELECT * FROM kv").error().detail,
        ErrorDetail::Invalid
    );
}

#[test]
fn each_node_describes_itself_and_its_peers() {
    let cluster = start(config(3, 2));
    let nodes = cluster.nodes();
    for (index, node) in nodes.iter().enumerate() {
        let mut client = Client::connect(&cluster, index);
        let local = client
            .query("SELECT host_id, tokens FROM system.local")
            .rows();
        assert_eq!(local[0][0].as_deref(), Some(&node.host_id.0[..]));
        let peers = client.query("SELECT host_id FROM system.peers").rows();
        let mut seen: Vec<_> = peers.into_iter().flatten().flatten().collect();
        let mut others: Vec<_> = nodes
            .iter()
            .filter(|other| other.index != index)
            .map(|other| other.host_id.0.to_vec())
            .collect();
        seen.sort();
        others.sort();
        assert_eq!(seen, others);
    }
}
