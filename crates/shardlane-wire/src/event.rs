//! EVENT (section 4.2.6), and the schema change that RESULT shares with it.

use std::net::SocketAddr;

use crate::dialect::Dialect;
use crate::frame::Version;
use crate::primitive::{Reader, write_inet, write_string, write_string_list};
use crate::wire_error::{EncodeError, WireError, WireErrorKind};

/// A kind of event that a client can register for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(
    clippy::enum_variant_names,
    reason = "the names are those of the specification"
)]
pub enum EventKind {
    /// Nodes joining, leaving, moving.
    TopologyChange,
    /// Nodes going up and down.
    StatusChange,
    /// Keyspaces, tables and the like.
    SchemaChange,
    /// Where proxies of a private network lead to (ScyllaDB, not part of the specification: servers that do
    /// not know it refuse a REGISTER that asks for it).
    ClientRoutesChange,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::TopologyChange,
        Self::StatusChange,
        Self::SchemaChange,
        Self::ClientRoutesChange,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TopologyChange => "TOPOLOGY_CHANGE",
            Self::StatusChange => "STATUS_CHANGE",
            Self::SchemaChange => "SCHEMA_CHANGE",
            Self::ClientRoutesChange => "CLIENT_ROUTES_CHANGE",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The body of EVENT.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::enum_variant_names,
    reason = "the names are those of the specification"
)]
pub enum Event {
    /// The set of nodes has changed.
    TopologyChange {
        /// How.
        change: TopologyChangeKind,
        /// The node's address for clients.
        address: SocketAddr,
    },
    /// A node is up or down. One restart may bring several of these.
    StatusChange {
        /// Which.
        change: StatusChangeKind,
        /// The node's address for clients.
        address: SocketAddr,
    },
    /// The schema has changed.
    SchemaChange(SchemaChange),
    /// Routes to nodes have changed.
    ClientRoutesChange(ClientRoutesChange),
}

/// What `system.client_routes` has to be read again for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientRoutesChange {
    /// Rows of these connection ids and host ids: the first with the first, and so on.
    UpdateNodes {
        /// Connection ids.
        connection_ids: Vec<Box<str>>,
        /// Host ids, as texts. As many, unless the server is in error.
        host_ids: Vec<Box<str>>,
    },
    /// A change of a kind that is not known here: anything may have changed. What else the server said of it
    /// is left out.
    Other(Box<str>),
}

const UPDATE_NODES: &str = "UPDATE_NODES";

impl ClientRoutesChange {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let what = "kind of change of client routes";
        match self {
            Self::UpdateNodes {
                connection_ids,
                host_ids,
            } => {
                write_string(out, UPDATE_NODES, what)?;
                write_string_list(out, connection_ids, "connection ids")?;
                write_string_list(out, host_ids, "host ids")
            }
            Self::Other(kind) => write_string(out, kind, what),
        }
    }

    /// Reads all that is left.
    fn read(mut reader: Reader<'_>) -> Result<Self, WireError> {
        let kind = reader.string("kind of change of client routes")?;
        if kind != UPDATE_NODES {
            return Ok(Self::Other(kind.into()));
        }
        let change = Self::UpdateNodes {
            connection_ids: boxed(reader.string_list("connection ids")?),
            host_ids: boxed(reader.string_list("host ids")?),
        };
        reader.finish("EVENT")?;
        Ok(change)
    }
}

fn boxed(texts: Vec<&str>) -> Vec<Box<str>> {
    texts.into_iter().map(Box::from).collect()
}

macro_rules! names {
    ($(#[$meta:meta])* $name:ident, $reading:literal { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)*
        }

        impl $name {
            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
                let at = reader.clone();
                match reader.string($reading)? {
                    $($text => Ok(Self::$variant),)*
                    other => Err(at.error($reading, WireErrorKind::UnknownName(other.into()))),
                }
            }
        }
    };
}

names! {
    /// How the set of nodes has changed.
    TopologyChangeKind, "kind of topology change" {
        /// A node was added, perhaps not ready yet.
        New = "NEW_NODE",
        /// A node was removed.
        Removed = "REMOVED_NODE",
        /// A node has moved to another token (v3).
        Moved = "MOVED_NODE",
    }
}

names! {
    /// Whether a node is up.
    StatusChangeKind, "kind of status change" {
        /// It is up.
        Up = "UP",
        /// It is down.
        Down = "DOWN",
    }
}

names! {
    /// What has happened to a part of the schema.
    SchemaChangeKind, "kind of schema change" {
        /// It was created.
        Created = "CREATED",
        /// It was altered.
        Updated = "UPDATED",
        /// It was dropped.
        Dropped = "DROPPED",
    }
}

/// A change of the schema: the answer to DDL, and an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange {
    /// What has happened.
    pub kind: SchemaChangeKind,
    /// The keyspace that is changed, or that holds what is changed.
    pub keyspace: Box<str>,
    /// What is changed.
    pub target: SchemaTarget,
}

/// The part of a keyspace that a [`SchemaChange`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaTarget {
    /// The keyspace itself.
    Keyspace,
    /// The table (or view) of this name.
    Table(Box<str>),
    /// The user-defined type of this name.
    Type(Box<str>),
    /// A function (v4 and later).
    Function {
        /// Its name.
        name: Box<str>,
        /// The CQL types of its arguments, which tell overloads apart.
        argument_types: Vec<Box<str>>,
    },
    /// An aggregate (v4 and later).
    Aggregate {
        /// Its name.
        name: Box<str>,
        /// The CQL types of its arguments.
        argument_types: Vec<Box<str>>,
    },
}

impl SchemaTarget {
    /// The name of the target kind on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Keyspace => "KEYSPACE",
            Self::Table(_) => "TABLE",
            Self::Type(_) => "TYPE",
            Self::Function { .. } => "FUNCTION",
            Self::Aggregate { .. } => "AGGREGATE",
        }
    }
}

impl Event {
    /// The kind of this event.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::TopologyChange { .. } => EventKind::TopologyChange,
            Self::StatusChange { .. } => EventKind::StatusChange,
            Self::SchemaChange(_) => EventKind::SchemaChange,
            Self::ClientRoutesChange(_) => EventKind::ClientRoutesChange,
        }
    }

    /// Appends the body.
    pub fn encode(
        &self,
        dialect: impl Into<Dialect>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        write_string(out, self.kind().as_str(), "event type")?;
        match self {
            Self::TopologyChange { change, address } => {
                write_string(out, change.as_str(), "kind of topology change")?;
                write_inet(out, *address);
            }
            Self::StatusChange { change, address } => {
                write_string(out, change.as_str(), "kind of status change")?;
                write_inet(out, *address);
            }
            Self::SchemaChange(change) => change.encode(dialect.into(), out)?,
            Self::ClientRoutesChange(change) => change.encode(out)?,
        }
        Ok(())
    }

    /// Reads a body.
    pub fn decode(dialect: impl Into<Dialect>, body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let at = reader.clone();
        let name = reader.string("event type")?;
        let kind = EventKind::from_name(name)
            .ok_or_else(|| at.error("event type", WireErrorKind::UnknownName(name.into())))?;
        let event = match kind {
            EventKind::TopologyChange => Self::TopologyChange {
                change: TopologyChangeKind::read(&mut reader)?,
                address: reader.inet("address of a node")?,
            },
            EventKind::StatusChange => Self::StatusChange {
                change: StatusChangeKind::read(&mut reader)?,
                address: reader.inet("address of a node")?,
            },
            EventKind::SchemaChange => {
                Self::SchemaChange(SchemaChange::read(dialect.into(), &mut reader)?)
            }
            EventKind::ClientRoutesChange => {
                return ClientRoutesChange::read(reader).map(Self::ClientRoutesChange);
            }
        };
        reader.finish("EVENT")?;
        Ok(event)
    }
}

impl SchemaChange {
    pub(crate) fn encode(&self, _: Dialect, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write_string(out, self.kind.as_str(), "kind of schema change")?;
        write_string(out, self.target.as_str(), "target of a schema change")?;
        write_string(out, &self.keyspace, "keyspace name")?;
        match &self.target {
            SchemaTarget::Keyspace => Ok(()),
            SchemaTarget::Table(name) | SchemaTarget::Type(name) => {
                write_string(out, name, "name of what has changed")
            }
            SchemaTarget::Function {
                name,
                argument_types,
            }
            | SchemaTarget::Aggregate {
                name,
                argument_types,
            } => {
                write_string(out, name, "name of what has changed")?;
                write_string_list(out, argument_types, "argument types")
            }
        }
    }

    pub(crate) fn read(dialect: Dialect, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let kind = SchemaChangeKind::read(reader)?;
        let at = reader.clone();
        let target = reader.string("target of a schema change")?;
        let keyspace = reader.string("keyspace name")?.into();
        let mut name = || reader.string("name of what has changed").map(Box::from);
        let target = match target {
            "KEYSPACE" => SchemaTarget::Keyspace,
            "TABLE" => SchemaTarget::Table(name()?),
            "TYPE" => SchemaTarget::Type(name()?),
            "FUNCTION" => SchemaTarget::Function {
                name: name()?,
                argument_types: read_argument_types(reader)?,
            },
            "AGGREGATE" => SchemaTarget::Aggregate {
                name: name()?,
                argument_types: read_argument_types(reader)?,
            },
            other => {
                let kind = WireErrorKind::UnknownName(other.into());
                return Err(at.error("target of a schema change", kind));
            }
        };
        // Of functions and aggregates Cassandra tells a v3 client only that their keyspace has changed, and
        // adds an empty name.
        if target == SchemaTarget::Keyspace
            && dialect.version == Version::V3
            && !reader.rest().is_empty()
        {
            reader.string("empty name after a keyspace")?;
        }
        Ok(Self {
            kind,
            keyspace,
            target,
        })
    }
}

fn read_argument_types(reader: &mut Reader<'_>) -> Result<Vec<Box<str>>, WireError> {
    reader.string_list("argument types").map(boxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_client_routes_to_the_byte() {
        let mut body = Vec::new();
        for text in ["CLIENT_ROUTES_CHANGE", "UPDATE_NODES"] {
            write_string(&mut body, text, "text").expect("short");
        }
        body.extend(b"\0\x01\0\x01a\0\x02\0\x01h\0\0");
        let event = Event::ClientRoutesChange(ClientRoutesChange::UpdateNodes {
            connection_ids: vec!["a".into()],
            host_ids: vec!["h".into(), "".into()],
        });
        assert_eq!(Event::decode(Version::V4, &body), Ok(event.clone()));
        let mut encoded = Vec::new();
        event.encode(Version::V4, &mut encoded).expect("short");
        assert_eq!(encoded, body);
        assert!(Event::decode(Version::V4, &body[..body.len() - 1]).is_err());
        body.push(0);
        assert!(Event::decode(Version::V4, &body).is_err());
    }

    #[test]
    fn a_kind_of_change_of_client_routes_that_is_not_known_is_no_error() {
        let mut body = Vec::new();
        for text in ["CLIENT_ROUTES_CHANGE", "MOVE_NODES", "whatever follows"] {
            write_string(&mut body, text, "text").expect("short");
        }
        let event = Event::ClientRoutesChange(ClientRoutesChange::Other("MOVE_NODES".into()));
        assert_eq!(Event::decode(Version::V4, &body), Ok(event));
    }

    #[test]
    fn a_function_s_change_in_v3_as_cassandra_tells_it() {
        let mut body = Vec::new();
        for text in ["SCHEMA_CHANGE", "UPDATED", "KEYSPACE", "ks", ""] {
            write_string(&mut body, text, "text").expect("short");
        }
        let event = Event::SchemaChange(SchemaChange {
            kind: SchemaChangeKind::Updated,
            keyspace: "ks".into(),
            target: SchemaTarget::Keyspace,
        });
        assert_eq!(Event::decode(Version::V3, &body), Ok(event.clone()));
        assert!(Event::decode(Version::V4, &body).is_err());
        let without = &body[..body.len() - 2];
        assert_eq!(Event::decode(Version::V3, without), Ok(event));
        body.push(0);
        assert!(Event::decode(Version::V3, &body).is_err());
    }
}
