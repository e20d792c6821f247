//! The coordinator: what a shard does with the requests of its connections.
//!
//! A statement whose only replica is this very shard is carried out on the spot. Anything else
//! becomes a [`task::Task`]: questions go out to the shards that own the data, answers come back, and
//! when the consistency level is met the client gets its response.

pub(crate) mod cas;
pub(crate) mod counter;
pub(crate) mod ddl;
pub(crate) mod errors;
pub(crate) mod gather;
pub(crate) mod hints;
pub(crate) mod limits;
pub(crate) mod locks;
pub(crate) mod login;
pub(crate) mod message;
pub(crate) mod quota;
pub(crate) mod read;
pub(crate) mod replica;
pub(crate) mod request;
pub(crate) mod respond;
pub(crate) mod session;
pub(crate) mod statement;
pub(crate) mod stream;
pub(crate) mod tablets;
pub(crate) mod task;
pub(crate) mod tracing;
pub(crate) mod write;
