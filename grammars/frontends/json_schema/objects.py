"""Objects: which keys may stand in which order, and a right-linear chain of rules over them.

Place in the walk: conjunction -> **ObjectShape** -> rules. Keys are written in one order: declared properties as they
are declared, then required ones that nobody declared, then all others. A key that is open to the model is spelled in
any way that JSON allows, but is never one of the declared names in disguise (`"a"` is `"\\u0061"`).

What no automaton can hold is refused or documented: open keys may repeat. Readers of JSON then keep one of the
values, each of which satisfies the schema, so that the value is valid; only `minProperties` would count wrongly, and
is refused where it would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from grammars.errors import EmptyLanguage, LimitExceeded, UnsupportedFeature
from grammars.frontends.json_schema.conjunction import Part, clash, flatten, statically_false, tightest
from grammars.frontends.json_schema.keywords import STRING, Own, Pattern
from grammars.frontends.json_schema.refs import Location, show
from grammars.frontends.json_schema.strings import ANY_TEXT, nothing_in, string_content
from grammars.frontends.json_schema.values import holds, key_text, listed, matches, value_parts
from grammars.frontends.json_schema.whitespace import Layout
from grammars.ir import NOTHING, And, Bytes, Choice, JsonString, Node, Not, Ref, Repeat
from grammars.ir import Sequence as Seq
from grammars.ir import text as text_node

__all__ = ["Member", "ObjectShape", "OpenKeys", "Rules", "object_node", "object_shape"]

_KEY_REGIONS = 256
_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Member:
    """A key with a name: the parts that its value satisfies, and whether it must be there."""

    name: str
    parts: tuple[Part, ...]
    required: bool


@dataclass(frozen=True, slots=True)
class OpenKeys:
    """All keys whose characters are in `content`, and the parts that their values satisfy."""

    content: Node
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """The objects of a conjunction: members in order, then open keys, `low` to `high` of them altogether."""

    members: tuple[Member, ...]
    open: tuple[OpenKeys, ...]
    low: int = 0
    high: int | None = None


class Rules(Protocol):
    """What the builders need of the compiler."""

    layout: Layout

    def rule(self, parts: tuple[Part, ...], depth: int) -> Ref:
        """The rule of a conjunction."""

    def define(self, name: str, node: Node) -> Ref:
        """Adds a helper rule."""


# Shape ---------------------------------------------------------------------------------------------------------------


def object_shape(owns: Sequence[Own]) -> ObjectShape:
    """Which keys objects may and must have by all the subschemas together.

    Raises `EmptyLanguage` when a required key cannot be, or bounds contradict.
    """
    low, high = clash(owns, "minProperties", "maxProperties")
    required = {name: pointer for own in owns for name, pointer in own.required.items()}
    names = {name: None for own in owns for name in own.properties or ()}
    names.update(dict.fromkeys(required))
    name_owns = [own.names for own in owns if own.names is not None]
    listed = _listed_names(name_owns)
    if listed is not None:
        names.update(dict.fromkeys(listed))
    simple = len(owns) == 1 and not owns[0].pattern_properties and not name_owns
    members = []
    for name in names:
        parts = _parts_of(owns[0], name) if simple else tuple(p for own in owns for p in value_parts(own, name))
        reason = _impossible(name, parts, name_owns)
        if reason is None:
            members.append(Member(name, parts, name in required))
        elif name in required:
            raise EmptyLanguage(
                f"the required property {show(name)} is not allowed by {reason}", pointer=required[name]
            )
    closed = listed is not None or any(_closed(own) for own in owns)
    shape_open = () if closed else tuple(_open_keys(owns, list(names), name_owns))
    _check_counts(owns, len(required), None if shape_open else len(members))
    return ObjectShape(tuple(members), shape_open, low, high)


def _parts_of(own: Own, name: str) -> tuple[Part, ...]:
    location = (own.properties or {}).get(name, own.additional)
    return () if location is None else (location,)


def _closed(own: Own) -> bool:
    """Whether only declared keys are possible, whatever else is conjoined."""
    additional = own.additional
    return not own.pattern_properties and additional is not None and additional.schema is False


def _impossible(name: str, parts: tuple[Part, ...], name_owns: list[Location]) -> str | None:
    """What rules a key out, as far as can be seen without building its value."""
    false = statically_false(parts)
    if false is not None:
        keyword = false.pointer.rpartition("/")[2]
        return (
            f"additionalProperties: false (#{false.pointer})"
            if keyword == "additionalProperties"
            else (f"the schema false (#{false.pointer})")
        )
    refusing = next((location for location in name_owns if not holds(name, (location,))), None)
    return None if refusing is None else f"propertyNames (#{refusing.pointer})"


def _check_counts(owns: Sequence[Own], required: int, most: int | None) -> None:
    low, high = tightest(owns, "minProperties"), tightest(owns, "maxProperties")
    if high is not None and required > high.value:
        raise EmptyLanguage(f"{required} properties are required, but {high} allows no more", pointer=high.pointer)
    if low is not None and most is not None and most < low.value:
        raise EmptyLanguage(f"{low} is more than the {most} properties that may occur at all", pointer=low.pointer)


def _listed_names(name_owns: list[Location]) -> list[str] | None:
    """The names that `propertyNames` lists with `enum` or `const`; None when it lists none."""
    if not name_owns:
        return None
    found = listed(flatten(name_owns))
    return None if found is None else [value for value in found.values if isinstance(value, str)]


def _open_keys(owns: Sequence[Own], names: list[str], name_owns: list[Location]) -> Iterator[OpenKeys]:
    """The open keys, in regions of equal treatment: each pattern alone, patterns that overlap together, all others."""
    names_content = _names_content(name_owns)
    patterns = list({p.source: p for own in owns for p, _ in own.pattern_properties}.values())
    for inside, outside in _regions(patterns):
        sources = {pattern.source for pattern in inside}
        parts: list[Part] = []
        for own in owns:
            matched = [location for pattern, location in own.pattern_properties if pattern.source in sources]
            parts += matched or ([] if own.additional is None else [own.additional])
        if statically_false(parts) is not None:
            continue
        excluded = [name for name in names if all(matches(pattern.node, name) for pattern in inside)]
        limits = [pattern.node for pattern in inside] + names_content
        limits += [Not(Choice(tuple(pattern.node for pattern in outside)))] if outside else []
        limits += _excluding(excluded)
        content = ANY_TEXT if not limits else limits[0] if len(limits) == 1 else And(tuple(limits))
        yield OpenKeys(content, tuple(dict.fromkeys(parts)))


def _excluding(names: list[str]) -> list[Node]:
    """Everything but the names; one with a lone surrogate needs no exclusion, as open keys never have one."""
    texts = []
    for name in names:
        try:
            texts.append(text_node(name))
        except UnicodeEncodeError:
            continue
    return [Not(Choice(tuple(texts)))] if texts else []


def _names_content(name_owns: list[Location]) -> list[Node]:
    """What `propertyNames` asks of the characters of a key."""
    if not name_owns:
        return []
    conjunction = flatten(name_owns)
    if conjunction.unions:
        union = conjunction.unions[0]
        raise UnsupportedFeature(
            f"{union.keyword} inside propertyNames is not supported yet",
            pointer=union.pointer,
            hint="use one pattern, or list the names with enum",
        )
    refused = next((r for own in conjunction.owns for r in own.refused if r.types & STRING), None)
    if refused is not None:
        raise refused.error
    if not conjunction.types & STRING:
        return [NOTHING]
    content = string_content(conjunction.owns)
    return [] if content == ANY_TEXT else [content]


def _regions(patterns: list[Pattern]) -> Iterator[tuple[list[Pattern], list[Pattern]]]:
    """The sets of patterns that some key can match together, each with the patterns that it must not match."""
    if len(patterns) <= 1:
        yield from ((patterns, []), ([], patterns)) if patterns else (([], []),)
        return
    regions: list[tuple[list[Pattern], list[Pattern]]] = [([], [])]
    for pattern in patterns:
        split = []
        for inside, outside in regions:
            split += [([*inside, pattern], outside), (inside, [*outside, pattern])]
        regions = [region for region in split if not _no_key(*region)]
        if len(regions) > _KEY_REGIONS:
            raise LimitExceeded(
                f"{len(patterns)} patternProperties overlap in more than {_KEY_REGIONS} ways",
                hint="use patterns that exclude each other",
            )
    yield from sorted(regions, key=lambda region: not region[0])


def _no_key(inside: list[Pattern], outside: list[Pattern]) -> bool:
    parts: list[Node] = [pattern.node for pattern in inside]
    parts += [Not(pattern.node) for pattern in outside]
    return nothing_in(And(tuple(parts)))


# Rules ---------------------------------------------------------------------------------------------------------------


def object_node(shape: ObjectShape, rules: Rules, name: str, depth: int, pointer: str) -> Node:
    """The objects of a shape; `name` prefixes the chain's rules, `pointer` is named when the shape is refused.

    `{"a": 1, "b"?: 2}` becomes, without gaps, `"{" "a": 1 #~[1,1] "}"` and the rule `#~[1,1] = "," "b": 2 | ` (nothing).
    """
    layout = rules.layout
    chain = _Chain(shape, rules, name, depth, pointer)
    body = chain.body(0, 0)
    full = Seq((*layout.opening(b"{", depth), *body, *layout.closing(b"}", depth))) if body is not None else None
    chain.finish()
    empty = _in_order(layout.empty(b"{}"))
    if shape.low or any(member.required for member in shape.members):
        return NOTHING if full is None else full
    return empty if full is None else Choice((empty, full))


class _Chain:
    """The rules of one object. State (i, n): members before the i-th are decided, n keys are written.

    n is counted no further than bounds need: to 1 (is there a comma to write?), to minProperties, to one more than
    maxProperties.
    """

    def __init__(self, shape: ObjectShape, rules: Rules, name: str, depth: int, pointer: str) -> None:
        self.shape, self.rules, self.name, self.depth, self.pointer = shape, rules, name, depth, pointer
        self.most = max(1, shape.low, 0 if shape.high is None else shape.high + 1)
        self.entries = [self._entry(member) for member in shape.members]
        self.open = self._open_entry()
        self.pending: list[tuple[int, int]] = []
        self.made: set[tuple[int, int]] = set()
        if len(shape.members) * self.most > _COUNTED and self.most > 1:
            raise LimitExceeded(
                f"counting {len(shape.members)} properties to {self.most} needs more than {_COUNTED} rules",
                pointer=pointer,
                hint="leave out minProperties or maxProperties",
            )

    def _entry(self, member: Member) -> tuple[Node, ...]:
        value = self.rules.rule(member.parts, self.depth + 1)
        return (Bytes(key_text(member.name)), *self.rules.layout.colon(), value)

    def _open_entry(self) -> Node | None:
        colon = self.rules.layout.colon()
        entries = [
            Seq((JsonString(keys.content), *colon, self.rules.rule(keys.parts, self.depth + 1)))
            for keys in self.shape.open
        ]
        if not entries:
            return None
        return entries[0] if len(entries) == 1 else Choice(tuple(entries))

    def body(self, index: int, count: int) -> tuple[Node, ...] | None:
        """What follows in a state: the required members up to the next optional one, and the choice there."""
        members, most = self.shape.members, self.most
        comma = self.rules.layout.comma(self.depth)
        nodes: list[Node] = []
        while index < len(members) and members[index].required:
            nodes += [*(comma if count else ()), *self.entries[index]]
            index, count = index + 1, min(count + 1, most)
        if not self._alive(index, count):
            return None
        if index == len(members):
            end = self._end(count)
            return None if end is None else (*nodes, *end)
        options: list[Node] = []
        if self._alive(index + 1, count + 1):
            written = [*(comma if count else ()), *self.entries[index]]
            options.append(Seq((*written, *self._goto(index + 1, min(count + 1, most)))))
        if self._alive(index + 1, count):
            options.append(_in_order(self._goto(index + 1, count)))
        return (*nodes, Choice(tuple(options))) if options else None

    def _alive(self, index: int, count: int) -> bool:
        """Whether the bounds can still be met; an object without keys is not written by the chain."""
        left = len(self.shape.members) - index if self.open is None else None
        if self.shape.high is not None and count > self.shape.high:
            return False
        return left is None or min(count, self.most) + left >= max(1, self.shape.low)

    def _goto(self, index: int, count: int) -> tuple[Node, ...]:
        if index == len(self.shape.members):
            end = self._end(count)
            return (NOTHING,) if end is None else end
        if (index, count) not in self.made:
            self.made.add((index, count))
            self.pending.append((index, count))
        return (Ref(self._rule(index, count)),)

    def _rule(self, index: int, count: int) -> str:
        return f"{self.name}~[{index},{count}]"

    def _end(self, count: int) -> tuple[Node, ...] | None:
        """After the last member: open keys, as many as the bounds still ask for and allow."""
        low = max(0, self.shape.low - count)
        high = None if self.shape.high is None else self.shape.high - count
        if self.open is None:
            return () if count and not low else None
        if high == 0:
            return () if count else None
        if low > 1:
            raise UnsupportedFeature(
                f"minProperties {self.shape.low} needs {low} distinct open keys, which cannot be counted here",
                pointer=f"{self.pointer}/minProperties",
                hint="use minProperties 1, or close the object with additionalProperties: false",
            )
        following = Seq((*self.rules.layout.comma(self.depth), self.open))
        if count:
            return (Repeat(following, low, high),)
        return (self.open, Repeat(following, 0, None if high is None else high - 1))

    def finish(self) -> None:
        """Builds the rules that others refer to, until no new one is met."""
        while self.pending:
            index, count = self.pending.pop()
            body = self.body(index, count)
            self.rules.define(self._rule(index, count), NOTHING if body is None else _in_order(body))


def _in_order(nodes: tuple[Node, ...]) -> Node:
    """The nodes one after another, without a sequence around a single one."""
    return nodes[0] if len(nodes) == 1 else Seq(nodes)
