"""Regular nodes to DFAs: first over code points, where And, Not and Length live, then over bytes.

Place in the walk: Grammar -> **leaf DFA** -> ByteAutomaton. A leaf is a part of a grammar without recursion. Sets of
characters are combined here, on code points; the step to bytes (UTF-8, or the spellings of a JSON string) is made once,
at the end. Nothing here knows of rules or counters at run time.
"""

from __future__ import annotations

from functools import lru_cache

from grammars.dfa import Dfa, Edge, Nfa, complement, crawl, determinise, intersect, minimise
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
from grammars.utf8 import json_spellings, utf8_spellings

__all__ = ["TICK", "char_dfa", "encode_json", "encode_utf8"]

TICK = 256
"""Added to the first byte of each character in a DFA that counts characters."""

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


def encode_utf8(dfa: Dfa, *, ticks: bool = False) -> Dfa:
    """The minimal byte DFA of the UTF-8 encodings of a code-point DFA; with `ticks` each first byte has `TICK` added."""
    return _encode(dfa, json=False, ticks=ticks)


def encode_json(dfa: Dfa, *, ticks: bool = False) -> Dfa:
    """The minimal byte DFA of the JSON spellings (no quotes) of a code-point DFA, see `json_spellings`."""
    return _encode(dfa, json=True, ticks=ticks)


def _encode(dfa: Dfa, *, json: bool, ticks: bool) -> Dfa:
    nfa = Nfa()
    states = [0] + [nfa.state() for _ in dfa.edges[1:]]
    nfa.finals = {states[q] for q in dfa.finals}
    for q, row in enumerate(dfa.edges):
        targets: dict[int, list[tuple[int, int]]] = {}
        for low, high, target in row:
            targets.setdefault(target, []).append((low, high))
        for target, ranges in targets.items():
            _embed_class(nfa, _class_dfa(tuple(ranges), json), states[q], states[target], TICK if ticks else 0)
    return minimise(determinise(nfa))


@lru_cache(maxsize=4096)
def _class_dfa(ranges: Ranges, json: bool) -> tuple[tuple[Edge, ...], ...]:
    """The byte DFA of one character of a class; its only final state is the last, which has no edges."""
    nfa = Nfa()
    end = nfa.state()
    nfa.finals.add(end)
    for spelling in json_spellings(ranges) if json else utf8_spellings(ranges):
        source = 0
        for position in spelling[:-1]:
            source = _edge(nfa, source, position)
        nfa.edges[source] += [(low, high, end) for low, high in spelling[-1]]
    dfa = minimise(determinise(nfa))
    (final,) = dfa.finals or (len(dfa.edges),)
    order = [q for q in range(len(dfa.edges)) if q != final] + [final]
    place = {q: i for i, q in enumerate(order)}
    return tuple(tuple((a, b, place[t]) for a, b, t in dfa.edges[q]) for q in order if q < len(dfa.edges))


def _embed_class(nfa: Nfa, rows: tuple[tuple[Edge, ...], ...], source: int, target: int, tick: int) -> None:
    """Adds a copy of a character's DFA: its start is `source`, its end `target`."""
    offset = len(nfa.edges) - 1
    last = len(rows) - 1
    for _ in range(max(0, last - 1)):
        nfa.state()
    for q, row in enumerate(rows[:last]):
        shift, at = (tick, source) if q == 0 else (0, offset + q)
        nfa.edges[at] += [(a + shift, b + shift, target if t == last else offset + t) for a, b, t in row]


def _not_whole_characters(data: bytes) -> UnsupportedFeature:
    return UnsupportedFeature(
        f"the bytes {data!r} are not whole characters inside a part that must be text (And, Not, Length, JsonString)",
        hint="use code points there; bytes may be used freely elsewhere",
    )
