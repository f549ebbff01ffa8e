"""The page of the soak: counts of ends, with exact binomial intervals beside the stated errors."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from scipy.stats import binom, binomtest

from dualgate.gate import phases
from dualgate.gate.checks import LEVEL
from dualgate.lab.soak.life import Life
from dualgate.lab.soak.population import POPULATIONS, config

DOUBT = 1e-4
"""A bound is exceeded where so many or more would have less than this probability at the bound."""

WORSE = (phases.REJECTED_WORSE, phases.ROLLED_BACK)
Found = Mapping[str, Sequence[Life]]
HEAD = """# Soak: identical agents through the whole gate

{lives:,} simulated migrations of two agents that are in truth the same, each through the gate's own fold from start to end: every
rule, monitor, budget and check on, with ticks, acknowledgements, three strata, and .4 % of the pairs lost by our own fault, .02 %
by the silence of either agent. Made by `python -m dualgate.lab.soak --runs {runs} --seed {seed} --write docs/soak-results.md`
(`make soak`) in {seconds:,.0f} s. The default file, but for correctness and the error budgets (see `lab/soak/population.py`).

*Superiority* asks that the challenger be better than the incumbent, which it is not: promotions are false. *Non-inferiority*
tolerates a loss of 3 points: most pass, and live through the canary, the rollout and the tail under all monitors. There every
rollback is false, and so is every rejection as worse. Intervals are exact at 95 % (Clopper and Pearson).
"""


def page(found: Found, seed: int, seconds: float) -> tuple[str, bool]:
    """Return the page, and whether no stated bound is significantly exceeded."""
    runs = max(map(len, found.values()))
    lives = sum(len(each) for each in found.values())
    rows = list(_bounds(found))
    sound = all(ok for _, ok in rows)
    parts = [HEAD.format(lives=lives, runs=runs, seed=seed, seconds=seconds), *_short(found, runs), "## False verdicts\n"]
    parts += [
        "| population | event | stated at most | found | interval | |",
        "|---|---|---|---|---|---|",
        *(row for row, _ in rows),
        "\n## How they ended\n",
        "| population | end | rule | lives | median pairs |",
        "|---|---|---|---|---|",
        *_ends(found),
        "\n## What held a live phase\n",
        "Seen at the end of a batch of 1,000 pairs; a hold waits, and changes no verdict by itself. The agents differ on 15 % of",
        "the queries: a budget of 2 % of a step's 2,000 observations (40 answers) is little more than two standard deviations.\n",
        "| population | held by | lives that went live | of them ever held | interval |",
        "|---|---|---|---|---|",
        *_held(found),
        "",
    ]
    return "\n".join(parts), sound


def _short(found: Found, runs: int) -> Iterator[str]:
    """Say it where a run was stopped before its end; lives come in the order of their seeds, so short ones are not preferred."""
    fewer = [f"{len(lives):,} of {name}" for name, lives in found.items() if len(lives) < runs]
    if fewer:
        yield f"The run was stopped before its end: {', '.join(fewer)} (the first ones by their seeds).\n"


def _bounds(found: Found) -> Iterator[tuple[str, bool]]:
    for name, lives in found.items():
        errors = config(name).spec.errors
        events: list[tuple[str, float, Callable[[Life], bool]]] = [
            (
                "turned away as worse or rolled back",
                errors.rollback,
                lambda x: x.phase in (phases.REJECTED_WORSE, phases.ROLLED_BACK),
            ),
            ("degradation e-process", errors.rollback / 4, lambda x: x.rule == "worse"),
            ("CUSUM or e-SR", errors.rollback * 0.75, lambda x: x.rule in ("alarm", "spent")),
            ("incumbent refused", 0.05, lambda x: x.rule == "incumbent"),
        ]
        if POPULATIONS[name]["correctness"]["null"] >= 0:
            events.insert(0, ("promoted (any user on the challenger)", errors.promote, lambda x: phases.CANARY in x.entered))
        for event, bound, happened in events:
            k, n = sum(map(happened, lives)), len(lives)
            exceeded = bool(binom.sf(k - 1, n, bound) < DOUBT)
            found_words = f"{k} of {n:,} ({k / n:.4f}) | {_interval(k, n)} | {_word(k, n, bound, exceeded)}"
            yield f"| {name} | {event} | {bound:g} | {found_words} |", not exceeded


def _word(k: int, n: int, bound: float, exceeded: bool) -> str:
    if exceeded:
        return "**exceeded**"
    return "held" if binomtest(k, n).proportion_ci(0.95).high <= bound else "consistent"


def _ends(found: Found) -> Iterator[str]:
    for name, lives in found.items():
        for (phase, rule), k in sorted(Counter((x.phase, x.rule) for x in lives).items(), key=lambda each: -each[1]):
            units = sorted(x.units for x in lives if (x.phase, x.rule) == (phase, rule))
            yield f"| {name} | {phase} | {rule} | {k:,} | {units[len(units) // 2]:,} |"


def _held(found: Found) -> Iterator[str]:
    for name, lives in found.items():
        went = [x for x in lives if phases.CANARY in x.entered]
        for what in sorted({each for x in went for each in x.held}):
            k = sum(what in x.held for x in went)
            stated = f"; stated {LEVEL:.4f} a phase" if what.startswith("check") else ""
            yield f"| {name} | {what} | {len(went):,} | {k} ({k / len(went):.3f}) | {_interval(k, len(went))}{stated} |"


def _interval(k: int, n: int) -> str:
    ci = binomtest(k, n).proportion_ci(0.95)
    return f"{ci.low:.4f} to {ci.high:.4f}"
