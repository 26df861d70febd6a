"""The loops of exact sums over blocks, on the CPU: float64, weights as logarithms, -inf for what is impossible.

Place in the walk: below `gcd.diffusion.chain` and `gcd.diffusion.emissions`. `gcd.diffusion.passes` has the same sums
as torch operations: the slow twin, and the way to second derivatives.

A sum of weights is the logarithm of the sum of their exponentials. Weights of ways are sums themselves, of what is
known of a state and of a set; so exponentials are taken once for each state and set, from the largest down, and
multiplied on the edges. What comes out below `TINY` may have lost terms to underflow: it is summed once more in
logarithms, which loses nothing. Above it, a lost term is less than one part in 10**100.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokenizer_align.jit import kernel

__all__ = [
    "atom_sums", "backward", "best_backward", "contexts", "forward", "gradient", "most_by", "reach", "scatter",
    "sums_by", "token_shares",
]  # fmt: skip

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Int32 = NDArray[np.int32]

NEVER = -np.inf
TINY = 1e-200
BLOCK = 512
"""Tokens at a time: what is written for them stays near."""
ROUNDS = 1.5 * 2.0**52
"""Of so large a number only whole ones are around: adding it rounds."""


# -- from tokens to sets, and back -------------------------------------------------------------------------------------


@kernel
def exponentials(weights: Float, shift: float, out: Float) -> None:
    """out[v] = exp(weights[v] - shift), within one unit in the last place; 0 below exp(-708), at most exp(708).

    exp(x) = 2**k * exp(r) with k = x / log 2 rounded, so |r| < .35 and 14 terms suffice. Adding `ROUNDS` leaves k in
    the last bits, which are moved to where a float has its exponent. Loops without calls and branches become vector
    code: it takes less than half of the time of np.exp, where numba comes without Intel's library.
    """
    turned = np.empty(len(weights))
    shifted, made = turned.view(np.int64), out.view(np.int64)
    for v in range(len(weights)):
        x = weights[v] - shift
        x = x if x > -708.0 else -708.0
        x = x if x < 708.0 else 708.0
        out[v] = x
        turned[v] = x * 1.4426950408889634 + ROUNDS
    for v in range(len(weights)):
        k = turned[v] - ROUNDS
        r = (out[v] - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10  # log 2 in two parts
        p = r * (1 / 6227020800) + 1 / 479001600
        p = p * r + 1 / 39916800
        p = p * r + 1 / 3628800
        p = p * r + 1 / 362880
        p = p * r + 1 / 40320
        p = p * r + 1 / 5040
        p = p * r + 1 / 720
        p = p * r + 1 / 120
        p = p * r + 1 / 24
        p = p * r + 1 / 6
        p = p * r + 0.5
        p = p * r + 1.0
        out[v] = p * r + 1.0
    for v in range(len(weights)):
        made[v] += shifted[v] << 52
    for v in range(len(weights)):
        out[v] = out[v] if weights[v] - shift > -708.0 else 0.0


@kernel
def atom_sums(weights: Float, atom_of: Int32, out: Float) -> None:
    """out[a] = the sum of the weights of the tokens of atom a."""
    total, values = np.zeros(len(out)), np.empty(BLOCK)
    most = NEVER
    for v in range(len(atom_of)):
        most = max(most, weights[v])
    if most > NEVER:
        for first in range(0, len(atom_of), BLOCK):
            some = weights[first : min(first + BLOCK, len(atom_of))]
            exponentials(some, most, values[: len(some)])
            for v in range(len(some)):
                total[atom_of[first + v]] += values[v]
    losses = 0
    for a in range(len(out)):
        out[a] = most + np.log(total[a]) if total[a] > TINY else NEVER
        losses += total[a] <= TINY
    if losses > 0 and most > NEVER:
        lost = total <= TINY
        total[:] = 0.0
        for v in range(len(atom_of)):
            if lost[atom_of[v]]:
                out[atom_of[v]] = max(out[atom_of[v]], weights[v])
        for v in range(len(atom_of)):
            if lost[atom_of[v]] and weights[v] > NEVER:
                total[atom_of[v]] += np.exp(weights[v] - out[atom_of[v]])
        for a in range(len(out)):
            if lost[a] and out[a] > NEVER:
                out[a] += np.log(total[a])


@kernel
def token_shares(weights: Float, atoms: Float, atom_of: Int32, out: Float) -> None:
    """out[v] = exp(weights[v] + the weight of its atom)."""
    for v in range(len(atom_of)):
        out[v] = 0.0
        if atoms[atom_of[v]] > NEVER:
            out[v] = np.exp(weights[v] + atoms[atom_of[v]])


@kernel
def gradient(weights: Float, atoms: Float, atom_of: Int32, is_normalized: int, own: Float, out: Float) -> None:
    """out[v] = exp(weights[v] + the weight of its atom), less exp(weights[v]) * the sum of those where normalised.

    Exponentials are taken once a token and once an atom, and multiplied where neither can over- or underflow. `own` is
    scratch space. Both are as long as weights, which may be longer than `atom_of`.
    """
    factors = np.empty(len(atoms))
    for a in range(len(atoms)):
        factors[a] = np.exp(atoms[a]) if -300 < atoms[a] < 300 else 0.0
    for first in range(0, len(weights), BLOCK):
        some = slice(first, min(first + BLOCK, len(weights)))
        exponentials(weights[some], 0.0, own[some])
    total = 0.0
    for v in range(len(weights)):
        out[v] = 0.0
        if v < len(atom_of) and atoms[atom_of[v]] > NEVER:
            factor = factors[atom_of[v]]
            out[v] = own[v] * factor if factor > 0 and weights[v] > -300 else np.exp(weights[v] + atoms[atom_of[v]])
            total += out[v]
    if is_normalized == 1:
        for v in range(len(weights)):
            out[v] -= total * own[v]


@kernel
def sums_by(weights: Float, items: Int32, start: Int32, out: Float) -> None:
    """out[k] = the sum of the weights of items[start[k] : start[k + 1]]."""
    for k in range(len(out)):
        largest = NEVER
        for i in range(start[k], start[k + 1]):
            largest = max(largest, weights[items[i]])
        total = 0.0
        if largest > NEVER:
            for i in range(start[k], start[k + 1]):
                total += np.exp(weights[items[i]] - largest)
            largest += np.log(total)
        out[k] = largest


@kernel
def most_by(weights: Float, items: Int32, start: Int32, out: Float) -> None:
    """out[k] = the largest weight of items[start[k] : start[k + 1]]."""
    for k in range(len(out)):
        out[k] = NEVER
        for i in range(start[k], start[k + 1]):
            out[k] = max(out[k], weights[items[i]])


@kernel
def scatter(weights: Float, items: Int32, start: Int32, out: Float) -> None:
    """out[item] = the sum of weights[k] over all k among whose items it is."""
    total = np.zeros(len(out))
    for i in range(len(out)):
        out[i] = NEVER
    for k in range(len(weights)):
        if weights[k] > NEVER:
            for i in range(start[k], start[k + 1]):
                out[items[i]] = max(out[items[i]], weights[k])
    for k in range(len(weights)):
        if weights[k] > NEVER:
            for i in range(start[k], start[k + 1]):
                total[items[i]] += np.exp(weights[k] - out[items[i]])
    for i in range(len(out)):
        if out[i] > NEVER:
            out[i] += np.log(total[i])


# -- over the ways of a block ------------------------------------------------------------------------------------------


@kernel
def scaled(weights: Float, out: Float) -> float:
    """Writes exp(weights - the largest) and returns the largest; all 0 where nothing is possible."""
    most = NEVER
    for i in range(len(weights)):
        most = max(most, weights[i])
    for i in range(len(weights)):
        out[i] = np.exp(weights[i] - most) if most > NEVER else 0.0
    return most


@kernel
def reach(start: Int32, target: Int32, token_set: Int32, weights: Float, reachable: Bool) -> None:
    """Which states some way of i tokens leads to: reachable (L + 1, Q), of which row 0 is given."""
    for i in range(len(weights)):
        for q in range(len(start) - 1):
            if reachable[i, q]:
                for e in range(start[q], start[q + 1]):
                    if weights[i, token_set[e]] > NEVER:
                        reachable[i + 1, target[e]] = True


@kernel
def forward(start: Int32, target: Int32, token_set: Int32, weights: Float, reachable: Bool, alpha: Float) -> None:
    """alpha[i, q] = the sum over all ways of i tokens to q: (L + 1, Q), of which row 0 is given. weights: (L, S)."""
    states = len(start) - 1
    total, lost = np.empty(states), np.empty(states, np.bool_)
    from_state, by_set = np.empty(states), np.empty(weights.shape[1])
    for i in range(len(weights)):
        most = scaled(alpha[i], from_state) + scaled(weights[i], by_set)
        total[:] = 0.0
        for q in range(states):
            if from_state[q] > 0:
                for e in range(start[q], start[q + 1]):
                    total[target[e]] += from_state[q] * by_set[token_set[e]]
        losses = 0
        for q in range(states):
            lost[q] = reachable[i + 1, q] and not total[q] > TINY
            losses += lost[q]
            alpha[i + 1, q] = most + np.log(total[q]) if total[q] > TINY else NEVER
        if losses > 0:
            total[:] = 0.0
            for q in range(states):
                if reachable[i, q]:
                    for e in range(start[q], start[q + 1]):
                        if lost[target[e]]:
                            value = alpha[i, q] + weights[i, token_set[e]]
                            alpha[i + 1, target[e]] = max(alpha[i + 1, target[e]], value)
            for q in range(states):
                if reachable[i, q]:
                    for e in range(start[q], start[q + 1]):
                        if lost[target[e]] and alpha[i + 1, target[e]] > NEVER:
                            value = alpha[i, q] + weights[i, token_set[e]]
                            total[target[e]] += np.exp(value - alpha[i + 1, target[e]])
            for q in range(states):
                if lost[q] and alpha[i + 1, q] > NEVER:
                    alpha[i + 1, q] += np.log(total[q])


@kernel
def backward(start: Int32, target: Int32, token_set: Int32, weights: Float, reachable: Bool, beta: Float) -> None:
    """beta[i, q] = the sum over all ways from a reachable q to the end: (L + 1, Q), of which the last row is given."""
    states = len(start) - 1
    to_state, by_set = np.empty(states), np.empty(weights.shape[1])
    for i in range(len(weights) - 1, -1, -1):
        most = scaled(beta[i + 1], to_state) + scaled(weights[i], by_set)
        for q in range(states):
            beta[i, q] = NEVER
            if not reachable[i, q]:
                continue
            total = 0.0
            for e in range(start[q], start[q + 1]):
                total += to_state[target[e]] * by_set[token_set[e]]
            if total > TINY:
                beta[i, q] = most + np.log(total)
                continue
            largest = NEVER
            for e in range(start[q], start[q + 1]):
                largest = max(largest, weights[i, token_set[e]] + beta[i + 1, target[e]])
            if largest > NEVER:
                total = 0.0
                for e in range(start[q], start[q + 1]):
                    total += np.exp(weights[i, token_set[e]] + beta[i + 1, target[e]] - largest)
                beta[i, q] = largest + np.log(total)


@kernel
def best_backward(start: Int32, target: Int32, token_set: Int32, weights: Float, reachable: Bool, beta: Float) -> None:
    """The same with the heaviest way in place of the sum."""
    for i in range(len(weights) - 1, -1, -1):
        for q in range(len(start) - 1):
            beta[i, q] = NEVER
            if reachable[i, q]:
                for e in range(start[q], start[q + 1]):
                    beta[i, q] = max(beta[i, q], weights[i, token_set[e]] + beta[i + 1, target[e]])


@kernel
def contexts(start: Int32, target: Int32, token_set: Int32, alpha: Float, beta: Float, out: Float) -> None:
    """out[i, s] = the sum over all edges of the set s at position i of what is before and behind them: (L, S)."""
    states, sets = len(start) - 1, out.shape[1]
    total, is_met = np.empty(sets), np.empty(sets, np.bool_)
    from_state, to_state = np.empty(states), np.empty(states)
    for i in range(len(out)):
        most = scaled(alpha[i], from_state) + scaled(beta[i + 1], to_state)
        total[:] = 0.0
        is_met[:] = False
        for q in range(states):
            if alpha[i, q] > NEVER:
                for e in range(start[q], start[q + 1]):
                    if beta[i + 1, target[e]] > NEVER:
                        total[token_set[e]] += from_state[q] * to_state[target[e]]
                        is_met[token_set[e]] = True
        losses = 0
        for s in range(sets):
            out[i, s] = most + np.log(total[s]) if total[s] > TINY else NEVER
            is_met[s] = is_met[s] and not total[s] > TINY
            losses += is_met[s]
        if losses > 0:
            total[:] = 0.0
            for q in range(states):
                if alpha[i, q] > NEVER:
                    for e in range(start[q], start[q + 1]):
                        if is_met[token_set[e]]:
                            out[i, token_set[e]] = max(out[i, token_set[e]], alpha[i, q] + beta[i + 1, target[e]])
            for q in range(states):
                if alpha[i, q] > NEVER:
                    for e in range(start[q], start[q + 1]):
                        if is_met[token_set[e]] and out[i, token_set[e]] > NEVER:
                            value = alpha[i, q] + beta[i + 1, target[e]]
                            total[token_set[e]] += np.exp(value - out[i, token_set[e]])
            for s in range(sets):
                if is_met[s] and out[i, s] > NEVER:
                    out[i, s] += np.log(total[s])
