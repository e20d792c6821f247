//! The local ports that reach one shard through the shard-aware port.

use std::error::Error;
use std::fmt;
use std::iter::FusedIterator;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;

/// Why there is no source port to try.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourcePortError {
    /// The range ends before it begins.
    EmptyRange {
        /// The range as given.
        range: RangeInclusive<u16>,
    },
    /// The node has no such shard.
    NoSuchShard {
        /// The shard asked for.
        shard: u16,
        /// The number of shards of the node.
        nr_shards: NonZeroU16,
    },
    /// No port of the range reaches the shard; a range of at least `nr_shards` ports always has
    /// one.
    NoPortForShard {
        /// The shard asked for.
        shard: u16,
        /// The number of shards of the node.
        nr_shards: NonZeroU16,
        /// The range as given.
        range: RangeInclusive<u16>,
    },
}

impl fmt::Display for SourcePortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyRange { range } => {
                write!(
                    f,
                    "the local port range {}-{} is empty",
                    range.start(),
                    range.end()
                )
            }
            Self::NoSuchShard { shard, nr_shards } => {
                write!(
                    f,
                    "there is no shard {shard} on a node of {nr_shards} shards"
                )
            }
            Self::NoPortForShard {
                shard,
                nr_shards,
                range,
            } => write!(
                f,
                "no local port in {}-{} reaches shard {shard} of {nr_shards}; widen the range",
                range.start(),
                range.end()
            ),
        }
    }
}

impl Error for SourcePortError {}

/// All ports of a range that are congruent to a shard modulo the node's number of shards, each
/// exactly once.
///
/// It starts at a random one, so that processes on one machine rarely ask for the same port, goes
/// up in steps of the shard count and wraps around once.
#[derive(Clone, Debug)]
pub struct SourcePorts {
    first: u16,
    step: u16,
    /// Number of candidates in the range.
    count: u16,
    /// Index of the next candidate, below `count`.
    next: u16,
    left: u16,
}

impl SourcePorts {
    /// The ports in `range` for `shard` of `nr_shards`, starting at a candidate picked by `random`,
    /// which should be uniformly distributed.
    ///
    /// Port 0 is never a candidate: to the operating system it means "any port".
    pub fn new(
        nr_shards: NonZeroU16,
        shard: u16,
        range: RangeInclusive<u16>,
        random: u64,
    ) -> Result<Self, SourcePortError> {
        if range.is_empty() {
            return Err(SourcePortError::EmptyRange { range });
        }
        if shard >= nr_shards.get() {
            return Err(SourcePortError::NoSuchShard { shard, nr_shards });
        }
        // In 32 bits, where nothing below can overflow.
        let (low, high) = (u32::from(*range.start()).max(1), u32::from(*range.end()));
        let step = u32::from(nr_shards.get());
        let first = low + (u32::from(shard) + step - low % step) % step;
        if first > high {
            return Err(SourcePortError::NoPortForShard {
                shard,
                nr_shards,
                range,
            });
        }
        let count = (high - first) / step + 1;
        let next = random % u64::from(count);
        // `first` and `count` are at most 65535, and `next` is below `count`.
        Ok(Self {
            first: first as u16,
            step: nr_shards.get(),
            count: count as u16,
            next: next as u16,
            left: count as u16,
        })
    }
}

impl Iterator for SourcePorts {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        let port = self.first + self.next * self.step;
        self.next = if self.next + 1 == self.count {
            0
        } else {
            self.next + 1
        };
        Some(port)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for SourcePorts {}
impl FusedIterator for SourcePorts {}
