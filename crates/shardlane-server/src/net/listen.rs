//! Listening: the same port number on every node's address.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::StartError;

/// Connections that the kernel may hold for a node that does not accept right now.
const BACKLOG: i32 = 1024;

/// How often a port number offered by the kernel for the first address may be taken on another.
const FREE_PORT_ATTEMPTS_MAX: usize = 200;

/// A listener with an accept queue as short as can be, for nobody to accept from: once the queue is
/// full, the kernel drops what asks for a connection.
pub(crate) fn listen_blocked(address: SocketAddr) -> io::Result<TcpListener> {
    bind_and_listen(address, 0)
}

/// A non-blocking listener. `SO_REUSEADDR` lets a restarted node listen while connections of its
/// former life are in TIME_WAIT; it does not allow two listeners.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind_and_listen(address, BACKLOG)
}

fn bind_and_listen(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Listens on `port` at every address; with port 0, on one number that is free at all of them.
pub(crate) fn listen_on_all(
    addresses: &[IpAddr],
    port: u16,
) -> Result<(u16, Vec<TcpListener>), StartError> {
    if port != 0 {
        let listeners = addresses
            .iter()
            .map(|&ip| {
                let address = SocketAddr::new(ip, port);
                listen(address).map_err(|source| StartError::Listen { address, source })
            })
            .collect::<Result<_, _>>()?;
        return Ok((port, listeners));
    }
    let Some((&first, others)) = addresses.split_first() else {
        return Err(StartError::Config("no address to listen on".to_owned()));
    };
    for _ in 0..FREE_PORT_ATTEMPTS_MAX {
        let address = SocketAddr::new(first, 0);
        let failed = |source| StartError::Listen { address, source };
        let listener = listen(address).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let mut listeners = vec![listener];
        for &ip in others {
            match listen(SocketAddr::new(ip, port)) {
                Ok(listener) => listeners.push(listener),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => break,
                Err(source) => {
                    let address = SocketAddr::new(ip, port);
                    return Err(StartError::Listen { address, source });
                }
            }
        }
        if listeners.len() == addresses.len() {
            return Ok((port, listeners));
        }
    }
    Err(StartError::NoFreePort)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_free_port_is_free_on_every_address() {
        let addresses: Vec<IpAddr> = (1..=3)
            .map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 3, last)))
            .collect();
        let (port, listeners) = listen_on_all(&addresses, 0).expect("a free port");
        assert_eq!(listeners.len(), 3);
        for (listener, ip) in listeners.iter().zip(&addresses) {
            assert_eq!(
                listener.local_addr().expect("bound"),
                SocketAddr::new(*ip, port)
            );
        }
        let error = listen_on_all(&addresses, port).expect_err("it is taken now");
        assert!(matches!(error, StartError::Listen { address, .. } if address.port() == port));
    }
}
