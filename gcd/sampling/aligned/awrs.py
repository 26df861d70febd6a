"""awrs: one token of a particle, by trying tokens against the tests until one passes: adaptive weighted rejection.

Place in the walk: a way to grow for `smc`, where tests (`where=`, `along=`) say more than the mask. Tokens are tried in
the order in which the model draws them without replacement. Let S be what the mask allows and no test has refused yet,
P(S) its mass, t the token that passes, and u the one that would have been tried next. The factor of the weight is

    P(S)    if u passes too, or nothing but t is left
    P(t)    if it does not

Why that is right (Lipkin et al., arXiv 2504.05410, without their tolerances): given S and t, u is another token of S in
proportion to P, and with G the mass in S of all that would pass, the expectation of the factor is

    P(S) (G - P(t)) / (P(S) - P(t)) + P(t) (P(S) - G) / (P(S) - P(t)) = G

whatever t is; and t = s with probability P(s) / G given that it passes. Refused tokens are removed from S, which is the
chance 1 - P(x) / P(S) of each refusal x, put into the weight. What other particles were refused, the trie knows.

After `checks` tokens without success the particle weighs nothing. The last of them is taken as a plain draw, of factor
P(S) or 0, so that all of it stays unbiased: at most `checks` tests are asked a token, and none where the mask is all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gcd.sampling.aligned.smc import by_mask
from gcd.sampling.aligned.trie import log_sum_array

if TYPE_CHECKING:
    from gcd.sampling.aligned.dice import Dice
    from gcd.sampling.aligned.rows import Rows
    from gcd.sampling.aligned.trie import Node, SampleTrie

__all__ = ["by_trial"]


def by_trial(trie: SampleTrie, rows: Rows, dice: Dice, node: Node, *, checks: int) -> tuple[Node, float]:
    """A child that passes the tests, and the log of its factor; the node itself and -inf where none was found."""
    if not trie.tested:
        return by_mask(trie, rows, dice, node)
    logps, raws = rows.of(node)
    allowed = trie.allowed(node)
    left = _not_refused(node, allowed, logps[allowed])
    for check in range(1, checks + 1):
        mass = log_sum_array(left)
        if mass == -math.inf:
            break
        place = dice.pick(left)
        token, log_p = int(allowed[place]), float(left[place])
        left[place] = -math.inf
        child = node.children.get(token) or trie.split(node, token, logps, raws)
        if not trie.judge(child):
            continue
        if check == checks or left.max() == -math.inf:
            return child, mass
        token = int(allowed[dice.pick(left)])
        other = node.children.get(token) or trie.split(node, token, logps, raws)
        return child, mass if trie.judge(other) else log_p
    return node, -math.inf


def _not_refused(node: Node, allowed: NDArray[np.int64], masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The masses of the allowed tokens, -inf for those of which it is known that nothing can come of them."""
    refused = [child.token_id for child in node.children.values() if child.log_kept == -math.inf]
    return np.where(np.isin(allowed, refused), -math.inf, masses)
