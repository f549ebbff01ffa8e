"""What people say of answers: files of verdicts, by query and arm, or by query and place where the arms are hidden.

A file is CSV with a header, or JSON lines; both have the same names. A row names its query (`query_id` or `query_hash`) and
either both verdicts (`incumbent`, `challenger`) or one (`verdict`, with `arm`, or with `answer`: first or second, as
`label --wanted` shows them). A row without a verdict is not filled in yet. `who` may name the person, and `epoch` that of the
migration whose answer was judged: the same query may be answered by other versions in another.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from dualgate.processors.scoring.block import hash_of
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import Arm, Label
from dualgate.schemas.text import read_text

ARMS: tuple[Arm, Arm] = ("incumbent", "challenger")
RIGHT, WRONG = ("right", "1", "1.0", "true", "yes"), ("wrong", "0", "0.0", "false", "no")
PLACES = ("first", "second")
NAMES = ("query_id", "query_hash", "arm", "answer", "verdict", "incumbent", "challenger", "who", "epoch")
"""What a row is read by; other columns are for people."""
EPOCH = re.compile(r"[1-9][0-9]{0,17}(\.0)?")
"""As spreadsheets write it, too."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The verdicts of a file in its order, and how many rows had none yet."""

    labels: tuple[Label, ...]
    blank: int = 0


def hidden(query_hash: str) -> tuple[Arm, Arm]:
    """Return the arms of the first and the second answer as people see them: by a hash, so that no arm is always first."""
    swapped = blake2b(f"order/{query_hash}".encode(), digest_size=1).digest()[0] % 2
    return (ARMS[1], ARMS[0]) if swapped else ARMS


def verdict_of(text: object, where: str) -> float | None:
    """Return 1.0 or 0.0, None for nothing; ConfigError for any other word."""
    word = "" if text is None else str(text).strip().lower()
    if not word:
        return None
    if word not in RIGHT + WRONG:
        raise ConfigError(f"{where}={text!r}; accepted: {', '.join(RIGHT)} or {', '.join(WRONG)}")
    return float(word in RIGHT)


def read_labels(path: Path, migration_id: str, who: str, epoch: int | None = None) -> Labels:
    """Read a file of verdicts; ConfigError names file, line, value and what is accepted.

    who and epoch: for rows that name none.
    """
    found: list[Label] = []
    blank = 0
    for where, row in _rows(path):
        labels = list(_labels(row, migration_id, who, epoch, where))
        blank += not labels
        found += labels
    return Labels(tuple(found), blank)


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text = read_text(path, "labels", "CSV or JSON lines", "utf-8-sig")
    if path.suffix in (".jsonl", ".json") or text.lstrip().startswith("{"):
        yield from _json_rows(path, text)
        return
    reader = csv.DictReader(text.splitlines())
    if not set(reader.fieldnames or ()) & {"query_id", "query_hash"}:
        raise ConfigError(f"{path}:1: no column query_id or query_hash; accepted are {', '.join(NAMES)}")
    for row in reader:
        yield f"{path}:{reader.line_num}", row


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for i, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{path}:{i}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise ConfigError(f"{path}:{i}: {line[:60]!r} is no object; accepted: one with {', '.join(NAMES)}")
        yield f"{path}:{i}", row


def _labels(row: Mapping[str, Any], migration_id: str, who: str, epoch: int | None, where: str) -> Iterator[Label]:
    given = row.get("query_hash") or (hash_of(migration_id, str(row["query_id"])) if row.get("query_id") else "")
    if not given:
        raise ConfigError(f"{where}: no query_id or query_hash")
    own = _epoch(row.get("epoch"), where)
    common: dict[str, Any] = {
        "migration_id": migration_id,
        "who": str(row.get("who") or who),
        "epoch": epoch if own is None else own,
    }
    for arm, key, text in _said(row, str(given), where):
        verdict = verdict_of(text, f"{where}: {key}")
        if verdict is not None:
            yield Label(query_hash=str(given), arm=arm, verdict=verdict, **common)


def _epoch(given: object, where: str) -> int | None:
    text = "" if given is None else str(given).strip()
    if not text:
        return None
    if not EPOCH.fullmatch(text):
        raise ConfigError(f"{where}: epoch={given!r}; accepted: a whole number from 1 on, as label --wanted writes it")
    return int(text.removesuffix(".0"))


def _said(row: Mapping[str, Any], query_hash: str, where: str) -> Iterator[tuple[Arm, str, Any]]:
    """Yield (arm, key, verdict as it is written)."""
    if "verdict" not in row:
        yield from ((arm, arm, row.get(arm)) for arm in ARMS)
        return
    arm, answer = row.get("arm") or None, row.get("answer") or None
    if (arm is None) == (answer is None) or arm not in (None, *ARMS) or answer not in (None, *PLACES):
        accepted = "accepted: arm incumbent or challenger, or answer first or second"
        raise ConfigError(f"{where}: arm={arm!r} and answer={answer!r}; {accepted}")
    chosen = next(a for a in ARMS if a == arm) if arm else hidden(query_hash)[PLACES.index(str(answer))]
    yield chosen, "verdict", row["verdict"]
