"""Words: nodes that are lists of texts, or all texts but those of a list.

Place in the walk: read off the nodes before anything is built, because lists of names and of enumerated values are
long, and their automata can be written down directly.
"""

from __future__ import annotations

from grammars.ir import ANY_CHAR, And, Bytes, Choice, JsonString, Node, Not, Repeat

__all__ = ["ANY_STRING", "excluded_names", "words"]

ANY_STRING = JsonString(Repeat(ANY_CHAR))
"""All JSON strings."""


def words(node: Node) -> list[bytes] | None:
    """The texts of a node that is a list of them, each in UTF-8; None for any other node."""
    items = node.items if isinstance(node, Choice) else (node,)
    found = []
    for item in items:
        if not isinstance(item, Bytes):
            return None
        if not item.data.isascii():
            try:
                item.data.decode()
            except UnicodeDecodeError:
                return None
        found.append(item.data)
    return found


def excluded_names(content: Node) -> list[bytes] | None:
    """The names that a content of all characters leaves out; None when the content is anything else.

    >>> excluded_names(Not(Choice((Bytes(b"a"), Bytes(b"b")))))
    [b'a', b'b']
    """
    match content:
        case Not(item):
            return words(item)
        case And(items) if items:
            found: list[bytes] = []
            for item in items:
                names = [] if item == ANY_STRING.content else excluded_names(item)
                if names is None:
                    return None
                found += names
            return found
    return None
