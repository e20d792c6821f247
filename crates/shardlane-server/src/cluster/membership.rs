//! Nodes coming and going. One change at a time; requests go on meanwhile.
//!
//! The order of steps is what keeps acknowledged writes: whoever is to hold data first takes new
//! writes (and every coordinator knows it: a *barrier*), then is given the old ones (*streaming*), and
//! only then is asked and counted.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use shardlane_routing::{HostId, Token};
use shardlane_wire::Event;
use shardlane_wire::event::{StatusChangeKind, TopologyChangeKind};

use super::error::ControlError;
use super::shared::{Ports, Shared};
use super::slot::{NodeInfo, NodeState, Slot};
use super::view::{Member, MemberState, ViewParts, sharder};
use crate::config::{ClusterConfig, NODES_MAX, SHARDS_MAX, StartError, VNODES_MAX};
use crate::engine::{Flavour, Schema};
use crate::faults::PortFault;
use crate::net::listen::{listen, listen_on_all};
use crate::node::control::Control;
use crate::rng::Rng;
use crate::stats::{ClusterStats, PortKind};
use crate::tls::Authority;

/// The longest that other shards may take for a barrier or for streaming. Only a bug, or a machine
/// that hardly runs, takes as long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A node to be added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodePlan {
    /// Its datacenter; `None` follows the configured layout.
    pub datacenter: Option<String>,
    /// Its rack; `None` follows the configured layout.
    pub rack: Option<String>,
    /// Its shards; `None` takes as many as the configuration says.
    pub shards: Option<usize>,
    /// Its tokens; `None` takes as many as the configuration says. A node of 0 holds no data.
    pub vnodes: Option<usize>,
}

/// The nodes, and who changes them.
#[derive(Debug)]
pub(super) struct Plane {
    pub(super) shared: Arc<Shared>,
    /// By index; `None` for a node that was removed.
    slots: Vec<Option<Slot>>,
    next_epoch: u64,
}

/// The ports that a node listens on, of those the cluster has.
fn ports_of(shared: &Shared, shards: usize) -> impl Iterator<Item = (PortKind, u16)> {
    PortKind::ALL
        .into_iter()
        .filter(move |kind| shards > 0 || !kind.is_shard_aware())
        .filter_map(|kind| shared.ports.of(kind).map(|port| (kind, port)))
}

fn new_slot(
    config: &ClusterConfig,
    authority: Option<&Authority>,
    index: usize,
    plan: &NodePlan,
) -> Result<Slot, StartError> {
    let mut rng = Rng::new(crate::rng::mix(
        config.seed ^ crate::rng::mix(index as u64 + 1),
    ));
    let (datacenter, rack) = config.place(index);
    let info = NodeInfo {
        index,
        address: config.address(index),
        host_id: HostId(rng.uuid()),
        datacenter: plan
            .datacenter
            .clone()
            .unwrap_or_else(|| datacenter.to_owned()),
        rack: plan.rack.clone().unwrap_or_else(|| rack.to_owned()),
        shards: plan.shards.unwrap_or_else(|| config.shards_of(index)),
        state: NodeState::Down,
    };
    let mut tokens: Vec<Token> = (0..plan.vnodes.unwrap_or(config.vnodes))
        .map(|_| Token::from_hash(rng.next_u64() as i64))
        .collect();
    tokens.sort_unstable();
    let tls = authority.map(|a| a.node(info.address)).transpose()?;
    Ok(Slot::new(info, tokens.into(), tls))
}

fn member(slot: &Slot, parts: &mut ViewParts, config: &ClusterConfig) -> Member {
    let info = &slot.info;
    let known = parts
        .datacenters
        .iter()
        .position(|name| **name == *info.datacenter);
    let datacenter_id = known.unwrap_or_else(|| {
        parts.datacenters.push(Arc::from(&*info.datacenter));
        parts.datacenters.len() - 1
    });
    Member {
        index: info.index as u32,
        host_id: info.host_id,
        address: info.address,
        datacenter: Arc::clone(&parts.datacenters[datacenter_id]),
        datacenter_id: datacenter_id as u32,
        rack: Arc::from(&*info.rack),
        tokens: Arc::clone(&slot.tokens),
        announced_shards: info.shards as u16,
        sharder: sharder(info.shards as u16, config.ignore_msb),
        state: MemberState::Down,
        up_epoch: 0,
        shards: Arc::new([]),
    }
}

impl Plane {
    pub(super) fn start(config: ClusterConfig) -> Result<(Arc<Shared>, Self), StartError> {
        config.validate()?;
        let indexes = 0..config.nodes;
        let addresses: Vec<_> = indexes.clone().map(|index| config.address(index)).collect();
        let all: Vec<_> = indexes.clone().collect();
        let with_shards: Vec<_> = indexes
            .clone()
            .filter(|&index| config.shards_of(index) > 0)
            .collect();
        let mut ports = Ports::default();
        let mut listeners: Vec<(usize, PortKind, TcpListener)> = Vec::new();
        for (kind, wanted) in wanted_ports(&config) {
            let nodes = if kind.is_shard_aware() {
                &with_shards
            } else {
                &all
            };
            if nodes.is_empty() {
                continue;
            }
            let at: Vec<_> = nodes.iter().map(|&index| addresses[index]).collect();
            let (port, bound) = listen_on_all(&at, wanted)?;
            ports.set(kind, port);
            listeners.extend(nodes.iter().zip(bound).map(|(&index, l)| (index, kind, l)));
        }
        let authority = config.tls.clone().map(Authority::new).transpose()?;
        let flavour = if config.shards_of(0) == 0 {
            Flavour::Cassandra
        } else {
            Flavour::Scylla
        };
        let mut parts = ViewParts {
            cluster_name: Arc::from(&*config.name),
            schema: if config.lwt_with_tablets {
                Schema::new(flavour).with_lwt_on_tablets()
            } else {
                Schema::new(flavour)
            },
            members: Vec::new(),
            datacenters: Vec::new(),
            in_ring: vec![true; config.nodes],
            in_pending_ring: None,
            tablets: BTreeMap::new(),
            client_routes: Arc::default(),
            cas_frozen: false,
        };
        let mut slots = Vec::new();
        let mut cradles = Vec::new();
        for index in indexes {
            let slot = new_slot(&config, authority.as_ref(), index, &NodePlan::default())?;
            let cradle = slot.cradle()?;
            let mut member = member(&slot, &mut parts, &config);
            member.state = MemberState::Up;
            member.up_epoch = index as u64;
            member.shards = Arc::clone(&cradle.links);
            parts.members.push(Some(Arc::new(member)));
            slots.push(slot);
            cradles.push(cradle);
        }
        let next_epoch = config.nodes as u64;
        let shared = Arc::new(Shared::new(config, ports, authority, parts));
        let mut plane = Self {
            shared,
            slots: Vec::new(),
            next_epoch,
        };
        let shared = Arc::clone(&plane.shared);
        for (mut slot, cradle) in slots.into_iter().zip(cradles) {
            slot.run(cradle, &shared)?;
            slot.info.state = NodeState::Up;
            for (kind, port) in ports_of(&shared, slot.info.shards) {
                let address = SocketAddr::new(slot.info.address, port);
                let at = listeners
                    .iter()
                    .position(|(index, k, _)| (*index, *k) == (slot.info.index, kind));
                let listener = at.map(|at| listeners.swap_remove(at).2);
                match slot.apply_port(kind, address, listener) {
                    Ok(()) => {}
                    Err(ControlError::Start(error)) => return Err(error),
                    Err(error) => return Err(StartError::Config(error.to_string())),
                }
            }
            plane.slots.push(Some(slot));
        }
        Ok((shared, plane))
    }

    fn slot(&mut self, index: usize) -> Result<&mut Slot, ControlError> {
        let slot = self.slots.get_mut(index).and_then(Option::as_mut);
        slot.ok_or(ControlError::NoSuchNode(index))
    }

    /// The node, if it is in the right state.
    pub(super) fn slot_in(
        &mut self,
        index: usize,
        fits: &[NodeState],
    ) -> Result<&mut Slot, ControlError> {
        let slot = self.slot(index)?;
        let state = slot.info.state;
        if fits.contains(&state) {
            Ok(slot)
        } else {
            Err(ControlError::WrongState { index, state })
        }
    }

    fn present(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten()
    }

    pub(super) fn nodes(&self) -> Vec<NodeInfo> {
        self.present().map(|slot| slot.info.clone()).collect()
    }

    pub(super) fn stats(&self) -> ClusterStats {
        ClusterStats {
            nodes: self.present().map(Slot::stats).collect(),
        }
    }

    pub(super) fn reset_stats(&self) {
        for counters in self.present().flat_map(|slot| slot.node.counters.iter()) {
            counters.reset();
        }
    }

    pub(super) fn forget_prepared(&mut self, index: Option<usize>) -> Result<usize, ControlError> {
        match index {
            Some(index) => Ok(self.slot(index)?.node.statements.clear()),
            None => Ok(self
                .present()
                .map(|slot| slot.node.statements.clear())
                .sum()),
        }
    }

    /// Changes one member in the view.
    fn change_member(&self, index: usize, change: impl FnOnce(&mut Member)) {
        self.shared.change(|parts| {
            if let Some(Some(member)) = parts.members.get_mut(index) {
                change(Arc::make_mut(member));
            }
        });
    }

    fn epoch(&mut self) -> u64 {
        self.next_epoch += 1;
        self.next_epoch
    }

    /// Sends an order to the shards of nodes that `wanted` picks and waits until all have done it.
    pub(super) fn order(
        &self,
        wanted: impl Fn(&Slot) -> bool,
        make: impl Fn(Sender<()>) -> Control,
        what: &'static str,
    ) -> Result<(), ControlError> {
        let (done, ended): (Sender<()>, Receiver<()>) = channel();
        let mut waiting = 0;
        for link in self
            .present()
            .filter(|slot| wanted(slot))
            .flat_map(Slot::links)
        {
            if link.control(make(done.clone())) {
                waiting += 1;
            }
        }
        drop(done);
        let deadline = Instant::now() + PATIENCE;
        for _ in 0..waiting {
            let left = deadline.saturating_duration_since(Instant::now());
            ended
                .recv_timeout(left)
                .map_err(|_| ControlError::Stuck(what))?;
        }
        Ok(())
    }

    /// Waits until no shard acts on an older view.
    pub(super) fn barrier(&self) -> Result<(), ControlError> {
        self.order(|_| true, Control::Barrier, "taking note of the change")
    }

    /// Has every node that can give data to those in need. A paused node cannot.
    fn stream(&self) -> Result<(), ControlError> {
        self.order(
            |slot| slot.info.state == NodeState::Up,
            |done| Control::Stream(None, done),
            "streaming",
        )
    }

    pub(super) fn set_paused(&mut self, index: usize, pause: bool) -> Result<(), ControlError> {
        let (from, to) = if pause {
            (NodeState::Up, NodeState::Paused)
        } else {
            (NodeState::Paused, NodeState::Up)
        };
        let slot = self.slot_in(index, &[from])?;
        for link in slot.links() {
            link.control(if pause {
                Control::Pause
            } else {
                Control::Resume
            });
        }
        slot.info.state = to;
        Ok(())
    }

    pub(super) fn set_port_fault(
        &mut self,
        index: usize,
        port: PortKind,
        fault: PortFault,
    ) -> Result<(), ControlError> {
        let shared = Arc::clone(&self.shared);
        let slot = self.slot(index)?;
        slot.gates[port as usize].fault = fault;
        let mut ports = ports_of(&shared, slot.info.shards);
        match ports.find(|(kind, _)| *kind == port) {
            Some((kind, number)) => {
                slot.apply_port(kind, SocketAddr::new(slot.info.address, number), None)
            }
            None => Ok(()),
        }
    }

    fn status(&self, index: usize, change: StatusChangeKind) -> Option<Event> {
        let address = self.slots.get(index)?.as_ref()?.info.address;
        let address = SocketAddr::new(address, self.shared.ports.normal());
        Some(Event::StatusChange { change, address })
    }

    fn tell(&self, event: Option<Event>, about: usize) {
        if let Some(event) = event {
            self.shared.notify(event, Some(about as u32));
        }
    }

    pub(super) fn stop_node(&mut self, index: usize, graceful: bool) -> Result<(), ControlError> {
        self.slot_in(index, &[NodeState::Up, NodeState::Paused])?;
        if graceful {
            self.drain(index)?;
        }
        let slot = self.slot(index)?;
        slot.halt(graceful);
        slot.gates
            .iter_mut()
            .for_each(super::ports::PortGate::reset);
        slot.info.state = NodeState::Down;
        // Only now do the others learn of it: a leader has ended before another one leads.
        self.change_member(index, |member| {
            member.state = MemberState::Down;
            member.shards = Arc::new([]);
        });
        self.tell(self.status(index, StatusChangeKind::Down), index);
        Ok(())
    }

    /// Closes a node to clients, then has the others stop sending to it.
    fn drain(&mut self, index: usize) -> Result<(), ControlError> {
        let slot = self.slot(index)?;
        if slot.info.state == NodeState::Paused {
            // Nothing can be drained from a node that holds still.
            return Ok(());
        }
        let (done, ended) = channel();
        for link in slot.links() {
            link.control(Control::CloseClients(done.clone()));
        }
        drop(done);
        // Each shard answers or has ended.
        while ended.recv().is_ok() {}
        // A leader must have ended before another one leads.
        self.while_frozen(|parts| {
            if let Some(Some(member)) = parts.members.get_mut(index) {
                Arc::make_mut(member).state = MemberState::Down;
            }
        })
    }

    pub(super) fn start_node(
        &mut self,
        index: usize,
        shards: Option<usize>,
    ) -> Result<(), ControlError> {
        let shared = Arc::clone(&self.shared);
        let slot = self.slot_in(index, &[NodeState::Down])?;
        if let Some(shards) = shards {
            reshard(slot, shards, &shared)?;
        }
        let listeners = bind(&shared, slot)?;
        let cradle = slot.cradle()?;
        let links = Arc::clone(&cradle.links);
        slot.run(cradle, &shared)?;
        self.change_member(index, |member| {
            member.state = MemberState::Restoring;
            member.shards = links;
        });
        self.barrier()?;
        self.stream()?;
        let up_epoch = self.epoch();
        self.change_member(index, |member| {
            member.state = MemberState::Up;
            member.up_epoch = up_epoch;
        });
        self.barrier()?;
        self.open(index, listeners)?;
        self.tell(self.status(index, StatusChangeKind::Up), index);
        for link in self.present().flat_map(Slot::links) {
            link.control(Control::ReplayHints(index));
        }
        Ok(())
    }

    fn open(&mut self, index: usize, listeners: Listeners) -> Result<(), ControlError> {
        let slot = self.slot(index)?;
        slot.info.state = NodeState::Up;
        for (kind, address, listener) in listeners {
            slot.apply_port(kind, address, Some(listener))?;
        }
        Ok(())
    }

    pub(super) fn add_node(&mut self, plan: NodePlan) -> Result<usize, ControlError> {
        let index = self.slots.len();
        if plan.vnodes.is_some_and(|vnodes| vnodes > VNODES_MAX) {
            let what = format!("a node has at most {VNODES_MAX} tokens");
            return Err(StartError::Config(what).into());
        }
        if index >= NODES_MAX || plan.shards.is_some_and(|shards| shards > SHARDS_MAX) {
            let what = format!("at most {NODES_MAX} nodes of {SHARDS_MAX} shards");
            return Err(StartError::Config(what).into());
        }
        let shared = Arc::clone(&self.shared);
        if !shared.config.address(index).is_loopback() {
            let what = "the next address is not in 127.0.0.0/8".to_owned();
            return Err(StartError::Config(what).into());
        }
        let mut slot = new_slot(&shared.config, shared.authority.as_ref(), index, &plan)?;
        let listeners = bind(&shared, &slot)?;
        let cradle = slot.cradle()?;
        let links = Arc::clone(&cradle.links);
        slot.run(cradle, &shared)?;
        shared.change(|parts| {
            let mut member = member(&slot, parts, &shared.config);
            member.state = MemberState::Joining;
            member.shards = links;
            parts.members.push(Some(Arc::new(member)));
            parts.in_ring.push(false);
            let mut next = parts.in_ring.clone();
            next[index] = true;
            parts.in_pending_ring = Some(next);
        });
        self.slots.push(Some(slot));
        self.barrier()?;
        self.stream()?;
        let up_epoch = self.epoch();
        self.switch_ring(|parts| {
            if let Some(Some(member)) = parts.members.get_mut(index) {
                let member = Arc::make_mut(member);
                member.state = MemberState::Up;
                member.up_epoch = up_epoch;
            }
        })?;
        self.open(index, listeners)?;
        let address = self.slot(index)?.info.address;
        let address = SocketAddr::new(address, self.shared.ports.normal());
        let new = Event::TopologyChange {
            change: TopologyChangeKind::New,
            address,
        };
        self.tell(Some(new), index);
        self.tell(self.status(index, StatusChangeKind::Up), index);
        self.move_tablets_onto(index)?;
        Ok(index)
    }

    /// Makes the pending ring the ring. The old one's replicas still take writes until every coordinator
    /// asks the new ones: one that does not yet would miss what others have written.
    fn switch_ring(&self, change: impl FnOnce(&mut ViewParts)) -> Result<(), ControlError> {
        self.while_frozen(|parts| {
            if let Some(next) = parts.in_pending_ring.take() {
                parts.in_pending_ring = Some(std::mem::replace(&mut parts.in_ring, next));
            }
            change(parts);
        })?;
        self.shared.change(|parts| parts.in_pending_ring = None);
        self.barrier()
    }

    /// Changes the view while no conditional write is under way. Those that come meanwhile wait.
    pub(super) fn while_frozen(
        &self,
        change: impl FnOnce(&mut ViewParts),
    ) -> Result<(), ControlError> {
        self.shared.change(|parts| parts.cas_frozen = true);
        let settled = self.barrier();
        self.shared.change(|parts| {
            parts.cas_frozen = false;
            if settled.is_ok() {
                change(parts);
            }
        });
        settled?;
        self.barrier()
    }

    pub(super) fn remove_node(&mut self, index: usize) -> Result<(), ControlError> {
        self.slot_in(index, &[NodeState::Up, NodeState::Down])?;
        let others_up = self
            .present()
            .filter(|slot| slot.info.index != index && slot.info.state == NodeState::Up);
        if others_up.count() == 0 {
            return Err(ControlError::LastNode);
        }
        self.shared.change(|parts| {
            let mut next = parts.in_ring.clone();
            next[index] = false;
            parts.in_pending_ring = Some(next);
        });
        self.barrier()?;
        self.move_tablets_off(index)?;
        self.stream()?;
        self.switch_ring(|_| {})?;
        let down = self.status(index, StatusChangeKind::Down);
        let slot = self.slot(index)?;
        let address = SocketAddr::new(slot.info.address, self.shared.ports.normal());
        let was_up = self.slot(index)?.is_running();
        if was_up {
            self.drain(index)?;
            self.slot(index)?.halt(true);
        }
        self.shared.change(|parts| parts.members[index] = None);
        self.slots[index] = None;
        if was_up {
            self.tell(down, index);
        }
        let gone = Event::TopologyChange {
            change: TopologyChangeKind::Removed,
            address,
        };
        self.tell(Some(gone), index);
        Ok(())
    }

    pub(super) fn stop(&mut self) {
        for slot in self.slots.iter_mut().flatten() {
            for link in slot.links() {
                link.control(Control::Stop { graceful: false });
            }
        }
        for slot in self.slots.iter_mut().flatten() {
            slot.halt(false);
            slot.gates
                .iter_mut()
                .for_each(super::ports::PortGate::reset);
            slot.info.state = NodeState::Down;
        }
        // Shards hold links to each other by way of the view.
        self.shared.change(|parts| {
            for member in parts.members.iter_mut().flatten() {
                let member = Arc::make_mut(member);
                member.shards = Arc::new([]);
                member.state = MemberState::Down;
            }
        });
    }
}

/// Gives a node that is down another number of shards, and its data to those that own it then.
fn reshard(slot: &mut Slot, shards: usize, shared: &Shared) -> Result<(), ControlError> {
    if shards == 0 || shards > SHARDS_MAX || slot.info.shards == 0 {
        let what = format!(
            "a node of {} shards cannot be restarted with {shards}: it has 1 to {SHARDS_MAX}, or none \
             for ever",
            slot.info.shards
        );
        return Err(StartError::Config(what).into());
    }
    let index = slot.info.index as u32;
    let view = shared.view();
    let homeless = view
        .tables()
        .filter_map(|route| route.tablets.as_ref())
        .flat_map(|layout| layout.places())
        .filter_map(|place| place.shard_on(index))
        .find(|&shard| usize::from(shard) >= shards);
    if let Some(shard) = homeless {
        // ScyllaDB refuses to start then, too.
        return Err(ControlError::Tablet(format!(
            "node {index} has tablets on shard {shard}: it cannot be restarted with {shards} shards"
        )));
    }
    let Some(member) = view.member(index) else {
        return Err(ControlError::NoSuchNode(slot.info.index));
    };
    let mut next = (**member).clone();
    next.announced_shards = shards as u16;
    next.sharder = sharder(shards as u16, shared.config.ignore_msb);
    slot.reshard(shards, |table, token| {
        Some(view.table(table)?.shard_of(&next, token))
    });
    shared.change(|parts| {
        if let Some(Some(member)) = parts.members.get_mut(slot.info.index) {
            *member = Arc::new(next);
        }
    });
    Ok(())
}

/// The ports that the configuration wants, and their numbers.
fn wanted_ports(config: &ClusterConfig) -> impl Iterator<Item = (PortKind, u16)> {
    let tls = config.tls.as_ref();
    [
        (PortKind::Normal, Some(config.port)),
        (PortKind::ShardAware, config.shard_aware_port),
        (PortKind::NormalTls, tls.map(|t| t.port)),
        (
            PortKind::ShardAwareTls,
            tls.and_then(|t| t.shard_aware_port),
        ),
    ]
    .into_iter()
    .filter_map(|(kind, port)| port.map(|port| (kind, port)))
}

type Listeners = Vec<(PortKind, SocketAddr, TcpListener)>;

/// Binds a node's ports; they accept when the node is up.
fn bind(shared: &Shared, slot: &Slot) -> Result<Listeners, ControlError> {
    ports_of(shared, slot.info.shards)
        .map(|(kind, port)| {
            let address = SocketAddr::new(slot.info.address, port);
            let listener =
                listen(address).map_err(|source| StartError::Listen { address, source })?;
            Ok((kind, address, listener))
        })
        .collect()
}
