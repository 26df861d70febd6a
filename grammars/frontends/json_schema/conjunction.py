"""Conjunction: the subschemas that hold at once for one value, flattened.

Place in the walk: keywords -> **conjunction** -> the node of one rule. `allOf`, `$ref` beside other keywords, the
schema around an `anyOf`, and a property that several subschemas speak of all mean the same: a tuple of parts, all of
which hold. A rule of the grammar is made for each such tuple; the empty tuple is any value at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple

from grammars.errors import EmptyLanguage, InvalidGrammar, place_of
from grammars.frontends.json_schema.keywords import TYPE_NAMES, never, read
from grammars.frontends.json_schema.parts import ALL, INTEGER, NUMBER, Every, Own, Part, Scalar, Union
from grammars.frontends.json_schema.refs import Location
from grammars.frontends.json_schema.source import show
from grammars.record import record

__all__ = [
    "Bound", "Conjunction", "common_multiple", "count_range", "flatten", "is_anything", "statically_false", "tightest",
    "type_clash",
]  # fmt: skip


class Conjunction(NamedTuple):
    """Own keywords and unions that all hold, in the order in which their properties are to be written.

    `says` are the types that some keyword of theirs beside `type` speaks of.
    """

    parts: tuple[Own | Union, ...]
    owns: tuple[Own, ...]
    unions: tuple[Union, ...]
    types: int
    says: int

    def choose(self, union: Union, *branches: Part) -> tuple[Part, ...]:
        """The parts with one union replaced by some of its branches."""
        place = self.parts.index(union)
        return (*self.parts[:place], *branches, *self.parts[place + 1 :])


@record
class Bound:
    """The tightest value of a keyword, and the keywords among which it stands."""

    keyword: str
    value: Scalar
    own: Own

    @property
    def pointer(self) -> str:
        return self.own.pointer(self.keyword)

    def __str__(self) -> str:
        return f"{self.keyword} {show(_plain(self.value))}"


def flatten(parts: Sequence[Part]) -> Conjunction:
    """The own keywords and unions of all the parts and of what they refer to, each once.

    Raises `InvalidGrammar` for a subschema that refers to itself before any property or item is entered.
    """
    if len(parts) == 1 and isinstance(part := parts[0], Location):
        own = part.own or read(part)
        if not own.before and not own.after:  # the usual case: neither refers to others nor combines them
            alone = () if own.silent else (own,)
            return Conjunction(alone, alone, (), own.types, own.says)
    found: list[Own | Union] = []
    owns: list[Own] = []
    unions: list[Union] = []
    types, says = ALL, 0
    seen: set[Part] = set()
    pending = [*reversed(parts)]
    while pending:
        part = pending.pop()
        if part in seen:
            if isinstance(part, Location):
                _refuse_cycle(part)
            continue
        seen.add(part)
        if isinstance(part, Location):
            own = part.own or read(part)
            if own.after:
                pending += reversed(own.after)
            pending.append(own)
            if own.before:
                pending += reversed(own.before)
        elif isinstance(part, Union):
            if (part.negated is not None or part.keyword == "unevaluated") and len(part.branches) == 1:
                pending.append(part.branches[0])
                continue
            found.append(part)
            unions.append(part)
        elif isinstance(part, Every):
            pending += reversed(part.parts)
        elif not part.silent:
            found.append(part)
            owns.append(part)
            types &= part.types
            says |= part.says
    return Conjunction(tuple(found), tuple(owns), tuple(unions), types, says)


def _refuse_cycle(start: Location) -> None:
    """Raises when following `$ref` and `allOf` from a location leads back to it; a second way to it is fine."""
    pending = [*read(start).before, *read(start).after]
    seen: set[Location] = set()
    while pending:
        location = pending.pop()
        if not isinstance(location, Location):
            continue
        if location is start:
            raise InvalidGrammar(
                "this schema refers to itself without an end",
                pointer=start.pointer,
                hint="recursion must pass through a property or an item",
            )
        if location not in seen:
            seen.add(location)
            pending += [*read(location).before, *read(location).after]


def tightest(owns: Sequence[Own], keyword: str) -> Bound | None:
    """The narrowest of a bound: the largest for keywords of minima, the smallest for maxima."""
    stated = [own for own in owns if keyword in own.scalars]
    if not stated:
        return None
    narrowest = min if keyword.startswith(("max", "exclusiveMax")) else max
    own = narrowest(stated, key=lambda own: own.scalars[keyword])
    return Bound(keyword, own.scalars[keyword], own)


def common_multiple(owns: Sequence[Own]) -> Scalar | None:
    """The least common multiple of all `multipleOf`: 4 and 6 -> 12, 0.5 and 0.2 -> 1."""
    found: Scalar | None = None
    for own in owns:
        value = own.scalars.get("multipleOf")
        if value is not None and value != found:
            found = value if found is None else _least_common_multiple(found, value)
    return found


def _least_common_multiple(left: Scalar, right: Scalar) -> Scalar:
    a, b = Fraction(left), Fraction(right)
    multiple = Fraction(lcm(a.numerator, b.numerator), gcd(a.denominator, b.denominator))
    if multiple.denominator == 1:
        return multiple.numerator
    return Decimal(multiple.numerator) / Decimal(multiple.denominator)


def count_range(owns: Sequence[Own], minimum: str, maximum: str) -> tuple[int, int | None]:
    """The bounds of a count, such as minItems and maxItems; raises `EmptyLanguage` when they contradict."""
    for own in owns:
        if minimum in own.scalars or maximum in own.scalars:
            break
    else:
        return 0, None
    low, high = tightest(owns, minimum), tightest(owns, maximum)
    if low is not None and high is not None and low.value > high.value:
        raise EmptyLanguage(
            f"{low} is greater than {high}" + ("" if _siblings(low, high) else f" of {place_of(high.pointer)}"),
            pointer=low.pointer,
            hint="no value satisfies both",
        )
    return int(low.value) if low else 0, None if high is None else int(high.value)


def statically_false(parts: Iterable[Part]) -> Location | None:
    """The first part that is the schema `false`."""
    for part in parts:
        if isinstance(part, Location) and never(part):
            return part
    return None


def is_anything(part: Part) -> bool:
    """Whether a part is seen to hold of every value."""
    conjunction = flatten((part,))
    return conjunction.types == ALL and not conjunction.owns and not conjunction.unions


def type_clash(conjunction: Conjunction) -> EmptyLanguage:
    """The error for subschemas that have no type in common."""
    owns = conjunction.owns
    false = next((own for own in owns if own.types == 0), None)
    if false is not None:
        pointer = false.location.pointer
        if false.location.schema is False:
            return EmptyLanguage("the schema false allows no value", pointer=pointer)
        return EmptyLanguage("none is left of all values but those of this schema, which are all", pointer=pointer)
    typed = [own for own in owns if own.types != ALL]
    listed = " and ".join(f"{_names(own.types)} ({place_of(own.pointer('type'))})" for own in typed[:3])
    return EmptyLanguage(
        f"no type is left: {listed} have none in common",
        pointer=owns[0].location.pointer,
        hint="no value satisfies all",
    )


def _names(types: int) -> str:
    if types & NUMBER == NUMBER:
        types &= ~INTEGER
    return " or ".join(name for bit, name in TYPE_NAMES.items() if bit & types == bit and bit != NUMBER)


def _siblings(left: Bound, right: Bound) -> bool:
    return left.own.location.pointer == right.own.location.pointer


def _plain(value: Scalar) -> int | float:
    return value if isinstance(value, int) else float(value)
