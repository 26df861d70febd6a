"""The leaves of JSON Schema that are made ahead: `make standard` writes those of `standard_nodes` to their file.

Place in the walk: beside it; see `grammars.standard`.
"""

from __future__ import annotations

from grammars.fragments import new_body_leaf, new_fragment, opened
from grammars.frontends.json_schema.compiler import parse_json_schema
from grammars.frontends.json_schema.formats import FORMATS
from grammars.frontends.json_schema.numbers import Bounds, number
from grammars.ir import JsonString, Node
from grammars.limits import Limits
from grammars.standard import Made, write
from grammars.summary import is_split

__all__ = ["BOUNDS", "made", "standard_contents"]

BOUNDS = (
    Bounds(minimum=0),
    Bounds(exclusive_minimum=0),
    Bounds(minimum=1),
    Bounds(minimum=0, maximum=1),
    Bounds(minimum=0, maximum=100),
    Bounds(minimum=-90, maximum=90),
    Bounds(minimum=-180, maximum=180),
)
"""The bounds of numbers that schemas have most: amounts and counts, shares, per cent, latitude and longitude."""


def standard_contents() -> list[tuple[Node, bool | None]]:
    """Numbers, which are bodies; and of the strings of each format what is in them, and whether characters are counted.

    Formats that are larger than a leaf may be are left out.
    """
    any_number = parse_json_schema({"type": "number"}).rules["any number"]
    strings = [JsonString(FORMATS[name]) for name in FORMATS]
    numbers = [any_number, *(number(**bounds) for bounds in BOUNDS)]
    return [*((node, None) for node in numbers), *(opened(string)[:2] for string in strings if not is_split(string))]


def made(content: Node, counts: bool | None) -> Made:
    """What a content becomes."""
    if counts is None:
        found = new_body_leaf(content, Limits().states).fragment
    else:
        found = new_fragment(content, "any", counts=counts)
    return Made(found.piece, found.window)


if __name__ == "__main__":
    write((content, counts, made(content, counts)) for content, counts in standard_contents())
