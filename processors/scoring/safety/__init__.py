"""Safety: does an answer invent names, read what its caller may not, or do what no answer may do."""

from dualgate.processors.scoring.safety.scorer import Safety

__all__ = ["Safety"]
