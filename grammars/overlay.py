"""Overlay: any JSON string but some, as states laid over those of any JSON string.

Place in the walk: JsonString(Not(names)) -> **Piece** beside a host, the rule of any JSON string. Objects with open
keys exclude their declared names, and each object has other names: a difference of automata would repeat all of the
string around each of them.

While a text spells the beginning of a name, the machine is in a state of the overlay, one for each place in the names
and inside an escape. Its default is the state of the host at the same place, whose edges it takes; its own edges are
those that stay on a name and, at the end of a name, the refusal of the quote. A text that leaves the names goes on in
the host, and ends there. The states of the overlay belong to its own rule, those of the host to the rule of any string:
both are plain rules under the same stack.

Every spelling is followed: raw, the two-character escapes, \\uXXXX with hex digits of either case, surrogate pairs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np

from grammars.fragments import leaf
from grammars.pieces import Piece
from grammars.tables import (
    CALL_COLUMNS,
    DEFAULT,
    EDGE_COLUMNS,
    EDGE_TO,
    FIRST_EDGE,
    STATE_COLUMNS,
    Int32,
)
from grammars.utf8 import RAW, SHORT_ESCAPES
from grammars.words import ANY_STRING

__all__ = ["overlay"]

_QUOTE, _REFUSED = 0x22, -1
_CHILD = 1 << 24
"""Added to the number of a place where an edge leads to one that is written elsewhere."""

Path: TypeAlias = tuple[tuple[int, ...], ...]
"""A spelling: in each place the bytes that may stand there."""


class Block(NamedTuple):
    """The states of one place in the names. Targets count from the first of them; beyond them is the next block."""

    defaults: list[int]  # states of the host
    counts: list[int]  # edges of each state
    edges: Int32


def overlay(names: Iterable[bytes]) -> Piece:
    """The states of the JSON strings that spell none of the names; their defaults are states of the host."""
    return _overlay(tuple(sorted({name.decode() for name in names})))


@lru_cache(maxsize=256)
def _overlay(names: tuple[str, ...]) -> Piece:
    """One block for each place; a place before the end of what all names in a range share has one successor."""
    blocks = [_START]
    size = len(_START.defaults)
    first: list[int] = [size]  # state of each place that a branch leads to
    pending = [(0, len(names), 0, 0)]
    while pending:
        low, high, depth, number = pending.pop()
        first[number] = size
        shared = _shared(names[low], names[high - 1])
        added = [_single(char) for char in names[low][depth:shared]]
        is_name = len(names[low]) == shared
        low += is_name
        branches: list[tuple[str, int]] = []
        while low < high:
            char, begin = names[low][shared], low
            while low < high and names[low][shared] == char:
                low += 1
            branches.append((char, _CHILD + len(first)))
            pending.append((begin, low, shared + 1, len(first)))
            first.append(0)
        added.append(_place(branches, is_name=is_name) if branches else _end())
        blocks += added
        size += sum([len(block.defaults) for block in added])
    return _joined(blocks, first)


def _shared(left: str, right: str) -> int:
    """How many characters two names begin with alike."""
    for i, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return i
    return min(len(left), len(right))


def _joined(blocks: list[Block], first: list[int]) -> Piece:
    """The piece of the blocks one behind the other."""
    sizes = [len(block.defaults) for block in blocks]
    starts = np.cumsum([0, *sizes], dtype=np.int32)
    states = np.zeros((starts[-1], STATE_COLUMNS), np.int32)
    defaults = np.array(array("i", chain.from_iterable([block.defaults for block in blocks])), np.int32)
    states[:, DEFAULT] = defaults
    counts = np.array(array("i", chain.from_iterable([block.counts for block in blocks])), np.int32)
    states[1:, FIRST_EDGE] = np.cumsum(counts[:-1])
    edges = np.concatenate([block.edges for block in blocks])
    to = edges[:, EDGE_TO]
    moved = to + np.repeat(starts[:-1], [len(block.edges) for block in blocks])
    moved = np.where(to >= _CHILD, np.array(first, np.int32)[np.maximum(to - _CHILD, 0)], moved)
    edges[:, EDGE_TO] = np.where(to < 0, _REFUSED, moved)
    return Piece(states, edges, np.empty((0, CALL_COLUMNS), np.int32))


@lru_cache(maxsize=4096)
def _single(char: str) -> Block:
    """The block of a place where every name goes on with the same character, to the block behind it."""
    return _place([(char, -1)], is_name=False)


@lru_cache(maxsize=1)
def _end() -> Block:
    """The block of the end of a name that no other name goes on from."""
    return _place([], is_name=True)


def _place(branches: Sequence[tuple[str, int]], *, is_name: bool) -> Block:
    """The block of a place where names go on with these characters, each to its target; -1 is the block behind."""
    host, inside = _host()
    defaults = [inside]
    rows: list[dict[int, int]] = [{_QUOTE: _REFUSED} if is_name else {}]
    following: list[tuple[dict[int, int], int]] = []
    for char, target in branches:
        for path in _spellings(char):
            state = 0
            for symbols in path[:-1]:
                after = rows[state].get(symbols[0])
                if after is None:
                    after = len(rows)
                    rows.append({})
                    defaults.append(host[defaults[state]][symbols[0]])
                    rows[state].update(dict.fromkeys(symbols, after))
                state = after
            for symbol in path[-1]:
                rows[state][symbol] = target
                if target < 0:
                    following.append((rows[state], symbol))
    for row, symbol in following:
        row[symbol] = len(rows)
    edges = [(symbol, symbol, row[symbol], 0) for row in rows for symbol in sorted(row)]
    return Block(defaults, [len(row) for row in rows], np.array(edges, np.int32).reshape(-1, EDGE_COLUMNS))


@lru_cache(maxsize=4096)
def _spellings(char: str) -> tuple[Path, ...]:
    """The ways to write a character inside a JSON string; see `grammars.utf8.encode_json`."""
    code = ord(char)
    units = [code] if code < 0x10000 else [0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF)]
    escape = [path for unit in units for path in ((0x5C,), (0x75,), *map(_hex_digit, f"{unit:04x}"))]
    found: list[Path] = [tuple(escape)]
    if any(low <= code <= high for low, high in RAW):
        found.append(tuple((byte,) for byte in char.encode()))
    if code in SHORT_ESCAPES:
        found.append(((0x5C,), (ord(SHORT_ESCAPES[code]),)))
    return tuple(found)


def _hex_digit(digit: str) -> tuple[int, ...]:
    return (ord(digit),) if digit.isdigit() else (ord(digit.upper()), ord(digit))


@lru_cache(maxsize=1)
def _host() -> tuple[list[dict[int, int]], int]:
    """Of each state of the host the next one by byte, and the state between two characters."""
    dfa = leaf(ANY_STRING).fragment.piece.dfa()
    rows = [{byte: to for low, high, to in row for byte in range(low, high + 1)} for row in dfa.edges]
    return rows, rows[0][_QUOTE]


_START = Block([-1], [1], np.array([(_QUOTE, _QUOTE, 1, 0)], np.int32))
