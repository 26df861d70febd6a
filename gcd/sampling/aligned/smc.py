"""smc: texts that grow side by side, and are drawn anew by their weights where these become too uneven.

Place in the walk: beside `walk`, over the same trie. Each particle takes one masked token a round, and its weight is
multiplied by Z(u), the mass that the mask allowed. When the effective number of particles falls below a half of them,
all are drawn anew in proportion to their weights, and each then weighs the mean. So the mean over the particles of
weight · f(text) has the expectation Σ_L P(w) f(w) throughout, which is what makes them properly weighted. A particle
in a dead end, over the budget or refused by a test weighs nothing. Finished texts take part until the end.

How a particle takes its token is given as `grow`: here by the mask, in `awrs.py` by trying tokens against the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from gcd.sampling.aligned.dice import log_sum
from gcd.sampling.aligned.walk import step

if TYPE_CHECKING:
    from gcd.sampling.aligned.dice import Dice
    from gcd.sampling.aligned.rows import Rows
    from gcd.sampling.aligned.trie import Node, SampleTrie

__all__ = ["LEAST", "Grow", "by_mask", "population"]

Grow: TypeAlias = "Callable[[SampleTrie, Rows, Dice, Node], tuple[Node, float]]"
"""A known node -> one of its children and the log of a factor of weight, with E[factor; child] = P(child); or -inf."""

LEAST = 0.5
"""The share of the particles that must be effective, (Σw)² / Σw² over their number."""


def by_mask(trie: SampleTrie, rows: Rows, dice: Dice, node: Node) -> tuple[Node, float]:
    """A child drawn by P over the mask, and Z of the node; a child that fails a test weighs nothing."""
    if node.log_z == -math.inf:
        return node, -math.inf
    child = step(trie, rows, dice, node)
    return child, node.log_z if trie.judge(child) else -math.inf


def population(
    trie: SampleTrie, rows: Rows, dice: Sequence[Dice], *, least: float = LEAST, grow: Grow = by_mask
) -> tuple[list[tuple[Node | None, float]], int]:
    """One particle for each of the dice, and how many tokens were drawn.

    A particle is the last node of its text and its log-weight, (None, -inf) where it died; all are that when the last
    one died. The first of the dice also draws the particles anew. Raises BadLogits.
    """
    nodes: list[Node] = [trie.root for _ in dice]
    weights = [0.0 for _ in dice]
    touched: dict[Node, None] = {}
    visited = 0
    try:
        while live := [i for i, node in enumerate(nodes) if not node.done and weights[i] > -math.inf]:
            visited += len(live)
            rows.fetch(nodes[i] for i in live if not nodes[i].known)
            for i in live:
                node = nodes[i]
                if not node.known:
                    trie.learn(node, rows.of(node)[0])
                nodes[i], factor = grow(trie, rows, dice[i], node)
                weights[i] += factor
                touched |= {node: None, nodes[i]: None}
            growing = any(not node.done and w > -math.inf for node, w in zip(nodes, weights, strict=True))
            if growing and _effective(weights) < least * len(dice):
                mean = log_sum(weights) - math.log(len(dice))
                nodes = [nodes[dice[0].pick(weights)] for _ in dice]
                weights = [mean] * len(dice)
    finally:
        trie.update(touched)
    pairs = zip(nodes, weights, strict=True)
    return [(node if weight > -math.inf else None, weight) for node, weight in pairs], visited


def _effective(log_weights: Sequence[float]) -> float:
    """(Σw)² / Σw²; infinite where all is over."""
    total = log_sum(log_weights)
    return math.inf if total == -math.inf else math.exp(2 * total - log_sum([2 * w for w in log_weights]))
