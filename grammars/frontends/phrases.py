"""Texts by the phrases in them: without some, up to the first one, with constrained parts behind some.

Place in the walk: phrases -> **nodes** -> Grammar. These are complements and intersections of "any text, the phrase,
any text", which the compiler makes deterministic: the states of that automaton are the beginnings of the phrases that
a text may be in, and its edges the failure links of Knuth, Morris and Pratt, or of Aho and Corasick.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as SequenceOf

from grammars.errors import InvalidGrammar
from grammars.ir import ANY_CHAR, And, Choice, Node, Not, Repeat, Sequence, text

__all__ = ["containing", "tagged", "until", "without"]

_ANYTHING = Repeat(ANY_CHAR)
_SOMETHING = Repeat(ANY_CHAR, 1)


def containing(phrases: SequenceOf[str]) -> Node:
    """The texts in which each of the phrases occurs.

    >>> containing(["ab"])
    Sequence(items=(Repeat(item=CharClass(...)), Bytes(data=b'ab'), Repeat(item=CharClass(...))))
    """
    found = [Sequence((_ANYTHING, text(phrase), _ANYTHING)) for phrase in _checked(phrases)]
    return found[0] if len(found) == 1 else And(tuple(found)) if found else _ANYTHING


def without(phrases: SequenceOf[str]) -> Node:
    """The texts in which none of the phrases occurs, the empty text too."""
    listed = _checked(phrases)
    return Not(Sequence((_ANYTHING, _one_of(listed), _ANYTHING))) if listed else _ANYTHING


def until(stops: SequenceOf[str]) -> Node:
    """The texts that end with one of the stops and have none before their end."""
    listed = _checked(stops)
    if not listed:
        raise InvalidGrammar("there is nothing to stop at", hint='write until("</think>")')
    return _ending(listed, listed)


def tagged(
    tags: Mapping[str, Node], *, low: int = 0, high: int | None = None, excluded: SequenceOf[str] = (),
    open_end: bool = True,
) -> Node:  # fmt: skip
    """Free text in which behind each tag stands what belongs to it, and then free text again, if it is `open_end`.

    The tags are found from left to right, each where it is first complete; free text has none of them, and none of the
    `excluded` phrases. From `low` to `high` tags occur. Raises `InvalidGrammar` for a tag that contains another one,
    which would be found first.

    >>> tagged({"<n>": text("1")}).items[0].min
    0
    """
    names, stops = _checked([*tags]), _checked(excluded)
    if not names:
        raise InvalidGrammar("there are no tags", hint='write tags({"<tool>": ...})')
    for name in names:
        other = next((part for part in [*names, *stops] if part != name and part in name), None)
        if other is not None:
            raise InvalidGrammar(
                f"the tag {name!r} contains {other!r}, which is found first",
                hint="begin at the shorter one, and choose between what may follow it",
            )
    if low < 0 or (high is not None and high < low):
        raise InvalidGrammar(f"from {low} to {high} tags is no number of them")
    parts = Choice(tuple(Sequence((_ending([name], [*names, *stops]), tags[name])) for name in names))
    found = Repeat(parts, low, high)
    return Sequence((found, without([*names, *stops]))) if open_end else found


def _ending(ends: SequenceOf[str], stops: SequenceOf[str]) -> Node:
    """The texts that end with one of `ends` and have no stop before their end."""
    return And((Sequence((_ANYTHING, _one_of(ends))), Not(Sequence((_ANYTHING, _one_of(stops), _SOMETHING)))))


def _one_of(phrases: Iterable[str]) -> Node:
    return Choice(tuple(map(text, phrases)))


def _checked(phrases: SequenceOf[str]) -> list[str]:
    """The phrases, each once."""
    if isinstance(phrases, str):
        phrases = [phrases]
    for phrase in phrases:
        if not isinstance(phrase, str) or not phrase:
            raise InvalidGrammar(f"{phrase!r} is no phrase", hint="a phrase is a text of at least one character")
        if any(0xD800 <= ord(char) <= 0xDFFF for char in phrase):
            raise InvalidGrammar(f"{phrase!r} has a lone surrogate, which no text holds")
    return [*dict.fromkeys(phrases)]
