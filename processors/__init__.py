"""Pairing and scoring: pure folds inside thin Kafka shells."""

if __name__ != "dualgate.processors":
    raise ImportError("import this package as dualgate.processors (run 'make install' first), not as processors: two copies of one module would not share their classes")
