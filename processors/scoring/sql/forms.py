"""Forms: the text of a query in normal form, with slots where constants belong, and its components as multisets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COMPONENTS = ("joins", "filters", "grouping", "aggregates", "projection", "order")
_COMMUTATIVE = {"and", "or", "=", "<>", "+", "*", "set"}


@dataclass(frozen=True, slots=True)
class Node:
    """A form that holds a slot: an operator and its operands. A form without slots is a string already."""

    operator: str
    operands: "tuple[Form, ...]"


Form = str | Node | int
"""Text, a node, or the number of a slot."""


@dataclass(frozen=True, slots=True)
class NormalForm:
    """The normal form of a template: of the whole, and of each component as features, those without slots counted already."""

    whole: Form
    fixed: Mapping[str, Counter[str]]
    slotted: Mapping[str, Sequence[Form]]


@dataclass(slots=True)
class Features:
    """The normal form of one query: equal texts mean the same; its components are multisets, made when first asked for."""

    whole: str
    form: NormalForm
    values: Sequence[str]
    _components: dict[str, Counter[str]] | None = None

    def components(self) -> dict[str, Counter[str]]:
        """Return the features of each component."""
        if self._components is None:
            self._components = {name: self._component(name, fixed) for name, fixed in self.form.fixed.items()}
        return self._components

    def _component(self, name: str, fixed: Counter[str]) -> Counter[str]:
        slotted = self.form.slotted[name]
        return fixed + Counter([_fill(part, self.values) for part in slotted]) if slotted else fixed


def features(form: NormalForm, constants: Sequence[str]) -> Features:
    """Fill a query's own constants in."""
    values = [constant.lower() if constant[0] != "'" else constant for constant in constants]
    return Features(_fill(form.whole, values), form, values)


def _fill(form: Form, values: Sequence[str]) -> str:
    if form.__class__ is str:
        return form
    if isinstance(form, Node):
        parts = [_fill(operand, values) for operand in form.operands]
        return _text(form.operator, parts)
    return values[form]  # type: ignore[index]


def _text(operator: str, parts: list[str]) -> str:
    if operator in _COMMUTATIVE:
        parts = sorted(set(parts)) if operator in ("and", "or") else sorted(parts)
        if len(parts) == 1 and operator in ("and", "or"):
            return parts[0]
    return f"{operator}({','.join(parts)})"


def make(operator: str, *operands: Form) -> Form:
    """Return a form: text where no operand holds a slot."""
    if operator in ("and", "or"):
        operands = tuple(flat(operator, operands))
        return operands[0] if len(operands) == 1 else Node(operator, operands)  # text could not be flattened any more
    if all(operand.__class__ is str for operand in operands):
        return _text(operator, list(operands))  # type: ignore[arg-type]
    return Node(operator, operands)


def flat(operator: str, operands: Sequence[Form]) -> list[Form]:
    """Return the operands with those of the same operator below them in its place."""
    found: list[Form] = []
    for operand in operands:
        if isinstance(operand, Node) and operand.operator == operator:
            found.extend(operand.operands)
        else:
            found.append(operand)
    return found
