//! Client routes: nodes behind proxies of a private network, which `system.client_routes` tells.
//!
//! Where they are configured a node is reached by its route and in no other way: its own address means
//! nothing on this side of the proxy. A route names a host; what that resolves to is kept until an attempt
//! there fails, or a connection is lost.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use shardlane_routing::HostId;
use shardlane_wire::event::ClientRoutesChange;

use super::{Cluster, NodeKey};
use crate::config::{ClientRoutes, Config};

/// So many rows are read one by one; beyond it those of all connection ids are.
const ROWS_ONE_BY_ONE_MAX: usize = 16;
/// Rows that are kept: more than any cluster has nodes times proxies.
const ROWS_MAX: usize = 1 << 16;
/// Addresses of one name that are tried; load balancers have a handful.
const ADDRESSES_PER_NAME_MAX: usize = 16;

/// The rows of `system.client_routes` that a refresh reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum RouteScope {
    /// None.
    #[default]
    Unread,
    /// These, each by its connection id and host id; one that is not there any more is found out this way.
    Rows(BTreeSet<(Box<str>, HostId)>),
    /// All of the configured connection ids.
    All,
}

impl RouteScope {
    pub(super) fn merge(&mut self, other: Self) {
        *self = match (std::mem::take(self), other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Unread, some) | (some, Self::Unread) => some,
            (Self::Rows(mut rows), Self::Rows(more)) => {
                rows.extend(more);
                if rows.len() > ROWS_ONE_BY_ONE_MAX {
                    Self::All
                } else {
                    Self::Rows(rows)
                }
            }
        };
    }

    /// What an event asks to read again: all that is configured if it cannot be made sense of.
    pub(super) fn of_event(change: &ClientRoutesChange, configured: &[Box<str>]) -> Self {
        let ClientRoutesChange::UpdateNodes {
            connection_ids,
            host_ids,
        } = change
        else {
            return Self::All;
        };
        if connection_ids.len() != host_ids.len() || connection_ids.is_empty() {
            return Self::All;
        }
        let mut rows = BTreeSet::new();
        for (id, host_id) in connection_ids.iter().zip(host_ids) {
            let Ok(host_id) = host_id.parse::<HostId>() else {
                return Self::All;
            };
            if configured.contains(id) {
                rows.insert((id.clone(), host_id));
            }
        }
        match rows.len() {
            0 => Self::Unread,
            1..=ROWS_ONE_BY_ONE_MAX => Self::Rows(rows),
            _ => Self::All,
        }
    }
}

/// A row of `system.client_routes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteRow {
    pub(crate) connection_id: Box<str>,
    pub(crate) host_id: HostId,
    pub(crate) address: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) tls_port: Option<u16>,
}

/// How a node is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// Which of the configured connections it belongs to.
    connection: usize,
    /// A name, or an IP address.
    host: Arc<str>,
    port: u16,
}

/// What is known of a name.
#[derive(Debug)]
enum Lookup {
    /// It is being resolved.
    Asked,
    /// It resolves to these; at least one. The first has not failed yet.
    Known(Vec<IpAddr>),
}

/// The next step on the way to a node.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Connect there.
    To(SocketAddr),
    /// Have this name resolved first.
    Resolve(Arc<str>),
    /// Its name is being resolved.
    Wait,
    /// There is no route to it.
    None,
}

#[derive(Debug)]
pub(super) struct Routes {
    config: ClientRoutes,
    tls: bool,
    /// By node and place in the configuration.
    rows: HashMap<HostId, BTreeMap<usize, RouteRow>>,
    names: HashMap<Arc<str>, Lookup>,
}

impl Routes {
    pub(super) fn new(config: &Config) -> Option<Self> {
        Some(Self {
            config: config.client_routes.clone()?,
            tls: config.tls,
            rows: HashMap::new(),
            names: HashMap::new(),
        })
    }

    fn place(&self, connection_id: &str) -> Option<usize> {
        let mut all = self.config.connections.iter();
        all.position(|c| c.connection_id == connection_id)
    }

    /// Takes over the rows that a refresh of this scope has found.
    pub(super) fn take(&mut self, scope: &RouteScope, found: Vec<RouteRow>) {
        match scope {
            RouteScope::Unread => {}
            RouteScope::All => self.rows.clear(),
            RouteScope::Rows(rows) => {
                for (id, host_id) in rows {
                    if let Some(place) = self.place(id)
                        && let Some(rows) = self.rows.get_mut(host_id)
                    {
                        rows.remove(&place);
                    }
                }
            }
        }
        for row in found.into_iter().take(ROWS_MAX) {
            if let Some(place) = self.place(&row.connection_id) {
                self.rows.entry(row.host_id).or_default().insert(place, row);
            }
        }
    }

    /// The route to a node: over the connection that is in use if it still leads there, else over the first
    /// one configured that does. An error says why there is none.
    fn choose(&self, host_id: HostId, current: Option<&Route>) -> Result<Route, String> {
        let ids: Vec<&str> = self.ids().collect();
        let none = || {
            format!(
                "no client route leads to it: system.client_routes has none for connection ids {ids:?}"
            )
        };
        let rows = self.rows.get(&host_id).ok_or_else(none)?;
        let in_use = current.and_then(|route| rows.get_key_value(&route.connection));
        let mut flaw = None;
        for (&connection, row) in in_use.into_iter().chain(rows) {
            let given = self.config.connections[connection].address.as_deref();
            let host = given.or(row.address.as_deref()).filter(|h| !h.is_empty());
            let port = if self.tls { row.tls_port } else { row.port };
            match (host, port) {
                (Some(host), Some(port)) => {
                    return Ok(Route {
                        connection,
                        host: host.into(),
                        port,
                    });
                }
                (None, _) => flaw = Some("address"),
                (_, None) if self.tls => flaw = Some("tls_port"),
                (_, None) => flaw = Some("port"),
            }
        }
        Err(flaw.map_or_else(none, |column| {
            format!(
                "its client route is of no use: its row of system.client_routes for connection ids {ids:?} \
                 has no {column}"
            )
        }))
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.config
            .connections
            .iter()
            .map(|c| c.connection_id.as_str())
    }

    fn known(&self, route: &Route) -> Option<SocketAddr> {
        let ip = match (route.host.parse(), self.names.get(&route.host)) {
            (Ok(ip), _) => ip,
            (Err(_), Some(Lookup::Known(addresses))) => *addresses.first()?,
            _ => return None,
        };
        Some(SocketAddr::new(ip, route.port))
    }
}

impl Cluster {
    /// Whether nodes are reached by client routes, and only so.
    pub(crate) const fn is_routed(&self) -> bool {
        self.routes.is_some()
    }

    /// Chooses the route to each node anew. Returns the nodes that have another one than before.
    pub(crate) fn choose_routes(&mut self) -> Vec<NodeKey> {
        let Some(routes) = &mut self.routes else {
            return Vec::new();
        };
        let mut changed = Vec::new();
        let mut hosts = HashSet::new();
        for (key, node) in &mut self.nodes {
            let route = match routes.choose(node.coordinator.host_id, node.route.as_ref()) {
                Ok(route) => {
                    hosts.insert(route.host.clone());
                    Some(route)
                }
                Err(why) => {
                    node.last_error = Some(why.into());
                    None
                }
            };
            if route != node.route {
                node.route = route;
                changed.push(NodeKey(key as u32));
            }
        }
        routes.names.retain(|host, _| hosts.contains(host));
        changed
    }

    /// The next step on the way to a node. A name that this tells to resolve counts as asked for.
    pub(crate) fn way_to(&mut self, key: NodeKey) -> Way {
        let Some(node) = self.nodes.get(key.0 as usize) else {
            return Way::None;
        };
        let Some(routes) = &mut self.routes else {
            return Way::To(node.coordinator.address);
        };
        let Some(route) = &node.route else {
            return Way::None;
        };
        if let Some(address) = routes.known(route) {
            return Way::To(address);
        }
        match routes.names.insert(route.host.clone(), Lookup::Asked) {
            Some(Lookup::Asked) => Way::Wait,
            _ => Way::Resolve(route.host.clone()),
        }
    }

    /// Where the control connection may reach a node, as far as it is known.
    pub(super) fn known_address(&self, key: NodeKey) -> Option<SocketAddr> {
        let node = self.node(key)?;
        match &self.routes {
            Some(routes) => routes.known(node.route.as_ref()?),
            None => Some(node.coordinator.address),
        }
    }

    /// A name was resolved, or could not be. Returns the nodes that were to be reached there and cannot be,
    /// and why.
    pub(crate) fn handle_resolved(
        &mut self,
        host: &str,
        result: &Result<Vec<SocketAddr>, String>,
    ) -> Option<(Vec<NodeKey>, String)> {
        let lookup = self.routes.as_mut()?.names.get_mut(host)?;
        if !matches!(lookup, Lookup::Asked) {
            return None;
        }
        let why = match result {
            Ok(addresses) if addresses.is_empty() => "it resolves to no address".to_owned(),
            Ok(addresses) => {
                let ips = addresses.iter().map(SocketAddr::ip);
                *lookup = Lookup::Known(ips.take(ADDRESSES_PER_NAME_MAX).collect());
                return None;
            }
            Err(why) => why.clone(),
        };
        self.routes.as_mut()?.names.remove(host);
        let there = |node: &super::Node| node.route.as_ref().is_some_and(|r| &*r.host == host);
        let stuck = self.nodes().filter(|(_, node)| there(node));
        Some((stuck.map(|(key, _)| key).collect(), why))
    }

    /// A connection to a node was lost, or did not come up: this address of the name is not to be tried
    /// again before the others, nor after them without resolving the name anew.
    pub(crate) fn distrust(&mut self, key: NodeKey, failed: IpAddr) {
        if let Some(routes) = &mut self.routes
            && let Some(node) = self.nodes.get(key.0 as usize)
            && let Some(route) = &node.route
            && let Some(Lookup::Known(addresses)) = routes.names.get_mut(&route.host)
            && addresses.first() == Some(&failed)
        {
            addresses.remove(0);
            if addresses.is_empty() {
                routes.names.remove(&route.host);
            }
        }
    }
}

#[cfg(test)]
mod tests;
