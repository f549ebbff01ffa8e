"""The HTTP endpoint: /metrics in the OpenMetrics or Prometheus text format, whichever the scraper asks for.

Beside what it is given it serves memory, processor time and open files of its own process, by the names that all exporters use.
"""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from prometheus_client import ProcessCollector, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from dualgate.schemas.errors import ConfigError


class _Collector(Collector):
    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        yield from self._read()

    def describe(self) -> Iterator[Metric]:
        """Nothing is read when the collector is registered."""
        return iter(())


class Endpoint:
    """Serves what `read` yields at each scrape, while the block runs; ConfigError where the address cannot be taken."""

    def __init__(self, read: Callable[[], Iterable[Metric]], host: str, port: int) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Collector(read))
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"metrics cannot be served on {host}:{port}: {getattr(error, 'strerror', None) or error}") from None

    @property
    def address(self) -> str:
        """Return the URL."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/metrics"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> Any:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
