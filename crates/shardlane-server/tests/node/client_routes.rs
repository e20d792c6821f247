//! `system.client_routes`, and who is told of its changes.

use shardlane_server::{ClientRoute, Cluster};
use shardlane_wire::event::ClientRoutesChange;
use shardlane_wire::request::Register;
use shardlane_wire::{ErrorDetail, Event, EventKind, Request};

use crate::support::{Client, config, start};

fn route(cluster: &Cluster, id: &str, node: usize, port: u16) -> ClientRoute {
    ClientRoute {
        connection_id: id.to_owned(),
        host_id: cluster.nodes()[node].host_id.0,
        address: "proxy.example".to_owned(),
        port,
        tls_port: (port > 1).then_some(port + 100),
    }
}

#[test]
fn routes_are_read_like_any_table_and_changes_are_told_row_by_row() {
    let cluster = start(config(2, 1));
    let mut client = Client::connect(&cluster, 0);
    client.register();
    let select =
        "SELECT address, port, tls_port FROM system.client_routes WHERE connection_id = 'a'";
    assert!(client.query(select).rows().is_empty());
    let first = route(&cluster, "a", 0, 1);
    let second = route(&cluster, "a", 1, 2);
    let other = route(&cluster, "b", 1, 3);
    cluster
        .set_client_routes(vec![first.clone(), second.clone(), other.clone()])
        .expect("sound");
    assert_eq!(client.query(select).rows().len(), 2);
    let host_id = cluster.nodes()[1].host_id;
    let one = format!("{select} AND host_id = {host_id}");
    let int = |n: i32| Some(n.to_be_bytes().to_vec());
    assert_eq!(
        client.query(&one).rows(),
        [vec![Some(b"proxy.example".to_vec()), int(2), int(102)]]
    );

    let told = |event: &Event| matches!(event, Event::ClientRoutesChange(_));
    let events = client.wait_for_event(told);
    let Some(Event::ClientRoutesChange(ClientRoutesChange::UpdateNodes {
        connection_ids,
        host_ids,
    })) = events.last()
    else {
        panic!("{events:?}")
    };
    let mut ids = connection_ids.clone();
    ids.sort();
    assert_eq!(ids, ["a".into(), "a".into(), "b".into()]);
    assert_eq!(host_ids.len(), 3);
    // One row is gone, one is another, one is as it was.
    let moved = ClientRoute { port: 9, ..second };
    cluster
        .set_client_routes(vec![moved, other.clone()])
        .expect("sound");
    let events = client.wait_for_event(told);
    let Some(Event::ClientRoutesChange(ClientRoutesChange::UpdateNodes { connection_ids, .. })) =
        events.last()
    else {
        panic!("{events:?}")
    };
    assert_eq!(connection_ids[..], ["a".into(), "a".into()]);

    for unsound in [
        vec![other.clone(), other.clone()],
        vec![ClientRoute {
            port: 0,
            ..first.clone()
        }],
        vec![ClientRoute {
            address: String::new(),
            ..first
        }],
    ] {
        cluster.set_client_routes(unsound).expect_err("unsound");
    }
    assert_eq!(client.query(select).rows().len(), 1, "as it was");
}

#[test]
fn apache_cassandra_has_none() {
    let cluster = start(config(1, 0));
    let mut client = Client::connect(&cluster, 0);
    let kinds = vec![EventKind::ClientRoutesChange];
    let refused = client.ask(&Request::Register(Register { kinds })).error();
    assert_eq!(refused.detail, ErrorDetail::ProtocolError);
    assert!(refused.message.contains("CLIENT_ROUTES_CHANGE"));
    client.query("SELECT * FROM system.client_routes").error();
}
