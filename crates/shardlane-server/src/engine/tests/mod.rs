//! The engine as a whole: CQL in, rows out, on one store.

mod cas;
mod collections;
mod ddl;
mod errors;
mod golden;
mod merging;
mod prepared;
mod robust;
mod selects;
mod system;
mod writes;

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use shardlane_routing::Token;

use super::value::{to_json, uuid_text};
use super::*;

/// A database of one shard, with a clock that the test turns.
pub(super) struct Db {
    pub(super) schema: Arc<Schema>,
    pub(super) store: Store,
    pub(super) topology: Topology,
    pub(super) now_us: i64,
    pub(super) keyspace: Option<String>,
    seed: u64,
}

/// The schema that a cluster begins with, made once: parsing the catalog takes a while in a debug build.
static FIRST_SCHEMA: LazyLock<[Arc<Schema>; 2]> = LazyLock::new(|| {
    [
        Schema::new(Flavour::Scylla),
        Schema::new(Flavour::Cassandra),
    ]
});

pub(super) const START_US: i64 = 1_700_000_000_000_000;

impl Db {
    pub(super) fn new() -> Self {
        let mut db = Self::empty(Flavour::Scylla);
        db.run("CREATE KEYSPACE ks WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3} AND tablets = {'enabled': false}");
        db.run("USE ks");
        db
    }

    pub(super) fn empty(flavour: Flavour) -> Self {
        let node = |last: u8| NodeInfo {
            host_id: [last; 16],
            address: IpAddr::from([127, 0, 0, last]),
            datacenter: "dc1".into(),
            rack: format!("rack{last}"),
            tokens: vec![Token(i64::from(last))],
            schema_version: None,
            shards: 2,
            up: true,
        };
        let topology = Topology {
            cluster_name: "test".into(),
            flavour,
            port: 9042,
            partitioner: "org.apache.cassandra.dht.Murmur3Partitioner".into(),
            local: node(1),
            peers: vec![node(2), node(3)],
            tablets: Vec::new(),
            client_routes: Arc::default(),
        };
        Self {
            schema: FIRST_SCHEMA[usize::from(flavour == Flavour::Cassandra)].clone(),
            store: Store::new(),
            topology,
            now_us: START_US,
            keyspace: None,
            seed: 0,
        }
    }

    pub(super) fn env(&mut self) -> Env {
        self.seed += 1;
        self.now_us += 1;
        Env {
            now_us: self.now_us,
            timestamp_us: self.now_us,
            seed: self.seed,
        }
    }

    pub(super) fn prepare(&self, cql: &str) -> Result<Arc<Prepared>, CqlError> {
        prepare(&self.schema, self.keyspace.as_deref(), cql)
    }

    /// Runs a statement without values.
    pub(super) fn run(&mut self, cql: &str) -> RowsOut {
        self.try_run(cql)
            .unwrap_or_else(|error| panic!("{cql}: {error}"))
    }

    pub(super) fn try_run(&mut self, cql: &str) -> Result<RowsOut, CqlError> {
        let prepared = self.prepare(cql)?;
        self.execute(&prepared, &[])
    }

    /// The error that a statement gives.
    pub(super) fn error(&mut self, cql: &str) -> CqlError {
        self.try_run(cql).expect_err(cql)
    }

    pub(super) fn execute(
        &mut self,
        prepared: &Arc<Prepared>,
        values: &[Bound<'_>],
    ) -> Result<RowsOut, CqlError> {
        let env = self.env();
        let operation = bind(prepared, BoundArgs::Positional(values), &env)?;
        self.perform(operation, &env)
    }

    pub(super) fn perform(&mut self, operation: Operation, env: &Env) -> Result<RowsOut, CqlError> {
        match operation {
            Operation::Write(mutations) => mutations
                .into_iter()
                .for_each(|mutation| self.store.apply(mutation)),
            Operation::Counter(updates) => {
                for update in updates {
                    self.store.apply_counter(&update, [1; 16]);
                }
            }
            Operation::Read(plan) => {
                let run = plan.start(None, None, env)?;
                return self.read(run);
            }
            Operation::Cas(plan) => {
                let read = self.store.read(&plan.read_command(), env.now_us);
                let outcome = plan.decide(read, env)?;
                outcome
                    .mutations
                    .into_iter()
                    .for_each(|mutation| self.store.apply(mutation));
                return Ok(outcome.rows);
            }
            Operation::Ddl(ddl) => {
                let outcome = self.schema.apply(&ddl, env.now_us, env.seed, &["dc1"])?;
                self.schema = outcome.schema;
                self.store.retain_tables(&self.schema);
            }
            Operation::Use(keyspace) => self.keyspace = Some(keyspace),
            Operation::Truncate(table) => self.store.truncate(table),
            Operation::Rows(rows) => return Ok(rows),
            Operation::Void => {}
        }
        Ok(RowsOut {
            columns: Arc::new(Vec::new()),
            rows: Vec::new(),
            paging_state: None,
        })
    }

    pub(super) fn read(&self, mut run: ReadRun) -> Result<RowsOut, CqlError> {
        loop {
            match run.step()? {
                ReadStep::Read(command) => {
                    let result = if run.table().is_virtual {
                        super::system::read_virtual(
                            &self.schema,
                            &self.topology,
                            &command,
                            self.now_us,
                        )
                    } else {
                        merge(&command, vec![self.store.read(&command, self.now_us)])
                    };
                    run.feed(result);
                }
                ReadStep::Done(rows) => return Ok(rows),
            }
        }
    }

    /// One page.
    pub(super) fn page(
        &mut self,
        cql: &str,
        size: usize,
        state: Option<&[u8]>,
    ) -> Result<RowsOut, CqlError> {
        let prepared = self.prepare(cql)?;
        let env = self.env();
        match bind(&prepared, BoundArgs::NONE, &env)? {
            Operation::Read(plan) => {
                let run = plan.start(Some(size), state, &env)?;
                self.read(run)
            }
            other => panic!("{cql} is no SELECT: {other:?}"),
        }
    }

    /// The rows as JSON-like text.
    pub(super) fn rows(&mut self, cql: &str) -> Vec<String> {
        let out = self.run(cql);
        shown(&out)
    }

    /// All pages' rows, and how many pages there were.
    pub(super) fn pages(&mut self, cql: &str, size: usize) -> (Vec<String>, usize) {
        let (mut rows, mut pages, mut state) = (Vec::new(), 0, None);
        loop {
            let page = self
                .page(cql, size, state.as_deref())
                .unwrap_or_else(|error| panic!("{cql}: {error}"));
            assert!(
                page.rows.len() <= size,
                "{cql}: a page of {}",
                page.rows.len()
            );
            rows.extend(shown(&page));
            pages += 1;
            match page.paging_state {
                Some(next) => state = Some(next),
                None => return (rows, pages),
            }
        }
    }
}

pub(super) fn shown(out: &RowsOut) -> Vec<String> {
    let cell = |(at, value): (usize, &Option<value::Bytes>)| {
        to_json(&out.columns[at].cql_type, value.as_deref())
    };
    out.rows
        .iter()
        .map(|row| {
            row.iter()
                .enumerate()
                .map(cell)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

pub(super) fn names(out: &RowsOut) -> Vec<&str> {
    out.columns.iter().map(|column| &*column.name).collect()
}

/// A statement's id as text.
pub(super) fn id_text(prepared: &Prepared) -> String {
    uuid_text(&prepared.id).replace('-', "")
}
