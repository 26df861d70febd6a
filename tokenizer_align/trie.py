"""Trie: the tokens of a vocabulary as a prefix tree, flattened in depth-first order.

Place in the walk: Vocabulary -> **Trie**; the kernels walk it together with a byte automaton. It knows neither.

Tokens `a`, `ab`, `abc`, `b` (ids 0 to 3) and a second `ab` (id 4) give

    node       0     1      2     3
    string     a     ab     abc   b
    byte       97    98     99    98
    depth      1     2      3     1
    end        3     3      3     4        first node after the subtree: skip there when the byte is refused
    tok_start  0     1      3     4   (5)  token_ids[tok_start : tok_end] end at this very node
    tok_end    1     3      4     5
    token_ids  [0 | 1, 4 | 2 | 3]          sorted by bytes, so every subtree's tokens are one slice

The first child of i is i + 1 (if that is < end[i]), the next sibling of j is end[j]; the bytes of siblings ascend. The
root (the empty string) is not stored: its children are 0, end[0], end[end[0]], ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Children", "Trie", "restore_trie"]

UInt8: TypeAlias = npt.NDArray[np.uint8]
Int32: TypeAlias = npt.NDArray[np.int32]


# The arrays stay writable on purpose: to numba a read-only array is another type, and a second compilation.
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Children:
    """The children of every node as lists: those of node i (-1: the root) are at start[i + 1] to start[i + 2]."""

    start: Int32  # (n + 2,)
    node: Int32  # (n,) in the order of their bytes
    byte: UInt8  # (n,)


@dataclass(frozen=True, eq=False, repr=False)
class Trie:
    """n nodes in depth-first order over m tokens with bytes. Shared by all threads; never write into the arrays."""

    byte: UInt8  # (n,) the last byte of the node's string
    depth: Int32  # (n,) the length of the node's string, from 1
    end: Int32  # (n,) the node after the last one of the subtree
    tok_start: Int32  # (n + 1,) where the subtree's tokens begin in token_ids; tok_start[n] = m
    tok_end: Int32  # (n,) where the tokens that end at the node end; equal to tok_start where none does
    token_ids: Int32  # (m,) ids sorted by bytes, equal bytes by id

    @staticmethod
    def build(tokens: Sequence[bytes]) -> Trie:
        """The trie of the tokens, whose ids are their positions; those without bytes are left out.

        >>> Trie.build([b"a", b"ab", b"abc", b"b", b"ab"]).end
        array([3, 3, 3, 4], dtype=int32)
        """
        order = sorted((i for i, token in enumerate(tokens) if token), key=tokens.__getitem__)
        ordered = [tokens[i] for i in order]
        return _from_sorted(np.array(order, dtype=np.int32), ordered)

    def __len__(self) -> int:
        """The number of nodes."""
        return len(self.byte)

    def __repr__(self) -> str:
        return f"Trie({len(self)} nodes, {len(self.token_ids)} tokens)"

    @cached_property
    def children(self) -> Children:
        """The same tree as lists of children, for walks that look for a byte among siblings.

        >>> Trie.build([b"a", b"ab", b"abc", b"b", b"ab"]).children.node
        array([0, 3, 1, 2], dtype=int32)
        """
        parent = np.full(len(self), -1, np.int32)
        for depth in range(2, int(self.depth.max(initial=0)) + 1):
            deep = np.flatnonzero(self.depth == depth)
            above = np.flatnonzero(self.depth == depth - 1)
            parent[deep] = above[np.searchsorted(above, deep) - 1]
        node = np.argsort(parent, kind="stable").astype(np.int32)
        start = np.zeros(len(self) + 2, np.int32)
        np.cumsum(np.bincount(parent + 1, minlength=len(self) + 1), out=start[1:])
        return Children(start, node, self.byte[node])

    def tokens_below(self, node: int) -> Int32:
        """The ids of the tokens that start with the string of `node`, in the order of their bytes."""
        return self.token_ids[self.tok_start[node] : self.tok_start[self.end[node]]]


def _from_sorted(token_ids: Int32, tokens: list[bytes]) -> Trie:
    """The trie of tokens that are sorted and not empty.

    Token k adds a node for each of its bytes after the prefix that it shares with token k - 1: its new nodes are a
    chain, and come right after those of token k - 1. One pass per depth finds the shared prefixes, and with them where
    subtrees end: the node that token k adds at depth d lasts while the tokens after it share d bytes.
    """
    count = len(tokens)
    lengths = np.fromiter(map(len, tokens), dtype=np.int32, count=count)
    data = np.frombuffer(b"".join(tokens), dtype=np.uint8)
    offsets = np.cumsum(lengths, dtype=np.int64) - lengths

    # sharing[d]: the tokens that share at least d + 1 bytes with their predecessor; all in all sum(shared) entries.
    shared = np.zeros(count, dtype=np.int32)
    sharing: list[npt.NDArray[np.int64]] = []
    active = np.arange(1, count)
    while len(active):
        depth = len(sharing)
        active = active[np.minimum(lengths[active], lengths[active - 1]) > depth]
        active = active[data[offsets[active] + depth] == data[offsets[active - 1] + depth]]
        shared[active] += 1
        sharing.append(active)

    added = lengths - shared  # 0 for a token of the same bytes as the one before
    first_node = np.zeros(count + 1, dtype=np.int32)  # of token k; first_node[count] = number of nodes
    np.cumsum(added, out=first_node[1:])
    owner = np.repeat(np.arange(count, dtype=np.int32), added)
    depth_of = np.arange(len(owner), dtype=np.int32) - first_node[owner] + shared[owner] + 1

    end = first_node[owner + 1]
    for position, sharers in enumerate(sharing):
        # A run of consecutive sharers prolongs one node: the last that the token before the run has at this depth.
        if not len(sharers):
            break
        breaks = np.flatnonzero(np.diff(sharers) != 1)
        starts = sharers[np.concatenate(([0], breaks + 1))] - 1
        stops = sharers[np.concatenate((breaks, [len(sharers) - 1]))] + 1
        end[first_node[starts] + position - shared[starts]] = first_node[stops]

    # A token ends at the last node that it, or the first token of its bytes, has added.
    distinct = np.flatnonzero(added)
    tok_start = np.append(owner, np.int32(count)).astype(np.int32)
    tok_end = owner.copy()
    tok_end[first_node[distinct + 1] - 1] = np.append(distinct[1:], count)
    return Trie(
        byte=data[offsets[owner] + depth_of - 1],
        depth=depth_of,
        end=end,
        tok_start=tok_start,
        tok_end=tok_end,
        token_ids=token_ids,
    )


def restore_trie(
    spellings: tuple[Int32, UInt8],
    token_ids: Int32,
    *,
    depth: Int32,
    end: Int32,
    tok_start: Int32,
    start: Int32,
    node: Int32,
) -> Trie | None:
    """The trie and its children from arrays that may hold anything; None where a walk over them could go astray.

    What is returned is a tree in depth-first order, at whose nodes every token of `spellings` (a vocabulary's) that has
    bytes stands once, at the depth of its length. Each entry is checked before it is followed.
    """
    shapes = ((end, 0), (tok_start, 1), (start, 2), (node, 0))
    if not all(len(array) == len(depth) + more for array, more in shapes) or not _is_tree(depth, end, start, node):
        return None
    starts, data = spellings
    if not _holds(np.diff(starts), token_ids, depth, end, tok_start):
        return None
    byte = data[starts[token_ids][tok_start[:-1]] + depth - 1]
    trie = Trie(byte, depth, end, tok_start, tok_start[1:], token_ids)
    trie.__dict__["children"] = Children(start, node, byte[node])
    return trie


def _is_tree(depth: Int32, end: Int32, start: Int32, node: Int32) -> bool:
    """Whether these are a tree in depth-first order: the children of each node p tile the nodes from p + 1 to end[p].

    From the last node back to the first, that makes each end greater than its node; and since there are as many
    children as nodes, each node is the child of one, and the root's last child ends where the nodes do.
    """
    size = np.int32(len(node))
    if not (start[0] == 0 and start[-1] == size and (start[1:] >= start[:-1]).all()):
        return False
    if size and not 0 <= node.min() <= node.max() < size:
        return False
    counts = np.diff(start)  # of children; the root's first
    below = np.repeat(np.append(np.int32(0), depth), counts)
    below += 1
    if not np.array_equal(depth[node], below):
        return False
    inner = np.flatnonzero(counts)
    begin, last = np.empty(size, np.int32), np.arange(size + 1, dtype=np.int32)
    reached = end[node]
    begin[1:] = reached[:-1]
    begin[start[inner]] = inner
    last[inner] = reached[start[inner + 1] - 1]
    return np.array_equal(last[1:], end) and np.array_equal(node, begin)


def _holds(lengths: Int32, token_ids: Int32, depth: Int32, end: Int32, tok_start: Int32) -> bool:
    """Whether at the nodes of a tree each token with bytes stands once, at its depth, and below each node there is one.

    `lengths` are the tokens' by id.
    """
    count = len(token_ids)
    if count and not 0 <= token_ids.min() <= token_ids.max() < len(lengths):
        return False
    if np.count_nonzero(lengths) != count or np.bincount(token_ids, minlength=1).max() > 1:
        return False
    if not (tok_start[0] == 0 and tok_start[-1] == count and (tok_start[1:] >= tok_start[:-1]).all()):
        return False
    if not (tok_start[end] > tok_start[:-1]).all():
        return False
    return np.array_equal(lengths[token_ids], np.repeat(depth, np.diff(tok_start)))
