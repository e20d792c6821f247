//! The client side of shardlane as sans-IO state machines.
//!
//! Time comes in as [`Instant`], bytes come in as slices, and what has to happen in the world goes out
//! as values: bytes to write, [`Effect`]s to carry out, completions to deliver. Nothing here opens a
//! socket, starts a thread, reads a clock or draws randomness that was not passed in, so a whole cluster
//! can be simulated in virtual time. The shell in `shardlane-io` drives one [`Engine`].
//!
//! ```text
//! connection <- pool <- cluster <- request     (each knows only those to its left)
//! ```

mod advice;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod cluster;
mod config;
mod connection;
mod counters;
mod engine;
mod error;
mod ids;
mod metrics;
mod notice;
mod policy;
mod pool;
mod request;
mod rng;
mod time;
mod tls_error;

pub use advice::{
    Advice, AdviceError, ClusterEvent, ClusterEventKind, LoginStep, NodeQuestion, Question,
    QuestionId, RetryQuestion, Secret,
};
pub use cluster::{ClusterView, Coordinator, KeyspaceView, NodeView};
pub use config::{
    AllowedAuthenticators, ClientRoute, ClientRoutes, Compression, Config, ContactPoint,
    Credentials, Login, PoolSize, ShardAwareness,
};
pub use counters::{Counter, Counters};
pub use engine::{AttemptBudget, Effect, Engine, EngineLoad};
pub use error::{
    Attempt, AttemptFailure, ConnectFailure, ConnectionError, RequestError, RequestErrorKind,
};
pub use ids::{ConnId, RequestKey};
pub use metrics::{ConnectionView, Opened, PoolView, ShardCounters};
pub use notice::{Notice, NoticeLevel, Severity};
pub use policy::{
    Again, Balancing, Choice, Decision, Policy, Remote, Retry, RetryBackoff, Speculation,
    SpeculationDelay,
};
pub use request::{
    Answer, Latencies, Outcome, PreparedRef, PreparedRefs, Reprepared, RequestSpec, Target,
};
pub use time::Instant;
pub use tls_error::{TlsError, TlsFault};
