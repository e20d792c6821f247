//! Accepting: one shard of a node listens, and hands each connection to the shard that serves it.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::Ordering;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Token};

use super::control::{Adopted, Control};
use super::shard::Shard;
use crate::config::ShardAssignment;
use crate::faults::PortFault;
use crate::stats::PortKind;

/// A port of a node, on the shard that listens.
#[derive(Debug, Default)]
pub(crate) struct Port {
    listener: Option<TcpListener>,
    fault: PortFault,
    /// Connections that were accepted only to be ignored.
    ignored: Vec<TcpStream>,
}

/// Poll tokens of the listeners, below that of the waker.
const fn token(port: PortKind) -> Token {
    Token(usize::MAX - 1 - port as usize)
}

impl Shard {
    pub(super) fn listen(&mut self, listener: StdListener, port: PortKind) {
        let mut listener = TcpListener::from_std(listener);
        let registry = self.poll.registry();
        if registry
            .register(&mut listener, token(port), Interest::READABLE)
            .is_ok()
        {
            self.ports[port as usize].listener = Some(listener);
            // Somebody may have connected before the poll knew of the listener.
            self.accept_from(port);
        }
    }

    pub(super) fn unlisten(&mut self, port: PortKind) {
        if let Some(mut listener) = self.ports[port as usize].listener.take() {
            // The socket is closed on drop, which deregisters it in any case.
            let _ = self.poll.registry().deregister(&mut listener);
        }
    }

    pub(super) fn set_port_fault(&mut self, port: PortKind, fault: PortFault) {
        self.ports[port as usize].fault = fault;
        self.ports[port as usize].ignored.clear();
        self.accept_from(port);
    }

    /// Whether the token is a listener's, and then accepts.
    pub(super) fn on_listener(&mut self, seen: Token) -> bool {
        let port = PortKind::ALL.into_iter().find(|port| token(*port) == seen);
        if let Some(port) = port {
            self.accept_from(port);
        }
        port.is_some()
    }

    pub(super) fn unlisten_all(&mut self) {
        PortKind::ALL
            .into_iter()
            .for_each(|port| self.unlisten(port));
    }

    pub(super) fn accept_waiting(&mut self) {
        PortKind::ALL
            .into_iter()
            .for_each(|port| self.accept_from(port));
    }

    fn accept_from(&mut self, port: PortKind) {
        loop {
            let Some(listener) = &self.ports[port as usize].listener else {
                return;
            };
            match listener.accept() {
                Ok((stream, peer)) => self.assign(stream, peer, port),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nobody waits, or the one who did has gone, or no file descriptor is left: the
                // next connection makes a new event.
                Err(_) => return,
            }
        }
    }

    fn assign(&mut self, stream: TcpStream, peer: SocketAddr, port: PortKind) {
        let fault = self.ports[port as usize].fault;
        if fault == PortFault::Silent {
            self.ports[port as usize].ignored.push(stream);
            return;
        }
        // Small answers must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let shards = self.node.counters.len();
        let target = match port {
            PortKind::ShardAware | PortKind::ShardAwareTls => {
                let rewritten = usize::from(fault == PortFault::Nat);
                (usize::from(peer.port()) + rewritten) % shards
            }
            PortKind::Normal | PortKind::NormalTls => self.pick_shard(shards, port),
        };
        let number = self.node.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        self.node.counters[target].connection_opened(port);
        let adopted = Adopted {
            stream,
            port,
            number,
        };
        let member = self.view.member(self.id.node);
        let sent = member
            .and_then(|member| member.shards.get(target))
            .is_some_and(|link| link.control(Control::Adopt(adopted)));
        if !sent {
            self.node.counters[target].connection_closed(port);
        }
    }

    /// As ScyllaDB's listener: the shard with the fewest connections of this port.
    fn pick_shard(&mut self, shards: usize, port: PortKind) -> usize {
        match self.shared.config.assignment {
            ShardAssignment::Random => self.rng.below(shards),
            ShardAssignment::LeastLoaded => {
                let load = |shard: &usize| self.node.counters[*shard].connections(port);
                (0..shards).min_by_key(load).unwrap_or(0)
            }
        }
    }
}
