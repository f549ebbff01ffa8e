"""How long a worker may stand still for the garbage collector."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from dualgate.gate import process
from dualgate.processors.scoring import worker


class Tree:
    """A cycle, as a syntax tree is one."""

    parent: "Tree"


@pytest.fixture
def looks() -> Iterator[list[int]]:
    """The generation of each of the collector's looks; its settings are put back."""
    seen: list[int] = []
    before = gc.get_threshold()

    def told(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            seen.append(info["generation"])

    gc.collect()  # the next look by itself is far
    gc.callbacks.append(told)
    yield seen
    gc.callbacks.remove(told)
    gc.set_threshold(*before)
    gc.unfreeze()


def test_scoring_never_stands_still_for_long(looks: list[int]) -> None:
    """However many syntax trees stay, a look walks some ten thousand new objects and none of the old."""
    worker.settle_collector()
    kept = [[] for _ in range(500_000)]  # type: ignore[var-annotated]
    assert len(looks) >= len(kept) // 25_000
    assert set(looks) == {0}


def test_what_a_cache_dropped_is_freed_however_old_it_is(looks: list[int]) -> None:
    """A worker that runs for weeks keeps no trees of its first days, here with looks a hundred times as often."""
    worker.settle_collector()
    young, *rest = gc.get_threshold()
    gc.set_threshold(young // 100, *rest)
    gc.freeze()  # what the tests' process has, as a worker's caches would outweigh it
    tree = Tree()
    tree.parent = tree
    dropped = weakref.ref(tree)
    gc.collect()
    del tree
    kept = [[] for _ in range(500_000)]  # type: ignore[var-annotated]
    assert (dropped(), len(kept)) == (None, 500_000)


def test_what_a_gate_has_when_it_begins_is_not_looked_at_again(looks: list[int]) -> None:
    """Libraries and the table are walked once, while nothing waits."""
    process.settle_collector()
    assert looks == [2]
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 10_000
