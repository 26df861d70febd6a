"""Objects: which keys there may be, which must be, and what their values satisfy.

Place in the walk: conjunction -> **ObjectShape** -> chains. Keys are written in one order: declared properties as they
are declared, then required ones that nobody declared, then all others. A key that is open to the model is spelled in
any way that JSON allows, but is never one of the declared names in disguise (`"a"` is `"\\u0061"`).

What no automaton can hold is refused or documented: open keys may repeat. Readers of JSON then keep one of the values,
each of which satisfies the schema, so that the value is valid; only `minProperties` would count wrongly, and is refused
where it would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from grammars.errors import EmptyLanguage, LimitExceeded
from grammars.frontends.json_schema.conjunction import count_range, flatten, statically_false, tightest
from grammars.frontends.json_schema.emptiness import nothing_in
from grammars.frontends.json_schema.parts import STRING, Own, Part, Pattern, SomeKey
from grammars.frontends.json_schema.refs import Location, show
from grammars.frontends.json_schema.strings import ANY_TEXT, excluding, string_content, texts_of
from grammars.frontends.json_schema.values import finds, holds, listed, value_parts
from grammars.ir import NOTHING, And, Choice, Node, Not
from grammars.words import one_of

__all__ = ["Member", "ObjectShape", "OpenKeys", "names_content", "object_shape", "parts_of_values"]

_KEY_REGIONS = 256


class Member(NamedTuple):
    """A key with a name: the parts that its value satisfies, and whether it must be there."""

    name: str
    parts: tuple[Part, ...]
    required: bool


class OpenKeys(NamedTuple):
    """All keys whose characters are in `content`, and the parts that their values satisfy."""

    content: Node
    parts: tuple[Part, ...]


class ObjectShape(NamedTuple):
    """The objects of a conjunction: members in order, then open keys, `low` to `high` of them altogether.

    `some` are those of which there must be at least one each; `last` such open keys, one each, at the end.
    """

    members: tuple[Member, ...]
    open: tuple[OpenKeys, ...]
    low: int = 0
    high: int | None = None
    some: tuple[SomeKey, ...] = ()
    last: tuple[SomeKey, ...] = ()


def object_shape(owns: Sequence[Own], *, is_open: bool = True) -> ObjectShape:
    """Which keys objects may and must have by all the subschemas together; unless `is_open` those that they declare.

    Raises `EmptyLanguage` when a required key cannot be, or bounds contradict.
    """
    low, high = count_range(owns, "minProperties", "maxProperties")
    required = {name: own for own in owns for name in own.required}
    names = {name: None for own in owns for name in own.properties or ()}
    names.update(dict.fromkeys(required))
    name_owns = [own.names for own in owns if own.names is not None]
    listed = _listed_names(name_owns)
    if listed is not None:
        names.update(dict.fromkeys(listed))
    members = []
    for name, parts in parts_of_values(owns, [*names]):
        if not name_owns and statically_false(parts) is None:
            reason = None
        else:
            reason = _impossible(name, parts, name_owns, owns)
        if reason is None:
            members.append(Member(name, parts, name in required))
        elif name in required:
            raise EmptyLanguage(
                f"the required property {show(name)} is not allowed by {reason}",
                pointer=required[name].required_pointer(name),
            )
    closed = listed is not None or any(_closed(own) for own in owns)
    closed = closed or not (is_open or not members or any(_says_others(own) for own in owns))
    shape_open = () if closed else tuple(_open_keys(owns, [*names], name_owns))
    if low or high is not None:
        _check_counts(owns, len(required), None if shape_open else len(members))
    return ObjectShape(tuple(members), shape_open, low, high, tuple([some for own in owns for some in own.some_keys]))


def parts_of_values(owns: Sequence[Own], names: Sequence[str]) -> Iterator[tuple[str, tuple[Part, ...]]]:
    """The names with what all the subschemas say about their values; most say something about a few names only."""
    found: dict[str, list[Part]] = {name: [] for name in names}
    for own in owns:
        if own.pattern_properties or own.additional is not None:
            for name in names:
                found[name] += value_parts(own, name)
        else:
            for name, part in (own.properties or {}).items():
                if name in found:
                    found[name].append(part)
    for name, parts in found.items():
        yield name, tuple(parts)


def _says_others(own: Own) -> bool:
    """Whether something is said about keys that are not declared."""
    return bool(own.additional is not None or own.pattern_properties or own.names is not None or own.some_keys)


def _closed(own: Own) -> bool:
    """Whether only declared keys are possible, whatever else is conjoined."""
    additional = own.additional
    return not own.pattern_properties and isinstance(additional, Location) and additional.schema is False


def _impossible(name: str, parts: tuple[Part, ...], name_owns: list[Location], owns: Sequence[Own]) -> str | None:
    """What rules a key out, as far as can be seen without building its value."""
    false = statically_false(parts)
    if false is not None:
        closing = any(own.additional is false for own in owns)
        return f"{'additionalProperties: false' if closing else 'the schema false'} (#{false.pointer})"
    for location in name_owns:
        if not holds(name, (location,)):
            return f"propertyNames (#{location.pointer})"
    return None


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


def _open_keys(owns: Sequence[Own], declared: list[str], name_owns: list[Location]) -> Iterator[OpenKeys]:
    """The open keys, in regions of equal treatment: each pattern alone, patterns that overlap together, all others."""
    names = names_content(name_owns)
    patterns = [*{p.source: p for own in owns for p, _ in own.pattern_properties}.values()]
    for inside, outside in _regions(patterns):
        sources = {pattern.source for pattern in inside}
        parts: list[Part] = []
        for own in owns:
            matched = [location for pattern, location in own.pattern_properties if pattern.source in sources]
            if matched:
                parts += matched
            elif own.additional is not None:
                parts.append(own.additional)
        if statically_false(parts) is not None:
            continue
        excluded = (
            [name for name in declared if all(finds(pattern, name) for pattern in inside)] if inside else declared
        )
        limits = [pattern.node for pattern in inside]
        limits += [] if names == ANY_TEXT else [names]
        limits += [Not(Choice(tuple(pattern.node for pattern in outside)))] if outside else []
        limits += excluding(excluded)
        content = ANY_TEXT if not limits else limits[0] if len(limits) == 1 else And(tuple(limits))
        yield OpenKeys(content, tuple(dict.fromkeys(parts)))


def names_content(parts: Sequence[Part]) -> Node:
    """The characters of the strings that satisfy parts, such as `propertyNames`: what they ask of a key."""
    if not parts:
        return ANY_TEXT
    conjunction = flatten(parts)
    if (found := listed(conjunction)) is not None:
        return one_of(texts_of([value for value in found.passing() if isinstance(value, str)]))
    if not conjunction.types & STRING:
        return NOTHING
    for own in conjunction.owns:
        for refusal in own.refused:
            if refusal.types & STRING:
                raise refusal.error
    if not conjunction.unions:
        try:
            return string_content(conjunction.owns)
        except EmptyLanguage:  # then there are no keys, which is no contradiction
            return NOTHING
    union = conjunction.unions[0]
    branches = [names_content(conjunction.choose(union, branch)) for branch in union.branches]
    if union.keyword != "oneOf" or union.negated is not None:
        return Choice(tuple(branches))
    return Choice(tuple([
        And((branch, Not(Choice((*branches[:i], *branches[i + 1 :]))))) for i, branch in enumerate(branches)
    ]))  # fmt: skip


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
