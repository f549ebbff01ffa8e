"""What has been told: digests of the last decisions, small enough to stand beside the committed offset.

A gate that was killed publishes once more what it had published, word for word, and each decision is told once. It is known by
all that it says and not by its id or number: a record that claims a later one, whoever wrote it, mutes nothing but itself.
"""

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field

import orjson

from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import DecisionRecord

MAX_BYTES = 4_000
"""The broker takes 4,096 bytes of metadata beside an offset."""
FORM, DIGEST = "told:", 8
"""How the text begins, and the letters of each digest: 48 bits."""
MAX_TOLD = (MAX_BYTES - len(FORM)) // DIGEST


@dataclass(slots=True)
class Marks:
    """The digests of the last MAX_TOLD decisions that were told, the newest last."""

    told: list[str] = field(default_factory=list)

    @classmethod
    def decode(cls, text: str | None) -> "Marks":
        """Return what `encode` wrote; nothing where there is nothing, or what another version wrote."""
        if not text or not text.startswith(FORM):
            return cls()
        return cls([text[i : i + DIGEST] for i in range(len(FORM), len(text), DIGEST)])

    def encode(self) -> str:
        """Return the marks as text of at most MAX_BYTES."""
        return FORM + "".join(self.told)

    def new(self, mark: str) -> bool:
        """Tell whether a decision, by its `mark_of`, is none of the last that were told."""
        return mark not in self.told

    def put(self, mark: str) -> None:
        """Note that a decision was told; the oldest is forgotten where there are too many."""
        self.told = [*self.told, mark][-MAX_TOLD:]


def mark_of(decision: DecisionRecord) -> str:
    """Return the digest of all that a decision says; the gate repeats one word for word."""
    whole = orjson.dumps(to_plain(decision), option=orjson.OPT_SORT_KEYS)
    return b64encode(hashlib.sha256(whole).digest()[: DIGEST * 3 // 4]).decode()
