//! Ports of all nodes, and which shard a connection belongs to.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::{TcpListener, TcpStream};

use crate::Fallible;

/// Ports that are tried until one is free on all addresses.
const TRIES: usize = 50;

/// A node and a shard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) node: usize,
    pub(super) shard: u16,
}

/// Connections that each shard has.
pub(super) struct Shards {
    counts: Vec<Vec<usize>>,
}

impl Shards {
    pub(super) fn new(nodes: usize, nr_shards: u16) -> Self {
        Self {
            counts: vec![vec![0; usize::from(nr_shards)]; nodes],
        }
    }

    /// The shard for a connection: the one that the source port picks, or the one with the fewest.
    fn assign(&mut self, node: usize, source_port: Option<u16>) -> Place {
        let counts = &mut self.counts[node];
        let shard = match source_port {
            Some(port) => usize::from(port) % counts.len(),
            None => (0..counts.len())
                .min_by_key(|&shard| counts[shard])
                .unwrap_or(0),
        };
        counts[shard] += 1;
        Place {
            node,
            shard: shard as u16,
        }
    }

    /// A connection was closed.
    pub(super) fn release(&mut self, place: Place) {
        self.counts[place.node][usize::from(place.shard)] -= 1;
    }
}

/// One port of one node.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    node: usize,
    is_shard_aware: bool,
    backend: SocketAddr,
}

/// A connection that has been accepted.
pub(super) struct Accepted {
    pub(super) client: TcpStream,
    pub(super) backend: SocketAddr,
    pub(super) place: Place,
}

impl Listener {
    pub(super) fn accept(&mut self, shards: &mut Shards) -> Fallible<Option<Accepted>> {
        match self.socket.accept() {
            Ok((client, from)) => Ok(Some(Accepted {
                client,
                backend: self.backend,
                place: shards.assign(self.node, self.is_shard_aware.then(|| from.port())),
            })),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Listens on one port of all addresses; gives the port.
pub(super) fn on_all(
    addresses: &[IpAddr],
    backend_port: u16,
    is_shard_aware: bool,
) -> Fallible<(Vec<Listener>, u16)> {
    let first = *addresses.first().ok_or("no addresses")?;
    for _ in 0..TRIES {
        let drawn = TcpListener::bind(SocketAddr::new(first, 0))?;
        let port = drawn.local_addr()?.port();
        let rest = addresses[1..]
            .iter()
            .map(|&address| TcpListener::bind(SocketAddr::new(address, port)));
        let Ok(rest) = rest.collect::<io::Result<Vec<_>>>() else {
            continue; // taken on one of them
        };
        let listeners = std::iter::once(drawn)
            .chain(rest)
            .zip(addresses)
            .enumerate()
            .map(|(node, (socket, &address))| Listener {
                socket,
                node,
                is_shard_aware,
                backend: SocketAddr::new(address, backend_port),
            });
        return Ok((listeners.collect(), port));
    }
    Err("no port is free on all addresses".into())
}
