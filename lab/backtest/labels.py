"""People's verdicts in a backtest: each stands on the ledger right after the block of its pair, as if it had come at once."""

from collections.abc import Iterable, Iterator

from dualgate.schemas.records import Label, LedgerEntry


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
