"""The gate: pure statistics, policy and phases, and the Faust agent around them."""

if __name__ != "dualgate.gate":
    raise ImportError("import this package as dualgate.gate (run 'make install' first), not as gate: two copies of one module would not share their classes")
