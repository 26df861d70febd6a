"""Arrays: first items one by one, then a counted repeat of the others.

Place in the walk: conjunction -> **ArrayShape** -> rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from grammars.errors import EmptyLanguage
from grammars.frontends.json_schema.chains import Rules, in_order
from grammars.frontends.json_schema.conjunction import Part, count_range, statically_false, tightest
from grammars.frontends.json_schema.keywords import Own
from grammars.ir import Choice, Node, Repeat
from grammars.ir import Sequence as Seq

__all__ = ["ArrayShape", "array_node", "array_shape"]


class ArrayShape(NamedTuple):
    """Arrays with `low` to `high` items: the parts of the first ones, then those of all others (None: no others)."""

    prefix: tuple[tuple[Part, ...], ...]
    rest: tuple[Part, ...] | None
    low: int = 0
    high: int | None = None


def array_shape(owns: Sequence[Own]) -> ArrayShape:
    """The items that all the subschemas ask for together.

    Raises `EmptyLanguage` when more items are asked for than can be.
    """
    low, high = count_range(owns, "minItems", "maxItems")
    longest = max((len(own.prefix) for own in owns), default=0)
    prefix: list[tuple[Part, ...]] = []
    others: tuple[Part, ...] = tuple(own.items for own in owns if own.items is not None)
    rest = None if statically_false(others) else others
    for index in range(longest):
        parts = tuple(part for own in owns if (part := _item(own, index)) is not None)
        if statically_false(parts) is not None:
            rest = None
            break
        prefix.append(parts)
    if rest is None and low > len(prefix):
        bound = tightest(owns, "minItems")
        assert bound is not None
        raise EmptyLanguage(
            f"{bound} is more than the {len(prefix)} items that the schema allows", pointer=bound.pointer
        )
    if high is not None and high <= len(prefix):
        prefix, rest = prefix[:high], None
    return ArrayShape(tuple(prefix), rest, low, high)


def _item(own: Own, index: int) -> Part | None:
    return own.prefix[index] if index < len(own.prefix) else own.items


def array_node(shape: ArrayShape, rules: Rules, name: str, depth: int) -> Node:
    """The arrays of a shape; `name` prefixes the rules for where an array may end between its first items.

    `[A, B?, C...]` becomes, without gaps, `"[" A #~[1]` and the rule `#~[1] = "," B ("," C)* "]" | "]"`.
    """
    layout = rules.layout
    empty = Seq(layout.empty(b"[]"))
    if not shape.prefix and shape.rest is None:
        return empty
    comma = layout.comma(depth)
    closing = layout.closing(b"]", depth)
    tail: tuple[Node, ...] = closing
    first = len(shape.prefix)
    if shape.rest is not None:
        others = rules.rule(shape.rest, depth + 1)
        least = max(0, shape.low - max(first, 1))
        most = None if shape.high is None else shape.high - max(first, 1)
        repeat = Repeat(Seq((*comma, others)), least, most)
        tail = (repeat, *closing) if first else (others, repeat, *closing)
    for index in range(first - 1, -1, -1):
        item = rules.rule(shape.prefix[index], depth + 1)
        tail = (*(comma if index else ()), item, *tail)
        if index >= max(1, shape.low):
            tail = (rules.define(f"{name}~[{index}]", Choice((Seq(tail), in_order(closing)))),)
    full = Seq((*layout.opening(b"[", depth), *tail))
    return full if shape.low else Choice((empty, full))
