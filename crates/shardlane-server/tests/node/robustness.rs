//! Bad bytes and rude clients: each gets its error, and nobody else notices.

use std::io::{Read, Write};
use std::net::TcpStream;

use shardlane_server::ClusterConfig;
use shardlane_wire::request::{Execute, Query};
use shardlane_wire::{
    BoundValues, Consistency, ErrorDetail, FrameHeader, Opcode, QueryParams, Request, Version,
};

use crate::support::{Client, address, config, int, make_table, start};

fn frame(opcode: Opcode, length: u32, body: &[u8]) -> Vec<u8> {
    let mut header = FrameHeader::request(Version::V4, 3, opcode);
    header.length = length;
    [&header.encode()[..], body].concat()
}

#[test]
fn malformed_bodies_are_protocol_errors_and_the_connection_lives_on() {
    let cluster = start(config(1, 1));
    let mut client = Client::connect(&cluster, 0);
    let bodies: [(Opcode, &[u8]); 6] = [
        (Opcode::Query, b""),
        (Opcode::Query, &[0, 0, 0, 9, b'S']),
        (Opcode::Query, &[0xFF; 12]),
        (Opcode::Execute, &[0, 2, 1]),
        (Opcode::Batch, &[9, 0, 1]),
        (Opcode::Register, &[0, 1, 0, 3, b'X', b'Y', b'Z']),
    ];
    for (opcode, body) in bodies {
        client
            .write(&frame(opcode, body.len() as u32, body))
            .expect("it reads");
        let (stream, answer) = client.receive().expect("an answer");
        assert_eq!(stream, 3);
        assert_eq!(
            answer.error().detail,
            ErrorDetail::ProtocolError,
            "{opcode}"
        );
    }
    assert_eq!(client.query("SELECT key FROM system.local").rows().len(), 1);
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_comes() {
    let cluster = start(ClusterConfig {
        max_frame_bytes: 1000,
        ..config(1, 1)
    });
    let mut client = Client::connect(&cluster, 0);
    client
        .write(&frame(Opcode::Query, 1001, b""))
        .expect("it reads");
    let (stream, answer) = client.receive().expect("an answer");
    assert_eq!(stream, 3);
    assert_eq!(answer.error().detail, ErrorDetail::ProtocolError);
    client
        .receive()
        .expect_err("nobody knows where the next frame would begin");
    Client::connect(&cluster, 0);
}

#[test]
fn requests_in_pieces_and_in_bulk_are_all_answered() {
    let cluster = start(config(1, 2));
    let mut client = Client::connect(&cluster, 0);
    let options = frame(Opcode::Options, 0, b"");
    for byte in &options {
        client.write(&[*byte]).expect("it reads");
    }
    client.receive().expect("an answer");
    client.write(&options.repeat(500)).expect("it reads");
    for _ in 0..500 {
        client.receive().expect("an answer");
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_costs_nothing() {
    let cluster = start(config(1, 1));
    let to = address(&cluster, 0, cluster.port());
    for bytes in [&b""[..], &[4, 0, 0], &frame(Opcode::Query, 100, b"half")] {
        let mut socket = TcpStream::connect(to).expect("it listens");
        socket.write_all(bytes).expect("it reads");
    }
    let mut client = Client::connect(&cluster, 0);
    let closed = || cluster.stats().total().connections().closed;
    while closed() < 3 {
        client.query("SELECT key FROM system.local").ok();
    }
    assert_eq!(cluster.stats().total().connections().current, 1);
}

#[test]
fn a_client_that_does_not_read_is_not_served_without_end() {
    let cluster = start(config(1, 1));
    let mut writer = Client::connect(&cluster, 0);
    make_table(&mut writer, 1);
    writer
        .query("CREATE TABLE ks.big (k int PRIMARY KEY, v blob)")
        .ok();
    let insert = writer.prepare("INSERT INTO ks.big (k, v) VALUES (?, ?)");
    writer
        .execute(
            &insert.id,
            &[&int(1), &vec![7; 1_000_000]],
            Consistency::One,
        )
        .ok();
    let to = address(&cluster, 0, cluster.port());
    let mut rude = TcpStream::connect(to).expect("it listens");
    let startup = [
        &frame(Opcode::Startup, 22, b"")[..],
        b"\0\x01\0\x0bCQL_VERSION\0\x053.0.0",
    ]
    .concat();
    rude.write_all(&startup).expect("it reads");
    let mut ready = [0; 9];
    rude.read_exact(&mut ready).expect("READY");
    let params = QueryParams::new(Consistency::One);
    let text = "SELECT v FROM ks.big WHERE k = 1";
    let mut request = Vec::new();
    Request::Query(Query { text, params })
        .encode_frame(Version::V4, 0, &Default::default(), &mut request)
        .expect("short");
    // 200 MB of answers are asked for; the server holds back long before it has made them.
    rude.write_all(&request.repeat(200))
        .expect("it reads, or the kernel holds it");
    let mut other = Client::connect(&cluster, 0);
    other.query("SELECT key FROM system.local").ok();
    let made = cluster.stats().total().operations;
    assert!(made < 150, "{made} answers were made for nobody");
    // Once it reads, it gets them all.
    let mut taken = 0;
    let mut buffer = vec![0; 1 << 20];
    while taken < 200 * 1_000_000 {
        let count = rude.read(&mut buffer).expect("an answer");
        assert!(count > 0, "closed after {taken} bytes");
        taken += count;
    }
}

#[test]
fn wrong_values_are_refused_by_name() {
    let cluster = start(config(1, 1));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 1);
    let insert = client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?)");
    let cases: [&[&[u8]]; 3] = [
        &[&int(1)],
        &[&int(1), &[1, 2]],
        &[&int(1), &int(2), &int(3)],
    ];
    for values in cases {
        let error = client.execute(&insert.id, values, Consistency::One).error();
        assert_eq!(error.detail, ErrorDetail::Invalid, "{values:?}");
    }
    let params = QueryParams {
        values: BoundValues {
            count: 1,
            named: true,
            bytes: b"\0\x02no\0\0\0\x04\0\0\0\x01",
        },
        ..QueryParams::new(Consistency::One)
    };
    let request = Request::Execute(Execute {
        tablet_block: None,
        id: &insert.id,
        result_metadata_id: None,
        params,
    });
    assert_eq!(client.ask(&request).error().detail, ErrorDetail::Invalid);
}
