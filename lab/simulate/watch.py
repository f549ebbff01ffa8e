"""The live watch of a simulated migration: the gate's monitors, run one observation after another only where it may matter.

The monitors are exact integers, folded in a loop that would take most of a simulation's time; their thresholds are solved for.
Nearly always neither is needed: a bound in floating point (`esr_bound`) and a threshold below the exact one (`screen`) tell
that no alarm can be near. A monitor for which they do not is planned as the gate plans it, and fed everything from the start.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from dualgate.gate import monitors
from dualgate.gate.monitors import Monitors
from dualgate.gate.observations import Rows
from dualgate.gate.state import MigrationState, Monitored
from dualgate.gate.stats.chart import update_chart_many
from dualgate.gate.stats.shiryaev_roberts import esr_bound
from dualgate.gate.watched import begun

_DOUBT = 1e-6


class Watch:
    """The monitors of one migration from its acceptance on; alarms are those of the gate, unit by unit.

    state: as the shadow phase accepted; begun: the same with the screens in it.
    """

    def __init__(self, state: MigrationState, begun: MigrationState) -> None:
        self._state, self._begun = state, begun
        self._screened = begun.monitors
        self._bounds = {name: np.zeros(len(spec.esr.bets)) for name, (spec, _) in self._screened.items()}
        self._exact: Monitors = {}
        self._past: list[Rows | str] = []  # units, and the phases that were entered

    def first_alarm(self, rows: Rows) -> int | None:
        """Take in units; return the first (0-based) after which a monitor is in alarm."""
        near = {name for name, monitored in self._screened.items() if self._near(name, monitored, rows)}
        self._screened = {name: held for name, held in self._screened.items() if name not in near}
        self._exact = {**self._exact, **self._replayed(near)}
        self._past.append(rows)
        self._exact, alarms = monitors.moved(self._exact, self._state.specs, rows)
        anywhere = np.logical_or.reduce(list(alarms.values())) if alarms else np.zeros(0, dtype=bool)
        return int(np.argmax(anywhere)) if anywhere.any() else None

    def step(self, to_phase: str) -> None:
        """Begin the next phase: charts are reset as the file says."""
        self._past.append(to_phase)
        self._screened = monitors.stepped(replace(self._begun, monitors=self._screened), to_phase)
        self._exact = self._stepped(self._exact, to_phase)

    def _near(self, name: str, monitored: Monitored, rows: Rows) -> bool:
        """Tell whether a monitor may be in alarm within these units, and take them in."""
        spec, held = monitored
        codes, probabilities = monitors.signal(name, spec, self._state.specs, rows)
        self._bounds[name], top = esr_bound(spec.esr, self._bounds[name], codes, probabilities)
        chart, levels = update_chart_many(spec.cusum, held.cusum, codes)
        self._screened = {**self._screened, name: (spec, replace(held, cusum=chart))}
        return top > spec.esr.alarm_level * (1 - _DOUBT) or bool((levels >= spec.cusum.limit).any())

    def _replayed(self, names: set[str]) -> Monitors:
        exact: Monitors = {name: self._planned.monitors[name] for name in sorted(names)}
        for past in self._past if names else ():
            exact = self._stepped(exact, past) if isinstance(past, str) else monitors.advanced(exact, self._state.specs, past)
        return exact

    @cached_property
    def _planned(self) -> MigrationState:
        return begun(self._state)

    def _stepped(self, held: Monitors, to_phase: str) -> Monitors:
        return monitors.stepped(replace(self._planned, monitors=held), to_phase) if held else held
