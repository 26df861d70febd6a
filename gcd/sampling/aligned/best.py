"""likeliest: the texts of a language in the order of their probability, the likeliest first, each of them proved.

Place in the walk: beside `walk`, over the same trie; it draws nothing. A prefix is at least as likely as each text that
begins with it, so the likeliest of all prefixes at hand is gone on with, and a finished text that is at hand as the
likeliest is likelier than all that are not known yet. Tokens behind a prefix wait in line: the next one joins when the
one before it was taken, so that there is never more than one entry a prefix that was gone on with.

Memory: that entry and a node of the trie (0.5 KB) for each such prefix, of which there are at most 1 + `most` a text, a
node for each text and for each token that a test refused, and the logits that `rows.py` keeps within its bound.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gcd.errors import AttemptsExhausted

if TYPE_CHECKING:
    from gcd.sampling.aligned.rows import Rows
    from gcd.sampling.aligned.trie import Node, SampleTrie

__all__ = ["likeliest"]


def likeliest(trie: SampleTrie, rows: Rows, *, most: int) -> Iterator[tuple[Node, int]]:
    """The last node of each text and how many prefixes were gone on with for it, at most `most`.

    Texts of equal probability come in the order of their tokens' ids where one prefix has them all. Raises
    AttemptsExhausted and BadLogits; what was learnt is in the trie when it ends, in whichever way.
    """
    line: list[tuple[float, int, Node, int]] = []  # -log P, order of joining, the prefix, the token behind it
    touched: list[Node] = []
    joined = gone_on = 0

    def join(node: Node, log_p: float, after: tuple[float, int]) -> None:
        """The likeliest token behind a prefix that comes after another one, in the order of likelihood and ids."""
        nonlocal joined
        logps, allowed = rows.of(node)[0], trie.allowed(node)
        masses = logps[allowed]
        later = (masses < after[0]) | ((masses == after[0]) & (allowed > after[1]))
        masses = np.where(later, masses, -math.inf)
        if len(masses) and masses.max() > -math.inf:
            token = int(allowed[masses.argmax()])
            joined += 1
            heapq.heappush(line, (-(log_p + float(logps[token])), joined, node, token))

    def go_on(node: Node, log_p: float) -> None:
        if not node.known:
            trie.learn(node, rows.of(node)[0])
        touched.append(node)
        join(node, log_p, (math.inf, -1))

    try:
        go_on(trie.root, 0.0)
        while line:
            minus_log_p, _, node, token = heapq.heappop(line)
            logps, raws = rows.of(node)
            child = node.children.get(token) or trie.split(node, token, logps, raws)
            join(node, -minus_log_p - float(logps[token]), (float(logps[token]), token))
            touched.append(child)
            if not trie.judge(child):
                continue
            if not child.done:
                gone_on += 1
                if gone_on > most:
                    raise AttemptsExhausted(most, trie.log_mass, searched=True)
                go_on(child, -minus_log_p)
                continue
            yield child, gone_on
            gone_on = 0
    finally:
        trie.update(touched)
