"""Particles: canvases of one population, each with a weight, that stand for the law of the whole way.

Place in the walk: beside `loops.py`, whose `trajectory` fills them side by side. A particle is weighted at each step by
how much more the grammar leaves after the model has seen the commits than it left before (2609.35609). Where the
weights have become uneven the particles are drawn anew by them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

__all__ = ["mean_weight", "redrawn"]


def mean_weight(log_weights: Sequence[float]) -> float:
    """The logarithm of the mean of the weights."""
    return float(torch.tensor(log_weights, dtype=torch.float64).logsumexp(0)) - math.log(len(log_weights))


def redrawn(log_weights: Sequence[float], generator: torch.Generator) -> list[int] | None:
    """As many particles drawn anew by their weights, by number; None while at least half of them count.

    How many count is the effective sample size, 1 / the sum of the squares of their shares. Draws are systematic: a
    particle with share s comes floor(n s) or ceil(n s) times.

    >>> redrawn([0.0, 0.0, -math.inf, -math.inf, -math.inf], torch.Generator().manual_seed(0))
    [0, 0, 1, 1, 1]
    """
    count, shares = len(log_weights), torch.tensor(log_weights, dtype=torch.float64).softmax(0)
    if 1 / float(shares.square().sum()) >= count / 2:
        return None
    places = (torch.arange(count) + torch.rand((), generator=generator, dtype=torch.float64)) / count
    drawn: list[int] = torch.searchsorted(shares.cumsum(0), places).clamp(max=count - 1).tolist()
    return drawn
