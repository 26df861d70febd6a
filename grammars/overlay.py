"""Overlay: any JSON string but some, as states laid over those of any JSON string.

Place in the walk: JsonString(Not(names)) -> **Piece** beside a host, the rule of any JSON string. Objects with open
keys exclude their declared names, and each object has other names: a difference of automata would repeat all of the
string around each of them.

While a text spells the beginning of a name, the machine is in a state of the overlay, one for each place in the names
and inside an escape. Its default is the state of the host at the same place, whose edges it takes; its own edges are
those that stay on a name and, at the end of a name, the refusal of the quote. A text that leaves the names goes on in
the host, and ends there. The states of the overlay belong to its own rule, those of the host to the rule of any string:
both are plain rules under the same stack.

Every spelling that the host has is followed: raw, the two-character escapes, \\uXXXX with hex digits of either case,
surrogate pairs.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from grammars.fragments import leaf
from grammars.ir import Spelling
from grammars.pieces import Piece
from grammars.tables import (
    CALL_COLUMNS,
    EDGE_COLUMNS,
    EDGE_TO,
    FIRST_EDGE,
    NOWHERE,
    STATE_COLUMNS,
)
from grammars.utf8 import RAW, SHORT_ESCAPES
from grammars.words import any_string

__all__ = ["overlay"]

_QUOTE, _BACKSLASH = 0x22, 0x5C

_NO_CALLS = np.empty((0, CALL_COLUMNS), np.int32)

_CHILD = 1 << 24
"""Added to the number of a place where an edge leads to one that is written elsewhere."""

_REFUSED = _CHILD
"""Where a refused edge leads: the first place, which no edge leads back to."""

Path: TypeAlias = tuple[tuple[int, ...], ...]
"""A spelling: in each place the bytes that may stand there."""


class Block(NamedTuple):
    """The states of one place in the names: rows as in a piece, but edges to what is beyond them lead to a block.

    Numbers count from the first state and the first edge of the block.
    """

    size: int
    counts: bytes
    """How many states and edges, as two numbers of an array."""
    states: bytes
    edges: bytes


def overlay(names: Iterable[bytes], spelling: Spelling = "any") -> Piece:
    """The states of the JSON strings that spell none of the names; their defaults are states of the host."""
    return _overlay(tuple(sorted({name.decode() for name in names})), spelling)


@lru_cache(maxsize=256)
def _overlay(names: tuple[str, ...], spelling: Spelling) -> Piece:
    """One block for each place; a place before the end of what all names in a range share has one successor."""
    blocks = [_START]
    size = _START.size
    first: list[int] = [size]  # state of each place that a branch leads to
    pending = [(0, len(names), 0, 0)]
    while pending:
        low, high, depth, number = pending.pop()
        first[number] = size
        shared = _shared(names[low], names[high - 1]) if high - low > 1 else len(names[low])
        added = [_single(char, spelling) for char in names[low][depth:shared]]
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
        added.append(_place(branches, spelling, is_name=is_name) if branches else _end(spelling))
        blocks += added
        size += sum([block.size for block in added])
    return _joined(blocks, first)


def _shared(left: str, right: str) -> int:
    """How many characters two names begin with alike."""
    for i, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return i
    return min(len(left), len(right))


def _joined(blocks: list[Block], first: list[int]) -> Piece:
    """The piece of the blocks one behind the other."""
    states = np.frombuffer(bytearray().join([block.states for block in blocks]), np.int32).reshape(-1, STATE_COLUMNS)
    edges = np.frombuffer(bytearray().join([block.edges for block in blocks]), np.int32).reshape(-1, EDGE_COLUMNS)
    counts = np.frombuffer(b"".join([block.counts for block in blocks]), np.int32).reshape(-1, 2)
    begins = counts.cumsum(0) - counts
    states[:, FIRST_EDGE] += begins[:, 1].repeat(counts[:, 0])
    to = edges[:, EDGE_TO]
    far = (to >= _CHILD).nonzero()[0]
    targets = [NOWHERE, *first[1:]]
    elsewhere = [targets[number - _CHILD] for number in to[far].tolist()]
    to += begins[:, 0].repeat(counts[:, 1])
    to[far] = elsewhere
    return Piece(states, edges, _NO_CALLS)


@lru_cache(maxsize=4096)
def _single(char: str, spelling: Spelling) -> Block:
    """The block of a place where every name goes on with the same character, to the block behind it."""
    return _place([(char, -1)], spelling, is_name=False)


@lru_cache(maxsize=4)
def _end(spelling: Spelling) -> Block:
    """The block of the end of a name that no other name goes on from."""
    return _place([], spelling, is_name=True)


def _place(branches: Sequence[tuple[str, int]], spelling: Spelling, *, is_name: bool) -> Block:
    """The block of a place where names go on with these characters, each to its target; -1 is the block behind."""
    if spelling == "any" and branches and _PLAIN.issuperset([char for char, _ in branches]):
        return _ascii_place(branches, spelling, is_name=is_name)
    host, inside = _host(spelling)
    defaults = [inside]
    rows: list[dict[int, int]] = [{_QUOTE: _REFUSED} if is_name else {}]
    following: list[tuple[dict[int, int], int]] = []
    for char, target in branches:
        for path in _spellings(char, spelling):
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
    return _block(defaults, [[(symbol, row[symbol]) for symbol in sorted(row)] for row in rows])


def _ascii_place(branches: Sequence[tuple[str, int]], spelling: Spelling, *, is_name: bool) -> Block:
    """The block of a place where names go on with ASCII characters that are spelled raw or as \\u00XX, as most do."""
    host, inside = _host(spelling)
    digits: dict[int, list[tuple[int, int]]] = {}  # by the third hexadecimal digit what follows it
    raw = [(_QUOTE, _REFUSED)] if is_name else []
    behind = 5 + len({ord(char) >> 4 for char, _ in branches})
    for char, target in branches:
        code, to = ord(char), target if target >= 0 else behind
        raw.append((code, to))
        digits.setdefault(0x30 + (code >> 4), []).extend([(symbol, to) for symbol in _HEX_DIGITS[code & 15]])
    rows = [[*raw, (_BACKSLASH, 1)], *_TO_DIGITS, [(digit, 5 + i) for i, digit in enumerate(digits)], *digits.values()]
    escaped = [inside]
    for symbol in b"\\u00":
        escaped.append(host[escaped[-1]][symbol])
    return _block([*escaped, *[host[escaped[-1]][digit] for digit in digits]], [sorted(row) for row in rows])


def _block(defaults: list[int], rows: list[list[tuple[int, int]]]) -> Block:
    """The block of states with these defaults in the host and these edges, each a symbol and where it leads."""
    states, edges, count = array("i"), array("i"), 0
    for default, row in zip(defaults, rows, strict=True):
        states.extend((0, 0, count, 0, default))
        count += len(row)
        for symbol, to in row:
            edges.extend((symbol, symbol, to, 0))
    return Block(len(rows), array("i", (len(rows), count)).tobytes(), states.tobytes(), edges.tobytes())


@lru_cache(maxsize=4096)
def _spellings(char: str, spelling: Spelling) -> tuple[Path, ...]:
    """The ways to write a character inside a JSON string; see `grammars.utf8.encode_json`."""
    if spelling != "any":
        written = json.dumps(char, ensure_ascii=spelling == "ascii")[1:-1]
        return (tuple([(byte,) for byte in written.encode()]),)
    code = ord(char)
    units = [code] if code < 0x10000 else [0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF)]
    escape = [path for unit in units for path in ((0x5C,), (0x75,), *map(_hex_digit, f"{unit:04x}"))]
    found: list[Path] = [tuple(escape)]
    if any(low <= code <= high for low, high in RAW["any"]):
        found.append(tuple((byte,) for byte in char.encode()))
    if code in SHORT_ESCAPES:
        found.append(((0x5C,), (ord(SHORT_ESCAPES[code]),)))
    return tuple(found)


def _hex_digit(digit: str) -> tuple[int, ...]:
    return (ord(digit),) if digit.isdigit() else (ord(digit.upper()), ord(digit))


_HEX_DIGITS = [_hex_digit(f"{digit:x}") for digit in range(16)]
_TO_DIGITS = [[(0x75, 2)], [(0x30, 3)], [(0x30, 4)]]
"""From the backslash to the third digit of \\u00XX, in an `_ascii_place`."""

_PLAIN = frozenset(map(chr, range(0x20, 0x7F))) - frozenset(map(chr, SHORT_ESCAPES))


@lru_cache(maxsize=4)
def _host(spelling: Spelling) -> tuple[list[dict[int, int]], int]:
    """Of each state of the host the next one by byte, and the state between two characters."""
    dfa = leaf(any_string(spelling)).fragment.piece.dfa()
    rows = [{byte: to for low, high, to in row for byte in range(low, high + 1)} for row in dfa.edges]
    return rows, rows[0][_QUOTE]


_START = _block([NOWHERE], [[(_QUOTE, 1)]])
