"""The line of rated pairs: corrected values by hand, who waits, who is not taken, what verdicts do, and its snapshot."""

import json
import math
from fractions import Fraction

import pytest

from dualgate.gate.line import (
    BEFORE,
    CALIBRATING,
    DRAWN,
    HERE,
    KNOWN,
    LIVE_BEFORE,
    LIVE_HERE,
    MAX_COUNTED,
    MAX_EARLY,
    PROGRESS,
    SILENT,
    UNDRAWN,
    Line,
    Row,
    Taking,
)
from dualgate.gate.rated import codes
from dualgate.gate.stats.lattice import MISSING
from dualgate.gate.stats.ppi import corrected, position, power_tuned, worst
from dualgate.gate.stats.rated import rated_spec, signal_lattice, signal_law
from dualgate.schemas.scorers import Rater

RATER = Rater.model_validate({"url": "http://127.0.0.1:9/v1", "model": "judge", "label_probability": 0.1})


def drawn(name: str, rater: int = 1, stage: int = HERE) -> Row:
    return Row(DRAWN + 1 + rater, stage, query_hash=name)


def undrawn(rater: int = 0, stage: int = HERE) -> Row:
    return Row(UNDRAWN + 1 + rater, stage)


def taken(rows: list[Row], line: Line | None = None, most: int = 100) -> tuple[Line, list[Row | None], int]:
    taking = Taking(line or Line(), most)
    for row in rows:
        taking.take(row)
    return taking.done(), taking.counted, taking.refused


def said(line: Line, name: str, incumbent: int, challenger: int) -> Line:
    return line.labelled(name, False, incumbent)[0].labelled(name, True, challenger)[0]


def test_corrected_value_by_hand() -> None:
    """z = eta R + (Y - eta R) / pi in thousandths, rounded down in the direction of the evidence; eta in tenths."""
    assert corrected(1, None, 6, 1000, 1) == 600
    assert corrected(1, 1, 6, 100, 1) == 600 + 4000
    assert corrected(1, -1, 6, 100, 1) == 600 - 16000
    assert corrected(1, 0, 5, 300, 1) == math.floor(500 - 500 / 0.3)
    assert corrected(1, 0, 5, 300, -1) == math.floor(-500 + 500 / 0.3)
    assert worst(0, 100) == Fraction(-10)
    assert [power_tuned(*sums) for sums in ((3, 4), (-3, 4), (9, 4), (0, 0))] == [7, 0, 10, 0]


def test_corrected_value_is_unbiased_for_any_rater() -> None:
    """The mean of z over the draw is Y, up to the rounding: whatever the rater says and whatever its weight is."""
    for rater in (-1, 0, 1):
        for verdict in (-1, 0, 1):
            for eta in (0, 3, 10):
                mean = 0.3 * corrected(rater, verdict, eta, 300, 1) + 0.7 * corrected(rater, None, eta, 300, 1)
                assert 1000 * verdict - 1 <= mean <= 1000 * verdict + 1e-9


@pytest.mark.parametrize("probability", [0.04, 0.1, 0.3, 1.0])
def test_the_lattice_holds_every_value(probability: float) -> None:
    """Each z has a place of its own on the lattice, in both directions of rounding, and bets never lose everything."""
    signal, thousandths = signal_lattice(probability), round(1000 * probability)
    for eta in range(11):
        for rater in (-1, 0, 1):
            for verdict in (None, -1, 0, 1):
                for direction in (1, -1):
                    z = direction * corrected(rater, verdict, eta, thousandths, direction)
                    assert float(signal.value(position(signal, z))) == pytest.approx(z / 1000)
    spec = rated_spec(0.0, 0.05, 0.0, probability)
    assert spec.worse is not None
    for process in (spec.accept, spec.futility, spec.worse):
        assert max(process.bets) < process.bet_limit


def test_the_planned_law_has_the_mean_of_the_plan() -> None:
    """What a plan expects of z is a law whose mean is that of the labels, whatever the rater of the plan is worth."""
    for mean, discordance in ((0.03, 0.15), (-0.05, 0.2), (0.3, 0.9)):
        assert float(signal_law(mean, discordance, 0.1) @ signal_lattice(0.1).values) == pytest.approx(mean)


def test_a_label_probability_that_is_too_small_is_refused() -> None:
    """Below .04 a label weighs more than 50 pairs: an error that names the value and what is accepted."""
    with pytest.raises(ValueError, match=r"0\.01.*0\.04 to 1"):
        signal_lattice(0.01)


def test_a_drawn_pair_stops_the_line() -> None:
    """Pairs count at once up to the first whose label is wanted; all after it wait, in order, until both verdicts are there."""
    line, counted, _ = taken([undrawn(1), undrawn(), drawn("a"), undrawn(-1), drawn("b", -1), undrawn(1)])
    assert [row is not None for row in counted] == [True, True, False, False, False, False]
    assert (line.rows, [row.query_hash for row in line.waiting], line.ready()) == (4, ["a", "b"], [])
    assert said(line, "b", 1, 0).ready() == []
    half = line.labelled("a", True, 1)[0]
    assert half.ready() == []
    freed = half.labelled("a", False, 0)[0]
    assert [row.kind for row in freed.ready()] == [DRAWN + 2, UNDRAWN]
    left = freed.after(freed.ready())
    assert (left.rows, left.sum_yr, left.sum_rr, left.weight) == (2, 1, 1, 10)


def test_after_takes_away_any_number_of_pairs() -> None:
    """However many pairs are counted, the rest waits as it was: also from within a run of equal letters."""
    line, _, _ = taken([drawn("a"), *[undrawn(r) for r in (0, 1, -1, 0, 1)], drawn("b")])
    line = said(line, "a", 1, 1)
    ready = line.ready()
    for n in range(len(ready) + 1):
        left = line.after(ready[:n])
        assert [row.kind for row in left.ready()] == [row.kind for row in ready[n:]]
        assert left.rows == line.rows - n


def test_a_full_line_takes_nothing_and_looks_at_nothing() -> None:
    """While as many drawn pairs wait as may, pairs of every kind are left out alike, and a verdict makes room again."""
    line, _, refused = taken([drawn("a"), drawn("b"), drawn("c"), undrawn(1), Row(KNOWN + 2, HERE), Row(SILENT, HERE)], most=2)
    assert (refused, line.rows) == (4, 2)
    line = said(line, "a", 1, 1)
    line, _, refused = taken([drawn("d")], line.after(line.ready()), most=2)
    assert (refused, [row.query_hash for row in line.waiting]) == (0, ["b", "d"])


def test_the_first_verdict_stands() -> None:
    """A second verdict on an answer changes nothing, waiting or early, and says so."""
    line, _, _ = taken([drawn("a")])
    once = line.labelled("a", True, 1)[0]
    assert once.labelled("a", True, 0) == (once, "repeated")
    early, became = line.labelled("z", False, 1)
    assert became == "early"
    assert early.labelled("z", False, 0) == (early, "repeated")


def test_a_verdict_on_a_pair_that_was_counted_is_repeated() -> None:
    """Published again after its pair has counted, a verdict does not wait for a pair; the last 2,000 counted are known."""
    line, _, _ = taken([drawn("a")])
    line = said(line, "a", 0, 1)
    line = line.after(line.ready())
    line, _, _ = taken([drawn("b")], said(line, "b", 1, 1))  # its verdicts were there before it
    for name in "ab":
        assert line.labelled(name, True, 0) == (line, "repeated")
        assert line.labelled(name, False, 1) == (line, "repeated")
    assert line.labelled("c", True, 1)[1] == "early"
    assert Line.from_json(json.loads(json.dumps(line.to_json()))) == line
    many = line.learnt(Row(DRAWN, HERE, query_hash=f"q{i}", said=(1, 0)) for i in range(MAX_COUNTED - 1))
    assert [many.labelled(name, True, 1)[1] for name in ("a", "b", "q0")] == ["early", "repeated", "repeated"]


def test_verdicts_may_come_before_their_pair() -> None:
    """Verdicts wait for their pair; it then counts at once. Of too many that wait the oldest are forgotten."""
    line = said(Line(), "a", 0, 1)
    line, counted, _ = taken([drawn("a"), undrawn()], line)
    assert [row and row.label for row in counted] == [1, None]
    assert (line.rows, line.early, line.weight) == (0, (), 10)
    for i in range(MAX_EARLY + 1):
        line = line.labelled(f"q{i}", True, 1)[0]
    assert (len(line.early), line.early[0][0]) == (MAX_EARLY, "q1")


def test_another_phase_makes_what_waits_the_past() -> None:
    """Pairs that wait over a change of phase are of the phase before, run or drawn; calibrating ones stay that."""
    stages = [CALIBRATING, HERE, LIVE_HERE, PROGRESS]
    line, _, _ = taken([drawn("a", stage=HERE), *[undrawn(stage=s) for s in stages], drawn("b", stage=PROGRESS)])
    line = said(said(line.passed(), "a", 1, 1), "b", 1, 1)
    assert [row.stage for row in line.ready()] == [BEFORE, CALIBRATING, BEFORE, LIVE_BEFORE, LIVE_BEFORE, LIVE_BEFORE]


def test_observed_values_follow_the_labels_before() -> None:
    """The rater's weight is that of the labels before a pair, never its own; known pairs count as they are."""
    spec = rated_spec(0.0, 0.05, 0.0, 0.1)
    rows = [undrawn(1), Row(DRAWN + 2, HERE, said=(0, 1)), undrawn(1), Row(KNOWN, HERE), Row(SILENT, HERE), None]
    accept, worse = codes(spec.accept.lattice, RATER, Line(), rows)
    told = [None if code == MISSING else float(spec.accept.lattice.value(code)) for code in accept.tolist()]
    assert told == [0.0, 10.0, 1.0, -1.0, -1.0, None]
    assert [code == MISSING for code in worse.tolist()] == [False, False, False, False, True, True]


def test_snapshot_round_trip() -> None:
    """A line comes back from JSON as it was, with half of a label and verdicts whose pairs have not come."""
    line, _, _ = taken([drawn("a"), undrawn(1), Row(UNDRAWN, HERE, 250), drawn("b", -1, PROGRESS), undrawn()])
    line = line.labelled("b", True, 0)[0].labelled("x", False, 1)[0]
    assert Line.from_json(json.loads(json.dumps(line.to_json()))) == line
