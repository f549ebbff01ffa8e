"""What consumes decisions and evidence: router, archive, report."""

if __name__ != "dualgate.sinks":
    raise ImportError("import this package as dualgate.sinks (run 'make install' first), not as sinks: two copies of one module would not share their classes")
