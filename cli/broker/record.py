"""What is written down about a running broker, so that `status` and `stop` of another process find it."""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from dualgate.cli.broker.config import HOST
from dualgate.cli.broker.process import STOP_TIMEOUT_S, LocalBroker


def record_file() -> Path:
    """Return where the record is kept: DUALGATE_STATE_DIR, else `dualgate` in the user's state folder."""
    given = os.environ.get("DUALGATE_STATE_DIR")
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "dualgate"
    return (Path(given) if given else base) / "broker.json"


@dataclass(frozen=True, slots=True)
class BrokerRecord:
    """A started broker: its process (with its start time, since pids are used again), port and directory."""

    pid: int
    process_started_s: float
    port: int
    directory: str
    temporary: bool

    @classmethod
    def of(cls, broker: LocalBroker) -> "BrokerRecord":
        """Take the facts of a broker that has just been started."""
        started = psutil.Process(broker.pid).create_time()
        return cls(broker.pid, started, broker.port, str(broker.directory), broker.temporary)

    @property
    def bootstrap_servers(self) -> str:
        """Return the address for clients."""
        return f"{HOST}:{self.port}"

    def process(self) -> psutil.Process | None:
        """Return the broker's process, None where it has ended (another process may have its pid now)."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.process_started_s) < 1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def remove_directory(self) -> None:
        """Remove the broker's directory where that is temporary; a given one keeps its records."""
        if self.temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def save(self, path: Path) -> None:
        """Write the record; a reader sees the old or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)) + "\n")
        new.replace(path)


def load_record(path: Path) -> BrokerRecord | None:
    """Return the record of a broker that runs; a record of one that has ended counts as none."""
    record = _read(path)
    return record if record and record.process() else None


def forget(path: Path) -> None:
    """Remove the record, and the temporary directory of a broker that has ended without `stop` (a crash, a reboot)."""
    record = _read(path)
    if record and not record.process():
        record.remove_directory()
    path.unlink(missing_ok=True)


def _read(path: Path) -> BrokerRecord | None:
    try:
        return BrokerRecord(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def stop_recorded(record: BrokerRecord) -> None:
    """Stop the broker in order, by force after 20 s, and remove its directory where that is temporary."""
    if process := record.process():
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()
    record.remove_directory()
