"""Chains: the node of one object, and the rules of one that must have open keys.

Place in the walk: ObjectShape -> **node**. One node holds all members. Where keywords ask for open keys, these stand
last, and there is a right-linear rule from one optional key to the next for each number of keys; then keys keep the
order of the schema in any layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations, product
from typing import Protocol

from grammars.errors import LimitExceeded, UnsupportedFeature
from grammars.frontends.json_schema.conjunction import is_anything
from grammars.frontends.json_schema.emptiness import nothing_in
from grammars.frontends.json_schema.objects import Member, ObjectShape
from grammars.frontends.json_schema.parts import Every, Part, SomeKey
from grammars.frontends.json_schema.supply import Needed
from grammars.frontends.json_schema.values import in_content, key_text
from grammars.frontends.json_schema.whitespace import Layout
from grammars.ir import NOTHING, And, Bytes, Choice, JsonString, Members, Node, Not, Ref, Repeat
from grammars.ir import Sequence as Seq

__all__ = ["END", "Rules", "begin_of_members", "in_order", "members_node", "object_node"]

_COUNTED = 100_000
"""Most rules that counting the keys of one object may take."""

_SHAPES = 256
"""In how many ways, at most, the properties that keywords ask for may be found among the members of an object."""

_SHAPE, _MEMBER = 16, 4
"""What one of these ways costs, and each of its members: as many parts as are looked at in the time."""

END = Bytes(b"}")


class Rules(Protocol):
    """What the builders need of the compiler."""

    layout: Layout

    def rule(self, parts: tuple[Part, ...], depth: int) -> Ref:
        """The rule of a conjunction."""

    def define(self, name: str, node: Node) -> Ref:
        """Adds a helper rule."""

    def distinct(self, name: str, node: Node, needed: Needed) -> Ref:
        """Adds a rule of those arrays of which no two items are equal."""

    def widen(self, error: UnsupportedFeature) -> None:
        """Raises the error, unless what it speaks of may be left out."""

    def spend(self, parts: int) -> None:
        """Takes parts that are written off the work; raises `LimitExceeded` when none is left."""


def object_node(shape: ObjectShape, rules: Rules, name: str, depth: int, pointer: str) -> Node:
    """The objects of a shape; `name` prefixes the chain's rules, `pointer` is named when the shape is refused."""
    if shape.some:
        nodes = []
        for number, one in enumerate(_with_some(shape, pointer)):
            rules.spend(_SHAPE + _MEMBER * (len(one.members) + len(one.open)))
            nodes.append(object_node(one, rules, f"{name}~{number}", depth, pointer))
        return Choice(tuple(nodes))
    if not shape.last and shape.high != 0 and (shape.members or shape.open):
        return _members(shape, rules, depth, pointer)
    layout = rules.layout
    chain = _Chain(shape, rules, name, depth, pointer)
    body = chain.body(0, 0)
    full = None if body is None else Seq((*layout.opening(b"{", depth), *body))
    chain.finish()
    empty = in_order(layout.empty(b"{}"))
    if shape.low or shape.last or any(member.required for member in shape.members):
        return NOTHING if full is None else full
    return empty if full is None else Choice((empty, full))


def _with_some(shape: ObjectShape, pointer: str) -> Iterator[ObjectShape]:
    """The shapes in which each of `some` is met: by a member, or by an open key, which then stands last.

    Readers of JSON keep the last of two equal keys, so that nothing behind it can undo what it meets.
    """
    asked = _distinct(shape.some)
    choices: list[list[int]] = []
    for some in asked:
        found = [i for i, member in enumerate(shape.members) if in_content(some.content, member.name)]
        choices.append([*found, -1] if shape.open else found)
    count = 0
    for chosen in product(*choices):
        members = [*shape.members]
        last = []
        for some, place in zip(asked, chosen, strict=True):
            if place < 0:
                last.append(some)
            else:
                member = members[place]
                members[place] = Member(member.name, (*member.parts, some.part), required=True)
        for apart in _apart(last, shape.high, pointer):
            count += 1
            if count > _SHAPES:
                message = f"there are more than {_SHAPES} ways to have the properties asked for"
                raise LimitExceeded(message, pointer=pointer)
            yield shape._replace(members=tuple(members), last=apart, some=())


def _distinct(asked: Sequence[SomeKey]) -> list[SomeKey]:
    """What is asked for, without keys that are there when others are."""
    said = [some for some in asked if not is_anything(some.part)]
    contents = {some.content for some in said}
    return [
        *{some.content: some for some in asked if is_anything(some.part) and some.content not in contents}.values(),
        *said,
    ]


def _apart(last: Sequence[SomeKey], most: int | None, pointer: str) -> Iterator[tuple[SomeKey, ...]]:
    """The ways to meet what is asked for by open keys, each of which may meet several; `last` is of `_distinct`.

    Two keys might be one, of which readers keep the last value. So what asks for a key alone comes first. Keys with
    values of their own are told apart by the contents that they are in; where that does not tell, they are refused.
    """
    if not last:
        yield ()
        return
    said = [i for i, some in enumerate(last) if not is_anything(some.part)]
    for i, j in combinations(said, 2):
        if most != 1 and not nothing_in(And((last[i].content, last[j].content))):
            raise UnsupportedFeature("two keywords ask for properties that may be one", pointer=pointer)
    for groups in _partitions(list(range(len(last)))):
        with_values = [group for group in groups if any(i in said for i in group)]
        alone = [_key_of(last, group, ()) for group in groups if group not in with_values]
        others = [[i for i in said if i not in group] if len(with_values) > 1 else [] for group in with_values]
        yield *alone, *(_key_of(last, group, out) for group, out in zip(with_values, others, strict=True))


def _key_of(last: Sequence[SomeKey], group: tuple[int, ...], out: Sequence[int]) -> SomeKey:
    """A key in the contents of a group, and out of others, with a value that meets what the group asks for."""
    contents = [last[i].content for i in group] + [Not(last[i].content) for i in out]
    parts = [last[i].part for i in group]
    part = parts[0] if len(parts) == 1 else Every(tuple(parts))
    return SomeKey(contents[0] if len(contents) == 1 else And(tuple(contents)), part)


def _partitions(items: list[int]) -> Iterator[list[tuple[int, ...]]]:
    """All ways to divide items into groups."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for groups in _partitions(rest):
        yield [(first,), *groups]
        for i, group in enumerate(groups):
            yield [*groups[:i], (first, *group), *groups[i + 1 :]]


def _members(shape: ObjectShape, rules: Rules, depth: int, pointer: str) -> Node:
    """The object as one node. Open keys may repeat, so that they are counted as one."""
    layout = rules.layout
    required = frozenset([i for i, member in enumerate(shape.members) if member.required])
    if shape.open and shape.low > len(required) + 1:
        rules.widen(_too_many(shape, shape.low - len(required), pointer))
    return members_node(
        layout,
        depth,
        [member.name for member in shape.members],
        [Seq((*layout.colon(), rules.rule(member.parts, depth + 1))) for member in shape.members],
        required,
        [(keys.content, Seq((*layout.colon(), rules.rule(keys.parts, depth + 1)))) for keys in shape.open],
        shape.low if shape.low > max(1, len(required)) else 0,
        shape.high if shape.open or (shape.high or 0) < len(shape.members) else None,
        is_empty=not required and not shape.low,
    )


def members_node(
    layout: Layout,
    depth: int,
    names: list[str],
    values: list[Node],
    required: frozenset[int],
    open_keys: list[tuple[Node, Node]],
    low: int = 0,
    high: int | None = None,
    *,
    is_empty: bool,
) -> Node:
    """The objects with these names, behind each of them a value; then keys of other characters with theirs."""
    begin, separator, end = _around_members(layout, depth)
    is_apart = layout.indent is not None  # then an object without members begins with other bytes
    members = Members(
        begin,
        tuple(map(key_text, names)),
        tuple(values),
        required,
        tuple([(JsonString(content), value) for content, value in open_keys]),
        separator,
        end,
        END if is_empty and not is_apart else None,
        layout.any_order and len(names) + len(open_keys) > 1,
        low,
        high,
    )
    return Choice((in_order(layout.empty(b"{}")), members)) if is_apart and is_empty else members


def begin_of_members(layout: Layout) -> Node:
    """What stands before the first key of the outermost object, and of all others but with a fixed indent."""
    return _around_members(layout, 0)[0]


@lru_cache(maxsize=1024)
def _around_members(layout: Layout, depth: int) -> tuple[Node, Node, Node]:
    """The begin, the separator and the end of an object: shared, as is what becomes known of them."""
    return in_order(layout.opening(b"{", depth)), in_order(layout.comma(depth)), in_order(layout.closing(b"}", depth))


class _Chain:
    """The rules of one object whose keys are counted.

    `{"a": 1, "b"?: 2}` becomes, without gaps, `"{" "a": 1 #~[1,1]` and the rule `#~[1,1] = "," "b": 2 "}" | "}"`:
    the bracket stands at the end of the chain, so that no rule is nullable and every reference is a tail call.

    State (i, n): members before the i-th are decided, n keys are written. n is counted no further than bounds need: to
    1 (is there a comma to write?), to minProperties, to one more than maxProperties.
    """

    def __init__(self, shape: ObjectShape, rules: Rules, name: str, depth: int, pointer: str) -> None:
        self.shape, self.rules, self.name, self.depth, self.pointer = shape, rules, name, depth, pointer
        self.comma = rules.layout.comma(depth)
        self.least = max(1, shape.low)
        self.most = max(self.least, 0 if shape.high is None else shape.high + 1)
        self.entries = [self._entry(member) for member in shape.members]
        self.open = self._open_entry()
        self.last = [self._open_entry(some) for some in shape.last]
        self.closing = rules.layout.closing(b"}", depth)
        self.pending: list[tuple[int, int]] = []
        self.made: dict[tuple[int, int], tuple[Ref]] = {}
        if len(shape.members) * self.most > _COUNTED and self.most > 1:
            raise LimitExceeded(
                f"counting {len(shape.members)} properties to {self.most} needs more than {_COUNTED} rules",
                pointer=pointer,
                hint="leave out minProperties or maxProperties",
            )

    def _entry(self, member: Member) -> tuple[Node, ...]:
        value = self.rules.rule(member.parts, self.depth + 1)
        return (Bytes(key_text(member.name)), *self.rules.layout.colon(), value)

    def _open_entry(self, some: SomeKey | None = None) -> Node | None:
        """Any open key with its value, or one of some that are asked for."""
        colon = self.rules.layout.colon()
        entries = []
        for content, parts in self.shape.open:
            if some is not None:
                content, parts = And((content, some.content)), (*parts, some.part)
            entries.append(Seq((JsonString(content), *colon, self.rules.rule(parts, self.depth + 1))))
        if not entries:
            return None
        return entries[0] if len(entries) == 1 else Choice(tuple(entries))

    def body(self, index: int, count: int) -> tuple[Node, ...] | None:
        """What follows in a state: the required members up to the next optional one, and the choice there."""
        members, most = self.shape.members, self.most
        nodes: list[Node] = []
        while index < len(members) and members[index].required:
            if count:
                nodes += self.comma
            nodes += self.entries[index]
            index, count = index + 1, min(count + 1, most)
        if not self._alive(index, count):
            return None
        if index == len(members):
            end = self._end(count)
            return None if end is None else (*nodes, *end)
        options: list[Node] = []
        more = min(count + 1, most)
        if self._alive(index + 1, more):
            following = self._goto(index + 1, more)
            options.append(Seq((*(self.comma if count else ()), *self.entries[index], *following)))
        if self._alive(index + 1, count):
            options.append(in_order(self._goto(index + 1, count)))
        return (*nodes, Choice(tuple(options))) if options else None

    def _alive(self, index: int, count: int) -> bool:
        """Whether the bounds can still be met; an object without keys is not written by the chain."""
        if self.shape.high is not None and count > self.shape.high:
            return False
        return self.open is not None or count + len(self.shape.members) - index >= self.least

    def _goto(self, index: int, count: int) -> tuple[Node, ...]:
        if index == len(self.shape.members):
            end = self._end(count)
            return (NOTHING,) if end is None else end
        state = (index, count)
        made = self.made.get(state)
        if made is None:
            made = self.made[state] = (Ref(f"{self.name}~[{index},{count}]"),)
            self.pending.append(state)
        return made

    def _end(self, count: int) -> tuple[Node, ...] | None:
        """After the last member: open keys, as many as the bounds still ask for and allow, and the bracket."""
        low = max(0, self.shape.low - count - bool(self.last))  # those that are asked for may be one key
        high = None if self.shape.high is None else self.shape.high - count - len(self.last)
        if self.last and self.open is not None:
            return self._end_with_last(count, low, high)
        if self.open is None:
            return self.closing if count and not low else None
        if high == 0:
            return self.closing if count else None
        if low > 1:
            self.rules.widen(_too_many(self.shape, low, self.pointer))
        following = Seq((*self.comma, self.open))
        if count:
            return (Repeat(following, low, high), *self.closing)
        return (self.open, Repeat(following, max(0, low - 1), None if high is None else high - 1), *self.closing)

    def _end_with_last(self, count: int, low: int, high: int | None) -> tuple[Node, ...] | None:
        """Open keys, then those that are asked for."""
        assert self.open is not None
        if high is not None and high < max(low, 0):
            return None
        if low > 0:
            self.rules.widen(_too_many(self.shape, low, self.pointer))
        last: list[Node] = []
        for entry in self.last:
            assert entry is not None
            last += [*(self.comma if last else ()), entry]
        if count:
            return (Repeat(Seq((*self.comma, self.open)), low, high), *self.comma, *last, *self.closing)
        return (Repeat(Seq((self.open, *self.comma)), low, high), *last, *self.closing)

    def finish(self) -> None:
        """Builds the rules that others refer to, until no new one is met."""
        while self.pending:
            state = self.pending.pop()
            body = self.body(*state)
            self.rules.define(self.made[state][0].name, NOTHING if body is None else in_order(body))


def _too_many(shape: ObjectShape, low: int, pointer: str) -> UnsupportedFeature:
    return UnsupportedFeature(
        f"minProperties {shape.low} needs {low} distinct open keys, which cannot be counted here",
        pointer=f"{pointer}/minProperties",
        hint="use minProperties 1, or close the object with additionalProperties: false",
    )


def in_order(nodes: tuple[Node, ...]) -> Node:
    """The nodes one after another, without a sequence around a single one."""
    return nodes[0] if len(nodes) == 1 else Seq(nodes)
