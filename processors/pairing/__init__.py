"""The co-partitioned join of queries with the answers of both agents: exactly once, with no store.

`positions` says what is committed, `logic` is the fold of one group of partitions, `worker` the shell.
"""
