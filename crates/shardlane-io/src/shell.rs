//! The poll loop: one turn after another of "sleep, read all, submit all, write all, deliver all". Whoever has the
//! [`Helm`](crate::helm::Helm) calls it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use mio::{Events, Interest, Poll, Registry, Token};
use shardlane_proto::{
    ConnId, ConnectFailure, ConnectionError, Effect, Engine, Instant, Outcome, RequestSpec,
};

use crate::advisor::{Advisor, Reply};
use crate::queue::{Command, Queue};
use crate::resolve::resolve;
use crate::shared::Shared;
use crate::socket::Sock;
use crate::socket_options::SocketOptions;
use crate::ticket::{Completion, Sink, Ticket};
use crate::tls::{Tls, Trouble};

pub(crate) const WAKER: usize = usize::MAX;
const READ_BUFFER_BYTES: usize = 256 << 10;
/// Smaller than the other: what is decrypted must fit in there.
const RAW_BUFFER_BYTES: usize = 64 << 10;
/// Reads per connection and turn: a huge page must not starve the others.
const READS_PER_TURN_MAX: usize = 8;
const EVENTS_PER_TURN_MAX: usize = 256;
/// Requests submitted in a row share their writes; but the first must not wait for the last of many, nor for
/// whatever a caller does in between.
const UNWRITTEN_MAX: usize = 16;
const UNWRITTEN_TIME_MAX: Duration = Duration::from_micros(50);

#[derive(Debug)]
pub(crate) struct Shell {
    poll: Poll,
    /// Taken out while they are handled.
    events: Option<Events>,
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
    /// To be woken at the end of a delivery.
    sinks: Vec<Arc<dyn Sink>>,
    /// Requests that were submitted and are not written yet, and since when.
    unwritten: usize,
    unwritten_since: Instant,
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
            events: Some(Events::with_capacity(EVENTS_PER_TURN_MAX)),
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
            sinks: Vec::new(),
            unwritten: 0,
            unwritten_since: Instant::default(),
            epoch: Clock::now(),
            finished: false,
        }
    }

    /// One turn of the poll loop; it sleeps until something happens or is due, for at most `limit`. Returns whether
    /// a signal interrupted the sleep.
    pub(crate) fn turn(&mut self, limit: Option<Duration>) -> bool {
        let Some(mut events) = self.events.take() else {
            return false;
        };
        let timeout = self.sleep_time(limit);
        let interrupted = match self.poll.poll(&mut events, timeout) {
            Ok(()) => false,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                true
            }
            // epoll itself failing leaves nothing to go on with; dropping the engine ends all tickets.
            Err(_) => {
                self.finished = true;
                false
            }
        };
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
        self.events = Some(events);
        // Answers first: their callers work on while we write.
        self.deliver(now);
        self.take_commands(now);
        if self.engine.next_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
        }
        self.flush_at(now);
        interrupted
    }

    /// Takes a request without the queue, and writes it; if `more` follow at once, after a while or some of them. If
    /// it then has not been written ([`Self::has_unwritten`]) [`Self::flush`] must follow, or a turn.
    pub(crate) fn submit(&mut self, spec: RequestSpec, completion: Completion, more: bool) {
        let now = self.now();
        // What was queued before comes before.
        self.take_commands(now);
        self.begin(now, spec, completion);
        if self.unwritten == 0 {
            self.unwritten_since = now;
        }
        self.unwritten += 1;
        let since = now.since(self.unwritten_since);
        if !more || self.unwritten >= UNWRITTEN_MAX || since >= UNWRITTEN_TIME_MAX {
            self.flush_at(now);
        }
    }

    /// Gives a request up.
    pub(crate) fn cancel(&mut self, ticket: &Ticket) {
        let now = self.now();
        self.take_commands(now);
        self.engine.cancel(now, ticket.key());
        self.flush_at(now);
    }

    pub(crate) const fn has_unwritten(&self) -> bool {
        self.unwritten > 0
    }

    /// Writes what was submitted, and what was queued meanwhile.
    pub(crate) fn flush(&mut self) {
        let now = self.now();
        self.take_commands(now);
        self.flush_at(now);
    }

    fn flush_at(&mut self, now: Instant) {
        self.unwritten = 0;
        self.carry_out(now);
        self.write_all(now);
        self.carry_out(now);
        self.deliver(now);
    }

    /// Whether the engine is at its end, and the shell with it.
    pub(crate) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Requests that have no outcome yet.
    pub(crate) fn requests_under_way(&self) -> usize {
        self.engine.requests_under_way()
    }

    /// Whether the next turn has something to do that no event will tell of.
    pub(crate) const fn has_leftovers(&self) -> bool {
        self.has_unwritten() || self.needs_turn()
    }

    /// The same, but for requests to write.
    pub(crate) const fn needs_turn(&self) -> bool {
        self.finished || !self.unread.is_empty()
    }

    /// Whether something is due in `time` from now, or before.
    pub(crate) fn is_due_within(&mut self, time: Duration) -> bool {
        let now = self.now();
        self.engine
            .next_timeout()
            .is_some_and(|at| at.since(now) <= time)
    }

    /// Another handle on what becomes readable when a turn has something to do.
    pub(crate) fn epoll(&self) -> io::Result<Registry> {
        self.poll.registry().try_clone()
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn sleep_time(&mut self, limit: Option<Duration>) -> Option<Duration> {
        let no_time = limit == Some(Duration::ZERO);
        if no_time || self.has_leftovers() || !self.queue.may_sleep() {
            return Some(Duration::ZERO);
        }
        let due = self.engine.next_timeout().map(|at| at.since(self.now()));
        let time = match (due, limit) {
            (Some(due), Some(limit)) => due.min(limit),
            (due, limit) => due.or(limit)?,
        };
        // epoll counts in milliseconds: round up, so as not to wake before the time and spin.
        Some(match time {
            Duration::ZERO => Duration::ZERO,
            left => left + Duration::from_micros(999),
        })
    }

    fn begin(&mut self, now: Instant, spec: RequestSpec, completion: Completion) {
        let ticket = completion.clone_ticket();
        let key = self.engine.submit(now, spec, completion);
        if let Some(ticket) = ticket {
            ticket.set_key(key);
        }
    }

    fn take_commands(&mut self, now: Instant) {
        let mut batch = std::mem::take(&mut self.batch);
        self.queue.swap(&mut batch);
        for command in batch.drain(..) {
            match command {
                Command::Submit(spec, completion) => self.begin(now, spec, completion),
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
        for (completion, outcome) in self.completions.drain(..) {
            completion.complete(outcome, &mut self.sinks);
        }
        for sink in self.sinks.drain(..) {
            sink.wake();
        }
    }

    fn publish(&mut self, now: Instant) {
        let pools = Arc::new(self.engine.pool_views(now));
        let (dialect, cluster) = (self.engine.dialect(), self.engine.cluster_view());
        self.shared.publish(dialect, cluster, pools);
    }
}
