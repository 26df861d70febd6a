"""The kernels behind token classes: which configuration each token leads to, found in one walk over the trie.

Place in the walk: beside `tokenizer_align.kernels`, whose machine they run; `tokenizer_align.classes` calls them.
Sampling one token after another asks which tokens are allowed; a distribution over whole blocks asks where they lead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokenizer_align.context import Context, octets, table, words
from tokenizer_align.jit import kernel
from tokenizer_align.kernels import (
    DEAD,
    HEADER,
    HEAP,
    KID_BYTES,
    KIDS,
    LIMIT,
    PATH,
    TOKENS_BELOW,
    TOKENS_FROM,
    TOKENS_TO,
    TOP,
    TRIE_KIDS,
    Int,
    _intern,
    _push,
    _step,
)

Int32 = NDArray[np.int32]

__all__ = ["classify", "group", "stack_up"]

REFUSED = -1
DEEPER = -2


@kernel
def classify(c: Context, configuration: int, is_open: int, slots: Int32, labels: Int32, reached: Int32) -> int:
    """Labels every token (in the order of the trie) with the class of those that lead to the same configuration.

    `reached` gets the configurations in the order in which they are met; `slots` is a hash table of classes, longer
    than twice their number. Where `is_open` is 1, a configuration that may end stands for one that goes on below what
    is known of the stack: what is behind it is labelled `DEEPER`, and its subtree is not entered. Returns the number of
    classes, or a status. Can be called again.
    """
    for i in range(len(slots)):
        slots[i] = 0
    for i in range(len(labels)):
        labels[i] = REFUSED
    path, starts, kids = table(c, PATH, 4), words(c, TRIE_KIDS), words(c, KIDS)
    kid_bytes, below = octets(c, KID_BYTES), words(c, TOKENS_BELOW)
    tokens_from, tokens_to = words(c, TOKENS_FROM), words(c, TOKENS_TO)
    count = Int(0)
    depth = 0
    path[0, 0], path[0, 1], path[0, 2] = configuration, starts[0], starts[1]
    while depth >= 0:
        heap = words(c, HEAP)
        kid, end, before = Int(path[depth, 1]), Int(path[depth, 2]), Int(path[depth, 0])
        while kid < end and not heap[before + HEADER + (kid_bytes[kid] >> 5)] >> (kid_bytes[kid] & 31) & 1:
            kid += 1
        if kid == end:
            depth -= 1
            continue
        path[depth, 1] = kid + 1
        after = _step(c, before, Int(kid_bytes[kid]))
        if after < DEAD:
            return after
        if after == DEAD:
            continue
        node = Int(kids[kid])
        if is_open == 1 and heap[after + 2] == 1:
            for place in range(tokens_from[node], below[node]):
                labels[place] = DEEPER
            continue
        if tokens_from[node] < tokens_to[node]:
            slot = (after * 0x9E3779B1 >> 7) & (len(slots) - 1)
            while slots[slot] != 0 and reached[slots[slot] - 1] != after:
                slot = (slot + 1) & (len(slots) - 1)
            if slots[slot] == 0:
                reached[count] = after
                count += 1
                slots[slot] = count
            for place in range(tokens_from[node], tokens_to[node]):
                labels[place] = slots[slot] - 1
        depth += 1
        path[depth, 0], path[depth, 1], path[depth, 2] = after, starts[node + 1], starts[node + 2]
    return count


@kernel
def group(labels: Int32, items: Int32, starts: Int32, out: Int32) -> None:
    """Writes the items by label, those of label k from `starts[k]` to `starts[k + 1]`, in their order; < 0 is left out.

    `starts` is one longer than there are labels.
    """
    for k in range(len(starts)):
        starts[k] = 0
    for label in labels:
        if label >= 0:
            starts[label + 1] += 1
    for k in range(1, len(starts)):
        starts[k] += starts[k - 1]
    for i in range(len(labels)):
        if labels[i] >= 0:
            out[starts[labels[i]]] = items[i]
            starts[labels[i]] += 1
    for k in range(len(starts) - 1, 0, -1):
        starts[k] = starts[k - 1]
    starts[0] = 0


@kernel
def stack_up(c: Context, kind: int, flag: int, triples: Int32) -> int:
    """The record of a kind with these triples, which are sorted; or a status."""
    c[TOP] = 0
    for i in range(0, len(triples), 3):
        if not _push(c, Int(triples[i]), Int(triples[i + 1]), Int(triples[i + 2])):
            c[TOP] = 0
            return LIMIT
    return _intern(c, Int(kind), Int(flag), Int(0))
