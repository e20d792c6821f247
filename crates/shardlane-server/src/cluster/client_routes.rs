//! `system.client_routes`: which proxy leads to which node, and telling clients when that changes.

use std::collections::BTreeSet;

use shardlane_wire::Event;
use shardlane_wire::event::ClientRoutesChange;

use super::{Cluster, ControlError};
use crate::engine::ClientRoute;

/// Rows told of in one event: its lists are counted in 16 bits.
const PAIRS_MAX: usize = u16::MAX as usize;

impl Cluster {
    /// Puts these routes in the place of those that there were, and tells the clients that have registered
    /// for it which rows have changed. No change, no event.
    ///
    /// # Errors
    /// [`ControlError::Routes`]: a row is there twice, or has no address.
    pub fn set_client_routes(&self, routes: Vec<ClientRoute>) -> Result<(), ControlError> {
        let mut seen = BTreeSet::new();
        for route in &routes {
            if route.address.is_empty() || route.port == 0 || route.tls_port == Some(0) {
                let id = &route.connection_id;
                return Err(ControlError::Routes(format!(
                    "a route of {id:?} has no address or no port"
                )));
            }
            if !seen.insert(key(route)) {
                let id = &route.connection_id;
                return Err(ControlError::Routes(format!(
                    "{id:?} has two routes to one node"
                )));
            }
        }
        let mut changed = BTreeSet::new();
        self.shared.change(|parts| {
            let before = std::mem::replace(&mut parts.client_routes, routes.into());
            let differ = |these: &[ClientRoute], those: &[ClientRoute]| -> Vec<_> {
                let new = these.iter().filter(|route| !those.contains(route));
                new.map(key).collect()
            };
            changed.extend(differ(&before, &parts.client_routes));
            changed.extend(differ(&parts.client_routes, &before));
        });
        let changed: Vec<_> = changed.into_iter().collect();
        for pairs in changed.chunks(PAIRS_MAX) {
            let change = ClientRoutesChange::UpdateNodes {
                connection_ids: pairs.iter().map(|(id, _)| id.as_str().into()).collect(),
                host_ids: pairs
                    .iter()
                    .map(|(_, host_id)| host_id.to_string().into())
                    .collect(),
            };
            self.shared.notify(Event::ClientRoutesChange(change), None);
        }
        Ok(())
    }
}

fn key(route: &ClientRoute) -> (String, shardlane_routing::HostId) {
    (route.connection_id.clone(), route.host_id.into())
}
