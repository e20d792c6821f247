# ruff: noqa: B018
"""Mistakes that a type checker finds: each line marked with an expected error code has one."""

import shardlane
from shardlane import aio
from shardlane.testing import Cluster, faults

session = shardlane.connect("127.0.0.1")

shardlane.connect(5)  # E: call-overload
shardlane.connect("a", timeout="soon")  # E: call-overload
shardlane.connect("a", retries=5)  # E: call-overload
session.execute(5)  # E: call-overload
session.execute("q", 5)  # E: call-overload
session.execute("q", row_factory="list")  # E: call-overload
session.execute("q", row_factory=5)  # E: call-overload
session.execute("q", pagesize=5)  # E: call-overload
session.execute("q", page_size="many")  # E: call-overload
session.execute("q").one().name  # E: union-attr
session.execute("q").nothing  # E: attr-defined
session.keyspace = "ks"  # E: misc
shardlane.Batch().add(5)  # E: arg-type
shardlane.Cluster("a", keyspace="ks")  # E: call-arg
session.cluster.register_udt("ks", "t", 5)  # E: arg-type
session.cluster.register_codec("int", encode=5)  # E: arg-type
session.cluster.schema(5)  # E: arg-type
session.cluster.schema()["ks"] = None  # E: index
faults.opcode(5)  # E: arg-type
Cluster(nodes="three")  # E: arg-type


async def awaiting() -> None:
    async with aio.connect("a") as other:
        other.execute("q").one()  # E: attr-defined
        for _ in other.execute("q"):  # E: attr-defined
            pass
    aio.connect("a").execute("q")  # E: attr-defined
