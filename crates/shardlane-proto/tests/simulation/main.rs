//! The client's machines in a simulated world: virtual time, a hostile network, scripted servers that
//! replicate what is written, all from one seed.
//!
//! A failure prints how to run its seed again. `SHARDLANE_SIM_SEED=n` runs that one alone,
//! `SHARDLANE_SIM_SEEDS=n` so many, `SHARDLANE_SIM_HOURS=n` a cluster's life of so many hours;
//! `SHARDLANE_SIM_TRACE=1` tells what happens.

mod client;
mod long;
mod mischief;
mod node;
mod noticing;
mod policies;
mod rng;
mod scenarios;
mod server;
mod socket;
mod store;
mod storms;
mod trying;
mod world;
