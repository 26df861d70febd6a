"""beams: likely texts of a language, by a search that keeps the `width` likeliest prefixes of each length.

Place in the walk: beside `best.py`, over the same trie; it draws nothing and proves nothing. All continuations of the
prefixes at hand are gone through in the order of their probability until `width` of them are prefixes for the next
round; the finished texts that are met on the way are kept. It ends when `patience` · `width` texts are finished (Kasai
et al., arXiv 2204.05424), when no prefix is left, or when none of them can still come before what was found. With a
width that no round exceeds and infinite patience the result is that of going through all texts.

A finished text of m tokens, EOS included, is ranked by log P / m ** power: 0 by its probability, 1 by the mean of its
tokens. Prefixes, which are all equally long in a round, are ranked by probability.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gcd.sampling.aligned.rows import Rows
    from gcd.sampling.aligned.trie import Node, SampleTrie

__all__ = ["beams"]


def beams(
    trie: SampleTrie, rows: Rows, *, n: int, width: int, patience: float = 1.0, power: float = 0.0
) -> tuple[list[Node], int]:
    """The last nodes of up to `n` finished texts, the best first, and how many prefixes were gone on with.

    Equal ranks are in the order in which they were found. At most `width` · budget prefixes. Raises BadLogits.
    """
    live: list[tuple[float, Node]] = [(0.0, trie.root)]
    done: list[tuple[float, Node]] = []
    touched: dict[Node, None] = {}
    gone_on = 0
    try:
        while live and len(done) < patience * width and not _settled(done, live, n, trie.budget**power):
            rows.fetch(node for _, node in live)
            for _, node in live:
                touched[node] = None
                gone_on += 1
                if not node.known:
                    trie.learn(node, rows.of(node)[0])
            following: list[tuple[float, Node]] = []
            for minus_log_p, _, token, node in heapq.merge(*_continuations(trie, rows, live, width)):
                child = node.children.get(token) or trie.split(node, token, *rows.of(node))
                touched[child] = None
                if not trie.judge(child):
                    continue
                if child.done:
                    done.append((-minus_log_p / child.depth**power, child))
                else:
                    following.append((-minus_log_p, child))
                if len(following) == width:
                    break
            live = following
    finally:
        trie.update(touched)
    ranked = sorted(done, key=lambda text: -text[0])
    return [node for _, node in ranked[:n]], gone_on


def _settled(done: list[tuple[float, Node]], live: list[tuple[float, Node]], n: int, longest: float) -> bool:
    """Whether what was found comes before all that the prefixes could become: log P only falls, tokens only grow."""
    if len(done) < n:
        return False
    worst = sorted((score for score, _ in done), reverse=True)[n - 1]
    return worst >= max(log_p for log_p, _ in live) / longest


def _continuations(
    trie: SampleTrie, rows: Rows, live: list[tuple[float, Node]], width: int
) -> list[Iterator[tuple[float, int, int, Node]]]:
    """For each prefix what may follow, the likeliest first: -log P, the number of the prefix, the token, the prefix."""
    return [_sorted(trie, rows, log_p, number, node, width) for number, (log_p, node) in enumerate(live)]


def _sorted(
    trie: SampleTrie, rows: Rows, log_p: float, number: int, node: Node, width: int
) -> Iterator[tuple[float, int, int, Node]]:
    allowed = trie.allowed(node)
    masses = rows.of(node)[0][allowed]
    # tests may refuse any number of tokens; without them no round takes more than this of one prefix
    order = _likeliest(masses, len(masses) if trie.tested else width + len(trie.eos))
    for place in order.tolist():
        if masses[place] == -math.inf:
            return
        yield -(log_p + float(masses[place])), number, int(allowed[place]), node


def _likeliest(masses: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """The places of the `most` largest, the largest first; equal ones in order."""
    if most >= len(masses):
        return np.argsort(-masses, kind="stable")
    places = np.sort(np.argpartition(-masses, most - 1)[:most])
    return places[np.argsort(-masses[places], kind="stable")]
