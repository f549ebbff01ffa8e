"""A real single-node Apache Kafka as a child process: jars from Maven Central, Java from the machine or from PyPI."""

from dualgate.cli.broker.process import LocalBroker

__all__ = ["LocalBroker"]
