//! The client's end of the conversation with `benchmarks/process.py`.

use std::io::{self, BufRead};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Fallible;
use crate::usage::{Usage, memory_mb, monotonic_s, pin};

/// What a client process is for.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) nodes: Vec<SocketAddr>,
    pub(crate) in_flight: usize,
    /// Whether the server repeats its first answer.
    pub(crate) canned: bool,
    cpus: Vec<usize>,
}

impl Task {
    /// Reads what `worker.py` calls a task.
    pub(crate) fn read(options: &Value) -> Fallible<Self> {
        let port = u16::try_from(options["port"].as_u64().ok_or("no port")?)?;
        let list = |name: &str| options[name].as_array().cloned().unwrap_or_default();
        let nodes: Result<Vec<_>, _> = list("addresses")
            .iter()
            .map(|address| address.as_str().unwrap_or_default().parse::<IpAddr>())
            .map(|address| address.map(|address| SocketAddr::new(address, port)))
            .collect();
        Ok(Self {
            nodes: nodes?,
            in_flight: options["cell"]["in_flight"].as_u64().unwrap_or(1) as usize,
            canned: options["canned"].as_bool().unwrap_or(false),
            cpus: list("cpus")
                .iter()
                .filter_map(|cpu| Some(cpu.as_u64()? as usize))
                .collect(),
        })
    }
}

/// A client that can be measured.
pub(crate) trait Measured {
    /// Prepares the statement.
    fn ready(&mut self) -> Fallible<()>;

    /// Sends requests until `until`; gives how long each took.
    fn run(&mut self, until: Instant) -> Fallible<Vec<Duration>>;

    /// TCP connections that are open.
    fn connections(&self) -> usize;
}

/// Says a line to the harness.
pub(crate) fn say(answer: &Value) {
    println!("{answer}");
}

/// Connects, and does what each line asks for.
pub(crate) fn serve<M: Measured>(
    task: &Task,
    connect: impl FnOnce(&Task) -> Fallible<M>,
) -> Fallible<()> {
    pin(&task.cpus);
    let before = Usage::now();
    let began = monotonic_s();
    let mut client = connect(task)?;
    say(&json!({
        "began_s": began,
        "open_s": monotonic_s() - began,
        "open_cpu_s": Usage::now().cpu_since(before),
    }));
    let mut count = 0;
    for line in io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        match request["do"].as_str() {
            Some("ready") => {
                client.ready()?;
                say(&json!({}));
            }
            Some("run") => {
                let seconds = request["seconds"].as_f64().unwrap_or(0.0);
                let answer = run(&mut client, Duration::from_secs_f64(seconds))?;
                count = answer["requests"].as_u64().unwrap_or(0);
                say(&answer);
            }
            Some("look") => say(&look(&client)),
            _ => say(&json!({ "verified": count })),
        }
    }
    Ok(())
}

fn run(client: &mut impl Measured, time: Duration) -> Fallible<Value> {
    let before = Usage::now();
    let began = Instant::now();
    let mut latencies = client.run(began + time)?;
    let wall = began.elapsed();
    let mut answer = Usage::now().since(before);
    let whole = Usage::now().cpu_since(before);
    latencies.sort_unstable();
    let percentile = |share: f64| {
        let at = (latencies.len() as f64 * share) as usize;
        let found = latencies.get(at.min(latencies.len().saturating_sub(1)));
        found.map(|latency| (latency.as_secs_f64() * 1e7).round() / 10.0)
    };
    let figures = json!({
        "requests": latencies.len(),
        "wall_s": wall.as_secs_f64(),
        "allocations": null,
        "p50_us": percentile(0.5),
        "p99_us": percentile(0.99),
        "p999_us": percentile(0.999),
        "whole_turn_s": whole,
    });
    for more in [figures, look(client)] {
        if let (Value::Object(answer), Value::Object(more)) = (&mut answer, more) {
            answer.extend(more);
        }
    }
    Ok(answer)
}

/// What it has now.
fn look(client: &impl Measured) -> Value {
    json!({
        "rss_mb": memory_mb("VmRSS:"),
        "rss_peak_mb": memory_mb("VmHWM:"),
        "connections": client.connections(),
    })
}
