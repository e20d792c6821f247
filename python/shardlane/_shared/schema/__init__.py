"""The schema as the server's system tables tell it, and the CQL that makes it again."""
