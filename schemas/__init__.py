"""The contract: Avro schemas, frozen records, codec, topic catalogue, migration file, settings, errors."""

if __name__ != "dualgate.schemas":
    raise ImportError("import this package as dualgate.schemas (run 'make install' first), not as schemas: two copies of one module would not share their classes")
