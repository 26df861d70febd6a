"""The leaves of JSON Schema that are made ahead: `make standard` writes those of `standard_nodes` to their file.

Place in the walk: beside it; see `grammars.standard`.
"""

from __future__ import annotations

from grammars.fragments import new_body_leaf, new_facts, new_leaf
from grammars.frontends.json_schema.compiler import parse_json_schema
from grammars.frontends.json_schema.formats import FORMATS
from grammars.ir import JsonString, Node
from grammars.limits import Limits
from grammars.positions import SOLID
from grammars.standard import Made, write
from grammars.summary import is_split

__all__ = ["made", "standard_nodes"]


def standard_nodes() -> list[Node]:
    """Any number, and the strings of each format but those that are larger than a leaf may be."""
    strings = [JsonString(FORMATS[name]) for name in FORMATS]
    any_number = parse_json_schema({"type": "number"}).rules["any number"]
    return [any_number, *(string for string in strings if not is_split(string))]


def made(node: Node) -> Made:
    """What a node becomes."""
    if isinstance(node, JsonString):
        found, facts = new_leaf(node), new_facts(node)
    else:
        found, facts = new_body_leaf(node, Limits().states), SOLID
    return Made(facts, found.low, found.high, found.fragment.piece, found.fragment.window)


if __name__ == "__main__":
    write((node, made(node)) for node in standard_nodes())
