//! Whether a row satisfies a relation.

use std::cmp::Ordering;

use shardlane_wire::CqlType;

use super::eval::element;
use super::row::RowView;
use crate::cql::ast::Operator;
use crate::engine::prepare::{BoundFilter, BoundTarget};
use crate::engine::value::{Bytes, compare, map_entries, push_value, read_values, tuple_values};

/// Checks `filter`. With `nulls_compare`, as in conditions of writes, null equals null; in WHERE it equals nothing.
pub(crate) fn satisfies(filter: &BoundFilter, row: &RowView<'_>, nulls_compare: bool) -> bool {
    let value: Option<Bytes> = match &filter.target {
        BoundTarget::Column(at) => row.value(*at),
        BoundTarget::Token => row
            .token()
            .map(|token| Bytes::from(&token.0.to_be_bytes()[..])),
        BoundTarget::Tuple(columns) => {
            let mut out = Vec::new();
            for at in columns {
                push_value(&mut out, row.value(*at).as_deref());
            }
            Some(out.into())
        }
        BoundTarget::Element(at, key) => {
            let collection = row.value(*at);
            match (collection, key) {
                (Some(bytes), Some(key)) => {
                    // the filter's type is the element's; the shape tells what the collection is
                    element_of(&bytes, key, filter)
                }
                _ => None,
            }
        }
        BoundTarget::Field(at, field) => row.value(*at).and_then(|bytes| {
            tuple_values(&bytes, usize::MAX >> 8)?
                .get(*field)
                .copied()
                .flatten()
                .map(Bytes::from)
        }),
    };
    let one = filter.values.first().and_then(Option::as_deref);
    let value = value.as_deref();
    match filter.operator {
        Operator::IsNotNull => value.is_some(),
        Operator::In => filter
            .values
            .iter()
            .any(|wanted| equal(filter, value, wanted.as_deref(), nulls_compare)),
        Operator::Eq => equal(filter, value, one, nulls_compare),
        Operator::Ne => nulls_compare && !equal(filter, value, one, true),
        Operator::Lt => ordered(filter, value, one, Ordering::is_lt),
        Operator::Le => ordered(filter, value, one, Ordering::is_le),
        Operator::Gt => ordered(filter, value, one, Ordering::is_gt),
        Operator::Ge => ordered(filter, value, one, Ordering::is_ge),
        Operator::Contains => value
            .zip(one)
            .is_some_and(|(value, wanted)| contains(&filter.ty, value, wanted)),
        Operator::ContainsKey => value
            .zip(one)
            .is_some_and(|(value, wanted)| contains_key(&filter.ty, value, wanted)),
        Operator::Like => value
            .zip(one)
            .is_some_and(|(value, pattern)| like(value, pattern)),
    }
}

fn element_of(bytes: &[u8], key: &[u8], filter: &BoundFilter) -> Option<Bytes> {
    filter
        .collection
        .as_ref()
        .and_then(|ty| element(ty, bytes, key))
}

fn equal(
    filter: &BoundFilter,
    value: Option<&[u8]>,
    wanted: Option<&[u8]>,
    nulls_compare: bool,
) -> bool {
    match (value, wanted) {
        (Some(value), Some(wanted)) => compare(&filter.ty, value, wanted).is_eq(),
        // a collection that is not there is an empty one
        (None, Some(wanted)) if nulls_compare && is_collection(&filter.ty) => wanted == [0; 4],
        (None, None) => nulls_compare,
        _ => false,
    }
}

const fn is_collection(ty: &CqlType) -> bool {
    matches!(ty, CqlType::List(_) | CqlType::Set(_) | CqlType::Map(_))
}

fn ordered(
    filter: &BoundFilter,
    value: Option<&[u8]>,
    wanted: Option<&[u8]>,
    test: fn(Ordering) -> bool,
) -> bool {
    value.zip(wanted).is_some_and(|(value, wanted)| {
        // (a, b) >= (x) compares the first components only
        if let CqlType::Tuple(types) = &filter.ty
            && let (Some(left), Some(right)) = (
                tuple_values(value, types.len()),
                tuple_values(wanted, types.len()),
            )
        {
            let order = types
                .iter()
                .zip(left.iter().zip(&right))
                .map(|(ty, pair)| match pair {
                    (Some(left), Some(right)) => compare(ty, left, right),
                    (left, right) => left.is_some().cmp(&right.is_some()),
                });
            return test(order.fold(Ordering::Equal, Ordering::then));
        }
        test(compare(&filter.ty, value, wanted))
    })
}

fn contains(ty: &CqlType, value: &[u8], wanted: &[u8]) -> bool {
    match ty {
        CqlType::Map(entry) => map_entries(value).is_some_and(|entries| {
            entries
                .iter()
                .any(|(_, value)| compare(&entry.1, value, wanted).is_eq())
        }),
        CqlType::List(element) | CqlType::Set(element) => {
            read_values(value, 1).is_some_and(|values| {
                values
                    .iter()
                    .any(|value| compare(element, value, wanted).is_eq())
            })
        }
        _ => false,
    }
}

fn contains_key(ty: &CqlType, value: &[u8], wanted: &[u8]) -> bool {
    match ty {
        CqlType::Map(entry) => map_entries(value).is_some_and(|entries| {
            entries
                .iter()
                .any(|(key, _)| compare(&entry.0, key, wanted).is_eq())
        }),
        _ => false,
    }
}

/// `%` is any text, `_` any character, a backslash takes the next one literally.
fn like(value: &[u8], pattern: &[u8]) -> bool {
    let (Ok(value), Ok(pattern)) = (std::str::from_utf8(value), std::str::from_utf8(pattern))
    else {
        return false;
    };
    let value: Vec<char> = value.chars().collect();
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '%' => None,
            '_' => Some(None),
            '\\' => Some(chars.next()),
            c => Some(Some(c)),
        });
    }
    // the positions in the value that the pattern so far can end at
    let mut ends = vec![false; value.len() + 1];
    ends[0] = true;
    for part in parts {
        match part {
            None => {
                let first = ends.iter().position(|end| *end).unwrap_or(ends.len());
                ends.iter_mut().skip(first).for_each(|end| *end = true);
            }
            Some(wanted) => {
                for at in (0..value.len()).rev() {
                    ends[at + 1] = ends[at] && wanted.is_none_or(|wanted| wanted == value[at]);
                }
                ends[0] = false;
            }
        }
    }
    ends[value.len()]
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns() {
        for (value, pattern, expected) in [
            ("hello", "hello", true),
            ("hello", "h%", true),
            ("hello", "%l%o", true),
            ("hello", "h_llo", true),
            ("hello", "h_", false),
            ("", "%", true),
            ("", "_", false),
            ("50%", "50\\%", true),
            ("505", "50\\%", false),
        ] {
            assert_eq!(
                like(value.as_bytes(), pattern.as_bytes()),
                expected,
                "{value} {pattern}"
            );
        }
    }
}
