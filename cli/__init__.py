"""The `dualgate` command: one file a group of verbs."""

if __name__ != "dualgate.cli":
    raise ImportError("import this package as dualgate.cli, not as cli: two copies of a module do not share their classes")
