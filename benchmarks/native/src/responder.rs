//! A server that costs next to nothing: it stands before another one and repeats that one's answers.
//!
//! Everything goes on to the server behind it, each connection by one of its own, except what is hot:
//! the first answer to an EXECUTE or BATCH is kept, and repeated for each further one of the same
//! statement, whatever its values. So whatever a driver wants to know when it connects is answered as
//! the server behind answers it. One thread, one epoll, one write for all that was read at once.

mod answers;
mod connection;
mod listen;

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::IpAddr;

use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};

use crate::Fallible;
use answers::Answers;
use connection::{Connection, Ends};
use listen::{Listener, Shards};

/// Starts it, says which port it has, and serves until standard input ends.
pub(crate) fn run(options: &Value) -> Fallible<()> {
    let addresses: Result<Vec<IpAddr>, _> = options["addresses"]
        .as_array()
        .ok_or("no addresses")?
        .iter()
        .map(|address| address.as_str().unwrap_or_default().parse())
        .collect();
    let backend_port = u16::try_from(options["port"].as_u64().ok_or("no port")?)?;
    let nr_shards = u16::try_from(options["shards"].as_u64().ok_or("no shards")?)?;
    let mut responder = Responder::start(&addresses?, backend_port, nr_shards)?;
    std::thread::spawn(|| {
        // Nothing is expected there but its end.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    crate::serve::say(&json!({ "port": responder.port }));
    responder.serve()
}

struct Responder {
    poll: Poll,
    listeners: Vec<Listener>,
    shards: Shards,
    connections: HashMap<usize, Connection>,
    answers: Answers,
    port: u16,
    shard_aware_port: u16,
    /// Tokens from here on are free; each connection takes two.
    next_token: usize,
}

impl Responder {
    fn start(addresses: &[IpAddr], backend_port: u16, nr_shards: u16) -> Fallible<Self> {
        let poll = Poll::new()?;
        let (normal, port) = listen::on_all(addresses, backend_port, false)?;
        let (aware, shard_aware_port) = listen::on_all(addresses, backend_port, true)?;
        let mut listeners = normal;
        listeners.extend(aware);
        for (index, listener) in listeners.iter_mut().enumerate() {
            poll.registry()
                .register(&mut listener.socket, Token(index), Interest::READABLE)?;
        }
        // Connections have even tokens for the client's end, and the next one for the server's.
        let next_token = listeners.len().next_multiple_of(2);
        Ok(Self {
            poll,
            shards: Shards::new(addresses.len(), nr_shards),
            listeners,
            connections: HashMap::new(),
            answers: Answers::default(),
            port,
            shard_aware_port,
            next_token,
        })
    }

    fn serve(&mut self) -> Fallible<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; 256 * 1024];
        loop {
            if let Err(error) = self.poll.poll(&mut events, None)
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error.into());
            }
            for event in &events {
                let Token(token) = event.token();
                if token < self.listeners.len() {
                    self.accept(token)?;
                } else {
                    self.turn(token, event.is_read_closed(), &mut buffer);
                }
            }
        }
    }

    fn accept(&mut self, index: usize) -> Fallible<()> {
        while let Some(accepted) = self.listeners[index].accept(&mut self.shards)? {
            let token = self.next_token;
            self.next_token += 2;
            let mut connection = Connection::new(accepted, self.shard_aware_port)?;
            connection.register(self.poll.registry(), token)?;
            self.connections.insert(token, connection);
        }
        Ok(())
    }

    fn turn(&mut self, token: usize, is_closed: bool, buffer: &mut [u8]) {
        let (of_client, is_client) = (token & !1, token & 1 == 0);
        let Some(connection) = self.connections.get_mut(&of_client) else {
            return; // closed earlier in this turn
        };
        let end = if is_client {
            Ends::Client
        } else {
            Ends::Server
        };
        // What cannot be read concerns this connection only.
        if !matches!(
            connection.turn(end, is_closed, buffer, &mut self.answers),
            Ok(true)
        ) {
            self.shards.release(connection.place);
            self.connections.remove(&of_client);
        }
    }
}
