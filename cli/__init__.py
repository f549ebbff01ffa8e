"""The `dualgate` command: one file a group of verbs."""

if __name__ != "dualgate.cli":
    raise ImportError("import dualgate.cli, not cli: two copies of a module do not share their classes")
