//! The protocol version and the negotiated extensions that change the layout of messages.

use crate::frame::Version;

/// What one connection speaks: everything that decides how a body is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// The protocol version.
    pub version: Version,
    /// Whether PREPARED and EXECUTE carry a result metadata id in v4 (`SCYLLA_USE_METADATA_ID`).
    /// They always do in v5.
    pub metadata_id: bool,
    /// Whether EXECUTE ends with a byte about the tablet's version (`TABLETS_ROUTING_V2_EXPERIMENTAL`).
    pub tablet_block: bool,
    /// The error code that the server announced for its rate limit error
    /// (`SCYLLA_RATE_LIMIT_ERROR`); without it such an error stays [`crate::ErrorDetail::Other`].
    pub rate_limit_error: Option<i32>,
}

impl Dialect {
    /// Plain protocol v4 without extensions.
    pub const V4: Self = Self::new(Version::V4);

    /// A version without extensions.
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            metadata_id: false,
            tablet_block: false,
            rate_limit_error: None,
        }
    }

    /// Whether result metadata ids are part of PREPARED, EXECUTE and changed ROWS.
    pub const fn has_metadata_id(self) -> bool {
        self.metadata_id || matches!(self.version, Version::V5)
    }

    /// Whether requests are laid out alike in both, but for the byte about a tablet.
    pub fn shares_request_layout(self, other: Self) -> bool {
        self.version == other.version && self.has_metadata_id() == other.has_metadata_id()
    }

    /// Whether query flags are an \[int\], and a request may name its keyspace and its "now" (v5).
    pub const fn has_wide_flags(self) -> bool {
        matches!(self.version, Version::V5)
    }
}

impl From<Version> for Dialect {
    fn from(version: Version) -> Self {
        Self::new(version)
    }
}
