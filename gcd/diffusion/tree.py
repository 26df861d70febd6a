"""Tree: a segment tree over the positions of a block, that draws its ways from the middle outwards.

Place in the walk: beside the draws of `gcd.diffusion.chain`, which go from left to right, one position after the other.
A node of the tree is a stretch of positions, and holds the sum of all ways through it for every pair of states at its
ends. The last state of a block is drawn first; then, for all nodes of a depth at once, the state in the middle given
those at both ends: P(m | l, r) ~ left[l, m] * right[m, r]. So a draw takes log2(L) steps, behind L products of S by S
matrices. It answers nothing else, and keeps nothing for the next call.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gcd.diffusion.chain import Chain
from gcd.diffusion.emissions import invert_rows
from gcd.diffusion.kernels import TINY
from grammars.errors import LimitExceeded

__all__ = ["Tree"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]

AT_ONCE = 1 << 20
"""How many weights draws may look at together: 8 MB."""


class Tree:
    """The segment tree of a chain whose S states are on ways from its start to its end."""

    def __init__(self, chain: Chain, limit: int) -> None:
        """Raises LimitExceeded before anything is allocated where the tree has more than `limit` numbers."""
        self.weights, edges = chain.weights, chain.edges
        live = np.flatnonzero((chain.reachable & (chain.beta > -np.inf)).any(axis=0))
        width = 1 << (chain.length - 1).bit_length()
        if 2 * width * len(live) ** 2 > limit:
            raise LimitExceeded(
                f"the segment tree of a block of {chain.length} tokens and {len(live):,} states has more than "
                f"{limit:,} numbers",
                hint="draw with method='chain', or pass limits=BlockLimits(products=...)",
            )
        number = np.full(edges.num_states, -1)
        number[live] = np.arange(len(live))
        pair = np.where(
            (number[edges.source] < 0) | (number[edges.target] < 0),
            -1, number[edges.source] * len(live) + number[edges.target],
        )  # fmt: skip
        order = np.argsort(pair, kind="stable")
        order = order[pair[order] >= 0]
        self.sets = edges.token_set[order]
        """The sets on the edges from state to state, those of a pair of states side by side."""
        pairs, begin, count = np.unique(pair[order], return_index=True, return_counts=True)
        self.begin, self.count = np.zeros((2, len(live) ** 2), np.int64)
        """(S * S,) where the sets of a pair begin, and how many there are."""
        self.begin[pairs], self.count[pairs] = begin, count

        leaves = np.full((width, len(live) ** 2), -np.inf)
        for i, weights in enumerate(chain.weights):
            leaves[i, pairs] = np.logaddexp.reduceat(weights[self.sets], begin)
        leaves[chain.length :, :: len(live) + 1] = 0.0  # behind the block every state stays what it is
        self.levels = [leaves.reshape(width, len(live), len(live))]
        """(W / 2**k, S, S) for each k: the sums of all ways through 2**k positions; W is L, or the next power of 2."""
        self.levels[0][chain.length - 1] += chain.final[live]
        while len(self.levels[-1]) > 1:
            self.levels.append(multiply(self.levels[-1][::2], self.levels[-1][1::2]))
        self.start = int(number[chain.start])

    def draw(self, uniforms: Float) -> Int:
        """One set a position for each of n rows of uniforms (2, n, L), for states and for sets: (n, L)."""
        width, states = self.levels[0].shape[:2]
        most = max(states, int(self.count.max()))
        parts = range(0, uniforms.shape[1], max(1, AT_ONCE // (width * most)))
        each = [self._draw(uniforms[:, a:b]) for a, b in pairwise([*parts, uniforms.shape[1]])]
        return np.concatenate([np.empty((0, uniforms.shape[2]), np.int64), *each])

    def _draw(self, uniforms: Float) -> Int:
        (count, length), (width, states, _) = uniforms.shape[1:], self.levels[0].shape
        behind = np.pad(uniforms[0], ((0, 0), (1, width - length)), mode="edge")  # of the states at 0 ... W
        at = np.full((count, width + 1), self.start)
        at[:, width] = invert_rows(self.levels[-1][0, at[:, 0]], behind[:, width])
        for level in self.levels[-2::-1]:
            step = width // len(level)
            nodes = np.arange(0, len(level), 2)
            before, after = at[:, : width : 2 * step], at[:, 2 * step :: 2 * step]
            weights = level[nodes, before] + level[nodes + 1, :, after]
            at[:, step :: 2 * step] = invert_rows(weights, behind[:, step :: 2 * step])
        pair = at[:, :length] * states + at[:, 1 : length + 1]
        among = np.arange(self.count[pair].max())
        sets = self.sets[np.minimum(self.begin[pair][..., None] + among, len(self.sets) - 1)]
        weights = np.where(among < self.count[pair][..., None], self.weights[np.arange(length)[:, None], sets], -np.inf)
        return np.take_along_axis(sets, invert_rows(weights, uniforms[1])[..., None], axis=2)[..., 0].astype(np.int64)


def multiply(left: Float, right: Float) -> Float:
    """Products of matrices (K, S, S) of logarithms.

    As in `gcd.diffusion.kernels`: exponentials from the largest of each row and column down, and what comes out below
    `TINY` once more in logarithms.
    """
    lowest = np.finfo(np.float64).min / 4  # instead of -inf, whose differences are NaN
    rows = np.maximum(left.max(axis=2, keepdims=True), lowest)
    columns = np.maximum(right.max(axis=1, keepdims=True), lowest)
    total = np.exp(left - rows) @ np.exp(right - columns)
    with np.errstate(divide="ignore"):
        out: Float = np.log(total) + rows + columns
    is_possible = (left > -np.inf).astype(np.float32) @ (right > -np.inf).astype(np.float32) > 0
    node, row, column = np.nonzero((total <= TINY) & is_possible)
    for some in np.array_split(np.arange(len(node)), 1 + len(node) * left.shape[2] // AT_ONCE):
        terms = left[node[some], row[some]] + right[node[some], :, column[some]]
        out[node[some], row[some], column[some]] = np.logaddexp.reduce(terms, axis=1)
    return out
