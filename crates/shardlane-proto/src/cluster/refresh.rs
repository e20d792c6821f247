//! What the control connection reads, and how much of it: everything after connecting, later only what an
//! event has touched.

use std::collections::BTreeSet;
use std::time::Duration;

use shardlane_routing::HostId;
use shardlane_wire::Dialect;
use shardlane_wire::frame::Version;

use super::routes::RouteScope;
use super::topology::Update;
use crate::time::Instant;

/// So many keyspaces are read one by one; reading all of them is one query.
const KEYSPACES_ONE_BY_ONE_MAX: usize = 16;

/// The keyspaces that a refresh reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Keyspaces {
    /// None.
    #[default]
    Unread,
    /// These, each by its name; one that is not there any more is found out this way.
    Named(BTreeSet<Box<str>>),
    /// All.
    All,
}

/// The parts that a refresh reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// `system.local` and the peers: topology, and schema versions.
    pub(crate) nodes: bool,
    pub(crate) keyspaces: Keyspaces,
    /// Client routes, where they are configured.
    pub(crate) routes: RouteScope,
}

impl Scope {
    pub(crate) const EVERYTHING: Self = Self {
        nodes: true,
        keyspaces: Keyspaces::All,
        routes: RouteScope::All,
    };
    pub(crate) const NODES: Self = Self {
        nodes: true,
        keyspaces: Keyspaces::Unread,
        routes: RouteScope::All,
    };

    pub(crate) fn keyspace(name: &str) -> Self {
        Self {
            nodes: false,
            keyspaces: Keyspaces::Named(BTreeSet::from([name.into()])),
            routes: RouteScope::Unread,
        }
    }

    pub(crate) fn routes(routes: RouteScope) -> Option<Self> {
        (routes != RouteScope::Unread).then(|| Self {
            routes,
            ..Self::default()
        })
    }

    /// Adds what `other` reads.
    pub(crate) fn merge(&mut self, other: Self) {
        self.nodes |= other.nodes;
        self.routes.merge(other.routes);
        self.keyspaces = match (std::mem::take(&mut self.keyspaces), other.keyspaces) {
            (Keyspaces::All, _) | (_, Keyspaces::All) => Keyspaces::All,
            (Keyspaces::Unread, some) | (some, Keyspaces::Unread) => some,
            (Keyspaces::Named(mut names), Keyspaces::Named(more)) => {
                names.extend(more);
                if names.len() > KEYSPACES_ONE_BY_ONE_MAX {
                    Keyspaces::All
                } else {
                    Keyspaces::Named(names)
                }
            }
        };
    }
}

/// What the server at the other end of the control connection has and needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Abilities {
    /// It may have `system.peers_v2`, which tells each node's port (Cassandra 4.0 and later; ScyllaDB has none).
    pub(crate) peers_v2: bool,
    /// PREPARED does not tell which variables make up the partition key: the schema must.
    pub(crate) wants_partition_keys: bool,
    /// It understands `USING TIMEOUT` (ScyllaDB).
    pub(crate) using_timeout: bool,
    /// It may have strongly consistent keyspaces, and would tell their leaders: it tells versions of tablets.
    pub(crate) leaders: bool,
    /// It may have `system.tablets`, and we want to know them all in advance.
    pub(crate) tablets: bool,
}

impl Abilities {
    pub(crate) fn new(dialect: Dialect, is_scylla: bool, tablet_warm_up: bool) -> Self {
        Self {
            peers_v2: !is_scylla,
            wants_partition_keys: dialect.version == Version::V3,
            using_timeout: is_scylla,
            leaders: dialect.tablet_block,
            tablets: is_scylla && tablet_warm_up,
        }
    }
}

/// One query of a refresh. `SELECT *` for nodes, because servers differ in columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Query {
    Local,
    Peers,
    PeersV2,
    Keyspaces(Option<Box<str>>),
    PartitionKeys(Option<Box<str>>),
    /// Which keyspaces are strongly consistent. Not essential: without it requests go to any replica.
    Consistency(Option<Box<str>>),
    /// Client routes of a connection id: to one node, or to all.
    Routes {
        connection_id: Box<str>,
        host_id: Option<HostId>,
    },
    /// Of all tables. Not essential: who is refused them learns them one by one.
    Tablets,
}

impl Query {
    /// Whether the refresh is good without its answer.
    pub(crate) const fn is_optional(&self) -> bool {
        matches!(self, Self::Consistency(_) | Self::Tablets)
    }

    /// The statement, with the time that the server may take if it is to be told.
    pub(crate) fn told(&self, timeout: Option<Duration>) -> String {
        let mut text = self.text();
        if let Some(timeout) = timeout {
            text += &format!(" USING TIMEOUT {}ms", timeout.as_millis().max(1));
        }
        text
    }

    /// The statement.
    pub(crate) fn text(&self) -> String {
        let of = |columns: &str, table: &str, keyspace: &Option<Box<str>>| {
            let mut text = format!("SELECT {columns} FROM system_schema.{table}");
            if let Some(keyspace) = keyspace {
                text += " WHERE keyspace_name = '";
                text += &keyspace.replace('\'', "''");
                text.push('\'');
            }
            text
        };
        match self {
            Self::Local => "SELECT * FROM system.local WHERE key = 'local'".to_owned(),
            Self::Peers => "SELECT * FROM system.peers".to_owned(),
            Self::PeersV2 => "SELECT * FROM system.peers_v2".to_owned(),
            Self::Keyspaces(name) => of("keyspace_name, replication", "keyspaces", name),
            Self::PartitionKeys(name) => of(
                "keyspace_name, table_name, column_name, kind, position",
                "columns",
                name,
            ),
            Self::Consistency(name) => of("keyspace_name, consistency", "scylla_keyspaces", name),
            Self::Routes {
                connection_id,
                host_id,
            } => {
                let id = connection_id.replace('\'', "''");
                let node = host_id.map_or_else(String::new, |id| format!(" AND host_id = {id}"));
                format!(
                    "SELECT connection_id, host_id, address, port, tls_port FROM system.client_routes \
                     WHERE connection_id = '{id}'{node}"
                )
            }
            Self::Tablets => {
                "SELECT keyspace_name, table_name, last_token, replicas FROM system.tablets"
                    .to_owned()
            }
        }
    }

    /// The queries that read `scope`.
    fn all(scope: &Scope, abilities: Abilities, connection_ids: &[Box<str>]) -> Vec<Self> {
        let mut queries = Vec::new();
        if scope.nodes {
            queries.push(Self::Local);
            queries.push(if abilities.peers_v2 {
                Self::PeersV2
            } else {
                Self::Peers
            });
        }
        match &scope.routes {
            RouteScope::Unread => {}
            RouteScope::All => queries.extend(connection_ids.iter().map(|id| Self::Routes {
                connection_id: id.clone(),
                host_id: None,
            })),
            RouteScope::Rows(rows) => {
                queries.extend(rows.iter().map(|(id, host_id)| Self::Routes {
                    connection_id: id.clone(),
                    host_id: Some(*host_id),
                }));
            }
        }
        let names: Vec<Option<Box<str>>> = match &scope.keyspaces {
            Keyspaces::Unread => Vec::new(),
            Keyspaces::Named(names) => names.iter().cloned().map(Some).collect(),
            Keyspaces::All => vec![None],
        };
        for name in names {
            queries.push(Self::Keyspaces(name.clone()));
            if abilities.leaders {
                queries.push(Self::Consistency(name.clone()));
            }
            if abilities.wants_partition_keys {
                queries.push(Self::PartitionKeys(name));
            }
        }
        if abilities.tablets && scope.keyspaces == Keyspaces::All {
            queries.push(Self::Tablets);
        }
        queries
    }
}

/// A refresh under way.
#[derive(Debug)]
pub(crate) struct Refresh {
    /// Which one; answers to an older one are of no use.
    pub(crate) generation: u64,
    pub(crate) queries: Vec<Query>,
    /// How many of them are not answered yet.
    pub(crate) outstanding: usize,
    /// Until when the next page must have come.
    pub(crate) deadline: Instant,
    pub(crate) pages: u32,
    pub(crate) update: Update,
}

impl Refresh {
    pub(crate) fn new(
        generation: u64,
        scope: Scope,
        abilities: Abilities,
        connection_ids: &[Box<str>],
        deadline: Instant,
    ) -> Self {
        let queries = Query::all(&scope, abilities, connection_ids);
        let mut update = Update::new(scope);
        update.is_routed = !connection_ids.is_empty();
        Self {
            generation,
            outstanding: queries.len(),
            queries,
            deadline,
            pages: 0,
            update,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_add_up_and_many_keyspaces_become_all() {
        let mut scope = Scope::default();
        scope.merge(Scope::keyspace("a"));
        scope.merge(Scope::NODES);
        scope.merge(Scope::keyspace("a"));
        assert!(scope.nodes);
        assert_eq!(scope.keyspaces, Scope::keyspace("a").keyspaces);
        for n in 0..KEYSPACES_ONE_BY_ONE_MAX - 1 {
            scope.merge(Scope::keyspace(&n.to_string()));
            assert!(matches!(scope.keyspaces, Keyspaces::Named(_)));
        }
        scope.merge(Scope::keyspace("one more"));
        assert_eq!(scope, Scope::EVERYTHING);
        scope.merge(Scope::keyspace("a"));
        assert_eq!(scope, Scope::EVERYTHING);
    }

    #[test]
    fn queries_read_what_the_scope_says_and_the_server_has() {
        let scylla = Abilities::new(Dialect::V4, true, false);
        let cassandra = Abilities::new(Dialect::V4, false, true);
        let old = Abilities::new(Dialect::new(Version::V3), false, true);
        let texts = |scope: &Scope, abilities| -> Vec<String> {
            let queries = Query::all(scope, abilities, &[]);
            queries.iter().map(Query::text).collect()
        };
        assert_eq!(
            texts(&Scope::EVERYTHING, scylla),
            [
                "SELECT * FROM system.local WHERE key = 'local'",
                "SELECT * FROM system.peers",
                "SELECT keyspace_name, replication FROM system_schema.keyspaces",
            ]
        );
        assert_eq!(
            texts(&Scope::NODES, cassandra)[1],
            "SELECT * FROM system.peers_v2"
        );
        assert_eq!(
            texts(&Scope::keyspace("it's"), old),
            [
                "SELECT keyspace_name, replication FROM system_schema.keyspaces WHERE keyspace_name = 'it''s'",
                "SELECT keyspace_name, table_name, column_name, kind, position FROM system_schema.columns \
                 WHERE keyspace_name = 'it''s'",
            ]
        );
    }

    #[test]
    fn routes_are_read_with_the_nodes_or_alone() {
        let scylla = Abilities::new(Dialect::V4, true, false);
        let ids = ["a".into(), "it's".into()];
        let texts = |scope: &Scope| -> Vec<String> {
            let queries = Query::all(scope, scylla, &ids);
            queries.iter().map(Query::text).collect()
        };
        let routes =
            "SELECT connection_id, host_id, address, port, tls_port FROM system.client_routes";
        assert_eq!(
            texts(&Scope::NODES)[2..],
            [
                format!("{routes} WHERE connection_id = 'a'"),
                format!("{routes} WHERE connection_id = 'it''s'"),
            ]
        );
        let rows = RouteScope::Rows(BTreeSet::from([("a".into(), HostId([7; 16]))]));
        let scope = Scope::routes(rows).expect("something to read");
        assert_eq!(
            texts(&scope),
            [format!(
                "{routes} WHERE connection_id = 'a' AND host_id = 07070707-0707-0707-0707-070707070707"
            )]
        );
        assert_eq!(Scope::routes(RouteScope::Unread), None);
        assert_eq!(texts(&Scope::keyspace("k")).len(), 1);
    }

    #[test]
    fn scylla_is_told_how_long_it_may_take_and_asked_for_tablets_if_that_is_wanted() {
        let wanting = Abilities::new(Dialect::V4, true, true);
        let queries = Query::all(&Scope::EVERYTHING, wanting, &[]);
        assert_eq!(queries.last(), Some(&Query::Tablets));
        assert!(!Query::all(&Scope::NODES, wanting, &[]).contains(&Query::Tablets));
        assert!(
            !Abilities::new(Dialect::V4, false, true).tablets,
            "Apache Cassandra has none"
        );
        let time = Duration::from_millis(1500);
        assert_eq!(
            Query::Peers.told(Some(time)),
            "SELECT * FROM system.peers USING TIMEOUT 1500ms"
        );
        assert_eq!(Query::Peers.told(None), Query::Peers.text());
    }
}
