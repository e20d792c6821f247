"""What the blocking and the asyncio face share: Python that never waits."""
