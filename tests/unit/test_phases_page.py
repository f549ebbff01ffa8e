"""The state table in docs/ is the code's."""

from pathlib import Path

from dualgate.gate import phases, transitions
from dualgate.lab.phases import page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_code_gives() -> None:
    """docs/phases.md is written by the code: `python -m dualgate.lab.phases --write docs/phases.md` after a change."""
    assert (DOCS / "phases.md").read_text(encoding="utf-8") == page()


def test_only_rules_of_the_table_lead_on() -> None:
    """No terminal phase has a rule; only accepted, watched and returned lead to another phase with users in it."""
    assert not [rule for phase in phases.TERMINAL for rule in transitions.of(phase)]
    onward = {r.rule for r in transitions.RULES if r.target in (transitions.NEXT, transitions.BEFORE, transitions.SAME)}
    assert onward == {"accepted", "watched", "returned", "reentered"}
    assert {
        r.target for r in transitions.RULES if r.rule in ("worse", "alarm", "spent", "futile", "horizon", "incumbent")
    } <= phases.TERMINAL
