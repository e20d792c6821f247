//! shardlane's own core without Python: what the faces add is the rest.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use shardlane_io::{Client as Core, Sink, SocketOptions, Steering, Ticket};
use shardlane_proto::{Config, ContactPoint, Outcome, PreparedRef, PreparedRefs, RequestSpec};
use shardlane_routing::murmur3_token;
use shardlane_wire::request::Prepare;
use shardlane_wire::{Consistency, Opcode};

use crate::Fallible;
use crate::data::{SELECT, Statement, TABLE, bound, check, keys};
use crate::serve::{Measured, Task};

const PATIENCE: Duration = Duration::from_secs(30);
/// Requests handed over quietly before the I/O thread is woken, as the asyncio face does it.
const HELD_MAX: usize = 16;

/// A client with one thread that sends, and the I/O thread.
pub(crate) struct Client {
    core: Core,
    finished: Arc<Finished>,
    in_flight: usize,
    canned: bool,
    prepared: Option<Select>,
    keys: Vec<i64>,
}

/// The prepared statement, and where its table is.
struct Select {
    statement: Statement,
    reference: Arc<PreparedRef>,
    keyspace: Arc<str>,
    table: Arc<str>,
}

/// Tickets that have ended, many at a time.
#[derive(Debug, Default)]
struct Finished {
    tickets: Mutex<Vec<Arc<Ticket>>>,
    arrived: Condvar,
}

impl Finished {
    /// Blocks until there are some; they are put into `taken`.
    fn take(&self, taken: &mut Vec<Arc<Ticket>>) -> Fallible<()> {
        let tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut tickets, timeout) = self
            .arrived
            .wait_timeout_while(tickets, PATIENCE, |tickets| tickets.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *tickets, taken);
        if timeout.timed_out() {
            return Err("no answer came".into());
        }
        Ok(())
    }
}

impl Sink for Finished {
    fn push(&self, ticket: Arc<Ticket>) {
        self.tickets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(ticket);
    }

    fn wake(&self) {
        self.arrived.notify_one();
    }
}

impl Client {
    /// Connects to all shards.
    pub(crate) fn connect(task: &Task) -> Fallible<Self> {
        let points = task.nodes.iter().copied();
        let config = Config::new(points.map(ContactPoint::Address).collect());
        let sockets = SocketOptions::default();
        let core = Core::start(config, None, sockets, None, Steering::default())?;
        outcome(&core, &core.when_ready(None, 0))?.map_err(|error| format!("{:?}", error.kind))?;
        Ok(Self {
            core,
            finished: Arc::new(Finished::default()),
            in_flight: task.in_flight,
            canned: task.canned,
            prepared: None,
            keys: keys().collect(),
        })
    }

    fn request(&self, key: i64) -> Fallible<RequestSpec> {
        let select = self.prepared.as_ref().ok_or("nothing is prepared")?;
        let dialect = select.statement.dialect;
        let value = bound(key);
        let mut body = Vec::with_capacity(96);
        select
            .statement
            .execute(&value)
            .encode(dialect, &mut body)?;
        let mut spec = RequestSpec::new(Opcode::Execute, body);
        spec.dialect = dialect;
        spec.token = Some(murmur3_token(&value[4..]));
        spec.table_keyspace = Some(select.keyspace.clone());
        spec.table = Some(select.table.clone());
        spec.consistency = Consistency::LocalOne;
        spec.timeout = Some(PATIENCE);
        spec.prepared = PreparedRefs::One(select.reference.clone());
        Ok(spec)
    }
}

fn outcome(core: &Core, ticket: &Ticket) -> Fallible<Outcome> {
    if !core.wait(ticket, Instant::now() + PATIENCE) {
        return Err("no answer came".into());
    }
    ticket
        .take()
        .ok_or_else(|| "an outcome is taken twice".into())
}

impl Measured for Client {
    fn ready(&mut self) -> Fallible<()> {
        let dialect = self.core.dialect();
        let mut body = Vec::new();
        let prepare = Prepare {
            text: SELECT,
            keyspace: None,
        };
        prepare.encode(dialect, &mut body)?;
        let mut spec = RequestSpec::new(Opcode::Prepare, body);
        spec.dialect = dialect;
        spec.timeout = Some(PATIENCE);
        let ticket = self.core.submit_to_wait(spec);
        let answer = outcome(&self.core, &ticket)?.map_err(|error| format!("{:?}", error.kind))?;
        let statement = Statement::read(answer.dialect, &answer.body)?;
        let reference = PreparedRef {
            id: statement.id.clone(),
            query: SELECT.into(),
            keyspace: None,
            bind_columns: None,
        };
        self.prepared = Some(Select {
            statement,
            reference: Arc::new(reference),
            keyspace: TABLE.0.into(),
            table: TABLE.1.into(),
        });
        Ok(())
    }

    fn run(&mut self, until: Instant) -> Fallible<Vec<Duration>> {
        if self.in_flight == 1 {
            self.run_one(until)
        } else {
            self.run_many(until)
        }
    }

    fn connections(&self) -> usize {
        let pools = self.core.pool_views();
        // The control connection is one more.
        1 + pools
            .iter()
            .map(|pool| pool.connections.len())
            .sum::<usize>()
    }
}

impl Client {
    /// One request at a time, by a thread that waits for it.
    fn run_one(&self, until: Instant) -> Fallible<Vec<Duration>> {
        let mut latencies = Vec::new();
        let mut began = Instant::now();
        for &key in self.keys.iter().cycle() {
            if began >= until {
                break;
            }
            let ticket = self.core.submit_to_wait(self.request(key)?);
            let answer =
                outcome(&self.core, &ticket)?.map_err(|error| format!("{:?}", error.kind))?;
            let ended = Instant::now();
            latencies.push(ended - began);
            check(answer.dialect, &answer.body, key, self.canned)?;
            began = ended;
        }
        Ok(latencies)
    }

    /// Many in flight: each that ends is followed by the next.
    fn run_many(&self, until: Instant) -> Fallible<Vec<Duration>> {
        let mut latencies = Vec::new();
        let mut keys = self.keys.iter().copied().cycle();
        // What each place in flight has asked for, and when; the place is the ticket's tag.
        let mut places = vec![(0i64, Instant::now()); self.in_flight];
        let mut send = |place: usize, places: &mut Vec<(i64, Instant)>| -> Fallible<()> {
            let key = keys.next().ok_or("there are no keys")?;
            places[place] = (key, Instant::now());
            let sink: Arc<dyn Sink> = self.finished.clone();
            self.core
                .submit(self.request(key)?, Some(sink), place as u64, true);
            Ok(())
        };
        for place in 0..self.in_flight {
            send(place, &mut places)?;
        }
        self.core.kick();
        let (mut left, mut taken) = (self.in_flight, Vec::new());
        while left > 0 {
            self.finished.take(&mut taken)?;
            let mut held = 0;
            for ticket in taken.drain(..) {
                let place = ticket.tag() as usize;
                let (key, began) = places[place];
                let answer = ticket.take().ok_or("an outcome is taken twice")?;
                let answer = answer.map_err(|error| format!("{:?}", error.kind))?;
                let ended = Instant::now();
                latencies.push(ended - began);
                check(answer.dialect, &answer.body, key, self.canned)?;
                if ended >= until {
                    left -= 1;
                    continue;
                }
                send(place, &mut places)?;
                held += 1;
                if held == HELD_MAX {
                    held = 0;
                    self.core.kick();
                }
            }
            self.core.kick();
        }
        Ok(latencies)
    }
}
