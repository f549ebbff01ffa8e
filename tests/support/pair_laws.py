"""Laws of pairs that the statistical tests draw from."""

import math

import numpy as np
import numpy.typing as npt


def paired_law(incumbent: float, challenger: float, phi: float) -> npt.NDArray[np.float64]:
    """Return the law of Y_challenger - Y_incumbent in {-1, 0, 1} for two success rates with correlation phi."""
    both = incumbent * challenger + phi * math.sqrt(incumbent * (1 - incumbent) * challenger * (1 - challenger))
    worse, better = incumbent - both, challenger - both
    return np.array([worse, 1 - worse - better, better])
