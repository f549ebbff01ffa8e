"""What has been told: the highest decision of each migration, small enough to stand beside the committed offset."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_BYTES = 4_000
"""The broker takes 4,096 bytes of metadata beside an offset."""


@dataclass(slots=True)
class Marks:
    """The (epoch, number) of the last decision that was told of each migration, the most recent ones last."""

    told: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def decode(cls, text: str | None) -> "Marks":
        """Return what `encode` wrote; nothing where there is nothing."""
        given: Mapping[str, list[int]] = json.loads(text) if text else {}
        return cls({name: (epoch, number) for name, (epoch, number) in given.items()})

    def encode(self) -> str:
        """Return the marks as text; where they do not fit, those of the migrations that were silent longest are left out."""
        kept = dict(self.told)
        while len(text := json.dumps(kept, separators=(",", ":"))) > MAX_BYTES:
            del kept[next(iter(kept))]
        return text

    def new(self, decision_id: str) -> bool:
        """Tell whether a decision comes after all that were told of its migration."""
        found = _place(decision_id)
        return found is not None and found[1] > self.told.get(found[0], (-1, -1))

    def put(self, decision_id: str) -> None:
        """Note that a decision was told."""
        found = _place(decision_id)
        if found is not None:
            self.told.pop(found[0], None)
            self.told[found[0]] = found[1]


def _place(decision_id: str) -> tuple[str, tuple[int, int]] | None:
    """Return migration, epoch and number of `migration/epoch/number`; None where an id is of another form."""
    name, _, rest = decision_id.partition("/")
    epoch, _, number = rest.partition("/")
    return (name, (int(epoch), int(number))) if epoch.isdigit() and number.isdigit() else None
