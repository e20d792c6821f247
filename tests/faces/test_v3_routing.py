"""In protocol v3 servers do not tell the partition key of a statement; the schema does."""

from __future__ import annotations

import uuid


async def test_statements_know_their_partition_key(face):
    async with face.connect(protocol_version=3) as session:
        table = f"keyed_{uuid.uuid4().hex[:8]}"
        await session.execute(
            f'CREATE TABLE {table} (v int, "B" int, a int, c int, PRIMARY KEY (("B", a), c))'
        )
        insert = f'INSERT INTO {table} (c, a, v, "B") VALUES (?, ?, ?, ?)'
        statement = await session.prepare(insert)
        assert statement.partition_key_indexes == (3, 1)
        in_v3 = statement.routing([1, 2, 3, 4])
        half = await session.prepare(f"SELECT * FROM {table} WHERE a = ? ALLOW FILTERING")
        assert half.partition_key_indexes == ()
        assert half.routing([1]) is None
        await session.execute(insert, [1, 2, 3, 4])
    async with face.connect(protocol_version=4) as session:
        statement = await session.prepare(insert)
        assert statement.partition_key_indexes == (3, 1)
        assert statement.routing([1, 2, 3, 4]) == in_v3


async def test_requests_arrive_at_the_right_shard(face, server):
    async with face.connect(protocol_version=3) as session:
        await session.execute("CREATE TABLE right_v3 (id int PRIMARY KEY, v int)")
        statement = await session.prepare("INSERT INTO right_v3 (id, v) VALUES (?, ?)")
        server.reset_stats()
        for number in range(50):
            await session.execute(statement, [number, number])
        stats = server.stats()
        assert stats.total("wrong_node") + stats.total("wrong_shard") == 0, stats
        assert stats.total("right_shard") >= 50
