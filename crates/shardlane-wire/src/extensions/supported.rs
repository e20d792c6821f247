//! SUPPORTED, with a meaning.

use super::{OptionKey, OptionsError, ShardInfo, StartupOptions};
use crate::compression::Compression;
use crate::frame::Version;

/// Precedes the value of the mark for conditional statements.
const LWT_MASK_FIELD: &str = "LWT_OPTIMIZATION_META_BIT_MASK=";

/// Precedes the code of the rate limit error.
const ERROR_CODE_FIELD: &str = "ERROR_CODE=";

/// What a server offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SupportedOptions {
    /// Versions of CQL, such as `3.3.1`.
    pub cql_versions: Vec<String>,
    /// Names of compression algorithms, known to us or not.
    pub compression: Vec<String>,
    /// Protocol versions, such as `4/v4`; ScyllaDB does not tell.
    pub protocol_versions: Vec<String>,
    /// The node's shards; `None` for a server without shards.
    pub shard_info: Option<ShardInfo>,
    /// The port on which the source port chooses the shard.
    pub shard_aware_port: Option<u16>,
    /// The same with TLS.
    pub shard_aware_port_ssl: Option<u16>,
    /// The flag of bind metadata that marks conditional statements.
    pub lwt_mark: Option<u32>,
    /// The code of the rate limit error.
    pub rate_limit_error: Option<i32>,
    /// Whether tablets come in custom payloads.
    pub tablets_routing_v1: bool,
    /// Whether they come with versions.
    pub tablets_routing_v2: bool,
    /// Which node this is; `None` if it does not tell, or not in the form of a UUID.
    pub host_id: Option<[u8; 16]>,
    /// Whether v4 can carry result metadata ids.
    pub use_metadata_id: bool,
}

impl SupportedOptions {
    /// Gives the options of [`crate::Response::Supported`] a meaning. Unknown keys are passed over.
    pub fn parse(options: &[(&str, Vec<&str>)]) -> Result<Self, OptionsError> {
        let values = |key: OptionKey| {
            options
                .iter()
                .find(|(name, _)| *name == key.as_str())
                .map(|(_, values)| &values[..])
        };
        let first = |key: OptionKey| values(key).and_then(|values| values.first().copied());
        let owned = |key: OptionKey| {
            values(key)
                .unwrap_or_default()
                .iter()
                .map(|value| (*value).to_owned())
                .collect()
        };
        let field = |key: OptionKey, field: &str| {
            values(key)
                .unwrap_or_default()
                .iter()
                .find_map(|value| value.strip_prefix(field))
        };
        let lwt_mark = field(OptionKey::ScyllaLwtAddMetadataMark, LWT_MASK_FIELD)
            .map(|value| number(OptionKey::ScyllaLwtAddMetadataMark, value));
        let rate_limit_error = field(OptionKey::ScyllaRateLimitError, ERROR_CODE_FIELD)
            .map(|value| number(OptionKey::ScyllaRateLimitError, value));
        let port = |key| first(key).map(|value| number(key, value)).transpose();
        Ok(Self {
            cql_versions: owned(OptionKey::CqlVersion),
            compression: owned(OptionKey::Compression),
            protocol_versions: owned(OptionKey::ProtocolVersions),
            shard_info: ShardInfo::parse(first)?,
            shard_aware_port: port(OptionKey::ScyllaShardAwarePort)?,
            shard_aware_port_ssl: port(OptionKey::ScyllaShardAwarePortSsl)?,
            lwt_mark: lwt_mark.transpose()?,
            rate_limit_error: rate_limit_error.transpose()?,
            tablets_routing_v1: values(OptionKey::TabletsRoutingV1).is_some(),
            tablets_routing_v2: values(OptionKey::TabletsRoutingV2).is_some(),
            host_id: first(OptionKey::ScyllaHostId).and_then(parse_uuid),
            use_metadata_id: values(OptionKey::ScyllaUseMetadataId).is_some(),
        })
    }

    /// The options as a server sends them, keys in alphabetical order.
    pub fn to_options(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut options: Vec<(&'static str, Vec<String>)> = Vec::new();
        let mut add = |key: OptionKey, values: Vec<String>| options.push((key.as_str(), values));
        add(OptionKey::CqlVersion, self.cql_versions.clone());
        add(OptionKey::Compression, self.compression.clone());
        if !self.protocol_versions.is_empty() {
            add(OptionKey::ProtocolVersions, self.protocol_versions.clone());
        }
        for (key, value) in self.shard_info.into_iter().flat_map(ShardInfo::entries) {
            add(key, vec![value]);
        }
        if let Some(port) = self.shard_aware_port {
            add(OptionKey::ScyllaShardAwarePort, vec![port.to_string()]);
        }
        if let Some(port) = self.shard_aware_port_ssl {
            add(OptionKey::ScyllaShardAwarePortSsl, vec![port.to_string()]);
        }
        if let Some(mask) = self.lwt_mark {
            add(
                OptionKey::ScyllaLwtAddMetadataMark,
                vec![format!("{LWT_MASK_FIELD}{mask}")],
            );
        }
        if let Some(code) = self.rate_limit_error {
            add(
                OptionKey::ScyllaRateLimitError,
                vec![format!("{ERROR_CODE_FIELD}{code}")],
            );
        }
        if self.tablets_routing_v1 {
            add(OptionKey::TabletsRoutingV1, vec![String::new()]);
        }
        if self.tablets_routing_v2 {
            add(OptionKey::TabletsRoutingV2, vec![String::new()]);
        }
        if let Some(id) = &self.host_id {
            add(OptionKey::ScyllaHostId, vec![uuid_text(id)]);
        }
        if self.use_metadata_id {
            add(OptionKey::ScyllaUseMetadataId, vec![String::new()]);
        }
        options.sort_unstable_by_key(|(key, _)| *key);
        options
    }

    /// The protocol versions that the server offers, and those that it offers as a beta; `None` if
    /// it does not tell. ScyllaDB does not, and has v3 and v4.
    pub fn offered_versions(&self) -> Option<(Vec<Version>, Vec<Version>)> {
        if self.protocol_versions.is_empty() {
            let is_scylla = self.shard_info.is_some();
            return is_scylla.then(|| (vec![Version::V3, Version::V4], Vec::new()));
        }
        let (mut offered, mut betas) = (Vec::new(), Vec::new());
        for entry in &self.protocol_versions {
            // "5/v5", "6/v6-beta"
            let (number, name) = entry.split_once('/').unwrap_or((entry, ""));
            if let Some(version) = number.parse().ok().and_then(Version::from_number) {
                let list = if name.ends_with("-beta") {
                    &mut betas
                } else {
                    &mut offered
                };
                list.push(version);
            }
        }
        Some((offered, betas))
    }

    /// Whether the server offers this algorithm.
    pub fn offers(&self, compression: Compression) -> bool {
        self.compression
            .iter()
            .any(|name| Compression::from_name(name) == Some(compression))
    }

    /// The STARTUP options that take all that is offered and that we know, and no compression.
    /// The caller may switch parts off, and add its own name.
    pub fn to_startup(&self) -> StartupOptions {
        StartupOptions {
            // The list is short and holds one version in practice; the last is the highest.
            cql_version: self.cql_versions.last().map_or("3.0.0", |v| v).to_owned(),
            compression: None,
            lwt_mark: self.lwt_mark,
            rate_limit_error: self.rate_limit_error,
            tablets_routing_v1: self.tablets_routing_v1,
            tablets_routing_v2: self.tablets_routing_v2,
            use_metadata_id: self.use_metadata_id,
            other: Vec::new(),
        }
    }
}

/// A UUID in its usual form, of 36 characters.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    let hyphens = [8, 13, 18, 23];
    if bytes.len() != 36 || hyphens.iter().any(|&at| bytes[at] != b'-') {
        return None;
    }
    let mut id = [0; 16];
    let mut digits = (0..36)
        .filter(|at| !hyphens.contains(at))
        .map(|at| bytes[at]);
    for byte in &mut id {
        for _ in 0..2 {
            let digit = char::from(digits.next()?).to_digit(16)?;
            *byte = *byte << 4 | digit as u8;
        }
    }
    Some(id)
}

fn uuid_text(id: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in id.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text += &format!("{byte:02x}");
    }
    text
}

fn number<T: std::str::FromStr>(key: OptionKey, value: &str) -> Result<T, OptionsError> {
    value.parse().map_err(|_| OptionsError::BadValue {
        key,
        value: value.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_or_known() {
        let told = |versions: &[&str]| {
            let options = [("PROTOCOL_VERSIONS", versions.to_vec())];
            SupportedOptions::parse(&options)
                .unwrap()
                .offered_versions()
        };
        let (v3, v4, v5) = (Version::V3, Version::V4, Version::V5);
        assert_eq!(
            told(&["3/v3", "4/v4", "5/v5", "6/v6-beta"]),
            Some((vec![v3, v4, v5], vec![]))
        );
        assert_eq!(
            told(&["3/v3", "4/v4", "5/v5-beta", "nonsense"]),
            Some((vec![v3, v4], vec![v5]))
        );
        assert_eq!(SupportedOptions::default().offered_versions(), None);
        let scylla = [
            ("SCYLLA_SHARD", vec!["0"]),
            ("SCYLLA_NR_SHARDS", vec!["2"]),
            ("SCYLLA_SHARDING_IGNORE_MSB", vec!["12"]),
            (
                "SCYLLA_SHARDING_ALGORITHM",
                vec!["biased-token-round-robin"],
            ),
            (
                "SCYLLA_PARTITIONER",
                vec!["org.apache.cassandra.dht.Murmur3Partitioner"],
            ),
        ];
        let scylla = SupportedOptions::parse(&scylla).unwrap();
        assert_eq!(scylla.offered_versions(), Some((vec![v3, v4], vec![])));
    }
}
