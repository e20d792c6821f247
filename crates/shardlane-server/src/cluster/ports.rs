//! The ports of a node: open, closed, or misbehaving.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::error::ControlError;
use super::slot::Slot;
use crate::config::StartError;
use crate::faults::PortFault;
use crate::net::listen::{listen, listen_blocked};
use crate::node::control::Control;
use crate::node::inbox::Link;
use crate::stats::PortKind;

/// Connections that may fit into an accept queue of length zero.
const FILLERS_MAX: usize = 8;

/// A connection on loopback that is not there after this time will not come.
const FILL_PATIENCE: Duration = Duration::from_millis(50);

/// How a port is to behave, and what makes it so.
#[derive(Debug, Default)]
pub(super) struct PortGate {
    pub(super) fault: PortFault,
    /// Whether the node's acceptor listens.
    is_open: bool,
    /// A listener that nobody accepts from, and the connections that fill its queue.
    blocked: Option<(TcpListener, Vec<TcpStream>)>,
}

impl PortGate {
    /// Forgets the listeners of a node that has ended.
    pub(super) fn reset(&mut self) {
        self.is_open = false;
        self.blocked = None;
    }
}

impl Slot {
    /// Makes the port behave as its fault says, on a node that runs. `listener` is one that is
    /// bound already.
    pub(super) fn apply_port(
        &mut self,
        port: PortKind,
        address: SocketAddr,
        listener: Option<TcpListener>,
    ) -> Result<(), ControlError> {
        let Some(acceptor) = self.acceptor().cloned() else {
            return Ok(());
        };
        let gate = &mut self.gates[port as usize];
        let failed = |source| ControlError::Start(StartError::Listen { address, source });
        match gate.fault {
            PortFault::None | PortFault::Silent | PortFault::Nat => {
                gate.blocked = None;
                wait_for(&acceptor, |done| Control::PortFault(port, gate.fault, done));
                if !gate.is_open {
                    let listener = match listener {
                        Some(listener) => listener,
                        None => listen(address).map_err(failed)?,
                    };
                    acceptor.control(Control::Listen(listener, port));
                    gate.is_open = true;
                }
            }
            PortFault::Refused | PortFault::Dropped => {
                drop(listener);
                if std::mem::take(&mut gate.is_open) {
                    wait_for(&acceptor, |done| Control::Unlisten(port, done));
                }
                gate.blocked = None;
                if gate.fault == PortFault::Dropped {
                    let listener = listen_blocked(address).map_err(failed)?;
                    let fillers = (0..FILLERS_MAX)
                        .map_while(|_| TcpStream::connect_timeout(&address, FILL_PATIENCE).ok())
                        .collect();
                    gate.blocked = Some((listener, fillers));
                }
            }
        }
        Ok(())
    }
}

/// Gives an order and waits until it is carried out. A shard that has ended has no ports either.
fn wait_for(shard: &Link, order: impl FnOnce(Sender<()>) -> Control) {
    let (done, ended) = channel();
    shard.control(order(done));
    let _ = ended.recv();
}
