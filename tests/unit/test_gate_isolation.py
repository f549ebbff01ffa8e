"""Several migrations on one ledger: each decides as if it were alone."""

import json
from typing import Any

from dualgate.gate.fold import At, Output, fold_ledger
from dualgate.schemas.codec import Codec
from dualgate.schemas.migration import MigrationConfig, parse_migration
from dualgate.schemas.plain import to_plain
from dualgate.schemas.records import LedgerEntry
from support.ledgers import BETTER, EASY, GOOD, HEAD, MISSING, SHORT, WORSE, Ledger


def named(entry: LedgerEntry, name: str) -> LedgerEntry:
    """Return an entry of migration m as one of another migration, its configuration included."""
    plain: dict[str, Any] = {part: value for part, value in to_plain(entry).items() if value is not None}
    (part,) = plain
    plain[part]["migration_id"] = name
    config = MigrationConfig(parse_migration((HEAD + SHORT + EASY).replace("migration: m", f"migration: {name}")), "/nowhere")
    if plain[part].get("config"):
        plain[part]["config"] = config.to_json()
    if plain[part].get("config_hash"):
        plain[part]["config_hash"] = config.config_hash
    return Codec().decode(LedgerEntry, json.dumps(plain).encode())


def walked(*kinds: Any) -> list[LedgerEntry]:
    """Return the entries of one migration's life."""
    ledger = Ledger.started()
    ledger.pairs(*kinds, block=20)
    ledger.tick(30_000)
    return [entry for _, entry in ledger.entries]


def test_interleaved_migrations_decide_as_each_alone() -> None:
    """One completes, one is rolled back, one has nothing but holes: what each publishes depends on its own entries only."""
    lives = {
        "good": walked(*[GOOD, BETTER] * 200),
        "worse": walked(*[GOOD, BETTER] * 50, *[WORSE] * 300),
        "blind": walked(*[MISSING] * 300),
    }
    turns = [(name, entry) for i in range(40) for name, life in lives.items() for entry in life[i : i + 1]]
    ledger = [(At(0, i, 1000 * i), named(entry, name)) for i, (name, entry) in enumerate(turns)]
    together = list(fold_ledger(ledger))
    for name in lives:
        alone = list(fold_ledger([(at, entry) for (at, entry), (whose, _) in zip(ledger, turns, strict=True) if whose == name]))
        assert [output for output in together if output.key == name] == alone
    phases = {output.key: output.record.phase for output in together if output.topic == "decisions"}
    assert phases == {"good": "COMPLETED", "worse": "ROLLED_BACK", "blind": last(together, "blind")}
    assert not phases["blind"].startswith(("CANARY", "ROLLOUT", "TAIL", "COMPLETED"))


def last(outputs: list[Output], name: str) -> str:
    """Return the last commanded phase of a migration."""
    phases: list[str] = [output.record.phase for output in outputs if output.topic == "decisions" and output.key == name]
    return phases[-1]
