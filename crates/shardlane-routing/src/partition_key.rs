//! The partition key as the partitioner sees it.
//!
//! A key of one column is that column's bytes. A key of several columns has, for each of them in
//! order, its length as two bytes big-endian, its bytes, and one zero byte (Cassandra's
//! `CompositeType`).

use std::error::Error;
use std::fmt;

use crate::{Murmur3Hasher, Token, murmur3_token};

/// Why a partition key cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// No component was given; a partition key has at least one column.
    Empty,
    /// A component of a composite key is longer than its two-byte length can say.
    ComponentTooLong {
        /// Position in the partition key, from 0.
        index: usize,
        /// Length of the component in bytes.
        length: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a partition key needs at least one column"),
            Self::ComponentTooLong { index, length } => write!(
                f,
                "partition key column {index} is {length} bytes long; in a key of several columns 65535 is the limit"
            ),
        }
    }
}

impl Error for KeyError {}

/// Appends the partition key made of `components` to `out`. On an error `out` is left as it was.
pub fn composite_key<'a>(
    components: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) -> Result<(), KeyError> {
    let start = out.len();
    let result = visit(components, |piece| out.extend_from_slice(piece));
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// The Murmur3 token of the partition key made of `components`, computed without building that key.
pub fn composite_token<'a>(
    mut components: impl Iterator<Item = &'a [u8]>,
) -> Result<Token, KeyError> {
    let Some(first) = components.next() else {
        return Err(KeyError::Empty);
    };
    let Some(second) = components.next() else {
        return Ok(murmur3_token(first));
    };
    let mut hasher = Murmur3Hasher::new();
    visit([first, second].into_iter().chain(components), |piece| {
        hasher.write(piece)
    })?;
    Ok(hasher.finish())
}

/// Hands the pieces of the key to `sink`, in order.
fn visit<'a>(
    mut components: impl Iterator<Item = &'a [u8]>,
    mut sink: impl FnMut(&[u8]),
) -> Result<(), KeyError> {
    let Some(first) = components.next() else {
        return Err(KeyError::Empty);
    };
    let Some(second) = components.next() else {
        sink(first);
        return Ok(());
    };
    for (index, component) in [first, second].into_iter().chain(components).enumerate() {
        let length = u16::try_from(component.len()).map_err(|_| KeyError::ComponentTooLong {
            index,
            length: component.len(),
        })?;
        sink(&length.to_be_bytes());
        sink(component);
        sink(&[0]);
    }
    Ok(())
}
