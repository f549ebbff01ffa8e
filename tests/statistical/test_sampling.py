"""Section 8: sessions, strata and regimes: what keeps the level and what does not."""

import pytest

from dualgate.lab.characteristics import table_8
from dualgate.lab.characteristics.rows import exceeds
from dualgate.lab.characteristics.sampling_models import DESIGNS, NULL, SESSIONS, SessionModel, session_passages
from dualgate.lab.characteristics.single_tests import ALPHA
from support.tables import disagreeing


@pytest.mark.parametrize("model", SESSIONS, ids=lambda m: f"{m.mean_size:g}-{m.copy:.1f}")
def test_sessions(model: SessionModel) -> None:
    """One observation a session keeps the level; every query as its own does not, and a smaller bet is no cure."""
    found = session_passages(model, NULL, 3000, 600, seed=37)
    assert {name: exceeds(at <= 3000, ALPHA) for name, at in found.items()} == {
        "per query": True,
        "session mean": False,
        "first turn": False,
        "bet / design effect": True,
    }


@pytest.mark.parametrize("index", range(4))
def test_the_table_of_sessions(index: int) -> None:
    """Errors by unit, and the queries that a valid unit takes, are the stated ones."""
    assert disagreeing(table_8.sessions(400, 331, index)) == []


@pytest.mark.parametrize("index", range(6), ids=[d.name for d in DESIGNS])
def test_stratified_sampling(index: int) -> None:
    """Divided by its probability any design keeps the level, also where the past changes it; the pairs are the stated ones."""
    assert disagreeing(table_8.strata(500, 332, index)) == []
