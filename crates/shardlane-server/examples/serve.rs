//! Serves an embedded cluster until standard input ends, then prints what each shard has done.
//!
//! `cargo run -p shardlane-server --example serve -- --nodes 3 --shards 4 --port 9042`
//!
//! Lines on standard input control it: `kill 1`, `stop 1`, `start 1`, `pause 1`, `resume 1`, `add`,
//! `remove 1`, `forget`, `reset`, `stats`, `quit`.

use std::io::{BufRead, Write};
use std::net::Ipv4Addr;

use shardlane_server::cluster::NodePlan;
use shardlane_server::{Cluster, ClusterConfig, Shards};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = parse(std::env::args().skip(1))?;
    let cluster = Cluster::start(config)?;
    let points: Vec<_> = cluster
        .contact_points()
        .iter()
        .map(ToString::to_string)
        .collect();
    println!(
        "ready {} shard-aware {:?}",
        points.join(" "),
        cluster.shard_aware_port()
    );
    std::io::stdout().flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.trim() == "quit" {
            break;
        }
        match obey(&cluster, &line) {
            Ok(()) => println!("done {line}"),
            Err(error) => println!("failed {line}: {error}"),
        }
        std::io::stdout().flush()?;
    }
    print_stats(&cluster);
    Ok(())
}

fn parse(
    mut arguments: impl Iterator<Item = String>,
) -> Result<ClusterConfig, Box<dyn std::error::Error>> {
    let mut config = ClusterConfig::default();
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--nodes" => config.nodes = value.parse()?,
            "--shards" => config.shards = Shards::Same(value.parse()?),
            "--port" => config.port = value.parse()?,
            "--shard-aware-port" => {
                config.shard_aware_port = if value == "none" {
                    None
                } else {
                    Some(value.parse()?)
                };
            }
            "--address" => config.first_address = value.parse::<Ipv4Addr>()?,
            "--vnodes" => config.vnodes = value.parse()?,
            "--seed" => config.seed = value.parse()?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(config)
}

fn obey(cluster: &Cluster, line: &str) -> Result<(), Box<dyn std::error::Error>> {
    let (verb, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let index = || rest.trim().parse::<usize>();
    match verb {
        "kill" => cluster.kill_node(index()?)?,
        "stop" => cluster.stop_node(index()?)?,
        "start" => cluster.start_node(index()?)?,
        "pause" => cluster.pause_node(index()?)?,
        "resume" => cluster.resume_node(index()?)?,
        "remove" => cluster.remove_node(index()?)?,
        "add" => {
            cluster.add_node(NodePlan::default())?;
        }
        "forget" => {
            cluster.forget_prepared(None)?;
        }
        "reset" => cluster.reset_stats(),
        "stats" => print_stats(cluster),
        _ => return Err("unknown command".into()),
    }
    Ok(())
}

fn print_stats(cluster: &Cluster) {
    for node in cluster.stats().nodes {
        for (shard, stats) in node.shards.iter().enumerate() {
            println!(
                "node {} shard {shard}: connections {} normal + {} shard-aware now ({} + {} \
                 opened), requests {}, right {} wrong shard {} wrong node {}, forwarded {}, \
                 operations {}, errors {}",
                node.address,
                stats.normal_port.current,
                stats.shard_aware_port.current,
                stats.normal_port.opened,
                stats.shard_aware_port.opened,
                stats.requests,
                stats.right_shard,
                stats.wrong_shard,
                stats.wrong_node,
                stats.forwarded,
                stats.operations,
                stats.errors,
            );
        }
    }
    let total = cluster.stats().total();
    println!(
        "total requests {} routable {} right shard {:?} % right node {:?} %",
        total.requests,
        total.routable(),
        total.right_shard_percent(),
        total.right_node_percent()
    );
}
