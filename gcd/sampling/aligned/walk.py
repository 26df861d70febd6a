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
might as well have been looked at before the attempt began, and `settle` does so. Nothing is given up at the root, nor
along a beginning that all texts have in common.

Attempts that go side by side (`walks`) all have the law of the trie as it was when they began: what one of them learns
is news to the others, for whom a node is new as long as it was new then, and counts when all have ended. Given that
trie they are independent, so that their texts are those of attempts one after the other: independent of one another,
and of how many failed. They learn less from each other; how many there are is for `methods.py` to say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from gcd.sampling.aligned.lockstep import Task, alone, together
from gcd.sampling.aligned.trie import Node, SampleTrie

if TYPE_CHECKING:
    from gcd.sampling.aligned.dice import Dice
    from gcd.sampling.aligned.rows import Rows

__all__ = ["Attempt", "Kind", "masked", "step", "walk", "walks"]

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


def walk(trie: SampleTrie, rows: Rows, dice: Dice, kind: Kind) -> Attempt:
    """One attempt; the trie has learnt from it, also where an error stops it.

    At most `trie.budget` rows are asked for. Raises BadLogits. The root must not be known to be worth nothing.
    """
    return walks(trie, rows, [dice], kind)[0]


def walks(trie: SampleTrie, rows: Rows, dice: Sequence[Dice], kind: Kind) -> list[Attempt]:
    """Attempts side by side, one for each of the dice; as `walk`."""
    if kind != "mask":
        settle(trie, rows)
    news: dict[Node, None] = {}
    try:
        return together(rows, [_attempt(trie, rows, one, kind, trie.root, news) for one in dice])
    finally:
        # without it the parents would count a learnt node as worth 1, and draws no longer telescope
        trie.update(news)


def masked(trie: SampleTrie, rows: Rows, dice: Dice, start: Node) -> Task[Attempt]:
    """An attempt of the kind `mask` that begins at some node, as a task."""
    news: dict[Node, None] = {}
    try:
        return (yield from _attempt(trie, rows, dice, "mask", start, news))
    finally:
        trie.update(news)


def settle(trie: SampleTrie, rows: Rows) -> None:
    """Look at what every attempt would come to: the nodes below which lies all that is kept."""
    node: Node | None = trie.root
    while node is not None and not node.done and node.log_kept > -math.inf:
        if not node.known:
            trie.learn(node, rows.of(node)[0])
            trie.update([node])
        node = _only_child(trie, rows, node)
        if node is not None and not trie.judge(node):
            trie.update([node])


def _only_child(trie: SampleTrie, rows: Rows, node: Node) -> Node | None:
    """The child below which lies all that is kept at a node; a token that is alone in its mask becomes one."""
    living = [child for child in node.children.values() if child.log_kept > -math.inf]
    if node.log_rest == -math.inf:
        return living[0] if len(living) == 1 else None
    if living:
        return None
    logps, raws = rows.of(node)
    possible = [token for token in trie.rest(node).tolist() if logps[token] > -math.inf]
    return trie.split(node, possible[0], logps, raws) if len(possible) == 1 else None


def _attempt(
    trie: SampleTrie, rows: Rows, dice: Dice, kind: Kind, start: Node, news: dict[Node, None]
) -> Task[Attempt]:  # fmt: skip
    """One of some attempts that begin with the same trie; `news` is what any of them has changed since."""
    node, bounded = start, kind != "mask"
    log_most = log_weight = node.log_kept if bounded else 0.0
    visited = 0
    while log_most > -math.inf and not node.done:
        visited += 1
        new = not node.known or node in news
        if not node.known:
            if not rows.has(node):
                yield node
            if not node.known:
                trie.learn(node, rows.of(node)[0])
            news[node] = None
        if new or not bounded:
            log_weight += node.log_z
        if node.log_z == -math.inf or (new and kind == "cars" and not dice.coin(node.log_z)):
            break
        node = yield from _next(trie, rows, dice, node, news, bounded=bounded)
        if not trie.judge(node):
            break
    news[node] = None
    if not node.done or node.log_kept == -math.inf:
        return Attempt(None, -math.inf, -math.inf, log_most, visited)
    return Attempt(node, *((0.0, log_most) if kind == "cars" else (log_weight, log_weight)), log_most, visited)


def step(trie: SampleTrie, rows: Rows, dice: Dice, node: Node) -> Node:
    """The next node, drawn by P over the mask."""
    return alone(rows, _next(trie, rows, dice, node, {}, bounded=False))


def _next(
    trie: SampleTrie, rows: Rows, dice: Dice, node: Node, news: dict[Node, None], *, bounded: bool
) -> Task[Node]:  # fmt: skip
    """The next node by P over the mask; with `bounded`, by P · kept. A child is chosen without the model."""
    children = list(node.children.values())
    weights = [child.logp + (child.log_kept if bounded and child not in news else 0.0) for child in children]
    chosen = dice.pick([node.log_rest, *weights]) if children else 0
    if chosen > 0:
        return children[chosen - 1]
    if not rows.has(node):
        yield node
    logps, raws = rows.of(node)
    rest = trie.rest(node, beside=[child.token_id for child in children])  # others may have split it meanwhile
    token = int(rest[dice.pick(logps[rest])])
    return node.children.get(token) or trie.split(node, token, logps, raws)
