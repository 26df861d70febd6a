"""Regular nodes to DFAs over code points, where And, Not and Length live.

Place in the walk: Grammar -> **leaf DFA** -> ByteAutomaton. A leaf is a part of a grammar without recursion. Sets of
characters are combined here, on code points; the step to bytes is made once, at the end (`grammars.utf8`). Nothing here
knows of rules or counters at run time.
"""

from __future__ import annotations

from functools import lru_cache

from grammars.dfa import Dfa, Nfa, complement, crawl, determinise, intersect, minimise
from grammars.errors import LimitExceeded, UnsupportedFeature
from grammars.ir import (
    ANY_CHAR,
    And,
    ByteClass,
    Bytes,
    CharClass,
    Choice,
    JsonString,
    Length,
    Node,
    Not,
    Ranges,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
)

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
            if not items:
                return char_dfa(Repeat(ANY_CHAR))
            return minimise(intersect(tuple(char_dfa(item) for item in items), limit=_STATES))
        case Not(item):
            return minimise(complement(char_dfa(item), ANY_CHAR.ranges))
        case Length(item, low, high):
            return minimise(_between(char_dfa(item), low, high))
        case _:
            nfa = Nfa()
            nfa.finals.add(_add(nfa, node, 0))
            return minimise(determinise(nfa, limit=_STATES))


def _add(nfa: Nfa, node: Node, source: int) -> int:
    """Adds `node` behind `source`; returns the state where its strings end."""
    if len(nfa.edges) > 4 * _STATES:
        raise LimitExceeded(f"a pattern has more than {4 * _STATES} positions", hint="use smaller repeat counts")
    match node:
        case Bytes(data):
            try:
                codes = [ord(char) for char in data.decode("utf-8")]
            except UnicodeDecodeError:
                raise _not_whole_characters(data) from None
            for code in codes:
                source = _edge(nfa, source, ((code, code),))
            return source
        case CharClass(ranges):
            return _edge(nfa, source, ranges)
        case ByteClass(ranges):
            if ranges and ranges[-1][1] > 0x7F:
                raise _not_whole_characters(bytes([ranges[-1][1]]))
            return _edge(nfa, source, ranges)
        case Sequence(items):
            for item in items:
                source = _add(nfa, item, source)
            return source
        case Choice(items):
            target = nfa.state()
            for item in items:
                nfa.empty[_add(nfa, item, source)].append(target)
            return target
        case Repeat(item, low, high):
            return _repeat(nfa, item, low, high, source)
        case And() | Not() | Length():
            target = nfa.state()
            nfa.embed(char_dfa(node), source, target)
            return target
        case JsonString() | Ref() | SpecialToken():
            raise UnsupportedFeature(
                f"{type(node).__name__} inside a part that must be regular text (And, Not, Length, JsonString)",
                hint="move it out of that part",
            )


def _repeat(nfa: Nfa, item: Node, low: int, high: int | None, source: int) -> int:
    for _ in range(low):
        source = _add(nfa, item, source)
    target = nfa.state()
    nfa.empty[source].append(target)
    if high is None:
        inside = nfa.state()
        nfa.empty[source].append(inside)
        end = _add(nfa, item, inside)
        nfa.empty[end] += [inside, target]
    else:
        for _ in range(high - low):
            source = _add(nfa, item, source)
            nfa.empty[source].append(target)
    return target


def _edge(nfa: Nfa, source: int, ranges: Ranges) -> int:
    target = nfa.state()
    nfa.edges[source] += [(low, high, target) for low, high in ranges]
    return target


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
