//! What the control connection speaks, for callers on any thread: they read it for each request.

use std::sync::atomic::{AtomicU16, Ordering};

use shardlane_wire::{Dialect, Version};

/// A dialect's request layout in one atomic number: the version, and whether metadata ids are used.
#[derive(Debug)]
pub(crate) struct SharedDialect(AtomicU16);

const METADATA_ID: u16 = 0x100;

impl Default for SharedDialect {
    fn default() -> Self {
        Self(AtomicU16::new(Version::V4 as u16))
    }
}

impl SharedDialect {
    pub(crate) fn store(&self, dialect: Dialect) {
        let flag = if dialect.metadata_id { METADATA_ID } else { 0 };
        // Nothing else is published by it.
        self.0.store(
            u16::from(dialect.version.number()) | flag,
            Ordering::Relaxed,
        );
    }

    pub(crate) fn load(&self) -> Dialect {
        let packed = self.0.load(Ordering::Relaxed);
        let version = Version::from_number((packed & 0xFF) as u8).unwrap_or(Version::V4);
        Dialect {
            metadata_id: packed & METADATA_ID != 0,
            ..Dialect::new(version)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_loaded() {
        let shared = SharedDialect::default();
        assert_eq!(shared.load(), Dialect::V4);
        for version in [Version::V3, Version::V4, Version::V5] {
            for metadata_id in [false, true] {
                let dialect = Dialect {
                    metadata_id,
                    ..Dialect::new(version)
                };
                shared.store(dialect);
                assert_eq!(shared.load(), dialect);
            }
        }
    }
}
