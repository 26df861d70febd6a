"""Words: nodes that are lists of texts, or all texts but those of a list.

Place in the walk: read off the nodes before anything is built, because lists of names and of enumerated values are
long, and their automata can be written down directly.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import accumulate, pairwise
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from grammars.ir import ANY_CHAR, And, Bytes, Choice, JsonString, Node, Not, Repeat, Spelling, Texts
from grammars.pieces import Piece, flat_piece
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
    Int32,
)

__all__ = ["ANY_STRING", "LONG", "any_string", "excluded_names", "is_list", "listed", "one_of", "word_piece", "words"]

LONG = 16
"""The number of texts from which on a list inside of a larger body is a tree of its own."""

_FEW = 512
"""Bytes of texts up to which their prefix tree is made without numpy, which takes as long for ten as for a thousand."""

_MATRIX = 1 << 26
"""The most bytes for the texts one above the other; one very long text among many short ones is compared alone."""

ANY_STRING = JsonString(Repeat(ANY_CHAR))
"""All JSON strings."""


@cache
def any_string(spelling: Spelling) -> JsonString:
    """All JSON strings in a spelling, one object for each."""
    return JsonString(ANY_STRING.content, spelling)


def one_of(texts: list[bytes]) -> Node:
    """The node of some texts.

    >>> one_of([b"yes", b"no"])
    Choice(items=(Bytes(data=b'yes'), Bytes(data=b'no')))
    """
    return Texts(tuple(texts)) if len(texts) >= LONG else Choice(tuple([Bytes(text) for text in texts]))


def words(node: Node) -> list[bytes] | None:
    """The texts of a node that is a list of them, each in UTF-8; None for any other node."""
    if isinstance(node, Texts):
        found = [*node.items]
    else:
        items = node.items if isinstance(node, Choice) else (node,)
        found = [item.data for item in items if isinstance(item, Bytes)]
        if len(found) != len(items):
            return None
    try:
        for text in found:
            text.decode()
    except UnicodeDecodeError:
        return None
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
    """Whether a node is a choice of many texts."""
    return isinstance(node, Choice) and len(node.items) >= LONG and all(isinstance(item, Bytes) for item in node.items)


def listed(node: Choice) -> tuple[Texts, Choice]:
    """The texts of a choice, and its other alternatives."""
    texts = tuple([item.data for item in node.items if isinstance(item, Bytes)])
    others = tuple([item for item in node.items if not isinstance(item, Bytes)])
    return Texts(texts), Choice(others)


def word_piece(texts: Iterable[bytes]) -> Piece:
    """The prefix tree of some texts as an automaton, without the empty one.

    Its states are in depth-first order. In sorted order each text adds the states behind what it shares with the text
    before; the first of them hangs on the last text before that shares less, which made the state at that depth.
    """
    found = [text for text in texts if text]
    if sum(map(len, found)) <= _FEW:
        return _few_words(found)
    symbols, lengths, shared = _sorted(found)
    added = lengths - shared
    last = np.cumsum(added, dtype=np.int32)  # the state behind each text
    first = 1 + last - added  # the state behind the first byte that a text adds
    count = len(symbols)
    before = _last_smaller(shared)
    hung = np.where(before < 0, 0, first[before] + shared - shared[before] - 1)  # what the first byte is read from
    goes_on = np.ones(count + 1, np.int32)  # whether an edge leads to the next state
    goes_on[0] = goes_on[last] = 0
    first_edge = np.zeros(count + 2, np.int32)
    np.cumsum(goes_on + np.bincount(hung, minlength=count + 1), out=first_edge[1:])
    # Edges of a state by symbol, which is the order of their targets: the next state, if it hangs on this one, then
    # the first bytes of later texts.
    row = first_edge[:count].copy()
    order = np.argsort(hung, kind="stable")
    group = hung[order]
    rank = np.arange(len(group)) - np.searchsorted(group, group)
    row[first[order] - 1] = first_edge[group] + goes_on[group] + rank
    edges = np.zeros((count, EDGE_COLUMNS), np.int32)
    edges[row, EDGE_LOW] = symbols
    edges[:, EDGE_HIGH] = edges[:, EDGE_LOW]
    edges[row, EDGE_TO] = np.arange(1, count + 1, dtype=np.int32)
    states = np.zeros((count + 1, STATE_COLUMNS), np.int32)
    states[:, FIRST_EDGE] = first_edge[:-1]
    states[last, STATE_FINAL] = 1
    states[:, DEFAULT] = -1
    return Piece(states, edges, np.empty((0, CALL_COLUMNS), np.int32))


def _few_words(texts: list[bytes]) -> Piece:
    """The same, without numpy."""
    rows: list[list[tuple[int, int]]] = [[]]
    finals, path, before = list[int](), [0], b""
    for text in sorted(set(texts)):  # one that another begins with stands before it
        shared = 0
        while shared < len(before) and before[shared] == text[shared]:
            shared += 1
        del path[shared + 1 :]
        for byte in text[shared:]:
            rows[path[-1]].append((byte, len(rows)))
            path.append(len(rows))
            rows.append([])
        finals.append(path[-1])
        before = text
    symbols, to = [byte for row in rows for byte, _ in row], [state for row in rows for _, state in row]
    first_edge = [0, *accumulate(map(len, rows))]
    return flat_piece(finals, first_edge[:-1], [0] * len(rows), (symbols, symbols, to), ([], []))


def _sorted(texts: list[bytes]) -> tuple[NDArray[np.uint8], Int32, Int32]:
    """Of each distinct text in order the bytes that the one before does not begin with, its length, and the others."""
    width = max(map(len, texts), default=0)
    if not texts or len(texts) * width > _MATRIX or b"\0" in b"".join(texts):
        return _sorted_one_by_one(texts)
    rows = np.sort(np.array(texts, f"S{width}"))  # which takes zeros at the end of a text for none
    rows = rows[np.append(True, rows[1:] != rows[:-1])]
    matrix = rows.view(np.uint8).reshape(-1, width)
    shared = np.zeros(len(matrix), np.int32)
    shared[1:] = (matrix[1:] != matrix[:-1]).argmax(axis=1)
    is_added = (matrix != 0) & (np.arange(width) >= shared[:, None])
    return matrix[is_added], shared + is_added.sum(axis=1, dtype=np.int32), shared


def _sorted_one_by_one(texts: list[bytes]) -> tuple[NDArray[np.uint8], Int32, Int32]:
    """The same without a matrix: the slow twin."""
    ordered = sorted(set(texts))
    shared = [0] * len(ordered)
    for i, (left, right) in enumerate(pairwise(ordered), 1):
        shared[i] = next((j for j, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), len(left))
    symbols = b"".join([text[same:] for text, same in zip(ordered, shared, strict=True)])
    return np.frombuffer(symbols, np.uint8), np.array([*map(len, ordered)], np.int32), np.array(shared, np.int32)


def _last_smaller(values: Int32) -> Int32:
    """Of each value the index of the last one before it that is smaller, -1 for none; no value is less than 0.

    Nothing between a value and the index that it has is smaller; where that one is no smaller either, the index goes
    on to what it has itself.
    """
    found = np.arange(-1, len(values) - 1, dtype=np.int32)
    found[values == 0] = -1
    pending = np.flatnonzero(values)
    while len(pending):
        pending = pending[values[found[pending]] >= values[pending]]
        found[pending] = found[found[pending]]
    return found
