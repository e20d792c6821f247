//! SUPPORTED and STARTUP options: each key in one place, for both directions.

mod key;
mod shard_info;
mod startup;
mod supported;

pub use key::OptionKey;
pub use shard_info::{BIASED_TOKEN_ROUND_ROBIN, MURMUR3_PARTITIONER, ShardInfo};
pub use startup::StartupOptions;
pub use supported::SupportedOptions;

use std::fmt;

/// Options that contradict themselves or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsError {
    /// A server told some of the keys about its shards, but not this one.
    MissingShardKey(OptionKey),
    /// The value of a key is not what it must be.
    BadValue {
        /// The key.
        key: OptionKey,
        /// Its value.
        value: Box<str>,
    },
    /// STARTUP without a key that it must have.
    Missing(OptionKey),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingShardKey(key) => {
                write!(f, "the server tells about its shards but leaves out {key}")
            }
            Self::BadValue { key, value } => write!(f, "option {key} has the value {value:?}"),
            Self::Missing(key) => write!(f, "option {key} is missing"),
        }
    }
}

impl std::error::Error for OptionsError {}
