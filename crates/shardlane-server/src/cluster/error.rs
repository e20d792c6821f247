//! Why a node could not be controlled.

use std::fmt;

use super::slot::NodeState;
use crate::config::StartError;

/// Why a node could not be controlled.
#[derive(Debug)]
#[non_exhaustive]
pub enum ControlError {
    /// There is no node with this index, or no longer.
    NoSuchNode(usize),
    /// The node is not in a state for that.
    WrongState {
        /// The node.
        index: usize,
        /// What it is.
        state: NodeState,
    },
    /// The only node that is up cannot leave the cluster.
    LastNode,
    /// A node could not be started.
    Start(StartError),
    /// There is no such table, or its keyspace has no tablets.
    NoTablets {
        /// The keyspace.
        keyspace: String,
        /// The table.
        table: String,
    },
    /// A tablet cannot be moved or split like that; the text says why.
    Tablet(String),
    /// There cannot be such client routes; the text says why.
    Routes(String),
    /// Other nodes did not do their part in time.
    Stuck(&'static str),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchNode(index) => write!(f, "there is no node {index}"),
            Self::WrongState { index, state } => write!(f, "node {index} is {state}"),
            Self::LastNode => f.write_str("the only node that is up cannot leave the cluster"),
            Self::Start(source) => write!(f, "the node did not start: {source}"),
            Self::NoTablets { keyspace, table } => write!(
                f,
                "{keyspace}.{table} has no tablets: create its keyspace WITH tablets = \
                 {{'enabled': true}}"
            ),
            Self::Tablet(why) | Self::Routes(why) => f.write_str(why),
            Self::Stuck(what) => write!(f, "other nodes did not finish in time: {what}"),
        }
    }
}

impl std::error::Error for ControlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(source) => Some(source),
            _ => None,
        }
    }
}

impl From<StartError> for ControlError {
    fn from(source: StartError) -> Self {
        Self::Start(source)
    }
}
