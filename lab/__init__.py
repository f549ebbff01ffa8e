"""Offline: backtest, verify, simulate, evaluate."""

if __name__ != "dualgate.lab":
    raise ImportError("import this package as dualgate.lab (run 'make install' first), not as lab: two copies of one module would not share their classes")
