//! Faults on demand, as a client meets them.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use shardlane_server::stats::PortKind;
use shardlane_server::{Cluster, Condition, PortFault, Reaction, Rule};
use shardlane_wire::{Consistency, ErrorBody, ErrorDetail, Opcode, Request};

use crate::support::{Answer, Client, address, config, int, make_table, start};

/// Long enough to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(200);

fn ready() -> (Cluster, Client) {
    let cluster = start(config(1, 2));
    let mut client = Client::connect_to_shard(&cluster, 0, 0);
    make_table(&mut client, 1);
    (cluster, client)
}

fn on_select(reaction: Reaction) -> Rule {
    Rule::new(Condition::TextContains("SELECT".to_owned()), reaction)
}

fn select(client: &mut Client) -> std::io::Result<Answer> {
    client.try_query_at("SELECT v FROM ks.kv WHERE k = 1", Consistency::One)
}

#[test]
fn an_error_can_take_the_place_of_an_answer() {
    let (cluster, mut client) = ready();
    let details = [
        ErrorDetail::Overloaded,
        ErrorDetail::IsBootstrapping,
        ErrorDetail::Unavailable {
            consistency: Consistency::Quorum,
            required: 2,
            alive: 1,
        },
        ErrorDetail::Other {
            code: 0x4321,
            rest: [1, 0].into(),
        },
    ];
    for detail in details {
        let error = ErrorBody::new("on demand", detail);
        let rule = cluster.add_rule(on_select(Reaction::Error(error.clone())));
        assert_eq!(select(&mut client).expect("an answer").error(), error);
        assert_eq!(cluster.rule_hits(rule), Some(1));
        assert!(cluster.remove_rule(rule));
        select(&mut client).expect("an answer").ok();
    }
}

#[test]
fn an_error_instead_of_a_write_means_that_nothing_was_written() {
    let (cluster, mut client) = ready();
    let error = ErrorBody::new("on demand", ErrorDetail::Overloaded);
    let condition = Condition::TextContains("INSERT".to_owned());
    cluster.add_rule(Rule::new(condition, Reaction::Error(error)));
    client
        .query("INSERT INTO ks.kv (k, v) VALUES (1, 1)")
        .error();
    assert!(select(&mut client).expect("an answer").rows().is_empty());
}

#[test]
fn half_a_frame_then_the_end() {
    let (cluster, mut client) = ready();
    cluster.add_rule(on_select(Reaction::HalfFrameThenClose));
    let error = select(&mut client).expect_err("half an answer is none");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn half_a_frame_then_silence_for_good() {
    let (cluster, mut client) = ready();
    cluster.add_rule(on_select(Reaction::HalfFrameThenSilence));
    client.set_patience(SILENCE);
    let error = select(&mut client).expect_err("half an answer is none");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    cluster.clear_rules();
    client.send(&Request::Options);
    let error = client
        .receive()
        .expect_err("this connection says nothing any more");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn silence_loses_one_answer_and_not_the_write() {
    let (cluster, mut client) = ready();
    let condition = Condition::And(vec![
        Condition::TextContains("INSERT".to_owned()),
        Condition::First(1),
    ]);
    cluster.add_rule(Rule::new(condition, Reaction::Silence));
    client.set_patience(SILENCE);
    let insert = "INSERT INTO ks.kv (k, v) VALUES (1, 5)";
    let error = client
        .try_query_at(insert, Consistency::One)
        .expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    let rows = select(&mut client).expect("the connection is sound").rows();
    assert_eq!(rows, [[Some(int(5).to_vec())]]);
}

#[test]
fn a_delayed_answer_comes_late_and_others_do_not_wait_for_it() {
    let (cluster, mut client) = ready();
    let delay = Duration::from_millis(150);
    cluster.add_rule(on_select(Reaction::Delay(delay)));
    let before = Instant::now();
    let params = shardlane_wire::QueryParams::new(Consistency::One);
    let text = "SELECT v FROM ks.kv WHERE k = 1";
    let slow = client.send(&Request::Query(shardlane_wire::request::Query {
        text,
        params,
    }));
    let quick = client.send(&Request::Options);
    assert_eq!(client.receive().expect("an answer").0, quick);
    assert_eq!(client.receive().expect("an answer").0, slow);
    assert!(before.elapsed() >= delay);
}

#[test]
fn a_connection_can_be_closed_by_its_number() {
    let (cluster, _) = ready();
    let condition = Condition::And(vec![
        Condition::Connection(3),
        Condition::Opcode(Opcode::Query),
    ]);
    cluster.add_rule(Rule::new(condition, Reaction::Close));
    // The first was opened by `ready`.
    let mut second = Client::connect(&cluster, 0);
    let mut third = Client::connect(&cluster, 0);
    let error = select(&mut third).expect_err("closed");
    assert!(matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
    ));
    select(&mut second).expect("an answer").ok();
}

#[test]
fn garbage_and_impossible_lengths_are_no_frames() {
    let (cluster, mut client) = ready();
    for reaction in [Reaction::Garbage, Reaction::OversizedLength] {
        let rule = cluster.add_rule(on_select(reaction));
        let error = select(&mut client).expect_err("no frame");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        cluster.remove_rule(rule);
        client = Client::connect(&cluster, 0);
    }
}

#[test]
fn an_answer_can_come_on_another_stream() {
    let (cluster, mut client) = ready();
    cluster.add_rule(on_select(Reaction::WrongStream(100)));
    let params = shardlane_wire::QueryParams::new(Consistency::One);
    let text = "SELECT v FROM ks.kv WHERE k = 1";
    let sent = client.send(&Request::Query(shardlane_wire::request::Query {
        text,
        params,
    }));
    assert_eq!(client.receive().expect("an answer").0, sent + 100);
}

#[test]
fn supported_can_name_a_wrong_shard() {
    let (cluster, _) = ready();
    let condition = Condition::And(vec![
        Condition::OnShardAwarePort,
        Condition::Opcode(Opcode::Options),
    ]);
    cluster.add_rule(Rule::new(condition, Reaction::WrongShard(1)));
    assert_eq!(Client::connect_to_shard(&cluster, 0, 0).shard(), 1);
    assert_eq!(Client::connect(&cluster, 0).shard(), 0);
}

#[test]
fn a_refused_port_refuses_and_the_other_one_does_not_mind() {
    let (cluster, mut old) = ready();
    let port = cluster.shard_aware_port().expect("a port");
    let fault = |fault| {
        cluster
            .set_port_fault(0, PortKind::ShardAware, fault)
            .expect("a node")
    };
    fault(PortFault::Refused);
    let error = Client::dial(address(&cluster, 0, port), 0)
        .err()
        .expect("refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    select(&mut old).expect("what is there stays").ok();
    select(&mut Client::connect(&cluster, 0))
        .expect("an answer")
        .ok();
    fault(PortFault::None);
    assert_eq!(Client::connect_to_shard(&cluster, 0, 1).shard(), 1);
}

#[test]
fn a_port_that_drops_packets_neither_connects_nor_refuses() {
    let (cluster, _) = ready();
    let port = cluster.shard_aware_port().expect("a port");
    let fault = |fault| {
        cluster
            .set_port_fault(0, PortKind::ShardAware, fault)
            .expect("a node")
    };
    fault(PortFault::Dropped);
    let to = address(&cluster, 0, port);
    let error = std::net::TcpStream::connect_timeout(&to, SILENCE).expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    fault(PortFault::None);
    assert_eq!(Client::connect_to_shard(&cluster, 0, 1).shard(), 1);
}

#[test]
fn a_silent_port_connects_and_says_nothing() {
    let (cluster, _) = ready();
    let port = cluster.shard_aware_port().expect("a port");
    cluster
        .set_port_fault(0, PortKind::ShardAware, PortFault::Silent)
        .expect("a node");
    let mut client = Client::dial(address(&cluster, 0, port), 0).expect("it connects");
    client.set_patience(SILENCE);
    client.send(&Request::Options);
    assert_eq!(
        client.receive().expect_err("silence").kind(),
        ErrorKind::WouldBlock
    );
}
