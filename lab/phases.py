"""The state table of a migration in words: `python -m dualgate.lab.phases --write docs/phases.md`.

Rules and conditions are those that the gate evaluates (`dualgate.gate.transitions`). What an operator's command does in a phase
is found out by giving it to the gate's own fold in that phase.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from dualgate.gate import phases, transitions
from dualgate.gate.fold import At, Output, step
from dualgate.gate.state import MigrationState
from dualgate.schemas.migration import MigrationConfig, MigrationSpec
from dualgate.schemas.records import Command, CommandKind, LedgerEntry

ID = "example"
HEAD = """# Phases

Written by `python -m dualgate.lab.phases --write docs/phases.md` from the code; a test holds this page to it. The example has
the default file's steps.
"""


def page() -> str:
    """Return the page."""
    parts = [HEAD, "## The way\n", _way(), "\n## Rules\n", _RULES_WORDS, _rules(), _CONDITIONS_WORDS, _conditions()]
    parts += [_TIME_WORDS, _table(("what happens", "effect"), transitions.TIME)]
    return "\n".join([*parts, "\n## Commands\n", _COMMANDS_WORDS, _commands(), ""])


_RULES_WORDS = """Evaluated after every pair, in this order; of rules that fire at one pair the first counts. `live` stands for
CANARY, each ROLLOUT step and TAIL. A phase without a rule here is terminal: only an operator's command leads out of it.
"""
_CONDITIONS_WORDS = """
What a larger share needs beside its rule (accepted, watched, reentered). Where one fails the migration waits, goes on evaluating,
and can still be rejected or rolled back.
"""
_TIME_WORDS = """
What time does, on the ledger's clock. None of it changes the phase.
"""
_COMMANDS_WORDS = """What each command does in each phase, as the gate answers it. `approve` is applied only where it is the last
condition of the next phase; PAUSED is a flag beside the phase, not a phase. A new `start` with a changed file begins a new epoch
at CALIBRATING from every phase; the same file changes nothing. A pause outlasts a new epoch: only `resume` takes it back, which
is applied in an ended migration too where it was paused.
"""


def _way() -> str:
    spec = _spec()
    rows = [
        (name, f"{phases.live_share(spec, name):.0%}", "yes" if name not in phases.TERMINAL else "no")
        for name in (*phases.order(spec), *sorted(phases.TERMINAL - {phases.COMPLETED}))
    ]
    return _table(("phase", "users on the challenger", "evaluates"), rows)


def _rules() -> str:
    return _table(("in", "rule", "leads to", "when"), [(r.source, r.rule, r.target, r.words) for r in transitions.RULES])


def _conditions() -> str:
    return _table(("condition", "holds where"), transitions.CONDITIONS)


def _commands() -> str:
    verbs = [kind for kind in get_args(CommandKind) if kind not in ("start", "approve")]
    names = (*phases.order(_spec()), *sorted(phases.TERMINAL - {phases.COMPLETED}))
    rows = [(name, *(_effect(name, verb) for verb in verbs)) for name in names]
    return _table(("phase", *verbs), rows)


def _effect(phase: str, verb: CommandKind) -> str:
    """Return where a command leads from a phase, by the fold itself."""
    state = _in(phase)
    if verb == "resume":
        state = replace(state, paused=state.active)
    after, outputs = _told(state, verb, 2)
    outcome = next(o.record.decision.outcome for o in outputs if getattr(o.record, "decision", None))
    moved = after.phase != phase or after.migration.epoch != state.migration.epoch
    flag = " (flag)" if after.paused != state.paused else ""
    return f"→ {after.phase}" if moved else f"{outcome}{flag}"


def _in(phase: str) -> MigrationState:
    state, _ = _told(None, "start", 1)
    share = phases.live_share(state.spec, phase)
    command = replace(state.last_command, phase=phase, live_share=share, sequence=9)
    migration = replace(state.migration, active=phase not in phases.TERMINAL)
    return replace(state, phase=phase, last_command=command, migration=migration)


def _told(state: MigrationState | None, kind: CommandKind, offset: int) -> tuple[MigrationState, list[Output]]:
    config = MigrationConfig(_spec(), "/nowhere")
    text = config.to_json() if kind == "start" else None
    order = Command(command_id=f"{kind}{offset}", migration_id=ID, kind=kind, actor="lab", config=text, issued_at_ms=0)
    after, outputs = step(state, ID, LedgerEntry(command=order), At(0, offset, offset))
    assert after is not None
    return after, outputs


def _spec() -> MigrationSpec:
    shadow = {"min_pairs": 1000, "max_pairs": 4000}  # what auto would be planned to does not show here
    return MigrationSpec.model_validate(
        {"migration": ID, "incumbent": "agent:v1", "challenger": "agent:v2", "phases": {"shadow": shadow}}
    )


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join(_lines(columns, rows))


def _lines(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=page.__doc__)
    parser.add_argument("--write", type=Path, help="the file to write; printed where it is not given")
    target = parser.parse_args().write
    if target is None:
        print(page())
    else:
        target.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
