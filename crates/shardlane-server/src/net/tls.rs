//! One connection's TLS, on the server's side.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::{HandshakeKind, ServerConfig, ServerConnection};

/// The TLS of one connection. Knows no socket: it is lent with each call.
#[derive(Debug)]
pub(crate) struct Tls {
    connection: ServerConnection,
    /// Whether the end of the handshake was told.
    is_counted: bool,
}

impl Tls {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            connection: ServerConnection::new(config)?,
            is_counted: false,
        })
    }

    /// Once, when the handshake is through: whether it resumed an earlier session.
    pub(crate) fn take_handshake(&mut self) -> Option<bool> {
        if self.is_counted || self.connection.is_handshaking() {
            return None;
        }
        self.is_counted = true;
        Some(self.connection.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// Reads plain text. `Ok(0)` is the end of the stream.
    pub(crate) fn read(
        &mut self,
        socket: &mut (impl Read + Write),
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            match self.connection.read_tls(socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let processed = self.connection.process_new_packets();
            // Handshake messages, and the alert that says what was wrong.
            match self.flush(socket) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
            processed.map_err(io::Error::other)?;
        }
    }

    /// Takes plain text to send: how much of it. `WouldBlock`: the socket is full.
    pub(crate) fn write(&mut self, socket: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
        self.flush(socket)?;
        let count = self.connection.writer().write(bytes)?;
        match self.flush(socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(count),
        }
    }

    /// Writes what was taken and is not sent yet.
    pub(crate) fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that no more will come, as far as the socket takes it.
    pub(crate) fn say_goodbye(&mut self, socket: &mut impl Write) {
        self.connection.send_close_notify();
        let _ = self.flush(socket);
    }
}
