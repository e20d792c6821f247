"""Measures shardlane beside other drivers, on the embedded cluster: ``python -m benchmarks``."""
