"""What a set must know of its items: whether they can be hashed, and whether texts that differ mean different values.

Place in the walk: a node of a core schema -> yes or no, for `structures.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from grammars.frontends.python_types.walk import Node, Place, Walk

__all__ = ["choices_of", "is_hashable", "is_told_apart"]

UNHASHABLE = frozenset({"any", "list", "set", "dict", "ordered-dict", "counter", "deque", "typed-dict", "generator"})

TOLD_APART = frozenset({"int", "bool", "none", "date", "enum"})
"""Nodes with one JSON value for each of their values."""

ALONE = frozenset({"str", "none", "date"})
"""Nodes without a value that equals one of another kind, as 1 equals True and (1,) equals (True,)."""


def choices_of(node: Node) -> list[Node]:
    """The nodes of a union or a tuple, without the labels that some have."""
    choices = node.get("items_schema") or node["choices"]
    listed = choices.values() if isinstance(choices, Mapping) else choices
    return [choice[0] if isinstance(choice, tuple) else choice for choice in listed]


def is_hashable(walk: Walk, node: Node, seen: frozenset[str] = frozenset()) -> bool:
    """Whether all values of a node can be hashed; what a function makes of them is not known and taken as hashable."""
    kind = node["type"]
    if kind == "definition-ref":
        reference = node["schema_ref"]
        return reference in seen or is_hashable(walk, walk.nodes[reference][0], seen | {reference})
    if kind in ("model", "dataclass"):
        return node["cls"].__hash__ is not None
    if kind.startswith("function-") or kind == "lax-or-strict":
        return True
    inner = [node[key] for key in ("schema", "json_schema") if key in node]
    if kind in ("tuple", "union", "tagged-union"):
        inner = choices_of(node)
    return kind not in UNHASHABLE and all(is_hashable(walk, part, seen) for part in inner)


def is_told_apart(walk: Walk, node: Node, place: Place, seen: frozenset[str] = frozenset()) -> bool:
    """Whether two JSON values that differ are always read as two values: 1 and 2 are, "0.1" and "0.10" as Decimals not.

    What a function makes of a value is not known, and as if it were left alone.
    """
    kind = node["type"]
    if kind == "definition-ref":
        reference = node["schema_ref"]
        return reference in seen or is_told_apart(walk, walk.nodes[reference][0], place, seen | {reference})
    if kind == "str":
        return not any(node.get(name, place.config.get(f"str_{name}")) for name in ("to_lower", "to_upper"))
    if kind == "literal":
        return len({*node["expected"]}) == len(node["expected"])
    if kind in ("nullable", "default", "custom-error") or (kind.startswith("function-") and "schema" in node):
        return is_told_apart(walk, node["schema"], place, seen)
    if kind in ("tuple", "union"):
        parts = choices_of(node)
        others = [part for part in parts if part["type"] not in ALONE]
        return (kind == "tuple" or len(others) < 2) and all(is_told_apart(walk, part, place, seen) for part in parts)
    return kind in TOLD_APART
