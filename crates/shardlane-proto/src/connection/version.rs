//! Which protocol version a connection speaks.
//!
//! Servers tell what they offer in SUPPORTED, and all of them answer OPTIONS in v4 (or in the lower
//! version that they have). So nothing has to be tried and refused: OPTIONS asks in v4 at most, and
//! STARTUP speaks the version that was chosen. The first control connection chooses for the whole
//! cluster object; from then on every connection speaks that version, or says why it cannot.

use shardlane_wire::{SupportedOptions, Version};

use crate::error::ConnectionError;

/// The version that a connection is to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The best that the server offers, up to this one.
    UpTo(Version),
    /// This one: the user has chosen it, or the first control connection has.
    Exactly(Version),
}

impl Wanted {
    /// The version in which to ask what there is.
    pub(crate) fn first(self) -> Version {
        let (Self::UpTo(version) | Self::Exactly(version)) = self;
        version.min(Version::V4)
    }

    /// The version to speak with a server that offers `supported`.
    pub(crate) fn choose(self, supported: &SupportedOptions) -> Result<Version, ConnectionError> {
        let told = supported.offered_versions();
        let (offered, betas) = match (&told, self) {
            (Some(told), _) => told.clone(),
            // Who does not tell is asked for what the user wants, and otherwise for what is common.
            (None, Self::UpTo(_)) => (vec![Version::V3, Version::V4], Vec::new()),
            (None, Self::Exactly(version)) => (vec![version], Vec::new()),
        };
        let chosen = match self {
            Self::UpTo(version) => offered.iter().copied().filter(|v| *v <= version).max(),
            Self::Exactly(version) => offered.iter().copied().find(|v| *v == version),
        };
        chosen.ok_or_else(|| {
            let (Self::UpTo(wanted) | Self::Exactly(wanted)) = self;
            ConnectionError::Version {
                wanted,
                is_beta: betas.contains(&wanted),
                offered,
            }
        })
    }

    /// What to do about a protocol error in the handshake: the next lower version that the server
    /// speaks. `seen` is the version of its answer, and its words are those of Cassandra and ScyllaDB.
    pub(crate) fn lower(self, asked: Version, seen: Version, message: &str) -> Option<Version> {
        if matches!(self, Self::Exactly(_)) || !message.contains("protocol version") {
            return None;
        }
        let named = message
            .split(['(', ')', ',', ' '])
            .filter_map(|word| {
                let (number, name) = word.split_once('/')?;
                (!name.ends_with("-beta")).then_some(number)
            })
            .filter_map(|number| number.parse().ok().and_then(Version::from_number));
        named.chain([seen]).filter(|version| *version < asked).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(versions: &[&str]) -> SupportedOptions {
        SupportedOptions {
            protocol_versions: versions.iter().map(|&v| v.to_owned()).collect(),
            ..SupportedOptions::default()
        }
    }

    #[test]
    fn the_best_is_chosen_and_no_beta() {
        let (v3, v4, v5) = (Version::V3, Version::V4, Version::V5);
        let best = |versions: &[&str]| Wanted::UpTo(v5).choose(&offers(versions));
        assert_eq!(best(&["3/v3", "4/v4", "5/v5", "6/v6-beta"]), Ok(v5));
        assert_eq!(best(&["3/v3", "4/v4", "5/v5-beta"]), Ok(v4));
        assert_eq!(best(&[]), Ok(v4), "who does not tell has what is common");
        assert_eq!(Wanted::UpTo(v4).choose(&offers(&["3/v3", "5/v5"])), Ok(v3));
        let error = best(&["7/v7"]).unwrap_err();
        assert!(matches!(error, ConnectionError::Version { .. }), "{error}");
    }

    #[test]
    fn an_explicit_version_is_that_one_or_an_error() {
        let (v4, v5) = (Version::V4, Version::V5);
        let exactly = |versions: &[&str]| Wanted::Exactly(v5).choose(&offers(versions));
        assert_eq!(exactly(&["4/v4", "5/v5"]), Ok(v5));
        assert_eq!(exactly(&[]), Ok(v5), "it may have it");
        let error = exactly(&["4/v4", "5/v5-beta"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "protocol v5 is a beta on this server, which offers v4"
        );
        let error = exactly(&["3/v3", "4/v4"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "protocol v5 is not spoken by this server, which offers v3, v4"
        );
        assert_eq!(
            (Wanted::Exactly(v5).first(), Wanted::UpTo(v5).first()),
            (v4, v4)
        );
        assert_eq!(Wanted::Exactly(Version::V3).first(), Version::V3);
    }

    #[test]
    fn refusals_name_a_lower_version() {
        let (v3, v4, v5) = (Version::V3, Version::V4, Version::V5);
        let words = "Invalid or unsupported protocol version (5); supported versions are \
                     (3/v3, 4/v4, 5/v5-beta)";
        assert_eq!(Wanted::UpTo(v5).lower(v5, v5, words), Some(v4));
        let words = "Invalid or unsupported protocol version: 4";
        assert_eq!(Wanted::UpTo(v5).lower(v4, v3, words), Some(v3));
        assert_eq!(Wanted::UpTo(v5).lower(v4, v4, words), None);
        assert_eq!(Wanted::UpTo(v5).lower(v4, v3, "Expected STARTUP"), None);
        assert_eq!(Wanted::Exactly(v4).lower(v4, v3, words), None);
    }
}
