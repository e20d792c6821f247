"""Writes replicas.json: replica placement on random rings by scylla-driver's metadata module.

pip install scylla-driver==3.29.12; python make_replicas.py > replicas.json
"""

import json
import random
import sys
import uuid

from cassandra.metadata import Murmur3Token, NetworkTopologyStrategy, SimpleStrategy
from cassandra.policies import SimpleConvictionPolicy
from cassandra.pool import Host

RANDOM = random.Random(20260101)
DATACENTERS = ["eu", "us", "ap"]


def ring():
    """Random nodes, and the owner of each of their tokens."""
    nodes = []
    for index in range(RANDOM.randint(1, 12)):
        host = Host(f"10.0.0.{index + 1}", SimpleConvictionPolicy, host_id=uuid.UUID(int=index))
        host.set_location_info(
            RANDOM.choice(DATACENTERS[: RANDOM.randint(1, 3)]), f"r{RANDOM.randint(0, 3)}"
        )
        nodes.append(host)
    owners = {}  # token -> index of the node
    for index in range(len(nodes)):
        for _ in range(RANDOM.randint(1, 4)):
            owners[RANDOM.randint(-(2**63) + 1, 2**63 - 1)] = index
    return nodes, dict(sorted(owners.items()))


def case():
    """One cluster and strategy, and where scylla-driver puts the replicas."""
    nodes, owners = ring()
    tokens = [Murmur3Token(token) for token in owners]
    token_to_host = {token: nodes[owners[token.value]] for token in tokens}
    if RANDOM.random() < 0.2:
        options = {"class": "SimpleStrategy", "replication_factor": str(RANDOM.randint(1, 5))}
        strategy = SimpleStrategy({"replication_factor": options["replication_factor"]})
    else:
        factors = {dc: str(RANDOM.randint(0, 5)) for dc in DATACENTERS if RANDOM.random() < 0.8}
        options = {"class": "NetworkTopologyStrategy", **factors}
        strategy = NetworkTopologyStrategy(factors)
    placed = strategy.make_token_replica_map(token_to_host, tokens)
    return {
        "nodes": [[host.datacenter, host.rack] for host in nodes],
        "replication": options,
        "ring": [[token, owner] for token, owner in owners.items()],
        "replicas": [[nodes.index(host) for host in placed[token]] for token in tokens],
    }


cases = ",\n".join(json.dumps(case()) for _ in range(40))
sys.stdout.write(f"[\n{cases}\n]\n")
