//! Protocol versions, compression and what v5 adds, as the node speaks them.

use shardlane_server::ClusterConfig;
use shardlane_wire::request::{Batch, BatchQuery, BatchStatement, BatchStatements, BatchType};
use shardlane_wire::request::{Execute, Prepare, Query};
use shardlane_wire::{
    BoundValues, Compression, Consistency, ErrorDetail, QueryParams, Request, Version,
};

use super::support::{Answer, Client, address, config, start};

const CASSANDRA: &[Version] = &[Version::V3, Version::V4, Version::V5];

fn dial(cluster: &shardlane_server::Cluster) -> Client {
    Client::dial(address(cluster, 0, cluster.port()), 0).expect("the node listens")
}

fn cassandra() -> ClusterConfig {
    config(1, 0)
}

#[test]
fn every_version_is_spoken_with_every_compression_it_has() {
    let cluster = start(cassandra());
    for &version in CASSANDRA {
        for compression in [None, Some(Compression::Lz4), Some(Compression::Snappy)] {
            if compression.is_some_and(|c| !c.exists_in(version)) {
                continue;
            }
            let mut client = dial(&cluster);
            client.handshake_in(version, compression);
            client.query(
                "CREATE KEYSPACE IF NOT EXISTS ks WITH replication = \
                 {'class': 'SimpleStrategy', 'replication_factor': 1}",
            );
            client.query("CREATE TABLE IF NOT EXISTS ks.t (k int PRIMARY KEY, v blob)");
            let insert = client.prepare("INSERT INTO ks.t (k, v) VALUES (?, ?)");
            let select = client.prepare("SELECT v FROM ks.t WHERE k = ?");
            // Longer than a segment, and just as long as one.
            for len in [0, 1, 1000, (1 << 17) - 100, 1 << 17, 400_000] {
                let (key, value) = (7_i32.to_be_bytes(), vec![len as u8; len]);
                let answer = client.execute(&insert.id, &[&key, &value], Consistency::One);
                assert_eq!(answer, Answer::Void);
                let answer = client.execute(&select.id, &[&key], Consistency::One);
                assert_eq!(
                    answer.rows(),
                    [[Some(value)]],
                    "{version} {compression:?} {len}"
                );
            }
        }
    }
}

#[test]
fn scylla_refuses_v5_and_names_what_it_has() {
    let cluster = start(config(1, 1));
    let mut client = dial(&cluster);
    let mut bytes = Vec::new();
    Request::Options
        .encode_frame(Version::V5, 3, &Default::default(), &mut bytes)
        .unwrap();
    client.write(&bytes).unwrap();
    let (stream, answer) = client.receive().expect("an answer before the end");
    let Answer::Error(error) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!((stream, &error.detail), (3, &ErrorDetail::ProtocolError));
    assert_eq!(
        &*error.message,
        "Invalid or unsupported protocol version: 5"
    );
    assert!(client.receive().is_err(), "the connection is closed");
}

#[test]
fn snappy_is_refused_in_v5() {
    let cluster = start(cassandra());
    let mut client = dial(&cluster);
    let answer = client.try_handshake(Version::V5, Some(Compression::Snappy));
    let Answer::Error(error) = answer else {
        panic!("{answer:?}");
    };
    assert!(error.message.contains("snappy"), "{}", error.message);
}

#[test]
fn requests_name_their_keyspace_and_their_now() {
    let cluster = start(cassandra());
    let mut client = dial(&cluster);
    client.handshake_in(Version::V5, None);
    for keyspace in ["one", "two"] {
        client.query(&format!(
            "CREATE KEYSPACE {keyspace} WITH replication = \
             {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
        ));
        client.query(&format!(
            "CREATE TABLE {keyspace}.t (k int PRIMARY KEY, v text)"
        ));
        let text = format!("INSERT INTO t (k, v) VALUES (1, '{keyspace}')");
        let mut statements = Vec::new();
        let statement = BatchStatement {
            query: BatchQuery::Text(&text),
            values: BoundValues::NONE,
        };
        statement.encode(&mut statements).unwrap();
        let batch = Request::Batch(Batch {
            batch_type: BatchType::Unlogged,
            statements: BatchStatements {
                count: 1,
                bytes: &statements,
            },
            consistency: Consistency::One,
            serial_consistency: None,
            timestamp: None,
            keyspace: Some(keyspace),
            now_in_seconds: None,
        });
        assert_eq!(client.ask(&batch), Answer::Void);
    }
    let select = "SELECT v FROM t WHERE k = 1";
    let query = |text, keyspace, now_in_seconds| {
        let params = QueryParams {
            keyspace,
            now_in_seconds,
            ..QueryParams::new(Consistency::One)
        };
        Request::Query(Query { text, params })
    };
    for keyspace in ["one", "two"] {
        let expected = [[Some(keyspace.as_bytes().to_vec())]];
        let answer = client.ask(&query(select, Some(keyspace), None));
        assert_eq!(answer.rows(), expected);
        let Answer::Prepared(prepared) = client.ask(&Request::Prepare(Prepare {
            text: select,
            keyspace: Some(keyspace),
        })) else {
            panic!("not prepared");
        };
        let answer = client.execute(&prepared.id, &[], Consistency::One);
        assert_eq!(answer.rows(), expected);
    }
    // A column that lives for ten seconds, seen before and after.
    let insert = "INSERT INTO t (k, v) VALUES (2, 'x') USING TTL 10";
    client.ask(&query(insert, Some("one"), Some(1000)));
    for (now, count) in [(1005, 1), (1011, 0)] {
        let select = "SELECT v FROM t WHERE k = 2";
        let answer = client.ask(&query(select, Some("one"), Some(now)));
        assert_eq!(answer.rows().len(), count, "at {now}");
    }
}

#[test]
fn metadata_ids_say_when_columns_have_changed() {
    for (shards, version) in [(0, Version::V5), (1, Version::V4)] {
        let cluster = start(config(1, shards));
        let mut client = dial(&cluster);
        client.handshake_in(version, None);
        client.query(
            "CREATE KEYSPACE ks WITH replication = \
             {'class': 'SimpleStrategy', 'replication_factor': 1}",
        );
        client.query("CREATE TABLE ks.t (k int PRIMARY KEY, v text)");
        client.query("INSERT INTO ks.t (k, v) VALUES (1, 'x')");
        let select = client.prepare("SELECT * FROM ks.t");
        assert_eq!(select.result_metadata_id.len(), 16);
        let mut execute = |id: &[u8], skip_metadata| {
            let params = QueryParams {
                skip_metadata,
                ..QueryParams::new(Consistency::One)
            };
            match client.ask(&Request::Execute(Execute {
                tablet_block: None,
                id: &select.id,
                result_metadata_id: Some(id),
                params,
            })) {
                Answer::Rows(rows) => (rows.columns.len(), rows.new_metadata_id),
                other => panic!("{other:?}"),
            }
        };
        let known = &select.result_metadata_id[..];
        assert_eq!(execute(known, false), (2, None));
        assert_eq!(execute(known, true), (0, None), "left out");
        // Who knows nothing, or something else, is told.
        for other in [&b""[..], b"something else"] {
            for skip in [false, true] {
                assert_eq!(execute(other, skip), (2, Some(known.to_vec())));
            }
        }
        let insert = client.prepare("INSERT INTO ks.t (k, v) VALUES (?, ?)");
        assert!(insert.result_metadata_id.is_empty(), "it brings no columns");
        client.query("ALTER TABLE ks.t ADD w int");
        let again = client.prepare("SELECT * FROM ks.t");
        assert_eq!(again.id, select.id);
        assert_ne!(again.result_metadata_id, select.result_metadata_id);
    }
}
