"""One local Apache Kafka: format, start, wait until it serves, stop."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from dualgate.cli.broker.child import spawn
from dualgate.cli.broker.config import HOST, Ports, free_ports, new_cluster_id, server_properties
from dualgate.cli.broker.jars import class_path
from dualgate.cli.broker.java import Java, find_java
from dualgate.schemas.errors import ConfigError, StateError, TransientError

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0
PORT_TRIES = 5
_LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")


class PortTaken(TransientError):
    """Another program listens on the port that the broker was to use."""


class LocalBroker:
    """A single-node Apache Kafka on a loopback port, for the time of a `with` block.

    The directory (temporary and removed at the end unless given) keeps its records across `stop` or `kill` and
    `start`; the port, once chosen, stays. A tied broker dies with this process, however that ends.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        port: int = 0,
        *,
        heap: str = "512m",
        settings: Mapping[str, str] | None = None,
        java: Java | None = None,
        tied: bool = True,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.temporary = directory is None
        self.directory = Path(directory).absolute() if directory else Path(tempfile.mkdtemp(prefix="dualgate-kafka-"))
        self.port = port
        self._heap = heap
        self._settings = dict(settings or {})
        self._java = java
        self._tied = tied
        self._progress = progress
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Return the address for clients; StateError before the first start."""
        if not self.port:
            raise StateError("the local broker has no port before its first start")
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """Return the file that has the broker's own log."""
        return self.directory / "broker.log"

    @property
    def alive(self) -> bool:
        """Return whether the broker's process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Return the process id of the last start; StateError before the first."""
        if self._process is None:
            raise StateError("the local broker has no process before its first start")
        return self._process.pid

    def start(self) -> "LocalBroker":
        """Start and wait until the broker serves; does nothing where it already runs.

        Raises PortTaken or TransientError with the last lines of the log, ConfigError where there is no Java.
        """
        if self.alive:
            return self
        java = self._java = self._java or find_java()
        jars = os.pathsep.join(map(str, class_path(progress=self._progress)))
        # Java unpacks native libraries into its folder of temporary files, and leaves them there when it is killed.
        command = [str(java.executable), *_LOGGING, f"-Djava.io.tmpdir={self.directory}", "-cp", jars]
        self.make_directory()
        for left in reversed(range(1 if self.port else PORT_TRIES)):
            try:
                return self._start_on(free_ports(self.port), command)
            except PortTaken:
                if not left:
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def make_directory(self) -> None:
        """Make the directory; ConfigError with its path where that cannot be."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"broker directory {self.directory}: {error.strerror}; give one that can be written") from None

    def _start_on(self, ports: Ports, command: list[str]) -> "LocalBroker":
        properties = self.directory / "server.properties"
        properties.write_text(server_properties(self.directory, ports, self._settings))
        if not (self.directory / "data" / "meta.properties").exists():
            self._format(command, properties)
        self.log.write_bytes(b"")
        memory = [command[0], f"-Xmx{self._heap}", "-XX:+UseSerialGC", "-XX:-UsePerfData", *command[1:]]
        self._process = spawn([*memory, "kafka.Kafka", str(properties)], self.log, tied=self._tied)
        try:
            self._wait_until_serving(ports.client)
        except BaseException:
            self.kill()
            raise
        self.port = ports.client
        return self

    def _format(self, command: list[str], properties: Path) -> None:
        quick = [command[0], "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", *command[1:]]
        format_ = ["kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", str(properties)]
        done = subprocess.run([*quick, *format_], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise TransientError(f"Apache Kafka could not format {self.directory}:\n{_tail(done.stdout + done.stderr)}")

    def _wait_until_serving(self, port: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (_listens(port) and self.alive and _serves(port)):
            if not self.alive:
                raise self._failure(f"ended with code {self._code()} while starting")
            if time.monotonic() > deadline:
                raise self._failure(f"did not serve on {HOST}:{port} within {START_TIMEOUT_S:.0f} s")
            time.sleep(0.05)

    def _failure(self, what: str) -> TransientError:
        log = self.log.read_text(errors="replace")
        kind = PortTaken if "Address already in use" in log else TransientError
        return kind(f"the local Apache Kafka {what}; the last lines of its log:\n{_tail(log)}")

    def _code(self) -> int | None:
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """Stop the broker in order, by force after 20 s; its records stay."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the broker as a crash would; its records stay."""
        self._end(signal.SIGKILL)

    def _end(self, by: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(by)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait(self) -> int:
        """Wait until the broker ends by itself or by another's hand; returns its exit code."""
        if self._process is None:
            raise StateError("the local broker has no process before its first start")
        return self._process.wait()

    def close(self) -> None:
        """Stop the broker and remove its directory where that is temporary."""
        self.stop()
        if self.temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> "LocalBroker":
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex((HOST, port)) == 0


def _serves(port: int) -> bool:
    """A broker that answers a metadata request with itself in it is registered and takes records."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        admin = AdminClient({"bootstrap.servers": f"{HOST}:{port}", "log_level": 0})
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])
