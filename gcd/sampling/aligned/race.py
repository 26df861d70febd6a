"""race: different texts of a language, each drawn by the model's law from those that are left.

Place in the walk: beside `best.py`, over the same trie, in another order. Let every text w of the model, member or not,
have a time of arrival that is exponential with rate P(w). Then the first to arrive is drawn by P, the second by P from
all others, and so on; so the first members to arrive are draws from p(. | L) without replacement, whatever the rest of
the model's texts do. (Minus the logarithm of the time is a Gumbel variable: this is Gumbel top-k, Kool et al., arXiv
1903.06059, with no beam: nothing is cut off, so that masks cannot bend it.)

The race is run lazily. All that lies below a prefix and is not accounted for has a mass m, the sum of its rates, and a
first arrival. Who it is, is drawn in proportion to mass; the first arrival of the others is later by an exponential
time of their mass. What the mask refuses at a prefix runs as one. Known parts of the trie that are worth nothing do
not run at all. So there are never more than two entries in line a prefix, and a row of the model is asked for when a
prefix that is new is the next to arrive.

Weights. With T the arrival of the first text that is not taken any more, w was taken iff it came before T: given T and
the other times with probability q(w) = 1 - exp(-P(w) T). So Σ over the taken of P(w) f(w) / q(w) has the expectation
Σ over L of P(w) f(w).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gcd.errors import AttemptsExhausted
from gcd.sampling.aligned.dice import log_sum

if TYPE_CHECKING:
    from gcd.sampling.aligned.dice import Dice
    from gcd.sampling.aligned.rows import Rows
    from gcd.sampling.aligned.trie import Node, SampleTrie

__all__ = ["log_chance", "race"]

REFUSED = -1
"""What the mask refuses at a prefix, among its tokens."""


def race(trie: SampleTrie, rows: Rows, dice: Dice, *, most: int) -> Iterator[tuple[Node, float, int]]:
    """The last node of each text, the log of its time, and how many prefixes it took, at most `most`, as they arrive.

    Raises AttemptsExhausted and BadLogits; what was learnt is in the trie when it ends, in whichever way, and its
    bounds are not to be changed before.
    """
    line: list[tuple[float, int, Node]] = []  # log time, order of joining, the prefix below which it is
    gone: dict[Node, set[int]] = {}  # the tokens behind a prefix that are accounted for
    learnt: set[Node] = set()  # here, so that what the mask refuses runs
    touched: dict[Node, None] = {}
    joined = gone_on = 0

    def join(node: Node, log_time: float) -> None:
        nonlocal joined
        joined += 1
        heapq.heappush(line, (log_time, joined, node))

    if trie.root.log_kept > -math.inf:
        join(trie.root, math.log(dice.exponential()) - trie.root.log_kept)
    try:
        while line:
            log_time, _, node = heapq.heappop(line)
            if node.done:
                yield node, log_time, gone_on
                gone_on = 0
                continue
            gone_on += 1
            if gone_on > most:
                raise AttemptsExhausted(most, trie.log_mass, method="distinct")
            touched[node] = None
            if not node.known:
                trie.learn(node, rows.of(node)[0])
                learnt.add(node)
            away = gone.setdefault(node, set())
            runners = [child for token, child in node.children.items() if token not in away]
            masses = [node.log_rest, *(child.logp + child.log_kept for child in runners)]
            if node in learnt and REFUSED not in away:
                masses.append(_log_complement(node.log_z))
            if log_sum(masses) == -math.inf:
                continue
            first = dice.pick(masses)
            if first > len(runners):
                away.add(REFUSED)
            else:
                child = runners[first - 1] if first else _of_the_rest(trie, rows, dice, node)
                away.add(child.token_id)
                touched[child] = None
                if trie.judge(child):
                    join(child, log_time)
            others = [mass for place, mass in enumerate(masses) if place != first]
            if not first:
                others.append(node.log_rest)  # without the child that was split off it
            left = log_sum(others) + math.fsum(before.logp for before in node.path())
            if left > -math.inf:
                join(node, float(np.logaddexp(log_time, math.log(dice.exponential()) - left)))
    finally:
        trie.update(touched)


def _of_the_rest(trie: SampleTrie, rows: Rows, dice: Dice, node: Node) -> Node:
    """A token that is no child yet, by the model's law, as a child."""
    logps, raws = rows.of(node)
    rest = trie.rest(node)
    return trie.split(node, int(rest[dice.pick(logps[rest])]), logps, raws)


def _log_complement(log_p: float) -> float:
    """log(1 - p)"""
    return math.log(-math.expm1(log_p)) if log_p < 0 else -math.inf


def log_chance(log_p: float, log_time: float) -> float:
    """log q of a text of probability P that was taken before that time: log(1 - exp(-P T)).

    >>> log_chance(math.log(0.5), math.inf)
    0.0
    """
    log_rate = log_p + log_time
    if log_rate < -30:  # 1 - exp(-x) is x to the last bit, also where x underflows
        return log_rate
    return 0.0 if log_rate > 700 else math.log(-math.expm1(-math.exp(log_rate)))
