"""Why observations have no score, by dimension and class with a ceiling: the commonest reasons of a scored log."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from dualgate.processors.scoring.metrics import reason_class
from dualgate.schemas.records import DimensionColumns, LedgerEntry

SHOWN = 3
"""So many reasons of each are told; the others are counted together."""
Told = dict[str, list[dict[str, str | int]]]


@dataclass(slots=True)
class Gaps:
    """Counts, over the blocks that pass through, what was not scored.

    Reasons that differ only in names and numbers are one; where all of one are the same words, these are told whole. What is
    not eligible is told only of what has no score at all: there it is why.
    """

    names: Collection[str]
    _scored: set[str] = field(default_factory=set)
    _counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _words: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def over(self, entries: Iterable[LedgerEntry]) -> Iterator[LedgerEntry]:
        """Yield the entries as they are, and count."""
        for entry in entries:
            for name, column in entry.quality.dimensions.items() if entry.quality else ():
                if name in self.names:
                    self._add(name, column)
            yield entry

    def _add(self, name: str, column: DimensionColumns) -> None:
        for state, reason in zip(column.state, column.reason, strict=True):
            if state == "scored":
                self._scored.add(name)
                continue
            words = reason or "no reason was given"
            key = (name, state, reason_class(words))
            self._counts[key] += 1
            if self._words.setdefault(key, words) != words:
                self._words[key] = key[2]

    def told(self) -> Told:
        """Return by dimension (`safety.authorization`: a class) the reasons with their counts, the commonest first."""
        found: Told = {}
        for name in self.names:
            own: list[dict[str, str | int]] = [
                {"state": state, "reason": self._words[key], "n": n}
                for key, n in self._counts.most_common()
                for where, state, _ in [key]
                if where == name and (state == "missing" or name not in self._scored)
            ]
            rest = sum(int(each["n"]) for each in own[SHOWN:])
            more: list[dict[str, str | int]] = [{"state": "missing", "reason": "other reasons", "n": rest}] if rest else []
            if own:
                found[name] = [*own[:SHOWN], *more]
        return found


def lines(told: Told) -> list[str]:
    """Return a line for each dimension with something missing."""
    return [f"{name}: " + "; ".join(f"{each['reason']} ({each['n']:,} pairs)" for each in own) for name, own in told.items()]
