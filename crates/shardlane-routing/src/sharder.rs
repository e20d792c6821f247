//! From token, or source port, to CPU shard.

use std::num::NonZeroU16;
use std::ops::RangeInclusive;

use crate::{SourcePortError, SourcePorts, Token};

/// How one ScyllaDB node spreads tokens and shard-aware connections over its CPU shards.
///
/// A node announces both numbers in SUPPORTED (`SCYLLA_NR_SHARDS`, `SCYLLA_SHARDING_IGNORE_MSB`);
/// the algorithm is `biased-token-round-robin`. Nodes of one cluster may differ. For tables with
/// tablets the formula does not hold: there the tablet names the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sharder {
    /// Number of shards of the node.
    pub nr_shards: NonZeroU16,
    /// How many of the token's most significant bits have no say, so that each range of 2^(64 -
    /// `ignore_msb`) tokens is spread over all shards. 12 is usual.
    pub ignore_msb: u8,
}

impl Sharder {
    /// A sharder of `nr_shards` shards that ignores the `ignore_msb` top bits of the token.
    pub const fn new(nr_shards: NonZeroU16, ignore_msb: u8) -> Self {
        Self {
            nr_shards,
            ignore_msb,
        }
    }

    /// The shard that owns `token`.
    #[inline]
    pub const fn shard_of(self, token: Token) -> u16 {
        // Moved from signed to unsigned order; a shift by 64 or more leaves nothing to choose by.
        let biased = (token.0 as u64).wrapping_add(1 << 63);
        let spread = match biased.checked_shl(self.ignore_msb as u32) {
            Some(spread) => spread,
            None => 0,
        };
        // The high half of the product scales [0, 2^64) down to [0, nr_shards), so it fits.
        ((spread as u128 * self.nr_shards.get() as u128) >> 64) as u16
    }

    /// The shard that serves a connection to the shard-aware port from source port `port`.
    #[inline]
    pub const fn shard_of_source_port(self, port: u16) -> u16 {
        port % self.nr_shards.get()
    }

    /// The source ports in `range` that reach `shard`; see [`SourcePorts::new`].
    pub fn source_ports(
        self,
        shard: u16,
        range: RangeInclusive<u16>,
        random: u64,
    ) -> Result<SourcePorts, SourcePortError> {
        SourcePorts::new(self.nr_shards, shard, range, random)
    }
}
