//! Names that the machines and their shell share.

/// A connection, as the shell and the engine call it. Reused after `Effect::Close`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u32);

/// A request under way. Keys of finished requests are not reused soon, and cancelling one does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey(pub(crate) u64);

impl RequestKey {
    /// The key of no request.
    pub const NONE: Self = Self(u64::MAX);

    pub(crate) const fn new(index: usize, generation: u32) -> Self {
        Self((generation as u64) << 32 | index as u64)
    }

    pub(crate) const fn index(self) -> usize {
        (self.0 & 0xFFFF_FFFF) as usize
    }

    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The key as a number, for an atomic.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The key that [`Self::to_bits`] gave.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    #[cfg(test)]
    pub(crate) const fn for_test(n: u64) -> Self {
        Self(n)
    }
}
