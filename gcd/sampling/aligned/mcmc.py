"""mcmc: chains that start at a masked draw and move towards p(. | L); more steps, less bias.

Place in the walk: beside `walk`, whose masked kind is the proposal. One step cuts the text w = t_1 .. t_m at a position
i, keeps what is before it, completes it anew by masking to w', and moves there with probability

    min(1, [pos(i|w') Π_{j>=i} Z(w'_<j)] / [pos(i|w) Π_{j>=i} Z(w_<j)])

since P(w) over the masked law of what follows the cut is P(w_<i) Π_{j>=i} Z(w_<j), and P(w_<i) is that of w' too. For
each cut the step is reversible by itself, so no sum over cuts is needed; P(. | L) is left alone, and KL to it never
grows with a step. A completion that runs over the budget, or fails `where`, is one that does not move.

| positions  | pos(i|w)                                                      |
|------------|---------------------------------------------------------------|
| `restart`  | the beginning: independence Metropolis-Hastings               |
| `uniform`  | each position alike                                           |
| `priority` | in proportion to the perplexity of the masked law at i        |
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gcd.sampling.aligned.dice import log_sum
from gcd.sampling.aligned.walk import masked

if TYPE_CHECKING:
    from gcd.sample import Positions
    from gcd.sampling.aligned.dice import Dice
    from gcd.sampling.aligned.lockstep import Task
    from gcd.sampling.aligned.rows import Rows
    from gcd.sampling.aligned.trie import Node, SampleTrie
    from gcd.sampling.aligned.walk import Attempt

__all__ = ["move"]


def move(
    trie: SampleTrie, rows: Rows, dice: Dice, end: Node, positions: Positions
) -> Task[tuple[Node, Attempt]]:  # fmt: skip
    """The text after one step from the text that ends at `end`, another one or the same, and what it tried."""
    before = end.path()[:-1]
    weights = _weights(before, positions)
    cut = dice.pick(weights) if len(weights) > 1 else 0
    attempt = yield from masked(trie, rows, dice, before[cut])
    if attempt.end is None:
        return end, attempt
    after = attempt.end.path()[:-1]
    log_ratio = attempt.log_weight - math.fsum(node.log_z for node in before[cut:])
    log_ratio += _log_chance(_weights(after, positions), cut) - _log_chance(weights, cut)
    return attempt.end if dice.coin(log_ratio) else end, attempt


def _weights(nodes: list[Node], positions: Positions) -> list[float]:
    """log of the weight of each position at which a text may be cut; `nodes` are what its tokens were drawn at."""
    if positions == "restart":
        return [0.0]
    return [math.log(node.perplexity) if positions == "priority" else 0.0 for node in nodes]


def _log_chance(weights: list[float], cut: int) -> float:
    return weights[cut] - log_sum(weights)
