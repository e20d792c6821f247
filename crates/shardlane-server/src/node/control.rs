//! Orders to a shard, from whoever controls the cluster. They overtake work and reach a paused shard.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use mio::net::TcpStream;
use shardlane_wire::Event;

use crate::engine::TableId;
use crate::faults::PortFault;
use crate::stats::PortKind;

/// An order.
#[derive(Debug)]
pub(crate) enum Control {
    /// Serve this connection, which another shard has accepted.
    Adopt(Adopted),
    /// Listen (only the accepting shard is told).
    Listen(TcpListener, PortKind),
    /// Stop listening on that port, and say so.
    Unlisten(PortKind, Sender<()>),
    /// Stop listening, send what is due, and close all connections.
    CloseClients(Sender<()>),
    /// Change how a port behaves, and say so.
    PortFault(PortKind, PortFault, Sender<()>),
    /// Answer nothing until `Resume`.
    Pause,
    /// Go on where `Pause` stopped.
    Resume,
    /// Take note of the newest view and answer when everything that was begun under an older one
    /// has been sent out; conditional writes must even have ended.
    Barrier(Sender<()>),
    /// Send this shard's share of the data to shards that are about to need it, only of these tables
    /// if any are given; answer when they have it.
    Stream(Option<Arc<[TableId]>>, Sender<()>),
    /// Send writes that were kept for this node, which is up again.
    ReplayHints(usize),
    /// Tell the connections that have registered for it.
    Notify(Arc<Event>),
    /// End. A graceful end sends what is still to be sent first.
    Stop {
        /// Whether to send the answers that are ready.
        graceful: bool,
    },
}

/// A connection on its way to the shard that shall serve it.
#[derive(Debug)]
pub(crate) struct Adopted {
    pub(crate) stream: TcpStream,
    pub(crate) port: PortKind,
    /// The how-manieth connection of this node it is, from 1.
    pub(crate) number: u64,
}
