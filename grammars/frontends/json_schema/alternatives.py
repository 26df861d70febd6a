"""Alternatives: one step from a conjunction with unions towards conjunctions of keywords alone.

Place in the walk: conjunction -> **conjunctions, one of which holds** -> rules. Written out at once, unions that hold
together multiply. So that few of the products are ever made, a union of which one branch holds anyway is dropped, a
branch that what stands around it rules out is too, unions with one branch left are written out together, and then the
one with the fewest: what negation makes of a `oneOf` is mostly settled that way, as by unit propagation (Davis,
Logemann, Loveland 1962).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from grammars.errors import UnsupportedFeature
from grammars.frontends.json_schema.bounds import BOUNDS, is_crossed, range_of
from grammars.frontends.json_schema.conjunction import Conjunction, flatten, is_anything, type_clash
from grammars.frontends.json_schema.disjoint import exclusive
from grammars.frontends.json_schema.factors import factored
from grammars.frontends.json_schema.keywords import never, read
from grammars.frontends.json_schema.parts import NUMBER, OBJECT, Every, Own, Part, Union, Work
from grammars.frontends.json_schema.refs import Location
from grammars.frontends.json_schema.values import holds, in_content, listed

__all__ = ["alternatives"]


def alternatives(conjunction: Conjunction, work: Work, *, may_overlap: bool = False) -> list[tuple[Part, ...]]:
    """Tuples of parts, one of which holds iff the conjunction does; it has a union.

    With `may_overlap` what satisfies several branches of a `oneOf` satisfies it too. What it takes to see which are
    possible is taken off the work.

    Raises `EmptyLanguage` when they have no type in common with what stands around them.
    """
    conjunction = factored(conjunction, work)
    best: tuple[Union, list[Part]] | None = None
    only: dict[Part, Part] = {}  # what is left of unions with one branch left
    if len(conjunction.unions) > 1 or conjunction.owns:
        if settled := [union for union in conjunction.unions if _is_settled(union, conjunction)]:
            return [tuple([part for part in conjunction.parts if part not in settled])]
        for union in conjunction.unions:
            work.left -= len(union.branches) * len(conjunction.parts)
            left = [branch for branch in union.branches if work.left < 0 or not _ruled_out(conjunction, union, branch)]
            if len(left) == 1 and union.keyword != "oneOf":
                only[union] = left[0]
            if left and (best is None or _first(union, left) < _first(*best)):
                best = union, left
    if only:
        choices = [tuple([only.get(part, part) for part in conjunction.parts])]
    else:
        union, branches = best or (conjunction.unions[0], [*conjunction.unions[0].branches])
        if union.keyword == "oneOf" and not may_overlap:
            branches = exclusive(union, conjunction, branches, work)
        choices = [conjunction.choose(union, branch) for branch in branches]
    flat = [flatten(parts) for parts in choices]
    typed = [parts for parts, branch in zip(choices, flat, strict=True) if branch.types]
    if not typed:
        raise type_clash(flat[0])
    return typed


def _is_settled(union: Union, around: Conjunction) -> bool:
    """Whether some branch of a union holds anyway, so that the union says nothing more."""
    return union.keyword != "oneOf" and any(_holds_anyway(branch, around) for branch in union.branches)


def _first(union: Union, left: list[Part]) -> tuple[bool, bool, int]:
    """What is written out first: what has no choice left, then what says what a value is before what it is not."""
    return len(left) > 1, union.negated is not None, len(left)


def _holds_anyway(branch: Part, around: Conjunction) -> bool:
    """Whether what stands around a branch is seen to imply it."""
    if not isinstance(branch, Own):
        return False
    if around.types & ~branch.types or branch.refused or branch.values or branch.excluded:
        return False
    if branch.scalars:
        return branch.says == NUMBER and around.types & ~NUMBER == 0 and _is_within(around, branch)
    if not branch.says or not around.types & branch.says:
        return True
    if branch.says != OBJECT or around.types != OBJECT:
        return False
    if branch.pattern_properties or branch.additional is not None or branch.names is not None:
        return False
    required = {name for own in around.owns for name in own.required}
    if not all(name in required for name in branch.required):
        return False
    if not all(_has_only(part, name, around.owns) for name, part in (branch.properties or {}).items()):
        return False
    return all(
        is_anything(some.part) and any(in_content(some.content, name) for name in required) for some in branch.some_keys
    )


def _ruled_out(around: Conjunction, union: Union, branch: Part) -> bool:
    """Whether it is seen at once that no value satisfies a branch of a union and all that stands around it.

    No type is left, or a property is needed that is forbidden or has no value.
    """
    alone = flatten((branch,))
    types = around.types & alone.types
    if types & ~NUMBER and types != OBJECT:
        return False
    if types != OBJECT:
        return not types or is_crossed(*range_of((*around.owns, *alone.owns)))
    conjunction = flatten(around.choose(union, branch))
    required = {name for own in conjunction.owns for name in own.required}
    if any(_is_missing(name, conjunction.owns) for name in required):
        return True
    return any(_values(name, conjunction.owns) == [] for name in _declared(branch) if name in required)


def _is_within(around: Conjunction, branch: Own) -> bool:
    """Whether the numbers within the bounds around a branch are within its own, and it says nothing else."""
    if not branch.scalars.keys() <= BOUNDS:
        return False
    (low, high), (least, most) = range_of(around.owns), range_of((branch,))
    if least is not None and (low is None or low < least):
        return False
    return most is None or (high is not None and (high[0], not high[1]) <= (most[0], not most[1]))


def _declared(branch: Part) -> Iterator[str]:
    """The properties that a branch itself declares."""
    if isinstance(branch, Every):
        for part in branch.parts:
            yield from _declared(part)
    elif not isinstance(branch, Union):
        yield from (branch if isinstance(branch, Own) else read(branch)).properties or ()


def _values(name: str, owns: Sequence[Own]) -> list[object] | None:
    """The values that are left for a property by all subschemas that declare it, where these list some."""
    parts = [own.properties[name] for own in owns if own.properties is not None and name in own.properties]
    found = listed(flatten(parts)) if parts else None
    try:
        return None if found is None else [*found.passing()]
    except UnsupportedFeature:
        return None


def _has_only(part: Part, name: str, owns: Sequence[Own]) -> bool:
    """Whether a property, if it is there, is seen to satisfy a part."""
    if _is_missing(name, owns) or any(_is_same(part, (own.properties or {}).get(name)) for own in owns):
        return True
    values = _values(name, owns)
    try:
        return values is not None and all(holds(value, (part,)) for value in values)
    except UnsupportedFeature:
        return False


def _is_same(left: Part, right: Part | None) -> bool:
    """Whether two parts are seen to say the same: subschemas of one text in one scope, or their complements."""
    if left is right:
        return True
    if isinstance(left, Union) and isinstance(right, Union):
        return left.negated is not None and right.negated is not None and _is_same(left.negated, right.negated)
    if not isinstance(left, Location) or not isinstance(right, Location):
        return False
    return left.scope is right.scope and left.dialect == right.dialect and _is_same_text(left.schema, right.schema)


def _is_same_text(left: object, right: object) -> bool:
    """Whether two schemas are written alike; `==` alone takes 1, 1.0 and true for the same."""
    try:
        return left == right and json.dumps(left) == json.dumps(right)
    except (TypeError, ValueError, RecursionError):  # a dict that holds itself, or more than JSON has
        return False


def _is_missing(name: str, owns: Sequence[Own]) -> bool:
    """Whether some subschema forbids a property, as far as can be seen at once."""
    for own in owns:
        declared = None if own.properties is None else own.properties.get(name)
        part = own.additional if declared is None and not own.pattern_properties else declared
        if part is not None and _is_never(part):
            return True
    return False


def _is_never(part: Part) -> bool:
    return isinstance(part, Location) and never(part)
