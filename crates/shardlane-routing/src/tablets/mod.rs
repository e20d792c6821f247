//! Tablets: ScyllaDB's other way to spread a table, where each range of tokens has replicas of its
//! own.
//!
//! A driver learns them one at a time: the answer to a request that reached the wrong node or shard
//! carries the right tablet in its custom payload ([`payload`]). A [`TabletMap`] keeps what is
//! known of one table. Servers that tell versions ([`TabletVersion`]) also correct what is out of
//! date although it reached a replica.

mod map;
pub mod payload;
mod version;

use std::error::Error;
use std::fmt;

use crate::{HostId, Token};

pub use map::TabletMap;
pub use version::TabletVersion;

/// A replica of a tablet: a node and the shard on it.
pub type TabletReplica = (HostId, u16);

/// The tokens `(first, last]` of a table, and their replicas.
///
/// `R` is what stands for a replica: a [`TabletReplica`] as the server names it, or what its user
/// has made of it, so that a lookup needs no further one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tablet<R = TabletReplica> {
    first: Token,
    last: Token,
    replicas: Vec<R>,
    version: Option<TabletVersion>,
}

/// A tablet's range holds no token: its last one is not greater than its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TabletError {
    /// The exclusive lower end as given.
    pub first: Token,
    /// The inclusive upper end as given.
    pub last: Token,
}

impl fmt::Display for TabletError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the tablet ({}, {}] holds no token",
            self.first, self.last
        )
    }
}

impl Error for TabletError {}

impl<R> Tablet<R> {
    /// A tablet of the tokens greater than `first` and not greater than `last`. Tablets do not wrap
    /// around.
    pub fn new(first: Token, last: Token, replicas: Vec<R>) -> Result<Self, TabletError> {
        if first < last {
            Ok(Self {
                first,
                last,
                replicas,
                version: None,
            })
        } else {
            Err(TabletError { first, last })
        }
    }

    /// The same tablet with the version that the server has told.
    #[must_use]
    pub fn with_version(mut self, version: Option<TabletVersion>) -> Self {
        self.version = version;
        self
    }

    /// The same tablet with each replica as `convert` has it.
    pub fn map<S>(self, convert: impl FnMut(R) -> S) -> Tablet<S> {
        Tablet {
            first: self.first,
            last: self.last,
            replicas: self.replicas.into_iter().map(convert).collect(),
            version: self.version,
        }
    }

    /// The token below the range; not part of it.
    #[inline]
    pub fn first(&self) -> Token {
        self.first
    }

    /// The greatest token of the range.
    #[inline]
    pub fn last(&self) -> Token {
        self.last
    }

    /// The replicas, in the server's order.
    #[inline]
    pub fn replicas(&self) -> &[R] {
        &self.replicas
    }

    /// The replicas, to be changed in place.
    #[inline]
    pub fn replicas_mut(&mut self) -> &mut [R] {
        &mut self.replicas
    }

    /// The version of the replicas, if the server has told it.
    #[inline]
    pub fn version(&self) -> Option<TabletVersion> {
        self.version
    }

    /// True if `token` lies in the range.
    #[inline]
    pub fn contains(&self, token: Token) -> bool {
        self.first < token && token <= self.last
    }
}

impl Tablet {
    /// The shard of the replica on `host_id`, if there is one.
    #[inline]
    pub fn shard_on(&self, host_id: HostId) -> Option<u16> {
        self.replicas
            .iter()
            .find(|replica| replica.0 == host_id)
            .map(|replica| replica.1)
    }
}
