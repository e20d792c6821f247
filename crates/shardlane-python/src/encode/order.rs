//! The order of a set's elements and a map's keys.
//!
//! Servers sort them, so any order does in a request, with one exception: the token of a frozen
//! set or map in a partition key is that of the sorted bytes, and a client that hashes another
//! order sends the request to the wrong shard. A Python set has no order to begin with, so
//! sorting also makes equal requests equal bytes. Types whose order is not simply that of their
//! bytes or of a signed integer (decimals, floats, UUIDs, nested types) stay as they come.

use std::cmp::Ordering;

use shardlane_wire::CqlType;

/// How the encoded values of a type compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As unsigned bytes.
    Bytes,
    /// As big-endian two's complement integers of one length.
    Signed,
}

impl Order {
    /// The order of a type, if it is a simple one.
    pub(super) fn of(cql_type: &CqlType) -> Option<Self> {
        match cql_type {
            CqlType::Ascii
            | CqlType::Text
            | CqlType::Blob
            | CqlType::Boolean
            | CqlType::Date
            | CqlType::Time => Some(Self::Bytes),
            CqlType::TinyInt
            | CqlType::SmallInt
            | CqlType::Int
            | CqlType::BigInt
            | CqlType::Timestamp => Some(Self::Signed),
            _ => None,
        }
    }

    fn compare(self, left: &[u8], right: &[u8]) -> Ordering {
        match (self, left, right) {
            (Self::Signed, [left, left_rest @ ..], [right, right_rest @ ..]) => (*left as i8)
                .cmp(&(*right as i8))
                .then_with(|| left_rest.cmp(right_rest)),
            _ => left.cmp(right),
        }
    }
}

/// Watches the elements go into the buffer and sorts them at the end if they were out of order.
pub(super) struct Sorter {
    order: Option<Order>,
    /// Where the previous element's (or key's) bytes are.
    previous: Option<(usize, usize)>,
    sorted: bool,
}

impl Sorter {
    pub(super) fn new(order: Option<Order>) -> Self {
        Self {
            order,
            previous: None,
            sorted: true,
        }
    }

    /// `out[start..]` is the element or key just written, with its length in front.
    #[inline]
    pub(super) fn note(&mut self, out: &[u8], start: usize) {
        let Some(order) = self.order.filter(|_| self.sorted) else {
            return;
        };
        let (from, to) = (start + 4, out.len());
        if let Some((start, end)) = self.previous
            && order.compare(&out[start..end], &out[from..to]).is_ge()
        {
            self.sorted = false;
        }
        self.previous = Some((from, to));
    }

    /// Sorts elements of `parts` values each (1 in a set, 2 in a map) that begin at `start`, and
    /// drops repeated elements of a set. Returns how many are left.
    pub(super) fn finish(
        self,
        out: &mut Vec<u8>,
        start: usize,
        parts: usize,
        count: usize,
    ) -> usize {
        match self.order {
            Some(order) if !self.sorted => sort(out, start, parts, order),
            _ => count,
        }
    }
}

#[cold]
fn sort(out: &mut Vec<u8>, start: usize, parts: usize, order: Order) -> usize {
    let encoded = out.split_off(start);
    let mut elements = Vec::new();
    let mut rest = &encoded[..];
    while !rest.is_empty() {
        let first = value_length(rest);
        let mut length = 0;
        for _ in 0..parts {
            length += 4 + value_length(&rest[length..]);
        }
        let (element, after) = rest.split_at(length);
        elements.push((&element[4..4 + first], element));
        rest = after;
    }
    // Stable: which of several pairs with one key wins is left to the server.
    elements.sort_by(|left, right| order.compare(left.0, right.0));
    if parts == 1 {
        elements.dedup();
    }
    for (_, element) in &elements {
        out.extend_from_slice(element);
    }
    elements.len()
}

/// The length in front of a value that was written here, so it is there and not negative.
fn value_length(bytes: &[u8]) -> usize {
    let [a, b, c, d] = [bytes[0], bytes[1], bytes[2], bytes[3]];
    u32::from_be_bytes([a, b, c, d]) as usize
}
