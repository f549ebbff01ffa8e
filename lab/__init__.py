"""Offline: backtest, verify, simulate, evaluate."""

if __name__ != "dualgate.lab":
    raise ImportError("import this package as dualgate.lab, not as lab: two copies of a module do not share their classes")
