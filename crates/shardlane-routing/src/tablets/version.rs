//! The version of a tablet, and the byte in which a request shows a part of it.

/// A 64-bit fingerprint of a tablet's ordered replicas (`TABLETS_ROUTING_V2`): only equality has a
/// meaning.
///
/// Each EXECUTE shows the server one of its sixteen nibbles, so that over several requests any
/// difference is found, at the price of one byte (ScyllaDB, `docs/dev/protocol-extensions.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TabletVersion(pub u64);

impl TabletVersion {
    /// The byte that shows the nibble with this index, counted from the least significant one: the
    /// index in its upper half, the nibble in its lower half. Only the low four bits of `index` count.
    #[inline]
    pub const fn block(self, index: u8) -> u8 {
        let index = index & 0xF;
        index << 4 | (self.0 >> (4 * index)) as u8 & 0xF
    }

    /// Whether the byte shows a nibble of this very version.
    #[inline]
    pub const fn matches(self, block: u8) -> bool {
        self.block(block >> 4) == block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_an_index_and_that_nibble() {
        let version = TabletVersion(0xFEDC_BA98_7654_3210);
        for index in 0..16 {
            assert_eq!(version.block(index), index << 4 | index);
        }
        assert_eq!(version.block(0x13), 0x33, "the index is taken modulo 16");
    }

    #[test]
    fn a_difference_shows_in_its_nibble_only() {
        let (ours, theirs) = (TabletVersion(0xAB00), TabletVersion(0xAC00));
        let seen: Vec<u8> = (0..16)
            .filter(|&index| !theirs.matches(ours.block(index)))
            .collect();
        assert_eq!(seen, [2]);
        assert!((0..16).all(|index| ours.matches(ours.block(index))));
    }
}
