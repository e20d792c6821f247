//! The client's machines in a simulated world: virtual time, a hostile network, scripted servers, all
//! from one seed.
//!
//! A failure prints its seed. `SHARDLANE_SIM_SEED=n` runs that one alone, `SHARDLANE_SIM_SEEDS=n` so many;
//! `SHARDLANE_SIM_TRACE=1` tells what happens.

mod client;
mod node;
mod rng;
mod scenarios;
mod server;
mod socket;
mod storms;
mod world;
