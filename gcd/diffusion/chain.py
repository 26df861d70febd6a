"""Chain: the sums over all ways of a block through the states of a token automaton.

Place in the walk: edges × weights of sets -> **Chain** -> log Z, contexts, draws and best ways. A way is a set of
tokens for each position; which token of the set it is, the emissions know. `gcd.diffusion.forest` answers the same
questions for grammars that nest.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.diffusion import kernels
from gcd.diffusion.emissions import Best, invert
from gcd.diffusion.passes import backward_pass
from gcd.diffusion.token_automaton import Edges

__all__ = ["Chain", "spelled"]

Float = NDArray[np.float64]


class Chain:
    """One block: (L, S) weights of sets, edges, the state it starts in, and where it may end: (Q,) 0 or -inf."""

    def __init__(self, edges: Edges, start: int, final: Float, weights: Float, *, like: Chain | None = None) -> None:
        """`like` is the chain of an earlier block, whose sums are taken over behind the last place that differs."""
        self.edges, self.start, self.final, self.weights = edges, start, final, weights
        self.length = len(weights)
        self.reachable = np.zeros((self.length + 1, edges.num_states), np.bool_)
        self.reachable[0, start] = True
        kernels.reach(edges.start, edges.target, edges.token_set, weights, self.reachable)

        self.beta = np.empty(self.reachable.shape)
        """(L + 1, Q) the sum of all ways from a state at a position to the end."""
        self.beta[-1] = final
        changed = self.length
        if like is not None and like.edges is edges:
            changed = 1 + int(np.flatnonzero((like.weights != weights).any(axis=1)).max(initial=-1))
            self.beta[changed:] = like.beta[changed:]
        self._backward(self.weights[:changed], self.beta[: changed + 1], is_max=False)

    def _backward(self, weights: Float, beta: Float, *, is_max: bool) -> None:
        e, kernel = self.edges, kernels.best_backward if is_max else kernels.backward
        kernel(e.start, e.target, e.token_set, weights, self.reachable, beta)

    @property
    def log_z(self) -> float:
        """The sum of all ways; -inf where there is none."""
        return float(self.beta[0, self.start])

    def contexts(self) -> Float:
        """(L, S) for each set at each position the sum of what may be before and behind it, less log Z.

        With the weight of a token of the set, that is its share in log Z there.
        """
        e, alpha, out = self.edges, np.empty(self.reachable.shape), np.empty(self.weights.shape)
        alpha[0] = -np.inf
        alpha[0, self.start] = 0.0
        kernels.forward(e.start, e.target, e.token_set, self.weights, self.reachable, alpha)
        kernels.contexts(e.start, e.target, e.token_set, alpha, self.beta, out)
        return out - self.log_z

    def torch_log_z(self, weights: torch.Tensor) -> torch.Tensor:
        """The same log Z of weights like these, as torch operations."""
        e = self.edges
        source, target, token_set = (
            torch.from_numpy(part).to(weights.device).long() for part in (e.source, e.target, e.token_set)
        )
        final = torch.from_numpy(self.final).to(weights.device)
        return backward_pass(source, target, token_set, weights, final)[self.start]

    def draw(self, uniforms: Float) -> NDArray[np.int64]:
        """One set a position for each row of uniforms (n, L), by the law of the ways: (n, L)."""
        e = self.edges
        at = np.full(len(uniforms), self.start)
        out = np.empty(uniforms.shape, np.int64)
        for i in range(self.length):
            following = np.empty_like(at)
            for state in np.unique(at).tolist():
                here = at == state
                own = slice(e.start[state], e.start[state + 1])
                drawn = invert(self.weights[i, e.token_set[own]] + self.beta[i + 1, e.target[own]], uniforms[here, i])
                out[here, i] = e.token_set[own][drawn]
                following[here] = e.target[own][drawn]
            at = following
        return out

    def k_best(self, k: int, weights: Float, best: Best) -> list[tuple[list[int], float]]:
        """The k heaviest strings of tokens with their weights, heaviest first, fewer where there are no more.

        `weights` are those of the heaviest token of each set. A best-first search whose bound, what is the most that
        can still be had, is exact: it takes no step that is not on one of the k.
        """
        beta, order = np.empty(self.beta.shape), count()
        beta[-1] = self.final
        self._backward(weights, beta, is_max=True)
        if beta[0, self.start] == -np.inf:
            return []
        agenda: list[tuple[float, int, int, int, float, tuple[Any, ...]]] = [
            (-beta[0, self.start], next(order), 0, self.start, 0.0, ())
        ]
        found = list[tuple[list[int], float]]()
        ways = dict[tuple[int, int], list[tuple[float, float, int, int]]]()
        while agenda and len(found) < k:
            _, _, i, state, weight, tokens = heapq.heappop(agenda)
            if i == self.length:
                found.append((spelled(tokens), weight))
                continue
            if (i, state) not in ways:
                ways[i, state] = self._best_ways(k, i, state, weights, beta, best)
            for ahead, more, token, target in ways[i, state]:
                heapq.heappush(agenda, (-weight - ahead, next(order), i + 1, target, weight + more, (tokens, token)))
        return found

    def _best_ways(
        self, k: int, i: int, state: int, weights: Float, beta: Float, best: Best
    ) -> list[tuple[float, float, int, int]]:
        """The k best tokens of a state: what can be had at most with one, its own weight, itself, where it leads."""
        e, ways = self.edges, list[tuple[float, float, int, int]]()
        own = slice(e.start[state], e.start[state + 1])
        targets, sets = e.target[own], e.token_set[own]
        values = weights[i, sets] + beta[i + 1, targets]
        for edge in np.argsort(-values, kind="stable")[:k].tolist():
            target = int(targets[edge])
            if values[edge] > -np.inf:
                ways += [(w + beta[i + 1, target], w, token, target) for w, token in best(i, int(sets[edge]), k)]
        ways.sort(key=lambda way: (-way[0], way[2]))
        return ways[:k]


def spelled(tokens: tuple[Any, ...]) -> list[int]:
    """The tokens of a way, which is (the way before its last token, that token)."""
    out = list[int]()
    while tokens:
        tokens, token = tokens
        out.append(token)
    return out[::-1]
