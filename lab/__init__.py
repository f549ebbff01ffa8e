"""Offline: backtest, verify, simulate, evaluate."""

if __name__ != "dualgate.lab":
    raise ImportError("import dualgate.lab, not lab: two copies of a module do not share their classes")
