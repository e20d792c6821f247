//! The I/O thread: one turn after another of "read all, submit all, write all, deliver all, sleep".

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use mio::{Events, Interest, Poll, Token};
use shardlane_proto::{
    ClusterView, ConnId, ConnectFailure, ConnectionError, Effect, Engine, Instant, Outcome,
    PoolView,
};
use shardlane_wire::Dialect;

use crate::advisor::{Advisor, Reply};
use crate::dialect::SharedDialect;
use crate::queue::{Command, Queue};
use crate::resolve::resolve;
use crate::socket::Sock;
use crate::socket_options::SocketOptions;
use crate::ticket::{Completion, Sink};
use crate::tls::{Tls, Trouble};

pub(crate) const WAKER: usize = usize::MAX;
const READ_BUFFER_BYTES: usize = 256 << 10;
/// Smaller than the other: what is decrypted must fit in there.
const RAW_BUFFER_BYTES: usize = 64 << 10;
/// Reads per connection and turn: a huge page must not starve the others.
const READS_PER_TURN_MAX: usize = 8;

/// What the thread shows to others.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    cluster: Mutex<Arc<ClusterView>>,
    pools: Mutex<Arc<Vec<PoolView>>>,
    dialect: SharedDialect,
    /// Grows whenever something else is shown.
    version: AtomicU64,
    finished: AtomicBool,
}

impl Shared {
    pub(crate) fn cluster(&self) -> Arc<ClusterView> {
        self.cluster
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn pools(&self) -> Arc<Vec<PoolView>> {
        self.pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect.load()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct Shell {
    poll: Poll,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    engine: Engine<Completion>,
    tls: Option<Tls>,
    socket_options: SocketOptions,
    advisor: Option<Box<dyn Advisor>>,
    sockets: Vec<Option<Sock>>,
    /// Sockets that had more to read than a turn allows.
    unread: Vec<ConnId>,
    buffer: Vec<u8>,
    /// What was read and is encrypted.
    raw: Vec<u8>,
    batch: Vec<Command>,
    completions: Vec<(Completion, Outcome)>,
    epoch: Clock,
    finished: bool,
}

impl Shell {
    pub(crate) fn new(
        poll: Poll,
        queue: Arc<Queue>,
        shared: Arc<Shared>,
        engine: Engine<Completion>,
        tls: Option<Tls>,
        socket_options: SocketOptions,
        advisor: Option<Box<dyn Advisor>>,
    ) -> Self {
        Self {
            poll,
            queue,
            shared,
            engine,
            // Without TLS it is never looked at.
            raw: vec![0; if tls.is_some() { RAW_BUFFER_BYTES } else { 0 }],
            tls,
            socket_options,
            advisor,
            sockets: Vec::new(),
            unread: Vec::new(),
            buffer: vec![0; READ_BUFFER_BYTES],
            batch: Vec::new(),
            completions: Vec::new(),
            epoch: Clock::now(),
            finished: false,
        }
    }

    pub(crate) fn run(mut self) {
        /// Marks the end even if the thread unwinds, and ends commands that nobody will look at.
        struct End(Arc<Queue>, Arc<Shared>);
        impl Drop for End {
            fn drop(&mut self) {
                self.1.finished.store(true, Ordering::SeqCst);
                self.0.swap(&mut Vec::new());
            }
        }
        let _end = End(self.queue.clone(), self.shared.clone());
        let mut events = Events::with_capacity(256);
        while !self.finished {
            self.turn(&mut events);
        }
    }

    /// One turn of the poll loop: whoever calls it in a loop drives the cluster object.
    fn turn(&mut self, events: &mut Events) {
        let timeout = self.sleep_time();
        match self.poll.poll(events, timeout) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => events.clear(),
            // epoll itself failing leaves nothing to go on with; dropping the engine ends all tickets.
            Err(_) => self.finished = true,
        }
        self.queue.awake();
        let now = self.now();
        for conn in std::mem::take(&mut self.unread) {
            self.read(now, conn, true);
        }
        for event in events.iter() {
            if event.token() != Token(WAKER) {
                self.handle_event(now, event);
            }
        }
        // Answers first: their callers work on while we write.
        self.deliver(now);
        self.take_commands(now);
        if self.engine.next_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
        }
        self.carry_out(now);
        self.write_all(now);
        self.carry_out(now);
        self.deliver(now);
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn sleep_time(&mut self) -> Option<Duration> {
        let due = self.engine.next_timeout();
        if !self.unread.is_empty() || !self.queue.may_sleep() {
            return Some(Duration::ZERO);
        }
        let now = self.now();
        // epoll counts in milliseconds: round up, so as not to wake before the time and spin.
        due.map(|at| match at.since(now) {
            Duration::ZERO => Duration::ZERO,
            left => left + Duration::from_micros(999),
        })
    }

    fn take_commands(&mut self, now: Instant) {
        let mut batch = std::mem::take(&mut self.batch);
        self.queue.swap(&mut batch);
        for command in batch.drain(..) {
            match command {
                Command::Submit(spec, completion) => {
                    let ticket = completion.clone_ticket();
                    let key = self.engine.submit(now, spec, completion);
                    if let Some(ticket) = ticket {
                        ticket.set_key(key);
                    }
                }
                Command::Cancel(ticket) => self.engine.cancel(now, ticket.key()),
                Command::WhenReady(completion) => self.engine.when_ready(completion),
                Command::Resolved { host, result } => {
                    self.engine.handle_resolved(now, &host, result)
                }
                Command::Advised(id, answer) => self.engine.handle_advice(now, id, answer),
                Command::Close { drain } => self.engine.close(now, drain),
            }
        }
        self.batch = batch;
    }

    fn carry_out(&mut self, now: Instant) {
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::Connect {
                    conn,
                    address,
                    source_port,
                    name,
                } => {
                    let options = &self.socket_options;
                    let result =
                        Sock::connect(address, source_port, options).and_then(|mut sock| {
                            if let Some(tls) = &self.tls {
                                let stream = tls.connect(address.ip(), name.as_deref());
                                sock = sock.with_tls(stream.map_err(ConnectFailure::Tls)?);
                            }
                            let interest = Interest::READABLE | Interest::WRITABLE;
                            self.poll
                                .registry()
                                .register(&mut sock.stream, Token(conn.0 as usize), interest)
                                .map_err(|e| ConnectFailure::Failed(e.to_string()))?;
                            Ok(sock)
                        });
                    match result {
                        Ok(sock) => *self.slot(conn) = Some(sock),
                        Err(failure) => self.engine.handle_connect_failed(now, conn, failure),
                    }
                }
                Effect::Close { conn } => {
                    if let Some(mut sock) = self.slot(conn).take() {
                        sock.say_goodbye();
                        // Before the close: a forked child may hold the socket open.
                        let _ = self.poll.registry().deregister(&mut sock.stream);
                    }
                }
                Effect::Resolve { host, port } => resolve(self.queue.clone(), host, port),
                Effect::Ask { id, question } => {
                    let reply = Reply::new(self.queue.clone(), id);
                    match &self.advisor {
                        Some(advisor) => advisor.ask(question, reply),
                        None => drop(reply),
                    }
                }
                Effect::Finished => self.finished = true,
            }
        }
    }

    fn slot(&mut self, conn: ConnId) -> &mut Option<Sock> {
        let index = conn.0 as usize;
        if index >= self.sockets.len() {
            self.sockets.resize_with(index + 1, || None);
        }
        &mut self.sockets[index]
    }

    fn handle_event(&mut self, now: Instant, event: &mio::event::Event) {
        let conn = ConnId(event.token().0 as u32);
        let Some(Some(sock)) = self.sockets.get_mut(conn.0 as usize) else {
            return;
        };
        if sock.connecting {
            match sock.finish_connect(&mut self.raw) {
                Ok(Some(port)) => self.engine.handle_connected(now, conn, port),
                Ok(None) => return,
                Err(failure) => {
                    // The engine may try another port under the same name: this socket is done.
                    if let Some(mut sock) = self.slot(conn).take() {
                        let _ = self.poll.registry().deregister(&mut sock.stream);
                    }
                    self.engine.handle_connect_failed(now, conn, failure);
                    return;
                }
            }
        }
        if event.is_writable()
            && let Some(sock) = self.slot(conn)
            && std::mem::take(&mut sock.blocked)
        {
            self.write(now, conn);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(now, conn, event.is_read_closed() || event.is_error());
        }
    }

    /// Reads what is there. `ending`: the end of the stream is near.
    fn read(&mut self, now: Instant, conn: ConnId, ending: bool) {
        for _ in 0..READS_PER_TURN_MAX {
            let Some(Some(sock)) = self.sockets.get_mut(conn.0 as usize) else {
                return;
            };
            match sock.read(&mut self.buffer, &mut self.raw, ending) {
                Ok((0, _)) => {
                    self.engine
                        .handle_closed(now, conn, &ConnectionError::ClosedByServer);
                    return self.carry_out(now);
                }
                Ok((count, more)) => {
                    self.engine.handle_bytes(now, conn, &self.buffer[..count]);
                    // The engine may have closed this very connection, and its name must not be
                    // read from again before that is carried out.
                    self.carry_out(now);
                    if !more {
                        return;
                    }
                }
                Err(Trouble::WouldBlock) => return,
                Err(Trouble::Over(error)) => {
                    self.engine.handle_closed(now, conn, &error);
                    return self.carry_out(now);
                }
            }
        }
        self.unread.push(conn);
    }

    fn write_all(&mut self, now: Instant) {
        while let Some(conn) = self.engine.poll_dirty() {
            self.write(now, conn);
        }
    }

    fn write(&mut self, now: Instant, conn: ConnId) {
        loop {
            let Some(Some(sock)) = self.sockets.get_mut(conn.0 as usize) else {
                return;
            };
            let unsent = self.engine.unsent(conn);
            if sock.connecting || sock.blocked || (unsent.is_empty() && !sock.wants_write()) {
                return;
            }
            match sock.write(unsent) {
                Ok(count) => self.engine.handle_written(conn, count),
                Err(Trouble::WouldBlock) => {
                    sock.blocked = true;
                    return;
                }
                Err(Trouble::Over(error)) => {
                    self.engine.handle_closed(now, conn, &error);
                    return self.carry_out(now);
                }
            }
        }
    }

    /// Delivers outcomes; wakes each sink once. Before that shows what has changed: who learns that the
    /// cluster is ready looks at its pools next.
    fn deliver(&mut self, now: Instant) {
        if self.engine.take_changed() {
            self.publish(now);
        }
        self.engine.take_completions(&mut self.completions);
        let mut sinks: Vec<Arc<dyn Sink>> = Vec::new();
        for (completion, outcome) in self.completions.drain(..) {
            if let Some(sink) = completion.complete(outcome)
                && !sinks.iter().any(|s| Arc::ptr_eq(s, &sink))
            {
                sinks.push(sink);
            }
        }
        for sink in sinks {
            sink.wake();
        }
    }

    fn publish(&mut self, now: Instant) {
        self.shared.dialect.store(self.engine.dialect());
        *self
            .shared
            .cluster
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = self.engine.cluster_view();
        *self
            .shared
            .pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(self.engine.pool_views(now));
        self.shared.version.fetch_add(1, Ordering::Release);
    }
}
