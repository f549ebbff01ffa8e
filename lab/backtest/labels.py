"""People's verdicts in a backtest: each stands on the ledger right after the block of its pair, as if it had come at once."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from dualgate.gate.labels import epoch_of
from dualgate.schemas.records import Label, LedgerEntry


def of_epochs(given: Iterable[Label], archived: Iterable[Label], epochs: Collection[int]) -> tuple[list[Label], int]:
    """Return the verdicts of these epochs as those of a backtest's only one, and how many are of others.

    given: by a person for this log, so one that names no epoch counts. epochs: those whose versions are compared; where none is
    known, the last that a verdict names.
    """
    given = list(given)
    known = [*(label for label in given if label.epoch is not None), *archived]
    wanted = epochs or {max(map(epoch_of, known), default=1)}
    own = [replace(label, epoch=None) for label in known if epoch_of(label) in wanted]
    return [*(label for label in given if label.epoch is None), *own], len(known) - len(own)


def with_labels(entries: Iterable[LedgerEntry], labels: Iterable[Label]) -> Iterator[LedgerEntry]:
    """Yield the entries, each block followed by the verdicts on those of its pairs that were drawn."""
    known: dict[str, list[Label]] = {}
    for label in labels:
        known.setdefault(label.query_hash, []).append(label)
    for entry in entries:
        yield entry
        block = entry.quality
        columns = None if block is None else block.dimensions.get("correctness")
        if block is None or columns is None:
            continue
        for query_hash, drawn in zip(block.query_hash, columns.label_drawn, strict=True):
            if drawn:
                yield from (LedgerEntry(label=label) for label in known.get(query_hash, ()))
