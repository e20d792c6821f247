//! One TCP socket, non-blocking.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use crate::socket_options::SocketOptions;
use crate::tls::{TlsStream, Trouble};
use mio::net::TcpStream;
use shardlane_proto::ConnectFailure;
use socket2::{Domain, Protocol, Socket, Type};

#[derive(Debug)]
pub(crate) struct Sock {
    pub(crate) stream: TcpStream,
    /// TCP, or TLS, is not up yet.
    pub(crate) connecting: bool,
    tcp_is_up: bool,
    source_port: Option<u16>,
    /// The kernel's buffer was full at the last write.
    pub(crate) blocked: bool,
    /// `None` in plain text.
    tls: Option<Box<TlsStream>>,
}

impl Sock {
    /// Begins to connect, from `source_port` if given.
    pub(crate) fn connect(
        address: SocketAddr,
        source_port: Option<u16>,
        options: &SocketOptions,
    ) -> Result<Self, ConnectFailure> {
        let failed = |e: io::Error| failure(&e, source_port);
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )
        .map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        options.apply(&socket).map_err(failed)?;
        options.bind(&socket, address, source_port)?;
        match socket.connect(&address.into()) {
            Ok(()) => {}
            Err(e)
                if e.raw_os_error() == Some(libc::EINPROGRESS)
                    || e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(failed(e)),
        }
        Ok(Self {
            stream: TcpStream::from_std(socket.into()),
            connecting: true,
            tcp_is_up: false,
            source_port,
            blocked: false,
            tls: None,
        })
    }

    /// Speaks TLS as soon as TCP is up.
    pub(crate) fn with_tls(mut self, tls: TlsStream) -> Self {
        self.tls = Some(Box::new(tls));
        self
    }

    /// After an event: the local port once connected, through TLS too; `None` while it is still under way.
    pub(crate) fn finish_connect(&mut self, raw: &mut [u8]) -> Result<Option<u16>, ConnectFailure> {
        if !self.tcp_is_up {
            if let Some(error) = self.stream.take_error().unwrap_or_else(Some) {
                return Err(failure(&error, self.source_port));
            }
            match self.stream.peer_addr() {
                Ok(_) => self.tcp_is_up = true,
                Err(e) if e.kind() == io::ErrorKind::NotConnected => return Ok(None),
                Err(e) => return Err(failure(&e, self.source_port)),
            }
        }
        if let Some(tls) = &mut self.tls
            && !tls
                .handshake(&mut self.stream, raw)
                .map_err(ConnectFailure::Tls)?
        {
            return Ok(None);
        }
        self.connecting = false;
        Ok(Some(self.stream.local_addr().map_or(0, |a| a.port())))
    }

    /// Reads into `buffer`: how much (zero is the end), and whether there may be more. A short read of a plain
    /// socket empties it, and what comes later makes an event of its own; so unless `ending` tells that the end is
    /// near, it saves the read that would only say "nothing more". `raw` is room for what is encrypted.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        raw: &mut [u8],
        ending: bool,
    ) -> Result<(usize, bool), Trouble> {
        if let Some(tls) = &mut self.tls {
            return tls.read(&mut self.stream, raw, buffer);
        }
        let count = retry(|| self.stream.read(buffer))?;
        Ok((count, count == buffer.len() || ending))
    }

    /// Writes some of `bytes`: how many.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Trouble> {
        match &mut self.tls {
            Some(tls) => tls.write(&mut self.stream, bytes),
            None => Ok(retry(|| self.stream.write(bytes))?),
        }
    }

    /// Whether bytes that were taken wait to be written: then call [`Self::write`] again, with nothing if need be.
    pub(crate) fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Before the socket is closed.
    pub(crate) fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.say_goodbye(&mut self.stream);
        }
    }
}

fn retry(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match operation() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Errors that another local port may cure; they show at bind or at connect.
pub(crate) fn failure(error: &io::Error, source_port: Option<u16>) -> ConnectFailure {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    if source_port.is_some()
        && matches!(
            error.kind(),
            AddrInUse | AddrNotAvailable | PermissionDenied
        )
    {
        ConnectFailure::PortUnavailable(error.to_string())
    } else {
        ConnectFailure::Failed(error.to_string())
    }
}
