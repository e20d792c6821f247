//! `per_partition_rate_limit`: so many reads and writes of one partition in a second, and no more.
//!
//! ScyllaDB's replicas count each for themselves and refuse by chance; here one count serves the whole
//! cluster, so that a test knows which request is refused. As there, conditional statements, counters
//! and batches are not limited.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use shardlane_routing::Token;
use shardlane_wire::error::RateLimitOp;
use shardlane_wire::{Consistency, ErrorBody, ErrorDetail, WriteType};

use super::task::Client;
use crate::engine::{Operation, TableId};
use crate::node::shard::Shard;

const WINDOW: Duration = Duration::from_secs(1);

/// When so many partitions are counted, those that have not been asked for in the last window are
/// forgotten.
const PARTITIONS_MAX: usize = 100_000;

/// Which operations on which partition.
type Key = (TableId, Token, bool);

/// Operations on partitions in their current windows: when it began, and how many.
#[derive(Debug, Default)]
pub(crate) struct RateLimits(Mutex<HashMap<Key, (Instant, u32)>>);

impl RateLimits {
    /// Counts an operation; false if it is one too many.
    fn admit(&self, key: Key, limit: u32, now: Instant) -> bool {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= PARTITIONS_MAX {
            windows.retain(|_, (begun, _)| now.duration_since(*begun) < WINDOW);
        }
        let (begun, count) = windows.entry(key).or_insert((now, 0));
        if now.duration_since(*begun) >= WINDOW {
            (*begun, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= limit
    }
}

impl Shard {
    /// The error for an operation that is one too many for its partition.
    pub(crate) fn over_limit(
        &mut self,
        client: &Client,
        operation: &Operation,
        consistency: Consistency,
        write_type: &WriteType,
    ) -> Option<ErrorBody> {
        let (table, token, op) = match operation {
            Operation::Read(plan)
                if !matches!(consistency, Consistency::Serial | Consistency::LocalSerial) =>
            {
                (plan.table().id, plan.partition()?.token, RateLimitOp::Read)
            }
            Operation::Write(mutations) if *write_type == WriteType::Simple => {
                let [only] = &mutations[..] else {
                    return None;
                };
                (only.table, only.token(), RateLimitOp::Write)
            }
            _ => return None,
        };
        let view = std::rc::Rc::clone(&self.view);
        let route = view.table(table)?;
        let is_write = op == RateLimitOp::Write;
        let (key, word) = if is_write {
            ("max_writes_per_second", "write")
        } else {
            ("max_reads_per_second", "read")
        };
        let limit = route.table.options.per_partition_limit(key)?;
        let limits = &self.shared.rate_limits;
        if limits.admit((table, token, is_write), limit, self.now) {
            return None;
        }
        let by_coordinator = self.owns(&view, route, token);
        let message = format!(
            "Per-partition rate limit reached for {word} in table {}.{}, rejected by {}",
            route.table.keyspace,
            route.table.name,
            if by_coordinator {
                "coordinator"
            } else {
                "replicas"
            },
        );
        let code = self.connection(client.connection)?.dialect.rate_limit_error;
        // Who has not asked for the new code gets an old one.
        let detail = code.map_or(ErrorDetail::ConfigError, |code| {
            ErrorDetail::RateLimitReached {
                code,
                operation: op,
                rejected_by_coordinator: by_coordinator,
            }
        });
        Some(ErrorBody::new(message, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_lasts_a_second_and_partitions_do_not_share_one() {
        let (limits, start) = (RateLimits::default(), Instant::now());
        let (one, other) = (
            (TableId([1; 16]), Token(1), true),
            (TableId([1; 16]), Token(1), false),
        );
        assert!(limits.admit(one, 2, start));
        assert!(limits.admit(one, 2, start));
        assert!(!limits.admit(one, 2, start + WINDOW / 2));
        assert!(limits.admit(other, 1, start));
        assert!(limits.admit(one, 2, start + WINDOW));
        assert!(!limits.admit(other, 0, start + WINDOW * 9));
    }
}
