//! What befalls nodes, connections and the cluster, and how it is mended.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use shardlane_proto::{ConnectionError, ContactPoint};
use shardlane_routing::HostId;
use shardlane_wire::Event;
use shardlane_wire::event::{StatusChangeKind, TopologyChangeKind};

use crate::node::{PORT, ShardPort};
use crate::socket::Socket;
use crate::world::{Happening, MS, Unkindness, World};

impl World {
    /// All nodes tell of something, each in its own time.
    fn gossip(&mut self, event: &Event) {
        for node in 0..self.nodes.len() {
            let delay = MS * self.rng.below(300) as u32;
            let event = event.clone();
            self.after(delay, Happening::EventArises { node, event });
        }
    }

    pub(crate) fn kill(&mut self, index: usize, is_abrupt: bool) {
        self.nodes[index].is_alive = false;
        self.nodes[index].drops_syn = is_abrupt;
        for socket in self.sockets_of(index) {
            if is_abrupt {
                // No FIN, no RST: the machine is gone.
                self.sockets.get_mut(&socket).expect("listed").server_open = false;
            } else {
                self.cut(socket, ConnectionError::ClosedByServer);
            }
        }
        self.gossip(&status(StatusChangeKind::Down, self.nodes[index].address));
    }

    pub(crate) fn restart(&mut self, index: usize) {
        let newest = self.nodes.iter().map(|n| n.schema_version).max();
        let joins = !self.nodes[index].is_member;
        let node = &mut self.nodes[index];
        node.is_alive = true;
        node.is_member = true;
        node.prepared.clear();
        node.schema_version = newest.unwrap_or(1);
        let address = node.address;
        if joins {
            self.move_data();
        }
        self.gossip(&topology(TopologyChangeKind::New, address));
        self.gossip(&status(StatusChangeKind::Up, address));
    }

    pub(crate) fn remove(&mut self, index: usize) {
        self.kill(index, false);
        self.nodes[index].is_member = false;
        self.move_data();
        self.gossip(&topology(
            TopologyChangeKind::Removed,
            self.nodes[index].address,
        ));
    }

    fn sockets_of(&self, node: usize) -> Vec<u64> {
        let open = |s: &Socket| s.node == node && s.server_open;
        self.sockets
            .iter()
            .filter(|(_, s)| open(s))
            .map(|(&id, _)| id)
            .collect()
    }

    /// Something bad happens.
    pub(crate) fn do_mischief(&mut self) {
        let index = self.rng.below(self.nodes.len());
        let open: Vec<u64> = self
            .by_conn
            .values()
            .copied()
            .filter(|s| self.sockets[s].is_open())
            .collect();
        let victim = if open.is_empty() {
            None
        } else {
            Some(self.rng.pick(&open))
        };
        let members = self.nodes.iter().filter(|n| n.is_member).count();
        match (self.rng.below(15), victim) {
            (0 | 1, _) if self.nodes[index].is_reachable() => {
                let is_abrupt = self.rng.chance(50);
                self.kill(index, is_abrupt);
            }
            (0..=3, _) if !self.nodes[index].is_reachable() => self.come_back(index),
            (4, _) => {
                let silence = MS * self.rng.below(6000) as u32;
                self.nodes[index].silent_until = self.now + silence;
            }
            (5, _) => {
                self.nodes[index].shard_port = self.rng.pick(&[
                    ShardPort::Open,
                    ShardPort::Refused,
                    ShardPort::Dropped,
                    ShardPort::Nat,
                    ShardPort::NotAdvertised,
                ]);
            }
            (6, Some(socket)) => self.cut(socket, ConnectionError::Io("reset".to_owned())),
            (7, Some(socket)) => self.sockets.get_mut(&socket).expect("open").is_mute = true,
            (8, Some(socket)) => {
                // Garbage, or the first half of a frame and then nothing more.
                let garbage: Vec<u8> = match self.rng.below(4) {
                    0 => (0..30).map(|_| self.rng.next() as u8).collect(),
                    1 => vec![0x84, 0, 0x7F, 0xFF, 8, 0, 0, 0, 0],
                    2 => vec![0x84, 0, 0, 0, 8, 0x7F, 0xFF, 0xFF, 0xFF],
                    _ => vec![0x84, 0, 0, 0, 8, 0, 0],
                };
                self.say(socket, &garbage, false);
                self.cut(socket, ConnectionError::ClosedByServer);
            }
            (9, _) => self.nodes[index].prepared.clear(),
            (10, _) if members > 1 && self.nodes[index].is_member => self.remove(index),
            (11, _) => {
                let duration = MS * self.rng.below(5000) as u32;
                self.nodes[index].cut_off_until = self.now + duration;
            }
            (12, _) => self.nodes[index].lag = MS * self.rng.pick(&[0, 5, 50, 300]),
            (13, _) => self.split_nodes(),
            (_, _) => {
                let kind = self
                    .rng
                    .pick(&[StatusChangeKind::Up, StatusChangeKind::Down]);
                self.gossip(&status(kind, self.nodes[index].address));
            }
        }
    }

    /// A node that was down is up again, perhaps not as it was.
    fn come_back(&mut self, index: usize) {
        if self.nodes[index].shards > 0 && self.rng.chance(25) {
            self.nodes[index].shards = self.rng.pick(&[1, 2, 3, 4, 6]);
        }
        if self.rng.chance(10) {
            // Replaced by another machine, which has taken over data and tokens.
            let half = self.rng.next().to_be_bytes();
            self.nodes[index].host_id = HostId([half, half].concat().try_into().expect("16"));
        }
        let by_name = |point: &ContactPoint| matches!(point, ContactPoint::Name { .. });
        if self.config.contact_points.iter().any(by_name) && self.rng.chance(10) {
            // A client that knows names finds it even if all have moved.
            let old = self.nodes[index].address.ip();
            self.old_addresses.insert(old);
            let moves = self.old_addresses.len() as u8;
            let ip = Ipv4Addr::new(10, 0, moves, index as u8 + 1);
            self.nodes[index].address = SocketAddr::new(IpAddr::V4(ip), PORT);
        }
        self.restart(index);
    }

    /// All faults end.
    pub(crate) fn mend(&mut self) {
        self.unkindness = Unkindness::default();
        self.split_until = self.now;
        for index in 0..self.nodes.len() {
            self.nodes[index].shard_port = ShardPort::Open;
            self.nodes[index].silent_until = self.now;
            self.nodes[index].cut_off_until = self.now;
            self.nodes[index].lag = Duration::ZERO;
            if !self.nodes[index].is_reachable() {
                self.restart(index);
            }
        }
        for socket in self.sockets.values_mut() {
            if socket.is_mute {
                // What was swallowed is gone: such a connection never recovers.
                socket.server_open = false;
            }
        }
    }
}

const fn status(change: StatusChangeKind, address: SocketAddr) -> Event {
    Event::StatusChange { change, address }
}

const fn topology(change: TopologyChangeKind, address: SocketAddr) -> Event {
    Event::TopologyChange { change, address }
}
