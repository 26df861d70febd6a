"""Strings: lengths, patterns and formats to one JSON string.

Place in the walk: conjunction -> **node of a string**. Everything here is about decoded characters; how they are
spelled in JSON is the business of the node `JsonString`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from grammars.frontends.json_schema.conjunction import count_range
from grammars.frontends.json_schema.parts import Own
from grammars.ir import ANY_CHAR, And, JsonString, Length, Node, Not, Repeat, Texts

__all__ = ["ANY_TEXT", "excluding", "format_node", "string_content", "string_node", "texts_of"]

ANY_TEXT = Repeat(ANY_CHAR)


def string_content(owns: Sequence[Own]) -> Node:
    """The characters of the strings that satisfy the keywords about strings of all subschemas.

    Raises `EmptyLanguage` when the lengths contradict.
    """
    low, high = count_range(owns, "minLength", "maxLength")
    nodes = [pattern.node for own in owns for pattern in own.patterns]
    nodes += [format_node(name) for own in owns for name in own.formats]
    nodes += excluding([value for own in owns for value in own.excluded if isinstance(value, str)])
    if len(nodes) > 1:  # hashing one is not free
        nodes = list(dict.fromkeys(nodes))
    content: Node = ANY_TEXT if not nodes else nodes[0] if len(nodes) == 1 else And(tuple(nodes))
    return Length(content, low, high) if low or high is not None else content


def excluding(strings: Sequence[str]) -> list[Node]:
    """Everything but some strings."""
    texts = texts_of(strings)
    return [Not(Texts(tuple(texts)))] if texts else []


def texts_of(strings: Sequence[str]) -> list[bytes]:
    """The strings in UTF-8, without those that have a lone surrogate, which free strings never have."""
    found = []
    for string in strings:
        try:
            found.append(string.encode())
        except UnicodeEncodeError:
            continue
    return found


def string_node(owns: Sequence[Own]) -> Node:
    """A JSON string whose characters are in `string_content`.

    >>> string_node([])
    JsonString(content=Repeat(item=CharClass(ranges=((0, 55295), (57344, 1114111))), min=0, max=None), spelling='any')
    """
    return JsonString(string_content(owns))


@cache
def format_node(name: str) -> Node:
    """The characters of a format's strings."""
    from grammars.frontends.json_schema.formats import FORMATS

    return FORMATS[name]
