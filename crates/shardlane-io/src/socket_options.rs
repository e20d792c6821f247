//! What the kernel is told about each connection's socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use shardlane_proto::ConnectFailure;
use socket2::{Socket, TcpKeepalive};

/// The kernel probes an idle peer after so long, besides the protocol's own keepalive.
const TCP_KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// Options of the sockets of one cluster object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketOptions {
    /// Small requests leave at once (`TCP_NODELAY`); true by default.
    pub tcp_nodelay: bool,
    /// After so long without traffic the kernel probes the peer, in whole seconds; `None`: never. 60 s by default.
    pub tcp_keepalive: Option<Duration>,
    /// `SO_SNDBUF` in bytes; `None` leaves it to the kernel, which adapts it.
    pub send_buffer_bytes: Option<usize>,
    /// `SO_RCVBUF` in bytes; `None` leaves it to the kernel, which adapts it.
    pub receive_buffer_bytes: Option<usize>,
    /// The address of this host that connections come from; `None`: the kernel chooses by its routes.
    pub local_address: Option<IpAddr>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            tcp_nodelay: true,
            tcp_keepalive: Some(TCP_KEEPALIVE_IDLE),
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            local_address: None,
        }
    }
}

impl SocketOptions {
    /// Sets everything that must be set before connecting (TCP agrees on the window's scale then).
    pub(crate) fn apply(&self, socket: &Socket) -> io::Result<()> {
        socket.set_tcp_nodelay(self.tcp_nodelay)?;
        if let Some(idle) = self.tcp_keepalive {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
        }
        if let Some(bytes) = self.send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        Ok(())
    }

    /// Binds to the local address, if one is given, and to `port`, if one is.
    pub(crate) fn bind(
        &self,
        socket: &Socket,
        to: SocketAddr,
        port: Option<u16>,
    ) -> Result<(), ConnectFailure> {
        if self.local_address.is_none() && port.is_none() {
            return Ok(());
        }
        let any = match to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let from = self.local_address.unwrap_or(any);
        if from.is_ipv4() != to.is_ipv4() {
            return Err(ConnectFailure::Failed(format!(
                "{to} cannot be reached from the local address {from}: one is IPv4, the other IPv6"
            )));
        }
        if port.is_none() {
            no_port_yet(socket);
        }
        // No SO_REUSEADDR: a port in TIME_WAIT must show here, not as a clash at connect.
        socket
            .bind(&SocketAddr::new(from, port.unwrap_or(0)).into())
            .map_err(|error| match error.kind() {
                // Another port would not help.
                io::ErrorKind::AddrNotAvailable => ConnectFailure::Failed(format!(
                    "the local address {from} is not one of this host ({error})"
                )),
                _ => super::socket::failure(&error, port),
            })
    }
}

/// The kernel chooses the port at connect, by the whole of both addresses: otherwise a few ten thousand ports
/// would be all there are, for all peers together. Where it cannot, it chooses now.
fn no_port_yet(socket: &Socket) {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let on: libc::c_int = 1;
        let bytes = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the descriptor is open, and the value is a c_int that outlives the call.
        let _ = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_IP,
                libc::IP_BIND_ADDRESS_NO_PORT,
                (&raw const on).cast(),
                bytes,
            )
        };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Protocol, SockRef, Type};

    use super::*;
    use crate::socket::Sock;

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    fn options() -> SocketOptions {
        SocketOptions::default()
    }

    #[test]
    fn the_kernel_is_told() {
        let (_listener, address) = listener();
        let sock = Sock::connect(address, None, &options()).unwrap();
        let socket = SockRef::from(&sock.stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), TCP_KEEPALIVE_IDLE);
        let ordinary = (
            socket.send_buffer_size().unwrap(),
            socket.recv_buffer_size().unwrap(),
        );
        let other = SocketOptions {
            tcp_nodelay: false,
            tcp_keepalive: Some(Duration::from_secs(7)),
            send_buffer_bytes: Some(20_000),
            receive_buffer_bytes: Some(30_000),
            local_address: None,
        };
        let sock = Sock::connect(address, None, &other).unwrap();
        let socket = SockRef::from(&sock.stream);
        assert!(!socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(7));
        let sizes = (
            socket.send_buffer_size().unwrap(),
            socket.recv_buffer_size().unwrap(),
        );
        assert_ne!(sizes, ordinary);
        // Linux doubles them, for its own bookkeeping.
        assert!((20_000..=40_000).contains(&sizes.0), "{sizes:?}");
        assert!((30_000..=60_000).contains(&sizes.1), "{sizes:?}");
        let off = SocketOptions {
            tcp_keepalive: None,
            ..options()
        };
        let sock = Sock::connect(address, None, &off).unwrap();
        assert!(!SockRef::from(&sock.stream).keepalive().unwrap());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn connections_come_from_the_local_address() {
        let (listener, address) = listener();
        let local = SocketOptions {
            local_address: Some("127.0.0.77".parse().unwrap()),
            ..options()
        };
        let _sock = Sock::connect(address, None, &local).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), local.local_address.unwrap());
        assert_ne!(peer.port(), 0);
        // And from a port of its own.
        let free = TcpListener::bind("127.0.0.77:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let taken = Sock::connect(address, Some(port), &local).unwrap_err();
        assert!(
            matches!(taken, ConnectFailure::PortUnavailable(_)),
            "{taken:?}"
        );
        drop(free);
        let _sock = Sock::connect(address, Some(port), &local).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer, SocketAddr::new(local.local_address.unwrap(), port));
    }

    #[test]
    fn an_address_of_another_host_or_family_is_no_matter_of_ports() {
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        for (from, said) in [("192.0.2.1", "not one of this host"), ("::1", "IPv6")] {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
            let strange = SocketOptions {
                local_address: Some(from.parse().unwrap()),
                ..options()
            };
            for port in [None, Some(50_000)] {
                match strange.bind(&socket, to, port) {
                    Err(ConnectFailure::Failed(why)) => {
                        assert!(why.contains(from) && why.contains(said), "{why}");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}
