"""Notifications without a broker: what is told of a decision, what an endpoint's answer means, and what has been told."""

import json
from dataclasses import replace
from typing import Any

import pytest

from dualgate.cli.main import main
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import DecisionRecord
from dualgate.sinks.notify import Refused, Target, Undelivered, message_of, target, trial_message
from dualgate.sinks.notify.marks import MAX_BYTES, MAX_TOLD, Marks, mark_of
from support.hooks import HANG, hook
from support.rater_server import endpoint
from support.stories import decision


def made(**changes: Any) -> DecisionRecord:
    """Return the decision that enters the canary, with changes."""
    found = decision(4_800, "SHADOW", "CANARY", 0.05, **changes).decision
    assert found is not None
    return found


@pytest.mark.parametrize("changes", [{"outcome": "refused"}, {"outcome": "unchanged"}, {"kind": "renewal"}])
def test_what_changes_nothing_is_not_told(changes: dict[str, Any]) -> None:
    """A refused or repeated command and a renewed lease are no news."""
    assert message_of(made(**changes)) is None


@pytest.mark.parametrize(
    ("severity", "changes"),
    [
        ("info", {}),
        ("error", {"from_phase": "CANARY", "to_phase": "ROLLED_BACK"}),
        ("error", {"from_phase": "SHADOW", "to_phase": "REJECTED(worse)"}),
        ("warning", {"kind": "hold", "rule": "silence", "from_phase": "SHADOW", "to_phase": "SHADOW"}),
        ("warning", {"from_phase": "SHADOW", "to_phase": "INCONCLUSIVE"}),
        ("info", {"rule": "followed", "from_phase": "ROLLED_BACK", "to_phase": "ROLLED_BACK"}),
    ],
)
def test_severity_follows_what_it_means_for_users(severity: str, changes: dict[str, Any]) -> None:
    """Turned away is an error, a hold a warning, everything else information."""
    found = message_of(made(**changes))
    assert found is not None
    assert found.severity == severity


def test_a_message_carries_phase_share_reason_and_the_id() -> None:
    """Whoever is woken reads what happened and why; a script finds the same as JSON."""
    found = message_of(made())
    assert found is not None
    assert found.title == "sql-agent-v7: SHADOW → CANARY, challenger serves 5%"
    assert found.json()["id"] == made().decision_id
    assert found.json()["reason"] == made().reason


def test_slack_gets_its_own_form_with_its_letters_escaped() -> None:
    """A reason with < or & is shown as it is written."""
    found = message_of(made(reason="log e 2.1 < 3.0 & no more"))
    assert found is not None
    assert "log e 2.1 &lt; 3.0 &amp; no more" in found.slack()["text"]
    assert found.slack()["blocks"][0]["text"]["type"] == "mrkdwn"


@pytest.mark.parametrize("code", [500, 503, 408, 429])
def test_a_passing_failure_is_tried_again(code: int) -> None:
    """Server errors and "too many requests" pass."""
    with hook(code) as at, pytest.raises(Undelivered, match=str(code)):
        Target("webhook", at.url).post(trial_message(1))


@pytest.mark.parametrize("code", [400, 401, 404, 410])
def test_a_refusal_is_final(code: int) -> None:
    """What an endpoint will never take must not hold up what comes after it."""
    with hook(code) as at, pytest.raises(Refused, match=str(code)):
        Target("webhook", at.url).post(trial_message(1))


@pytest.mark.parametrize("code", [301, 302, 303])
def test_an_endpoint_that_has_moved_got_nothing(code: int) -> None:
    """A redirection is refused and told: a client that followed it would GET, and take that answer for a delivery."""
    with endpoint((code, {"Location": "/elsewhere"}, b"")) as at, pytest.raises(Refused, match=str(code)):
        Target("webhook", at.url).post(trial_message(1))


def test_an_endpoint_that_hangs_is_given_up_in_time() -> None:
    """No answer within the time-out counts as not delivered."""
    with hook(HANG) as at, pytest.raises(Undelivered, match="timed out"):
        Target("webhook", at.url).post(trial_message(1), 0.2)


def test_an_endpoint_that_is_not_there_is_tried_again() -> None:
    """A refused connection may be a restart."""
    with pytest.raises(Undelivered, match="refused"):
        Target("webhook", "http://127.0.0.1:9/").post(trial_message(1))


@pytest.mark.parametrize("url", ["ftp://host/x", "host/x", "https://", "file:///etc/passwd"])
def test_a_url_that_is_none_is_bad_configuration(url: str) -> None:
    """Only http and https with a host are accepted."""
    with pytest.raises(ConfigError, match="accepted are http"):
        target("webhook", url)


def test_names_hide_the_secret_of_a_url() -> None:
    """Logs and the broker see form, host and a hash, and two URLs of a host are two targets."""
    one, two = target("slack", "https://hooks.example/T/a"), target("slack", "https://hooks.example/T/b")
    assert one.name.startswith("slack-hooks.example-")
    assert "/T/" not in one.name
    assert one.name != two.name


def test_marks_know_what_was_told() -> None:
    """A decision is known by all it says: the same again is not new; another is, whatever id was told before it."""
    marks, forged = Marks(), made(decision_id="sql-agent-v7/1000000000/0", epoch=1_000_000_000)
    for told in (made(), forged):
        assert marks.new(mark_of(told))
        marks.put(mark_of(told))
    kept = Marks.decode(marks.encode())
    assert kept == marks
    assert not kept.new(mark_of(made()))
    assert kept.new(mark_of(made(decision_id="sql-agent-v7/1/8")))
    assert kept.new(mark_of(replace(forged, reason="the gate's own words")))
    assert Marks.decode("") == Marks.decode('{"sql-agent-v7":[1,7]}') == Marks()


def test_marks_fit_beside_an_offset() -> None:
    """Of more decisions than fit, those that were told first are forgotten first."""
    marks = Marks()
    first, *others = [mark_of(made(decision_id=f"m/1/{i}")) for i in range(MAX_TOLD + 1)]
    for mark in (first, *others):
        marks.put(mark)
    kept = Marks.decode(marks.encode())
    assert len(marks.encode()) <= MAX_BYTES
    assert kept.new(first)
    assert not any(kept.new(mark) for mark in others)


def test_notify_test_tells_what_each_target_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 where one of them did not take it; the others got it all the same."""
    with hook() as good, hook(404) as bad:
        with pytest.raises(SystemExit) as ended:
            main(["notify", "test", "--slack", good.url, "--webhook", bad.url, "--json"])
        told = json.loads(capsys.readouterr().out)["targets"]
        assert ended.value.code == 1
        assert [each["delivered"] for each in told] == [False, True]
        assert "404" in told[0]["error"]
        assert "test" in good.got[0][2]["text"]
        assert good.url not in json.dumps(told)


def test_nobody_to_notify_is_bad_configuration(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a target the command says how to give one."""
    monkeypatch.delenv("DUALGATE_WEBHOOK_URL", raising=False)
    monkeypatch.delenv("DUALGATE_SLACK_URL", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["notify", "test"])
    assert ended.value.code == 2
    assert "--webhook or --slack" in capsys.readouterr().err
