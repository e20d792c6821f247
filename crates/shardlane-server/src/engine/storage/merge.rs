//! Joining what several shards know of the same range.

use super::command::{PartialResult, Position, ReadCommand};
use super::fragment::Fragment;

/// Joins the answers of replicas, or of shards with different partitions, to the same `command`.
///
/// An answer that stopped early knows nothing of what lies behind, so the result ends where the first of
/// them stopped; what others know of the rest is dropped and will be read again.
pub fn merge(command: &ReadCommand, mut parts: Vec<PartialResult>) -> PartialResult {
    if parts.len() <= 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut end: Option<Position> = None;
    for position in parts.iter().filter_map(|part| part.end.as_ref()) {
        if end
            .as_ref()
            .is_none_or(|end| position.compare(end, command.reversed).is_lt())
        {
            end = Some(position.clone());
        }
    }
    let mut all: Vec<Fragment> = parts.into_iter().flat_map(|part| part.fragments).collect();
    all.sort_by(|a, b| a.key.cmp(&b.key));
    let mut fragments: Vec<Fragment> = Vec::with_capacity(all.len());
    for mut fragment in all {
        if let Some(end) = &end {
            cut(&mut fragment, end, command.reversed);
            if !reaches(end, &fragment) {
                break;
            }
        }
        match fragments.last_mut() {
            Some(last) if last.key == fragment.key => last.merge(fragment),
            _ => fragments.push(fragment),
        }
    }
    PartialResult { fragments, end }
}

/// Whether any of the fragment's partition lies before `end`.
fn reaches(end: &Position, fragment: &Fragment) -> bool {
    match end {
        Position::AfterRow(at, _) => fragment.key <= *at,
        _ => end.covers_partition(&fragment.key),
    }
}

/// Drops the rows behind `end`.
fn cut(fragment: &mut Fragment, end: &Position, reversed: bool) {
    if let Position::AfterRow(at, _) = end
        && *at == fragment.key
    {
        let key = fragment.key.clone();
        fragment
            .rows
            .retain(|(row, _)| end.covers_row(&key, &row.order, reversed));
    }
}
