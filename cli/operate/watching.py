"""Following migrations on the gate's topics, and showing one until it is over."""

import sys
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live

from dualgate.cli.operate import words
from dualgate.cli.operate.reading import Found, Reader
from dualgate.cli.operate.view import Told, View, brief
from dualgate.schemas import records
from dualgate.schemas.codec import Codec
from dualgate.schemas.errors import ConfigError, RecordError
from dualgate.schemas.registry import codec_for
from dualgate.schemas.settings import Settings
from dualgate.schemas.topics import BY_NAME, DEAD_LETTERS, DECISIONS, EVIDENCE, MIGRATIONS

TOPICS = (MIGRATIONS, DECISIONS, EVIDENCE)
REDRAW_S = 1.0


def now_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


class Follower:
    """The views of all migrations on a broker, up to date with what has arrived."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._codec = codec_for(settings.schema_registry_url)
        self._reader = Reader(settings, TOPICS)
        self.views: dict[str, View] = {}

    def catch_up(self) -> Self:
        """Read to the ends of the topics."""
        fold(self.views, self._reader.to_ends(), self._codec)
        return self

    def poll(self, timeout_s: float) -> None:
        """Take in what arrives within this time."""
        fold(self.views, self._reader.poll(timeout_s), self._codec)

    def dead_letters(self) -> int | None:
        """Return how many records stand on `dead-letters`; None where the broker does not answer."""
        return self._reader.end(DEAD_LETTERS)

    def one(self, migration_id: str) -> View:
        """Return a migration; ConfigError names those that there are where there is no such one."""
        if migration_id not in self.views:
            known = ", ".join(sorted(self.views)) or "none"
            raise ConfigError(
                f"no gate on {self._settings.bootstrap_servers} has told of a migration {migration_id}; known: {known} "
                "(`dualgate start FILE` begins one)"
            )
        return self.views[migration_id]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._reader.__exit__(kind, error, trace)


def fold(views: dict[str, View], found: Iterable[Found], codec: Codec) -> None:
    """Take records into the views of their migrations; what cannot be read says nothing."""
    for each in found:
        try:
            record: Told = codec.decode(getattr(records, BY_NAME[each.topic].value), each.value)
        except RecordError:
            continue
        name = each.key or ""
        views.setdefault(name, View(name)).take(record, each.timestamp_ms)


def watch(follower: Follower, view: View, console: Console) -> None:
    """Show a migration until it is over: redrawn on a terminal, else a line at each change; Ctrl-C ends it quietly."""
    try:
        (_redraw if console.is_terminal else _tell)(follower, view, console)
    except KeyboardInterrupt:
        print(file=sys.stderr)


def _redraw(follower: Follower, view: View, console: Console) -> None:
    with Live(words.status(view.document(now_ms())), console=console, auto_refresh=False) as live:
        while not view.terminal:
            follower.poll(REDRAW_S)
            live.update(words.status(view.document(now_ms())), refresh=True)


def _tell(follower: Follower, view: View, console: Console) -> None:
    line = changes(lambda text: console.print(text, markup=False), view)
    line(now_ms())
    while not view.terminal:
        follower.poll(REDRAW_S)
        line(now_ms())


def changes(say: Callable[[str], None], view: View) -> Callable[[int], None]:
    """Return a function that says the headline and what is waited for where the headline is new, and each decision made since."""
    told: list[Any] = [None, max(0, len(view.decisions) - 1)]

    def tell(now: int) -> None:
        document = view.document(now)
        head, first = words.headline(document), told[1]
        if head != told[0]:
            say(head)
            if document["waiting_for"]:
                say(f"  {words.waiting(document)}")
        for each in view.decisions[first:]:
            say(f"  {words.decided(brief(each))}")
        told[:] = [head, len(view.decisions)]

    return tell
