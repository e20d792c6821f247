//! A node as its controller holds it: threads while it runs, data while it does not.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use mio::{Poll, Waker};
use rustls::ServerConfig;
use shardlane_routing::{HostId, Token};

use super::ports::PortGate;
use super::shared::Shared;
use crate::config::StartError;
use crate::engine::{Store, TableId};
use crate::node::control::Control;
use crate::node::inbox::{Inbox, Link, link};
use crate::node::shard::{Birth, NodeShared, Shard, ShardId, WAKER};
use crate::stats::{NodeStats, ShardCounters};

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// It serves.
    Up,
    /// It was stopped or killed.
    Down,
    /// It holds still and answers nothing.
    Paused,
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Paused => "paused",
        })
    }
}

/// A member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// The index to control it by. Indexes of removed nodes are not used again.
    pub index: usize,
    /// Its address.
    pub address: IpAddr,
    /// Its host id.
    pub host_id: HostId,
    /// Its datacenter.
    pub datacenter: String,
    /// Its rack.
    pub rack: String,
    /// Its shards; 0 for Apache Cassandra's flavour.
    pub shards: usize,
    /// What it is doing.
    pub state: NodeState,
}

/// A node's threads, and the way to them.
#[derive(Debug)]
struct Running {
    threads: Vec<JoinHandle<Store>>,
    links: Arc<[Link]>,
}

/// Shards that are ready to run: others can send to them before they do.
#[derive(Debug)]
pub(super) struct Cradle {
    pub(super) links: Arc<[Link]>,
    ends: Vec<(Poll, Inbox)>,
}

/// A node.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) node: Arc<NodeShared>,
    pub(super) info: NodeInfo,
    pub(super) tokens: Arc<[Token]>,
    /// One for each port.
    pub(super) gates: [PortGate; 4],
    running: Option<Running>,
    /// The data, while the node does not run.
    stores: Vec<Store>,
    incarnation: u32,
}

/// What the shards of a node share when nothing has happened yet.
fn node_shared(info: &NodeInfo, tls: Option<Arc<ServerConfig>>) -> Arc<NodeShared> {
    let threads = info.shards.max(1);
    Arc::new(NodeShared {
        index: info.index as u32,
        statements: Default::default(),
        counters: (0..threads).map(|_| ShardCounters::default()).collect(),
        accepted: Default::default(),
        tls,
    })
}

impl Slot {
    pub(super) fn new(
        info: NodeInfo,
        tokens: Arc<[Token]>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let threads = info.shards.max(1);
        Self {
            node: node_shared(&info, tls),
            info,
            tokens,
            gates: Default::default(),
            running: None,
            stores: (0..threads).map(|_| Store::new()).collect(),
            incarnation: 0,
        }
    }

    /// Makes the queues of all shards.
    pub(super) fn cradle(&self) -> Result<Cradle, StartError> {
        let make = || -> io::Result<(Link, (Poll, Inbox))> {
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), WAKER)?;
            let (link, inbox) = link(waker);
            Ok((link, (poll, inbox)))
        };
        let made: Result<Vec<_>, _> = self.node.counters.iter().map(|_| make()).collect();
        let (links, ends): (Vec<_>, Vec<_>) = made.map_err(StartError::System)?.into_iter().unzip();
        Ok(Cradle {
            links: links.into(),
            ends,
        })
    }

    /// Starts the threads. On failure those that have started end again.
    pub(super) fn run(&mut self, cradle: Cradle, shared: &Arc<Shared>) -> Result<(), StartError> {
        self.incarnation += 1;
        self.node.accepted.store(0, Ordering::Relaxed);
        // Real servers keep prepared statements in memory only (ScyllaDB).
        self.node.statements.clear();
        let mut running = Running {
            threads: Vec::new(),
            links: cradle.links,
        };
        let stores = std::mem::take(&mut self.stores);
        for ((shard, (poll, inbox)), store) in (0..).zip(cradle.ends).zip(stores) {
            let birth = Birth {
                id: ShardId {
                    node: self.node.index,
                    shard,
                },
                shared: Arc::clone(shared),
                node: Arc::clone(&self.node),
                store,
                poll,
                inbox,
                incarnation: self.incarnation,
            };
            let name = format!("node{}-shard{shard}", self.node.index);
            let builder = std::thread::Builder::new().name(name);
            match builder.spawn(move || Shard::run(birth)) {
                Ok(thread) => running.threads.push(thread),
                Err(source) => {
                    self.running = Some(running);
                    self.halt(false);
                    return Err(StartError::System(source));
                }
            }
        }
        self.running = Some(running);
        Ok(())
    }

    /// Ends the threads and takes back the data. A shard that has panicked has lost its data, as a
    /// disk that has failed.
    pub(super) fn halt(&mut self, graceful: bool) {
        let Some(running) = self.running.take() else {
            return;
        };
        for link in running.links.iter() {
            link.control(Control::Stop { graceful });
        }
        self.stores = running
            .threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Store::new()))
            .collect();
        self.stores
            .resize_with(self.node.counters.len(), Store::new);
    }

    /// Gives a node that does not run another number of shards: `owner` says which of them gets a partition.
    pub(super) fn reshard(&mut self, shards: usize, owner: impl Fn(TableId, Token) -> Option<u16>) {
        let old = std::mem::take(&mut self.stores);
        self.info.shards = shards;
        self.node = node_shared(&self.info, self.node.tls.clone());
        self.stores.resize_with(shards.max(1), Store::new);
        for store in old {
            let tables: Vec<TableId> = store.tables().collect();
            for mutation in tables.iter().flat_map(|&table| store.export_all(table)) {
                // Of a table that is no more nothing is kept.
                let shard = owner(mutation.table, mutation.token());
                if let Some(store) = shard.and_then(|shard| self.stores.get_mut(usize::from(shard)))
                {
                    store.apply(mutation);
                }
            }
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The way to each shard; empty while the node does not run.
    pub(super) fn links(&self) -> &[Link] {
        self.running.as_ref().map_or(&[], |running| &running.links)
    }

    /// The shard that listens for all.
    pub(super) fn acceptor(&self) -> Option<&Link> {
        self.links().first()
    }

    pub(super) fn stats(&self) -> NodeStats {
        NodeStats {
            index: self.info.index,
            address: self.info.address,
            host_id: self.info.host_id,
            shards: self
                .node
                .counters
                .iter()
                .map(ShardCounters::snapshot)
                .collect(),
        }
    }
}
