"""The loops of exact sums over blocks, on the CPU: float64, in logarithms, no state that nothing reaches is looked at.

Place in the walk: below `gcd.diffusion.chain` and `gcd.diffusion.emissions`, which have the same passes as torch
operations (`gcd.diffusion.passes`): the slow twin, the way on other devices, and the way to second derivatives. A sum
of weights is the logarithm of the sum of their exponentials, taken down from the largest: nothing underflows, and -inf
means impossible. Where `is_max` is 1 the largest weight takes the place of the sum: the same loops in another
semiring.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokenizer_align.jit import kernel

__all__ = ["backward", "contexts", "forward", "scatter", "sums", "sums_by"]

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]

NEVER = -np.inf


@kernel
def sums(weights: Float, start: Int32, is_max: int, out: Float) -> None:
    """out[k] = the sum of weights[start[k] : start[k + 1]]."""
    for k in range(len(out)):
        most = NEVER
        for i in range(start[k], start[k + 1]):
            if weights[i] > most:
                most = weights[i]
        total = 0.0
        if is_max == 0 and most > NEVER:
            for i in range(start[k], start[k + 1]):
                total += np.exp(weights[i] - most)
            most += np.log(total)
        out[k] = most


@kernel
def sums_by(weights: Float, items: Int32, start: Int32, is_max: int, out: Float) -> None:
    """out[k] = the sum of the weights of items[start[k] : start[k + 1]]."""
    for k in range(len(out)):
        most = NEVER
        for i in range(start[k], start[k + 1]):
            if weights[items[i]] > most:
                most = weights[items[i]]
        total = 0.0
        if is_max == 0 and most > NEVER:
            for i in range(start[k], start[k + 1]):
                total += np.exp(weights[items[i]] - most)
            most += np.log(total)
        out[k] = most


@kernel
def scatter(weights: Float, items: Int32, start: Int32, out: Float, total: Float) -> None:
    """out[item] = the sum of weights[k] over all k among whose items it is; `total` is scratch space of its length."""
    for i in range(len(out)):
        out[i] = NEVER
        total[i] = 0.0
    for k in range(len(weights)):
        if weights[k] > NEVER:
            for i in range(start[k], start[k + 1]):
                if weights[k] > out[items[i]]:
                    out[items[i]] = weights[k]
    for k in range(len(weights)):
        if weights[k] > NEVER:
            for i in range(start[k], start[k + 1]):
                total[items[i]] += np.exp(weights[k] - out[items[i]])
    for i in range(len(out)):
        if out[i] > NEVER:
            out[i] += np.log(total[i])


@kernel
def forward(start: Int32, target: Int32, token_set: Int32, weights: Float, alpha: Float) -> None:
    """alpha[i + 1, q] = the sum over all ways of i + 1 tokens to q; alpha[0] is given. weights: (L, S)."""
    states = len(start) - 1
    total = np.zeros(states)
    for i in range(len(weights)):
        for q in range(states):
            alpha[i + 1, q] = NEVER
            total[q] = 0.0
        for q in range(states):
            if alpha[i, q] > NEVER:
                for e in range(start[q], start[q + 1]):
                    value = alpha[i, q] + weights[i, token_set[e]]
                    if value > alpha[i + 1, target[e]]:
                        alpha[i + 1, target[e]] = value
        for q in range(states):
            if alpha[i, q] > NEVER:
                for e in range(start[q], start[q + 1]):
                    value = alpha[i, q] + weights[i, token_set[e]]
                    if value > NEVER:
                        total[target[e]] += np.exp(value - alpha[i + 1, target[e]])
        for q in range(states):
            if alpha[i + 1, q] > NEVER:
                alpha[i + 1, q] += np.log(total[q])


@kernel
def backward(
    start: Int32,
    target: Int32,
    token_set: Int32,
    weights: Float,
    reachable: NDArray[np.bool_],
    is_max: int,
    beta: Float,
) -> None:
    """beta[i, q] = the sum over all ways to the end of the block, of reachable states (L + 1, Q); beta[L] is given."""
    states = len(start) - 1
    for i in range(len(weights) - 1, -1, -1):
        for q in range(states):
            most = NEVER
            if reachable[i, q]:
                for e in range(start[q], start[q + 1]):
                    value = weights[i, token_set[e]] + beta[i + 1, target[e]]
                    if value > most:
                        most = value
                if most > NEVER and is_max == 0:
                    total = 0.0
                    for e in range(start[q], start[q + 1]):
                        total += np.exp(weights[i, token_set[e]] + beta[i + 1, target[e]] - most)
                    most += np.log(total)
            beta[i, q] = most


@kernel
def reach(start: Int32, target: Int32, token_set: Int32, weights: Float, reachable: NDArray[np.bool_]) -> None:
    """Which states some way of i tokens leads to: reachable[0] is given."""
    for i in range(len(weights)):
        for q in range(len(start) - 1):
            if reachable[i, q]:
                for e in range(start[q], start[q + 1]):
                    if weights[i, token_set[e]] > NEVER:
                        reachable[i + 1, target[e]] = True


@kernel
def contexts(start: Int32, target: Int32, token_set: Int32, alpha: Float, beta: Float, out: Float) -> None:
    """out[i, s] = the sum over all edges of the set s at position i of what is before and behind them: (L, S)."""
    total = np.zeros(out.shape[1])
    for i in range(len(out)):
        for s in range(out.shape[1]):
            out[i, s] = NEVER
            total[s] = 0.0
        for q in range(len(start) - 1):
            if alpha[i, q] > NEVER:
                for e in range(start[q], start[q + 1]):
                    value = alpha[i, q] + beta[i + 1, target[e]]
                    if value > out[i, token_set[e]]:
                        out[i, token_set[e]] = value
        for q in range(len(start) - 1):
            if alpha[i, q] > NEVER:
                for e in range(start[q], start[q + 1]):
                    value = alpha[i, q] + beta[i + 1, target[e]]
                    if value > NEVER:
                        total[token_set[e]] += np.exp(value - out[i, token_set[e]])
        for s in range(out.shape[1]):
            if out[i, s] > NEVER:
                out[i, s] += np.log(total[s])
