//! The pool of one node: which connections it has, which it wants next, and by which algorithm.
//!
//! The pool never acts. The engine asks [`Pool::next_open`] whether another attempt is wanted *now*,
//! starts it, and reports how it ended ([`Pool::established`], [`Pool::failed`], [`Pool::lost`]).
//! What is wanted is derived from what is there and what is under way, so no attempt can be forgotten:
//! a shard without a connection keeps being wanted until it has one.
//!
//! Two algorithms get a connection to a given shard (ScyllaDB docs, "Advanced shard awareness"):
//! * *shard-aware port*: the server serves a connection by shard `source port % shards`;
//! * *legacy*: the normal port serves by the least busy shard; what lands on a shard that is already
//!   covered is kept as *excess*, so that the server moves on to others, and closed once all are covered.

mod backoff;

use std::time::Duration;

use shardlane_routing::{Sharder, SourcePorts};

pub(crate) use self::backoff::Backoff;
use crate::config::{Config, PoolSize, ShardAwareness};
use crate::connection::Sharding;
use crate::error::ConnectionError;
use crate::ids::ConnId;
use crate::metrics::Opened;
use crate::rng::Rng;
use crate::time::Instant;

/// The port and the shard that an attempt is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    Normal,
    ShardAware { shard: u16, port: u16 },
}

/// Where a new connection ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    /// In the bucket of its shard: it takes requests.
    Pooled,
    /// Kept aside, so that the server assigns other shards to what follows.
    Excess,
    /// Not needed: the engine closes it.
    Surplus,
}

#[derive(Debug)]
struct Opening {
    conn: ConnId,
    via: Via,
    ports: Option<SourcePorts>,
}

/// Settings of a pool, fixed for its life.
#[derive(Debug, Clone)]
struct Limits {
    size: PoolSize,
    awareness: ShardAwareness,
    source_ports: std::ops::RangeInclusive<u16>,
    attempts_max: usize,
    excess_per_shard_max: usize,
    block: Duration,
}

#[derive(Debug)]
pub(crate) struct Pool {
    limits: Limits,
    /// Connections by shard; a node without shards has the single bucket 0.
    buckets: Vec<Vec<ConnId>>,
    pooled: usize,
    /// Set by the first connection that gets through the handshake.
    known: bool,
    sharding: Option<(Sharder, Option<u16>)>,
    excess: Vec<ConnId>,
    opening: Vec<Opening>,
    backoff: Backoff,
    not_before: Instant,
    blocked_until: Option<Instant>,
    rotation: usize,
}

impl Pool {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            limits: Limits {
                size: config.pool_size,
                awareness: config.shard_awareness(),
                source_ports: config.source_ports.clone(),
                attempts_max: config.attempts_per_node_max.max(1),
                excess_per_shard_max: config.excess_per_shard_max,
                block: config.shard_aware_block,
            },
            buckets: vec![Vec::new()],
            pooled: 0,
            known: false,
            sharding: None,
            excess: Vec::new(),
            opening: Vec::new(),
            backoff: Backoff::new(config.reconnect_delay_min, config.reconnect_delay_max),
            not_before: Instant::default(),
            blocked_until: None,
            rotation: 0,
        }
    }

    /// The attempt to start now, if one is wanted and nothing forbids it yet.
    pub(crate) fn next_open(&self, now: Instant) -> Option<Via> {
        if now < self.not_before || self.opening.len() >= self.limits.attempts_max {
            return None;
        }
        if !self.known {
            // One connection to the normal port tells shards and ports; the node may be dead.
            return self.opening.is_empty().then_some(Via::Normal);
        }
        let per_shard = match (self.sharding, self.limits.size) {
            (Some(_), PoolSize::PerShard(count)) => usize::from(count.max(1)),
            _ => return (self.pooled + self.opening.len() < self.target()).then_some(Via::Normal),
        };
        match self.shard_aware_port(now) {
            Some(port) => {
                let aimed = |shard: u16| {
                    let at = |o: &&Opening| matches!(o.via, Via::ShardAware { shard: s, .. } if s == shard);
                    self.opening.iter().filter(at).count()
                };
                (0u16..)
                    .zip(&self.buckets)
                    .find(|&(shard, bucket)| bucket.len() + aimed(shard) < per_shard)
                    .map(|(shard, _)| Via::ShardAware { shard, port })
                    .filter(|_| self.opening.len() < self.missing())
            }
            None => (self.opening.len() < self.missing()).then_some(Via::Normal),
        }
    }

    /// Notes that the engine has begun the attempt; returns the local port to bind, if one must be.
    ///
    /// # Errors
    /// `Err(())` if the range of source ports has none for this shard: the attempt is off.
    pub(crate) fn opened(
        &mut self,
        conn: ConnId,
        via: Via,
        rng: &mut Rng,
    ) -> Result<Option<u16>, ()> {
        let (ports, first) = match (via, self.sharding) {
            (Via::ShardAware { shard, .. }, Some((sharder, _))) => {
                let range = self.limits.source_ports.clone();
                let mut ports = sharder
                    .source_ports(shard, range, rng.next_u64())
                    .map_err(|_| ())?;
                let first = ports.next().ok_or(())?;
                (Some(ports), Some(first))
            }
            _ => (None, None),
        };
        self.opening.push(Opening { conn, via, ports });
        Ok(first)
    }

    /// The next local port for an attempt whose port was taken or forbidden.
    pub(crate) fn next_source_port(&mut self, conn: ConnId) -> Option<u16> {
        self.opening
            .iter_mut()
            .find(|o| o.conn == conn)?
            .ports
            .as_mut()?
            .next()
    }

    /// A connection got through the handshake. Connections to close are pushed to `closes`.
    pub(crate) fn established(
        &mut self,
        now: Instant,
        conn: ConnId,
        sharding: Option<Sharding>,
        rng: &mut Rng,
        closes: &mut Vec<ConnId>,
    ) -> Landing {
        let via = self.take_opening(conn).map_or(Via::Normal, |o| o.via);
        let sharding = sharding.filter(|_| self.limits.awareness != ShardAwareness::Off);
        let is_news = self.learn(sharding, closes);
        let shard = sharding.map_or(0, |s| s.shard);
        if let Via::ShardAware { shard: wanted, .. } = via
            && wanted != shard
            && !is_news
        {
            // A NAT rewrote the source port, or something else serves that port.
            self.blocked_until = Some(now + self.limits.block);
        }
        let landing = self.land(conn, usize::from(shard));
        if self.is_full() {
            closes.append(&mut self.excess);
        } else if self.excess.len() > self.limits.excess_per_shard_max * self.buckets.len() {
            // The server does not spread connections over its shards: start over, more slowly.
            closes.append(&mut self.excess);
            self.back_off(now, rng);
        }
        landing
    }

    fn land(&mut self, conn: ConnId, shard: usize) -> Landing {
        let room = match self.limits.size {
            PoolSize::PerShard(count) if self.sharding.is_some() => {
                self.buckets[shard].len() < usize::from(count.max(1))
            }
            _ => self.pooled < self.target(),
        };
        if room {
            self.buckets[shard].push(conn);
            self.pooled += 1;
            Landing::Pooled
        } else if self.is_full() {
            Landing::Surplus
        } else {
            self.excess.push(conn);
            Landing::Excess
        }
    }

    /// Adopts what the node says of its shards; if that is news, earlier connections make way.
    fn learn(&mut self, sharding: Option<Sharding>, closes: &mut Vec<ConnId>) -> bool {
        let said = sharding.map(|s| (s.sharder, s.shard_aware_port));
        let shape = |s: Option<(Sharder, Option<u16>)>| s.map(|(sharder, _)| sharder);
        let is_news = !self.known || shape(said) != shape(self.sharding);
        if is_news {
            closes.append(&mut self.excess);
            closes.extend(self.buckets.drain(..).flatten());
            let shards = said.map_or(1, |(sharder, _)| usize::from(sharder.nr_shards.get()));
            self.buckets = vec![Vec::new(); shards];
            self.pooled = 0;
            self.known = true;
            // What was held against the node's former life does not count in this one.
            self.blocked_until = None;
        }
        self.sharding = said;
        is_news
    }

    /// An attempt ended without a connection.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        conn: ConnId,
        error: &ConnectionError,
        rng: &mut Rng,
    ) {
        match self.take_opening(conn).map(|o| o.via) {
            // Whatever the port, it will be refused again; repeated quickly, it may lock the role out.
            Some(_) if error.is_authentication() => {
                let delay = rng.jitter(self.backoff.max());
                self.not_before = self.not_before.max(now + delay);
            }
            // Fall back to the normal port at once: the port being shut says nothing of the node.
            Some(Via::ShardAware { .. }) => self.blocked_until = Some(now + self.limits.block),
            Some(Via::Normal) => self.back_off(now, rng),
            None => {}
        }
    }

    /// The engine gave up an attempt for a reason of its own (no source port, shutdown).
    pub(crate) fn block_shard_aware_port(&mut self, now: Instant) {
        self.blocked_until = Some(now + self.limits.block);
    }

    /// A connection is gone. One that the pool has given away already (to be closed) is no loss.
    pub(crate) fn lost(&mut self, now: Instant, conn: ConnId, rng: &mut Rng) {
        let before = self.pooled + self.excess.len();
        self.excess.retain(|&c| c != conn);
        for bucket in &mut self.buckets {
            bucket.retain(|&c| c != conn);
        }
        self.pooled = self.buckets.iter().map(Vec::len).sum();
        if self.pooled + self.excess.len() == before {
            return;
        }
        if self.pooled == 0 {
            // Ask the node again what it is: it may come back with other shards or ports.
            self.known = false;
        }
        self.back_off(now, rng);
    }

    /// Something failed: wait before the next attempt, longer each time until there was quiet for a
    /// while. A connection that comes up proves nothing, it may be lost again the next moment.
    fn back_off(&mut self, now: Instant, rng: &mut Rng) {
        if now < self.not_before {
            // One cause, many connections: it counts once.
            return;
        }
        if now.since(self.not_before) >= self.backoff.max() {
            self.backoff.succeed();
        }
        self.not_before = now + self.backoff.fail(rng);
    }

    /// The node is said to be up: try at once.
    pub(crate) fn wake(&mut self, now: Instant) {
        self.backoff.succeed();
        self.not_before = self.not_before.min(now);
    }

    /// Nothing was even begun, for a reason outside the pool: wait before the next attempt.
    pub(crate) fn postpone(&mut self, now: Instant, rng: &mut Rng) {
        self.back_off(now, rng);
    }

    /// Takes out the attempts that are under way: they are aimed at where the node no longer is.
    pub(crate) fn abandon_attempts(&mut self) -> Vec<ConnId> {
        self.opening.drain(..).map(|o| o.conn).collect()
    }

    /// Takes all connections out, attempts included.
    pub(crate) fn drain(&mut self) -> Vec<ConnId> {
        self.pooled = 0;
        self.known = false;
        let mut all: Vec<ConnId> = self.buckets.iter_mut().flat_map(std::mem::take).collect();
        all.append(&mut self.excess);
        all.extend(self.opening.drain(..).map(|o| o.conn));
        all
    }

    /// The connection for a request that belongs to `shard` (any, if `None`): that shard's, or another one
    /// of this node while the shard has none, or if there is no such shard. `load` gives requests in flight.
    pub(crate) fn pick(
        &mut self,
        shard: Option<u16>,
        load: impl Fn(ConnId) -> usize,
    ) -> Option<ConnId> {
        if let Some(bucket) = shard.and_then(|shard| self.buckets.get(usize::from(shard))) {
            match bucket[..] {
                [] => {}
                [only] => return Some(only),
                _ => return bucket.iter().copied().min_by_key(|&c| load(c)),
            }
        }
        let count = self.buckets.len();
        self.rotation = (self.rotation + 1) % count.max(1);
        let (head, tail) = self.buckets.split_at(self.rotation);
        let bucket = tail.iter().chain(head).find(|bucket| !bucket.is_empty())?;
        bucket.iter().copied().min_by_key(|&c| load(c))
    }

    /// Requests in flight on the connection that a request of this shard would take, as [`Self::pick`] says.
    pub(crate) fn load(&self, shard: Option<u16>, load: impl Fn(ConnId) -> usize) -> usize {
        let least = |bucket: &[ConnId]| bucket.iter().map(|&c| load(c)).min();
        let owner = shard.and_then(|shard| self.buckets.get(usize::from(shard)));
        owner
            .and_then(|bucket| least(bucket))
            .or_else(|| self.buckets.iter().find_map(|bucket| least(bucket)))
            .unwrap_or(usize::MAX)
    }

    /// When to ask [`Self::next_open`] again, if time alone will change its answer.
    pub(crate) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        (self.not_before > now && !self.is_full()).then_some(self.not_before)
    }

    pub(crate) const fn is_usable(&self) -> bool {
        self.pooled > 0
    }

    /// Whether every shard has what it should have.
    pub(crate) fn is_full(&self) -> bool {
        self.known && self.missing() == 0
    }

    /// Whether waiting longer is unlikely to help: full, or in trouble.
    pub(crate) fn is_settled(&self, now: Instant) -> bool {
        self.is_full() || (now < self.not_before && self.opening.is_empty())
    }

    pub(crate) fn is_opening(&self, conn: ConnId) -> bool {
        self.opening.iter().any(|o| o.conn == conn)
    }

    pub(crate) const fn sharder(&self) -> Option<Sharder> {
        match self.sharding {
            Some((sharder, _)) => Some(sharder),
            None => None,
        }
    }

    pub(crate) fn is_blocked(&self, now: Instant) -> bool {
        self.blocked_until.is_some_and(|until| now < until)
    }

    /// How a connection that was aimed `via` counts in statistics.
    pub(crate) const fn opened_as(&self, via: Via) -> Opened {
        match via {
            Via::ShardAware { .. } => Opened::ShardAwarePort,
            Via::Normal if self.known && self.sharding.is_some() => Opened::Legacy,
            Via::Normal => Opened::First,
        }
    }

    fn shard_aware_port(&self, now: Instant) -> Option<u16> {
        let (_, port) = self.sharding?;
        port.filter(|_| self.limits.awareness == ShardAwareness::Full && !self.is_blocked(now))
    }

    fn target(&self) -> usize {
        match self.limits.size {
            PoolSize::PerHost(count) => usize::from(count.max(1)),
            PoolSize::PerShard(count) => usize::from(count.max(1)) * self.buckets.len(),
        }
    }

    fn missing(&self) -> usize {
        self.target().saturating_sub(self.pooled)
    }

    fn take_opening(&mut self, conn: ConnId) -> Option<Opening> {
        let at = self.opening.iter().position(|o| o.conn == conn)?;
        Some(self.opening.swap_remove(at))
    }
}

#[cfg(test)]
mod tests;
