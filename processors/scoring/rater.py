"""Automated raters: one says of one answer whether it is right; a desk asks it beside the batch path and remembers.

A rater sees the question, the answer and its result, and nothing that tells which arm or agent gave it; answers are asked
about in the order of a hash, so that no arm is always first. What it says is evidence only beside human labels on a sample
(`gate.stats.rater`), so a rater may be wrong, but it may not be lost: whatever it does not say becomes missing with a reason.
"""

import contextlib
import math
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from dualgate.schemas.records import Pair, Response

MAX_RESULT = 4_000
"""Characters of a result that a rater is shown."""
MAX_KNOWN = 50_000


@dataclass(frozen=True, slots=True)
class Question:
    """What a rater is asked: does this answer, with this result, answer this text."""

    text: str
    answer: str
    result: str | None = None

    def key(self, version: str) -> str:
        """Return what the rating is remembered by."""
        words = "\x00".join((version, self.text, self.answer, self.result or ""))
        return blake2b(words.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Rating:
    """What a rater said: right or wrong, or None with the reason why it said nothing; and what that cost."""

    right: bool | None
    reason: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0


class Rater(Protocol):
    """Rates answers, from several threads at once. It may raise, hang and be rate-limited; the desk bears that."""

    @property
    def version(self) -> str:
        """Return the version, which changes whenever a rating can."""
        ...

    def rate(self, question: Question) -> Rating:
        """Return the rating of one answer; it gives up by itself after a time."""
        ...

    def close(self) -> None:
        """Give up what is under way."""
        ...


class Store:
    """Ratings that outlive the process, with what each cost; one SQLite file a rater, shared by nobody."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS ratings (key TEXT PRIMARY KEY, rater_version TEXT, is_right INTEGER, reason TEXT,"
            " input_tokens INTEGER, output_tokens INTEGER, cost REAL)"
        )

    def get(self, key: str) -> Rating | None:
        """Return what was said before."""
        row = None
        with self._lock, contextlib.suppress(sqlite3.Error):  # a file that cannot be read is one in which nothing stands
            row = self._connection.execute(
                "SELECT is_right, reason, input_tokens, output_tokens, cost FROM ratings WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else Rating(bool(row[0]), *row[1:])

    def put(self, key: str, version: str, rating: Rating) -> None:
        """Keep what was said."""
        values = (key, version, rating.right, rating.reason, rating.input_tokens, rating.output_tokens, rating.cost)
        unkept = (sqlite3.Error, ValueError, OverflowError)  # closed meanwhile, a full disk, what SQLite has no value for
        with self._lock, contextlib.suppress(*unkept):  # it will be asked again
            self._connection.execute("INSERT OR REPLACE INTO ratings VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


@dataclass(slots=True)
class Spent:
    """What a desk has asked for in its life."""

    calls: int = 0
    failures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0


class Desk:
    """Asks a rater in threads of its own, each distinct question once; `due_s` after it was asked nobody waits any more."""

    def __init__(
        self, rater: Rater, concurrency: int = 8, due_s: float = 120.0, max_waiting: int = 10_000, store: Store | None = None
    ) -> None:
        self.version = rater.version
        self.spent = Spent()
        self._rater, self._due_s, self._max_waiting, self._store = rater, due_s, max_waiting, store
        self._threads = ThreadPoolExecutor(concurrency, "rater")
        self._lock = threading.Lock()
        self._asked: dict[str, tuple[Future[Rating], float]] = {}

    def ask(self, questions: Sequence[Question], now_s: float | None = None) -> None:
        """Begin to ask what is not known yet, in the order of the hashes."""
        now = time.monotonic() if now_s is None else now_s
        for key, question in sorted({q.key(self.version): q for q in questions}.items(), key=lambda item: item[0]):
            with self._lock:
                if key in self._asked and not self._gave_up(key):
                    continue
                waiting = (
                    sum(not future.done() for future, _ in self._asked.values()) if len(self._asked) > self._max_waiting else 0
                )
                self._forget()
            if waiting >= self._max_waiting:
                self._settle(key, Rating(None, f"{waiting} questions wait for the rater already"), now)
            else:
                self._begin(key, question, now)

    def ready(self, questions: Sequence[Question], now_s: float | None = None) -> bool:
        """Tell whether nothing is to be waited for any more: each was answered, or its time is over."""
        now = time.monotonic() if now_s is None else now_s
        return all(self._is_ready(q.key(self.version), now) for q in questions)

    def wait(self, questions: Sequence[Question], at_most_s: float = math.inf) -> None:
        """Wait until they are ready, or so many seconds have passed."""
        until = time.monotonic() + at_most_s
        for question in questions:
            asked = self._asked.get(question.key(self.version))
            if asked is not None:
                wait_for([asked[0]], max(0.0, min(until, asked[1] + self._due_s) - time.monotonic()))

    def said(self, questions: Sequence[Question]) -> dict[str, Rating]:
        """Return the ratings of those that are ready, by key."""
        keys, now = {q.key(self.version): q for q in questions}, time.monotonic()
        return {key: self.rating(question) for key, question in keys.items() if self._is_ready(key, now)}

    def rating(self, question: Question) -> Rating:
        """Return what was said of an answer, as far as it is known now."""
        asked = self._asked.get(question.key(self.version))
        if asked is None or asked[0].cancelled():
            return Rating(None, "the rater was not asked")
        return asked[0].result() if asked[0].done() else Rating(None, f"the rater did not answer within {self._due_s:g} s")

    def close(self) -> None:
        """Give up what is under way."""
        self._rater.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._store is not None:
            self._store.close()

    def _begin(self, key: str, question: Question, now: float) -> None:
        known = None if self._store is None else self._store.get(key)
        if known is not None:
            self._settle(key, known, now)
            return
        with self._lock:
            self._asked[key] = (self._threads.submit(self._rate, key, question), now)

    def _settle(self, key: str, rating: Rating, now: float) -> None:
        future: Future[Rating] = Future()
        future.set_result(rating)
        with self._lock:
            self._asked[key] = (future, now)

    def _rate(self, key: str, question: Question) -> Rating:
        try:
            rating = self._rater.rate(question)
            if not isinstance(rating, Rating):
                raise TypeError(f"the rater returned {rating!r}")
        except Exception as error:  # a foreign rater may raise and return anything
            rating = Rating(None, f"{type(error).__name__}: {error}"[:200])
        with self._lock:
            self.spent.calls += 1
            self.spent.failures += rating.right is None
            self.spent.input_tokens += rating.input_tokens
            self.spent.output_tokens += rating.output_tokens
            self.spent.cost += rating.cost
        if rating.right is not None and self._store is not None:
            self._store.put(key, self.version, rating)
        return rating

    def _is_ready(self, key: str, now: float) -> bool:
        asked = self._asked.get(key)
        return asked is None or asked[0].done() or now - asked[1] >= self._due_s

    def _gave_up(self, key: str) -> bool:
        future = self._asked[key][0]
        return future.done() and (future.cancelled() or future.result().right is None)

    def _forget(self) -> None:
        """Forget the oldest half of what is answered once there is too much of it."""
        if len(self._asked) >= MAX_KNOWN:
            for key in [k for k, (future, _) in self._asked.items() if future.done()][: MAX_KNOWN // 2]:
                del self._asked[key]


def questions_of(pair: Pair) -> dict[str, Question]:
    """Return what a rater is to be asked of a pair, by arm; of an error, a time-out or a refusal there is nothing to ask."""
    arms = {"incumbent": pair.incumbent, "challenger": pair.challenger}
    return {name: _question(pair, response) for name, response in arms.items() if response.status == "ok"}


def _question(pair: Pair, response: Response) -> Question:
    result = response.result
    if result is not None and len(result) > MAX_RESULT:
        result = f"{result[:MAX_RESULT]}… ({len(result)} characters)"
    return Question(pair.query.text, response.output, result)


def label_drawn(migration_id: str, query_id: str, probability: float) -> bool:
    """Tell whether people are asked about a pair: by hash, so that every run says the same."""
    digest = blake2b(f"label/{migration_id}/{query_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < probability * 2**64
