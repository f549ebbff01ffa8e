"""A migration whose correctness a rater tells: labels, what waits for them, what holds, and what a missing one never does."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dualgate.gate.admission import admit
from dualgate.gate.decide import entered
from dualgate.gate.fold import step
from dualgate.gate.line import Line
from dualgate.gate.paths import of_phase
from dualgate.gate.state import MigrationState
from dualgate.gate.waiting import waiting_for
from dualgate.schemas.errors import ConfigError, RecordError
from dualgate.schemas.records import Label, LedgerEntry
from dualgate.sinks.report.guards import guard_lines, label_lines
from support.gate import EASY, ID, QUICK, Ledger, config
from support.rated import RATER, Rated, label, migration, send, traffic, verdicts

BETTER = (0.5, 0.95)


def walked(ledger: Ledger, n: int, seed: int = 1, right: tuple[float, float] = BETTER, first: int = 0) -> list[Rated]:
    """Append pairs in blocks, each with its labels right after it; return the pairs."""
    pairs = traffic(np.random.default_rng(seed), n, right, first=first)
    for start in range(0, n, 50):
        send(ledger, pairs[start : start + 50])
        label(ledger, verdicts(pairs[start : start + 50]))
    return pairs


def test_rated_pairs_with_labels_walk_to_the_end() -> None:
    """A better challenger is accepted by rater and labels, and every live step counts the pairs whose labels are there."""
    ledger = migration()
    walked(ledger, 900)
    assert ledger.phases == ["SHADOW", "CANARY", "ROLLOUT(0.25)", "ROLLOUT(0.5)", "TAIL", "COMPLETED"]
    assert ledger.state_.monitors["correctness"][1].esr.n > 0
    counters = ledger.state_.counters
    assert counters["labels.counted"] == counters["scored.correctness"]
    (told,) = [line for line in guard_lines(ledger.snapshots[-1]) if line.startswith("labels: ")]
    n, agreed = counters["labels.counted"], counters["labels.agreed"]
    assert told == f"labels: {n:,} of {n:,} drawn pairs counted, rater and people agree on {agreed:,} ({agreed / n:.0%})"


def test_without_labels_nothing_passes() -> None:
    """A rater alone, however sure, leads nowhere: the first drawn pair waits, and the migration does not even become futile."""
    ledger = migration()
    pairs = traffic(np.random.default_rng(2), 3000, (0.3, 1.0), ((0.0, 0.0), (0.0, 0.0)))
    for start in range(0, 3000, 500):
        send(ledger, pairs[start : start + 500])
    assert ledger.phases == ["SHADOW"]
    assert ledger.state_.n_counted < 20
    assert "pairs wait for people's verdicts" in ledger.snapshots[-1].waiting_for
    assert "coverage of correctness" not in ledger.snapshots[-1].waiting_for


def test_the_horizon_waits_for_labels() -> None:
    """max_pairs counts pairs whose labels are there: fast traffic before the first label makes nothing inconclusive."""
    ledger = migration(labels_waiting=20)
    pairs = traffic(np.random.default_rng(3), 6000, BETTER)
    for start in range(0, 6000, 1000):
        send(ledger, pairs[start : start + 1000])
    assert ledger.state_.phase == "SHADOW"
    assert ledger.state_.counters["labels.not_taken"] > 5000
    assert ledger.state_.line is not None
    assert len(ledger.state_.line.waiting) == 20


def test_a_late_label_holds_and_its_coming_frees() -> None:
    """A label past its time is named and stops a step that has all it needs otherwise; when it has come the step is made."""
    ledger = in_canary(label_due="10m")
    ledger.order("pause")  # so that the observations of the step are there before the pair whose label is late
    had = [Rated(f"s{i}", (1, 1), (1, 1), drawn=i % 5 == 0) for i in range(80)]
    send(ledger, had)
    label(ledger, verdicts(had))
    one = Rated("late", (1, 1), (1, 1), drawn=True)
    send(ledger, [one])
    in_time = ledger.copy()
    in_time.order("resume")
    assert in_time.state_.phase == "ROLLOUT(0.25)"
    ledger.time_ms += 11 * 60_000
    ledger.order("resume")
    assert ledger.state_.phase == "CANARY"
    late = "1 of them for longer than scoring.rater.label_due 10m (dualgate label sql-v2 --wanted)"
    assert waiting_for(ledger.state_) == f"labels: 1 pairs wait for people's verdicts, {late}"
    label(ledger, verdicts([one]))
    assert ledger.state_.phase == "ROLLOUT(0.25)"


def in_canary(**rater: Any) -> Ledger:
    """Return a ledger at the beginning of its canary, with nothing of it observed."""
    ledger = migration(**rater)
    walked(ledger, 250)
    while ledger.state_.phase == "SHADOW":
        walked(ledger, 50, seed=len(ledger.entries), first=len(ledger.entries) * 100)
    assert ledger.state_.phase == "CANARY"
    ledger.state = entered(ledger.state_, "CANARY")
    return ledger


def test_only_drawn_pairs_are_of_a_rated_coverage() -> None:
    """What a rater told is scored once people have spoken: pairs that ask nobody raise no coverage, ahead or behind."""
    ledger = in_canary()
    ahead, behind = ([Rated(f"{who}{i}", (1, 1), (1, 1), drawn=False) for i in range(20)] for who in "ab")
    one, lost = Rated("one", (1, 1), (1, 1), drawn=True), Rated("lost", (1, 1), None, drawn=False)
    send(ledger, [lost, *ahead, one, *behind])
    label(ledger, verdicts([one]))
    assert ledger.state_.n_phase == 41
    assert of_phase(ledger.state_, "correctness") == (1, 1)
    assert "coverage of correctness: 0.500 < 0.9" in waiting_for(ledger.state_)


def test_a_new_epoch_begins_without_the_line_of_the_one_before() -> None:
    """Pairs that waited for labels, early verdicts and what was learnt of the rater are the old epoch's, not the new's."""
    ledger = migration()
    walked(ledger, 60)
    send(ledger, [Rated("waits", (1, 1), (1, 1), drawn=True)])
    label(ledger, verdicts([Rated("to come", (1, 1), (1, 1), drawn=True)]))
    assert ledger.state_.line is not None
    assert (ledger.state_.line.rows, len(ledger.state_.line.early), ledger.state_.line.sum_rr > 0) == (1, 2, True)
    ledger.order("abort")
    ledger.order("retry")
    assert (ledger.state_.migration.epoch, ledger.state_.line) == (2, Line())


def test_a_verdict_that_is_none_is_refused() -> None:
    """A verdict is 1 or 0; another number is a dead letter that names it, and changes nothing."""
    ledger = migration()
    entry = LedgerEntry(label=Label(migration_id=ID, query_hash="q", arm="challenger", verdict=0.5, who="ann"))
    with pytest.raises(RecordError, match=r"verdict=0\.5; accepted: 1 \(right\), 0 \(wrong\)"):
        ledger.append(entry)
    long = LedgerEntry(label=Label(migration_id=ID, query_hash="q" * 1000, arm="challenger", verdict=1.0, who="ann"))
    with pytest.raises(RecordError, match="accepted: 1 to 100 bytes"):
        ledger.append(long)


def test_a_label_whose_hash_is_too_long_to_remember_is_refused() -> None:
    """One that came before its pair is kept in the state, whose record a broker would refuse: the gate could never go on."""
    entry = LedgerEntry(label=Label(migration_id=ID, query_hash="q" * 1_000_000, arm="challenger", verdict=1.0, who="ann"))
    with pytest.raises(RecordError, match=r"query_hash='q+'… \(1,000,000 characters\), accepted: 1 to 100 bytes"):
        migration().append(entry)


def test_a_label_of_another_epoch_is_left_out_and_told() -> None:
    """A verdict on the version before, or without an epoch in a later one, never counts for the present version's answer."""
    given: dict[str, Any] = {"dimensions": EASY, "phases": QUICK, "scoring": {"rater": RATER}}
    ledger = Ledger(config(challenger="agent:before", **given)).start()
    ledger.configuration = config(**given)
    ledger.start()
    pairs = [Rated("a", (0, 1), (0, 1), drawn=True)]
    assert ledger.state_.migration.epoch == 2
    send(ledger, pairs)
    for epoch in (None, 1, 3):
        label(ledger, [replace(each, epoch=epoch) for each in verdicts(pairs)])
    assert ledger.state_.line is not None
    assert len(ledger.state_.line.waiting) == 1
    label(ledger, [replace(each, epoch=2) for each in verdicts(pairs)])
    assert (ledger.state_.counters["labels.other_epoch"], ledger.state_.counters["labels.counted"]) == (6, 1)
    assert label_lines(ledger.state_.counters)[0].endswith("; 6 verdicts on answers of another epoch left out")


def test_labels_that_are_published_again_are_told_and_count_nothing() -> None:
    """All verdicts sent a second time, some with the other word: told as repeated, and the evidence is what it was."""
    ledger = migration()
    pairs = walked(ledger, 120)
    before, labels = ledger.state_, list(verdicts(pairs))
    label(ledger, [replace(each, verdict=1 - each.verdict) for each in labels[:10]] + labels[10:])
    after = ledger.state_
    assert (after.dims, after.line, after.n_counted) == (before.dims, before.line, before.n_counted)
    assert after.counters == dict(before.counters) | {"labels.repeated": len(labels)}
    assert label_lines(after.counters)[0].endswith(f"; {len(labels)} repeated verdicts left out, the first on an answer stands")


def test_a_label_that_nobody_wants_changes_nothing() -> None:
    """Without a rater, and after the end, labels are counted and left out."""
    plain = Ledger(config()).start()
    before = plain.state_
    label(plain, [Label(migration_id=ID, query_hash="q", arm="challenger", verdict=1.0, who="ann")])
    assert replace(plain.state_, counters={}, ledger_clock_ms=0) == replace(before, counters={}, ledger_clock_ms=0)
    assert plain.state_.counters == {"labels.not_wanted": 1}


def test_a_silent_rater_is_lost_coverage_and_no_bias() -> None:
    """Where the rater says nothing the pair stays in the sample as one it does not tell, and counts as lost: no step is made."""
    ledger = migration()
    walked(ledger, 60)
    rng, n = np.random.default_rng(5), 60
    while n < 460:
        pairs = [replace(p, said=None) for p in traffic(rng, 100, BETTER, first=n)]
        send(ledger, pairs)
        label(ledger, verdicts(pairs))
        n += 100
    told = ledger.snapshots[-1].dimensions["correctness"]
    assert told.log_e > 3
    assert ledger.state_.phase == "SHADOW"
    assert "coverage of correctness" in ledger.snapshots[-1].waiting_for


def test_a_few_silences_of_the_rater_hold_no_stratum() -> None:
    """A stratum is judged by the pairs of which the rater spoke beside those of which it did not: 1 in 20 is above the floor."""
    ledger = migration(label_probability=1)
    for first in range(0, 900, 20):
        pairs = traffic(np.random.default_rng(first), 20, BETTER, probability=1, first=first)
        pairs[7] = replace(pairs[7], said=None, drawn=False)
        send(ledger, pairs, stratum=["easy", "hard"] * 10)
        label(ledger, verdicts(pairs))
    assert ledger.state_.phase == "COMPLETED"
    in_shadow = next(s for s in reversed(ledger.snapshots) if s.phase == "SHADOW")
    assert in_shadow.strata is not None
    assert in_shadow.strata["hard"].scored["correctness"] > 20


def test_rows_of_another_label_probability_have_no_weight() -> None:
    """A pair that was drawn with another probability than the file's brings no evidence and is lost."""
    ledger = migration()
    other = replace(ledger, configuration=config(scoring={"rater": RATER | {"label_probability": 0.5}}))
    send(other, traffic(np.random.default_rng(6), 50, BETTER))
    ledger.append(other.entries[-1][1])
    assert ledger.state_.counters["missing.correctness"] == 50
    assert ledger.state_.line is not None
    assert ledger.state_.line.rows == 0


def test_errors_need_no_person() -> None:
    """An error or a refusal is wrong by itself and asks nobody; a pair to which neither agent answered brings nothing."""
    ledger = migration()
    both = Rated("a", (0, 0), (0, 0), drawn=True, status=("error", "refused"))
    one = Rated("b", (1, 0), (1, 0), drawn=True, status=("ok", "timeout"))
    send(ledger, [both, Rated("c", (0, 0), None, drawn=True, status=("error", "timeout")), one])
    assert ledger.state_.line is not None
    assert [row.query_hash for row in ledger.state_.line.waiting] == ["b"]
    label(ledger, [Label(migration_id=ID, query_hash="b", arm="incumbent", verdict=1.0, who="ann")])
    assert ledger.state_.counters["labels.counted"] == 2


def test_golden_pairs_count_as_they_are() -> None:
    """A golden answer in a rated migration needs no label, and a silence of the challenger is the worst value."""
    ledger = migration()
    send(ledger, [Rated(f"g{i}", (0, 1), (0, 1), drawn=False, golden=True) for i in range(60)])
    ledger.unpaired(2)
    place = next(d for s, d in zip(ledger.state_.specs, ledger.state_.dims, strict=True) if s.name == "correctness")
    assert (place.n_calibration, place.n_accept, place.n_worse) == (50, 12, 60)


def test_a_loss_in_the_canary_is_found_by_labels() -> None:
    """A challenger that turns wrong in the canary, unseen by the rater, is taken back by the monitor on labelled pairs."""
    ledger = migration()
    walked(ledger, 300)
    n = 300
    while ledger.state_.phase == "SHADOW":
        walked(ledger, 50, seed=n, first=n)
        n += 50
    blind = ((0.05, 0.15), (0.05, 1.0))
    while ledger.state_.active and n < 3000:
        pairs = traffic(np.random.default_rng(n), 20, (0.9, 0.1), blind, first=n)
        send(ledger, pairs)
        label(ledger, verdicts(pairs))
        n += 20
    assert ledger.state_.phase == "ROLLED_BACK"
    assert "correctness: CUSUM" in ledger.last.reason


def test_the_state_with_its_line_round_trips() -> None:
    """A gate that starts again goes on with the pairs that wait: JSON holds the whole state, and the fold goes on equally."""
    ledger = migration()
    pairs = traffic(np.random.default_rng(8), 200, BETTER)
    send(ledger, pairs)
    restored = MigrationState.from_json(json.loads(json.dumps(ledger.state_.to_json())))
    assert restored == ledger.state_
    at, entry = ledger.entries[-1][0], LedgerEntry(label=next(verdicts(pairs)))
    assert step(restored, ID, entry, at) == step(ledger.state_, ID, entry, at)


def test_sessions_have_no_labels() -> None:
    """A mean of a session cannot be labelled: the start is refused in words that name the keys."""
    given = config(phases=QUICK, scoring={"rater": RATER}, unit={"by": "session"})
    with pytest.raises(ConfigError, match=r"unit\.by=session with scoring\.rater"):
        admit(given.to_json(), closed=True)
