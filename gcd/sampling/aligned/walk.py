"""walk: one way from the root of a trie to a finished text, and its weight; `mask`, `asap`, `cars` are its kinds.

Place in the walk: SampleTrie × Rows × Dice -> Attempt. With c(u), kept(u), Z(u) as in `trie.py` and `rows.py`:

| kind   | at a node that is known  | at a new node                       | weight of a text           |
|--------|--------------------------|-------------------------------------|----------------------------|
| `mask` | by P over the mask       | by P over the mask                  | Π Z(u) over its prefixes   |
| `asap` | by P · kept of the child | by P over the mask                  | kept(root) · Π_new Z(u)    |
| `cars` | by P · kept of the child | given up with probability 1 - Z(u); | 1                          |
|        |                          | else by P over the mask             |                            |

Why the weights are right. At known nodes the factors P(t|u) kept(ut) / kept(u) telescope, so `asap` draws a text w of
the language with q(w) = P(w) / (kept(root) Π_new Z(u)), and P(w) / q(w) is the weight in the table: for every trie,
E[weight · f(w)] = Σ_L P(w) f(w), over-budget texts and dead ends counting as weight 0. `mask` is the case where nothing
counts as known.

Why `cars` is exact. Its text is that of `asap`, accepted with probability Π_new Z(u) = weight / kept(root), so it
comes out with probability P(w) / kept(root), proportional to P(w), whatever the trie holds: the accepted text is
independent of the past. Giving up with probability 1 - Z(u) is drawing from P itself and refusing what the mask
refuses. Had the new node been masked without it, each text below would be favoured by 1 / Z(u): that is the bias of
`mask`, and of `asap` as long as it learns.

Why a refused attempt begins again at the root. The trie tells on which path the last attempt failed, so given the
trie nothing random is left of it: the next attempt must have the law P · kept of the trie from the root on. Going on at
a node v instead is that law iff all that is kept lies below v. The walk passes known nodes on their numbers alone,
without the model, so beginning at the root costs nothing, and the model goes on where it has read
(`gcd/models/kv_tree.py`).

For the same reason a new node that is reached for certain, since all that is kept lies below it, is no new node: it
might as well have been looked at before the attempt began. So nothing is given up at the root, nor along a beginning
that all texts have in common.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from gcd.sampling.aligned.trie import Node, SampleTrie

if TYPE_CHECKING:
    from gcd.sampling.aligned.dice import Dice
    from gcd.sampling.aligned.rows import Rows

__all__ = ["Attempt", "Kind", "step", "walk"]

Kind: TypeAlias = Literal["mask", "asap", "cars"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one walk ended: at a finished text, or (`end` None) with nothing.

    `log_weight` is that of the table, -inf with nothing; exp of `log_estimate` is an unbiased estimate of P(language),
    `log_most` what it could not exceed, as was known before. `visited`: the nodes at which a token was drawn, or
    refused.
    """

    end: Node | None
    log_weight: float
    log_estimate: float
    log_most: float
    visited: int


def walk(trie: SampleTrie, rows: Rows, dice: Dice, kind: Kind, *, start: Node | None = None) -> Attempt:
    """One attempt; the trie has learnt from it, also where an error stops it. A `mask` may begin at another node.

    At most `trie.budget` rows are asked for. Raises BadLogits. The root must not be known to be worth nothing.
    """
    node = start or trie.root
    bounded = certain = kind != "mask"
    log_kept = node.log_kept
    log_weight = log_kept if bounded else 0.0
    visited = 0
    try:
        while not node.done:
            visited += 1
            new = not node.known
            if new:
                trie.learn(node, rows.of(node)[0])
                if certain:  # as if it had been known before
                    trie.update(node)
                    log_weight = log_kept = trie.root.log_kept
                    new = False
            if new or not bounded:
                log_weight += node.log_z
            if node.log_z == -math.inf or (new and kind == "cars" and not dice.coin(node.log_z)):
                return Attempt(None, -math.inf, -math.inf, log_kept if bounded else 0.0, visited)
            before, node = node, step(trie, rows, dice, node, bounded=bounded)
            certain = certain and _alone(before, node)
            if not trie.judge(node):
                return Attempt(None, -math.inf, -math.inf, log_kept if bounded else 0.0, visited)
    finally:
        # without it the parents would count a learnt node as worth 1, and their draws no longer telescope
        trie.update(node)
    if kind == "cars":
        return Attempt(node, 0.0, log_kept, log_kept, visited)
    return Attempt(node, log_weight, log_weight, log_kept if bounded else 0.0, visited)


def _alone(node: Node, child: Node) -> bool:
    """Whether all that is kept at a node lies below one child."""
    others = (other.log_kept for other in node.children.values() if other is not child)
    return node.log_rest == -math.inf and all(kept == -math.inf for kept in others)


def step(trie: SampleTrie, rows: Rows, dice: Dice, node: Node, *, bounded: bool) -> Node:
    """The next node, drawn by P over the mask; with `bounded`, by P · kept. A child is chosen without the model."""
    children = list(node.children.values())
    weights = [child.logp + child.log_kept if bounded else child.logp for child in children]
    chosen = dice.pick([node.log_rest, *weights]) if children else 0
    if chosen > 0:
        return children[chosen - 1]
    logps, raws = rows.of(node)
    rest = trie.rest(node)
    return trie.split(node, int(rest[dice.pick(logps[rest])]), logps, raws)
