"""scylla-driver, doing what a test asks for. Run as a program: HOST PORT.

Reads pickles of a method's name and its arguments; answers with pickles of what it returned, or of
what it raised.
"""

import os
import pickle
import sys
import time
import traceback
from typing import Any

from cassandra import util
from cassandra.cluster import Cluster
from neutral import made, neutral

MAKERS = {
    "$date": util.Date,
    "$time": util.Time,
    "$timestamp": int,
    "$duration": util.Duration,
}


def special(value: Any) -> Any:
    if isinstance(value, util.Date):
        return ("$date", value.days_from_epoch)
    if isinstance(value, util.Time):
        return ("$time", value.nanosecond_time)
    if isinstance(value, util.Duration):
        return ("$duration", value.months, value.days, value.nanoseconds)
    if isinstance(value, util.SortedSet):
        # Its sets hold lists; elsewhere those are tuples, as they have to be hashable.
        items = [tuple(item) if isinstance(item, list) else item for item in value]
        return ("$set", sorted((neutral(item, special) for item in items), key=repr))
    return None


class Service:
    def __init__(self, host: str, port: int) -> None:
        self._cluster = Cluster([host], port=port, connect_timeout=20)
        self._session = self._cluster.connect("app")
        self._session.default_timeout = 20
        self._await_shards()
        self._prepared: dict[str, Any] = {}

    def _await_shards(self) -> None:
        """Connecting ends with the first node; what the others say of their shards comes later."""
        hosts = self._cluster.metadata.all_hosts()
        ends_at = time.monotonic() + 20
        while len({host.sharding_info is None for host in hosts}) > 1:
            assert time.monotonic() < ends_at, "a node has not told of its shards"
            time.sleep(0.005)

    def _prepare(self, cql: str) -> Any:
        if cql not in self._prepared:
            self._prepared[cql] = self._session.prepare(cql)
        return self._prepared[cql]

    def execute(self, cql: str, parameters: Any = None) -> Any:
        """All rows."""
        statement = cql if parameters is None else self._prepare(cql)
        rows = self._session.execute(statement, parameters and made(parameters, MAKERS))
        return [[neutral(value, special) for value in row] for row in rows]

    def columns(self, cql: str) -> Any:
        """Names and types of the columns of a result, the latter by names of its own."""
        result = self._session.execute(cql)
        types = [cql_type.cql_parameterized_type() for cql_type in result.column_types]
        return list(zip(result.column_names, types, strict=True))

    def routes(self, keyspace: str, cql: str, keys: list[Any]) -> Any:
        """Of each key: the routing key, the token, and the address and shard of each replica."""
        self._cluster.refresh_keyspace_metadata(keyspace)
        metadata = self._cluster.metadata
        found = []
        for key in keys:
            routing_key = self._prepare(cql).bind(made(key, MAKERS)).routing_key
            token = metadata.token_map.token_class.from_key(routing_key).value
            replicas = {
                host.address: host.sharding_info and host.sharding_info.shard_id_from_token(token)
                for host in metadata.get_replicas(keyspace, routing_key)
            }
            found.append((routing_key, token, replicas))
        return found

    def schema(self, keyspace: str) -> Any:
        """What it has read of a keyspace, as plain values."""
        self._cluster.refresh_keyspace_metadata(keyspace)
        known = self._cluster.metadata.keyspaces[keyspace]

        def table(of: Any) -> Any:
            return {
                "partition_key": [column.name for column in of.partition_key],
                "clustering": [(c.name, c.is_reversed) for c in of.clustering_key],
                "columns": {c.name: (c.cql_type, c.is_static) for c in of.columns.values()},
            }

        return {
            "types": {
                name: dict(zip(t.field_names, t.field_types, strict=True))
                for name, t in known.user_types.items()
            },
            "tables": {name: table(t) for name, t in known.tables.items()},
            "indexes": {
                (t.name, i.name): i.index_options["target"]
                for t in known.tables.values()
                for i in t.indexes.values()
            },
            "views": {
                name: (table(v), v.base_table_name, v.include_all_columns, v.where_clause)
                for name, v in known.views.items()
            },
            "functions": {
                (f.name, tuple(f.argument_types)): (f.argument_names, f.return_type, f.body)
                for f in known.functions.values()
            },
            "aggregates": {
                (a.name, tuple(a.argument_types)): (a.state_func, a.state_type, a.initial_condition)
                for a in known.aggregates.values()
            },
        }


def main() -> None:
    # What anything prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    service = Service(sys.argv[1], int(sys.argv[2]))
    while True:
        try:
            method, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            os._exit(0)  # exiting in good order may take it five seconds
        answer: Any
        try:
            answer = (True, getattr(service, method)(*arguments))
        except Exception:
            answer = (False, traceback.format_exc())
        pickle.dump(answer, answers)
        answers.flush()


main()
