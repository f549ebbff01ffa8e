"""What a strategy can see and do: nothing of the future, of unserved answers, or of the truth."""

import ast
from pathlib import Path

import numpy as np
import pytest

import dualgate.lab.evaluate.strategies as package
from dualgate.lab.evaluate.traffic import History
from support.evaluate import Rates, traffic

MODULES = sorted(Path(next(iter(package.__path__))).glob("*.py"))
SEALED = ("answers", "changes", "events", "evaluation", "measures", "pool", "runs", "streams")


def test_each_user_is_served_by_one_arm_and_only_that_answer_is_seen() -> None:
    """Of a query only the serving arm's answer is seen, by user, and the same users stay on the challenger as the share grows."""
    perfect, hopeless = Rates(correct=1.0), Rates(correct=0.0)
    stream = traffic(1, hopeless, perfect)
    small, large = stream.serve(5, 0.1), stream.serve(10, 0.5)
    for served in (small, large):
        assert np.array_equal(served.answers.correct == 0, served.challenger)
        assert np.isnan(served.answers.semantic).all()
    early = set(small.user[small.challenger].tolist())
    assert early
    assert not early & set(large.user[~large.challenger].tolist())


def test_time_moves_only_by_playing_on() -> None:
    """A stretch begins where the last one ended; nothing can be seen twice or ahead of time."""
    stream = traffic(2, Rates(), n=300, days=30)
    first, second = stream.serve(10, 0.0), stream.mirror(50)
    assert len(first) == 100
    assert second.row.tolist() == list(range(100, 150))
    assert len(stream.serve(5, 0.0)) == 0
    assert len(stream.serve(30.0, 0.0)) == 150
    assert stream.over


def test_what_was_settled_cannot_be_routed_again() -> None:
    """A share may begin within the stretch that was just mirrored, not before it and not after it."""
    stream = traffic(3, Rates(), n=300)
    stream.mirror(100)
    stream.route(40, 0.05)
    stream.mirror(100)
    with pytest.raises(ValueError, match=r"row 99 is not of the stretch 100\.\.200"):
        stream.route(99, 0.5)
    with pytest.raises(ValueError, match=r"row 201"):
        stream.halt(201)
    stream.halt(150)
    assert stream.history == History((0, 40), (0.0, 0.05), 150)


def test_exposure_follows_the_noted_shares() -> None:
    """Who was exposed is computed from the routing, not from what a strategy says."""
    history = History((0, 2, 4), (0.0, 0.5, 0.0), 0)
    place = np.array([0.1, 0.1, 0.1, 0.9, 0.1, 0.1])
    assert history.exposed(place).tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_strategy_reaches_neither_truth_nor_private_parts(module: Path) -> None:
    """No strategy imports what knows of events and truth, and none touches a private attribute of another object."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").removeprefix("dualgate.lab.evaluate.") not in SEALED, node.module
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            assert isinstance(node.value, ast.Name), ast.unparse(node)
            assert node.value.id == "self", ast.unparse(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("vars", "__import__", "eval", "exec", "object.__getattribute__"), ast.unparse(node)


def test_modules_are_found() -> None:
    """The rule above is asked of every strategy there is."""
    assert {"dualgate", "canary", "kayenta"} <= {module.stem for module in MODULES}
