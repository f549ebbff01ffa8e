"""The pairing worker: what a process has for as long as it lives, and the sessions that it lives through."""

import os
import uuid
from collections.abc import Callable, Mapping, Sequence

from dualgate.processors.pairing.clocks import Patience
from dualgate.processors.pairing.logic import GroupLogic
from dualgate.processors.pairing.metrics import Reporter
from dualgate.processors.pairing.positions import Position
from dualgate.processors.pairing.session import PairingSession, now_ms
from dualgate.processors.runtime import clients
from dualgate.processors.runtime.loop import Stop, rare_collections, run_sessions
from dualgate.processors.runtime.points import VARIABLE, fault
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import StateError
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import PairingTimes, Settings
from dualgate.schemas.topics import DEAD_LETTERS, INPUTS, PAIRS, UNPAIRED

# Large batches carry the rate: with 2,000 a transaction it is a quarter.
BATCH = 20_000
# The lead between partitions starts at two windows (a tighter one pauses often, and each pause drops what was prefetched).
LEAD_WINDOWS = 2


def run(
    settings: Settings,
    stop: Stop,
    *,
    batch: int = BATCH,
    at: Callable[[str], None] | None = None,
    reporter: Reporter | None = None,
) -> None:
    """Pair until the flag is set. `at` is called at the points of `points.PAIRING`; without it DUALGATE_FAULT is asked."""
    worker = PairingWorker(settings, batch, at or fault(os.environ.get(VARIABLE)), reporter)
    with rare_collections():
        run_sessions(worker.session, stop)
    worker.reporter.report()


class PairingWorker:
    """What outlives a session: the names by which the broker knows this process, its codec, its totals."""

    def __init__(self, settings: Settings, batch: int, at: Callable[[str], None], reporter: Reporter | None = None) -> None:
        self.settings = settings
        self.batch = batch
        self.at = at
        self.group = settings.name("pairing")
        # One id a process; with a slot it is that of the predecessor, whose transaction and membership it ends at once.
        self.instance = settings.name("pairing", settings.slot) if settings.slot else None
        self.transactional_id = self.instance or settings.name("pairing", uuid.uuid4().hex)
        self.codec: Codec = codec_for(settings.schema_registry_url)
        self.times = PairingTimes.of(settings)
        self.patience = Patience(settings.idle_ms, LEAD_WINDOWS * settings.window_ms)
        self.topics = tuple(settings.topic_prefix + name for name in INPUTS)
        self.reporter = reporter or Reporter()
        self.admin = clients.wait_for_broker(settings)
        self.partitions = self._partition_count()

    def session(self) -> PairingSession:
        """Return a new session; it is opened by entering it. What the last one asked with may be why it ended."""
        self.admin = clients.make_admin(self.settings)
        return PairingSession(self)

    def lineages(self) -> Mapping[str, str]:
        """Return the ids of the input topics as the broker tells them now."""
        return clients.topic_ids(self.admin, self.topics)

    def make_group(self, number: int, start: Sequence[Position]) -> GroupLogic:
        """Return the fold of a group from its committed positions."""
        return GroupLogic(number, self.times, self.patience, self.codec, start, now_ms(), self.transactional_id, self.topics)

    def _partition_count(self) -> int:
        """Return the number of partitions of the traffic topics; StateError where they differ: no join is possible."""
        prefix = self.settings.topic_prefix
        clients.partition_counts(self.admin, [prefix + DEAD_LETTERS])
        counts = clients.partition_counts(self.admin, [*self.topics, prefix + PAIRS, prefix + UNPAIRED])
        if len(set(counts.values())) != 1:
            raise StateError(f"traffic topics must have the same number of partitions, but have {dict(counts)}")
        return next(iter(counts.values()))
