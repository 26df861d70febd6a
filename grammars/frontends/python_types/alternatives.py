"""A finite set of strings as a regular expression that is about as short as its minimal automaton."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

__all__ = ["one_of"]


def one_of(strings: Iterable[str]) -> str:
    """A regular expression, safe to concatenate, for exactly these strings of ASCII letters, digits, `:` and `-`.

    >>> one_of(f"{n:02}" for n in range(24))
    '(?:[01][0-9]|2[0-3])'
    """
    return _group(frozenset(strings))


@lru_cache(maxsize=4096)
def _group(strings: frozenset[str]) -> str:
    tails: dict[str, set[str]] = {}
    for string in strings:
        if string:
            tails.setdefault(string[0], set()).add(string[1:])
    heads: dict[frozenset[str], list[str]] = {}
    for head in sorted(tails):
        heads.setdefault(frozenset(tails[head]), []).append(head)
    branches = [_char_class(chars) + _group(rest) for rest, chars in heads.items()]
    if not branches:
        return ""
    body = "|".join(branches)
    if len(branches) == 1 and ("" not in strings or set(next(iter(heads))) == {""}):
        return f"{body}?" if "" in strings else body
    return f"(?:{body})?" if "" in strings else f"(?:{body})"


def _char_class(chars: list[str]) -> str:
    if len(chars) == 1:
        return chars[0]
    runs = []
    for _, run in groupby(enumerate(chars), key=lambda pair: ord(pair[1]) - pair[0]):
        members = [char for _, char in run]
        runs.append("".join(members) if len(members) < 3 else f"{members[0]}-{members[-1]}")
    # A hyphen means itself only at the end of a class.
    return "[" + "".join(sorted(runs, key=lambda run: run == "-")) + "]"
