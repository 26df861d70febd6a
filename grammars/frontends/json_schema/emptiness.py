"""nothing_in: whether any string at all satisfies lengths, patterns and formats together; apart: or two of many.

Place in the walk: asked of **contents of strings** by `patternProperties` that overlap and by proofs for `oneOf`. The
answer is the length of a shortest string, found before most of the product of their automata is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import is_
from sys import maxunicode

from grammars.chars import char_dfa
from grammars.dfa import Dfa, Edge, complement
from grammars.errors import EmptyLanguage, LimitExceeded
from grammars.ir import ANY_CHAR, And, Choice, Length, Node, Not, Repeat
from grammars.ir import Sequence as Concatenation

__all__ = ["apart", "nothing_in"]

_STATES = 50_000
"""Most states of a product that are looked at."""

_AT_ONCE = 2_000
"""Most states that are looked at in a walk through many automata."""

_NO_EDGE: Edge = (maxunicode + 1, maxunicode + 1, -1)
"""Behind the last edge of a row: beyond all characters."""


def nothing_in(content: Node) -> bool:
    """Whether no string at all is in the content.

    Raises `LimitExceeded` when the search for one becomes too long.

    >>> nothing_in(And((text("a"), Not(Repeat(ANY_CHAR)))))
    True
    """
    low, high, item = (content.min, content.max, content.item) if isinstance(content, Length) else (0, None, content)
    maxima: list[int] = []
    try:
        parts = [_without_maxima(part, maxima) for part in (item.items if isinstance(item, And) else (item,))]
        shortest = _shortest([_dfa(part) for part in parts], low)
        if shortest is None or (high is not None and shortest > high):
            return True
        if all(shortest <= most for most in maxima):
            return False
        return not char_dfa(content).finals
    except EmptyLanguage:
        return True


def apart(contents: Sequence[Node]) -> bool:
    """Whether it is seen at once that no string is in two of the contents: by one walk through all their automata.

    >>> apart([text("ab"), text("ac"), text("b")])
    True
    """
    dfas = [_dfa(content) for content in contents]
    pending = [tuple([(number, 0) for number in range(len(dfas))])]
    seen = {pending[0]}
    looked_at = 0
    while pending:
        alive = pending.pop()
        looked_at += len(alive)
        if looked_at > _AT_ONCE or sum(state in dfas[number].finals for number, state in alive) > 1:
            return False
        edges = [(edge, number) for number, state in alive for edge in dfas[number].edges[state]]
        for begin in {edge[0] for edge, _ in edges}:
            found = tuple([(number, target) for (low, high, target), number in edges if low <= begin <= high])
            if len(found) > 1 and found not in seen:
                seen.add(found)
                pending.append(found)
    return True


def _without_maxima(node: Node, maxima: list[int]) -> Node:
    """A superset of the node's strings, with a smaller automaton: the greatest lengths are left out, and listed.

    A string that is no longer than any of them is in both or in neither.
    """
    match node:
        case Length(item, low, high):
            if high is not None:
                maxima.append(high)
            return Length(_without_maxima(item, maxima), low)
        case And(items) | Concatenation(items) | Choice(items):
            changed = tuple([_without_maxima(item, maxima) for item in items])
            return node if all(map(is_, changed, items)) else type(node)(changed)
        case Repeat(item, low, high):
            again = _without_maxima(item, maxima)
            return node if again is item else Repeat(again, low, high)
        case _:
            return node


@lru_cache(maxsize=256)
def _dfa(node: Node) -> Dfa:
    return complement(char_dfa(node.item), ANY_CHAR.ranges) if isinstance(node, Not) else char_dfa(node)


def _shortest(dfas: list[Dfa], low: int) -> int | None:
    """The length of a shortest string of `low` characters or more that is in all of the automata; None without any."""
    level = {(0,) * len(dfas)}
    seen: set[tuple[int, ...]] = set()
    length = looked_at = 0
    while level:
        if length >= low:
            level -= seen
            seen |= level
            if any(all(state in dfa.finals for dfa, state in zip(dfas, states, strict=True)) for states in level):
                return length
        looked_at += len(level)
        if looked_at > _STATES:
            raise LimitExceeded(
                f"the automaton has more than {_STATES} states", hint="simplify the patterns, or bound lengths less"
            )
        level = {target for states in level for target in _targets(dfas, states)}
        length += 1
    return None


def _targets(dfas: list[Dfa], states: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The states that one character leads to in all of the automata."""
    common: Iterable[tuple[int, int, tuple[int, ...]]] = [(low, high, ()) for low, high in ANY_CHAR.ranges]
    for dfa, state in zip(dfas, states, strict=True):
        common = list(_overlaps(common, dfa.edges[state]))
    for _, _, targets in common:
        yield targets


def _overlaps(
    common: Iterable[tuple[int, int, tuple[int, ...]]], row: tuple[Edge, ...]
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """The ranges of `common` cut by the edges of one more automaton, with its targets added; both are sorted."""
    edges = iter(row)
    begin, end, target = next(edges, _NO_EDGE)
    for low, high, targets in common:
        while end < low:
            begin, end, target = next(edges, _NO_EDGE)
        while begin <= high:
            yield max(low, begin), min(high, end), (*targets, target)
            if end > high:
                break
            begin, end, target = next(edges, _NO_EDGE)
