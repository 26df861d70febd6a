"""Dice: every random choice that an aligned sampler makes, so that a test can make all of them in turn.

Place in the walk: given to `walk`, `mcmc`, `smc`. A sampler that draws by picks and coins alone has a law that can be
enumerated exactly (`tests/every_choice.py`), and not only estimated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dice", "RandomDice", "log_sum"]


class Dice(Protocol):
    """The kinds of choices that there are."""

    def pick(self, log_weights: NDArray[np.float64] | Sequence[float]) -> int:
        """An index, with probability proportional to exp of its weight; some weight is finite."""
        ...

    def coin(self, log_probability: float) -> bool:
        """True with that probability."""
        ...

    def exponential(self) -> float:
        """A time > 0 with P(longer than t) = exp(-t)."""
        ...


class RandomDice:
    """Dice from a generator of random numbers."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def pick(self, log_weights: NDArray[np.float64] | Sequence[float]) -> int:
        weights = np.asarray(log_weights, np.float64)
        cumulative = np.exp(weights - weights.max()).cumsum()
        # below the total, so that the index is one whose weight is positive, whatever the rounding
        target = min(self._rng.random() * cumulative[-1], np.nextafter(cumulative[-1], 0.0))
        return int(cumulative.searchsorted(target, side="right"))

    def coin(self, log_probability: float) -> bool:
        return bool(self._rng.random() < math.exp(min(0.0, log_probability)))

    def exponential(self) -> float:
        return float(self._rng.standard_exponential()) or 5e-324  # 0 comes once in 2 ** 53


def log_sum(values: Sequence[float]) -> float:
    """log Σ exp(value), -inf for none: sums of positive parts only, so that nothing cancels.

    >>> log_sum([math.log(0.25), math.log(0.5)])
    -0.2876820724517809
    """
    top = max(values, default=-math.inf)
    if top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))
