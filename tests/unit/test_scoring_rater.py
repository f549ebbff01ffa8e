"""The automated rater: a structured answer from a real HTTP server, or a reason; blinded, cached, beside the batches."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualgate.processors.scoring.clock import Clocks
from dualgate.processors.scoring.context import Rated
from dualgate.processors.scoring.fold import Origin, Raw, ScoringLogic
from dualgate.processors.scoring.logic import MigrationScoring, score_batch
from dualgate.processors.scoring.migrations import close
from dualgate.processors.scoring.protocol import Score
from dualgate.processors.scoring.rater import Desk, Question, Rating, Store, label_drawn
from dualgate.processors.scoring.rater_http import Endpoint, HttpRater
from dualgate.processors.scoring.waiting import Line, Waiting
from dualgate.schemas.codec import Codec
from support.rater_server import Reply, endpoint, verdict
from support.scoring import pair, response, scoring, shop, with_rater

QUESTION = Question("how many ads?", "SELECT count(*) FROM ads", '{"columns": ["n"], "rows": [[4]]}')


def rater(url: str, **given: Any) -> HttpRater:
    return HttpRater(Endpoint(**{"url": url, "model": "judge", "timeout_s": 5.0, "backoff_s": 0.0, **given}))


def content(text: str) -> Reply:
    return 200, {}, json.dumps({"choices": [{"message": {"content": text}}]}).encode()


def test_the_answer_is_asked_for_in_a_structure_and_its_cost_is_told() -> None:
    """The request carries model, schema and key; the rating carries tokens and their price."""
    with endpoint(verdict(True)) as server:
        found = rater(server.url, api_key="k", input_price=1.0, output_price=10.0).rate(QUESTION)
    assert found == replace(Rating(True, "because", 120, 10), cost=found.cost)
    assert found.cost == pytest.approx(0.00022)
    assert server.headers[0]["Authorization"] == "Bearer k"
    request = server.asked[0]
    assert (request["model"], request["temperature"]) == ("judge", 0)
    assert request["response_format"]["json_schema"]["schema"]["required"] == ["reason", "correct"]


@pytest.mark.parametrize(
    ("mood", "words"),
    [
        ((500, {}, b"oops"), "HTTP 500"),
        ((429, {"Retry-After": "0"}, b""), "HTTP 429"),
        (content("I think it is right!"), "not what was asked for"),
        (content('{"correct": "yes"}'), "neither true nor false"),
        (content("null"), "not what was asked for"),
        (content('{"reason": "r", "correct": false, "correct": true}'), "not what was asked for"),
        ((200, {}, b"<html>"), "not what was asked for"),
        ((200, {}, b"{}"), "not what was asked for"),
        ((200, {"Content-Length": "100"}, b"{"), "not what was asked for"),
        ((200, {}, b"x" * (2 << 20)), "more than 1048576 bytes"),
    ],
)
def test_a_bad_answer_is_asked_for_again_and_never_guessed(mood: Reply, words: str) -> None:
    """Where the next answer is good, it counts; where none is, there is no rating, and the reason is the last one's."""
    with endpoint(mood, mood, verdict(False)) as server:
        assert rater(server.url).rate(QUESTION).right is False
        assert len(server.asked) == 3
    with endpoint(mood) as server:
        found = rater(server.url, retries=2).rate(QUESTION)
        assert (found.right, len(server.asked)) == (None, 3)
        assert words in found.reason


@pytest.mark.parametrize("tokens", [10**30, 10**400, -1, 1.5, "7", True, None])
def test_numbers_of_tokens_that_no_answer_takes_are_not_counted(tmp_path: Path, tokens: object) -> None:
    """The rating stands, costs nothing that nobody knows, and is kept."""
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens}
    body = json.dumps({"choices": [{"message": {"content": '{"reason": "r", "correct": true}'}}], "usage": usage})
    with endpoint((200, {}, body.encode())) as server:
        desk = Desk(rater(server.url, input_price=1.0), store=Store(tmp_path / "ratings.sqlite"))
        desk.ask([QUESTION])
        desk.wait([QUESTION])
        assert desk.rating(QUESTION) == Rating(True, "r")
        desk.close()
    with closing(Store(tmp_path / "ratings.sqlite")) as store:
        assert store.get(QUESTION.key(desk.version)) == Rating(True, "r")


def test_a_reason_that_utf8_has_not_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    """Half of a surrogate pair in an answer stops neither the store nor the next question about the same answer."""
    with endpoint(content('{"reason": "a\\ud800b", "correct": true}')) as server:
        desk = Desk(rater(server.url), store=Store(tmp_path / "ratings.sqlite"))
        for _ in range(2):
            desk.ask([QUESTION])
            desk.wait([QUESTION])
        assert desk.rating(QUESTION) == Rating(True, "a?b")
        desk.close()


def test_a_file_of_ratings_that_cannot_be_read_is_an_empty_one(tmp_path: Path) -> None:
    """The rater is asked again; what is in the file stops no batch."""
    with endpoint(verdict(True)) as server:
        store = Store(tmp_path / "ratings.sqlite")
        desk = Desk(rater(server.url), store=store)
        store._connection.execute("DROP TABLE ratings")
        desk.ask([QUESTION])
        desk.wait([QUESTION])
        assert desk.rating(QUESTION).right is True
        desk.close()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_nobody_else_is_shown_the_key(code: int) -> None:
    """A server that sends the rater elsewhere is not followed: the reason says so, and it is not asked again."""
    with endpoint(verdict(True)) as other, endpoint((code, {"Location": f"{other.url}/chat/completions"}, b"")) as server:
        found = rater(server.url, api_key="k").rate(QUESTION)
        assert (found.right, len(server.asked), other.headers) == (None, 1, [])
    assert f"HTTP {code}" in found.reason


def test_a_refused_key_is_not_tried_again() -> None:
    """401 will be 401 the next time too."""
    with endpoint((401, {}, b"")) as server:
        found = rater(server.url).rate(QUESTION)
        assert (found.right, found.reason, len(server.asked)) == (None, "rater judge: HTTP 401 Unauthorized", 1)


def test_a_server_that_hangs_or_is_not_there_is_given_up() -> None:
    """Silence ends at the time-out, and a closed port at once; both are tried again and then have a reason."""
    with endpoint(None) as server:
        assert "timed out" in rater(server.url, timeout_s=0.05, retries=1).rate(QUESTION).reason
    assert "refused" in rater("http://127.0.0.1:9/v1", retries=1).rate(QUESTION).reason


class Counting:
    """A rater that answers by a function and counts."""

    version = "v1"

    def __init__(self, answer: Callable[[Question], Rating]) -> None:
        self.asked: list[Question] = []
        self._answer = answer

    def rate(self, question: Question) -> Rating:
        self.asked.append(question)
        return self._answer(question)

    def close(self) -> None:
        pass


def test_each_question_is_asked_once_and_across_restarts_from_the_store(tmp_path: Path) -> None:
    """Cached by question, answer and rater version; what failed is asked again, a store outlives the process."""
    right, broken = Counting(lambda _: Rating(True, "", 7, 3, 0.5)), Counting(lambda _: Rating(None, "no"))
    for expected in (1, 1):  # the second desk finds the first one's store
        desk = Desk(right, store=Store(tmp_path / "ratings.sqlite"))
        for _ in range(3):
            desk.ask([QUESTION, QUESTION])
            desk.wait([QUESTION])
        assert (desk.rating(QUESTION).right, desk.rating(QUESTION).cost, len(right.asked)) == (True, 0.5, expected)
        desk.close()
    desk = Desk(broken)
    for _ in range(3):
        desk.ask([QUESTION])
        desk.wait([QUESTION])
    assert (len(broken.asked), desk.spent.failures) == (3, 3)
    desk.close()


def test_no_more_are_asked_at_once_than_allowed() -> None:
    """The concurrency bound holds for the endpoint as it sees it."""
    questions = [Question("q", str(i)) for i in range(40)]
    with endpoint(verdict(True)) as server:
        desk = Desk(rater(server.url), concurrency=3)
        desk.ask(questions)
        desk.wait(questions)
        assert all(desk.rating(q).right for q in questions)
        assert server.most_together <= 3
        desk.close()


def test_the_desk_waits_no_longer_than_due_and_a_raising_rater_is_a_reason() -> None:
    """Past its due time a question is ready without an answer; an exception stops no other question."""

    def answer(question: Question) -> Rating:
        if question.answer == "bad":
            raise RuntimeError("no idea")
        return Rating(True)

    bad, good = Question("q", "bad"), Question("q", "good")
    desk = Desk(Counting(answer))
    desk.ask([bad, good])
    desk.wait([bad, good])
    assert (desk.rating(bad).reason, desk.rating(good).right) == ("RuntimeError: no idea", True)
    desk.close()
    with endpoint(None) as server:
        desk = Desk(rater(server.url), due_s=60.0)
        desk.ask([QUESTION], now_s=0.0)
        assert (desk.ready([QUESTION], now_s=59.0), desk.ready([QUESTION], now_s=60.0)) == (False, True)
        assert "did not answer within 60 s" in desk.rating(QUESTION).reason
        desk.close()


def rated(tmp_path: Path, url: str) -> MigrationScoring:
    return scoring(with_rater(shop(tmp_path, {"g1": "SELECT 1"}, grants=None), url))


def scores(migration: MigrationScoring, *pairs: Any) -> list[Score]:
    waiting = Waiting(migration, None, [], pairs)  # type: ignore[arg-type]
    waiting.ask()
    waiting.wait()
    return list(score_batch(migration, pairs)["correctness"])


def judge(body: dict[str, Any]) -> Reply:
    shown = json.loads(body["messages"][1]["content"])
    return verdict("good" in shown["answer"]) if "broken" not in shown["answer"] else (500, {}, b"")


def test_rater_and_label_columns_travel_with_the_value(tmp_path: Path) -> None:
    """Without a golden answer the rater's word is the value; errors and refusals are wrong unasked; the sample is by hash."""
    with endpoint(judge) as server:
        migration = rated(tmp_path, server.url)
        answers = [
            pair("good", "bad", golden_id=None),
            pair("good", response("challenger", "good", status="error"), golden_id=None),
            pair("good", "broken", golden_id=None),
            pair("SELECT 1", "SELECT 1", golden_id="g1"),
        ]
        first, error, broken, golden = scores(migration, *answers)
        close(migration)
    assert (first.incumbent, first.challenger, first.state, first.source) == (1.0, 0.0, "scored", "rater")
    assert (first.rater_version or "").startswith("judge/1/")
    assert (first.label_probability, first.label_drawn) == (0.5, label_drawn("m1", "q1", 0.5))
    assert (error.incumbent, error.challenger) == (1.0, 0.0)
    assert (broken.state, broken.incumbent, broken.challenger, broken.source) == ("missing", None, None, "rater")
    assert broken.rater_version == first.rater_version
    assert "challenger: rater judge: HTTP 500" in (broken.reason or "")
    assert (golden.source, golden.rater_version, golden.label_probability) == ("golden", None, None)


def test_the_rater_cannot_tell_the_arms_apart(tmp_path: Path) -> None:
    """No request names arm, version or agent, and which arm is asked about first is as good as a coin."""
    with endpoint(judge) as server:
        migration = rated(tmp_path, server.url)
        assert isinstance(migration.context.rated, Rated)
        pairs = [pair("one", "two", golden_id=None, text=f"question {i}") for i in range(100)]
        for each in pairs:
            scores(migration, each)
        close(migration)
    asked = json.dumps(server.asked)
    assert not any(word in asked for word in ("incumbent", "challenger", ':1"', "m1", "q1"))
    order: dict[str, str] = {}
    for body in server.asked:
        shown = json.loads(body["messages"][1]["content"])
        order.setdefault(shown["question"], shown["answer"])
    first = sum(answer == "one" for answer in order.values())
    assert 30 <= first <= 70  # binomial(100, 1/2): outside with probability 2e-5, and the hashes are fixed


def test_labels_are_drawn_at_their_rate_and_the_same_in_every_run() -> None:
    """The share of drawn pairs lies in the 1e-6 interval of its binomial, and asking again changes nothing."""
    drawn = [label_drawn("m1", f"q{i}", 0.1) for i in range(10_000)]
    assert abs(sum(drawn) - 1_000) < 150  # five standard deviations
    assert drawn == [label_drawn("m1", f"q{i}", 0.1) for i in range(10_000)]


def raw(offset: int, migration_id: str, query_id: str) -> Raw:
    record = pair("good", "good", golden_id=None, query_id=query_id, migration_id=migration_id)
    return Raw(offset, 1_000, f"{migration_id}/{query_id}".encode(), Codec().encode(record))


def test_a_slow_rater_stops_no_other_migration_and_its_own_go_in_order(tmp_path: Path) -> None:
    """Blocks of the unrated migration go at once; the rated one's wait in order, and the committed offset stays before them."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with endpoint(None, None, judge) as server:
        slow, quick = rated(tmp_path / "a", server.url), scoring(shop(tmp_path / "b", {"g1": "SELECT 1"}))
        logic = ScoringLogic(Codec(), lambda name: slow if name == "m1" else quick, "test")
        clocks, line = Clocks(10**9), Line()
        first = logic.pairs(Origin("pairs", "t", 0, 0), [raw(0, "m1", "a"), raw(1, "m2", "b")], clocks)
        line.add(first.waiting, "before the first")
        second = logic.pairs(Origin("pairs", "t", 0, 2), [raw(2, "m1", "c")], clocks)
        line.add(second.waiting, "before the second")
        assert [entry.quality.offset for entry in first.entries if entry.quality] == [[1]]
        assert second.entries == []
        assert line.begins() == (0, "before the first")
        assert list(line.ready()) == []
        server.gate.set()  # the silent connections close: the first question has no answer, and no retry is allowed
        for waiting in (*first.waiting, *second.waiting):
            waiting.wait()
        assert [entry.quality.offset for entry in line.ready() if entry.quality] == [[0], [2]]
        assert line.begins() is None
        close(slow)
        close(quick)
