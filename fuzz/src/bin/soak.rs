//! Runs seeded iterations of mutated and made-up input against the wire crate, on a stable
//! toolchain. Every iteration depends on the seed and its number alone.

use std::env;
use std::error::Error;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use shardlane_fuzz::checks::Depth;
use shardlane_fuzz::soak::{Corpus, run_one};
use shardlane_wire::Direction;

const USAGE: &str = "\
usage: soak [--iterations N] [--seed S] [--start N] [--corpus FOLDER] [--export FOLDER]

  --iterations N   how many iterations (default 1000000)
  --seed S         the seed (default 1)
  --start N        the number of the first iteration, to repeat one that failed (default 0)
  --corpus FOLDER  the golden sessions (default: tests/golden/frames of this repository)
  --export FOLDER  write the corpus as seeds for the libFuzzer targets, and stop";

/// The iteration that is running, for the message about a failure.
static CURRENT: AtomicU64 = AtomicU64::new(0);

/// How often to tell about progress.
const REPORT_EVERY: u64 = 1_000_000;

struct Options {
    iterations: u64,
    seed: u64,
    start: u64,
    corpus: PathBuf,
    export: Option<PathBuf>,
}

fn parse_options() -> Result<Options, Box<dyn Error>> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/frames");
    let mut options = Options {
        iterations: 1_000_000,
        seed: 1,
        start: 0,
        corpus: golden,
        export: None,
    };
    let mut arguments = env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
        match name.as_str() {
            "--iterations" => options.iterations = value.parse()?,
            "--seed" => options.seed = value.parse()?,
            "--start" => options.start = value.parse()?,
            "--corpus" => options.corpus = value.into(),
            "--export" => options.export = Some(value.into()),
            _ => return Err(format!("unknown option {name}\n{USAGE}").into()),
        }
    }
    Ok(options)
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = parse_options()?;
    let Options {
        iterations,
        seed,
        start,
        ..
    } = options;
    let corpus = Corpus::load(&options.corpus)?;
    if let Some(folder) = options.export {
        return corpus.export(&folder);
    }
    println!(
        "soak: seed {seed}, iterations {start}..{}, corpus {} requests and {} responses",
        start + iterations,
        corpus.frames(Direction::Request).len(),
        corpus.frames(Direction::Response).len(),
    );
    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        default_hook(info);
        let iteration = CURRENT.load(Ordering::Relaxed);
        eprintln!("soak: failed; repeat with --seed {seed} --start {iteration} --iterations 1");
    }));

    let began = Instant::now();
    let mut depth = Depth::default();
    for number in start..start + iterations {
        CURRENT.store(number, Ordering::Relaxed);
        depth += run_one(&corpus, seed, number);
        let done = number + 1 - start;
        if done.is_multiple_of(REPORT_EVERY) {
            println!(
                "soak: {done} iterations, {:.0} s",
                began.elapsed().as_secs_f64()
            );
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "soak: {iterations} iterations in {seconds:.1} s, {:.0} per second: {} frames, {} messages \
         read, {} refused, {} cells, {} columns, {} requests, {} of them answered; nothing failed",
        iterations as f64 / seconds,
        depth.frames,
        depth.messages,
        depth.refused,
        depth.cells,
        depth.columns,
        depth.requests,
        depth.answered,
    );
    let got_nowhere = [depth.messages, depth.refused, depth.cells, depth.answered].contains(&0);
    if iterations >= 10_000 && got_nowhere {
        return Err("the inputs did not get anywhere: the soak tested nothing".into());
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}
