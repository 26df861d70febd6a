"""Forest: the sums over all ways of a block through a pushdown automaton.

Place in the walk: Plan × weights of sets -> **Forest** -> what a Chain answers, for grammars
that nest. Its items are those of `gcd.diffusion.planner`. The sum of an item is over all ways since the frames of its
context were pushed, whatever is below them; when the last of them is popped, it is multiplied with the sums of the
items that pushed them. L positions cost at most O(L^3) ways, of which each string has exactly one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.diffusion import forest_kernels as kernels
from gcd.diffusion.emissions import Best, invert
from gcd.diffusion.planner import Plan
from grammars.errors import UnsupportedFeature

__all__ = ["Forest"]

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]


class Forest:
    """One block: the ways of a plan with the weights of their sets (L, S)."""

    def __init__(self, plan: Plan, weights: Float) -> None:
        self.plan, self.weights = plan, weights
        self.place = np.where(plan.position < 0, -1, plan.position * weights.shape[1] + plan.token_set).astype(np.int32)
        self.sums = np.empty(len(plan.start) - 1)
        kernels.inside(plan.start, plan.left, plan.right, self.place, weights.reshape(-1), self.sums)

    @property
    def log_z(self) -> float:
        """The sum of all ways; -inf where there is none."""
        return float(self.sums[-1])

    def contexts(self) -> Float:
        """(L, S) for each set at each position the sum of what may be around it, less log Z."""
        p, shares, out = self.plan, np.zeros(len(self.sums)), np.zeros(self.weights.size)
        kernels.outside(p.start, p.left, p.right, self.place, self.weights.reshape(-1), self.sums, shares, out)
        taken = out.reshape(self.weights.shape)
        return np.where(taken > 0, np.log(np.maximum(taken, 1e-320)) - np.where(taken > 0, self.weights, 0), -np.inf)

    def torch_log_z(self, weights: torch.Tensor) -> torch.Tensor:
        raise UnsupportedFeature(
            "second derivatives of log Z are not computed for grammars that nest",
            hint="ask for the gradient without create_graph=True",
        )

    def draw(self, uniforms: Float) -> NDArray[np.int64]:
        """One set a position for each row of uniforms (n, L), by the law of the ways: (n, L)."""
        p, out = self.plan, np.empty(uniforms.shape, np.int64)
        rng = np.random.default_rng(np.ascontiguousarray(uniforms).view(np.uint64).reshape(-1))
        there: dict[int, list[NDArray[np.int64]]] = {len(self.sums) - 1: [np.arange(len(uniforms))]}
        agenda = [1 - len(self.sums)]
        while agenda:
            item = -heapq.heappop(agenda)
            rows = np.concatenate(there.pop(item))
            ways = np.arange(p.start[item], p.start[item + 1])
            drawn = ways[invert(self._values(ways), rng.random(len(rows)))] if len(ways) > 1 else ways[[0] * len(rows)]
            for way in np.unique(drawn).tolist():
                taken = rows[drawn == way]
                if p.position[way] >= 0:
                    out[taken, p.position[way]] = p.token_set[way]
                for part in (int(p.left[way]), int(p.right[way])):
                    if part >= 0:
                        if part not in there:
                            there[part] = []
                            heapq.heappush(agenda, -part)
                        there[part].append(taken)
        return out

    def _values(self, ways: NDArray[np.int64]) -> Float:
        p, place = self.plan, self.place[ways]
        sums = np.append(self.sums, 0.0)  # entry -1 is that of no item
        own = np.where(place >= 0, self.weights.reshape(-1)[place], 0.0)
        values: Float = own + sums[p.left[ways]] + sums[p.right[ways]]
        return values

    def k_best(self, k: int, weights: Float, best: Best) -> list[tuple[list[int], float]]:
        """The k heaviest strings of tokens with their weights, heaviest first, fewer where there are no more.

        `weights` are those of the heaviest token of each set. Each item keeps its k best makings, made of the k best of
        its parts; items that are on no way of the block are left out.
        """
        p, flat = self.plan, weights.reshape(-1)
        most, chosen = np.empty(len(self.sums)), np.empty(len(self.sums), np.int32)
        kernels.best_inside(p.start, p.left, p.right, self.place, flat, most, chosen)
        if most[-1] == -np.inf:
            return []
        needed = self._below(chosen) if k == 1 else range(len(self.sums))
        makings: dict[int, list[Making]] = {-1: [Making(0.0, -1, 0, 0, 0)]}
        for item in needed:
            ways = [int(chosen[item])] if k == 1 else range(p.start[item], p.start[item + 1])
            makings[item] = self._makings(ways, k, makings, best)
        last = len(self.sums) - 1
        return [(self._spelled(last, rank, makings, best, k), m.weight) for rank, m in enumerate(makings[last])]

    def _below(self, chosen: Int32) -> list[int]:
        """The items of the best way, parts before wholes."""
        found, agenda = set[int](), [len(self.sums) - 1]
        while agenda:
            item = agenda.pop()
            if item >= 0 and item not in found:
                found.add(item)
                agenda += [int(self.plan.left[chosen[item]]), int(self.plan.right[chosen[item]])]
        return sorted(found)

    def _makings(self, ways: Iterable[int], k: int, makings: Mapping[int, list[Making]], best: Best) -> list[Making]:
        """The k best makings of an item by these ways, of the k best of their parts and tokens."""
        p, found = self.plan, list[Making]()
        for way in ways:
            left, right = makings[int(p.left[way])], makings[int(p.right[way])]
            position = int(p.position[way])
            tokens = best(position, int(p.token_set[way]), k) if position >= 0 else _NO_TOKEN
            if not (left and right and tokens):
                continue
            if len(found) == k and found[-1].weight > left[0].weight + right[0].weight + tokens[0][0]:
                continue
            for i, j, t in product(range(len(left)), range(len(right)), range(len(tokens))):
                if (i + 1) * (j + 1) * (t + 1) <= k:  # others have k that are at least as good
                    found.append(Making(left[i].weight + right[j].weight + tokens[t][0], int(way), i, j, t))
            found.sort(key=lambda making: -making.weight)
            del found[k:]
        return found

    def _spelled(self, item: int, rank: int, makings: Mapping[int, list[Making]], best: Best, k: int) -> list[int]:
        p, out = self.plan, [0] * self.plan.length
        agenda = [(item, rank)]
        while agenda:
            item, rank = agenda.pop()
            if item >= 0:
                _, way, i, j, t = makings[item][rank]
                if p.position[way] >= 0:
                    position = int(p.position[way])
                    out[position] = best(position, int(p.token_set[way]), k)[t][1]
                agenda += [(int(p.left[way]), i), (int(p.right[way]), j)]
        return out


class Making(NamedTuple):
    """One way to make an item, with the ranks of its parts and of its token."""

    weight: float
    way: int
    left: int
    right: int
    token: int


_NO_TOKEN = [(0.0, -1)]
