"""Arrays: first items one by one, then a counted repeat of the others.

Place in the walk: conjunction -> **ArrayShape** -> rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from grammars.errors import EmptyLanguage, LimitExceeded, UnsupportedFeature
from grammars.frontends.json_schema.chains import Rules, in_order
from grammars.frontends.json_schema.conjunction import count_range, statically_false, tightest
from grammars.frontends.json_schema.negation import negated
from grammars.frontends.json_schema.parts import Own, Part, SomeItems
from grammars.frontends.json_schema.supply import Needed
from grammars.frontends.json_schema.whitespace import Layout
from grammars.ir import Choice, Node, Ref, Repeat
from grammars.ir import Sequence as Seq

__all__ = ["ArrayShape", "array_node", "array_shape", "list_node"]


_STATES = 10_000
"""Most rules that counting the items of one array may take."""


class ArrayShape(NamedTuple):
    """Arrays with `low` to `high` items: the parts of the first ones, then those of all others (None: no others).

    `some` say how many of the items satisfy a part; `distinct` is where it is said that no two are equal, if it is.
    """

    prefix: tuple[tuple[Part, ...], ...]
    rest: tuple[Part, ...] | None
    low: int = 0
    high: int | None = None
    some: tuple[SomeItems, ...] = ()
    distinct: str | None = None


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
    distinct = next((own.pointer("uniqueItems") for own in owns if own.distinct), None)
    return ArrayShape(tuple(prefix), rest, low, high, _asked_for(owns), distinct)


def _asked_for(owns: Sequence[Own]) -> tuple[SomeItems, ...]:
    """The counts that not every array has."""
    return tuple([some for own in owns for some in own.some_items if some.low or some.high is not None])


def _item(own: Own, index: int) -> Part | None:
    return own.prefix[index] if index < len(own.prefix) else own.items


def array_node(shape: ArrayShape, rules: Rules, name: str, depth: int) -> Node:
    """The arrays of a shape; `name` prefixes the rules for where an array may end between its first items.

    `[A, B?, C...]` becomes, without gaps, `"[" A #~[1]` and the rule `#~[1] = "," B ("," C)* "]" | "]"`.
    """
    if shape.distinct is not None and (shape.high is None or shape.high > 1):
        needed = _needed(shape, rules, depth)
        return rules.distinct(f"{name}~[]", array_node(shape._replace(distinct=None), rules, name, depth), needed)
    layout = rules.layout
    empty = Seq(layout.empty(b"[]"))
    if shape.some:
        return _Counted(shape, rules, name, depth).node(empty)
    if not shape.prefix and shape.rest is None:
        return empty
    if not shape.prefix and shape.rest is not None:
        return list_node(layout, depth, rules.rule(shape.rest, depth + 1), shape.low, shape.high)
    comma = layout.comma(depth)
    closing = layout.closing(b"]", depth)
    tail: tuple[Node, ...] = closing
    first = len(shape.prefix)
    if shape.rest is not None:
        others = rules.rule(shape.rest, depth + 1)
        most = None if shape.high is None else shape.high - first
        tail = (Repeat(Seq((*comma, others)), max(0, shape.low - first), most), *closing)
    for index in range(first - 1, -1, -1):
        item = rules.rule(shape.prefix[index], depth + 1)
        tail = (*(comma if index else ()), item, *tail)
        if index >= max(1, shape.low):
            tail = (rules.define(f"{name}~[{index}]", Choice((Seq(tail), in_order(closing)))),)
    full = Seq((*layout.opening(b"[", depth), *tail))
    return full if shape.low else Choice((empty, full))


def list_node(layout: Layout, depth: int, item: Node, low: int = 0, high: int | None = None) -> Node:
    """The arrays of `low` to `high` items, at least of one where there is a `high`."""
    more = Repeat(Seq((*layout.comma(depth), item)), max(0, low - 1), None if high is None else high - 1)
    full = Seq((*layout.opening(b"[", depth), item, more, *layout.closing(b"]", depth)))
    return full if low else Choice((Seq(layout.empty(b"[]")), full))


def _needed(shape: ArrayShape, rules: Rules, depth: int) -> Needed:
    """Which rules must have how many different values for the items that must be there."""
    some = [one for one in shape.some if one.low]
    beside = "several contains" if len(some) > 1 else "prefixItems and contains" if some and shape.prefix else ""
    if not beside and shape.low > 1 and any(one.high is not None for one in shape.some):
        beside = "minItems and maxContains"
    if beside:
        raise UnsupportedFeature(f"uniqueItems beside {beside} is not supported", pointer=shape.distinct)
    wanted: dict[Ref, int] = {}
    for index in range(1, shape.low):
        parts = shape.prefix[index] if index < len(shape.prefix) else shape.rest
        if parts is not None:
            wanted[rules.rule(parts, depth + 1)] = index + 1
    for one in some:
        if one.low > 1 and shape.rest is not None:
            wanted[rules.rule((*shape.rest, one.part), depth + 1)] = one.low
    return Needed(tuple(wanted.items()), shape.distinct or "")


class _Counted:
    """The rules of an array that counts which of its items satisfy what.

    State (i, counts): i items are written, and so many of them counted for each of `some`. Neither is counted further
    than it matters. Where there is no maximum, an item that would count need not be counted; where there is one, those
    that are not counted do not satisfy the part.
    """

    def __init__(self, shape: ArrayShape, rules: Rules, name: str, depth: int) -> None:
        self.shape, self.rules, self.name, self.depth = shape, rules, name, depth
        starts = [some.start for some in shape.some]
        self.most = max(len(shape.prefix), shape.low, shape.high or 0, *starts)
        self.made: dict[tuple[int, tuple[int, ...]], Ref] = {}
        self.pending: list[tuple[int, tuple[int, ...]]] = []

    def node(self, empty: Node) -> Node:
        layout = self.rules.layout
        begin = (0, (0,) * len(self.shape.some))
        options = self.items(*begin)
        nodes: list[Node] = [Seq((*layout.opening(b"[", self.depth), *option)) for option in options]
        if self.may_end(*begin):
            nodes.append(empty)
        while self.pending:
            state = self.pending.pop()
            following: list[Node] = [Seq((*layout.comma(self.depth), *option)) for option in self.items(*state)]
            if self.may_end(*state):
                following.append(in_order(layout.closing(b"]", self.depth)))
            self.rules.define(self.made[state].name, Choice(tuple(following)))
        return Choice(tuple(nodes))

    def may_end(self, index: int, counts: tuple[int, ...]) -> bool:
        enough = all(count >= some.low for count, some in zip(counts, self.shape.some, strict=True))
        return enough and index >= self.shape.low

    def items(self, index: int, counts: tuple[int, ...]) -> Iterator[tuple[Node, ...]]:
        """What the next item may be, each with the state behind it."""
        shape = self.shape
        if shape.high is not None and index >= shape.high:
            return
        base = shape.prefix[index] if index < len(shape.prefix) else shape.rest
        if base is None:
            return
        for counted in product(
            *(self.choices(some, index, count) for some, count in zip(shape.some, counts, strict=True))
        ):
            parts = (*base, *[part for added in counted for part in added[1]])
            if statically_false(parts) is not None:
                continue
            after = min(index + 1, self.most), tuple([added[0] for added in counted])
            yield self.rules.rule(parts, self.depth + 1), self.goto(after)

    def choices(self, some: SomeItems, index: int, count: int) -> Iterator[tuple[int, tuple[Part, ...]]]:
        """The count behind the next item, and what that asks of it."""
        if index < some.start or (some.high is None and count == some.low):
            yield count, ()
            return
        yield count, () if some.high is None else (negated(some.part),)
        if some.high is None or count < some.high:
            yield count + 1, (some.part,)

    def goto(self, state: tuple[int, tuple[int, ...]]) -> Ref:
        made = self.made.get(state)
        if made is None:
            if len(self.made) >= _STATES:
                raise LimitExceeded(
                    f"counting the items of an array needs more than {_STATES:,} rules",
                    hint="use smaller counts for contains, minItems and maxItems",
                )
            made = self.made[state] = Ref(f"{self.name}~[{state[0]};{','.join(map(str, state[1]))}]")
            self.pending.append(state)
        return made
