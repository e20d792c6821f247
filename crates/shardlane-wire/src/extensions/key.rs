//! The spelling of every option key.

use std::fmt;

macro_rules! keys {
    ($($(#[$meta:meta])* $variant:ident = $text:literal,)*) => {
        /// A key of SUPPORTED or STARTUP.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum OptionKey {
            $($(#[$meta])* $variant,)*
        }

        impl OptionKey {
            /// Every key.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The key on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The key with this spelling.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

keys! {
    /// The version of CQL itself; STARTUP must have it.
    CqlVersion = "CQL_VERSION",
    /// Algorithms offered, or the one chosen.
    Compression = "COMPRESSION",
    /// Protocol versions offered, such as `4/v4`.
    ProtocolVersions = "PROTOCOL_VERSIONS",
    /// The shard that serves this connection.
    ScyllaShard = "SCYLLA_SHARD",
    /// How many shards the node has.
    ScyllaNrShards = "SCYLLA_NR_SHARDS",
    /// The class of the partitioner.
    ScyllaPartitioner = "SCYLLA_PARTITIONER",
    /// How tokens map to shards.
    ScyllaShardingAlgorithm = "SCYLLA_SHARDING_ALGORITHM",
    /// How many high bits of a token the algorithm ignores.
    ScyllaShardingIgnoreMsb = "SCYLLA_SHARDING_IGNORE_MSB",
    /// The port on which the source port chooses the shard.
    ScyllaShardAwarePort = "SCYLLA_SHARD_AWARE_PORT",
    /// The same with TLS.
    ScyllaShardAwarePortSsl = "SCYLLA_SHARD_AWARE_PORT_SSL",
    /// The flag by which PREPARED marks conditional statements.
    ScyllaLwtAddMetadataMark = "SCYLLA_LWT_ADD_METADATA_MARK",
    /// The code of the rate limit error.
    ScyllaRateLimitError = "SCYLLA_RATE_LIMIT_ERROR",
    /// Tablets in custom payloads.
    TabletsRoutingV1 = "TABLETS_ROUTING_V1",
    /// The same with versions; each EXECUTE shows a part of the one that the client knows.
    TabletsRoutingV2 = "TABLETS_ROUTING_V2_EXPERIMENTAL",
    /// The host id of the node.
    ScyllaHostId = "SCYLLA_HOST_ID",
    /// Result metadata ids in v4.
    ScyllaUseMetadataId = "SCYLLA_USE_METADATA_ID",
    /// STARTUP: the name of the driver.
    DriverName = "DRIVER_NAME",
    /// STARTUP: the version of the driver.
    DriverVersion = "DRIVER_VERSION",
    /// STARTUP: the name of the application.
    ApplicationName = "APPLICATION_NAME",
    /// STARTUP: the version of the application.
    ApplicationVersion = "APPLICATION_VERSION",
    /// STARTUP: an id of the client, the same for all its connections.
    ClientId = "CLIENT_ID",
    /// STARTUP: an id of the session or cluster object.
    SessionId = "SESSION_ID",
}

impl fmt::Display for OptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
