"""The events: what is wrong (or right) with the challenger, since when, and what a gate should make of it.

An event changes answers of the pool (executed and scored) or latencies; it never draws a score. Sizes that the published
study names are its own; the others are stated here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from dualgate.lab.evaluate.answers import AGAIN, ELABORATE, INVENTED, MISSING, OWN, RIGHT, UNFILTERED, WRONG
from dualgate.lab.evaluate.pool import SLOW, Bools, Floats, Pool
from dualgate.lab.evaluate.streams import Scene, Shape, scene

Happen = Callable[[Scene, Bools, np.random.Generator], None]
"""Changes a scene at the queries of a mask (those since the onset)."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event by name.

    again: the challenger is the incumbent asked twice (equal), else the log's challenger. good: may be promoted; worse: is
    worse than the incumbent beyond what the migration file tolerates; onset_day: since when. shape: how the traffic differs.
    """

    name: str
    words: str
    happen: Happen
    again: bool = False
    good: bool = False
    worse: bool = True
    onset_day: float = 0.0
    shape: Mapping[str, object] = field(default_factory=dict)


def staged(event: Event, pool: Pool, shape: Shape, rng: np.random.Generator) -> Scene:
    """Return a scene in which the event has happened."""
    changed = Shape(**{name: event.shape.get(name, getattr(shape, name)) for name in Shape.__slots__})  # type: ignore[arg-type]
    found = scene(pool, changed, event.again, rng)
    event.happen(found, found.day >= event.onset_day, rng)
    return found


def nothing(_scene: Scene, _since: Bools, _rng: np.random.Generator) -> None:
    """Leave the answers as they are."""


def _among(which: Bools, chance: float | Floats, rng: np.random.Generator) -> Bools:
    return np.asarray(which & (rng.random(len(which)) < chance))


def _lose(scene: Scene, since: Bools, points: float | Floats, rng: np.random.Generator) -> None:
    """Make right answers wrong: so many points of all answers."""
    right = scene.right() & scene.can(WRONG)
    chance = np.minimum(1.0, points / max(1e-9, right[since].mean() if since.any() else 1.0))
    scene.answer(_among(since & right, chance, rng), WRONG)


def _below(scene: Scene, points: float) -> float:
    """Return by how many points an answer set must fall to be so much below the incumbent."""
    incumbent, challenger = scene.pool.mean("correctness", scene.base)
    return challenger - incumbent + points


def degradation(scene: Scene, since: Bools, rng: np.random.Generator) -> None:
    """Four points fewer right answers than the incumbent."""
    _lose(scene, since, _below(scene, 0.04), rng)


def latency_to(rate: float) -> Happen:
    """Return an event that brings the share of answers over the SLA to a rate."""

    def happen(scene: Scene, since: Bools, rng: np.random.Generator) -> None:
        over = float(scene.pool.over[1 + int(scene.base == AGAIN)].mean())
        scene.slow(_among(since, (rate - over) / (1 - over), rng), SLOW)

    return happen


def bursts(scene: Scene, since: Bools, rng: np.random.Generator) -> None:
    """Invented columns come in bursts: 13 % of the answers in a tenth of the time, 60 queries long on average."""
    n, inside, at = len(since), np.zeros(len(since), dtype=bool), 0
    state = bool(rng.random() < 0.1)
    while at < n:
        stay = int(rng.geometric(1 / (60 if state else 540)))
        inside[at : at + stay] = state
        at, state = at + stay, not state
    scene.answer(_among(since & inside & scene.can(INVENTED), 0.13 - 0.003, rng), INVENTED)


def violations(kind: int, rate: float) -> Happen:
    """Return an event in which so large a share of the answers is of a violating kind."""

    def happen(scene: Scene, since: Bools, rng: np.random.Generator) -> None:
        scene.answer(_among(since & scene.can(kind), rate, rng), kind)

    return happen


def _wordier(scene: Scene, since: Bools, points: float, rng: np.random.Generator) -> None:
    """Lower the mean agreement of right answers by so much: the same rows by queries that say more than they must."""
    own, wordy = scene.pool.mean("semantic", scene.base)[1], scene.pool.mean("semantic", ELABORATE)[1]
    right = scene.right() & scene.can(ELABORATE)
    scene.answer(_among(since & right, min(1.0, points / max(1e-9, own - wordy)), rng), ELABORATE)


def combined(scene: Scene, since: Bools, rng: np.random.Generator) -> None:
    """More right answers, but 3.5 % over the SLA and agreement at .84."""
    latency_to(0.035)(scene, since, rng)
    _wordier(scene, since, scene.pool.mean("semantic", OWN)[1] - 0.84, rng)


def drift(scene: Scene, since: Bools, rng: np.random.Generator) -> None:
    """Right answers are lost slowly: in 25 days from where it is to 6 points below the incumbent."""
    began = scene.day[since][0] if since.any() else 0.0
    _lose(scene, since, _below(scene, 0.06) * np.clip((scene.day - began) / 25, 0, 1), rng)


def compounding(scene: Scene, since: Bools, rng: np.random.Generator) -> None:
    """A little worse in all: 2 points of right answers, .6 points over the SLA, .02 of agreement, .3 points of violations."""
    _lose(scene, since, _below(scene, 0.02), rng)
    latency_to(float(scene.pool.over[0].mean()) + 0.006)(scene, since, rng)
    violations(INVENTED, 0.003)(scene, since, rng)
    _wordier(scene, since & (scene.kind == scene.base), 0.02, rng)


def better(scene: Scene, since: Bools, rng: np.random.Generator) -> None:
    """Six in ten of the wrong answers become right."""
    scene.answer(_among(since & ~scene.right() & scene.can(RIGHT), 0.6, rng), RIGHT, harm=False)


def stratum_worse(scene: Scene, since: Bools, rng: np.random.Generator) -> None:
    """On the hardest stratum 15 points fewer right answers than the challenger has; better over all."""
    hard = since & (scene.queries.stratum == scene.pool.hardest)
    right = scene.right() & scene.can(WRONG)
    scene.answer(_among(hard & right, 0.15 / max(1e-9, right[hard].mean() if hard.any() else 1.0), rng), WRONG)


def silent(scene: Scene, since: Bools, rng: np.random.Generator) -> None:
    """No answer at all to a quarter of the hardest queries."""
    scene.answer(_among(since & (scene.queries.stratum == scene.pool.hardest), 0.25, rng), MISSING)


def stricter_judge(scene: Scene, _since: Bools, rng: np.random.Generator) -> None:
    """The judge calls more and more right answers of both arms wrong: 0 to 12 % from day 7 to day 27."""
    share = 0.12 * np.clip((scene.day - 7) / 20, 0, 1)  # of all answers: what was wrong stays so
    for arm in (0, 1):
        scene.judged[arm, _among(np.ones(len(share), dtype=bool), share, rng)] = 0.0


def partial_judge(scene: Scene, _since: Bools, rng: np.random.Generator) -> None:
    """The judge comes to favour the challenger: it calls 0 to 40 % of its wrong answers right, from day 0 to day 3."""
    wrong = ~scene.right()
    scene.judged[1, _among(wrong, 0.4 * np.clip(scene.day / 3, 0, 1), rng)] = 1.0


def outage(scene: Scene, _since: Bools, _rng: np.random.Generator) -> None:
    """The provider is gone for twelve hours from noon of day 3: neither agent answers but with errors."""
    scene.outage |= (scene.day >= 3.5) & (scene.day < 4.0)


_LATER = (12, 24)
_STUDY = (
    Event("accuracy_degradation", "4 points fewer right answers than the incumbent", degradation, again=True),
    Event("latency_regression", "3.5 % of the answers over the SLA instead of .75 %", latency_to(0.035)),
    Event("bursty_hallucination", "invented columns, .3 % to 1.5 %, in bursts", bursts),
    Event("authorization", "other tenants' rows are read by .8 % of the answers", violations(UNFILTERED, 0.008)),
    Event("combined", "5.4 points more right answers, 3.5 % over the SLA, agreement .84", combined),
)
_COMPOUNDING = Event("compounding", "a little worse in all four dimensions", compounding, again=True)
STUDY = ("accuracy_improvement", *(event.name for event in _STUDY))
"""The six events of the published study."""
REGRESSIONS = STUDY[1:]
"""Five of them."""


def _later(event: Event, day: int) -> Event:
    return Event(f"{event.name}_day_{day}", f"{event.words}, from day {day} on", event.happen, onset_day=day)


EVENTS: Mapping[str, Event] = {
    event.name: event
    for event in (
        Event("accuracy_improvement", "the log's challenger as recorded", nothing, good=True, worse=False),
        *_STUDY,
        Event(
            "slow_drift", "the log's challenger; from day 8 on it falls, in 25 days to 6 points below the incumbent", drift,
            onset_day=8,
        ),
        Event(
            "seasonal_mix", "the share of hard queries swings by +-80 % in 14 days", nothing, good=True, worse=False,
            shape={"swing": 0.8},
        ),
        _COMPOUNDING,
        Event("equal", "the incumbent asked twice", nothing, again=True, worse=False),
        Event("clearly_better", "six in ten wrong answers become right", better, good=True, worse=False),
        Event("worse_in_one_stratum", "better over all, 6 points worse than the incumbent on hard queries", stratum_worse),
        Event("silent_on_hard", "no answer to a quarter of the hard queries", silent),
        Event("stricter_judge", "as recorded; the judge grows stricter with both", stricter_judge, good=True, worse=False),
        Event("partial_judge", "equal; the judge comes to favour it", partial_judge, again=True, worse=False),
        Event(
            "repeated_sessions", "equal; every turn of a session repeats its question", nothing, again=True, worse=False,
            shape={"session_size": 3.0, "repeated": True},
        ),
        Event(
            "near_duplicates", "equal; 30 % of the queries are one of twenty", nothing, again=True, worse=False,
            shape={"near_duplicates": 0.3},
        ),
        Event("outage", "the log's challenger; both arms fail for 12 hours of shadow", outage, good=True, worse=False),
        *(_later(event, day) for event in (*_STUDY, _COMPOUNDING) for day in _LATER),
    )
}  # fmt: skip
QUICK = (*STUDY, "equal")
"""The study's six, and an equal challenger."""
