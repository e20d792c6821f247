//! Partition and clustering keys made of their components.

use std::sync::Arc;

use shardlane_routing::{Token, composite_key, murmur3_token};

use crate::engine::error::CqlError;
use crate::engine::schema::{Column, Table};
use crate::engine::storage::{ClusteringKey, PartitionKey};
use crate::engine::value::{Bytes, encode_comparable};

/// Components longer than this do not fit the serialized key.
const MAX_COMPONENT: usize = u16::MAX as usize;

/// The partition key of these components.
pub(crate) fn partition_key(table: &Table, parts: &[Bytes]) -> Result<PartitionKey, CqlError> {
    for (column, part) in table.partition_key().iter().zip(parts) {
        if part.len() > MAX_COMPONENT {
            return Err(CqlError::invalid(format!(
                "Key length of {} is longer than maximum of 65535",
                part.len()
            )));
        }
        if part.is_empty() && parts.len() == 1 {
            return Err(CqlError::invalid(format!(
                "Key may not be empty ({})",
                column.name
            )));
        }
    }
    if let [only] = parts {
        return Ok(PartitionKey {
            token: table.partitioner().token(only),
            bytes: only.clone(),
        });
    }
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 3).sum());
    composite_key(parts.iter().map(|part| &**part), &mut bytes)
        .map_err(|error| CqlError::invalid(format!("Invalid partition key: {error}")))?;
    Ok(PartitionKey {
        token: murmur3_token(&bytes),
        bytes: bytes.into(),
    })
}

/// The token of these components; a component that is too long hashes as if it were cut.
pub(crate) fn token_of(parts: &[&[u8]]) -> Token {
    if let [only] = parts {
        return murmur3_token(only);
    }
    let mut bytes = Vec::new();
    match composite_key(
        parts
            .iter()
            .map(|part| &part[..part.len().min(MAX_COMPONENT)]),
        &mut bytes,
    ) {
        Ok(()) => murmur3_token(&bytes),
        Err(_) => Token::MIN,
    }
}

/// The components of a partition key.
pub(crate) fn partition_parts(table: &Table, key: &PartitionKey) -> Vec<Bytes> {
    if table.partition_key_len == 1 {
        return vec![key.bytes.clone()];
    }
    let mut rest = &*key.bytes;
    let mut out = Vec::with_capacity(table.partition_key_len);
    while let Some((len, tail)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes(*len));
        // our own bytes: length, component, a zero
        let Some(part) = tail.get(..len) else { break };
        out.push(part.into());
        rest = tail.get(len + 1..).unwrap_or_default();
    }
    out
}

/// The clustering key of these components, which are all of them.
pub(crate) fn clustering_key(columns: &[Column], parts: &[Bytes]) -> ClusteringKey {
    let mut order = Vec::with_capacity(16 * parts.len());
    for (column, part) in columns.iter().zip(parts) {
        encode_comparable(&column.ty, part, column.descending, &mut order);
    }
    let values: Arc<[Box<[u8]>]> = parts.iter().map(|part| Box::from(&**part)).collect();
    ClusteringKey {
        order: order.into(),
        values,
    }
}
