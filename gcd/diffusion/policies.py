"""Policies: which masked positions of a block to commit next, as small functions.

Place in the walk: Lattice -> View -> **positions** -> `gcd.diffusion.decode`. A policy sees the exact marginals of the
constrained law and nothing that was drawn: whatever it chooses, a draw keeps its law. (Choosing the positions whose
drawn tokens are likely does not: of two independent tokens with laws (.6, .4) and (.9, .1) the second would be b one
time in a hundred, not in ten.) What is committed is a part of one joint string, so it is never invalid, however many
there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gcd.diffusion.lattice import Lattice

__all__ = [
    "Policy",
    "View",
    "by_entropy",
    "by_threshold",
    "evenly",
    "left_to_right",
    "position_calibrated",
    "top_k",
    "view",
]


@dataclass(frozen=True, slots=True)
class View:
    """The masked positions of a block under the constrained law, and how many steps are left for them, this one
    included.
    """

    positions: tuple[int, ...]
    best: tuple[int, ...]
    """The most probable token at each of them."""
    probability: tuple[float, ...]
    """Its probability."""
    entropy: tuple[float, ...]
    """In nats."""
    steps_left: int


Policy: TypeAlias = Callable[[View], Sequence[int]]
"""At least one of `view.positions`."""


def view(lattice: Lattice, positions: Sequence[int], steps_left: int) -> View:
    """What a policy may know of a lattice."""
    best, probability, entropy = list[int](), list[float](), list[float]()
    for position in positions:
        law = lattice.position_marginals(position)
        most, token = law.max(-1)
        best.append(int(token))
        probability.append(min(1.0, float(most)))
        entropy.append(max(0.0, -float(law.xlogy(law).sum())))
    return View((*positions,), (*best,), (*probability,), (*entropy,), steps_left)


def _first(seen: View, scores: Sequence[float], count: int) -> list[int]:
    """The positions of the highest scores, the leftmost first among equals."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return [seen.positions[i] for i in order[: max(1, count)]]


def evenly() -> Policy:
    """The most certain positions, as many a step as are needed to be done in time."""
    return lambda seen: _first(seen, seen.probability, -(-len(seen.positions) // max(1, seen.steps_left)))


def top_k(k: int) -> Policy:
    """The k most certain positions."""
    return lambda seen: _first(seen, seen.probability, k)


def left_to_right(k: int = 1) -> Policy:
    """The k leftmost positions."""
    return lambda seen: seen.positions[:k]


def by_threshold(threshold: float = 0.9) -> Policy:
    """All positions whose best token is at least so probable, else the most certain one (Fast-dLLM, 2505.22618)."""
    return lambda seen: _first(seen, seen.probability, sum(p >= threshold for p in seen.probability))


def by_entropy(bound: float = 0.5) -> Policy:
    """The most certain positions whose entropies sum up to at most so many nats, or the most certain one."""

    def choose(seen: View) -> list[int]:
        total, count = 0.0, 0
        for entropy in sorted(seen.entropy):
            total += entropy
            if total > bound:
                break
            count += 1
        return _first(seen, [-entropy for entropy in seen.entropy], count)

    return choose


def position_calibrated(
    k: int = 1, *, decay: float = 0.25, most: float = 10.0, frequencies: Sequence[float] | None = None
) -> Policy:
    """The k positions of the highest exp(-decay * position) * min(-p log f, most) (PC-Sampler, 2508.13021).

    f is how frequent the best token is in a corpus, by token id; without `frequencies` the second factor is p.
    """

    def choose(seen: View) -> list[int]:
        scores = []
        for position, token, p in zip(seen.positions, seen.best, seen.probability, strict=True):
            surprise = p if frequencies is None else min(-p * math.log(max(frequencies[token], 1e-300)), most)
            scores.append(math.exp(-decay * position) * surprise)
        return _first(seen, scores, k)

    return choose
