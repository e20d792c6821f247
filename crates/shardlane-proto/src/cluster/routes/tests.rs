//! Which route a node gets, and what becomes of names.

use super::super::Scope;
use super::super::topology::{NodeInfo, Update};
use super::*;
use crate::config::{ClientRoute, ContactPoint, ShardAwareness};

fn config(connections: &[(&str, Option<&str>)], tls: bool) -> Config {
    let connections = connections.iter().map(|&(id, address)| ClientRoute {
        connection_id: id.to_owned(),
        address: address.map(str::to_owned),
    });
    Config {
        tls,
        client_routes: Some(ClientRoutes {
            connections: connections.collect(),
            shard_aware_port: false,
        }),
        ..Config::new(vec![ContactPoint::Address(([127, 0, 0, 1], 9042).into())])
    }
}

fn host_id(n: u8) -> HostId {
    HostId([n; 16])
}

fn row(id: &str, node: u8, address: &str, port: u16) -> RouteRow {
    RouteRow {
        connection_id: id.into(),
        host_id: host_id(node),
        address: Some(address.to_owned()),
        port: Some(port),
        tls_port: None,
    }
}

/// What a refresh brings: nodes 1 and 2, and these rows.
fn everything(rows: Vec<RouteRow>) -> Update {
    let node = |n: u8| NodeInfo {
        host_id: host_id(n),
        address: ([10, 0, 0, n], 9042).into(),
        datacenter: "dc1".to_owned(),
        rack: "r1".to_owned(),
        release_version: String::new(),
        tokens: vec![shardlane_routing::Token(i64::from(n))],
        schema_version: None,
    };
    let mut update = Update::new(Scope::EVERYTHING);
    update.topology.nodes = vec![node(1), node(2)];
    update.routes = rows;
    update
}

fn cluster(config: &Config, rows: Vec<RouteRow>) -> Cluster {
    let mut cluster = Cluster::new(config);
    let (gone, _) = cluster.apply(config, everything(rows));
    assert!(gone.is_empty());
    cluster
}

/// Takes over these rows of a connection id and node.
fn update(cluster: &mut Cluster, config: &Config, id: &str, node: u8, rows: Vec<RouteRow>) {
    let scope = RouteScope::Rows(BTreeSet::from([(id.into(), host_id(node))]));
    let scope = Scope::routes(scope).expect("something to read");
    let mut found = Update::new(scope);
    found.routes = rows;
    let _ = cluster.apply(config, found);
}

fn key(cluster: &Cluster, node: u8) -> NodeKey {
    cluster.by_host_id(host_id(node)).expect("a known node")
}

fn error(cluster: &Cluster, node: u8) -> String {
    let node = cluster.node(key(cluster, node)).expect("a node");
    node.last_error.as_deref().unwrap_or_default().to_owned()
}

fn to(ip: [u8; 4], port: u16) -> Way {
    Way::To((ip, port).into())
}

#[test]
fn a_node_is_reached_by_its_route_and_in_no_other_way() {
    let config = config(&[("a", None)], false);
    let rows = vec![row("a", 1, "127.0.9.1", 7001), row("b", 2, "127.0.9.2", 7)];
    let mut cluster = cluster(&config, rows);
    let (one, two) = (key(&cluster, 1), key(&cluster, 2));
    assert_eq!(cluster.choose_routes(), [one]);
    assert_eq!(cluster.choose_routes(), [], "nothing is new");
    assert_eq!(cluster.way_to(one), to([127, 0, 9, 1], 7001));
    assert_eq!(cluster.way_to(two), Way::None, "nobody has configured b");
    assert!(
        error(&cluster, 2).contains("has none for connection ids [\"a\"]"),
        "{}",
        error(&cluster, 2)
    );
    assert_eq!(cluster.addresses_to_try(), [([127, 0, 9, 1], 7001).into()]);
    // Servers tell their own addresses, proxies have others.
    assert_eq!(cluster.by_address(([10, 0, 0, 2], 1).into()), Some(two));
}

#[test]
fn the_connection_in_use_is_kept_while_it_leads_there() {
    let config = config(&[("a", None), ("b", None)], false);
    let mut cluster = cluster(&config, vec![row("b", 1, "127.0.9.2", 2)]);
    let one = key(&cluster, 1);
    assert_eq!(cluster.choose_routes(), [one]);
    update(
        &mut cluster,
        &config,
        "a",
        1,
        vec![row("a", 1, "127.0.9.1", 1)],
    );
    assert_eq!(cluster.choose_routes(), [], "b still leads there");
    update(
        &mut cluster,
        &config,
        "b",
        1,
        vec![row("b", 1, "127.0.9.3", 3)],
    );
    assert_eq!(cluster.choose_routes(), [one]);
    assert_eq!(cluster.way_to(one), to([127, 0, 9, 3], 3));
    update(&mut cluster, &config, "b", 1, Vec::new());
    assert_eq!(cluster.choose_routes(), [one]);
    assert_eq!(cluster.way_to(one), to([127, 0, 9, 1], 1));
    update(&mut cluster, &config, "a", 1, Vec::new());
    assert_eq!(cluster.choose_routes(), [one]);
    assert_eq!(cluster.way_to(one), Way::None);
    // A full reload forgets what it does not find.
    let _ = cluster.apply(&config, everything(vec![row("a", 2, "127.0.9.4", 4)]));
    assert_eq!(cluster.choose_routes(), [key(&cluster, 2)]);
}

#[test]
fn addresses_of_ones_own_and_ports_for_tls() {
    let mut rows = vec![row("a", 1, "unknown.example", 1), row("a", 2, "", 2)];
    rows[0].tls_port = Some(9142);
    let overridden = config(&[("a", Some("127.0.9.9"))], true);
    let mut cluster = cluster(&overridden, rows.clone());
    let (one, two) = (key(&cluster, 1), key(&cluster, 2));
    assert_eq!(cluster.choose_routes(), [one]);
    assert_eq!(cluster.way_to(one), to([127, 0, 9, 9], 9142));
    assert_eq!(cluster.way_to(two), Way::None);
    assert!(error(&cluster, 2).ends_with("has no tls_port"));
    let plain = config(&[("a", None)], false);
    let mut cluster = self::cluster(&plain, rows);
    assert_eq!(cluster.choose_routes(), [one]);
    assert!(error(&cluster, 2).ends_with("has no address"));
}

#[test]
fn names_are_resolved_once_and_again_when_all_their_addresses_have_failed() {
    let config = config(&[("a", None)], false);
    let rows = vec![
        row("a", 1, "proxy.example", 1),
        row("a", 2, "proxy.example", 2),
    ];
    let mut cluster = cluster(&config, rows);
    let (one, two) = (key(&cluster, 1), key(&cluster, 2));
    cluster.choose_routes();
    assert_eq!(cluster.way_to(one), Way::Resolve("proxy.example".into()));
    assert_eq!(cluster.way_to(one), Way::Wait);
    assert_eq!(cluster.way_to(two), Way::Wait, "one question for both");
    assert_eq!(cluster.addresses_to_try(), []);
    let ips = [[127, 0, 9, 1], [127, 0, 9, 2]];
    let found = || Ok(ips.iter().map(|&ip| (ip, 0).into()).collect());
    assert_eq!(cluster.handle_resolved("another.example", &found()), None);
    assert_eq!(cluster.handle_resolved("proxy.example", &found()), None);
    assert_eq!(cluster.way_to(one), to(ips[0], 1));
    assert_eq!(cluster.way_to(two), to(ips[0], 2));
    cluster.distrust(one, ips[1].into());
    assert_eq!(cluster.way_to(one), to(ips[0], 1), "another one has failed");
    cluster.distrust(one, ips[0].into());
    cluster.distrust(one, ips[0].into());
    assert_eq!(cluster.way_to(two), to(ips[1], 2));
    cluster.distrust(two, ips[1].into());
    assert_eq!(cluster.way_to(two), Way::Resolve("proxy.example".into()));
    let stuck = cluster.handle_resolved("proxy.example", &Err("no such name".to_owned()));
    assert_eq!(stuck, Some((vec![one, two], "no such name".to_owned())));
    assert_eq!(cluster.way_to(one), Way::Resolve("proxy.example".into()));
    let stuck = cluster.handle_resolved("proxy.example", &Ok(Vec::new()));
    assert!(stuck.is_some_and(|(nodes, why)| nodes.len() == 2 && why.contains("no address")));
}

#[test]
fn events_name_rows_and_what_makes_no_sense_means_all() {
    let configured: Vec<Box<str>> = vec!["a".into(), "b".into()];
    let scope = |ids: &[&str], hosts: &[&str]| {
        let boxed = |texts: &[&str]| texts.iter().map(|&t| t.into()).collect();
        let change = ClientRoutesChange::UpdateNodes {
            connection_ids: boxed(ids),
            host_ids: boxed(hosts),
        };
        RouteScope::of_event(&change, &configured)
    };
    let host = &host_id(7).to_string();
    let seven = ("a".into(), host_id(7));
    assert_eq!(
        scope(&["a", "x"], &[host, host]),
        RouteScope::Rows(BTreeSet::from([seven]))
    );
    assert_eq!(scope(&["x"], &[host]), RouteScope::Unread);
    assert_eq!(scope(&["a", "b"], &[host]), RouteScope::All);
    assert_eq!(scope(&["a"], &["7"]), RouteScope::All);
    assert_eq!(scope(&[], &[]), RouteScope::All);
    let many: Vec<String> = (0..20).map(|n| host_id(n).to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(scope(&["a"; 20], &many), RouteScope::All);
    let other = ClientRoutesChange::Other("MOVE_NODES".into());
    assert_eq!(RouteScope::of_event(&other, &configured), RouteScope::All);
}

#[test]
fn scopes_of_rows_add_up_and_many_become_all() {
    let one = |n: u8| RouteScope::Rows(BTreeSet::from([("a".into(), host_id(n))]));
    let mut scope = RouteScope::Unread;
    for n in 0..ROWS_ONE_BY_ONE_MAX as u8 {
        scope.merge(one(n));
        scope.merge(RouteScope::Unread);
        assert!(matches!(&scope, RouteScope::Rows(rows) if rows.len() == usize::from(n) + 1));
    }
    scope.merge(one(99));
    assert_eq!(scope, RouteScope::All);
    scope.merge(one(1));
    assert_eq!(scope, RouteScope::All);
}

#[test]
fn a_load_balancer_has_no_shard_aware_port() {
    let mut config = config(&[("a", None)], false);
    assert_eq!(config.shard_awareness(), ShardAwareness::Legacy);
    config.shard_awareness = ShardAwareness::Off;
    assert_eq!(config.shard_awareness(), ShardAwareness::Off);
    config.shard_awareness = ShardAwareness::Full;
    if let Some(routes) = &mut config.client_routes {
        routes.shard_aware_port = true;
    }
    assert_eq!(config.shard_awareness(), ShardAwareness::Full);
}
