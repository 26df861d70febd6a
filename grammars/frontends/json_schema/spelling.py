"""Spelling: the strings of a grammar of JSON written in one way instead of any.

Place in the walk: the rules of a schema -> **the same, otherwise spelt**. Free strings say themselves how they are
spelt. Declared ones, keys and constants, are literals; all other literals of such a grammar are ASCII.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from grammars.errors import InvalidGrammar
from grammars.ir import (
    Bytes,
    Choice,
    Distinct,
    JsonString,
    Members,
    Node,
    Repeat,
    Sequence,
    Spelling,
    Texts,
)

__all__ = ["check_strings", "respelt"]

_BEYOND_ASCII = re.compile("[^ -~]")


def check_strings(strings: str) -> None:
    """Raises `InvalidGrammar` for what is no spelling of strings."""
    if strings not in ("any", "raw", "ascii"):
        raise InvalidGrammar(f"strings={strings!r} is no way to spell strings", hint='use "any", "raw" or "ascii"')


def respelt(rules: Mapping[str, Node], spelling: Spelling) -> dict[str, Node]:
    """The rules with their strings in one spelling: what `json.dumps` writes, with `ensure_ascii` for "ascii".

    >>> respelt({"start": Bytes('"é"'.encode())}, "ascii")
    {'start': Bytes(data=b'"\\\\u00e9"')}
    """
    return {name: _respelt(node, spelling) for name, node in rules.items()}


def _respelt(node: Node, spelling: Spelling) -> Node:
    again = partial(_respelt, spelling=spelling)
    match node:
        case JsonString(content):
            return JsonString(content, spelling)
        case Bytes(data):
            return Bytes(_written(data, spelling))
        case Texts(items):
            return Texts(tuple([_written(item, spelling) for item in items]))
        case Sequence(items):
            return Sequence(tuple(map(again, items)))
        case Choice() if type(node) is Choice:  # numbers have no strings
            return Choice(tuple(map(again, node.items)))
        case Repeat(item, low, high):
            return Repeat(again(item), low, high)
        case Distinct(item):
            return replace(node, item=again(item))
        case Members():
            return replace(
                node,
                keys=tuple([_written(key, spelling) for key in node.keys]),
                values=tuple(map(again, node.values)),
                rest=tuple([(JsonString(key.content, spelling), again(value)) for key, value in node.rest]),
            )
    return node


def _written(data: bytes, spelling: Spelling) -> bytes:
    """A literal of JSON, which has no raw control characters."""
    if spelling != "ascii" or (data.isascii() and b"\x7f" not in data):
        return data
    return _BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], data.decode()).encode()
