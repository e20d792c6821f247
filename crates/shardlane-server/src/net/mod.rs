//! Sockets: listeners, ports and the byte side of a connection. Everything is bound to loopback.

pub(crate) mod connection;
pub(crate) mod listen;
pub(crate) mod tls;
