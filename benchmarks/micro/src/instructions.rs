//! Instruction counts: callgrind runs this program once for each case.

use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::case::Case;

/// Units that a case does at least while instructions are counted, so that those with different inputs
/// even out.
const UNITS_MIN: u32 = 2048;
const RUNS_MIN: u32 = 16;

const INSTALL: &str = "valgrind is missing: apt install valgrind, dnf install valgrind, ...";

/// The version of valgrind.
///
/// # Errors
/// If there is none, with a hint.
pub fn valgrind_version() -> Result<String, String> {
    let output = Command::new("valgrind").arg("--version").output();
    let output = output.map_err(|_| INSTALL.to_owned())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Instructions of one unit of each case, in the order of `cases`.
///
/// # Errors
/// The first that occurred, with what callgrind said.
pub fn count_all(cases: &[Case]) -> Result<Vec<f64>, String> {
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(vec![Err("not run".to_owned()); cases.len()]);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let at = cases.iter().position(|other| other.name == case.name);
            let count = count(case);
            counts.lock().expect("nobody panics")[at.expect("it is one of them")] = count;
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    counts
        .into_inner()
        .expect("nobody panics")
        .into_iter()
        .collect()
}

/// Instructions of one unit of a case, on average.
fn count(case: &Case) -> Result<f64, String> {
    let runs = (UNITS_MIN / case.units).max(RUNS_MIN);
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=shardlane_measured")
        .arg(program)
        .args(["run", case.name, &runs.to_string()])
        .output()
        .map_err(|_| INSTALL.to_owned())?;
    let total = collected(&output).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{}: callgrind failed: {said}", case.name)
    })?;
    Ok(total as f64 / f64::from(runs * case.units))
}

fn collected(output: &Output) -> Option<u64> {
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    let total = line.rsplit(' ').next()?.parse().ok()?;
    (output.status.success() && total > 0).then_some(total)
}
