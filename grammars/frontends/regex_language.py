"""Languages of parts of a regex, each with what it demands of the text around it.

Place in the walk: syntax tree -> **parts with contexts** -> Grammar. `^`, `$`, `\\b` and one-character lookarounds do
not match text, they test the characters next to a place. So a part of a regex denotes a set of triples (text, what may
stand before it, what may stand after it): here a `Part`, a map from (left context, right context) to a language.
`concatenate`, `unite` and `repeat` combine parts exactly, wherever the anchors stand: `(^a|b)` is the part

    {(at the edge, anything): a, (anything, anything): b}

Nothing here reads text; `regex.py` walks the tree.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import field
from functools import reduce
from typing import TypeAlias

from grammars.errors import LimitExceeded
from grammars.frontends.regex_sets import ANY, complement, intersect
from grammars.ir import (
    ANY_CHAR,
    EPSILON,
    NOTHING,
    And,
    Bytes,
    CharClass,
    Choice,
    Node,
    Not,
    Ranges,
    Repeat,
    Sequence,
    char_class,
)
from grammars.record import record

__all__ = [
    "ANYTHING", "ANYWHERE", "EDGE", "FINAL", "Context", "Language", "Part", "alternate", "concatenate", "empty_text",
    "exclude", "join", "meet", "one_of", "overlap", "plain", "plain_language", "repeat", "times", "unite",
]  # fmt: skip

MAX_SIZE = 300_000
MAX_CHAIN = 400
MAX_COPIES = 8
"""How often what looks at its neighbours may be repeated, where there is an upper bound."""


@record
class Context:
    """What may stand next to a place: the edge of the text, a character of `chars`, or (`final`) a last newline."""

    edge: bool
    chars: Ranges
    final: bool = False

    def inverse(self) -> Context:
        return Context(not self.edge, complement(self.chars))


ANYWHERE = Context(edge=True, chars=ANY)
EDGE = Context(edge=True, chars=())
FINAL = Context(edge=False, chars=(), final=True)
_FREE = (ANYWHERE, ANYWHERE)
_NEWLINE: Ranges = ((0x0A, 0x0A),)


@record
class Language:
    """A node with what is known of its strings.

    `empty`: the empty string is one of them (exactly known). `first`, `last`: supersets of the characters with which
    the others begin and end. `size`: its nodes, written out; alternatives with `\\b` or lookaheads in them double what
    is next to them.
    """

    node: Node
    empty: bool
    first: Ranges
    last: Ranges
    size: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        if self.size > MAX_SIZE:
            raise LimitExceeded(
                f"a regex of more than {MAX_SIZE:,} parts",
                hint=r"each \b and each lookahead doubles what is next to it: use fewer of them",
            )


Part: TypeAlias = dict[tuple[Context, Context], Language]

_EMPTY = Language(EPSILON, True, (), ())
_NOTHING = Language(NOTHING, False, (), ())
ANYTHING = Language(Repeat(ANY_CHAR), True, ANY, ANY)
"""All texts."""


def meet(one: Context, other: Context) -> Context | None:
    """The context that both allow, None when there is none."""
    chars = intersect(one.chars, other.chars)
    final = (one.final and (other.final or intersect(other.chars, _NEWLINE) != ())) or (
        other.final and intersect(one.chars, _NEWLINE) != ()
    )
    edge = one.edge and other.edge
    return Context(edge, chars, final) if edge or chars or final else None


def one_of(ranges: Ranges) -> Language:
    """One character of a set."""
    if not ranges:
        return _NOTHING
    low, high = ranges[0]
    node: Node = CharClass(ranges)
    if len(ranges) == 1 and low == high:
        node = Bytes(chr(low).encode())
    return Language(node, False, ranges, ranges)


def join(items: SequenceOf[Language]) -> Language:
    """The concatenation, with neighbouring literals in one piece."""
    nodes: list[Node] = []
    for item in items:
        if item.node == NOTHING:
            return _NOTHING
        nodes += item.node.items if isinstance(item.node, Sequence) else [item.node]
    merged: list[Node] = []
    literal: list[bytes] = []
    for node in [*nodes, None]:
        if isinstance(node, Bytes):
            literal.append(node.data)
            continue
        if any(literal):
            merged.append(Bytes(b"".join(literal)))
        literal = []
        if node is not None:
            merged.append(node)
    node = merged[0] if len(merged) == 1 else Sequence(tuple(merged))
    empty = all(item.empty for item in items)
    size = len(merged) + sum(item.size - 1 for item in items)
    return Language(node if merged else EPSILON, empty, _outer(items), _outer(items[::-1], last=True), size)


def _outer(items: Iterable[Language], *, last: bool = False) -> Ranges:
    """The characters with which a concatenation can begin (end, given the reversed items)."""
    found: list[Ranges] = []
    for item in items:
        found.append(item.last if last else item.first)
        if not item.empty:
            break
    return found[0] if len(found) == 1 else char_class([r for ranges in found for r in ranges]).ranges


def alternate(items: SequenceOf[Language]) -> Language:
    """The union; of single characters it is a set."""
    if len(items) == 1:
        return items[0]
    items = [item for item in dict.fromkeys(items) if item.node != NOTHING]
    if len(items) <= 1:
        return items[0] if items else _NOTHING
    first = char_class(r for item in items for r in item.first).ranges
    if all(_is_character(item) for item in items):
        return one_of(first)
    last = char_class(r for item in items for r in item.last).ranges
    nodes: list[Node] = []
    for item in items:
        nodes += item.node.items if isinstance(item.node, Choice) else [item.node]
    empty, size = any(item.empty for item in items), sum(item.size for item in items)
    return Language(Choice(tuple(nodes)), empty, first, last, size)


def _is_character(item: Language) -> bool:
    match item.node:
        case CharClass():
            return True
        case Bytes(data):
            return len(data.decode()) == 1
        case _:
            return False


def times(item: Language, low: int, high: int | None) -> Language:
    """From `low` to `high` copies."""
    if high == 0 or item.node in (EPSILON, NOTHING):
        return _EMPTY if low == 0 or item.node == EPSILON else _NOTHING
    if (low, high) == (1, 1):
        return item
    return Language(Repeat(item.node, low, high), low == 0 or item.empty, item.first, item.last, item.size + 1)


def overlap(one: Language, other: Language) -> Language:
    """The intersection."""
    if one == other or ANYTHING in (one, other):
        return other if one == ANYTHING else one
    first, last = intersect(one.first, other.first), intersect(one.last, other.last)
    empty = one.empty and other.empty
    if not first or not last:
        return _EMPTY if empty else _NOTHING
    return Language(And((one.node, other.node)), empty, first, last, one.size + other.size)


def exclude(language: Language) -> Language:
    """All other texts."""
    if language.node == NOTHING:
        return ANYTHING
    return Language(Not(language.node), not language.empty, ANY, ANY, language.size + 1)


def plain(language: Language) -> Part:
    """The part that demands nothing of its surroundings."""
    return {_FREE: language}


def plain_language(part: Part) -> Language | None:
    """The language of a part that demands nothing of its surroundings; None of others."""
    return next(iter(part.values())) if [*part] == [_FREE] else None


def empty_text(left: Context = ANYWHERE, right: Context = ANYWHERE) -> Part:
    """The part that matches no character between two contexts."""
    return {(left, right): _EMPTY}


def unite(parts: Iterable[Part]) -> Part:
    """The union of parts."""
    found: dict[tuple[Context, Context], list[Language]] = {}
    for part in parts:
        for contexts, language in part.items():
            found.setdefault(contexts, []).append(language)
    return {contexts: alternate(languages) for contexts, languages in found.items()}


def concatenate(one: Part, other: Part) -> Part:
    """`one` followed by `other`: each meets the other's demands at the place where they touch."""
    found: list[Part] = []
    for (left, inner_right), before in one.items():
        for (inner_left, right), after in other.items():
            found += [
                {(new_left, new_right): joined}
                for new_left, head in _heads(before, left, inner_left)
                for new_right, rest in _rests(after, right, inner_right)
                if (joined := join((head, rest))).node != NOTHING
            ]
    return unite(found)


def _heads(before: Language, left: Context, demand: Context) -> list[tuple[Context, Language]]:
    """The strings of `before` behind which `demand` holds, with what they demand on their left.

    An empty string passes the demand on; of the others, those stay whose last character is allowed.
    """
    if demand == ANYWHERE:
        return [(left, before)]
    found = []
    both = meet(left, demand)
    if before.empty and both:
        found.append((both, _EMPTY))
    if not before.empty and intersect(before.last, demand.chars) == before.last:
        found.append((left, before))
    elif _is_character(before):
        found.append((left, one_of(intersect(before.last, demand.chars))))
    elif demand.chars:
        found.append((left, overlap(before, join((ANYTHING, one_of(demand.chars))))))
    return found


def _rests(after: Language, right: Context, demand: Context) -> list[tuple[Context, Language]]:
    """The strings of `after` before which `demand` holds, with what they demand on their right."""
    if demand == ANYWHERE:
        return [(right, after)]
    found = []
    both = meet(right, demand)
    if after.empty and both:
        found.append((both, _EMPTY))
    if not after.empty and intersect(after.first, demand.chars) == after.first:
        found.append((right, after))
    elif _is_character(after):
        found.append((right, one_of(intersect(after.first, demand.chars))))
    elif demand.chars:
        found.append((right, overlap(after, join((one_of(demand.chars), ANYTHING)))))
    if demand.final and right.edge:
        found.append((EDGE, overlap(after, one_of(_NEWLINE))))
    return found


def repeat(item: Part, low: int, high: int | None) -> Part | None:
    """From `low` to `high` copies; None for more than 8 of them with contexts other than the edges between them.

    Where only the edges of the text are asked for, a copy that must be at the left edge has only empty copies before
    it, one at the right edge only empty ones behind it. So the texts are: an optional edge copy, free copies, an
    optional edge copy; and if there is a way for a copy to be empty, it fills the count up.
    """
    if (low, high) in ((0, 1), (1, 1)):
        return unite([empty_text(), item]) if low == 0 else item
    if not all(context in (ANYWHERE, EDGE) for contexts in item for context in contexts):
        return _repeat_in_context(item, low, high)
    free = item.get((ANYWHERE, ANYWHERE), _NOTHING)
    found = plain(times(free, low, high))
    if high == 0 or found.keys() == item.keys():
        return found
    left = item.get((EDGE, ANYWHERE), _NOTHING)
    right = item.get((ANYWHERE, EDGE), _NOTHING)
    both = item.get((EDGE, EDGE), _NOTHING)

    def others(edges: int, *, filled: bool) -> Language:
        return times(free, 0 if filled else max(low - edges, 0), None if high is None else high - edges)

    found[EDGE, ANYWHERE] = join((left, others(1, filled=left.empty)))
    found[ANYWHERE, EDGE] = join((others(1, filled=right.empty), right))
    pairs = []
    if high is None or high >= 2:
        pairs.append(join((left, others(2, filled=left.empty or right.empty), right)))
    if low <= 1 or any(language.empty for language in item.values()):
        pairs.append(both)
    found[EDGE, EDGE] = alternate(pairs)
    return {contexts: language for contexts, language in found.items() if language.node != NOTHING}


def _repeat_in_context(item: Part, low: int, high: int | None) -> Part | None:
    """The same, where copies look at their neighbours: few are written out, and any number are `_chain`."""
    item = {
        contexts: language
        for contexts, language in item.items()
        if not any(
            language == other and contexts != wider and all(map(_within, contexts, wider))
            for wider, other in item.items()
        )
    }
    if any(context.final for contexts in item for context in contexts) or max(low, high or 0) > MAX_COPIES:
        return None
    if high is not None:
        optional = unite([empty_text(), item])
        return reduce(concatenate, [item] * low + [optional] * (high - low), empty_text())
    # A copy without characters tests a place and may be left out, unless it is all there is.
    empty = {contexts: _EMPTY for contexts, language in item.items() if language.empty}
    any_number = unite([empty_text() if low == 0 else empty, _chain(item)])
    return reduce(concatenate, [item] * (low - 1), any_number) if low > 1 else any_number


def _chain(item: Part) -> Part:
    """One or more copies of at least one character each.

    The place between two of them asks for the last character of one and the first of the other. So the copies are cut
    by their first and last characters, in classes that no context tells apart; a state is the class of the last
    character with what it demands of the next; and Kleene's algorithm joins the ways from state to state.
    """
    lasts, firsts = _classes([left.chars for left, _ in item]), _classes([right.chars for _, right in item])
    copies = [
        (left, right, first, last, piece)
        for (left, right), language in item.items()
        for first in firsts
        for last in lasts
        if (piece := _between(language, first, last)).node != NOTHING
    ]
    states = [*dict.fromkeys((last, right) for _, right, _, last, _ in copies)]
    ways: dict[tuple[int, int], Language] = {}

    def add(way: tuple[int, int], language: Language) -> None:
        ways[way] = alternate([ways.get(way, _NOTHING), language])
        if ways[way].size > MAX_CHAIN:
            raise LimitExceeded(
                f"a repeat of something with \\b or lookarounds in it that has more than {MAX_CHAIN:,} parts",
                hint="move them out of the repeat",
            )

    for i, (before, demand) in enumerate(states):
        for left, right, first, last, piece in copies:
            if intersect(before, left.chars) == before and intersect(first, demand.chars) == first:
                add((i, states.index((last, right))), piece)
    for k in range(len(states)):
        loop = times(ways.get((k, k), _NOTHING), 0, None)
        through = [(i, j) for i, at in ways if at == k for at, j in ways if at == k]
        for way, language in [((i, j), join((ways[i, k], loop, ways[k, j]))) for i, j in through]:
            add(way, language)
    found: list[Part] = []
    for left, right, _, last, piece in copies:
        i = states.index((last, right))
        found.append({(left, right): piece})
        found += [{(left, states[j][1]): join((piece, way))} for (at, j), way in ways.items() if at == i]
    return unite(found)


def _within(one: Context, other: Context) -> bool:
    """Whether whatever one context allows, the other one does."""
    inside = intersect(one.chars, other.chars) == one.chars and one.edge <= other.edge
    return inside and (not one.final or other.final or intersect(other.chars, _NEWLINE) != ())


def _classes(sets: Iterable[Ranges]) -> list[Ranges]:
    """The coarsest partition of all characters of which each set is a union."""
    classes = [ANY]
    for ranges in dict.fromkeys(sets):
        rest = complement(ranges)
        classes = [part for each in classes for part in (intersect(each, ranges), intersect(each, rest)) if part]
    return classes


def _between(language: Language, first: Ranges, last: Ranges) -> Language:
    """The texts, not the empty one, that begin with one of `first` and end with one of `last`."""
    begun = [found for _, found in _rests(language, ANYWHERE, Context(edge=False, chars=first)) if not found.empty]
    ended = [found for _, found in _heads(begun[0], ANYWHERE, Context(edge=False, chars=last))] if begun else []
    return ended[0] if ended else _NOTHING
