"""Bad values on the command line: the message names the option, the value and what is accepted."""

from typing import Any

import typer
import typer.core

KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


class Root(typer.core.TyperGroup):
    """The root of the command; a value that an option or argument does not take, of whichever verb, is told whole."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = told(error)
            raise


def told(error: typer.BadParameter) -> str:
    """Return what is wrong with a value: the value, and what is accepted; typer says the range and keeps the value to itself."""
    from pydantic import ValidationError

    if not isinstance(error.__cause__, ValidationError) or error.param is None:
        return error.message
    fault = error.__cause__.errors()[0]
    kind, info = error.param.type_descriptor.annotation, error.param.type_descriptor.parameter_info
    accepted = KINDS.get(getattr(kind, "__name__", ""), fault["msg"])
    return f"{fault['input']}; accepted: {accepted}{_range(info.min, info.max)}"


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low:.12g} to {high:.12g}"
    if low is not None:
        return f" of at least {low:.12g}"
    return "" if high is None else f" of at most {high:.12g}"
