"""What a safety check finds: the class, the reason, and the name that says where in the query."""

import re
from dataclasses import dataclass

CLASSES = ("authorization", "hallucination", "unsafe_code")
UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation; `name` is the word of the query that it is about."""

    kind: str
    reason: str
    name: str = ""

    def words(self, sql: str) -> str:
        """Return the finding with its place in a query: the character, from 0, at which the name first stands."""
        found = re.search(rf"(?<!\w){re.escape(self.name)}(?!\w)", sql, re.IGNORECASE) if self.name else None
        return f"{self.kind}: {self.reason}{f' (at {found.start()})' if found else ''}"
