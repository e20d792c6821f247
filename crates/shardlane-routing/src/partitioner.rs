//! Which function turns a partition key into a token.

use crate::partition_key::{KeyError, composite_key, composite_token};
use crate::{Token, murmur3_token};

/// The function that turns a partition key into a [`Token`].
///
/// A cluster has one, and ScyllaDB lets single tables have another: its CDC log tables, marked in
/// `system_schema.scylla_tables.partitioner`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Partitioner {
    /// `org.apache.cassandra.dht.Murmur3Partitioner`, the default everywhere.
    #[default]
    Murmur3,
    /// `com.scylladb.dht.CDCPartitioner`: the key is a CDC stream id, whose first eight bytes *are*
    /// the token.
    Cdc,
}

/// What the names of CDC's log tables end with.
const CDC_LOG_SUFFIX: &str = "_scylla_cdc_log";

impl Partitioner {
    /// The partitioner of a ScyllaDB table, by its name and by whether its partition key is one blob.
    ///
    /// Log tables of CDC are the only ones with a partitioner of their own, and both is true of all of
    /// them (ScyllaDB, `cdc/log.cc`), so that a client need not read
    /// `system_schema.scylla_tables.partitioner`, and cannot be late in reading it. Of any other table of
    /// that kind the token is wrong, and a request takes a detour.
    pub fn of_table(name: &str, key_is_one_blob: bool) -> Self {
        if key_is_one_blob && name.ends_with(CDC_LOG_SUFFIX) {
            Self::Cdc
        } else {
            Self::Murmur3
        }
    }

    /// The partitioner of a class name, with or without its package; `None` if we cannot compute
    /// its tokens.
    pub fn from_class(name: &str) -> Option<Self> {
        match name.rsplit('.').next() {
            Some("Murmur3Partitioner") => Some(Self::Murmur3),
            Some("CDCPartitioner") => Some(Self::Cdc),
            _ => None,
        }
    }

    /// The full class name, as system tables show it.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Murmur3 => "org.apache.cassandra.dht.Murmur3Partitioner",
            Self::Cdc => "com.scylladb.dht.CDCPartitioner",
        }
    }

    /// The token of a complete partition key (see [`composite_key`] for keys of several columns).
    ///
    /// A CDC stream id is 16 bytes; the server places any other key at the lower end of the ring,
    /// [`Token::MIN`].
    #[inline]
    pub fn token(self, key: &[u8]) -> Token {
        match self {
            Self::Murmur3 => murmur3_token(key),
            Self::Cdc => match key.first_chunk() {
                Some(head) if key.len() == 16 => Token::from_hash(i64::from_be_bytes(*head)),
                _ => Token::MIN,
            },
        }
    }

    /// The token of a partition key given by its columns, without building the composite key for
    /// Murmur3.
    pub fn token_of_components<'a>(
        self,
        components: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Token, KeyError> {
        match self {
            Self::Murmur3 => composite_token(components),
            Self::Cdc => {
                let mut key = Vec::new();
                composite_key(components, &mut key)?;
                Ok(self.token(&key))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_tables_of_cdc_are_known_by_name_and_key() {
        let of = Partitioner::of_table;
        assert_eq!(of("t_scylla_cdc_log", true), Partitioner::Cdc);
        assert_eq!(of("t_scylla_cdc_log", false), Partitioner::Murmur3);
        assert_eq!(of("t_scylla_cdc_log_2", true), Partitioner::Murmur3);
        assert_eq!(of("t", true), Partitioner::Murmur3);
    }
}
