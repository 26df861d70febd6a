"""Fragments: rules without calls, made once for all grammars.

Place in the walk: a regular node -> **Leaf**, which a grammar appends to its tables. Any JSON string, numbers, gaps and
formats occur in nearly every schema: what they become is remembered under the node, by its structure, and equal
automata are one object, so that a vocabulary's tables can be kept under it.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from grammars.chars import char_dfa
from grammars.dfa import Dfa, Edge, minimise, trim
from grammars.errors import InvalidGrammar, UnsupportedFeature
from grammars.ir import And, Bytes, CharClass, Choice, JsonString, Length, Node, Not, Ref, Repeat, Sequence
from grammars.lengths import NEVER, fewest_bytes, lengths
from grammars.pieces import Piece
from grammars.positions import END, NULL, SOLID, Positions
from grammars.rules import Kind
from grammars.store import Window
from grammars.tables import STATE_FINAL
from grammars.utf8 import encode_json, encode_utf8

__all__ = [
    "Fragment",
    "Leaf",
    "body_leaf",
    "fragment",
    "leaf",
    "quick_facts",
    "window_leaf",
    "without_empty",
    "written_out",
]

_LEAVES = 2048


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Fragment:
    """The automaton of a rule without calls; a `window`'s edges tick. Equal ones are one object while it lives."""

    piece: Piece
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A fragment with the bounds of its counter, and facts: has it the empty string (taken out here), and another?"""

    fragment: Fragment
    facts: int
    low: int = 0
    high: int | None = None

    @property
    def kind(self) -> Kind:
        return Kind.PLAIN if self.fragment.window is None else Kind.WINDOW


_FRAGMENTS: weakref.WeakValueDictionary[tuple[bool, bytes, bytes], Fragment] = weakref.WeakValueDictionary()


def fragment(dfa: Dfa, *, counts: bool = False) -> Fragment:
    """The fragment of a DFA over bytes that is trimmed and lacks the empty string; with `counts` it is a window."""
    piece = Piece.from_dfa(dfa, tails=False)
    key = (counts, piece.states.tobytes(), piece.edges.tobytes())
    known = _FRAGMENTS.get(key)
    if known is None:
        known = Fragment(piece, (lengths(dfa), fewest_bytes(dfa)) if counts else None)
        known = _FRAGMENTS.setdefault(key, known)
    return known


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


class _NoCallees:
    """What positions ask in a rule that calls nothing."""

    def is_counted(self, node: Repeat) -> bool:
        return False

    def callee(self, node: Node) -> tuple[int, int]:
        raise AssertionError(node)

    def special(self, name: str) -> int:
        raise AssertionError(name)


@lru_cache(maxsize=_LEAVES)
def body_leaf(node: Node, limit: int) -> Leaf:
    """The leaf of the body of a rule that calls nothing; raises `LimitExceeded` beyond `limit` states."""
    positions = Positions(_NoCallees())
    piece = positions.piece(positions.enter(node, END), limit=limit)
    return Leaf(fragment(minimise(piece.dfa())), SOLID)


def quick_facts(node: Node) -> int | None:
    """The facts of a part that needs set algebra or spellings, if they show without building it, else None.

    What shows here also fits every limit, so that it may be built later.
    """
    inside, quoted = (node.content, True) if isinstance(node, JsonString) else (node, False)
    if isinstance(inside, Not):
        names = words(inside.item)
        return (
            None if names is None or sum(map(len, names)) > 1000 else SOLID if quoted or b"" in names else SOLID | NULL
        )
    low: int = 0
    high: int | None = None
    if isinstance(inside, Length):
        low, high, inside = inside.min, inside.max, inside.item
    if not isinstance(inside, Repeat) or not isinstance(inside.item, CharClass) or not inside.item.ranges:
        return None
    low = max(low, inside.min)
    high = inside.max if high is None else high if inside.max is None else min(high, inside.max)
    if high is None:
        return SOLID if quoted or low else SOLID | NULL
    if high < low:
        return 0
    return SOLID if quoted else (SOLID if high else 0) | (0 if low else NULL)


@lru_cache(maxsize=_LEAVES)
def leaf(node: Node) -> Leaf:
    """What a part without references becomes that needs set algebra or spellings: And, Not, Length or JsonString."""
    quoted = isinstance(node, JsonString)
    inside = node.content if isinstance(node, JsonString) else node
    low: int = 0
    high: int | None = None
    if isinstance(inside, Length) and not (quoted and inside.max is None and inside.min <= 4):
        while isinstance(inside, Length):
            low, high, inside = max(low, inside.min), _least(high, inside.max), inside.item
        if isinstance(inside, Repeat) and isinstance(inside.item, CharClass):
            low, high, inside = max(low, inside.min), _least(high, inside.max), Repeat(inside.item)
        return _bounded(_encoded(inside, quoted=quoted, counts=True), low, high)
    found, nullable = _encoded(inside, quoted=quoted, counts=False)
    return Leaf(found, (NULL if nullable else 0) | (SOLID if found.piece.states[:, STATE_FINAL].any() else 0))


def window_leaf(ranges: tuple[tuple[int, int], ...], low: int, high: int | None, *, spelt: bool) -> Leaf:
    """Characters of one class, `low` to `high` of them; `spelt` as inside of JSON strings."""
    return _bounded(_class_window(ranges, spelt), low, high)


@lru_cache(maxsize=_LEAVES)
def _class_window(ranges: tuple[tuple[int, int], ...], spelt: bool) -> tuple[Fragment, bool]:
    encode = encode_json if spelt else encode_utf8
    return fragment(without_empty(encode(char_dfa(Repeat(CharClass(ranges))), ticks=True)), counts=True), True


def _bounded(found: tuple[Fragment, bool], low: int, high: int | None) -> Leaf:
    counted, nullable = found
    assert counted.window is not None
    least = counted.window[0].next_length(0, low)
    solid = least != NEVER and (high is None or least <= high)
    return Leaf(counted, (NULL if nullable and not low else 0) | (SOLID if solid else 0), low, high)


@lru_cache(maxsize=_LEAVES)
def _encoded(content: Node, *, quoted: bool, counts: bool) -> tuple[Fragment, bool]:
    """The fragment of a content in bytes, and whether it has the empty string, which the fragment lacks."""
    encode = encode_json if quoted else encode_utf8
    dfa = encode(char_dfa(content), ticks=counts)
    if quoted:
        dfa = _quoted(dfa)
    solid = without_empty(dfa)
    return fragment(trim(solid) if counts else minimise(solid), counts=counts), 0 in dfa.finals


def _least(left: int | None, right: int | None) -> int | None:
    return right if left is None else left if right is None else min(left, right)


def without_empty(dfa: Dfa) -> Dfa:
    """The same strings without the empty one: the start becomes a state of its own that is not final."""
    if 0 not in dfa.finals:
        return dfa
    again = len(dfa.edges)  # the old start, for those who come back to it
    rows = [
        tuple((low, high, again if target == 0 else target) for low, high, target in row)
        for row in (*dfa.edges, dfa.edges[0])
    ]
    return trim(Dfa(tuple(rows), (dfa.finals - {0}) | {again}))


def _quoted(dfa: Dfa) -> Dfa:
    """The same strings between quotes; the start is new, the end is the last state."""
    end = len(dfa.edges) + 1
    quote = 0x22
    rows: list[tuple[Edge, ...]] = [((quote, quote, 1),)]
    for state, row in enumerate(dfa.edges):
        shifted = [(low, high, target + 1) for low, high, target in row]
        if state in dfa.finals:
            shifted.append((quote, quote, end))
        rows.append(tuple(sorted(shifted)))
    return Dfa((*rows, ()), frozenset({end}))


def written_out(node: Node, rules: Mapping[str, Node], inside: tuple[str, ...] = ()) -> Node:
    """The node with its references written out; raises `UnsupportedFeature` where they are recursive.

    The lengths of intersections are moved outside, where a window counts them: x{m,n} & y = (x & y){m,n}.
    """
    match node:
        case Ref(name):
            if name in inside:
                raise UnsupportedFeature(
                    f"the rule {name!r} is recursive inside a part that must be regular (And, Not, Length, JsonString)",
                    hint="intersections, complements and lengths are decided for regular parts only",
                )
            if name not in rules:
                raise InvalidGrammar(f"the rule {name!r} is not defined")
            return written_out(rules[name], rules, (*inside, name))
        case And(items):
            changed = tuple([written_out(item, rules, inside) for item in items])
            if all(map(_same, changed, items)) and not any(isinstance(item, Length) for item in items):
                return node if len(items) != 1 else items[0]
            return _lengths_outside(changed)
        case Sequence(items) | Choice(items):
            changed = tuple([written_out(item, rules, inside) for item in items])
            return node if all(map(_same, changed, items)) else type(node)(changed)
        case Repeat(item, low, high) | Length(item, low, high):
            again = written_out(item, rules, inside)
            return node if again is item else type(node)(again, low, high)
        case Not(item):
            again = written_out(item, rules, inside)
            return node if again is item else Not(again)
        case _:
            return node


def _same(left: Node, right: Node) -> bool:
    return left is right


def _lengths_outside(items: tuple[Node, ...]) -> Node:
    low: int = 0
    high: int | None = None
    inner: list[Node] = []
    for item in items:
        while isinstance(item, Length):
            low, high, item = max(low, item.min), _least(high, item.max), item.item
        inner.append(item)
    both = inner[0] if len(inner) == 1 else And(tuple(inner))
    return both if low == 0 and high is None else Length(both, low, high)
