//! The beginning of a connection: OPTIONS, STARTUP, credentials; and REGISTER.

use std::num::NonZeroU16;

use shardlane_wire::extensions::OptionsError;
use shardlane_wire::request::{Register, Startup};
use shardlane_wire::{EventKind, Response, ShardInfo, StartupOptions, SupportedOptions, Version};

use super::errors;
use super::task::Client;
use crate::config::TabletsRouting;
use crate::engine::Flavour;
use crate::faults::SupportedLie;
use crate::net::connection::Phase;
use crate::node::shard::Shard;
use crate::stats::PortKind;

/// The flag of bind metadata by which ScyllaDB marks conditional statements.
pub(crate) const LWT_MARK: u32 = 0x8000_0000;

/// The code that ScyllaDB chose for its rate limit error.
const RATE_LIMIT_ERROR: i32 = 0xF000;

impl Shard {
    /// What this shard offers; `shard` is the number to tell.
    /// The highest version that this node speaks: ScyllaDB has no v5.
    pub(crate) fn max_version(&self) -> Version {
        if self.is_cassandra() {
            Version::V5
        } else {
            Version::V4
        }
    }

    /// Whether this node has Apache Cassandra's manners.
    fn is_cassandra(&self) -> bool {
        let member = self.view.member(self.id.node);
        member.is_some_and(|member| member.announced_shards == 0)
    }

    fn supported(&self, shard: u16) -> SupportedOptions {
        let compression = vec!["lz4".to_owned(), "snappy".to_owned()];
        let announced = self
            .view
            .member(self.id.node)
            .map_or(0, |member| member.announced_shards);
        let Some(nr_shards) = NonZeroU16::new(announced) else {
            let versions = [Version::V3, Version::V4, Version::V5];
            return SupportedOptions {
                cql_versions: vec![Flavour::Cassandra.cql_version().to_owned()],
                compression,
                protocol_versions: versions
                    .map(|v| format!("{}/{v}", v.number()))
                    .into_iter()
                    // What comes next, which nobody is to use yet.
                    .chain(["6/v6-beta".to_owned()])
                    .collect(),
                ..SupportedOptions::default()
            };
        };
        let ignore_msb = self.shared.config.ignore_msb;
        SupportedOptions {
            cql_versions: vec![Flavour::Scylla.cql_version().to_owned()],
            compression,
            shard_info: Some(ShardInfo {
                shard,
                nr_shards,
                ignore_msb,
            }),
            shard_aware_port: self.shared.ports.of(PortKind::ShardAware),
            shard_aware_port_ssl: self.shared.ports.of(PortKind::ShardAwareTls),
            lwt_mark: Some(LWT_MARK),
            rate_limit_error: Some(RATE_LIMIT_ERROR),
            tablets_routing_v1: self.shared.config.tablets_routing != TabletsRouting::Off,
            tablets_routing_v2: self.shared.config.tablets_routing == TabletsRouting::V2,
            host_id: self.view.member(self.id.node).map(|me| me.host_id.0),
            use_metadata_id: true,
            ..SupportedOptions::default()
        }
    }

    pub(crate) fn on_options(&mut self, client: &Client, lie: Option<SupportedLie>) {
        let shard = match lie {
            Some(SupportedLie::Shard(shard)) => shard,
            _ => self.id.shard,
        };
        let mut supported = self.supported(shard);
        if lie == Some(SupportedLie::Host) {
            supported.host_id = supported.host_id.map(|id| id.map(|byte| !byte));
        }
        let supported = supported.to_options();
        let options = supported
            .iter()
            .map(|(key, values)| (*key, values.iter().map(String::as_str).collect()))
            .collect();
        self.respond(client, &Response::Supported(options), &[]);
    }

    pub(crate) fn on_startup(&mut self, client: &Client, startup: &Startup<'_>) {
        let supported = self.supported(self.id.shard);
        let needs_credentials = !self.shared.users().is_empty();
        let Some(connection) = self.connection(client.connection) else {
            return;
        };
        if connection.phase != Phase::New {
            let error = errors::protocol("Unexpected message STARTUP, the connection is started");
            return self.respond_error(client, error);
        }
        let options = match StartupOptions::parse(startup, &supported) {
            Ok(options) => options,
            Err(error) => {
                return self.respond_error(client, errors::protocol(startup_refusal(&error)));
            }
        };
        let version = connection.dialect.version;
        if let Some(compression) = options.compression
            && !compression.exists_in(version)
        {
            let message = format!("{compression} compression is not part of protocol {version}");
            return self.respond_error(client, errors::protocol(message));
        }
        connection.dialect = options.dialect(version);
        connection.marks_lwt = options.lwt_mark.is_some();
        connection.tells_tablets = options.tablets_routing_v1 || options.tablets_routing_v2;
        connection.compression = options.compression;
        if needs_credentials {
            connection.phase = Phase::Authenticating;
            let class = self.shared.config.authenticator.class();
            self.respond(client, &Response::Authenticate(class), &[]);
        } else {
            connection.phase = Phase::Ready;
            self.respond(client, &Response::Ready, &[]);
        }
        if let Some(connection) = self.connection(client.connection) {
            connection.begin_segments();
        }
    }

    pub(crate) fn on_register(&mut self, client: &Client, register: &Register) {
        let unknown = EventKind::ClientRoutesChange;
        if self.is_cassandra() && register.kinds.contains(&unknown) {
            // In Apache Cassandra's words.
            let message = format!("Invalid value '{}' for Type", unknown.as_str());
            return self.respond_error(client, errors::protocol(message));
        }
        let Some(connection) = self.connection(client.connection) else {
            return;
        };
        for kind in &register.kinds {
            connection.register(*kind);
        }
        self.respond(client, &Response::Ready, &[]);
    }
}

fn startup_refusal(error: &OptionsError) -> String {
    format!("STARTUP refused: {error}")
}
