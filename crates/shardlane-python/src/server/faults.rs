//! Fault rules from dicts: a condition and a reaction, each `{"kind": ..., ...}`.
//!
//! The vocabulary is that of `shardlane_server::{Condition, Reaction}`; `shardlane.testing.faults` has typed helpers.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use shardlane_server::{Condition, Reaction, Rule, TabletLie};
use shardlane_wire::error::{ErrorBody, ErrorCode, ErrorDetail, RateLimitOp, WriteType};
use shardlane_wire::{Consistency, Opcode};

pub(super) fn rule(
    condition_given: &Bound<'_, PyDict>,
    reaction_given: &Bound<'_, PyDict>,
) -> PyResult<Rule> {
    Ok(Rule::new(
        condition(condition_given)?,
        reaction(reaction_given)?,
    ))
}

fn field<'py, T>(given: &Bound<'py, PyDict>, name: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    let value = given
        .get_item(name)?
        .ok_or_else(|| bad(given, &format!("it lacks {name:?}")))?;
    value.extract::<T>().map_err(Into::into)
}

fn optional<'py, T>(given: &Bound<'py, PyDict>, name: &str, default: T) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    if given.contains(name)? {
        field(given, name)
    } else {
        Ok(default)
    }
}

fn bad(given: &Bound<'_, PyDict>, why: &str) -> PyErr {
    PyValueError::new_err(format!("{given} is no fault rule: {why}"))
}

fn condition(given: &Bound<'_, PyDict>) -> PyResult<Condition> {
    let parts = || -> PyResult<Vec<Condition>> {
        let parts: Vec<Bound<'_, PyDict>> = field(given, "conditions")?;
        parts.iter().map(condition).collect()
    };
    let kind: String = field(given, "kind")?;
    Ok(match kind.as_str() {
        "always" => Condition::Always,
        "opcode" => {
            let name: String = field(given, "opcode")?;
            let opcode = Opcode::ALL
                .into_iter()
                .find(|o| o.as_str().eq_ignore_ascii_case(&name));
            Condition::Opcode(opcode.ok_or_else(|| bad(given, "there is no such opcode"))?)
        }
        "node" => Condition::Node(field(given, "node")?),
        "shard" => Condition::Shard(field(given, "shard")?),
        "connection" => Condition::Connection(field(given, "number")?),
        "shard_aware_port" => Condition::OnShardAwarePort,
        "text" => Condition::TextContains(field(given, "text")?),
        "first" => Condition::First(field(given, "count")?),
        "probability" => Condition::Probability {
            probability: field(given, "probability")?,
            seed: optional(given, "seed", 0)?,
        },
        "not" => Condition::Not(Box::new(condition(&field::<Bound<'_, PyDict>>(
            given,
            "condition",
        )?)?)),
        "and" => Condition::And(parts()?),
        "or" => Condition::Or(parts()?),
        _ => return Err(bad(given, "there is no such kind of condition")),
    })
}

fn reaction(given: &Bound<'_, PyDict>) -> PyResult<Reaction> {
    let kind: String = field(given, "kind")?;
    Ok(match kind.as_str() {
        "half_frame_then_close" => Reaction::HalfFrameThenClose,
        "half_frame_then_silence" => Reaction::HalfFrameThenSilence,
        "silence" => Reaction::Silence,
        "delay" => {
            let seconds: f64 = field(given, "seconds")?;
            let delay =
                Duration::try_from_secs_f64(seconds).map_err(|e| bad(given, &e.to_string()))?;
            Reaction::Delay(delay)
        }
        "close" => Reaction::Close,
        "error" => Reaction::Error(error(given)?),
        "wrong_shard" => Reaction::WrongShard(field(given, "shard")?),
        "wrong_host" => Reaction::WrongHost,
        "wrong_tablet" => Reaction::WrongTablet(lie(given)?),
        "garbage" => Reaction::Garbage,
        "oversized_length" => Reaction::OversizedLength,
        "wrong_stream" => Reaction::WrongStream(optional(given, "offset", 1)?),
        _ => return Err(bad(given, "there is no such kind of reaction")),
    })
}

fn lie(given: &Bound<'_, PyDict>) -> PyResult<TabletLie> {
    match field::<String>(given, "lie")?.as_str() {
        "next_shard" => Ok(TabletLie::NextShard),
        "unknown_nodes" => Ok(TabletLie::UnknownNodes),
        "no_replicas" => Ok(TabletLie::NoReplicas),
        "garbage" => Ok(TabletLie::Garbage),
        _ => Err(bad(given, "there is no such lie about a tablet")),
    }
}

/// An error by its code, with plausible fields where the code has some.
fn error(given: &Bound<'_, PyDict>) -> PyResult<ErrorBody> {
    let code: i32 = field(given, "code")?;
    let message: String = optional(given, "message", "injected by a fault rule".to_owned())?;
    let consistency = Consistency::Quorum;
    let received = optional(given, "received", 1)?;
    let block_for = optional(given, "block_for", 2)?;
    let data_present = optional(given, "data_present", false)?;
    let write_type = || -> PyResult<WriteType> {
        Ok(WriteType::from(
            optional(given, "write_type", "SIMPLE".to_owned())?.as_str(),
        ))
    };
    let detail = match code {
        ErrorCode::SERVER_ERROR => ErrorDetail::ServerError,
        ErrorCode::PROTOCOL_ERROR => ErrorDetail::ProtocolError,
        ErrorCode::AUTHENTICATION_ERROR => ErrorDetail::AuthenticationError,
        ErrorCode::UNAVAILABLE => ErrorDetail::Unavailable {
            consistency,
            required: optional(given, "required", 2)?,
            alive: optional(given, "alive", 1)?,
        },
        ErrorCode::OVERLOADED => ErrorDetail::Overloaded,
        ErrorCode::IS_BOOTSTRAPPING => ErrorDetail::IsBootstrapping,
        ErrorCode::TRUNCATE_ERROR => ErrorDetail::TruncateError,
        ErrorCode::WRITE_TIMEOUT => ErrorDetail::WriteTimeout {
            consistency,
            received,
            block_for,
            write_type: write_type()?,
            contentions: None,
        },
        ErrorCode::READ_TIMEOUT => ErrorDetail::ReadTimeout {
            consistency,
            received,
            block_for,
            data_present,
        },
        ErrorCode::READ_FAILURE => ErrorDetail::ReadFailure {
            consistency,
            received,
            block_for,
            failures: Default::default(),
            data_present,
        },
        ErrorCode::WRITE_FAILURE => ErrorDetail::WriteFailure {
            consistency,
            received,
            block_for,
            failures: Default::default(),
            write_type: write_type()?,
        },
        ErrorCode::FUNCTION_FAILURE => ErrorDetail::FunctionFailure {
            keyspace: "ks".into(),
            function: "f".into(),
            argument_types: vec!["int".into()],
        },
        ErrorCode::CDC_WRITE_FAILURE => ErrorDetail::CdcWriteFailure,
        ErrorCode::CAS_WRITE_UNKNOWN => ErrorDetail::CasWriteUnknown {
            consistency,
            received,
            block_for,
        },
        ErrorCode::SYNTAX_ERROR => ErrorDetail::SyntaxError,
        ErrorCode::UNAUTHORIZED => ErrorDetail::Unauthorized,
        ErrorCode::INVALID => ErrorDetail::Invalid,
        ErrorCode::CONFIG_ERROR => ErrorDetail::ConfigError,
        ErrorCode::ALREADY_EXISTS => ErrorDetail::AlreadyExists {
            keyspace: "ks".into(),
            table: "t".into(),
        },
        ErrorCode::UNPREPARED => ErrorDetail::Unprepared {
            id: optional::<Vec<u8>>(given, "id", Vec::new())?.into(),
        },
        // ScyllaDB negotiates this code; 0x4321 is the one it offers.
        0x4321 => ErrorDetail::RateLimitReached {
            code,
            operation: RateLimitOp::Write,
            rejected_by_coordinator: true,
        },
        code => ErrorDetail::Other {
            code,
            rest: Box::default(),
        },
    };
    Ok(ErrorBody::new(message, detail))
}
