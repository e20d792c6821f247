//! Paging states: where a page ended, as bytes that a client hands back.

use shardlane_routing::{Token, murmur3_token};

use crate::engine::error::CqlError;
use crate::engine::storage::{PartitionKey, Position};

/// First bytes of our paging states, with a version.
const MAGIC: [u8; 4] = *b"SLP\x01";

/// What the next page needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PagingState {
    pub(super) position: Position,
    /// What is left of LIMIT; `u64::MAX` is all.
    pub(super) limit_left: u64,
    /// Rows shown of the partition that `position` is in.
    pub(super) shown_of_partition: u64,
}

impl PagingState {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.limit_left.to_be_bytes());
        out.extend_from_slice(&self.shown_of_partition.to_be_bytes());
        let mut push = |bytes: &[u8]| {
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            out.extend_from_slice(bytes);
        };
        match &self.position {
            Position::AfterToken(token) => push(&token.0.to_be_bytes()),
            Position::AfterPartition(key) => {
                push(&[]);
                push(&key.bytes);
            }
            Position::AfterRow(key, order) => {
                push(&[]);
                push(&key.bytes);
                push(order);
            }
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CqlError> {
        Self::read(bytes).ok_or_else(|| CqlError::protocol("Invalid value for the paging state"))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (limit_left, rest) = rest.split_first_chunk::<8>()?;
        let (shown, mut rest) = rest.split_first_chunk::<8>()?;
        let mut next = || -> Option<Option<&[u8]>> {
            if rest.is_empty() {
                return Some(None);
            }
            let (len, tail) = rest.split_first_chunk::<4>()?;
            let (part, tail) = tail.split_at_checked(u32::from_be_bytes(*len) as usize)?;
            rest = tail;
            Some(Some(part))
        };
        let (token, key, order) = (next()??, next()?, next()?);
        let position = match (token.len(), key, order) {
            (8, None, None) => {
                Position::AfterToken(Token(i64::from_be_bytes(token.try_into().ok()?)))
            }
            (0, Some(key), order) => {
                let key = PartitionKey {
                    token: murmur3_token(key),
                    bytes: key.into(),
                };
                match order {
                    Some(order) => Position::AfterRow(key, order.into()),
                    None => Position::AfterPartition(key),
                }
            }
            _ => return None,
        };
        rest.is_empty().then(|| Self {
            position,
            limit_left: u64::from_be_bytes(*limit_left),
            shown_of_partition: u64::from_be_bytes(*shown),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn states_round_trip(key: Vec<u8>, order: Vec<u8>, kind in 0..3, token: i64, limit_left: u64, shown: u64) {
            let partition = PartitionKey { token: murmur3_token(&key), bytes: key.into() };
            let position = match kind {
                0 => Position::AfterToken(Token(token)),
                1 => Position::AfterPartition(partition),
                _ => Position::AfterRow(partition, order.into()),
            };
            let state = PagingState { position, limit_left, shown_of_partition: shown };
            prop_assert_eq!(PagingState::decode(&state.encode()), Ok(state));
        }

        #[test]
        fn garbage_is_refused(bytes: Vec<u8>) {
            prop_assume!(!bytes.starts_with(&MAGIC));
            prop_assert!(PagingState::decode(&bytes).is_err());
        }

        #[test]
        fn cut_states_are_refused_or_mean_less(cut in 0usize..40) {
            let partition = PartitionKey { token: murmur3_token(b"abc"), bytes: b"abc"[..].into() };
            let position = Position::AfterRow(partition, [1, 2][..].into());
            let bytes = PagingState { position, limit_left: 1, shown_of_partition: 2 }.encode();
            let cut = cut.min(bytes.len() - 1);
            // cutting exactly the last part off leaves a state of another kind; anything else is an error
            let result = PagingState::decode(&bytes[..cut]);
            prop_assert!(result.is_err() || cut == bytes.len() - 6);
        }
    }
}
