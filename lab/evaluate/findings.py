"""What of the claims holds and what does not, in words: the figures of the run choose the words, nobody's hand does."""

from collections.abc import Callable, Iterator
from contextlib import suppress

from dualgate.lab.evaluate import findings_beside as beside
from dualgate.lab.evaluate import findings_own as own
from dualgate.lab.evaluate.figures import Figures, Finding
from dualgate.lab.evaluate.goals import Told
from dualgate.lab.evaluate.tables import Section
from dualgate.schemas.migration import MigrationSpec

_FINDINGS: tuple[Callable[[Figures], Iterator[Finding]], ...] = (
    own.before_impact, own.rare, own.false_alarms, beside.paired_signal, own.savings, own.window,
    beside.canary, own.by_dimension, beside.all_users, own.outage, own.traps, beside.later, beside.peeking,
)  # fmt: skip


def findings(told: Told, spec: MigrationSpec) -> list[Section]:
    """Return what holds, what does not, and what is neither; a finding that the run has no figures for is left out."""
    figures, found = Figures(told, spec), list[Finding]()
    for tell in _FINDINGS:
        with suppress(KeyError):
            for finding in tell(figures):
                found.append(finding)  # what was told before a figure is wanting stays
    titles: dict[bool | None, str] = {True: "What holds", False: "What does not hold", None: "What is to be known beside"}
    return [
        Section(title, points=[f"**{f.claim}** {f.words}" for f in found if f.holds is state])
        for state, title in titles.items()
        if any(f.holds is state for f in found)
    ]
