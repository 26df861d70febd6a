"""parse_choices: a list of strings to the Grammar of exactly these strings.

Place in the walk: choices -> **Grammar** -> ByteAutomaton. The compiler merges common prefixes; nothing nests, however
long the list.
"""

from __future__ import annotations

from collections.abc import Sequence

from grammars.errors import InvalidGrammar
from grammars.ir import Grammar
from grammars.words import one_of

__all__ = ["parse_choices"]


def parse_choices(choices: Sequence[str]) -> Grammar:
    """The grammar of the strings in `choices`; duplicates count once, the empty string is allowed.

    Raises `InvalidGrammar` for a str, for no choices, and for a choice that is no str or has no UTF-8 encoding.

    >>> parse_choices(["red", "green"]).rules["start"]
    Choice(items=(Bytes(data=b'red'), Bytes(data=b'green')))
    """
    if isinstance(choices, str):
        raise InvalidGrammar(
            f"choices is one string, {_shorten(choices)}, not a list of strings",
            hint=f"write choices=[{_shorten(choices)}], or choices=list(...) to choose among its characters",
        )
    if not isinstance(choices, Sequence) or isinstance(choices, bytes | bytearray):
        raise InvalidGrammar(
            f"choices is a {type(choices).__name__}, not a list of strings",
            hint='write choices=["yes", "no"]; list(...) makes a list of any iterable',
        )
    if not choices:
        raise InvalidGrammar("choices is empty, so no text can be chosen", hint='write choices=["yes", "no"]')
    return Grammar({"start": one_of([_encoded(choice, i) for choice, i in _distinct(choices)])})


def _distinct(choices: Sequence[str]) -> list[tuple[str, int]]:
    """Each choice once, in order, with the index where it stands first."""
    places: dict[str, int] = {}
    for i, choice in enumerate(choices):
        if not isinstance(choice, str):
            raise InvalidGrammar(
                f"choices[{i}] is {_shorten(choice)}, a {type(choice).__name__}, not a string",
                hint="choices are texts: use str(...) for each, or schema={'enum': [...]} for JSON values",
            )
        places.setdefault(choice, i)
    return list(places.items())


def _encoded(choice: str, i: int) -> bytes:
    try:
        return choice.encode()
    except UnicodeEncodeError as error:
        raise InvalidGrammar(
            f"choices[{i}] has a lone surrogate, U+{ord(choice[error.start]):04X}, which has no UTF-8 encoding",
            hint="read the text with the encoding that it was written in",
        ) from None


def _shorten(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
