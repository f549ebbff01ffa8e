"""Consumed records in columns: one run is what one partition brought in a batch; cut by migration, with bodies taken out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat

from dualgate.processors.pairing.records import QUERY
from dualgate.processors.runtime.dead_letters import dead_letter
from dualgate.schemas.codec import HEADER_SIZE, Codec
from dualgate.schemas.errors import RecordError
from dualgate.schemas.records import DeadLetter, Query, Response
from dualgate.schemas.topics import INPUTS, split_key


@dataclass(frozen=True, slots=True)
class Run:
    """Records of one role's partition in offset order; reruns (queries only) says where the header asks for a re-run."""

    role: int
    offsets: Sequence[int]
    times: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    reruns: Sequence[bool] = ()

    def split(self, offset: int) -> tuple["Run", "Run"]:
        """Return the records below an offset and those at or above it."""
        n = sum(1 for o in self.offsets if o < offset)
        return self._cut(slice(0, n)), self._cut(slice(n, None))

    def _cut(self, part: slice) -> "Run":
        return Run(self.role, self.offsets[part], self.times[part], self.keys[part], self.values[part], self.reruns[part])


@dataclass(slots=True)
class Part:
    """The usable records of one migration in a run; the bounds of its times include those that are not usable."""

    migration_id: str
    first_offset: int
    least_ms: int
    greatest_ms: int
    n_read: int = 0
    keys: Sequence[bytes] = ()
    times: Sequence[int] = ()
    bodies: Sequence[bytes] = ()
    reruns: Sequence[bool] = ()


@dataclass(slots=True)
class _Growing(Part):
    keys: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    reruns: list[bool] = field(default_factory=list)


class Cutter:
    """Cuts the runs of one group; what is unusable becomes a dead letter."""

    def __init__(self, codec: Codec, partition: int, worker: str, topics: Sequence[str] = INPUTS) -> None:
        self._codec = codec
        self._headers = (codec.header(Query), *[codec.header(Response)] * 3)
        self._partition = partition
        self._worker = worker
        self._topics = topics

    def parts(self, run: Run, dead: Callable[[DeadLetter], None]) -> Iterator[Part]:
        """Yield the records of each migration in the run."""
        whole = self._whole(run)
        yield from (whole,) if whole is not None else self._row_by_row(run, dead)

    def _whole(self, run: Run) -> Part | None:
        """Return the run as one part where it is of one migration and of the present version throughout, as nearly all are."""
        keys, values, header = run.keys, run.values, self._headers[run.role]
        if None in keys or None in values:
            return None
        try:
            migration_id, _ = split_key(keys[0])
        except RecordError:
            return None
        prefix = f"{migration_id}/".encode()
        # Whole columns in C: about 30 ns a record and column.
        if not all(map(bytes.startswith, keys, repeat(prefix))) or prefix in keys:  # type: ignore[arg-type]  # no None: seen above
            return None
        if not all(map(bytes.startswith, values, repeat(header))) or not all(map(bytes.isascii, keys)):  # type: ignore[arg-type]
            return None
        bodies = [value[HEADER_SIZE:] for value in values]  # type: ignore[index]
        return Part(
            migration_id,
            run.offsets[0],
            min(run.times),
            max(run.times),
            len(keys),
            keys,  # type: ignore[arg-type]
            run.times,
            bodies,
            run.reruns,
        )

    def _row_by_row(self, run: Run, dead: Callable[[DeadLetter], None]) -> Iterator[Part]:
        parts: dict[str, _Growing] = {}
        for row, (offset, time, key, value) in enumerate(zip(run.offsets, run.times, run.keys, run.values, strict=True)):
            migration_id: str | None = None
            try:
                migration_id, _ = split_key(key)
                part = parts.get(migration_id)
                if part is None:
                    part = parts[migration_id] = _Growing(migration_id, offset, time, time)
                part.least_ms, part.greatest_ms = min(part.least_ms, time), max(part.greatest_ms, time)
                part.n_read += 1
                rerun = bool(run.reruns[row]) if run.role == QUERY else False
                body, rerun = self._body(run.role, value, rerun)
            except RecordError as error:
                origin = (self._topics[run.role], self._partition, offset)
                dead(dead_letter(origin, time, key, value, reason=str(error), worker=self._worker, migration_id=migration_id))
                continue
            part.keys.append(key)  # type: ignore[arg-type]  # split_key refuses None
            part.times.append(time)
            part.bodies.append(body)
            part.reruns.append(rerun)
        yield from parts.values()

    def _body(self, role: int, value: bytes | None, rerun: bool) -> tuple[bytes, bool]:
        """Return the present body and whether a re-run is awaited: by the header, or by a record that is decoded."""
        cls = Query if role == QUERY else Response
        body = self._codec.present_body(cls, value)
        if body is not None:
            return body, rerun
        if role == QUERY:
            rerun = rerun or self._codec.decode(Query, value).rerun
        return self._codec.recoded(cls, value), rerun
