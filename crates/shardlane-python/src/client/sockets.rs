//! Options of sockets, from the attributes of `shardlane.SocketOptions`.

use std::net::IpAddr;
use std::time::Duration;

use pyo3::prelude::*;
use shardlane_io::SocketOptions;

/// What `_shared` has checked.
#[derive(Debug, FromPyObject)]
pub(super) struct Given {
    tcp_nodelay: bool,
    tcp_keepalive: Option<u64>,
    send_buffer_bytes: Option<usize>,
    receive_buffer_bytes: Option<usize>,
    local_address: Option<IpAddr>,
}

impl From<Given> for SocketOptions {
    fn from(given: Given) -> Self {
        Self {
            tcp_nodelay: given.tcp_nodelay,
            tcp_keepalive: given.tcp_keepalive.map(Duration::from_secs),
            send_buffer_bytes: given.send_buffer_bytes,
            receive_buffer_bytes: given.receive_buffer_bytes,
            local_address: given.local_address,
        }
    }
}
