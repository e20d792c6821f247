//! Programs for `python -m benchmarks`: what bounds a driver in Python from below, and a server.
//!
//! `client` and `socket` are clients: they say a line of JSON when they are connected, and answer one
//! line for each that they read, as `benchmarks/worker.py` does. `responder` is a server.

mod client;
mod data;
mod responder;
mod serve;
mod socket;
mod usage;

use std::error::Error;
use std::process::ExitCode;

/// Whatever goes wrong ends the program, and is told.
type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            serve::say(&serde_json::json!({ "failed": error.to_string() }));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, program, options] = &arguments[..] else {
        return Err("usage: PROGRAM OPTIONS".into());
    };
    let options: serde_json::Value = serde_json::from_str(options)?;
    match &program[..] {
        "client" => serve::serve(&serve::Task::read(&options)?, client::Client::connect),
        "socket" => serve::serve(&serve::Task::read(&options)?, socket::Sockets::connect),
        "responder" => responder::run(&options),
        other => Err(format!("there is no program {other:?}").into()),
    }
}
