"""What a test asks of measured rows: those that disagree, named."""

from collections.abc import Iterable, Sequence

from dualgate.lab.characteristics.rows import Row


def disagreeing(rows: Iterable[Row], but: Sequence[str] = ()) -> list[str]:
    """Return the rows that disagree, in words; `but`: quantities known to differ, which docs/statistics-results.md explains."""
    rows = list(rows)
    assert rows, "a table without rows holds nothing"
    return [
        f"{r.table} {r.row}: {r.quantity}: expected {r.expected}, obtained {r.obtained:.5g} in [{r.low:.5g}, {r.high:.5g}]"
        for r in rows
        if r.agrees is False and not any(words in f"{r.row}: {r.quantity}" for words in but)
    ]
