//! Changes of the schema, and TRUNCATE.

use std::rc::Rc;

use shardlane_wire::event::{Event, SchemaChange as WireChange, SchemaChangeKind, SchemaTarget};
use shardlane_wire::{Consistency, ResultBody, WriteType};

use super::errors;
use super::message::Work;
use super::quota::{Quota, Unavailable};
use super::task::{Client, Origin, Patience, Task, TaskKind, WriteTask};
use crate::engine::{ChangeKind, Ddl, SchemaChange, TableId};
use crate::node::shard::{Shard, ShardId};

impl Shard {
    /// Applies DDL: all nodes see the new schema from their next request on.
    pub(crate) fn alter(&mut self, client: &Client, ddl: &Ddl) {
        let (timestamp, seed) = (self.shared.unique_timestamp(), self.shared.seed());
        let view = Rc::clone(&self.view);
        let datacenters: Vec<&str> = view.datacenters.iter().map(|name| &**name).collect();
        let outcome = self.shared.change_schema(|schema| {
            let outcome = schema.apply(ddl, timestamp, seed, &datacenters)?;
            Ok((outcome.schema.clone(), outcome))
        });
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return self.respond_error(client, errors::from_engine(error)),
        };
        self.refresh();
        for change in &outcome.events {
            self.shared
                .notify(Event::SchemaChange(wire_change(change)), None);
        }
        let warnings: Vec<&str> = outcome.warnings.iter().map(String::as_str).collect();
        let body = outcome.result.as_ref().map_or(ResultBody::Void, |change| {
            ResultBody::SchemaChange(wire_change(change))
        });
        self.respond_result(client, body, &warnings);
    }

    /// Forgets a table's rows everywhere, for which every node must be up.
    pub(crate) fn truncate(&mut self, client: Client, table: TableId) {
        let view = Rc::clone(&self.view);
        let members: Vec<_> = view.members.iter().flatten().collect();
        let alive = members.iter().filter(|member| member.is_live()).count() as u32;
        let (consistency, required) = (Consistency::All, members.len() as u32);
        if alive < required {
            let seen = Unavailable {
                consistency,
                required,
                alive,
            };
            return self.respond_error(&client, errors::unavailable(seen));
        }
        let shards: Vec<ShardId> = members
            .iter()
            .flat_map(|member| {
                let count = member.shards.len() as u16;
                (0..count).map(|shard| ShardId {
                    node: member.index,
                    shard,
                })
            })
            .filter(|shard| *shard != self.id)
            .collect();
        self.store.truncate(table);
        if shards.is_empty() {
            return self.respond_result(&client, ResultBody::Void, &[]);
        }
        let kind = TaskKind::Write(WriteTask {
            quotas: vec![Quota::one(); shards.len()],
            open: shards.len(),
            consistency,
            write_type: WriteType::Simple,
            rows: None,
        });
        let task = Task {
            origin: Origin::Client(client),
            lock: None,
            kind,
        };
        let key = self.tasks.insert(task, Patience::Range, self.now);
        for (part, shard) in (0..).zip(shards) {
            let reply = self.reply_to(key, part);
            self.send(shard, Work::Truncate(table), Some(reply));
        }
    }
}

fn wire_change(change: &SchemaChange) -> WireChange {
    let kind = |kind: &ChangeKind| match kind {
        ChangeKind::Created => SchemaChangeKind::Created,
        ChangeKind::Updated => SchemaChangeKind::Updated,
        ChangeKind::Dropped => SchemaChangeKind::Dropped,
    };
    let (change, keyspace, target) = match change {
        SchemaChange::Keyspace(change, keyspace) => (change, keyspace, SchemaTarget::Keyspace),
        SchemaChange::Table(change, keyspace, name) => {
            (change, keyspace, SchemaTarget::Table(name.as_str().into()))
        }
        SchemaChange::Type(change, keyspace, name) => {
            (change, keyspace, SchemaTarget::Type(name.as_str().into()))
        }
        SchemaChange::Function(change, keyspace, name, arguments) => {
            let argument_types = arguments.iter().map(|name| name.as_str().into()).collect();
            (
                change,
                keyspace,
                SchemaTarget::Function {
                    name: name.as_str().into(),
                    argument_types,
                },
            )
        }
        SchemaChange::Aggregate(change, keyspace, name, arguments) => {
            let argument_types = arguments.iter().map(|name| name.as_str().into()).collect();
            let name = name.as_str().into();
            (
                change,
                keyspace,
                SchemaTarget::Aggregate {
                    name,
                    argument_types,
                },
            )
        }
    };
    WireChange {
        kind: kind(change),
        keyspace: keyspace.as_str().into(),
        target,
    }
}
