"""Factors: unions that hold together and have all but one branch in common are one union.

Place in the walk: conjunction -> **a conjunction with fewer unions** -> alternatives. Negation is where they come from:
`not anyOf` of objects that differ in a constant is one union for each of them, of the ways to fail it, and these are
the same ways but for the constant. By distributivity (X or A) and (X or B) is X or (A and B), so that 50 of them are
one choice, not a tree of choices; and by absorption (X or A) goes where X stands beside it.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence

from grammars.frontends.json_schema.conjunction import Conjunction, flatten
from grammars.frontends.json_schema.parts import Every, Own, Part, Union, Work
from grammars.frontends.json_schema.refs import Location

__all__ = ["factored"]

_BRANCHES = 16
"""The branches of a union up to which it is compared with others."""


def factored(conjunction: Conjunction, work: Work) -> Conjunction:
    """The same conjunction, its complements put together where they have all but one branch in common.

    Only complements are: what satisfies a branch of another union may count as evaluated.
    """
    unions = [union for union in conjunction.unions if union.negated is not None and len(union.branches) <= _BRANCHES]
    if len(unions) < 2:
        return conjunction
    keys: dict[Part, Hashable] = {}
    parts: list[Part] = [*conjunction.parts]
    while group := _alike(unions, keys):
        first, *others = group
        one = work.factored.get(group)
        if one is None:
            one = work.factored[group] = _merged(group, keys)
        unions = [one if union is first else union for union in unions if union not in others]
        parts = [one if part is first else part for part in parts if part not in others]
    return conjunction if len(parts) == len(conjunction.parts) else flatten(parts)


def _alike(unions: Sequence[Union], keys: dict[Part, Hashable]) -> tuple[Union, ...]:
    """A union and what it implies; else the largest group of unions that differ in one branch each; else ()."""
    whole: dict[frozenset[Hashable], list[Union]] = {}
    by_rest: dict[frozenset[Hashable], list[Union]] = {}
    for union in unions:
        found = frozenset([_key(branch, keys) for branch in union.branches])
        whole.setdefault(found, []).append(union)
        for key in found:
            by_rest.setdefault(found - {key}, []).append(union)
    for found, same in whole.items():
        implied = [*same, *by_rest.get(found, ())]
        if len(implied) > 1:
            return tuple(implied)
    largest = max(by_rest.values(), key=len, default=[])
    return tuple(largest) if len(largest) > 1 else ()


def _merged(group: Sequence[Union], keys: dict[Part, Hashable]) -> Union:
    """The union that holds iff all of a group do."""
    first = group[0]
    shared = frozenset.intersection(*[frozenset([_key(b, keys) for b in union.branches]) for union in group])
    common = [branch for branch in first.branches if _key(branch, keys) in shared]
    if len(common) == len(first.branches):  # it implies the others
        return first
    rest = Every(tuple([branch for union in group for branch in union.branches if _key(branch, keys) not in shared]))
    opposite = Union("anyOf", first.pointer, lambda: tuple([union.negated for union in group if union.negated]))
    return Union("not", first.pointer, lambda: (*common, rest), negated=opposite)


def _key(part: Part, keys: dict[Part, Hashable]) -> Hashable:
    """A value that two parts share only if they say the same."""
    known = keys.get(part)
    if known is None:
        known = keys[part] = _new_key(part, keys)
    return known


def _new_key(part: Part, keys: dict[Part, Hashable]) -> Hashable:
    if isinstance(part, Location):
        try:
            return id(part.scope), part.dialect, json.dumps(part.schema)
        except (TypeError, ValueError, RecursionError):  # a dict that holds itself, or more than JSON has
            return part
    if isinstance(part, Union):
        return part if part.negated is None else ("not", _key(part.negated, keys))
    if isinstance(part, Every):
        return tuple([_key(item, keys) for item in part.parts])
    if not _is_short(part):
        return part
    return (
        part.types,
        part.says,
        tuple([(type(value), value) for value in part.excluded]),
        tuple([(keyword, type(value), value) for keyword, value in part.scalars.items()]),
        tuple([(name, _key(of, keys)) for name, of in (part.properties or {}).items()]),
        frozenset(part.required),
    )


def _is_short(own: Own) -> bool:
    """Whether a key holds all that is said: most of what negation makes."""
    return not (
        own.values or own.patterns or own.formats or own.prefix or own.items or own.some_items or own.distinct
        or own.pattern_properties or own.additional or own.names or own.some_keys or own.other_properties
        or own.other_items or own.before or own.after or own.refused or own.combined
    )  # fmt: skip
