"""What may stand in the ledger: the gate remembers parts of commands, blocks, labels, acknowledgements, and these must fit."""

from dataclasses import replace
from typing import Any

from dualgate.schemas.records import Command, CoverageBlock, QualityBlock
from dualgate.schemas.topics import MIGRATION_ID

ROUTER_ID_BYTES, QUERY_HASH_BYTES, MIGRATION_ID_BYTES = 100, 100, 100
LINEAGE_BYTES, SCORER_VERSIONS_BYTES = 100, 10_000
COMMAND_BYTES = {"command_id": 100, "actor": 200, "reason": 4_000, "config": 100_000, "config_hash": 100}
"""Most bytes of each text of a command, in UTF-8."""


def router_id_fault(name: str) -> str:
    """Return what is wrong with a router's id, nothing where it can be one."""
    if name.strip() and name.isprintable() and _size(name) <= ROUTER_ID_BYTES:
        return ""
    return f"router_id={_short(name)}, accepted: 1 to {ROUTER_ID_BYTES} bytes that can be printed"


def query_hash_fault(name: str) -> str:
    """Return what is wrong with the query's hash of a label, nothing where it can be one."""
    if name.strip() and name.isprintable() and _size(name) <= QUERY_HASH_BYTES:
        return ""
    return f"query_hash={_short(name)}, accepted: 1 to {QUERY_HASH_BYTES} bytes that can be printed"


def block_fault(block: QualityBlock | CoverageBlock) -> str:
    """Return what is wrong with the texts of a block that the gate remembers, nothing where they fit its state."""
    if _size(block.lineage) > LINEAGE_BYTES:
        return f"lineage={_short(block.lineage)}, accepted: at most {LINEAGE_BYTES} bytes"
    versions = block.scorer_versions if isinstance(block, QualityBlock) else {}
    size = sum(_size(name) + _size(version) for name, version in versions.items())
    if size > SCORER_VERSIONS_BYTES:
        return f"scorer_versions has {size:,} bytes, accepted: at most {SCORER_VERSIONS_BYTES:,}"
    return ""


def migration_id_fault(name: str) -> str:
    """Return what is wrong with a migration's id, nothing where a migration can have it."""
    if len(name) <= MIGRATION_ID_BYTES and MIGRATION_ID.fullmatch(name):
        return ""
    return f"migration_id={_short(name)}, accepted: at most {MIGRATION_ID_BYTES} characters of {MIGRATION_ID.pattern}"


def command_fault(order: Command) -> str:
    """Return what is wrong with the texts of a command, nothing where they can be remembered and recorded."""
    for name, most in COMMAND_BYTES.items():
        text = getattr(order, name)
        if name in ("command_id", "actor") and not (text.strip() and text.isprintable()):
            return f"{name}={_short(text)}, accepted: 1 to {most} bytes that can be printed"
        if text is not None and _size(text) > most:
            return f"{name} has {_size(text):,} bytes, accepted: at most {most:,}"
    return ""


def cut(order: Command) -> Command:
    """Return a command whose texts are no longer than they may be, for the record of its refusal."""
    shorter: dict[str, Any] = {
        name: (getattr(order, name) or "")[: most // 4] for name, most in COMMAND_BYTES.items() if name != "config"
    }
    return replace(order, **shorter, config=None)


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def _short(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}… ({len(text):,} characters)"
