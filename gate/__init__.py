"""The gate: pure statistics, policy and phases, and the Faust agent around them."""

if __name__ != "dualgate.gate":
    raise ImportError("import dualgate.gate, not gate: two copies of a module do not share their classes")
