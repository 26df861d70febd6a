"""Fragments: rules without calls, made once for all grammars.

Place in the walk: a regular node -> **Leaf**, which a grammar appends to its tables. Any JSON string, numbers, gaps and
formats occur in nearly every schema: what they become is remembered under the node, by its structure, and equal
automata are one object, so that a vocabulary's tables can be kept under it.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from functools import lru_cache

from grammars.chars import char_dfa
from grammars.dfa import Dfa, EdgeTable, edge_table, trim
from grammars.errors import InvalidGrammar, UnsupportedFeature
from grammars.ir import (
    And,
    AtMostTokens,
    Bytes,
    CharClass,
    Choice,
    JsonString,
    Length,
    Node,
    Not,
    Numerals,
    Ranges,
    Ref,
    Repeat,
    Sequence,
    Spelling,
)
from grammars.lengths import NEVER, Lengths, lengths, window
from grammars.numerals import numerals_piece
from grammars.pieces import Piece
from grammars.positions import END, NULL, SOLID, Positions
from grammars.quoted import quoted_table
from grammars.record import record
from grammars.rules import Kind
from grammars.standard import standard
from grammars.store import Window
from grammars.utf8 import encode_json, encode_utf8
from grammars.words import excluded_names, word_piece, words

__all__ = [
    "Fragment",
    "Leaf",
    "body_leaf",
    "table_fragment",
    "facts_of_leaf",
    "fragment",
    "leaf",
    "new_body_leaf",
    "new_fragment",
    "opened",
    "quick_facts",
    "window_leaf",
    "without_empty",
    "written_out",
]

_LEAVES = 2048
"""Nodes remembered."""

_WRITTEN_OUT = 24
"""Repeats of a class of characters in a JSON string up to which each is a state."""

_SHARED = 4096
"""The states of a piece up to which it is looked for among the others."""


@record(eq=False, weakref_slot=True)
class Fragment:
    """The automaton of a rule without calls; a `window`'s edges tick. Equal ones are one object while it lives."""

    piece: Piece
    window: Window | None = None


@record
class Leaf:
    """A fragment with the bounds of its counter."""

    fragment: Fragment
    low: int = 0
    high: int | None = None

    @property
    def kind(self) -> Kind:
        return Kind.PLAIN if self.fragment.window is None else Kind.WINDOW


_FRAGMENTS: weakref.WeakValueDictionary[tuple[bool, bytes, bytes], Fragment] = weakref.WeakValueDictionary()


def fragment(piece: Piece, window: Window | None = None) -> Fragment:
    """The fragment of a trimmed piece without calls and without the empty string."""
    if piece.sizes[0] > _SHARED:
        return Fragment(piece, window)
    key = (window is None, *piece.content)
    known = _FRAGMENTS.get(key)
    return _FRAGMENTS.setdefault(key, Fragment(piece, window)) if known is None else known


def table_fragment(table: EdgeTable, *, counts: bool = False) -> Fragment:
    """The fragment of a DFA over bytes that is trimmed and lacks the empty string; with `counts` it is a window."""
    return fragment(Piece.from_leaf(table), window(table) if counts else None)


class _NoCallees:
    """What positions ask in a rule that calls nothing."""

    writes_parts = False

    def is_counted(self, node: Repeat) -> bool:
        return False

    def callee(self, node: Node) -> tuple[int, int]:
        raise AssertionError(node)

    def special(self, name: str) -> int:
        raise AssertionError(name)


def body_leaf(node: Node, limit: int) -> Leaf:
    """The leaf of the body of a rule that calls nothing; raises `LimitExceeded` beyond `limit` states.

    A list of texts has as many states as bytes at most, and no limit.
    """
    if isinstance(node, Choice):
        texts = [item.data for item in node.items if isinstance(item, Bytes)]
        if len(texts) == len(node.items):
            return Leaf(fragment(word_piece(texts)))
    return _body_leaf(node, limit)


@lru_cache(maxsize=_LEAVES)
def _body_leaf(node: Node, limit: int) -> Leaf:
    made = standard(node)
    return new_body_leaf(node, limit) if made is None or made.piece.sizes[0] > limit else Leaf(fragment(*made))


def new_body_leaf(node: Node, limit: int) -> Leaf:
    """The same, made whether or not it is a standard one."""
    if isinstance(node, Numerals) and (node.positive or node.negative):
        return Leaf(fragment(numerals_piece(node, limit=limit)))
    positions = Positions(_NoCallees())
    return Leaf(fragment(positions.piece(positions.enter(node, END), limit=limit)))


def quick_facts(node: Node) -> int | None:
    """The facts of a part that needs set algebra or spellings, if they show without building it, else None.

    What shows here also fits every limit, so that it may be built later.
    """
    inside, quoted = (node.content, True) if isinstance(node, JsonString) else (node, False)
    if quoted and excluded_names(inside) is not None:
        return SOLID
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
    """What a part without references becomes that needs set algebra or spellings, or has a limit in tokens."""
    content, counts, low, high = opened(node)
    return Leaf(_encoded(content, node.spelling if isinstance(node, JsonString) else None, counts=counts), low, high)


def facts_of_leaf(node: Node) -> int:
    """The facts of a part without references, decided on code points; raises what is wrong with it."""
    content, counts, low, high = opened(node)
    if isinstance(node, JsonString) and (made := standard(content, counts=counts)) is not None:
        return SOLID if made.window is None or _fits(made.window[0], low, high) else 0
    dfa = char_dfa(content)
    nullable, solid = 0 in dfa.finals and not low, bool(dfa.edges[0])
    if counts:
        solid = _fits(lengths(edge_table(dfa), every=True), max(1, low), high)
    if isinstance(node, JsonString):
        return SOLID if nullable or solid else 0
    return (NULL if nullable else 0) | (SOLID if solid else 0)


def _fits(remaining: Lengths, low: int, high: int | None) -> bool:
    """Whether some text has `low` to `high` characters."""
    least = remaining.next_length(0, low)
    return least != NEVER and (high is None or least <= high)


def opened(node: Node) -> tuple[Node, bool, int, int | None]:
    """The characters of a part, whether they are counted at run time, and the bounds."""
    inside = node.content if isinstance(node, JsonString) else node
    low: int = 0
    high: int | None = None
    if isinstance(inside, AtMostTokens) and inside is node:  # its counter is for tokens
        return inside.item, False, low, high
    if not (isinstance(inside, Length) or _is_long(inside)) or (isinstance(node, JsonString) and _is_small(inside)):
        return inside, False, low, high
    while isinstance(inside, Length):
        low, high, inside = max(low, inside.min), _least(high, inside.max), inside.item
    if isinstance(inside, Repeat) and isinstance(inside.item, CharClass):
        low, high, inside = max(low, inside.min), _least(high, inside.max), Repeat(inside.item)
    return inside, True, low, high


def _is_long(node: Node) -> bool:
    """Whether a node is a repeat of a class, so often that it is counted rather than written out."""
    return isinstance(node, Repeat) and isinstance(node.item, CharClass) and (node.max or node.min) > _WRITTEN_OUT


def _is_small(node: Node) -> bool:
    """Whether a length is a small minimum, which is written out; a length within would be written out with it."""
    return isinstance(node, Length) and node.max is None and node.min <= 4 and not isinstance(node.item, Length)


def window_leaf(ranges: Ranges, low: int, high: int | None, spelling: Spelling | None) -> Leaf:
    """Characters of one class, `low` to `high` of them; with a spelling as inside of JSON strings."""
    return Leaf(_class_window(ranges, spelling), low, high)


@lru_cache(maxsize=_LEAVES)
def _class_window(ranges: Ranges, spelling: Spelling | None) -> Fragment:
    dfa = char_dfa(Repeat(CharClass(ranges)))
    dfa = encode_utf8(dfa, ticks=True) if spelling is None else encode_json(dfa, spelling, ticks=True)
    return table_fragment(edge_table(without_empty(dfa)), counts=True)


@lru_cache(maxsize=_LEAVES)
def _encoded(content: Node, spelling: Spelling | None, *, counts: bool) -> Fragment:
    """The fragment of a content in bytes; with a spelling of the JSON strings that say it."""
    made = standard(content, counts=counts) if spelling == "any" else None
    return new_fragment(content, spelling, counts=counts) if made is None else fragment(*made)


def new_fragment(content: Node, spelling: Spelling | None, *, counts: bool) -> Fragment:
    """The same, made whether or not it is a standard one.

    Code points were minimal, so that bytes are, and no state is dead unless there is no text; see `grammars.utf8`.
    """
    dfa = char_dfa(content)
    if not dfa.finals:
        made = edge_table(Dfa(((),), frozenset()))
    elif spelling is None:
        made = edge_table(without_empty(encode_utf8(dfa, ticks=counts)))
    else:
        made = quoted_table(dfa, spelling, ticks=counts)
    return table_fragment(made, counts=counts)


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
        case AtMostTokens(item, tokens):
            again = written_out(item, rules, inside)
            return node if again is item else AtMostTokens(again, tokens)
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
