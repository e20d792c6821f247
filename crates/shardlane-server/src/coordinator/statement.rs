//! Statements: QUERY, PREPARE, EXECUTE and BATCH, from text or id to an operation under way.

use std::rc::Rc;
use std::sync::Arc;

use shardlane_wire::request::{Batch, BatchQuery, BatchType, Execute, Prepare, Query, QueryParams};
use shardlane_wire::{
    BoundValues, Consistency, ErrorBody, ResultBody, SerialConsistency, Value, WriteType,
};

use super::cas::{LeadCas, LeadWork, Leading};
use super::errors;
use super::task::{Client, MetadataWish, Origin};
use super::write::WriteOrder;
use crate::cluster::shared::now_us;
use crate::engine::{
    BatchKind, BatchStatement, Bound, BoundArgs, Env, Operation, Prepared, bind, bind_batch,
    prepare,
};
use crate::net::connection::ConnectionKey;
use crate::node::shard::Shard;
use crate::node::statements::{LocalStatement, Statement};

/// What a request says besides its statement.
#[derive(Debug, Clone, Copy)]
struct Terms<'a> {
    consistency: Consistency,
    serial: SerialConsistency,
    write_type: &'a WriteType,
    page_size: Option<usize>,
    paging_state: Option<&'a [u8]>,
}

impl<'a> Terms<'a> {
    fn of(params: &QueryParams<'a>) -> Self {
        Self {
            consistency: params.consistency,
            serial: params
                .serial_consistency
                .unwrap_or(SerialConsistency::Serial),
            write_type: &WriteType::Simple,
            // Drivers say "no paging" by zero or less.
            page_size: params
                .page_size
                .and_then(|size| usize::try_from(size).ok())
                .filter(|s| *s > 0),
            paging_state: params.paging_state,
        }
    }
}

impl Shard {
    pub(crate) fn on_prepare(&mut self, client: &Client, request: &Prepare<'_>) {
        let keyspace = self.keyspace(client.connection, request.keyspace);
        match prepare(&self.view.schema, keyspace.as_deref(), request.text) {
            Ok(prepared) => {
                let statement = Arc::new(Statement::new(prepared));
                self.node.statements.insert(Arc::clone(&statement));
                self.respond_prepared(client, &statement);
            }
            Err(error) => self.respond_error(client, errors::from_engine(error)),
        }
    }

    pub(crate) fn on_query(&mut self, mut client: Client, query: &Query<'_>) {
        let statement =
            match self.statement_of_text(client.connection, query.params.keyspace, query.text) {
                Ok(statement) => statement,
                Err(error) => return self.respond_error(&client, error),
            };
        client.statement = Some(Rc::clone(&statement));
        self.trace(|| "Processing a statement".to_owned());
        self.execute(client, &statement, &query.params, None);
    }

    pub(crate) fn on_execute(&mut self, mut client: Client, execute: &Execute<'_>) {
        let statement = match self.statement_of_id(execute.id) {
            Ok(statement) => statement,
            Err(error) => return self.respond_error(&client, error),
        };
        let columns = statement.result.as_ref();
        client.metadata = match (execute.result_metadata_id, columns) {
            (Some(id), Some(columns)) if *id != columns.id => MetadataWish::Changed,
            _ if execute.params.skip_metadata => MetadataWish::None,
            _ => MetadataWish::Full,
        };
        self.trace_statements(std::iter::once(&statement));
        client.statement = Some(Rc::clone(&statement));
        self.execute(client, &statement, &execute.params, Some(execute));
    }

    fn execute(
        &mut self,
        mut client: Client,
        statement: &LocalStatement,
        params: &QueryParams<'_>,
        execute: Option<&Execute<'_>>,
    ) {
        let env = self.env(params.timestamp, params.now_in_seconds);
        let operation = match bind_values(&statement.prepared, &params.values, &env) {
            Ok(operation) => operation,
            Err(error) => return self.respond_error(&client, error),
        };
        client.tablet = execute
            .and_then(|execute| {
                let arrived = self.count_arrival(&operation)?;
                Some(self.tablet_note(&client, arrived, execute.tablet_block))
            })
            .unwrap_or_default();
        self.start(client, operation, Terms::of(params), &env);
    }

    pub(crate) fn on_batch(&mut self, client: Client, batch: &Batch<'_>) {
        let env = self.env(batch.timestamp, batch.now_in_seconds);
        let mut is_routable = true;
        let mut statements = Vec::with_capacity(usize::from(batch.statements.count));
        for item in batch.statements.iter() {
            let found = item
                .map_err(|error| errors::protocol(error.to_string()))
                .and_then(|item| {
                    let statement = match item.query {
                        BatchQuery::Text(text) => {
                            is_routable = false;
                            self.statement_of_text(client.connection, batch.keyspace, text)?
                        }
                        BatchQuery::Prepared(id) => self.statement_of_id(id)?,
                    };
                    Ok((statement, bounds(&item.values)?))
                });
            match found {
                Ok(found) => statements.push(found),
                Err(error) => return self.respond_error(&client, error),
            }
        }
        self.trace_statements(statements.iter().map(|(statement, _)| statement));
        let (kind, write_type) = match batch.batch_type {
            BatchType::Logged => (BatchKind::Logged, WriteType::Batch),
            BatchType::Unlogged => (BatchKind::Unlogged, WriteType::UnloggedBatch),
            BatchType::Counter => (BatchKind::Counter, WriteType::Counter),
        };
        let bound: Vec<BatchStatement<'_>> = statements
            .iter()
            .map(|(statement, values)| BatchStatement {
                prepared: &statement.prepared,
                args: BoundArgs::Positional(values),
            })
            .collect();
        let operation = match bind_batch(kind, &bound, &env) {
            Ok(operation) => operation,
            Err(error) => return self.respond_error(&client, errors::from_engine(error)),
        };
        if is_routable {
            self.count_arrival(&operation);
        }
        let terms = Terms {
            consistency: batch.consistency,
            serial: batch
                .serial_consistency
                .unwrap_or(SerialConsistency::Serial),
            write_type: &write_type,
            page_size: None,
            paging_state: None,
        };
        self.start(client, operation, terms, &env);
    }

    /// Sets an operation going.
    fn start(&mut self, client: Client, operation: Operation, terms: Terms<'_>, env: &Env) {
        let consistency = terms.consistency;
        let is_serial = matches!(consistency, Consistency::Serial | Consistency::LocalSerial);
        let is_write = matches!(operation, Operation::Write(_) | Operation::Counter(_));
        if is_write && is_serial {
            let message = "You must use conditional updates for serializable writes";
            return self.respond_error(&client, errors::invalid(message));
        }
        if let Some(error) = self.over_limit(&client, &operation, consistency, terms.write_type) {
            return self.respond_error(&client, error);
        }
        match operation {
            Operation::Read(plan) => {
                if consistency == Consistency::Any {
                    let message = "ANY ConsistencyLevel is only supported for writes";
                    return self.respond_error(&client, errors::invalid(message));
                }
                match plan.start(terms.page_size, terms.paging_state, env) {
                    Ok(run) => self.drive(Origin::Client(client), Box::new(run), consistency),
                    Err(error) => self.respond_error(&client, errors::from_engine(error)),
                }
            }
            Operation::Write(mutations) => {
                let order = WriteOrder {
                    mutations,
                    level: consistency,
                    consistency,
                    write_type: terms.write_type.clone(),
                    rows: None,
                };
                self.write(Origin::Client(client), None, order);
            }
            Operation::Counter(updates) => {
                self.count(Origin::Client(client), updates, consistency);
            }
            Operation::Cas(plan) => {
                let serial = terms.serial;
                let lead = LeadCas {
                    plan,
                    consistency,
                    serial,
                    seed: env.seed,
                };
                let work = LeadWork::Cas(Box::new(lead));
                self.lead(Leading {
                    origin: Origin::Client(client),
                    work,
                });
            }
            Operation::Ddl(ddl) => self.alter(&client, &ddl),
            Operation::Truncate(table) => self.truncate(client, table),
            Operation::Use(keyspace) => {
                if let Some(connection) = self.connection(client.connection) {
                    connection.keyspace = Some(Arc::from(&*keyspace));
                }
                self.respond_result(&client, ResultBody::SetKeyspace(&keyspace), &[]);
            }
            Operation::Rows(rows) => {
                self.respond_outcome(&client, Ok(super::replica::Outcome::Rows(rows)));
            }
            Operation::Void => self.respond_result(&client, ResultBody::Void, &[]),
        }
    }

    pub(crate) fn env(&mut self, timestamp: Option<i64>, now_in_seconds: Option<i32>) -> Env {
        let now = now_in_seconds.map_or_else(now_us, |seconds| i64::from(seconds) * 1_000_000);
        let timestamp_us = timestamp.unwrap_or_else(|| self.timestamp());
        Env {
            now_us: now,
            timestamp_us,
            seed: self.rng.next_u64(),
        }
    }

    /// The keyspace of unqualified names: the one that the request names, or else the connection's.
    fn keyspace(&mut self, key: ConnectionKey, named: Option<&str>) -> Option<Arc<str>> {
        if let Some(named) = named {
            return Some(named.into());
        }
        self.connection(key)
            .and_then(|connection| connection.keyspace.clone())
    }

    fn statement_of_text(
        &mut self,
        key: ConnectionKey,
        keyspace: Option<&str>,
        text: &str,
    ) -> Result<LocalStatement, ErrorBody> {
        let keyspace = self.keyspace(key, keyspace);
        if let Some(known) = self
            .statements
            .text(keyspace.as_ref(), text, &self.view.schema)
        {
            return Ok(known);
        }
        let prepared =
            prepare(&self.view.schema, keyspace.as_deref(), text).map_err(errors::from_engine)?;
        let statement = Rc::new(Arc::new(Statement::new(prepared)));
        self.statements
            .remember_text(keyspace.as_ref(), text, &statement);
        Ok(statement)
    }

    fn statement_of_id(&mut self, id: &[u8]) -> Result<LocalStatement, ErrorBody> {
        let key = errors::statement_id(id)?;
        let found = self.statements.get(&self.node.statements, &key);
        let statement = found.ok_or_else(|| errors::unprepared(id))?;
        if !statement.prepared.is_current(&self.view.schema) {
            self.node.statements.remove(&key);
            return Err(errors::unprepared(id));
        }
        Ok(statement)
    }
}

const fn bound(value: Value<'_>) -> Bound<'_> {
    match value {
        Value::Bytes(bytes) => Bound::Value(bytes),
        Value::Null => Bound::Null,
        Value::Unset => Bound::Unset,
    }
}

fn bounds<'a>(values: &BoundValues<'a>) -> Result<Vec<Bound<'a>>, ErrorBody> {
    let each = values
        .iter()
        .map(|item| item.map(|(_, value)| bound(value)));
    each.collect::<Result<_, _>>()
        .map_err(|error| errors::protocol(error.to_string()))
}

fn bind_values(
    prepared: &Arc<Prepared>,
    values: &BoundValues<'_>,
    env: &Env,
) -> Result<Operation, ErrorBody> {
    if !values.named {
        let positional = bounds(values)?;
        return bind(prepared, BoundArgs::Positional(&positional), env)
            .map_err(errors::from_engine);
    }
    let each = values
        .iter()
        .map(|item| item.map(|(name, value)| (name.unwrap_or_default(), bound(value))));
    let named: Vec<_> = each
        .collect::<Result<_, _>>()
        .map_err(|error: shardlane_wire::WireError| errors::protocol(error.to_string()))?;
    bind(prepared, BoundArgs::Named(&named), env).map_err(errors::from_engine)
}
