"""The soak: lives are the gate's, the same for the same seed, and a bound that is exceeded is said."""

from pathlib import Path

import numpy as np

from dualgate.lab.soak.life import Life, live
from dualgate.lab.soak.many import keep, read
from dualgate.lab.soak.page import page
from dualgate.lab.soak.population import scenario
from support.gate import config, with_phases

SHORT = {"correctness": {"null": -0.2, "design": 0.0}, "semantic": {"null": 0.6, "design": 0.85}}


def test_a_life_goes_from_start_to_end_and_is_repeated_by_its_seed() -> None:
    """Identical agents under a wide margin walk through every live phase, with nothing of the fold left out."""
    dimensions = config().spec.model_dump(mode="json", by_alias=True)["dimensions"] | SHORT
    chosen = config(mode="live", dimensions=dimensions, phases=with_phases(), error_budget={"correctness": 0.5})
    first, again = (live(chosen, scenario(), np.random.default_rng(1)) for _ in range(2))
    assert first == again
    assert first.entered == ("SHADOW", "CANARY", "ROLLOUT(0.25)", "ROLLOUT(0.5)", "TAIL", "COMPLETED")


def test_a_bound_that_is_exceeded_is_said() -> None:
    """Ten false promotions of a hundred exceed 5 % only by chance; fifty do not, and the run fails."""
    good, promoted = Life("REJECTED(futile)", "futile", ("SHADOW",), 900, ()), Life("COMPLETED", "watched", ("CANARY",), 9, ())
    assert page({"superiority": [good] * 90 + [promoted] * 10}, 1, 1.0)[1]
    text, sound = page({"superiority": [good] * 50 + [promoted] * 50}, 1, 1.0)
    assert not sound
    assert "50 of 100 (0.5000)" in text
    assert "**exceeded**" in text


def test_what_is_kept_is_not_lived_again(tmp_path: Path) -> None:
    """Lives are kept by population and seed, and read back as they were."""
    kept, life = tmp_path / "lives.jsonl", Life("ROLLED_BACK", "alarm", ("SHADOW", "CANARY"), 77, ("budget of latency",))
    keep(kept, "superiority", 3, [life, life])
    assert list(read(kept, "superiority", 3)) == [life, life]
    assert not list(read(kept, "superiority", 4))
