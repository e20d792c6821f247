//! Instruction counts: callgrind runs this program once for each case.

use std::process::Command;
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
    in_parallel(cases, count)
}

/// Instructions of one unit of a case, on average.
fn count(case: &Case) -> Result<f64, String> {
    let runs = (UNITS_MIN / case.units).max(RUNS_MIN);
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=shardlane_measured")
        .arg(program)
        .args(["run", case.name, &runs.to_string()]);
    let total = collected(case.name, &mut command)?;
    Ok(total as f64 / f64::from(runs * case.units))
}

/// Does `work` for each of `items`, on all cores; the results in their order.
pub(crate) fn in_parallel<T: Sync>(
    items: &[T],
    work: impl Fn(&T) -> Result<f64, String> + Sync,
) -> Result<Vec<f64>, String> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![Err("not run".to_owned()); items.len()]);
    let worker = || loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(item) = items.get(at) else { break };
        let result = work(item);
        results.lock().expect("nobody panics")[at] = result;
    };
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(worker))));
    let results = results.into_inner().expect("nobody panics");
    results.into_iter().collect()
}

/// Runs callgrind: how many instructions it has collected.
pub(crate) fn collected(name: &str, command: &mut Command) -> Result<u64, String> {
    let output = command.output().map_err(|_| INSTALL.to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| line.contains("Collected :"));
    let total = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    total
        .filter(|&total| total > 0 && output.status.success())
        .ok_or_else(|| format!("{name}: callgrind failed: {said}"))
}
