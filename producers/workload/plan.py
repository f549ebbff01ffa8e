"""What a query means, before anyone has chosen words for it: a plan of SELECTs, which `sql` renders in many styles.

Expressions are SQL with full table names before columns (``SUM(impressions.clicks)``); the renderer puts aliases in their
place. Agents write one plan differently, and their mistakes are changes of the plan.
"""

from dataclasses import dataclass

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Scalar:
    """A subquery of one value over an earlier step, such as its average."""

    expr: str
    step: str


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition; a range has op ``between`` and two values, both inside."""

    column: str
    op: str
    values: tuple[Value | Scalar, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """An output column."""

    expr: str
    name: str


@dataclass(frozen=True, slots=True)
class Order:
    """A sort key: an output name."""

    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT over tables (or earlier steps) that are joined in a path, each to the next by a column both have."""

    tables: tuple[str, ...]
    items: tuple[Item, ...]
    keys: tuple[str, ...] = ()
    account: int | None = None
    filters: tuple[Filter, ...] = ()
    group_by: tuple[str, ...] = ()
    having: Filter | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Named steps, and the last SELECT, which may read them."""

    final: Select
    steps: tuple[tuple[str, Select], ...] = ()

    @property
    def selects(self) -> tuple[Select, ...]:
        """Return every SELECT, the last one first."""
        return (self.final, *(select for _, select in self.steps))

    def with_select(self, index: int, select: Select) -> "Plan":
        """Return the plan with one of its `selects` exchanged."""
        if index == 0:
            return Plan(select, self.steps)
        steps = [(name, select if i == index else old) for i, (name, old) in enumerate(self.steps, 1)]
        return Plan(self.final, tuple(steps))
