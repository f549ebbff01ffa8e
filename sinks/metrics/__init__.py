"""Metrics of all migrations for Prometheus: families made of what `status --json` tells, and the endpoint that serves them."""

from dualgate.sinks.metrics.endpoint import Endpoint
from dualgate.sinks.metrics.families import NAMES, families

__all__ = ["NAMES", "Endpoint", "families"]
