"""The rater's e-process over rounds of pairs: labels may come late, none is dropped, rater versions are never mixed.

Pairs are taken in rounds. A round is applied, in order, when all of its drawn labels have come; its eta and bet are fixed from
the rounds applied before it. Until then its drawn pairs are kept (bounded by round size x open rounds) and the others only
as counts per rater value. Applying the unlabelled pairs first would be no martingale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dualgate.gate.stats import ppi
from dualgate.gate.stats.fixed_point import probability_thousandths
from dualgate.gate.stats.rater_state import NANO_PER_MICRO, DrawnPair, RaterSpec, RaterState, Round


def add_pair(
    spec: RaterSpec,
    state: RaterState,
    rater_version: str,
    rater: int,
    drawn: tuple[str, float, int] | None = None,
) -> RaterState:
    """Return the state with one more pair; rater is R in {-1, 0, 1} (0 where the rater gave nothing on either arm).

    drawn: (query hash, label probability, now_ms) where the pair was drawn for labels. A pair that no open round has room for
    is counted as refused: stop drawing while `full` says so. Refusing looks at nothing of the pair, so it biases nothing.
    """
    if rater not in (-1, 0, 1):
        raise ValueError(f"rater {rater!r}, accepted: -1, 0, 1")
    if full(spec, state, rater_version):
        return replace(state, n_refused=state.n_refused + 1)
    *before, last = _room(state, rater_version)
    if drawn is None:
        minus, zero, plus = last.undrawn
        last = replace(last, undrawn=(minus + (rater == -1), zero + (rater == 0), plus + (rater == 1)))
    else:
        pair = DrawnPair(drawn[0], rater, _label_thousandths(spec, drawn[1]), drawn[2])
        last = replace(last, drawn=(*last.drawn, pair))
    last = replace(last, closed=last.size >= spec.round_size)
    return apply_rounds(spec, replace(state, rounds=(*before, last)))


def full(spec: RaterSpec, state: RaterState, rater_version: str) -> bool:
    """Return whether a pair of this rater version would need one more open round than may be open."""
    takes = bool(state.rounds) and not state.rounds[-1].closed and state.rounds[-1].rater_version == rater_version
    return len(state.rounds) >= spec.max_open_rounds and not takes


def _room(state: RaterState, rater_version: str) -> tuple[Round, ...]:
    """Return the rounds, the last of which takes a pair of this version: another version closes the round before it."""
    if not state.rounds or state.rounds[-1].closed:
        return (*state.rounds, Round(rater_version))
    last = state.rounds[-1]
    if last.rater_version == rater_version:
        return state.rounds
    return (*state.rounds[:-1], replace(last, closed=True), Round(rater_version))


def _label_thousandths(spec: RaterSpec, probability: float) -> int:
    thousandths = probability_thousandths(probability)
    if thousandths < probability_thousandths(spec.least_probability):
        raise ValueError(f"label probability {probability!r}, accepted: at least {spec.least_probability}")
    return thousandths


def add_label(spec: RaterSpec, state: RaterState, query_hash: str, arm: str, verdict: int) -> RaterState:
    """Return the state with a human verdict (1 right, 0 wrong) on one arm of a drawn pair.

    The first verdict on an arm stands; a repeated one and one for a pair that is not waiting are counted and left out.
    """
    if arm not in ("incumbent", "challenger"):
        raise ValueError(f"arm {arm!r}, accepted: incumbent, challenger")
    if verdict not in (0, 1):
        raise ValueError(f"verdict {verdict!r}, accepted: 0, 1")
    for i, each in enumerate(state.rounds):
        for j, pair in enumerate(each.drawn):
            if pair.query_hash == query_hash and getattr(pair, arm) is None:
                labelled = replace(pair, incumbent=verdict) if arm == "incumbent" else replace(pair, challenger=verdict)
                with_label = replace(each, drawn=(*each.drawn[:j], labelled, *each.drawn[j + 1 :]))
                rounds = (*state.rounds[:i], with_label, *state.rounds[i + 1 :])
                return apply_rounds(spec, replace(state, rounds=rounds))
    return replace(state, n_unknown_labels=state.n_unknown_labels + 1)


def close_round(spec: RaterSpec, state: RaterState) -> RaterState:
    """Return the state with the open round closed as it is: by the hour, say. The reason must not be its pairs' outcomes."""
    if not state.rounds or state.rounds[-1].closed:
        return state
    rounds = (*state.rounds[:-1], replace(state.rounds[-1], closed=True))
    return apply_rounds(spec, replace(state, rounds=rounds))


def overdue(state: RaterState, now_ms: int, deadline_ms: int) -> tuple[str, ...]:
    """Return the query hashes whose labels are past their deadline: they hold the dimension until they come."""
    pairs = (pair for each in state.rounds for pair in each.drawn)
    return tuple(p.query_hash for p in pairs if p.label is None and now_ms - p.drawn_at_ms > deadline_ms)


def apply_rounds(spec: RaterSpec, state: RaterState) -> RaterState:
    """Return the state with every ready round at the front applied, in order."""
    while state.rounds and state.rounds[0].ready:
        state = _apply(spec, state)
    return state


def _apply(spec: RaterSpec, state: RaterState) -> RaterState:
    """Return the state after its first round: eta and the bet are fixed before any of its values is looked at."""
    done = state.rounds[0]
    same = done.rater_version == state.rater_version
    sum_yr, sum_rr = (state.sum_yr, state.sum_rr) if same else (0, 0)
    eta, least = ppi.power_tuned(sum_yr, sum_rr), probability_thousandths(spec.least_probability)
    bet = ppi.predictable_bet(spec.shift, spec.null, spec.direction, _mean_square(spec, state), eta, least)
    values = list(_values(done, eta, spec.direction))
    nano = state.log_e_nano + sum(n * ppi.log_increment(bet, z, spec.null, spec.direction) for z, n in values)
    return replace(
        state,
        log_e_nano=nano,
        best_micro=max(state.best_micro, nano // NANO_PER_MICRO),
        n=state.n + done.size,
        n_labels=state.n_labels + len(done.drawn),
        sum_squares=state.sum_squares + sum(n * z * z for z, n in values),
        rater_version=done.rater_version,
        sum_yr=sum_yr + sum(pair.rater * pair.label for pair in done.drawn if pair.label is not None),
        sum_rr=sum_rr + sum(pair.rater * pair.rater for pair in done.drawn),
        rounds=state.rounds[1:],
    )


def _mean_square(spec: RaterSpec, state: RaterState) -> float:
    """Return the mean of z^2 so far; the plan's value, discordance / pi, counts as half a round."""
    prior_n = spec.round_size / 2
    planned = spec.discordance / spec.least_probability * prior_n
    return (planned + state.sum_squares / ppi.THOUSAND**2) / (prior_n + state.n)


def _values(done: Round, eta: int, direction: int) -> Iterable[tuple[int, int]]:
    """Yield (direction * z in thousandths, how often)."""
    for rater, n in zip((-1, 0, 1), done.undrawn, strict=True):
        if n:
            yield ppi.corrected(rater, None, eta, ppi.THOUSAND, direction), n
    for pair in done.drawn:
        yield ppi.corrected(pair.rater, pair.label, eta, pair.thousandths, direction), 1
