"""The contract: Avro schemas, frozen records, codec, topic catalogue, migration file, settings, errors."""

if __name__ != "dualgate.schemas":
    raise ImportError(
        "import this package as dualgate.schemas, not as schemas: two copies of a module do not share their classes"
    )
