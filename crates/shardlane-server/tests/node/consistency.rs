//! Consistency levels against the replicas that are alive, down or paused.

use shardlane_server::ClusterConfig;
use shardlane_wire::{Consistency, ErrorDetail, WriteType};

use crate::support::{Answer, Client, config, int, make_table, start};

const INSERT: &str = "INSERT INTO ks.kv (k, v) VALUES (1, 1)";
const SELECT: &str = "SELECT v FROM ks.kv WHERE k = 1";

/// What a statement gives at each level, as "ok" or the replicas required and alive.
fn outcomes(client: &mut Client, text: &str, levels: &[Consistency]) -> Vec<Option<(i32, i32)>> {
    let outcome = |level: &Consistency| match client.query_at(text, *level) {
        Answer::Error(error) => match error.detail {
            ErrorDetail::Unavailable {
                consistency,
                required,
                alive,
            } => {
                assert_eq!(consistency, *level);
                Some((required, alive))
            }
            other => panic!("{level}: {other:?}"),
        },
        _ => None,
    };
    levels.iter().map(outcome).collect()
}

#[test]
fn levels_that_the_live_replicas_cannot_meet_are_unavailable() {
    use Consistency::{All, Any, EachQuorum, LocalOne, LocalQuorum, One, Quorum, Three, Two};
    let cluster = start(config(3, 2));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 3);
    let writes = [
        Any,
        One,
        Two,
        Three,
        Quorum,
        All,
        LocalQuorum,
        EachQuorum,
        LocalOne,
    ];
    let reads = &writes[1..];
    assert_eq!(outcomes(&mut client, INSERT, &writes), [None; 9]);
    assert_eq!(outcomes(&mut client, SELECT, reads), [None; 8]);
    cluster.kill_node(2).expect("it is up");
    let three = Some((3, 2));
    let expected = [None, None, None, three, None, three, None, None, None];
    assert_eq!(outcomes(&mut client, INSERT, &writes), expected);
    assert_eq!(outcomes(&mut client, SELECT, reads), expected[1..]);
    cluster.kill_node(1).expect("it is up");
    let (two, three) = (Some((2, 1)), Some((3, 1)));
    let expected = [None, None, two, three, two, three, two, two, None];
    assert_eq!(outcomes(&mut client, INSERT, &writes), expected);
    assert_eq!(outcomes(&mut client, SELECT, reads), expected[1..]);
}

#[test]
fn local_levels_count_the_coordinator_s_datacenter() {
    let layout = ["one", "one", "two", "two"]
        .map(|dc| (dc.to_owned(), "r".to_owned()))
        .to_vec();
    let cluster = start(ClusterConfig {
        layout,
        ..config(4, 1)
    });
    let mut client = Client::connect(&cluster, 0);
    client
        .query(
            "CREATE KEYSPACE ks WITH replication = {'class': 'NetworkTopologyStrategy', 'one': 2, \
             'two': 2} AND tablets = {'enabled': false}",
        )
        .ok();
    client
        .query("CREATE TABLE ks.kv (k int PRIMARY KEY, v int)")
        .ok();
    cluster.kill_node(3).expect("it is up");
    let levels = [
        Consistency::LocalQuorum,
        Consistency::EachQuorum,
        Consistency::Quorum,
        Consistency::LocalOne,
        Consistency::All,
    ];
    let expected = [None, Some((2, 1)), None, None, Some((4, 3))];
    assert_eq!(outcomes(&mut client, INSERT, &levels), expected);
    let mut remote = Client::connect(&cluster, 2);
    let expected = [Some((2, 1)), Some((2, 1)), None, None, Some((4, 3))];
    assert_eq!(outcomes(&mut remote, INSERT, &levels), expected);
}

#[test]
fn a_paused_replica_makes_those_wait_who_need_it() {
    let cluster = start(config(3, 2));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 3);
    cluster.pause_node(2).expect("it is up");
    client.query_at(INSERT, Consistency::Quorum).ok();
    let error = client.query_at(INSERT, Consistency::All).error();
    let expected = ErrorDetail::WriteTimeout {
        consistency: Consistency::All,
        received: 2,
        block_for: 3,
        write_type: WriteType::Simple,
        contentions: None,
    };
    assert_eq!(error.detail, expected);
    // A read asks another replica when one does not answer.
    assert_eq!(client.query_at(SELECT, Consistency::Quorum).rows().len(), 1);
    let error = client.query_at(SELECT, Consistency::All).error();
    let expected = ErrorDetail::ReadTimeout {
        consistency: Consistency::All,
        received: 2,
        block_for: 3,
        data_present: true,
    };
    assert_eq!(error.detail, expected);
    cluster.resume_node(2).expect("it is paused");
    client.query_at(INSERT, Consistency::All).ok();
}

#[test]
fn a_paused_node_goes_on_where_it_was() {
    let cluster = start(config(1, 2));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 1);
    cluster.pause_node(0).expect("it is up");
    let stream = client.send(&shardlane_wire::Request::Options);
    client.set_patience(std::time::Duration::from_millis(100));
    assert!(client.receive().is_err());
    cluster.resume_node(0).expect("it is paused");
    client.set_patience(crate::support::PATIENCE);
    assert_eq!(client.receive().expect("an answer").0, stream);
    Client::connect(&cluster, 0).query(SELECT).ok();
}

#[test]
fn any_is_content_with_a_hint() {
    let cluster = start(config(2, 1));
    let mut client = Client::connect(&cluster, 0);
    make_table(&mut client, 1);
    cluster.kill_node(1).expect("it is up");
    // Half of the partitions lived on node 1.
    for k in 0..20 {
        let text = format!("INSERT INTO ks.kv (k, v) VALUES ({k}, {k})");
        client.query_at(&text, Consistency::Any).ok();
    }
    cluster.start_node(1).expect("it is down");
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    loop {
        let rows = client.query("SELECT k FROM ks.kv").rows();
        if rows.len() == 20 {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{} of 20 rows",
            rows.len()
        );
    }
}

#[test]
fn scans_read_every_range_from_its_own_replicas() {
    for (nodes, factor) in [(3, 1), (4, 2), (3, 3)] {
        let cluster = start(config(nodes, 3));
        let mut client = Client::connect(&cluster, 0);
        make_table(&mut client, factor);
        let insert = client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?)");
        for i in 0..200 {
            client
                .execute(&insert.id, &[&int(i), &int(-i)], Consistency::All)
                .ok();
        }
        for level in [Consistency::One, Consistency::All] {
            let rows = client.query_at("SELECT k, v FROM ks.kv", level).rows();
            let mut keys: Vec<_> = rows
                .iter()
                .map(|row| {
                    let cell = |at: usize| row[at].clone().expect("a value");
                    (cell(0), cell(1))
                })
                .collect();
            keys.sort();
            let expected: Vec<_> = (0..200)
                .map(|i| (int(i).to_vec(), int(-i).to_vec()))
                .collect();
            assert_eq!(keys, expected, "{nodes} nodes, factor {factor}, {level}");
        }
    }
}
