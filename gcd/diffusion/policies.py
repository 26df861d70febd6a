"""Policies: which masked positions of a block to commit next, as small functions.

Place in the walk: Lattice -> View -> **positions** -> `gcd.diffusion.decode`. A policy sees the exact marginals of the
constrained law and nothing that was drawn: whatever it chooses, a draw keeps its law. (Choosing the positions whose
drawn tokens are likely does not: of two independent tokens with laws (.6, .4) and (.9, .1) the second would be b one
time in a hundred, not in ten.) What is committed is a part of one joint string, so it is never invalid, however many
there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gcd.diffusion.lattice import Lattice

__all__ = [
    "Policy",
    "View",
    "by_credit",
    "by_delimiter",
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
    before: View | None = field(default=None, compare=False, repr=False)
    """What was seen of this canvas one step earlier in this block, and so on; nothing before the first step."""


Policy: TypeAlias = Callable[[View], Sequence[int]]
"""At least one of `view.positions`."""


def view(lattice: Lattice, positions: Sequence[int], steps_left: int, before: View | None = None) -> View:
    """What a policy may know of a lattice."""
    best, probability, entropy = list[int](), list[float](), list[float]()
    for position in positions:
        law = lattice.position_marginals(position)
        most, token = law.max(-1)
        best.append(int(token))
        probability.append(min(1.0, float(most)))
        entropy.append(max(0.0, -float(law.xlogy(law).sum())))
    return View((*positions,), (*best,), (*probability,), (*entropy,), steps_left, before)


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


def by_credit(threshold: float = 0.9, *, decay: float = 0.8, power: float = 0.2, weight: float = 0.7) -> Policy:
    """All positions whose best token is at least so probable once it has credit for having been the best one before,
    else the most certain one (CreditDecoding, 2510.06133).

    At each step credits fall to `decay` of what they were, and the best token of each position earns p^power; its odds
    count (1 + credit)^weight times. Only which positions are committed depends on that: the law of their tokens, to
    which the paper adds the credit, is left as it is.
    """

    def choose(seen: View) -> list[int]:
        credit = dict[tuple[int, int], float]()
        for earlier in reversed([*_back(seen)]):
            credit = {key: decay * worth for key, worth in credit.items()}
            for key, p in zip(zip(earlier.positions, earlier.best, strict=True), earlier.probability, strict=True):
                credit[key] = credit.get(key, 0.0) + p**power
        scores = []
        for position, token, p in zip(seen.positions, seen.best, seen.probability, strict=True):
            favoured = p * (1 + credit[position, token]) ** weight
            scores.append(favoured / (favoured + 1 - p) if favoured > 0 else 0.0)
        return _first(seen, scores, sum(score >= threshold for score in scores))

    return choose


def by_delimiter(delimiters: Collection[int], *, window: int = 32, sure: float = 0.3, threshold: float = 0.9) -> Policy:
    """Only positions up to the end of the first clause: the most certain delimiter among the next `window` positions,
    if its token is so `sure`, else the whole window; of these what `by_threshold` says (AdaBlock, 2509.26432).

    `delimiters` are token ids, such as that of a line break. The paper finds the end once for all tokens of a clause;
    here it is looked for at each step, from the first masked position on.
    """

    def choose(seen: View) -> list[int]:
        near = [i for i, position in enumerate(seen.positions) if position < seen.positions[0] + window]
        ends = [i for i in near if seen.best[i] in delimiters and seen.probability[i] >= sure]
        if ends:
            near = near[: max(ends, key=lambda i: (seen.probability[i], -i)) + 1]
        certain = [i for i in near if seen.probability[i] >= threshold]
        return [seen.positions[i] for i in certain or [max(near, key=lambda i: (seen.probability[i], -i))]]

    return choose


def _back(seen: View) -> Iterator[View]:
    """What is seen, then what was seen one step earlier, and so on."""
    step: View | None = seen
    while step is not None:
        yield step
        step = step.before


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
