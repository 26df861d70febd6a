"""Unevaluated properties and items: what a subschema, with all that it combines, has said nothing about.

Place in the walk: Own -> **alternatives**. Which properties are evaluated depends on which subschemas hold (core,
sections 10.3.1.3 and 11). So each way for a subschema to hold becomes an alternative: one branch of `oneOf` without the
others, each set of branches of `anyOf`, `then` or `else`. In each it is known what is evaluated, and what
`unevaluatedProperties` and `unevaluatedItems` ask of the rest is what `additionalProperties` and `items` can ask. Of a
value for which more branches hold than an alternative says, more is evaluated, so that it is valid all the more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import NamedTuple

from grammars.errors import UnsupportedFeature
from grammars.frontends.json_schema.negation import negated
from grammars.frontends.json_schema.parts import ARRAY, OBJECT, Every, Own, Part, Pattern, Union
from grammars.frontends.json_schema.refs import Location

__all__ = ["with_the_rest"]

_WAYS = 256
"""In how many ways a subschema may hold."""


class _Way(NamedTuple):
    """One way to hold: the parts that do, and what they evaluate."""

    parts: tuple[Part, ...] = ()
    names: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    all_names: bool = False
    first_items: int = 0
    contained: tuple[Part, ...] = ()
    all_items: bool = False

    def beside(self, other: _Way) -> _Way:
        """Both at once."""
        return _Way(
            self.parts + other.parts,
            self.names + other.names,
            self.patterns + other.patterns,
            self.all_names or other.all_names,
            max(self.first_items, other.first_items),
            self.contained + other.contained,
            self.all_items or other.all_items,
        )


def with_the_rest(own: Own) -> Union:
    """The keywords of a subschema with all that it combines, and with what they say of unevaluated ones."""
    pointer = own.location.pointer
    return Union("unevaluated", pointer, lambda: tuple([_restricted(own, way) for way in _ways_of_own(own)]))


def _restricted(own: Own, way: _Way) -> Part:
    """A way with what is asked of the rest."""
    anything = Own(own.location, silent=True)
    rest = Own(own.location)
    if own.other_properties is not None and not way.all_names:
        rest.says |= OBJECT
        rest.properties = dict.fromkeys(way.names, anything)
        rest.pattern_properties = tuple([(pattern, anything) for pattern in way.patterns])
        rest.additional = own.other_properties
    if own.other_items is not None and not way.all_items:
        rest.says |= ARRAY
        rest.prefix = (anything,) * way.first_items
        rest.items = own.other_items
        if way.contained:
            branches = (*way.contained, own.other_items)
            rest.items = Union("unevaluatedItems", own.location.pointer, lambda: branches)
    return Every((*way.parts, rest))


def _ways(part: Part) -> Iterator[_Way]:
    """The ways for a part to hold."""
    from grammars.frontends.json_schema.keywords import read

    if isinstance(part, Location):
        own = read(part)
        if own.combined is None:
            yield from _ways_of_own(own)
            return
        for way in _ways_of_own(own.combined):
            everything = own.combined.other_properties is not None, own.combined.other_items is not None
            yield way._replace(
                parts=(*way.parts, part),
                all_names=way.all_names or everything[0],
                all_items=way.all_items or everything[1],
            )
    elif isinstance(part, Every):
        yield from _together(part.parts)
    elif isinstance(part, Own) or part.negated is not None:  # annotations below `not` are dropped
        yield _Way((part,))
    elif part.keyword == "oneOf":
        for i, branch in enumerate(part.branches):
            others = [negated(other) for other in (*part.branches[:i], *part.branches[i + 1 :])]
            yield from (way._replace(parts=(*way.parts, *others)) for way in _ways(branch))
    elif part.keyword == "anyOf":
        for count in range(1, len(part.branches) + 1):
            for chosen in combinations(part.branches, count):
                yield from _together(chosen)
    else:  # branches that exclude each other
        for branch in part.branches:
            yield from _ways(branch)


def _ways_of_own(own: Own) -> Iterator[_Way]:
    """The ways for the keywords of a subschema to hold, and for all that it combines."""
    alone = Own(**{name: getattr(own, name) for name in own.__slots__})
    alone.before = alone.after = ()
    alone.other_properties = alone.other_items = None
    by_contains = own.location.dialect.number > 8
    here = _Way(
        (alone,),
        tuple(own.properties or ()),
        tuple([pattern for pattern, _ in own.pattern_properties]),
        own.additional is not None,
        len(own.prefix),
        tuple([some.part for some in own.some_items]) if by_contains else (),
        own.items is not None,
    )
    for before, after in product(_together(own.before, own.location), [*_together(own.after, own.location)]):
        yield before.beside(here).beside(after)


def _together(parts: Sequence[Part], location: Location | None = None) -> Iterator[_Way]:
    """The ways for several parts to hold at once."""
    choices = []
    count = 1
    for part in parts:
        choices.append([*_ways(part)])
        count *= len(choices[-1])
        if count > _WAYS:
            raise UnsupportedFeature(
                f"there are more than {_WAYS} ways to evaluate properties or items here",
                pointer=location.pointer if location else None,
                hint="use additionalProperties or items instead of unevaluatedProperties or unevaluatedItems",
            )
    for ways in product(*choices):
        found = _Way()
        for way in ways:
            found = found.beside(way)
        yield found
