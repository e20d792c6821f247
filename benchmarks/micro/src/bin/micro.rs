//! `micro`: runs cases; see `usage`.

use std::process::ExitCode;

use shardlane_micro::allocations::{self, Counting};
use shardlane_micro::baseline::{Baseline, Cost};
use shardlane_micro::case::Case;
use shardlane_micro::{cases, instructions};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const USAGE: &str = "usage:
  micro list                   names of all cases
  micro run CASE RUNS          runs a case, for callgrind or perf
  micro allocations [CASE]     allocations and bytes of one unit
  micro where CASE             call sites that allocate
  micro check                  compares all costs with the baseline
  micro update                 makes them the baseline";

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
        ["check"] => check(),
        ["update"] => update(),
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

/// The costs of all cases, now.
fn measure() -> Result<Baseline, String> {
    let valgrind = instructions::valgrind_version()?;
    let all = cases::all();
    let instructions = instructions::count_all(&all)?;
    let cost = |(case, instructions): (&Case, f64)| {
        let (allocations, bytes) = allocations::count(case);
        let rounded = |number: f64, unit: f64| (number * unit).round() / unit;
        let cost = Cost {
            instructions: rounded(instructions, 10.0),
            allocations: rounded(allocations, 1000.0),
            allocated_bytes: rounded(bytes, 10.0),
        };
        (case.name.to_owned(), cost)
    };
    Ok(Baseline {
        rustc: env!("MICRO_RUSTC").to_owned(),
        target: env!("MICRO_TARGET").to_owned(),
        valgrind,
        cases: all.iter().zip(instructions).map(cost).collect(),
    })
}

fn check() -> Result<(), String> {
    let text = std::fs::read_to_string(BASELINE).map_err(|e| format!("{BASELINE}: {e}"))?;
    let baseline: Baseline = serde_json::from_str(&text).map_err(|e| format!("{BASELINE}: {e}"))?;
    let comparison = baseline.compare(&measure()?);
    print!("{comparison}");
    if !comparison.is_passed() {
        return Err("worse than the baseline, or not what it is of".to_owned());
    }
    if comparison.is_better() {
        println!("better than the baseline: update it, so that it stays so");
    }
    Ok(())
}

fn update() -> Result<(), String> {
    let text = serde_json::to_string_pretty(&measure()?).map_err(|e| e.to_string())?;
    std::fs::write(BASELINE, text + "\n").map_err(|e| format!("{BASELINE}: {e}"))
}

fn show_allocations(case: &Case) {
    let (count, bytes) = allocations::count(case);
    println!(
        "{:36} {count:8.3} {bytes:8.0} B per {}",
        case.name, case.unit
    );
}
