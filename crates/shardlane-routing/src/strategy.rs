//! Replication strategies, as `system_schema.keyspaces.replication` tells them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

const CLASS: &str = "class";
const FACTOR: &str = "replication_factor";

/// Where the replicas of a keyspace's partitions live on the ring.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplicationStrategy {
    /// `SimpleStrategy`: the next `rf` nodes of the ring, whatever their datacenter and rack.
    Simple {
        /// Replication factor.
        rf: u32,
    },
    /// `NetworkTopologyStrategy`: a number of replicas per datacenter, spread over its racks.
    NetworkTopology {
        /// Replication factor of each datacenter; one that is not named has no replicas.
        factors: BTreeMap<String, u32>,
    },
    /// `LocalStrategy`: each node has data of its own, so any node can answer and none is
    /// preferred.
    Local,
    /// `EverywhereStrategy` (ScyllaDB, DSE): every node is a replica.
    Everywhere,
    /// A strategy whose placement we do not know, by its class. No replicas: requests go to any
    /// node.
    Other(String),
}

/// Why replication options make no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StrategyError {
    /// There is no `class`.
    MissingClass,
    /// `SimpleStrategy` without `replication_factor`.
    MissingFactor,
    /// A replication factor is not a number of replicas, neither `3` nor, with transient ones
    /// counted, `3/1`.
    InvalidFactor {
        /// The option: `replication_factor` or a datacenter.
        option: String,
        /// Its value.
        value: String,
    },
    /// `NetworkTopologyStrategy` with `replication_factor`: an abbreviation for statements that
    /// servers replace by datacenters before they store it ([`expand_replication_factor`]).
    UnexpandedFactor,
}

impl fmt::Display for StrategyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingClass => f.write_str("replication options have no 'class'"),
            Self::MissingFactor => f.write_str("SimpleStrategy has no 'replication_factor'"),
            Self::InvalidFactor { option, value } => {
                write!(
                    f,
                    "replication option '{option}' has '{value}', which is no number of replicas"
                )
            }
            Self::UnexpandedFactor => {
                f.write_str("NetworkTopologyStrategy names no datacenter but 'replication_factor'")
            }
        }
    }
}

impl Error for StrategyError {}

impl ReplicationStrategy {
    /// The strategy that replication options describe: `class`, with or without the package
    /// `org.apache.cassandra.locator`, and its factors.
    ///
    /// Takes a reference to any map of strings. ScyllaDB's rack lists do not appear in the
    /// `replication` column (only in `replication_v2`): it keeps their number.
    pub fn parse<'a, K, V>(
        options: impl IntoIterator<Item = (&'a K, &'a V)>,
    ) -> Result<Self, StrategyError>
    where
        K: AsRef<str> + ?Sized + 'a,
        V: AsRef<str> + ?Sized + 'a,
    {
        let mut class = None;
        let mut factor = None;
        let mut others = Vec::new();
        for (key, value) in options {
            let (key, value) = (key.as_ref(), value.as_ref());
            if key.eq_ignore_ascii_case(CLASS) {
                class = Some(value);
            } else if key.eq_ignore_ascii_case(FACTOR) {
                factor = Some(value);
            } else {
                others.push((key, value));
            }
        }
        let class = class.ok_or(StrategyError::MissingClass)?;
        match class
            .strip_prefix("org.apache.cassandra.locator.")
            .unwrap_or(class)
        {
            "SimpleStrategy" => {
                let rf = parse_factor(FACTOR, factor.ok_or(StrategyError::MissingFactor)?)?;
                Ok(Self::Simple { rf })
            }
            "NetworkTopologyStrategy" if factor.is_some() => Err(StrategyError::UnexpandedFactor),
            "NetworkTopologyStrategy" => {
                let factors = others
                    .into_iter()
                    .map(|(dc, rf)| Ok((dc.to_owned(), parse_factor(dc, rf)?)));
                Ok(Self::NetworkTopology {
                    factors: factors.collect::<Result<_, _>>()?,
                })
            }
            "LocalStrategy" => Ok(Self::Local),
            "EverywhereStrategy" => Ok(Self::Everywhere),
            _ => Ok(Self::Other(class.to_owned())),
        }
    }

    /// The number of replicas each partition is meant to have; `None` if it depends on the cluster
    /// or is not known.
    pub fn replication_factor(&self) -> Option<u32> {
        match self {
            Self::Simple { rf } => Some(*rf),
            Self::NetworkTopology { factors } => {
                Some(factors.values().fold(0, |sum, rf| sum.saturating_add(*rf)))
            }
            Self::Local | Self::Everywhere | Self::Other(_) => None,
        }
    }
}

/// A factor as the servers store it: all replicas, or `all/transient` (Cassandra's transient
/// replication).
///
/// Transient replicas are counted: they too may own the latest write, and the coordinator knows
/// which they are.
fn parse_factor(option: &str, value: &str) -> Result<u32, StrategyError> {
    let invalid = || StrategyError::InvalidFactor {
        option: option.to_owned(),
        value: value.to_owned(),
    };
    let (all, transient) = value.split_once('/').unwrap_or((value, "0"));
    let all: u32 = all.trim().parse().map_err(|_| invalid())?;
    let transient: u32 = transient.trim().parse().map_err(|_| invalid())?;
    if transient > 0 && transient >= all {
        Err(invalid())
    } else {
        Ok(all)
    }
}

/// Replaces `replication_factor` in the options of a `NetworkTopologyStrategy` by a factor for each
/// of `datacenters` that is not named already, as servers do for CREATE KEYSPACE. Options of other
/// strategies stay as they are.
pub fn expand_replication_factor<'a>(
    options: &mut BTreeMap<String, String>,
    datacenters: impl IntoIterator<Item = &'a str>,
) {
    let is_network_topology = options.iter().any(|(key, class)| {
        key.eq_ignore_ascii_case(CLASS)
            && class.rsplit('.').next() == Some("NetworkTopologyStrategy")
    });
    let Some(key) = options
        .keys()
        .find(|key| key.eq_ignore_ascii_case(FACTOR))
        .cloned()
    else {
        return;
    };
    if !is_network_topology {
        return;
    }
    let factor = options.remove(&key).unwrap_or_default();
    for datacenter in datacenters {
        options
            .entry(datacenter.to_owned())
            .or_insert_with(|| factor.clone());
    }
}
