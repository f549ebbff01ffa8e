"""One migration, offline: an archived log through the same folds as live, with no broker."""

from dualgate.lab.backtest.run import Backtest, backtest

__all__ = ["Backtest", "backtest"]
