"""Pairing and scoring: pure folds inside thin Kafka shells."""

if __name__ != "dualgate.processors":
    raise ImportError("import dualgate.processors, not processors: two copies of a module do not share their classes")
