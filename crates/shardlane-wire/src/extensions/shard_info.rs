//! What a node tells about its shards.

use std::num::NonZeroU16;

use super::{OptionKey, OptionsError};

/// The only algorithm that maps tokens to shards today.
pub const BIASED_TOKEN_ROUND_ROBIN: &str = "biased-token-round-robin";

/// The partitioner that the algorithm is defined for.
pub const MURMUR3_PARTITIONER: &str = "org.apache.cassandra.dht.Murmur3Partitioner";

/// The shards of a node, and which of them serves the connection that asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShardInfo {
    /// The shard that serves this connection.
    pub shard: u16,
    /// How many shards the node has.
    pub nr_shards: NonZeroU16,
    /// How many of the most significant bits of a token are ignored.
    pub ignore_msb: u8,
}

impl ShardInfo {
    /// Reads the keys: all of them, or `None` if there are none.
    ///
    /// A server that tells only some, or an algorithm or partitioner that is not known, is an error:
    /// guessing would send every request to a wrong shard.
    pub(super) fn parse<'a>(
        get: impl Fn(OptionKey) -> Option<&'a str>,
    ) -> Result<Option<Self>, OptionsError> {
        const KEYS: [OptionKey; 5] = [
            OptionKey::ScyllaShard,
            OptionKey::ScyllaNrShards,
            OptionKey::ScyllaShardingIgnoreMsb,
            OptionKey::ScyllaShardingAlgorithm,
            OptionKey::ScyllaPartitioner,
        ];
        // A partitioner alone says nothing about shards.
        if KEYS[..4].iter().all(|key| get(*key).is_none()) {
            return Ok(None);
        }
        let [shard, nr_shards, ignore_msb, algorithm, partitioner] = KEYS.map(&get);
        let missing = |index: usize| OptionsError::MissingShardKey(KEYS[index]);
        let shard = shard.ok_or(missing(0))?;
        let nr_shards = nr_shards.ok_or(missing(1))?;
        let ignore_msb = ignore_msb.ok_or(missing(2))?;
        let algorithm = algorithm.ok_or(missing(3))?;
        let partitioner = partitioner.ok_or(missing(4))?;
        let bad = |index: usize, value: &str| {
            let value = value.into();
            OptionsError::BadValue {
                key: KEYS[index],
                value,
            }
        };
        if algorithm != BIASED_TOKEN_ROUND_ROBIN {
            return Err(bad(3, algorithm));
        }
        if partitioner != MURMUR3_PARTITIONER {
            return Err(bad(4, partitioner));
        }
        let count: NonZeroU16 = nr_shards.parse().map_err(|_| bad(1, nr_shards))?;
        let number: u16 = shard.parse().map_err(|_| bad(0, shard))?;
        let msb: u8 = ignore_msb.parse().map_err(|_| bad(2, ignore_msb))?;
        if number >= count.get() {
            return Err(bad(0, shard));
        }
        if msb >= 64 {
            return Err(bad(2, ignore_msb));
        }
        Ok(Some(Self {
            shard: number,
            nr_shards: count,
            ignore_msb: msb,
        }))
    }

    /// The keys and values that tell this, as ScyllaDB spells them.
    pub(super) fn entries(self) -> [(OptionKey, String); 5] {
        [
            (OptionKey::ScyllaNrShards, self.nr_shards.to_string()),
            (OptionKey::ScyllaPartitioner, MURMUR3_PARTITIONER.to_owned()),
            (OptionKey::ScyllaShard, self.shard.to_string()),
            (
                OptionKey::ScyllaShardingAlgorithm,
                BIASED_TOKEN_ROUND_ROBIN.to_owned(),
            ),
            (
                OptionKey::ScyllaShardingIgnoreMsb,
                self.ignore_msb.to_string(),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(entries: &[(OptionKey, &str)]) -> Result<Option<ShardInfo>, OptionsError> {
        ShardInfo::parse(|key| entries.iter().find(|(k, _)| *k == key).map(|(_, v)| *v))
    }

    fn info() -> ShardInfo {
        ShardInfo {
            shard: 2,
            nr_shards: NonZeroU16::new(5).unwrap(),
            ignore_msb: 12,
        }
    }

    #[test]
    fn entries_are_read_back() {
        let entries = info().entries();
        let entries = entries
            .each_ref()
            .map(|(key, value)| (*key, value.as_str()));
        assert_eq!(parse(&entries), Ok(Some(info())));
    }

    #[test]
    fn none_is_no_error_but_some_is() {
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(
            parse(&[(OptionKey::ScyllaPartitioner, MURMUR3_PARTITIONER)]),
            Ok(None)
        );
        let entries = info().entries();
        for missing in 0..entries.len() {
            let mut rest: Vec<_> = entries
                .iter()
                .map(|(key, value)| (*key, &**value))
                .collect();
            let (key, _) = rest.remove(missing);
            assert_eq!(parse(&rest), Err(OptionsError::MissingShardKey(key)));
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        let with = |key: OptionKey, value: &'static str| {
            let entries = info().entries();
            let changed = entries
                .each_ref()
                .map(|(k, v)| (*k, if *k == key { value } else { v }));
            assert_eq!(
                parse(&changed),
                Err(OptionsError::BadValue {
                    key,
                    value: value.into()
                })
            );
        };
        with(OptionKey::ScyllaShard, "5");
        with(OptionKey::ScyllaShard, "-1");
        with(OptionKey::ScyllaNrShards, "0");
        with(OptionKey::ScyllaShardingIgnoreMsb, "64");
        with(OptionKey::ScyllaShardingAlgorithm, "murmur-mod");
        with(
            OptionKey::ScyllaPartitioner,
            "org.apache.cassandra.dht.RandomPartitioner",
        );
    }
}
