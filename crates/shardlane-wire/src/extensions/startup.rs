//! STARTUP, with a meaning.

use std::borrow::Cow;

use super::{OptionKey, OptionsError, SupportedOptions};
use crate::compression::Compression;
use crate::dialect::Dialect;
use crate::frame::Version;
use crate::request::Startup;

/// What a client chose from SUPPORTED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupOptions {
    /// The version of CQL.
    pub cql_version: String,
    /// The compression of all frames to come.
    pub compression: Option<Compression>,
    /// The flag by which conditional statements are to be marked.
    pub lwt_mark: Option<u32>,
    /// The code of the rate limit error. STARTUP only says "yes", so [`Self::parse`] takes the code
    /// from what the server offers.
    pub rate_limit_error: Option<i32>,
    /// Whether tablets are wanted in custom payloads.
    pub tablets_routing_v1: bool,
    /// Whether they are wanted with versions. Then the option above is not sent.
    pub tablets_routing_v2: bool,
    /// Whether result metadata ids are to be used in v4.
    pub use_metadata_id: bool,
    /// All other options: the names of the driver and the application, and unknown ones.
    pub other: Vec<(String, String)>,
}

impl StartupOptions {
    /// The message that tells a server.
    pub fn to_message(&self) -> Startup<'_> {
        let mut options: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
        let mut add = |key: OptionKey, value: Cow<'static, str>| {
            options.push((key.as_str().into(), value));
        };
        add(OptionKey::CqlVersion, self.cql_version.clone().into());
        if let Some(compression) = self.compression {
            add(OptionKey::Compression, compression.as_str().into());
        }
        if let Some(mask) = self.lwt_mark {
            add(OptionKey::ScyllaLwtAddMetadataMark, mask.to_string().into());
        }
        if self.rate_limit_error.is_some() {
            add(OptionKey::ScyllaRateLimitError, "".into());
        }
        if self.tablets_routing_v2 {
            add(OptionKey::TabletsRoutingV2, "".into());
        } else if self.tablets_routing_v1 {
            add(OptionKey::TabletsRoutingV1, "".into());
        }
        if self.use_metadata_id {
            add(OptionKey::ScyllaUseMetadataId, "".into());
        }
        options.extend(
            self.other
                .iter()
                .map(|(key, value)| (key.into(), value.into())),
        );
        Startup { options }
    }

    /// What a client asks for, as a server that offers `supported` reads it. What the server does
    /// not offer is passed over, but for a compression that it does not know.
    pub fn parse(
        startup: &Startup<'_>,
        supported: &SupportedOptions,
    ) -> Result<Self, OptionsError> {
        let mut parsed = Self {
            cql_version: String::new(),
            compression: None,
            lwt_mark: None,
            rate_limit_error: None,
            tablets_routing_v1: false,
            tablets_routing_v2: false,
            use_metadata_id: false,
            other: Vec::new(),
        };
        for (key, value) in &startup.options {
            match OptionKey::from_name(key) {
                Some(OptionKey::CqlVersion) => parsed.cql_version = value.clone().into_owned(),
                Some(key @ OptionKey::Compression) if !value.is_empty() => {
                    let known = Compression::from_name(value).filter(|c| supported.offers(*c));
                    let bad = || OptionsError::BadValue {
                        key,
                        value: value.as_ref().into(),
                    };
                    parsed.compression = Some(known.ok_or_else(bad)?);
                }
                // Clients differ in how they spell the value; the server has only one mark to set.
                Some(OptionKey::ScyllaLwtAddMetadataMark) => parsed.lwt_mark = supported.lwt_mark,
                Some(OptionKey::ScyllaRateLimitError) => {
                    parsed.rate_limit_error = supported.rate_limit_error;
                }
                Some(OptionKey::TabletsRoutingV1) => {
                    parsed.tablets_routing_v1 = supported.tablets_routing_v1;
                }
                Some(OptionKey::TabletsRoutingV2) => {
                    parsed.tablets_routing_v2 = supported.tablets_routing_v2;
                }
                Some(OptionKey::ScyllaUseMetadataId) => {
                    parsed.use_metadata_id = supported.use_metadata_id;
                }
                _ => parsed
                    .other
                    .push((key.clone().into_owned(), value.clone().into_owned())),
            }
        }
        if parsed.cql_version.is_empty() {
            return Err(OptionsError::Missing(OptionKey::CqlVersion));
        }
        Ok(parsed)
    }

    /// One of the other options.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.other
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// The dialect of a connection that was started with these options.
    pub const fn dialect(&self, version: Version) -> Dialect {
        Dialect {
            version,
            metadata_id: self.use_metadata_id,
            tablet_block: self.tablets_routing_v2,
            rate_limit_error: self.rate_limit_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supported() -> SupportedOptions {
        SupportedOptions {
            cql_versions: vec!["3.0.0".into(), "3.4.7".into()],
            compression: vec!["lz4".into()],
            lwt_mark: Some(1 << 31),
            rate_limit_error: Some(0xF000),
            use_metadata_id: true,
            ..SupportedOptions::default()
        }
    }

    #[test]
    fn what_is_offered_is_taken_and_understood() {
        let mut options = supported().to_startup();
        options.compression = Some(Compression::Lz4);
        options
            .other
            .push(("DRIVER_NAME".into(), "shardlane".into()));
        assert_eq!(options.cql_version, "3.4.7");
        assert_eq!(
            StartupOptions::parse(&options.to_message(), &supported()),
            Ok(options.clone())
        );
        let dialect = options.dialect(Version::V4);
        assert!(dialect.has_metadata_id());
        assert_eq!(dialect.rate_limit_error, Some(0xF000));
    }

    #[test]
    fn the_second_version_of_tablets_replaces_the_first() {
        let offered = SupportedOptions {
            tablets_routing_v1: true,
            tablets_routing_v2: true,
            ..supported()
        };
        let asked = offered.to_startup();
        let message = asked.to_message();
        let keys: Vec<&str> = message.options.iter().map(|(key, _)| &**key).collect();
        assert!(keys.contains(&"TABLETS_ROUTING_V2_EXPERIMENTAL"));
        assert!(!keys.contains(&"TABLETS_ROUTING_V1"));
        let granted = StartupOptions::parse(&message, &offered).unwrap();
        assert!(granted.dialect(Version::V4).tablet_block);
        assert!(!granted.tablets_routing_v1);
    }

    #[test]
    fn a_host_id_goes_both_ways_or_not_at_all() {
        let offered = SupportedOptions {
            host_id: Some(*b"0123456789abcdef"),
            ..supported()
        };
        let read = |change: fn(&str) -> String| {
            let options = offered.to_options();
            let values: Vec<(&str, Vec<String>)> = options
                .iter()
                .map(|(key, values)| (*key, values.iter().map(|v| change(v)).collect()))
                .collect();
            let borrowed: Vec<(&str, Vec<&str>)> = values
                .iter()
                .map(|(key, values)| (*key, values.iter().map(String::as_str).collect()))
                .collect();
            let only_it = borrowed.iter().filter(|(key, _)| *key == "SCYLLA_HOST_ID");
            SupportedOptions::parse(&only_it.cloned().collect::<Vec<_>>())
                .unwrap()
                .host_id
        };
        assert_eq!(read(str::to_owned), offered.host_id);
        assert_eq!(read(str::to_uppercase), offered.host_id);
        assert_eq!(read(|text| text.replace('-', "_")), None);
        assert_eq!(read(|text| text.replace('3', "x")), None);
        assert_eq!(read(|text| text.chars().skip(1).collect()), None);
    }

    #[test]
    fn what_is_not_offered_is_not_granted() {
        let asked = supported().to_startup();
        let plain = SupportedOptions::default();
        let granted = StartupOptions::parse(&asked.to_message(), &plain).unwrap();
        assert_eq!(granted.dialect(Version::V4), Dialect::V4);
        assert_eq!(
            (granted.lwt_mark, granted.tablets_routing_v1),
            (None, false)
        );
    }

    #[test]
    fn a_compression_that_is_not_offered_is_refused() {
        let mut asked = supported().to_startup();
        asked.compression = Some(Compression::Snappy);
        let (key, value) = (OptionKey::Compression, "snappy".into());
        assert_eq!(
            StartupOptions::parse(&asked.to_message(), &supported()),
            Err(OptionsError::BadValue { key, value })
        );
    }

    #[test]
    fn a_cql_version_must_be_given() {
        assert_eq!(
            StartupOptions::parse(&Startup::default(), &supported()),
            Err(OptionsError::Missing(OptionKey::CqlVersion))
        );
    }
}
