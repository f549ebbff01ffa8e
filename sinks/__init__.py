"""What consumes decisions and evidence: router, archive, report."""

if __name__ != "dualgate.sinks":
    raise ImportError("import this package as dualgate.sinks, not as sinks: two copies of a module do not share their classes")
