"""token_numbers: special tokens by their numbers, as llama.cpp and llguidance write them, to a node.

Place in the walk: beside the front ends of Lark and GBNF. A number is kept as the name `<[7]>`; which token that is,
and whether it is a special one, is known when the grammar meets a vocabulary.
"""

from __future__ import annotations

import re

from grammars.ir import Choice, Node, SpecialToken

__all__ = ["HINT", "token_numbers"]

MAX_TOKENS = 1000
HINT = f"special tokens by number are written <[7]> or <[7,9-12]>, at most {MAX_TOKENS:,} of them"

_LIST = re.compile(r"<\[(\d{1,9}(?:-\d{1,9})?(?:,\d{1,9}(?:-\d{1,9})?)*)\]>", re.ASCII)


def token_numbers(text: str) -> Node | None:
    """The node of tokens by number, None for what is written otherwise or names none or over 1,000 of them.

    >>> token_numbers("<[7,9-10]>")
    Choice(items=(SpecialToken(name='<[7]>'), SpecialToken(name='<[9]>'), SpecialToken(name='<[10]>')))
    """
    listed = _LIST.fullmatch(text)
    if listed is None:
        return None
    numbers: dict[int, None] = {}
    for part in listed[1].split(","):
        low, _, high = part.partition("-")
        last = int(high or low)
        if not 0 <= last - int(low) < MAX_TOKENS:
            return None
        numbers |= dict.fromkeys(range(int(low), last + 1))
    if len(numbers) > MAX_TOKENS:
        return None
    tokens = tuple(SpecialToken(f"<[{number}]>") for number in numbers)
    return tokens[0] if len(tokens) == 1 else Choice(tokens)
