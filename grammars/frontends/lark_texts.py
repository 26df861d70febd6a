"""texts: the regex of a Lark terminal to its texts.

Place in the walk: terminals as regexes (`lark_terminals.py`) -> **their texts** -> Grammar.

A terminal's texts are those that its pattern matches as a whole. Only laziness is more than that: `/".*?"/` ends at the
next quote. A lazy quantifier is enforced where this is exact (see `_shortest`) and refused elsewhere. Anchors and
lookarounds are read where they test what is inside the terminal; those that may see the text around it are refused.
"""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import replace

from grammars.chars import char_dfa
from grammars.errors import Span, UnsupportedFeature
from grammars.frontends.regex import needs_lead, needs_rest, part, whole
from grammars.frontends.regex_language import (
    ANYTHING,
    ANYWHERE,
    EDGE,
    Language,
    alternate,
    empty_text,
    exclude,
    join,
    one_of,
    overlap,
    plain_language,
    times,
)
from grammars.frontends.regex_sets import ANY
from grammars.frontends.regex_tree import Anchor, Chars, Concat, Either, Known, Look, Times
from grammars.frontends.regex_tree import Tree as Regex

__all__ = ["texts"]


def texts(tree: Regex) -> Language:
    """The texts of a terminal, lazy quantifiers included.

    Where no text is the beginning of another one, greedy and lazy are the same.
    """
    greedy = _greedy(tree)
    if _lazy_in(tree) is None or _prefix_free(greedy):
        return greedy
    match tree:
        case Either(items):
            return alternate([texts(item) for item in items])
        case Concat(items):
            return _shortest(tuple(_flat(items)))
        case _:
            return _shortest((tree,))


def _greedy(tree: Regex) -> Language:
    """The texts that a terminal matches as a whole, whatever stands around it.

    A lookaround of several characters is tested against what is in the terminal, so it must not be able to see farther.
    """
    if not needs_rest(tree) and not needs_lead(tree):
        found = part(tree)
        language = plain_language(found) if found else alternate([])
        if language is None:
            raise _sees_around(tree)
        return language
    inside = _sees_inside(tree, 0, ahead=True) and _sees_inside(tree, 0, ahead=False)
    if not inside or plain_language(part(_without_looks(tree))) is None:
        raise _sees_around(tree)
    found = whole(tree, empty_text(EDGE, ANYWHERE), empty_text(ANYWHERE, EDGE))
    return alternate(list(found.values()))


def _sees_inside(tree: Regex, room: int, *, ahead: bool) -> bool:
    """Whether each long lookahead (lookbehind) looks no farther than `room` characters past the tree."""
    match tree:
        case Look(item, looks_ahead) if _looks_far(tree):
            longest = _widths(item)[1]
            plain = not needs_rest(item) and not needs_lead(item) and plain_language(part(item)) is not None
            return looks_ahead != ahead or (plain and longest is not None and longest <= room)
        case Concat(items):
            for item in reversed(items) if ahead else items:
                if not _sees_inside(item, room, ahead=ahead):
                    return False
                room += _widths(item)[0]
            return True
        case Either(items):
            return all(_sees_inside(item, room, ahead=ahead) for item in items)
        case Times(item):
            return _sees_inside(item, room, ahead=ahead)
    return True


def _looks_far(look: Look) -> bool:
    return needs_rest(look) or needs_lead(look)


def _without_looks(tree: Regex) -> Regex:
    match tree:
        case Look() if _looks_far(tree):
            return Concat(())
        case Concat(items):
            return Concat(tuple(map(_without_looks, items)))
        case Either(items):
            return Either(tuple(map(_without_looks, items)))
        case Times(item):
            return replace(tree, item=_without_looks(item))
    return tree


def _sees_around(tree: Regex) -> UnsupportedFeature:
    return UnsupportedFeature(
        "an anchor or lookaround that may see the text around its terminal is not supported",
        span=_first_place(tree),
        hint="say in the rules what may follow, or exclude texts: NAME: /[a-z]+/ & ~/if|else/",
    )


def _first_place(tree: Regex) -> Span | None:
    """Where the first anchor or lookaround stands."""
    match tree:
        case Anchor(_, span) | Look(_, _, _, span):
            return span
        case Concat(items) | Either(items):
            return next((place for item in items if (place := _first_place(item)) is not None), None)
        case Times(item):
            return _first_place(item)
    return None


def _shortest(items: tuple[Regex, ...]) -> Language:
    """A concatenation with one lazy quantifier: `before x*? stop after`.

    Exact where x is one character, `stop` has one length, and `after` may be empty: then x*? ends at the first place
    where `stop` fits, so `x*? stop` are those of its texts that do not begin with another one of them.
    """
    at = next(i for i, item in enumerate(items) if _lazy_in(item) is not None)
    lazy, rest = items[at], items[at + 1 :]
    before = [texts(item) for item in items[:at]]
    if not rest and not isinstance(lazy, Times):
        return join([*before, texts(lazy)])
    languages = [texts(item) for item in rest] if all(_lazy_in(item) is None for item in rest) else None
    if languages is None or not isinstance(lazy, Times) or not lazy.lazy or _width(lazy.item) != 1:
        raise _cannot_be_lazy(items)
    stop = next(i for i in range(len(rest) + 1) if all(language.empty for language in languages[i:]))
    if any(_width(item) is None for item in rest[:stop]):
        raise _cannot_be_lazy(items)
    ended = join([times(texts(lazy.item), lazy.min, lazy.max), *languages[:stop]])
    longer = join((ended, one_of(ANY), ANYTHING))
    return join([*before, overlap(ended, exclude(longer)), *languages[stop:]])


def _cannot_be_lazy(items: SequenceOf[Regex]) -> UnsupportedFeature:
    return UnsupportedFeature(
        "a lazy quantifier is supported here only as one character, lazily repeated before a fixed end",
        span=_lazy_in(Concat(tuple(items))),
        hint='say what may not occur instead: /"[^"]*"/ for /".*?"/',
    )


def _lazy_in(tree: Regex) -> Span | None:
    """The place of the first lazy quantifier."""
    match tree:
        case Times(item, low, high, lazy, place):
            return place if lazy and low != high else _lazy_in(item)
        case Concat(items) | Either(items):
            return next((span for item in items if (span := _lazy_in(item)) is not None), None)
        case _:
            return None


def _prefix_free(language: Language) -> bool:
    dfa = char_dfa(language.node)
    return not any(dfa.edges[state] for state in dfa.finals)


def _flat(items: SequenceOf[Regex]) -> list[Regex]:
    """The items of nested concatenations in one list."""
    found: list[Regex] = []
    for item in items:
        found += _flat(item.items) if isinstance(item, Concat) else [item]
    return found


def _width(tree: Regex) -> int | None:
    """The number of characters, if all texts have the same."""
    low, high = _widths(tree)
    return low if low == high else None


def _widths(tree: Regex) -> tuple[int, int | None]:
    """Bounds of the number of characters."""
    match tree:
        case Chars():
            return 1, 1
        case Concat(items):
            lows, highs = zip(*map(_widths, items), strict=True) if items else ((), ())
            return sum(lows), None if None in highs else sum(highs)
        case Either(items):
            lows, highs = zip(*map(_widths, items), strict=True)
            return min(lows), None if None in highs else max(highs)
        case Times(item, low, high):
            least, most = _widths(item)
            return least * low, 0 if most == 0 or high == 0 else None if most is None or high is None else most * high
        case Known():
            return 0, None
    return 0, 0
