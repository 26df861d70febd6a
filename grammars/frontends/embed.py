"""embed: the rules of one grammar among those of another, under names of their own.

Place in the walk: beside the front ends; whatever composes grammars puts them together here.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import replace

from grammars.ir import (
    And,
    AtMostTokens,
    Choice,
    Distinct,
    Grammar,
    JsonString,
    Length,
    Members,
    Node,
    Not,
    Ref,
    Repeat,
    Sequence,
)

__all__ = ["embed", "renamed"]


def embed(grammar: Grammar, rules: MutableMapping[str, Node], prefix: str) -> Ref:
    """Adds the rules of a grammar to `rules`, each as `prefix/name`, and returns the reference to its start.

    >>> rules = {}
    >>> embed(Grammar({"start": Ref("a"), "a": Bytes(b"x")}), rules, "b"), rules["b/start"]
    (Ref(name='b/start'), Ref(name='b/a'))
    """

    def rename(name: str) -> str:
        return f"{prefix}/{name}"

    for name, node in grammar.rules.items():
        rules[rename(name)] = renamed(node, rename)
    return Ref(rename(grammar.start))


def renamed(node: Node, rename: Callable[[str], str]) -> Node:
    """The node with other names in its references; shared parts stay shared."""
    done: dict[int, Node] = {}

    def walk(part: Node) -> Node:
        if id(part) not in done:
            done[id(part)] = again(part)
        return done[id(part)]

    def again(part: Node) -> Node:
        match part:
            case Ref(name):
                return Ref(rename(name))
            case Sequence() | Choice() | And():  # Numerals, a Choice, matches by its numbers
                items = part.items
                return replace(part, items=tuple(map(walk, items)))
            case Repeat(item) | Length(item) | Not(item) | Distinct(item) | AtMostTokens(item):
                return replace(part, item=walk(item))
            case JsonString(content):
                return replace(part, content=walk(content))
            case Members():
                return replace(
                    part,
                    begin=walk(part.begin),
                    values=tuple(map(walk, part.values)),
                    rest=tuple((key, walk(value)) for key, value in part.rest),
                    separator=walk(part.separator),
                    end=walk(part.end),
                    empty=None if part.empty is None else walk(part.empty),
                )
        return part

    return walk(node)
