"""The strategies by name: this gate in its forms, and its rivals re-stated from their documentation."""

from collections.abc import Mapping

from dualgate.lab.evaluate.strategies.ab import AbTest
from dualgate.lab.evaluate.strategies.argo import Argo
from dualgate.lab.evaluate.strategies.base import Ended, Strategy
from dualgate.lab.evaluate.strategies.blue_green import BlueGreen
from dualgate.lab.evaluate.strategies.canary import Canary
from dualgate.lab.evaluate.strategies.dualgate import Dualgate, with_gate
from dualgate.lab.evaluate.strategies.flagger import Flagger
from dualgate.lab.evaluate.strategies.growthbook import SafeRollout
from dualgate.lab.evaluate.strategies.kayenta import Kayenta
from dualgate.lab.evaluate.strategies.unwatched import Unwatched
from dualgate.schemas.migration import MigrationConfig

__all__ = ["Ended", "Strategy", "strategies"]


def strategies(config: MigrationConfig) -> Mapping[str, Strategy]:
    """Return every strategy by its name; ConfigError where the gate refuses the configuration."""
    every: tuple[Strategy, ...] = (
        Dualgate("dualgate", with_gate(config, "holm")),
        Dualgate("dualgate_iut", with_gate(config, "iut")),
        Unwatched(with_gate(config, "holm")),
        Canary(),
        AbTest(),
        AbTest(peeked=True),
        BlueGreen(),
        Argo(),
        Flagger(),
        Kayenta(),
        SafeRollout(),
    )
    return {strategy.name: strategy for strategy in every}
