//! The shell of shardlane's client: one thread per cluster object that drives the machines of
//! `shardlane-proto` with sockets, names and a clock.
//!
//! Callers encode a request on their own thread, hand it over with [`Client::submit`] and get an
//! [`Arc<Ticket>`](Ticket). Submission never blocks on the network: it appends to a queue and wakes the thread only
//! if it sleeps. Results come back in batches: each ticket's [`Sink`] is told once per batch.
//!
//! Where the application has a say, an [`Advisor`] is asked, and answers from a thread of its own.

mod advisor;
mod client;
mod dialect;
mod habit;
mod helm;
mod queue;
mod resolve;
mod shared;
mod shell;
mod socket;
mod socket_options;
mod ticket;
mod timestamps;
mod tls;

pub use advisor::{Advisor, Reply};
pub use client::{Client, StartError};
pub use helm::{LoopId, Steering, Turns};
pub use socket_options::SocketOptions;
pub use ticket::{Gate, Sink, Ticket};
pub use tls::{Identity, Tls, TlsOptions, TlsOptionsError, TlsVersion, Verification};
