"""Regular nodes to DFAs over code points, where And, Not and Length live.

Place in the walk: Grammar -> **leaf DFA** -> ByteAutomaton. A leaf is a part of a grammar without recursion. Sets of
characters are combined here, on code points; the step to bytes is made once, at the end (`grammars.utf8`). Nothing here
knows of rules or counters at run time.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

from grammars.dfa import Dfa, complement, crawl, intersect, minimise, shortest, trim, without
from grammars.errors import LimitExceeded, UnsupportedFeature
from grammars.ir import (
    ANY_CHAR,
    And,
    AtMostTokens,
    ByteClass,
    Bytes,
    CharClass,
    JsonString,
    Length,
    Node,
    Not,
    Ranges,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
    Texts,
)
from grammars.positions import END, Positions, Set, union
from grammars.words import words

__all__ = ["char_dfa"]

_STATES = 50_000


@lru_cache(maxsize=4096)
def char_dfa(node: Node) -> Dfa:
    """The minimal DFA over code points of a node without `Ref`, `JsonString` and `SpecialToken`.

    Raises `LimitExceeded` beyond 50,000 states and `UnsupportedFeature` for bytes that are not whole characters.

    >>> char_dfa(Repeat(CharClass(((97, 99),))))
    Dfa(edges=(((97, 99, 0),),), finals=frozenset({0}))
    """
    match node:
        case And(items):
            return _intersection(items)
        case Not(item):
            dfa = char_dfa(item)
            rest = trim(complement(dfa, ANY_CHAR.ranges))
            return rest if dfa.finals else minimise(rest)  # what tells two states apart does so in the complement
        case Length(item, low, high):
            dfa = char_dfa(item)
            if high is None and low <= shortest(dfa):  # all strings are long enough
                return _between(dfa, 0, None)
            return minimise(_between(dfa, low, high))
        case _:
            positions = _Characters()
            begin = positions.enter(node, END)
            positions.find_anything()
            return minimise(positions.dfa(begin, limit=_STATES))


class _Characters(Positions):
    """The positions of a regular node, whose symbols are code points."""

    def __init__(self) -> None:
        super().__init__(self)

    def position(self, reads: bytes | Ranges | int, after: Set) -> int:
        if len(self.reads) > 4 * _STATES:
            raise LimitExceeded(f"a pattern has more than {4 * _STATES} positions", hint="use smaller repeat counts")
        return super().position(reads, after)

    def enter(self, node: Node, after: Set) -> Set:
        match node:
            case Bytes(data) if not data.isascii() and after:
                for char in reversed(_decoded(data)):
                    after = (self.position(((ord(char), ord(char)),), after),)
                return after
            case Texts(items):
                return union([self.enter(Bytes(item), after) for item in items])
            case Sequence(items):
                for item in reversed(items):
                    after = self.enter(item, after)
                return after
            case CharClass(ranges):
                return (self.position(ranges, after),) if ranges and after else ()
            case ByteClass(ranges) if ranges and ranges[-1][1] > 0x7F:
                raise _not_whole_characters(bytes([ranges[-1][1]]))
            case And() | Not() | Length():
                return self.embed(char_dfa(node), after) if after else ()
            case JsonString() | Ref() | SpecialToken() | AtMostTokens():
                raise UnsupportedFeature(
                    f"{type(node).__name__} inside a part that must be regular text (And, Not, Length, JsonString)",
                    hint="move it out of that part",
                )
        return super().enter(node, after)

    def find_anything(self) -> None:
        """Notes the positions of `.*` at the end: once they are reached, `.*a.*` need not look for another `a`."""
        for position, (reads, after) in enumerate(zip(self.reads, self.follows, strict=True)):
            if reads == ANY_CHAR.ranges and self.open(after) == (0, position):
                self.anything = (0, position)

    writes_parts = False

    def is_counted(self, node: Repeat) -> bool:
        """Nothing is counted here."""
        return False

    def callee(self, node: Node) -> tuple[int, int]:
        raise AssertionError(node)

    def special(self, name: str) -> int:
        raise AssertionError(name)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise _not_whole_characters(data) from None


def _intersection(items: tuple[Node, ...]) -> Dfa:
    """The minimal DFA of the strings that are in all items; texts that are left out are taken away in the end."""
    excluded = [words(item.item) if isinstance(item, Not) else None for item in items]
    texts = [text.decode() for found in excluded if found is not None for text in found]
    dfas = [char_dfa(item) for item, found in zip(items, excluded, strict=True) if found is None]
    if prod(len(dfa.edges) for dfa in dfas) + sum(map(len, texts)) > _STATES:
        return _common([char_dfa(item) for item in items])
    return without(_common(dfas) if dfas else char_dfa(Repeat(ANY_CHAR)), texts)


def _common(dfas: list[Dfa]) -> Dfa:
    """The minimal DFA of the strings that are in all of them; what leads nowhere is dropped in between."""
    first, *others = sorted(dfas, key=lambda dfa: len(dfa.edges))
    for other in others:
        first = minimise(intersect((first, other), limit=_STATES))
    return first


def _between(dfa: Dfa, low: int, high: int | None) -> Dfa:
    """The strings of `dfa` with `low` to `high` symbols, by counting in the state."""
    top = low if high is None else high

    def follow(state: tuple[int, int]) -> list[tuple[int, int, tuple[int, int]]]:
        q, count = state
        if high is not None and count == high:
            return []
        return [(a, b, (target, min(count + 1, top))) for a, b, target in dfa.edges[q]]

    return crawl((0, 0), follow, lambda state: state[0] in dfa.finals and state[1] >= low, limit=_STATES)


def _not_whole_characters(data: bytes) -> UnsupportedFeature:
    return UnsupportedFeature(
        f"the bytes {data!r} are not whole characters inside a part that must be text (And, Not, Length, JsonString)",
        hint="use code points there; bytes may be used freely elsewhere",
    )
