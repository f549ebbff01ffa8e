"""What consumes decisions and evidence: router, archive, metrics, notifications, report."""

if __name__ != "dualgate.sinks":
    raise ImportError("import dualgate.sinks, not sinks: two copies of a module do not share their classes")
