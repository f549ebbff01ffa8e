"""Each strategy keeps its published rule on streams made by hand."""

import numpy as np
import pytest
from scipy.stats import binomtest

from dualgate.lab.evaluate.strategies import argo, dualgate, flagger, growthbook
from dualgate.lab.evaluate.strategies.ab import AbTest, planned
from dualgate.lab.evaluate.strategies.argo import Argo
from dualgate.lab.evaluate.strategies.blue_green import BlueGreen
from dualgate.lab.evaluate.strategies.canary import Canary
from dualgate.lab.evaluate.strategies.dualgate import Dualgate, with_gate
from dualgate.lab.evaluate.strategies.flagger import Flagger
from dualgate.lab.evaluate.strategies.growthbook import SafeRollout, half_width
from dualgate.lab.evaluate.strategies.kayenta import Kayenta, is_high
from dualgate.lab.evaluate.strategies.unpaired import Seen, rate
from dualgate.lab.evaluate.strategies.unwatched import Unwatched
from dualgate.lab.evaluate.traffic import DAY_MS, Served
from support.evaluate import Rates, traffic
from support.ledgers import EASY, HEAD, SHORT, config

GOOD, BAD = Rates(correct=0.95, over=0.002, violation=0.0), Rates(correct=0.3, over=0.2, violation=0.1)
RIVALS = (Canary(), AbTest(), AbTest(peeked=True), BlueGreen(), Argo(), Flagger(), Kayenta(), SafeRollout())


@pytest.mark.parametrize("strategy", RIVALS, ids=lambda s: s.name)
def test_rivals_promote_the_clearly_good_and_stop_the_clearly_bad(strategy: Canary) -> None:
    """A challenger that is better in everything ends with every user; one that fails everywhere ends with none."""
    good, bad = traffic(1, GOOD), traffic(1, BAD)
    assert strategy.run(good).verdict == "promoted"
    assert good.history.shares[-1] == 1.0
    assert strategy.run(bad).verdict == "stopped"
    assert bad.history.shares[-1] == 0.0
    assert good.over
    assert bad.over


def _rate_of(strategy: AbTest, runs: int) -> int:
    ended = [strategy.run(traffic(seed, Rates(), n=2500, days=12)) for seed in range(runs)]
    return sum(e.verdict == "promoted" or e.claims_worse for e in ended)


def test_the_proper_test_keeps_its_level_and_the_peeked_one_does_not() -> None:
    """On equal arms the proper test says something in at most 10 % (better 5 %, any worse 5 %), the peeked one in far more."""
    runs = 60
    proper, peeked = (_rate_of(AbTest(peeked=p, gain=0.045), runs) for p in (False, True))
    assert binomtest(proper, runs).proportion_ci(0.999).low <= 0.10
    assert binomtest(peeked, runs).proportion_ci(0.999).low > 0.30


def test_the_planned_number_is_the_textbook_one() -> None:
    """Two rates .842 and .872, one-sided 5 %, power 90 %: (1.6449 + 1.2816)^2 (.13304 + .11162) / .03^2 = 2,327.2."""
    assert planned(0.842, 0.03) == 2328


def test_users_answer_for_their_own_queries() -> None:
    """Ten users who each repeat one answer a hundred times tell as much as ten answers do."""
    once = rate(np.array([1.0, 0.0] * 5), np.arange(10))
    often = rate(np.repeat([1.0, 0.0] * 5, 100), np.repeat(np.arange(10), 100))
    assert once is not None
    assert often is not None
    assert often.se == pytest.approx(once.se)


def test_the_canary_is_judged_once_at_the_end_of_its_window() -> None:
    """For seven days 5 % of the users are exposed whatever happens; the verdict falls on day seven."""
    stream = traffic(4, BAD)
    ended = Canary().run(stream)
    assert ended.decided_ms == pytest.approx(7 * DAY_MS, abs=0.1 * DAY_MS)
    assert stream.history.shares == (0.0, 0.05, 0.0)


def test_flagger_holds_the_weight_at_a_failed_check() -> None:
    """Where every check fails, the weight stays at its first step until the last one that is borne."""
    stream = traffic(5, BAD)
    ended = Flagger(threshold=3).run(stream)
    assert ended.reason == "3 failed checks >= threshold 3"
    assert stream.history.shares == (0.0, 0.05, 0.0)


class Told:
    """Checks that come out as they are told, one after another."""

    def __init__(self, *outcomes: list[str] | None) -> None:
        self._outcomes = list(outcomes)

    def failed(self, _served: Served) -> list[str] | None:
        """Return the next."""
        return self._outcomes.pop(0)


def test_flaggers_good_checks_forgive_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Good checks between raise the weight, a window without values counts as failed, and the third failure in all rolls back."""
    monkeypatch.setattr(flagger, "limits", lambda *_: Told(["wrong"], [], None, [], ["over"], []))
    stream = traffic(5, GOOD)
    assert Flagger(threshold=3).run(stream).reason == "3 failed checks >= threshold 3"
    assert [round(share, 2) for share in stream.history.shares] == [0.0, 0.05, 0.1, 0.15, 0.0]


def test_argos_failures_are_of_a_metric_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three failures of one and three of another abort nothing; the fourth of one does, whatever lies between."""
    seven = Told(["wrong"], ["over"], ["wrong"], [], ["over"], ["wrong", "over"], [], ["over"])
    monkeypatch.setattr(argo, "limits", lambda *_: seven)
    ended = Argo().run(traffic(6, GOOD))
    assert ended.reason == "failed > failureLimit: {'wrong': 3, 'over': 4}"


def test_argo_aborts_at_more_failures_than_its_limit() -> None:
    """Three failures of a metric are within failureLimit 3, the fourth aborts."""
    stream = traffic(6, BAD)
    ended = Argo().run(stream)
    assert "'wrong': 4" in ended.reason
    assert ended.decided_ms == pytest.approx(2.0 * DAY_MS, abs=0.1 * DAY_MS)


def test_argo_errs_where_nothing_is_measured() -> None:
    """More than four consecutive intervals without a value abort: silence is no success."""
    ended = Argo(steps=(0.0, 0.0, 0.0)).run(traffic(7, GOOD))
    assert ended.reason == "error: no values"


def test_kayenta_judges_a_shift_against_a_quarter_of_it() -> None:
    """High is a lower 98 % bound above .25 of the Hodges-Lehmann shift: a clear shift is, an equal series is not."""
    rng = np.random.default_rng(1)
    control = rng.normal(10, 1, 60)
    assert is_high(rng.normal(12, 1, 60), control)
    assert not is_high(rng.normal(10, 1, 60), control)
    assert not is_high(rng.normal(10.3, 1, 60), control)
    assert not is_high(np.array([]), control)


def test_the_confidence_sequence_is_as_wide_as_published() -> None:
    """At n = N* (n rho^2 = 6.329 at 2 alpha = .1) it is sqrt(2 · 7.329 / 6.329 · log(1 + sqrt(7.329) / .1)) = 2.779 se."""
    assert half_width(1.0, 5_000) == pytest.approx(2.779, abs=0.001)
    assert half_width(2.0, 5_000) == pytest.approx(2 * half_width(1.0, 5_000))
    assert half_width(1.0, 100) > half_width(1.0, 5_000)


def test_this_gate_exposes_as_its_fold_commands() -> None:
    """The shares are those of the file's phases in their order, and the decision does not depend on how blocks are cut."""
    file = config(HEAD + SHORT + EASY)
    stream = traffic(8, Rates(), n=1500)
    ended = Dualgate("dualgate", with_gate(file, "holm")).run(stream)
    assert stream.history.shares == (0.0, 0.05, 0.5, 1.0)
    assert ended.verdict == "promoted"
    assert ended.pairs is not None
    assert stream.history.rows[1] == ended.pairs  # every query is a unit, so the pair after which it decides is its row


def test_this_gate_stops_before_anyone_sees_a_bad_challenger() -> None:
    """A challenger that is worse never serves a user, and mirroring ends with the decision."""
    stream = traffic(9, BAD, n=1500)
    ended = Dualgate("dualgate", with_gate(config(HEAD + SHORT + EASY), "holm")).run(stream)
    assert (ended.verdict, ended.reason, ended.claims_worse) == ("stopped", "worse", True)
    assert stream.history.shares == (0.0,)
    assert stream.history.n_mirrored == ended.pairs


def test_without_the_live_signal_only_the_shadow_phase_is_mirrored() -> None:
    """The variant without pairs in the live phases mirrors up to its acceptance, then charts what users are served."""
    stream = traffic(10, Rates(), n=6000)
    ended = Unwatched(with_gate(config(HEAD + SHORT + EASY), "holm")).run(stream)
    assert ended.verdict == "promoted"
    assert stream.history.n_mirrored == stream.history.rows[1] == ended.pairs


@pytest.mark.parametrize("silent", [False, True])
def test_no_decision_depends_on_how_many_pairs_are_folded_at_once(silent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a block holds, a decision uses nothing that comes after it: silences are folded among the pairs, in time."""
    ended = []
    for size in (50, 100, 1500):
        monkeypatch.setattr(dualgate, "BLOCK", size)
        stream = traffic(11, Rates(), n=1500, silence=0.02 if silent else 0.0)
        ended.append((Dualgate("dualgate", with_gate(config(HEAD + SHORT + EASY), "holm")).run(stream), stream.history))
    assert ended[0] == ended[1] == ended[2]


def test_growthbooks_control_takes_part_as_the_new_version_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the ramp has a tenth of the users, both groups are halves of that tenth: whoever does not take part is in neither."""
    seen: list[Seen] = []

    def note(found: Seen) -> list[str]:
        seen.append(found)
        return []

    monkeypatch.setattr(growthbook, "guardrails", note)
    SafeRollout().run(traffic(12, GOOD, n=60_000, users=6000))
    first, last = seen[0], seen[-1]
    assert 0.05 < len(first.challenger) / (60_000 * 0.25 / 30) < 0.2
    for found in (first, last):
        assert binomtest(int(found.challenger.sum()), len(found.challenger)).proportion_ci(0.999).low <= 0.5
        assert binomtest(int(found.challenger.sum()), len(found.challenger)).proportion_ci(0.999).high >= 0.5
