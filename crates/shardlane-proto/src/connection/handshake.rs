//! OPTIONS -> SUPPORTED -> STARTUP -> READY, with the login of `login.rs` before the end where the server wants
//! one: a state for each awaited message. Each consumes itself and says what to send and what to await next.

use shardlane_routing::{HostId, Sharder};
use shardlane_wire::extensions::OptionKey;
use shardlane_wire::{
    Compression, Dialect, Opcode, Request, Response, StartupOptions, SupportedOptions, Version,
};

use super::login::{self, Dialog};
use super::version::Wanted;
use crate::advice::{Advice, AdviceError, LoginStep};
use crate::config::Config;
use crate::error::ConnectionError;

/// What a node said about its shards in SUPPORTED, reduced to what a pool needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sharding {
    /// The shard that serves this connection.
    pub(crate) shard: u16,
    pub(crate) sharder: Sharder,
    /// The shard-aware port that fits the encryption in use, if advertised.
    pub(crate) shard_aware_port: Option<u16>,
}

/// What the handshake settled.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) dialect: Dialect,
    pub(crate) compression: Option<Compression>,
    /// `None`: the node has no shards (Apache Cassandra).
    pub(crate) sharding: Option<Sharding>,
    /// Which node it is, if it has told.
    pub(crate) host_id: Option<HostId>,
}

#[derive(Debug)]
#[allow(
    clippy::enum_variant_names,
    reason = "each state is named for what it awaits"
)]
pub(crate) enum Handshake {
    AwaitSupported,
    AwaitReady(Session),
    AwaitAuthSuccess(Session),
    /// The application's: what to say to the server.
    AwaitToken(Dialog),
    /// AUTH_CHALLENGE or AUTH_SUCCESS.
    AwaitDialog(Dialog),
    /// The application's: whether it is content with the server.
    AwaitVerdict(Dialog),
}

/// What follows a handshake message.
#[derive(Debug)]
pub(crate) enum Step {
    Send {
        opcode: Opcode,
        body: Vec<u8>,
        next: Handshake,
    },
    /// Nothing is sent before the application has answered.
    Ask {
        class: String,
        step: LoginStep,
        next: Handshake,
    },
    Done(Session),
}

impl Handshake {
    pub(crate) fn handle(
        self,
        config: &Config,
        wanted: Wanted,
        response: &Response<'_>,
    ) -> Result<Step, ConnectionError> {
        if let Response::Error(body) = response {
            return Err(ConnectionError::Refused(body.clone()));
        }
        match (self, response) {
            (Self::AwaitSupported, Response::Supported(options)) => {
                let supported = SupportedOptions::parse(options)
                    .map_err(|e| ConnectionError::Protocol(e.to_string()))?;
                startup(config, wanted, &supported)
            }
            (Self::AwaitReady(session), Response::Ready) => Ok(Step::Done(session)),
            (Self::AwaitReady(session), Response::Authenticate(class)) => {
                login::begin(config, session, class)
            }
            (Self::AwaitAuthSuccess(session), Response::AuthSuccess(_)) => Ok(Step::Done(session)),
            (Self::AwaitAuthSuccess(_), Response::AuthChallenge(_)) => {
                Err(ConnectionError::Authentication(
                    "the server asks for more than a user name and a password".to_owned(),
                ))
            }
            (Self::AwaitDialog(dialog), Response::AuthChallenge(token)) => {
                dialog.challenged(*token)
            }
            (Self::AwaitDialog(dialog), Response::AuthSuccess(token)) => {
                Ok(dialog.succeeded(*token))
            }
            (awaiting, other) => Err(ConnectionError::Protocol(format!(
                "{} while {} was awaited",
                other.opcode(),
                awaiting.awaited()
            ))),
        }
    }

    /// The application has answered what [`Step::Ask`] asked.
    pub(crate) fn handle_advice(
        self,
        answer: Result<Advice, AdviceError>,
    ) -> Result<Step, ConnectionError> {
        login::advised(self, answer)
    }

    /// What is settled already: from STARTUP's answer on the server may compress.
    pub(crate) const fn session(&self) -> Option<&Session> {
        match self {
            Self::AwaitSupported => None,
            Self::AwaitReady(session) | Self::AwaitAuthSuccess(session) => Some(session),
            Self::AwaitToken(dialog) | Self::AwaitDialog(dialog) | Self::AwaitVerdict(dialog) => {
                Some(dialog.session())
            }
        }
    }

    const fn awaited(&self) -> &'static str {
        match self {
            Self::AwaitSupported => "SUPPORTED",
            Self::AwaitReady(_) => "READY or AUTHENTICATE",
            Self::AwaitAuthSuccess(_) => "AUTH_SUCCESS",
            Self::AwaitDialog(_) => "AUTH_CHALLENGE or AUTH_SUCCESS",
            Self::AwaitToken(_) | Self::AwaitVerdict(_) => "nothing",
        }
    }
}

fn startup(
    config: &Config,
    wanted: Wanted,
    supported: &SupportedOptions,
) -> Result<Step, ConnectionError> {
    let version = wanted.choose(supported)?;
    let is_possible = |c: &Compression| supported.offers(*c) && c.exists_in(version);
    let mut options = StartupOptions {
        compression: config.compression.filter(is_possible),
        // v5 has result metadata ids of its own.
        use_metadata_id: supported.use_metadata_id && version < Version::V5,
        // v3 has no custom payloads, in which they come.
        tablets_routing_v1: supported.tablets_routing_v1 && version > Version::V3,
        tablets_routing_v2: supported.tablets_routing_v2 && version > Version::V3,
        ..supported.to_startup()
    };
    let mut name = |key: OptionKey, value: &str| {
        options
            .other
            .push((key.as_str().to_owned(), value.to_owned()))
    };
    name(OptionKey::DriverName, "shardlane");
    name(OptionKey::DriverVersion, env!("CARGO_PKG_VERSION"));
    if let Some(application) = &config.application_name {
        name(OptionKey::ApplicationName, application);
    }
    let sharding = supported.shard_info.map(|info| Sharding {
        shard: info.shard,
        sharder: Sharder::new(info.nr_shards, info.ignore_msb),
        // Never the plain port with TLS, never the TLS port without.
        shard_aware_port: if config.tls {
            supported.shard_aware_port_ssl
        } else {
            supported.shard_aware_port
        },
    });
    let session = Session {
        dialect: options.dialect(version),
        compression: options.compression,
        sharding,
        host_id: supported.host_id.map(HostId),
    };
    let body = encode(&Request::Startup(options.to_message()), session.dialect)?;
    Ok(Step::Send {
        opcode: Opcode::Startup,
        body,
        next: Handshake::AwaitReady(session),
    })
}

pub(super) fn encode(request: &Request<'_>, dialect: Dialect) -> Result<Vec<u8>, ConnectionError> {
    let mut body = Vec::new();
    request.encode(dialect, &mut body).map_err(|e| {
        ConnectionError::Protocol(format!("cannot encode {}: {e}", request.opcode()))
    })?;
    Ok(body)
}
