//! Conversion between bytes and Python values, which lives in the extension: `values.py` runs the cases in
//! an interpreter, under callgrind.

use std::process::Command;

use crate::instructions::{collected, in_parallel};

/// Names, as `values.py` has them, and what one unit is.
pub const CASES: [(&str, &str); 6] = [
    ("decode_tuples", "row"),
    ("decode_named", "row"),
    ("decode_dicts", "row"),
    ("decode_many_types", "row"),
    ("encode_list", "row"),
    ("encode_dict", "row"),
];

/// What precedes the names in the baseline.
pub const AREA: &str = "python/";

/// Names the interpreter: one that has the extension.
pub const VARIABLE: &str = "MICRO_PYTHON";

/// `UNITS` of the script.
const UNITS: u32 = 1000;

/// The difference of these is what counts: a few calls of the measured function are none of ours.
const RUNS: (u32, u32) = (4, 16);

/// The C function behind `exec` of a text.
const MEASURED: &str = "PyRun_StringFlags";

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/values.py");
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python/shardlane");

/// An interpreter.
pub struct Python(String);

impl Python {
    /// The one that the environment names.
    ///
    /// # Errors
    /// If it names none.
    pub fn from_environment() -> Result<Self, String> {
        let python = std::env::var(VARIABLE);
        python
            .map(Self)
            .map_err(|_| format!("{VARIABLE} is not set: `make bench-check` does it"))
    }

    /// Its version.
    ///
    /// # Errors
    /// If it does not run.
    pub fn version(&self) -> Result<String, String> {
        let output = Command::new(&self.0).arg("--version").output();
        let output = output.map_err(|e| format!("{}: {e}", self.0))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Instructions of one unit of each case, by its full name.
    ///
    /// # Errors
    /// The first that occurred, with what callgrind said.
    pub fn count_all(&self, names: &[&str]) -> Result<Vec<f64>, String> {
        in_parallel(names, |name| {
            let name = name.trim_start_matches(AREA);
            let (few, many) = (self.count(name, RUNS.0)?, self.count(name, RUNS.1)?);
            let difference = many.saturating_sub(few) as f64;
            Ok(difference / f64::from((RUNS.1 - RUNS.0) * UNITS))
        })
    }

    fn count(&self, name: &str, runs: u32) -> Result<u64, String> {
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(format!("--toggle-collect={MEASURED}"))
            // Hashes of texts are the same each time.
            .env("PYTHONHASHSEED", "0")
            .args([&self.0, "-S", "-s", SCRIPT, name])
            .args([&runs.to_string(), PACKAGE]);
        collected(name, &mut command)
    }
}
