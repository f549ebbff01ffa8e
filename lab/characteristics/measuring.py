"""Sections of tables, each in parts that several processes measure at once; a part is seeded, so who measures it is no matter."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from dualgate.lab.characteristics.rows import Row

MIN_RUNS = 50


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a section: measure(runs) gives its rows. `measure` can be pickled: a module's function, or a partial of one."""

    measure: Callable[[int], Iterable[Row]]
    runs: int


@dataclass(frozen=True, slots=True)
class Section:
    """A table: its number on the design page, its title, what its reader should know, and its parts in order."""

    number: str
    title: str
    parts: tuple[Part, ...]
    words: str = ""


Measured = tuple[Section, list[Row]]


def measured(sections: Sequence[Section], share: float, processes: int | None, tell: Callable[[str], None]) -> list[Measured]:
    """Return the rows of all sections in order, measured with a share of each part's runs over `processes` (default: cores)."""
    jobs = [(i, j, part) for i, section in enumerate(sections) for j, part in enumerate(section.parts)]
    rows: dict[tuple[int, int], list[Row]] = {}
    with ProcessPoolExecutor(processes or os.cpu_count() or 1) as pool:
        waiting: dict[Future[tuple[list[Row], float]], tuple[int, int]] = {
            pool.submit(_timed, part, share): (i, j) for i, j, part in jobs
        }
        for done in as_completed(waiting):
            i, j = waiting[done]
            rows[i, j], seconds = done.result()
            tell(f"{sections[i].number} part {j + 1} of {len(sections[i].parts)}: {len(rows[i, j])} rows in {seconds:.0f} s")
    return [(section, [row for j in range(len(section.parts)) for row in rows[i, j]]) for i, section in enumerate(sections)]


def _timed(part: Part, share: float) -> tuple[list[Row], float]:
    begin = time.monotonic()
    runs = part.runs if part.runs <= 1 else max(MIN_RUNS, round(part.runs * share))
    return list(part.measure(runs)), time.monotonic() - begin
