"""Lexers: texts of a Lark grammar that lark itself refuses once a lexer cuts them into terminals.

Place in the walk: beside the front ends, for `gcd check`. There is no lexer here: each terminal may stand wherever the
rules allow it. A basic lexer knows the text alone, a contextual one also what the LALR parser can use next; both take
one terminal by priority and length, and lose what needs another. Random texts are put to lark with either.
"""

from __future__ import annotations

import re
import time
from random import Random

import lark

from grammars.errors import GrammarError
from grammars.frontends.lark import parse_lark
from grammars.ir import Grammar
from grammars.record import record
from grammars.samples import Samples

__all__ = ["Difference", "lexer_differences"]

_LEXERS = (("basic", "earley"), ("contextual", "lalr"))
_LONGEST = 60
_LINE = 2000
"""Characters of a line beyond which there is a terminal that `re` takes seconds to compile."""


@record
class Difference:
    """A lexer of lark, and a text of the grammar that lark refuses with it."""

    lexer: str
    text: str


def lexer_differences(grammar: Grammar, *, seconds: float = 0.5, texts: int = 200) -> list[Difference]:
    """For each lexer with which lark takes the grammar, the shortest text found that it refuses, if there is one.

    >>> lexer_differences(parse_lark('start: "if" NAME\\nNAME: /[a-z]+/'))
    [Difference(lexer='basic', text='ifa')]

    Grammars with what lark does not know, with huge terminals, and those that import files, are not looked at.
    """
    if max(map(len, (grammar.source or "").splitlines()), default=0) > _LINE:
        return []
    deadline = time.monotonic() + seconds
    some = _texts(grammar, texts, deadline - seconds / 2)
    found = []
    for lexer, parser in _LEXERS if some else ():  # lark would read files anywhere
        try:
            reader = lark.Lark(grammar.source or "", parser=parser, lexer=lexer)
        except (lark.exceptions.LarkError, re.error):
            continue
        for text in some:
            if time.monotonic() > deadline:
                break
            try:
                reader.parse(text)
            except lark.exceptions.LarkError:
                found.append(Difference(lexer, text))
                break
    return found


def _texts(grammar: Grammar, count: int, deadline: float) -> list[str]:
    """Random texts of a grammar that is all of one Lark text, the shortest first."""
    try:
        alone = parse_lark(grammar.source or "")
        samples = Samples(alone, _LONGEST)
    except GrammarError:
        return []
    rng, found = Random(0), set[str]()
    if alone.rules != grammar.rules:
        return []
    for _ in range(count):
        if time.monotonic() > deadline:
            break
        found.add(samples.draw(rng).decode())
    return sorted(found, key=lambda text: (len(text), text))
