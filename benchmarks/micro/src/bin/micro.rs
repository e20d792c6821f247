//! `micro`: runs cases; see `usage`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use shardlane_micro::allocations::{self, Counting};
use shardlane_micro::baseline::{Allocated, Baseline, Cost};
use shardlane_micro::case::Case;
use shardlane_micro::python::{self, Python};
use shardlane_micro::{cases, instructions};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const USAGE: &str = "usage:
  micro list                   names of all cases
  micro run CASE RUNS          runs a case, for callgrind or perf
  micro allocations [CASE]     allocations and bytes of one unit
  micro where CASE             call sites that allocate
  micro check [PREFIX]         compares costs with the baseline, of all cases or of those that begin so
  micro update [PREFIX]        makes them the baseline
Cases that begin with python/ need an interpreter with the extension, named by MICRO_PYTHON.";

/// Where the baseline is committed.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["list"] => {
            cases::all()
                .iter()
                .for_each(|case| println!("{}", case.name));
            Ok(())
        }
        ["run", name, runs] => run(name, runs),
        ["allocations"] => {
            cases::all().iter().for_each(show_allocations);
            Ok(())
        }
        ["allocations", name] => find(name).map(|case| show_allocations(&case)),
        ["where", name] => find(name).map(|case| {
            for (site, count, bytes) in allocations::locate(&case) {
                println!("{count:8.3} ({bytes:6.0} B) {site}");
            }
        }),
        ["check"] => check(""),
        ["check", prefix] => check(prefix),
        ["update"] => update(""),
        ["update", prefix] => update(prefix),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn find(name: &str) -> Result<Case, String> {
    cases::find(name).ok_or_else(|| format!("there is no case {name:?}: micro list"))
}

fn run(name: &str, runs: &str) -> Result<(), String> {
    let runs = runs.parse().map_err(|e| format!("{runs}: {e}"))?;
    find(name)?.run(runs, |_| ());
    Ok(())
}

/// The costs of the cases whose names begin with `prefix`, now.
fn measure(prefix: &str) -> Result<Baseline, String> {
    let rounded = |number: f64, unit: f64| (number * unit).round() / unit;
    let mut surroundings: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |what: &str, version: String| surroundings.insert(what.to_owned(), version);
    add("rustc", env!("MICRO_RUSTC").to_owned());
    add("target", env!("MICRO_TARGET").to_owned());
    add("valgrind", instructions::valgrind_version()?);

    let mut all = cases::all();
    all.retain(|case| case.name.starts_with(prefix));
    let counts = instructions::count_all(&all)?;
    let cost = |(case, instructions): (&Case, f64)| {
        let (allocations, bytes) = allocations::count(case);
        let allocated = Allocated {
            allocations: rounded(allocations, 1000.0),
            allocated_bytes: rounded(bytes, 10.0),
        };
        let cost = Cost {
            instructions: rounded(instructions, 10.0),
            allocated: Some(allocated),
        };
        (case.name.to_owned(), cost)
    };
    let mut costs: BTreeMap<String, Cost> = all.iter().zip(counts).map(cost).collect();

    let names = python::CASES.map(|(name, _)| format!("{}{name}", python::AREA));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let names: Vec<&str> = names
        .into_iter()
        .filter(|n| n.starts_with(prefix))
        .collect();
    if !names.is_empty() {
        let python = Python::from_environment()?;
        add("python", python.version()?);
        let counts = python.count_all(&names)?;
        costs.extend(names.iter().zip(counts).map(|(name, count)| {
            let cost = Cost {
                instructions: rounded(count, 10.0),
                allocated: None,
            };
            ((*name).to_owned(), cost)
        }));
    }
    Ok(Baseline {
        surroundings,
        cases: costs,
    })
}

fn read() -> Result<Baseline, String> {
    let text = std::fs::read_to_string(BASELINE).map_err(|e| format!("{BASELINE}: {e}"))?;
    serde_json::from_str(&text).map_err(|e| format!("{BASELINE}: {e}"))
}

fn check(prefix: &str) -> Result<(), String> {
    let comparison = read()?.part(prefix).compare(&measure(prefix)?);
    print!("{comparison}");
    if !comparison.is_passed() {
        return Err("worse than the baseline, or not what it is of".to_owned());
    }
    if comparison.is_better() {
        println!("better than the baseline: update it, so that it stays so");
    }
    Ok(())
}

fn update(prefix: &str) -> Result<(), String> {
    let mut baseline = read().unwrap_or_default();
    baseline.replace_part(prefix, measure(prefix)?)?;
    let text = serde_json::to_string_pretty(&baseline).map_err(|e| e.to_string())?;
    std::fs::write(BASELINE, text + "\n").map_err(|e| format!("{BASELINE}: {e}"))
}

fn show_allocations(case: &Case) {
    let (count, bytes) = allocations::count(case);
    println!(
        "{:36} {count:8.3} {bytes:8.0} B per {}",
        case.name, case.unit
    );
}
