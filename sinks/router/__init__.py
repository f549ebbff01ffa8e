"""The router: obeys the gate's routing commands, and serves the incumbent whenever it is in doubt."""

from dualgate.sinks.router.router import Router
from dualgate.sinks.router.table import RouterState, RoutingTable

__all__ = ["Router", "RouterState", "RoutingTable"]
