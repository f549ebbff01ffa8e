"""The `dualgate` command: one file a group of verbs."""

if __name__ != "dualgate.cli":
    raise ImportError("import this package as dualgate.cli (run 'make install' first), not as cli: two copies of one module would not share their classes")
