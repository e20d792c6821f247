//! Names: resolved on a thread of their own, because the system's resolver blocks.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use crate::queue::{Command, Queue};

/// Looks `host` up; the answer comes as a command.
pub(crate) fn resolve(queue: Arc<Queue>, host: String, port: u16) {
    let name = host.clone();
    let answer = queue.clone();
    let look_up = move || {
        let result = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        let result: Result<Vec<SocketAddr>, String> = result.map_err(|e| e.to_string());
        answer.push(Command::Resolved { host: name, result });
    };
    if let Err(error) = std::thread::Builder::new()
        .name("shardlane-dns".to_owned())
        .spawn(look_up)
    {
        queue.push(Command::Resolved {
            host,
            result: Err(error.to_string()),
        });
    }
}
