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

from tokenizer_align.jit import contracted, kernel

__all__ = [
    "atom_sums", "backward", "best_backward", "contexts", "forward", "gradient", "most_by", "reach", "scatter",
    "sums_by", "token_shares",
]  # fmt: skip

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Int32 = NDArray[np.int32]

NEVER = -np.inf
TINY = 1e-200
FAR = 460.0
"""Logarithms of weights that are no further apart have no exponential below `TINY`: exp(-460) is 1.7e-200."""
BLOCK = 512
"""Tokens at a time: what is written for them stays near."""
ROUNDS = 1.5 * 2.0**52
"""Of so large a number only whole ones are around: adding it rounds."""


# -- from tokens to sets, and back -------------------------------------------------------------------------------------


@contracted
def exponentials(weights: Float, shift: float, out: Float) -> None:
    """out[v] = exp(weights[v] - shift), within one unit in the last place; 0 below exp(-708), at most exp(708).

    exp(x) = 2**k * exp(r) with k = x / log 2 rounded, so |r| < .35 and 14 terms suffice. Adding `ROUNDS` leaves k in
    the last bits, which are moved to where a float has its exponent. Loops without calls and branches become vector
    code, of products that are added as they are made: it takes a third of the time of np.exp, where numba comes without
    Intel's library.
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
def atom_sums(weights: Float, most: float, atom_of: Int32, out: Float) -> None:
    """out[a] = the sum of the weights of the tokens of atom a. None of them is above `most`."""
    total, values = np.zeros(len(out)), np.empty(BLOCK)
    if most > NEVER:
        for first in range(0, len(atom_of), BLOCK):
            of = atom_of[first : first + BLOCK]
            exponentials(weights[first : first + len(of)], most, values[: len(of)])
            for v in range(len(of)):
                total[of[v]] += values[v]
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
def gradient(weights: Float, atoms: Float, atom_of: Int32, taken: float, out: Float) -> None:
    """out[v] = exp(weights[v] + the weight of its atom) - taken * exp(weights[v]).

    Exponentials are taken once a token and once an atom, and multiplied: the first product is a share, at most 1. That
    of an atom is left to a second look where it could over- or underflow. There may be more weights than `atom_of`.
    """
    factors, own, are_far = np.empty(len(atoms)), np.empty(BLOCK), 0
    for a in range(len(atoms)):
        factors[a] = np.exp(atoms[a]) if -300 < atoms[a] < 300 else 0.0
        are_far += factors[a] == 0.0 and atoms[a] > NEVER
    for first in range(0, len(weights), BLOCK):
        some, into, of = weights[first : first + BLOCK], out[first : first + BLOCK], atom_of[first : first + BLOCK]
        exponentials(some, 0.0, own[: len(some)])
        for v in range(len(of)):
            into[v] = own[v] * (factors[of[v]] - taken)
        for v in range(len(of), len(some)):
            into[v] = -taken * own[v]
        if are_far > 0:
            for v in range(len(of)):
                if factors[of[v]] == 0.0 and atoms[of[v]] > NEVER:
                    into[v] = np.exp(some[v] + atoms[of[v]]) - taken * own[v]


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
def spread(weights: Float) -> float:
    """How far apart the largest and the smallest possible one are; 0 where nothing is possible."""
    most, least = NEVER, np.inf
    for i in range(len(weights)):
        if weights[i] > NEVER:
            most, least = max(most, weights[i]), min(least, weights[i])
    return most - least if most > NEVER else 0.0


@kernel
def is_again(reachable: Bool, weights: Float, i: int) -> bool:
    """Whether the states and the possible sets of a position are those of the position before."""
    changes = 0
    for q in range(reachable.shape[1]):
        changes += reachable[i, q] != reachable[i - 1, q]
    for s in range(weights.shape[1]):
        changes += (weights[i, s] > NEVER) != (weights[i - 1, s] > NEVER)
    return changes == 0


@kernel
def reach(start: Int32, target: Int32, token_set: Int32, weights: Float, reachable: Bool) -> None:
    """Which states some way of i tokens leads to: reachable (L + 1, Q), of which row 0 is given."""
    for i in range(len(weights)):
        if i > 0 and is_again(reachable, weights, i):  # equal sets lead on from equal states to what they led to before
            reachable[i + 1] = reachable[i]
            continue
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
    total, lost = np.empty(sets), np.empty(sets, np.bool_)
    from_state, to_state = np.empty(states), np.empty(states)
    for i in range(len(out)):
        most = scaled(alpha[i], from_state) + scaled(beta[i + 1], to_state)
        total[:] = 0.0
        for q in range(states):
            if from_state[q] > 0:
                for e in range(start[q], start[q + 1]):
                    total[token_set[e]] += from_state[q] * to_state[target[e]]
        for s in range(sets):
            lost[s] = not total[s] > TINY
            out[i, s] = NEVER if lost[s] else most + np.log(total[s])
        if spread(alpha[i]) + spread(beta[i + 1]) > FAR:
            losses = 0
            for q in range(states):
                if alpha[i, q] > NEVER:
                    for e in range(start[q], start[q + 1]):
                        if lost[token_set[e]] and beta[i + 1, target[e]] > NEVER:
                            out[i, token_set[e]] = max(out[i, token_set[e]], alpha[i, q] + beta[i + 1, target[e]])
                            losses += 1
            if losses == 0:
                continue
            total[:] = 0.0
            for q in range(states):
                if alpha[i, q] > NEVER:
                    for e in range(start[q], start[q + 1]):
                        if lost[token_set[e]] and out[i, token_set[e]] > NEVER:
                            value = alpha[i, q] + beta[i + 1, target[e]]
                            total[token_set[e]] += np.exp(value - out[i, token_set[e]])
            for s in range(sets):
                if lost[s] and out[i, s] > NEVER:
                    out[i, s] += np.log(total[s])
