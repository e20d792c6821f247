//! The caller's end: a handle on the I/O thread.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Poll, Token, Waker};
use shardlane_proto::{
    AttemptBudget, ClusterView, Config, Counters, Engine, Latencies, PoolView, RequestSpec,
};
use shardlane_wire::Dialect;

use crate::advisor::Advisor;
use crate::helm::{Helm, LoopId, Steering, Turns};
use crate::queue::{Command, Queue};
use crate::shared::Shared;
use crate::shell::{Shell, WAKER};
use crate::socket_options::SocketOptions;
use crate::ticket::{Completion, Sink, Ticket};
use crate::timestamps::Timestamps;
use crate::tls::Tls;

/// Simultaneous connection attempts of the whole process: a restart of many clients at once is then no storm.
const ATTEMPTS_PER_PROCESS_MAX: usize = 64;

fn process_budget() -> Arc<AttemptBudget> {
    static BUDGET: OnceLock<Arc<AttemptBudget>> = OnceLock::new();
    BUDGET
        .get_or_init(|| Arc::new(AttemptBudget::new(ATTEMPTS_PER_PROCESS_MAX)))
        .clone()
}

/// The I/O thread could not be started.
#[derive(Debug)]
pub struct StartError(io::Error);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start the I/O thread: {}", self.0)
    }
}

impl std::error::Error for StartError {}

/// One cluster object: its I/O thread, and the way to it. Dropping it closes the cluster without draining.
#[derive(Debug)]
pub struct Client {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    helm: Arc<Helm>,
    timestamps: Timestamps,
    latencies: Arc<Latencies>,
    counters: Arc<Counters>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Client {
    /// Starts the thread, which begins to connect at once, by TLS if `tls` is given. `advisor` answers for the application, if it has a
    /// say; it is dropped when the thread ends. `steering` tells who may drive.
    ///
    /// # Errors
    /// If the system gives no thread, epoll or eventfd.
    pub fn start(
        mut config: Config,
        tls: Option<Tls>,
        sockets: SocketOptions,
        advisor: Option<Box<dyn Advisor>>,
        steering: Steering,
    ) -> Result<Self, StartError> {
        if config.seed == 0 {
            config.seed = RandomState::new().build_hasher().finish();
        }
        config.tls = tls.is_some();
        let poll = Poll::new().map_err(StartError)?;
        let waker = Waker::new(poll.registry(), Token(WAKER)).map_err(StartError)?;
        let queue = Arc::new(Queue::new(waker));
        let shared = Arc::new(Shared::default());
        let engine = Engine::new(config, process_budget());
        let latencies = engine.latencies();
        let counters = engine.counters();
        let shell = Shell::new(
            poll,
            queue.clone(),
            shared.clone(),
            engine,
            tls,
            sockets,
            advisor,
        );
        let helm = Helm::new(shell, queue.clone(), shared.clone(), steering);
        let helm = Arc::new(helm.map_err(StartError)?);
        let run = helm.clone();
        let thread = std::thread::Builder::new()
            .name("shardlane-io".to_owned())
            .spawn(move || run.run())
            .map_err(StartError)?;
        Ok(Self {
            queue,
            shared,
            helm,
            timestamps: Timestamps::default(),
            latencies,
            counters,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands over a request, one of many. `quietly`: do not wake whoever drives; [`Self::kick`] must follow soon.
    pub fn submit(
        &self,
        spec: RequestSpec,
        sink: Option<Arc<dyn Sink>>,
        tag: u64,
        quietly: bool,
    ) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket::new(sink, tag));
        self.helm
            .enqueue(spec, Completion::new(ticket.clone()), quietly);
        self.end_if_finished();
        ticket
    }

    /// Sees to quiet submissions.
    pub fn kick(&self) {
        self.queue.kick();
    }

    /// Hands over a request for which the calling thread will [`Self::wait`], as the next it does.
    pub fn submit_to_wait(&self, spec: RequestSpec) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket::new(None, 0));
        self.helm.submit(spec, Completion::new(ticket.clone()));
        self.end_if_finished();
        ticket
    }

    /// Hands over a request of the event loop `id`, whose `sink` gets the ticket back with `tag`. If `more` follow at
    /// once they may share their way. The second value tells whether [`Self::flush`] must follow soon.
    pub fn submit_from_loop(
        &self,
        id: LoopId,
        spec: RequestSpec,
        sink: Arc<dyn Sink>,
        tag: u64,
        more: bool,
    ) -> (Arc<Ticket>, bool) {
        let ticket = Arc::new(Ticket::new(Some(sink), tag));
        let completion = Completion::new(ticket.clone());
        let is_unwritten = self.helm.submit_from_loop(id, spec, completion, more);
        self.end_if_finished();
        (ticket, is_unwritten)
    }

    /// Sees to it that what the event loop `id` has submitted is sent.
    pub fn flush(&self, id: LoopId) {
        self.helm.flush_from_loop(id);
    }

    /// Whether the event loop `id`, of which `waiting` requests are under way, should drive the connections by itself.
    /// If it can, it listens to [`Self::epoll`] and says so with [`Self::let_loop_drive`].
    #[must_use]
    pub fn wants_loop(&self, id: LoopId, waiting: usize) -> bool {
        self.helm.wants_loop(id, waiting)
    }

    /// The event loop `id` drives, until it is told otherwise.
    pub fn let_loop_drive(&self, id: LoopId) {
        self.helm.let_loop_drive(id);
    }

    /// To be called by the event loop `id` when [`Self::epoll`] has become readable. Does not wait. False if it should
    /// not listen any more, because it does not drive.
    #[must_use]
    pub fn turn_from_loop(&self, id: LoopId) -> bool {
        self.helm.turn_from_loop(id)
    }

    /// What an event loop that drives listens to: readable if there is something to do. It belongs to the client:
    /// listen to a duplicate.
    #[must_use]
    pub fn epoll(&self) -> RawFd {
        self.helm.epoll()
    }

    /// A ticket that ends when requests can be sent, or when no contact point could be reached.
    pub fn when_ready(&self, sink: Option<Arc<dyn Sink>>, tag: u64) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket::new(sink, tag));
        self.queue
            .push(Command::WhenReady(Completion::new(ticket.clone())));
        self.end_if_finished();
        ticket
    }

    /// Blocks until the outcome of `ticket` has arrived (then true), until `until`, or until a signal comes. Drives the
    /// connections meanwhile, if that is quicker.
    #[must_use]
    pub fn wait(&self, ticket: &Ticket, until: Instant) -> bool {
        self.helm.wait(ticket, until)
    }

    /// Who has driven so far.
    #[must_use]
    pub fn turns(&self) -> Turns {
        self.helm.turns()
    }

    /// The caller wants no outcome any more; the ticket ends with `Cancelled`, unless it has ended already.
    pub fn cancel(&self, ticket: &Arc<Ticket>) {
        self.helm.cancel(ticket);
    }

    /// Takes no more requests; those under way get `drain` to finish. Returns at once.
    pub fn close(&self, drain: Duration) {
        self.queue.push(Command::Close { drain });
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.shared.is_finished()
    }

    /// Waits for the thread to end, after [`Self::close`].
    pub fn join(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // The thread has no way to panic that its tickets would not have told already.
            let _ = thread.join();
        }
    }

    /// A timestamp for a write, in microseconds since the epoch, later than every one given before.
    pub fn next_timestamp(&self) -> i64 {
        self.timestamps.next()
    }

    /// What requests should be laid out for: what the control connection speaks. Known once a ticket
    /// of [`Self::when_ready`] has ended. Others are laid out again by the I/O thread.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.shared.dialect()
    }

    /// Topology and schema as last known.
    #[must_use]
    pub fn cluster_view(&self) -> Arc<ClusterView> {
        self.shared.cluster()
    }

    /// Grows whenever topology, schema or pools have changed: what was made of them before is out of date.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.version()
    }

    /// How long answers take; live.
    #[must_use]
    pub fn latencies(&self) -> Arc<Latencies> {
        self.latencies.clone()
    }

    /// What has been done so far; live.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The pools as last known; their counters are live.
    #[must_use]
    pub fn pool_views(&self) -> Arc<Vec<PoolView>> {
        self.shared.pools()
    }

    /// A command that came after the thread's last look would never be seen: drop it, which ends its ticket.
    fn end_if_finished(&self) {
        if self.shared.is_finished() {
            self.queue.swap(&mut Vec::new());
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}
