//! One connection's TLS: bytes from and to its socket on one side, plain text on the other.

use std::io::{self, Read, Write};

use rustls::ClientConnection;
use shardlane_proto::{ConnectionError, TlsError};

use super::fault;

/// Plain text that one call may leave in rustls: a record, and what a read of the socket holds more than that.
const RECORD_BYTES_MAX: usize = 17 << 10;

/// What a server says before it hangs up: an alert, after what else was on its way.
const LAST_WORDS_BYTES_MAX: usize = 4 << 10;

/// Why nothing, or nothing more, came of it.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The socket has nothing to read, or takes no more.
    WouldBlock,
    /// The connection is over.
    Over(ConnectionError),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::WouldBlock {
            Self::WouldBlock
        } else {
            Self::Over(ConnectionError::Io(error.to_string()))
        }
    }
}

impl From<TlsError> for Trouble {
    fn from(error: TlsError) -> Self {
        Self::Over(ConnectionError::Tls(error))
    }
}

/// The TLS of one connection. Knows no socket: it is lent with each call.
#[derive(Debug)]
pub(crate) struct TlsStream {
    connection: ClientConnection,
    /// What is verified, for messages.
    name: String,
    /// Anything came from the server.
    heard: bool,
    /// The server will send no more.
    ended: bool,
    /// What ended it, kept back until the plain text before it was taken.
    broken: Option<TlsError>,
}

impl TlsStream {
    pub(super) const fn new(connection: ClientConnection, name: String) -> Self {
        Self {
            connection,
            name,
            heard: false,
            ended: false,
            broken: None,
        }
    }

    /// Takes the handshake further; true once it is through. `raw` is room for what is read.
    pub(crate) fn handshake(
        &mut self,
        socket: &mut (impl Read + Write),
        raw: &mut [u8],
    ) -> Result<bool, TlsError> {
        loop {
            match self.flush(socket) {
                Ok(()) | Err(Trouble::WouldBlock) => {}
                Err(Trouble::Over(_)) => {
                    return Err(self.last_words(socket).unwrap_or_else(fault::closed));
                }
            }
            if !self.connection.is_handshaking() {
                return Ok(true);
            }
            match socket.read(raw) {
                Ok(0) => return Err(fault::closed()),
                Ok(count) => self.accept(socket, &raw[..count], &mut [], &mut 0)?,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(fault::closed()),
            }
        }
    }

    /// Writing has failed: the server may have said why before it hung up.
    fn last_words(&mut self, socket: &mut (impl Read + Write)) -> Option<TlsError> {
        let mut raw = [0; LAST_WORDS_BYTES_MAX];
        match socket.read(&mut raw) {
            Ok(count @ 1..) => self.accept(socket, &raw[..count], &mut [], &mut 0).err(),
            _ => None,
        }
    }

    /// Reads plain text into `out`: how much, and whether there may be more to read at once. Zero is the end.
    pub(crate) fn read(
        &mut self,
        socket: &mut (impl Read + Write),
        raw: &mut [u8],
        out: &mut [u8],
    ) -> Result<(usize, bool), Trouble> {
        let mut filled = 0;
        self.take_plain(out, &mut filled);
        if filled == 0
            && let Some(error) = self.broken.take()
        {
            return Err(error.into());
        }
        loop {
            let room = out.len() - filled;
            if self.ended || room < 2 * RECORD_BYTES_MAX {
                return Ok((filled, true));
            }
            let most = raw.len().min(room - RECORD_BYTES_MAX);
            match socket.read(&mut raw[..most]) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    if let Err(error) = self.accept(socket, &raw[..count], out, &mut filled) {
                        if filled == 0 {
                            return Err(error.into());
                        }
                        self.broken = Some(error);
                        return Ok((filled, true));
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && filled > 0 => {
                    return Ok((filled, false));
                }
                Err(_) if filled > 0 => return Ok((filled, true)),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Takes in what was read from the socket, and moves plain text to `out`.
    fn accept(
        &mut self,
        socket: &mut impl Write,
        mut raw: &[u8],
        out: &mut [u8],
        filled: &mut usize,
    ) -> Result<(), TlsError> {
        // A TLS record begins with its type, 20 to 23.
        if !std::mem::replace(&mut self.heard, true)
            && raw.first().is_some_and(|t| !(20..=23).contains(t))
        {
            return Err(fault::not_tls());
        }
        while !raw.is_empty() {
            // From memory: fails only if plain text is left lying, which is what a server does that speaks
            // before it is asked.
            let taken = self.connection.read_tls(&mut raw);
            let state = match taken {
                Ok(_) => self.connection.process_new_packets(),
                Err(e) => Err(rustls::Error::General(e.to_string())),
            };
            match state {
                Ok(state) => self.ended |= state.peer_has_closed(),
                Err(error) => {
                    // What was decrypted before it still counts.
                    self.take_plain(out, filled);
                    // The alert that tells the server why.
                    let _ = self.flush(socket);
                    return Err(fault::classify(&error, &self.name));
                }
            }
            self.take_plain(out, filled);
        }
        if self.connection.wants_write() {
            // What does not go out now does with the next write.
            let _ = self.flush(socket);
        }
        Ok(())
    }

    fn take_plain(&mut self, out: &mut [u8], filled: &mut usize) {
        while *filled < out.len() {
            match self.connection.reader().read(&mut out[*filled..]) {
                Ok(0) | Err(_) => return,
                Ok(count) => *filled += count,
            }
        }
    }

    /// Takes plain text to send; how much of it. Call again, with nothing if need be, while
    /// [`Self::wants_write`].
    pub(crate) fn write(
        &mut self,
        socket: &mut (impl Read + Write),
        plain: &[u8],
    ) -> Result<usize, Trouble> {
        let written = self.flush(socket).and_then(|()| {
            let count = self.connection.writer().write(plain)?;
            match self.flush(socket) {
                Ok(()) | Err(Trouble::WouldBlock) => Ok(count),
                Err(over) => Err(over),
            }
        });
        match written {
            Err(Trouble::Over(error)) => Err(self
                .last_words(socket)
                .map_or(Trouble::Over(error), Trouble::from)),
            other => other,
        }
    }

    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    fn flush(&mut self, socket: &mut impl Write) -> Result<(), Trouble> {
        while self.connection.wants_write() {
            match self.connection.write_tls(socket) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Tells the server that no more will come, as far as the socket takes it.
    pub(crate) fn say_goodbye(&mut self, socket: &mut impl Write) {
        if !self.connection.is_handshaking() {
            self.connection.send_close_notify();
            let _ = self.flush(socket);
        }
    }
}
