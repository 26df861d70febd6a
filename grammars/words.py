"""Words: nodes that are lists of texts, or all texts but those of a list.

Place in the walk: read off the nodes before anything is built, because lists of names and of enumerated values are
long, and their automata can be written down directly.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from grammars.ir import ANY_CHAR, And, Bytes, Choice, JsonString, Node, Not, Repeat
from grammars.pieces import Piece
from grammars.tables import (
    CALL_COLUMNS,
    DEFAULT,
    EDGE_COLUMNS,
    EDGE_HIGH,
    EDGE_LOW,
    EDGE_TO,
    FIRST_EDGE,
    STATE_COLUMNS,
    STATE_FINAL,
)

__all__ = ["ANY_STRING", "LONG", "excluded_names", "is_list", "listed", "word_piece", "words"]

LONG = 16
"""The number of texts from which on a list is written as a tree of its own."""

_MATRIX = 1 << 26
"""The most bytes for the texts one above the other; one very long text among many short ones is compared alone."""

ANY_STRING = JsonString(Repeat(ANY_CHAR))
"""All JSON strings."""


def words(node: Node) -> list[bytes] | None:
    """The texts of a node that is a list of them, each in UTF-8; None for any other node."""
    items = node.items if isinstance(node, Choice) else (node,)
    found = []
    for item in items:
        if not isinstance(item, Bytes):
            return None
        if not item.data.isascii():
            try:
                item.data.decode()
            except UnicodeDecodeError:
                return None
        found.append(item.data)
    return found


def excluded_names(content: Node) -> list[bytes] | None:
    """The names that a content of all characters leaves out; None when the content is anything else.

    >>> excluded_names(Not(Choice((Bytes(b"a"), Bytes(b"b")))))
    [b'a', b'b']
    """
    match content:
        case Not(item):
            return words(item)
        case And(items) if items:
            found: list[bytes] = []
            for item in items:
                names = [] if item == ANY_STRING.content else excluded_names(item)
                if names is None:
                    return None
                found += names
            return found
    return None


def is_list(node: Node) -> TypeGuard[Choice]:
    """Whether a node is a long list of texts."""
    return isinstance(node, Choice) and len(node.items) >= LONG and all(isinstance(item, Bytes) for item in node.items)


def listed(node: Choice) -> tuple[Choice, Choice]:
    """The texts of a choice, and its other alternatives."""
    texts = tuple([item for item in node.items if isinstance(item, Bytes)])
    others = tuple([item for item in node.items if not isinstance(item, Bytes)])
    return Choice(texts), Choice(others)


def word_piece(texts: Iterable[bytes]) -> Piece:
    """The prefix tree of some texts as an automaton, without the empty one.

    Its states are in depth-first order. In sorted order each text adds the states behind what it shares with the text
    before; the first of them hangs on the last text before that shares less, which made the state at that depth.
    """
    ordered = sorted(set(texts) - {b""})
    lengths = np.fromiter(map(len, ordered), np.int32, len(ordered))
    shared = _shared(ordered, lengths)
    added = lengths - shared
    first = 1 + np.cumsum(added, dtype=np.int32) - added  # state of the first byte that a text adds
    count = int(added.sum())
    places = np.arange(count, dtype=np.int32) + np.repeat(np.cumsum(lengths) - lengths + shared - first + 1, added)
    before = _last_smaller(shared.tolist())
    hung = np.where(before < 0, 0, first[before] + shared - shared[before] - 1)  # what the first byte is read from
    parents = np.arange(count, dtype=np.int32)
    parents[first - 1] = hung
    first_edge = np.zeros(count + 2, np.int32)
    np.cumsum(np.bincount(parents, minlength=count + 1), out=first_edge[1:])
    # Edges of a state by symbol, which is the order of their targets: the next state, if it hangs on this one, then
    # the first bytes of later texts.
    row = first_edge[parents]
    order = np.argsort(hung, kind="stable")
    group = hung[order]
    rank = np.arange(len(group)) - np.searchsorted(group, group)
    goes_on = np.ones(count + 2, np.int32)
    goes_on[first], goes_on[count + 1] = 0, 0
    row[first[order] - 1] += rank + goes_on[group + 1]
    edges = np.zeros((count, EDGE_COLUMNS), np.int32)
    edges[row, EDGE_LOW] = np.frombuffer(b"".join(ordered), np.uint8)[places]
    edges[:, EDGE_HIGH] = edges[:, EDGE_LOW]
    edges[row, EDGE_TO] = np.arange(1, count + 1, dtype=np.int32)
    states = np.zeros((count + 1, STATE_COLUMNS), np.int32)
    states[:, FIRST_EDGE] = first_edge[:-1]
    states[first + added - 1, STATE_FINAL] = 1
    states[:, DEFAULT] = -1
    return Piece(states, edges, np.empty((0, CALL_COLUMNS), np.int32))


def _shared(ordered: list[bytes], lengths: NDArray[np.int32]) -> NDArray[np.int32]:
    """How many bytes each text begins with as the one before it does; 0 for the first."""
    count, width = len(ordered), int(lengths.max(initial=0))
    shared = np.zeros(count, np.int32)
    if count * width > _MATRIX:
        for i in range(1, count):
            left, right = ordered[i - 1], ordered[i]
            shared[i] = next((j for j, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), len(left))
    elif count > 1:
        matrix = np.zeros((count, width), np.uint8)
        matrix[np.arange(width) < lengths[:, None]] = np.frombuffer(b"".join(ordered), np.uint8)
        differs = matrix[1:] != matrix[:-1]
        alike = np.where(differs.any(axis=1), differs.argmax(axis=1), width)
        shared[1:] = np.minimum(alike, lengths[:-1])  # a text that another begins with stands before it
    return shared


def _last_smaller(values: list[int]) -> NDArray[np.int32]:
    """Of each value the index of the last one before it that is smaller, -1 for none."""
    found = []
    stack: list[int] = []
    for i, value in enumerate(values):
        while stack and values[stack[-1]] >= value:
            stack.pop()
        found.append(stack[-1] if stack else -1)
        stack.append(i)
    return np.array(found, np.int32)
