//! CREATE, ALTER and DROP KEYSPACE.

use std::collections::BTreeMap;
use std::sync::Arc;

use shardlane_routing::{ReplicationStrategy, expand_replication_factor};

use super::{ChangeKind, DdlOutcome, Keyspace, Schema, SchemaChange};
use crate::cql::ast::{Drop, KeyspaceDefinition, Properties, PropertyValue};
use crate::engine::error::CqlError;

const LOCATOR: &str = "org.apache.cassandra.locator.";
const STRATEGIES: [&str; 4] = [
    "NetworkTopologyStrategy",
    "SimpleStrategy",
    "LocalStrategy",
    "EverywhereStrategy",
];

/// Below this ScyllaDB warns (`minimum_replication_factor_warn_threshold`).
const MIN_FACTOR_WITHOUT_WARNING: u32 = 3;

/// ScyllaDB's limit on the length of names.
const MAX_NAME_LEN: usize = 48;

/// What WITH says of a keyspace.
struct Settings {
    replication: BTreeMap<String, String>,
    strategy: ReplicationStrategy,
    durable_writes: Option<bool>,
    /// Outer: was there a `tablets` option; inner: the initial count if enabled.
    tablets: Option<Option<u32>>,
    consistency: Option<String>,
    warnings: Vec<String>,
}

impl Schema {
    pub(super) fn create_keyspace(
        self: &Arc<Self>,
        statement: &KeyspaceDefinition,
        now_us: i64,
        datacenters: &[&str],
    ) -> Result<DdlOutcome, CqlError> {
        let name = statement.name.as_str();
        check_name(name, "keyspace")?;
        if is_system(name) {
            return Err(CqlError::invalid("system keyspace is not user-modifiable"));
        }
        let settings = settings(name, &statement.properties, datacenters, None)?;
        let change = SchemaChange::Keyspace(ChangeKind::Created, name.to_owned());
        if self.keyspace(name).is_some() {
            if statement.if_not_exists {
                return Ok(DdlOutcome::existed(self, change, settings.warnings));
            }
            return Err(CqlError::keyspace_exists(name));
        }
        let network = matches!(
            settings.strategy,
            ReplicationStrategy::NetworkTopology { .. }
        );
        let scylla = self.flavour == crate::engine::Flavour::Scylla;
        let tablets = match settings.tablets {
            Some(Some(_)) if !network => {
                return Err(CqlError::config(format!(
                    "Replication strategy {} doesn't support tablet replication",
                    settings.replication["class"].trim_start_matches(LOCATOR)
                )));
            }
            Some(tablets) => tablets,
            // Opt-in, as with `enable_tablets: false` in scylla.yaml: everything here works without them,
            // and counters do not work with them.
            None => None,
        };
        let mut warnings = settings.warnings;
        if !scylla {
            warnings.clear();
        } else if tablets.is_some() && !self.lwt_with_tablets {
            warnings.insert(
                0,
                "Tables in this keyspace will be replicated using Tablets and will not support CDC, LWT and counters \
                 features. To use CDC, LWT or counters, drop this keyspace and re-create it without tablets by adding \
                 AND TABLETS = {'enabled': false} to the CREATE KEYSPACE statement."
                    .to_owned(),
            );
        }
        let keyspace = Keyspace {
            name: name.into(),
            replication: settings.replication,
            strategy: settings.strategy,
            durable_writes: settings.durable_writes.unwrap_or(true),
            tablets,
            consistency: settings.consistency,
            types: BTreeMap::new(),
            tables: BTreeMap::new(),
            views: BTreeMap::new(),
            functions: Vec::new(),
            aggregates: Vec::new(),
        };
        Ok(DdlOutcome {
            warnings,
            ..self.changed(keyspace, change, now_us)
        })
    }

    pub(super) fn alter_keyspace(
        self: &Arc<Self>,
        statement: &KeyspaceDefinition,
        now_us: i64,
        datacenters: &[&str],
    ) -> Result<DdlOutcome, CqlError> {
        let name = statement.name.as_str();
        let old = self
            .keyspace(name)
            .ok_or_else(|| CqlError::invalid(format!("Unknown keyspace {name}")))?;
        if is_system(name) {
            return Err(CqlError::unauthorized(format!(
                "{name} keyspace is not user-modifiable."
            )));
        }
        let settings = settings(name, &statement.properties, datacenters, Some(old))?;
        let mut keyspace = (**old).clone();
        keyspace.replication = settings.replication;
        keyspace.strategy = settings.strategy;
        keyspace.durable_writes = settings.durable_writes.unwrap_or(keyspace.durable_writes);
        if let Some(tablets) = settings.tablets {
            if tablets.is_some() != keyspace.tablets.is_some() {
                return Err(CqlError::invalid(
                    "Cannot alter replication strategy vnode/tablets flavor",
                ));
            }
            keyspace.tablets = tablets;
        }
        let change = SchemaChange::Keyspace(ChangeKind::Updated, name.to_owned());
        Ok(DdlOutcome {
            warnings: settings.warnings,
            ..self.changed(keyspace, change, now_us)
        })
    }

    pub(super) fn drop_keyspace(
        self: &Arc<Self>,
        statement: &Drop,
        now_us: i64,
    ) -> Result<DdlOutcome, CqlError> {
        let name = statement.name.name.as_str();
        if is_system(name) {
            return Err(CqlError::unauthorized(format!(
                "{name} keyspace is not user-modifiable."
            )));
        }
        if self.keyspace(name).is_none() {
            if statement.if_exists {
                return Ok(DdlOutcome::unchanged(self));
            }
            return Err(CqlError::config(format!(
                "Cannot drop non existing keyspace '{name}'."
            )));
        }
        let change = SchemaChange::Keyspace(ChangeKind::Dropped, name.to_owned());
        let schema = self.without_keyspace(name, now_us);
        Ok(DdlOutcome {
            schema,
            result: Some(change.clone()),
            events: vec![change],
            warnings: Vec::new(),
        })
    }
}

/// Keyspaces that belong to the server.
pub(crate) fn is_system(name: &str) -> bool {
    matches!(
        name,
        "system"
            | "system_schema"
            | "system_auth"
            | "system_traces"
            | "system_distributed"
            | "system_distributed_everywhere"
            | "system_virtual_schema"
            | "system_views"
    )
}

/// Names are made of word characters and are not too long.
pub(super) fn check_name(name: &str, what: &str) -> Result<(), CqlError> {
    let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
    if legal && name.len() <= MAX_NAME_LEN {
        return Ok(());
    }
    Err(CqlError::invalid(format!(
        "\"{name}\" is not a valid {what} name (must be alphanumeric character or underscore only, and at most \
         {MAX_NAME_LEN} long)"
    )))
}

fn settings(
    name: &str,
    properties: &Properties,
    datacenters: &[&str],
    old: Option<&Arc<Keyspace>>,
) -> Result<Settings, CqlError> {
    let mut replication = None;
    let mut durable_writes = None;
    let mut tablets = None;
    let mut consistency = None;
    for (option, value) in properties {
        match (option.as_str(), value) {
            ("replication", PropertyValue::Map(entries)) => replication = Some(entries),
            ("durable_writes", PropertyValue::Scalar(text)) => {
                durable_writes = Some(text == "true")
            }
            ("tablets", PropertyValue::Map(entries)) => tablets = Some(tablet_option(entries)?),
            ("storage", PropertyValue::Map(_)) => {}
            ("consistency", PropertyValue::Scalar(text)) => consistency = Some(mode(text)?),
            _ => return Err(CqlError::syntax(format!("Unknown property '{option}'"))),
        }
    }
    let options = match (replication, old) {
        (Some(entries), _) => entries.iter().cloned().collect(),
        (None, Some(old)) => old.replication.clone(),
        (None, None) => {
            return Err(CqlError::config(
                "Missing mandatory replication strategy class".to_owned(),
            ));
        }
    };
    let mut options: BTreeMap<String, String> = options;
    let class = options.get("class").cloned();
    let class =
        class.ok_or_else(|| CqlError::config("Missing mandatory replication strategy class"))?;
    let short = class.strip_prefix(LOCATOR).unwrap_or(&class);
    if !STRATEGIES.contains(&short) {
        return Err(CqlError::config(format!("unable to find class '{class}'")));
    }
    let mut warnings = Vec::new();
    if short == "SimpleStrategy" && replication.is_some() {
        warnings.push(format!(
            "SimpleStrategy replication class is not recommended, but was used for keyspace {name}. You may suppress \
             this warning by delisting SimpleStrategy from replication_strategy_warn_list configuration option, or \
             make it into an error by listing this replication strategy on replication_strategy_fail_list."
        ));
    }
    for (option, factor) in options.iter().filter(|(option, _)| *option != "class") {
        let parsed: Option<u32> = factor.parse().ok();
        let Some(parsed) = parsed else {
            return Err(CqlError::config(format!(
                "Replication factor must be numeric; found '{factor}'"
            )));
        };
        if parsed < MIN_FACTOR_WITHOUT_WARNING && parsed > 0 && replication.is_some() {
            warnings.push(format!(
                "Using Replication Factor {option}={parsed} lower than the \
                 minimum_replication_factor_warn_threshold={MIN_FACTOR_WITHOUT_WARNING} is not recommended."
            ));
        }
    }
    if short == "NetworkTopologyStrategy" {
        expand_replication_factor(&mut options, datacenters.iter().copied());
        if let Some(unknown) = options
            .keys()
            .find(|k| *k != "class" && !datacenters.contains(&k.as_str()))
        {
            return Err(CqlError::config(format!(
                "Unrecognized strategy option {{{unknown}}} passed to NetworkTopologyStrategy for keyspace {name}"
            )));
        }
    }
    options.insert("class".to_owned(), format!("{LOCATOR}{short}"));
    let strategy = ReplicationStrategy::parse(&options)
        .map_err(|error| CqlError::config(error.to_string()))?;
    Ok(Settings {
        replication: options,
        strategy,
        durable_writes,
        tablets,
        consistency,
        warnings,
    })
}

/// How consistent a keyspace is: `global` has a leader for each tablet.
fn mode(text: &str) -> Result<String, CqlError> {
    match text {
        "eventual" | "global" => Ok(text.to_owned()),
        other => Err(CqlError::config(format!(
            "Incorrect value for consistency: '{other}'. Supported values: eventual, global"
        ))),
    }
}

fn tablet_option(entries: &[(String, String)]) -> Result<Option<u32>, CqlError> {
    let mut enabled = true;
    let mut initial = 0;
    for (key, value) in entries {
        match key.as_str() {
            "enabled" if value == "true" || value == "false" => enabled = value == "true",
            "initial" => {
                initial = value.parse().map_err(|_| {
                    CqlError::config(format!(
                        "Initial number of tablets expected to be numeric, got '{value}'"
                    ))
                })?;
            }
            _ => {
                return Err(CqlError::config(format!(
                    "Unknown sub-option '{key}' for 'tablets'"
                )));
            }
        }
    }
    Ok(enabled.then_some(initial))
}
