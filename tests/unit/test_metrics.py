"""Metrics without a broker: what the endpoint says, in a form that Prometheus reads, and rules that ask for what there is."""

import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from dualgate.cli.operate.view import Told, View
from dualgate.processors.pairing.metrics import Metrics as PairingMetrics
from dualgate.processors.pairing.metrics import Reporter as PairingReporter
from dualgate.processors.scoring.metrics import Metrics as ScoringMetrics
from dualgate.processors.scoring.metrics import Reporter as ScoringReporter
from dualgate.schemas.errors import ConfigError
from dualgate.schemas.records import BudgetEvidence, CheckEvidence, MonitorEvidence, RouterBehind, Routers, StratumEvidence
from dualgate.sinks.metrics import NAMES, Endpoint, families, pairing, scoring
from dualgate.sinks.metrics.samples import HARM
from support.routing import MIGRATION, command
from support.stories import decision, snapshot

DOCS = Path(__file__).parents[2] / "docs"
NOW = 1_060_000
ROUTERS = Routers(
    following=2, silent=0, n_behind=1, rolling_back=True,
    behind=[RouterBehind(router_id="r3", epoch=1, sequence=2, heard_ms=0, challenger=0)],
)  # fmt: skip

BUDGETS = {
    "safety": BudgetEvidence(allowed=5.0, used=2.0, left=3.0, n=10, planned=40, burn_long=0.5, exhausted=False, burning=False)
}
MONITORS = {"safety": MonitorEvidence(n=10, cusum=1.5, cusum_threshold=2.0, log_esr=0.5, esr_threshold=10.0)}

CHECKS = {"assignment": CheckEvidence(log_e=1.25, threshold=6.4, holds=False)}
STRATA = {"joins": StratumEvidence(eligible={"safety": 8, "latency": 0}, scored={"safety": 6, "latency": 0})}
ALL = NAMES | pairing.NAMES | scoring.NAMES


def documents() -> list[dict[str, Any]]:
    """Return what is known of a migration with everything that a metric speaks of, and of one that no gate has accepted."""
    view, counters = View(MIGRATION), {"routed.incumbent": 75, "routed.challenger": 25, "missing.safety": 3}
    records: list[Told] = [
        command(3, 0.25, lease_ms=30_000),
        snapshot(
            4_900,
            "CANARY",
            0.25,
            routers=ROUTERS,
            counters=counters,
            budgets=BUDGETS,
            monitors=MONITORS,
            strata=STRATA,
            checks=CHECKS,
        ),
        decision(4_800, "SHADOW", "CANARY", 0.05, rule="accepted"),
    ]
    for record in records:
        view.take(record, NOW)
    return [view.document(NOW), View("other").document(NOW)]


def scraped(accept: str) -> str:
    """Return what a scraper gets."""
    with Endpoint(lambda: families(documents(), 7), "127.0.0.1", 0) as endpoint:
        request = urllib.request.Request(endpoint.address, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return the samples of OpenMetrics text by name and label values."""
    parsed: Any = open_metrics
    found = [sample for family in parsed(text) for sample in family.samples if sample.labels.get("migration") != "other"]
    return {(s.name, *(v for k, v in sorted(s.labels.items()) if k != "migration")): s.value for s in found}


def test_a_scraper_reads_the_state_of_a_migration() -> None:
    """Phase, share, lease, routers, evidence and counts, by the reference parser of the format."""
    told = samples(scraped("application/openmetrics-text; version=1.0.0"))
    assert told["dualgate_phase", "CANARY", "promoted"] == 1
    assert told["dualgate_live_share",] == 0.25
    assert told["dualgate_lease_left_seconds",] == -30
    assert (told["dualgate_routers", "following"], told["dualgate_routers", "behind"]) == (2, 1)
    assert told["dualgate_dimension_log_e", "correctness"] == pytest.approx(0.0016 * 4_900)
    assert told["dualgate_dimension_status", "correctness", "accepted"] == 1
    assert told["dualgate_routed_queries_total", "challenger"] == 25
    assert told["dualgate_counted_total", "missing.safety"] == 3
    assert told["dualgate_decisions_total", "accepted"] == 1
    assert (told["dualgate_error_budget", "safety", "left"], told["dualgate_error_budget", "safety", "used"]) == (3.0, 2.0)
    assert told["dualgate_error_budget_burn_rate", "safety", "phase"] == 0.5
    assert (told["dualgate_monitor_cusum", "safety"], told["dualgate_monitor_esr_threshold", "safety"]) == (1.5, 10.0)
    assert {key: n for key, n in told.items() if "stratum" in key[0]} == {("dualgate_stratum_coverage", "safety", "joins"): 0.75}
    assert (told["dualgate_check_log_e", "assignment"], told["dualgate_check_threshold", "assignment"]) == (1.25, 6.4)
    assert told["dualgate_dead_letters",] == 7
    assert told["dualgate_broker_up",] == 1


def test_the_older_text_format_is_served_too() -> None:
    """A scraper that does not ask for OpenMetrics gets the same numbers."""
    found = {s.name: s.value for family in prometheus_text(scraped("text/plain")) for s in family.samples}
    assert found["dualgate_dead_letters"] == 7


def test_without_a_broker_it_says_so() -> None:
    """What cannot be asked is not told as zero."""
    told = {family.name: family for family in families([], None)}
    assert told["dualgate_broker_up"].samples[0].value == 0
    assert "dualgate_dead_letters" not in told


def test_every_name_is_known_and_documented() -> None:
    """What is served, what is declared and what docs/metrics.md explains are the same names."""
    served = {sample.name for family in families(documents(), 7) for sample in family.samples}
    assert served == NAMES
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(dualgate_\w+)", page, re.MULTILINE)) == ALL


def test_every_name_of_a_worker_is_served() -> None:
    """Each family has a sample where there is something to tell, and no name is served that is not declared."""
    key, one = ("m", "a", "b"), {"m": 1}
    paired = PairingReporter(PairingMetrics(events_by_migration=one, lag=one, held=("m",), expired_through_ms=one))
    scored = ScoringReporter(ScoringMetrics({key: 1}, {key: 1}, {key: 1}, {"m": 1.0}, dropped=one, lag=one))
    for found, names in ((pairing.families(paired), pairing.NAMES), (scoring.families(scored), scoring.NAMES)):
        assert {sample.name for family in found for sample in family.samples} == names


def test_alert_rules_ask_for_what_there_is() -> None:
    """A rule on a name that nobody serves never fires."""
    rules = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    for rule in rules:
        assert set(re.findall(r"dualgate_\w+", rule["expr"])) <= ALL, rule["alert"]
        assert rule["alert"] in (DOCS / "metrics.md").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt-get install prometheus)")
def test_promtool_accepts_rules_and_metrics(tmp_path: Path) -> None:
    """Prometheus's own tool finds no fault in the rules, nor in what the endpoint serves."""
    found = subprocess.run(["promtool", "check", "rules", str(DOCS / "alerts.yml")], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    text = scraped("text/plain")
    found = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


LAPSED = [("dualgate_lease_left_seconds", "50 20 -10 -40 -70"), ("dualgate_live_share", "0.25x9")]
STUCK = [("dualgate_rolling_back", "0 1x8")]
HELD = [
    ('dualgate_check_log_e{check="assignment"', "1 7 8 9 9"),
    ('dualgate_check_threshold{check="assignment"', "6.4 6.4 6.4 6.4 6.4"),
]


LAG = "dualgate_pairing_lag_records"
READ, PAIRED = "dualgate_pairing_records_total", "dualgate_pairing_pairs_total"


def fires(alert: str, series: list[tuple[str, str]], minute: int, folder: Path) -> bool:
    """Return whether an alert is there after so many minutes, by Prometheus's own evaluation of samples a minute apart."""
    given = [{"series": f'{name}{"," if "{" in name else "{"}migration="m"}}', "values": values} for name, values in series]
    none = {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": []}
    test = {
        "rule_files": [str(DOCS / "alerts.yml")],
        "tests": [{"interval": "1m", "input_series": given, "alert_rule_test": [none]}],
    }
    (folder / "test.yml").write_text(yaml.safe_dump(test), encoding="utf-8")
    found = subprocess.run(["promtool", "test", "rules", str(folder / "test.yml")], capture_output=True, text=True, check=False)
    told = f'alertname="{alert}"' in found.stdout + found.stderr
    assert told == bool(found.returncode), found.stdout + found.stderr
    return told


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt-get install prometheus)")
@pytest.mark.parametrize(
    ("alert", "series", "minute"),
    [
        *(("DualgateRolledBack", [(f'dualgate_decisions_total{{rule="{rule}"', "0 0 1 1 1")], 4) for rule in HARM),
        ("DualgateLeaseRanOut", LAPSED, 4),
        ("DualgateRollbackNotFollowed", STUCK, 6),
        ("DualgateCheckHolds", HELD, 4),
    ],
)
def test_alerts_that_wake_somebody_fire(alert: str, series: list[tuple[str, str]], minute: int, tmp_path: Path) -> None:
    """And the first time that it happens: the counters of harm are served as 0 before."""
    assert fires(alert, series, minute, tmp_path)
    before = samples(scraped("application/openmetrics-text; version=1.0.0"))
    assert {before["dualgate_decisions_total", rule] for rule in HARM} == {0}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt-get install prometheus)")
@pytest.mark.parametrize(
    ("alert", "series", "there"),
    [
        ("DualgatePairingLagGrows", [(LAG, "0+1000x60")], True),
        ("DualgatePairingLagGrows", [(LAG, "60000-900x60")], False),
        ("DualgatePairingLagGrows", [(LAG, "0+10x60")], False),
        ("DualgateScoringLagGrows", [("dualgate_scoring_lag_records", "0+1000x60")], True),
        ("DualgateNothingPaired", [(READ, "0+500x60"), (PAIRED, "70x60")], True),
        ("DualgateNothingPaired", [(READ, "0+500x60"), (PAIRED, "0+100x60")], False),
        ("DualgateNothingPaired", [(READ, "900x60"), (PAIRED, "300x60")], False),
        ("DualgateTransactionsFail", [("dualgate_pairing_failed_transactions_total", "0+1x60")], True),
        ("DualgateTransactionsFail", [("dualgate_pairing_failed_transactions_total", "0x50 1x10")], False),
        ("DualgateWorkerStands", [("dualgate_pairing_last_step_timestamp_seconds", "0+60x55 3300x5")], True),
        ("DualgateWorkerStands", [("dualgate_scoring_last_step_timestamp_seconds", "0+60x60")], False),
    ],
)
def test_alerts_on_workers_fire_for_what_they_say(alert: str, series: list[tuple[str, str]], there: bool, tmp_path: Path) -> None:
    """A backlog that is worked off, a quiet hour and a single failed transaction wake nobody."""
    assert fires(alert, series, 60, tmp_path) == there


def test_an_address_that_is_taken_is_named() -> None:
    """Two endpoints cannot share a port, and the message says which."""
    with Endpoint(list, "127.0.0.1", 0) as first:
        port = int(first.address.rsplit(":", 1)[1].split("/")[0])
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            Endpoint(list, "127.0.0.1", port)
