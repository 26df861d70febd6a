"""The loops over a forest: sums from its leaves up, shares from its root down.

Place in the walk: below `gcd.diffusion.forest`. Items come in an order in which each is behind all that it is made of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokenizer_align.jit import kernel

__all__ = ["best_inside", "inside", "outside"]

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]


@kernel
def inside(start: Int32, left: Int32, right: Int32, place: Int32, weights: Float, out: Float) -> None:
    """out[item] = the sum over the ways to make it; those of an item are from start[item] on.

    A way is the product of one or two items (-1 for none) and of a set at a position: `place` in the flat weights, or
    -1.
    """
    for item in range(len(start) - 1):
        largest = -np.inf
        total = 0.0
        for way in range(start[item], start[item + 1]):
            value = 0.0 if place[way] < 0 else weights[place[way]]
            if left[way] >= 0:
                value += out[left[way]]
            if right[way] >= 0:
                value += out[right[way]]
            if value > largest:  # one pass: what was summed is taken down to the new largest
                total = total * np.exp(largest - value) + 1.0
                largest = value
            elif value > -np.inf:
                total += np.exp(value - largest)
        out[item] = largest + np.log(total) if largest > -np.inf else -np.inf


@kernel
def best_inside(
    start: Int32, left: Int32, right: Int32, place: Int32, weights: Float, out: Float, chosen: Int32
) -> None:
    """The same with the heaviest way in place of the sum; chosen[item] is that way, the first among equals."""
    for item in range(len(start) - 1):
        out[item] = -np.inf
        chosen[item] = -1
        for way in range(start[item], start[item + 1]):
            value = 0.0 if place[way] < 0 else weights[place[way]]
            if left[way] >= 0:
                value += out[left[way]]
            if right[way] >= 0:
                value += out[right[way]]
            if value > out[item]:
                out[item] = value
                chosen[item] = way


@kernel
def outside(
    start: Int32, left: Int32, right: Int32, place: Int32, weights: Float, sums: Float, shares: Float, out: Float
) -> None:
    """out[place] = the probability that the set is taken there; shares[item] = that the item is, all 0 when given."""
    shares[len(shares) - 1] = 1.0
    for item in range(len(start) - 2, -1, -1):
        if shares[item] <= 0.0:
            continue
        for way in range(start[item], start[item + 1]):
            value = 0.0 if place[way] < 0 else weights[place[way]]
            if left[way] >= 0:
                value += sums[left[way]]
            if right[way] >= 0:
                value += sums[right[way]]
            share = shares[item] * np.exp(value - sums[item])
            if left[way] >= 0:
                shares[left[way]] += share
            if right[way] >= 0:
                shares[right[way]] += share
            if place[way] >= 0:
                out[place[way]] += share
