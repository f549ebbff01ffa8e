"""The gate: pure statistics, policy and phases, and the Faust agent around them."""

if __name__ != "dualgate.gate":
    raise ImportError("import this package as dualgate.gate, not as gate: two copies of a module do not share their classes")
