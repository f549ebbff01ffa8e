"""The contract: Avro schemas, frozen records, codec, topic catalogue, migration file, settings, errors."""

if __name__ != "dualgate.schemas":
    raise ImportError("import dualgate.schemas, not schemas: two copies of a module do not share their classes")
