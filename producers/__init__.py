"""What puts traffic on topics: publisher, replay of archived logs, workload generator, imports."""

if __name__ != "dualgate.producers":
    raise ImportError("import this package as dualgate.producers (run 'make install' first), not as producers: two copies of one module would not share their classes")
