//! One shard: a thread with its own poll, its own connections and its own part of the node's data.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use rustls::ServerConfig;
use slab::Slab;

use super::accept::Port;
use super::control::{Adopted, Control};
use super::inbox::Inbox;
use super::statements::{NodeStatements, ShardStatements};
use super::timers::Agenda;
use crate::cluster::shared::{Shared, now_us};
use crate::cluster::view::View;
use crate::coordinator::hints::Hints;
use crate::coordinator::locks::PartitionLocks;
use crate::coordinator::task::Tasks;
use crate::coordinator::tracing::Traces;
use crate::engine::{Store, Topology};
use crate::faults::RuleSet;
use crate::net::connection::{Connection, ConnectionKey, Io, UNSENT_MAX};
use crate::net::tls::Tls;
use crate::rng::Rng;
use crate::stats::ShardCounters;

/// Poll token of the inbox's waker. Connections have their slot as token.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// Size of the read buffer in bytes: a shard has one, for all its connections.
const READ_BUFFER_LEN: usize = 128 * 1024;

/// Reads of one connection in one turn, so that a flood on one does not starve the others.
const READS_PER_TURN_MAX: usize = 8;

/// Messages taken from the inbox in one turn.
const MESSAGES_PER_TURN_MAX: usize = 4096;

/// A shard of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ShardId {
    pub(crate) node: u32,
    pub(crate) shard: u16,
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.shard)
    }
}

/// What the shards of one node share.
#[derive(Debug)]
pub(crate) struct NodeShared {
    pub(crate) index: u32,
    pub(crate) statements: NodeStatements,
    /// One for each shard.
    pub(crate) counters: Arc<[ShardCounters]>,
    /// Connections accepted since the node started.
    pub(crate) accepted: AtomicU64,
    /// What it takes to speak TLS.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// A shard, built and run on its own thread.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: Arc<NodeShared>,
    /// The newest view this shard has seen. Counted per shard: a shared count would be a cache
    /// line that all shards write to.
    #[expect(
        clippy::redundant_allocation,
        reason = "the inner count is shared by threads"
    )]
    pub(crate) view: Rc<Arc<View>>,
    pub(crate) store: Store,
    pub(crate) tasks: Tasks,
    pub(crate) locks: PartitionLocks,
    pub(crate) hints: Hints,
    pub(crate) traces: Traces,
    pub(crate) statements: ShardStatements,
    pub(crate) connections: Slab<Connection>,
    /// Connections with something to send.
    pub(crate) unsent: Vec<ConnectionKey>,
    /// Frames that a fault holds back.
    pub(crate) delayed: Agenda<(ConnectionKey, Vec<u8>)>,
    pub(crate) rules: RuleSet,
    rules_version: u64,
    /// What the system tables say, for the view of this version.
    topology: Option<(u64, Arc<Topology>)>,
    /// The time at the start of this turn.
    pub(crate) now: Instant,
    last_timestamp: i64,
    pub(crate) rng: Rng,
    pub(crate) scratch: Vec<u8>,
    pub(super) poll: Poll,
    inbox: Inbox,
    pub(super) ports: [Port; 4],
    next_generation: u32,
    is_paused: bool,
    /// Connections that have more to read than one turn allows.
    unread: Vec<ConnectionKey>,
    read_buffer: Vec<u8>,
}

/// What a shard needs to come to life.
pub(crate) struct Birth {
    pub(crate) id: ShardId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: Arc<NodeShared>,
    pub(crate) store: Store,
    pub(crate) poll: Poll,
    pub(crate) inbox: Inbox,
    /// How often this node has been started: keeps late answers apart.
    pub(crate) incarnation: u32,
}

impl Shard {
    /// Serves until told to stop; returns the data, which a node keeps as if on disk.
    pub(crate) fn run(birth: Birth) -> Store {
        let mut events = Events::with_capacity(1024);
        let mut shard = Self::new(birth);
        let mut buffer = std::mem::take(&mut shard.read_buffer);
        loop {
            if let Err(error) = shard.poll.poll(&mut events, shard.wait_limit())
                && error.kind() != io::ErrorKind::Interrupted
            {
                // Without a poll a shard cannot serve: to its clients and peers it is dead.
                return shard.end(false);
            }
            shard.now = Instant::now();
            shard.inbox.clear_bell();
            while let Some(control) = shard.inbox.next_control() {
                if let Control::Stop { graceful } = control {
                    return shard.end(graceful);
                }
                shard.obey(control);
            }
            if shard.is_paused {
                continue;
            }
            shard.take_messages();
            for event in &events {
                shard.on_event(event, &mut buffer);
            }
            for key in std::mem::take(&mut shard.unread) {
                shard.read_from(key, &mut buffer, true);
            }
            shard.on_time();
            shard.drive_locks();
            shard.flush();
        }
    }

    fn new(birth: Birth) -> Self {
        let Birth {
            id,
            shared,
            node,
            store,
            poll,
            inbox,
            incarnation,
        } = birth;
        let view = Rc::new(shared.view());
        let seed = shared.config.seed ^ (u64::from(id.node) << 32) ^ (u64::from(id.shard) << 16);
        // Sixteen million tasks per incarnation before generations could meet again.
        let first_generation = incarnation.wrapping_shl(24);
        Self {
            tasks: Tasks::new(&shared.config.timeouts, first_generation),
            locks: PartitionLocks::default(),
            hints: Hints::default(),
            traces: Traces::default(),
            statements: ShardStatements::default(),
            connections: Slab::new(),
            unsent: Vec::new(),
            delayed: Agenda::default(),
            rules: shared.faults.rules(),
            rules_version: 0,
            topology: None,
            now: Instant::now(),
            last_timestamp: 0,
            rng: Rng::new(crate::rng::mix(seed ^ u64::from(incarnation))),
            scratch: Vec::new(),
            ports: Default::default(),
            next_generation: first_generation,
            is_paused: false,
            unread: Vec::new(),
            read_buffer: vec![0; READ_BUFFER_LEN],
            id,
            shared,
            node,
            view,
            store,
            poll,
            inbox,
        }
    }

    pub(crate) fn counters(&self) -> &ShardCounters {
        &self.node.counters[usize::from(self.id.shard)]
    }

    /// Takes note of a newer view, if there is one.
    pub(crate) fn refresh(&mut self) {
        if self.shared.version() != self.view.version {
            let next = self.shared.view();
            if next.schema.version() != self.view.schema.version() {
                self.store.retain_tables(&next.schema);
            }
            self.view = Rc::new(next);
        }
        let version = self.shared.faults.version();
        if version != self.rules_version {
            self.rules = self.shared.faults.rules();
            self.rules_version = version;
        }
    }

    /// What the system tables of this node say now.
    pub(crate) fn topology(&mut self) -> Option<Arc<Topology>> {
        if let Some((version, topology)) = &self.topology
            && *version == self.view.version
        {
            return Some(Arc::clone(topology));
        }
        let topology = Arc::new(
            self.view
                .topology(self.id.node, self.shared.ports.normal())?,
        );
        self.topology = Some((self.view.version, Arc::clone(&topology)));
        Some(topology)
    }

    /// A timestamp for a write whose client gave none: later than this shard's last.
    pub(crate) fn timestamp(&mut self) -> i64 {
        self.last_timestamp = now_us().max(self.last_timestamp + 1);
        self.last_timestamp
    }

    /// The datacenter of this node.
    pub(crate) fn datacenter(&self) -> u32 {
        self.view
            .member(self.id.node)
            .map_or(0, |member| member.datacenter_id)
    }

    /// How long the poll may sleep.
    fn wait_limit(&self) -> Option<Duration> {
        if self.is_paused {
            return None;
        }
        if !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = [self.tasks.next_deadline(), self.delayed.next_deadline()];
        let next = next.into_iter().flatten().min()?;
        // The poll's timeout counts milliseconds: rounding up avoids waking too early and spinning.
        let left = next.saturating_duration_since(Instant::now());
        Some(left + Duration::from_millis(u64::from(!left.is_zero())))
    }

    fn obey(&mut self, control: Control) {
        self.refresh();
        match control {
            Control::Adopt(adopted) => self.adopt(adopted),
            Control::Listen(listener, port) => self.listen(listener, port),
            Control::Unlisten(port, done) => {
                self.unlisten(port);
                tell(&done);
            }
            Control::CloseClients(done) => self.close_clients(&done),
            Control::PortFault(port, fault, done) => {
                self.set_port_fault(port, fault);
                tell(&done);
            }
            Control::Pause => self.is_paused = true,
            Control::Resume => self.resume(),
            Control::Barrier(done) => self.on_barrier(done),
            Control::Stream(only, done) => self.start_streaming(only.as_deref(), done),
            Control::ReplayHints(node) => self.replay_hints(node as u32),
            Control::Notify(event) => self.notify_clients(&event),
            Control::Stop { .. } => {}
        }
    }

    fn take_messages(&mut self) {
        for _ in 0..MESSAGES_PER_TURN_MAX {
            let Some(message) = self.inbox.next_message() else {
                return;
            };
            self.refresh();
            self.on_message(message);
        }
        // More may wait, and the bell has been cleared: look again without sleeping.
        self.inbox.ring();
    }

    fn on_event(&mut self, event: &mio::event::Event, buffer: &mut [u8]) {
        if event.token() == WAKER || self.on_listener(event.token()) {
            return;
        }
        let Some(connection) = self.connections.get(event.token().0) else {
            return;
        };
        let key = ConnectionKey {
            slot: event.token().0 as u32,
            generation: connection.generation,
        };
        if event.is_writable() {
            self.flush_one(key);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            // The end of the stream makes no event of its own if it came with the last bytes.
            self.read_from(key, buffer, event.is_read_closed() || event.is_error());
        }
    }

    fn on_time(&mut self) {
        while let Some((key, frame)) = self.delayed.pop_due(self.now) {
            if let Some(connection) = self.connection(key)
                && !connection.is_silent
            {
                connection.push_frame(&frame);
                self.queue_flush(key);
            }
        }
        self.expire_tasks();
    }

    fn adopt(&mut self, adopted: Adopted) {
        let Adopted {
            stream,
            port,
            number,
        } = adopted;
        self.next_generation = self.next_generation.wrapping_add(1);
        let limit = self.shared.config.max_frame_bytes;
        let tls = match &self.node.tls {
            Some(config) if port.is_encrypted() => match Tls::new(Arc::clone(config)) {
                Ok(tls) => Some(Box::new(tls)),
                Err(_) => return self.counters().connection_closed(port),
            },
            _ => None,
        };
        let max_version = self.max_version();
        let mut connection = Connection::new(
            stream,
            tls,
            self.next_generation,
            port,
            number,
            limit,
            max_version,
        );
        let entry = self.connections.vacant_entry();
        let token = Token(entry.key());
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self
            .poll
            .registry()
            .register(&mut connection.socket, token, interest)
            .is_ok()
        {
            entry.insert(connection);
        } else {
            self.counters().connection_closed(port);
        }
    }

    /// The connection, if it is still the same one.
    pub(crate) fn connection(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(key.slot as usize)?;
        (connection.generation == key.generation).then_some(connection)
    }

    pub(crate) fn close(&mut self, key: ConnectionKey) {
        if self.connection(key).is_none() {
            return;
        }
        let mut connection = self.connections.remove(key.slot as usize);
        // The socket is closed on drop, which deregisters it in any case.
        let _ = self.poll.registry().deregister(&mut connection.socket);
        self.counters().connection_closed(connection.port);
    }

    /// Reads and handles what there is. A read that does not fill the buffer has taken all; only
    /// `to_the_end` is one more needed.
    fn read_from(&mut self, key: ConnectionKey, buffer: &mut [u8], to_the_end: bool) {
        for _ in 0..READS_PER_TURN_MAX {
            let Some(connection) = self.connection(key) else {
                return;
            };
            if connection.is_throttled {
                return;
            }
            if !connection.unhandled.is_empty() {
                let bytes = std::mem::take(&mut connection.unhandled);
                self.on_bytes(key, &bytes);
                continue;
            }
            let is_plain = connection.tls.is_none();
            let read = connection.read(buffer);
            if let Some(is_resumed) = connection.tls.as_mut().and_then(|t| t.take_handshake()) {
                self.counters().tls_handshake(is_resumed);
            }
            match read {
                Ok(0) => return self.close(key),
                Ok(count) => {
                    self.on_bytes(key, &buffer[..count]);
                    if count < buffer.len() && is_plain && !to_the_end {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.close(key),
            }
        }
        self.unread.push(key);
    }

    /// Puts a connection into the list of those to flush at the end of the turn.
    pub(crate) fn queue_flush(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connection(key)
            && !connection.is_queued
        {
            connection.is_queued = true;
            self.unsent.push(key);
        }
    }

    fn flush(&mut self) {
        let mut list = std::mem::take(&mut self.unsent);
        for key in list.drain(..) {
            if let Some(connection) = self.connection(key) {
                connection.is_queued = false;
                self.flush_one(key);
            }
        }
        self.unsent = list;
    }

    fn flush_one(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connection(key) else {
            return;
        };
        if connection.flush() == Io::Over {
            self.close(key);
        } else if connection.is_throttled && connection.unsent() <= UNSENT_MAX / 2 {
            connection.is_throttled = false;
            self.unread.push(key);
        }
    }

    /// Looks at everything that may have happened during a pause: the poll tells each thing once,
    /// and a paused shard does not listen.
    fn resume(&mut self) {
        if !std::mem::replace(&mut self.is_paused, false) {
            return;
        }
        self.unread = self.keys().collect();
        for key in self.unread.clone() {
            self.queue_flush(key);
        }
        self.give_up_undecided();
        self.accept_waiting();
    }

    /// Takes note of a change: the view is the newest already, and whatever was begun under an older
    /// one is in the queues of those it concerns.
    fn on_barrier(&mut self, done: Sender<()>) {
        self.drive_locks();
        // A paused shard cannot end what it has begun, so it gives that up when it goes on.
        if self.view.cas_frozen && !self.locks.is_idle() && !self.is_paused {
            self.locks.barriers.push(done);
        } else {
            tell(&done);
        }
    }

    /// Closes all connections, once what is ready to be sent is sent.
    fn close_clients(&mut self, done: &Sender<()>) {
        self.unlisten_all();
        self.flush();
        let keys: Vec<ConnectionKey> = self.keys().collect();
        for key in keys {
            self.close(key);
        }
        tell(done);
    }

    fn keys(&self) -> impl Iterator<Item = ConnectionKey> {
        self.connections
            .iter()
            .map(|(slot, connection)| ConnectionKey {
                slot: slot as u32,
                generation: connection.generation,
            })
    }

    fn end(mut self, graceful: bool) -> Store {
        if graceful {
            // Writes that others have sent before they knew.
            while let Some(message) = self.inbox.next_message() {
                self.on_message(message);
            }
            self.flush();
        }
        for (_, connection) in &self.connections {
            self.counters().connection_closed(connection.port);
        }
        self.store
    }
}

/// Says that an order is done. Who no longer waits need not be told.
fn tell(done: &Sender<()>) {
    let _ = done.send(());
}
