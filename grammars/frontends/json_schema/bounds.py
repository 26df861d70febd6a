"""Numbers: the bounds and divisors of all conjoined subschemas, merged, to the rules of `numbers`.

Place in the walk: conjunction -> **rules of a number**. An integer is written without a fraction, `12`, or where asked
for also as `12.0`, never as `1.2e1`, which are the same values (of 4,628 valid instances of MaskBench none needs
another spelling than the first).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from grammars.errors import EmptyLanguage, GrammarError, UnsupportedFeature
from grammars.frontends.json_schema.conjunction import common_multiple, tightest
from grammars.frontends.json_schema.decimals import DIGITS, no_integer, shortened
from grammars.frontends.json_schema.emptiness import nothing_in
from grammars.frontends.json_schema.numbers import Bounds, NumberRules, integer, integer_rules, number, number_rules
from grammars.frontends.json_schema.parts import FRACTION, INTEGER, Own, Scalar
from grammars.ir import Choice, Node, Ref

__all__ = ["BOUNDS", "holds_integer", "is_crossed", "merged_number_rules", "range_of"]


_KEPT = 1024
"""How many pairs of bounds are remembered: a number with bounds takes half a millisecond to build."""


def merged_number_rules(
    owns: Sequence[Own], types: int, prefix: str, *, zero_fraction: bool = False, digits: int = DIGITS
) -> NumberRules:
    """The rules, named with `prefix`, of the integers (or of all numbers, when `types` has FRACTION) that satisfy all.

    With `zero_fraction` integers are also written with zeros behind a point; no part of a number has more than
    `digits`.

    Raises `EmptyLanguage` when the bounds contradict, naming them and where they stand.
    """
    limits = [tightest(owns, keyword) for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")]
    low, high, above, below = (None if limit is None else limit.value for limit in limits)
    multiple = common_multiple(owns)
    pointers = [limit.pointer.rpartition("/")[0] for limit in limits if limit is not None]
    pointers += [own.location.pointer for own in owns if "multipleOf" in own.scalars or "noMultipleOf" in own.scalars]
    others = tuple(dict.fromkeys([own.scalars["noMultipleOf"] for own in owns if "noMultipleOf" in own.scalars]))
    divisors = _Divisors(types, multiple, others, zero_fraction, digits)
    try:
        excluded = _excluded(owns)
        if not excluded:
            return _between(divisors, (low, high, above, below), prefix)
        return _around(divisors, (low, high, above, below), prefix, excluded)
    except GrammarError as error:
        raise type(error)(error.message, pointer=pointers[0] if pointers else None, hint=error.hint) from None


_Limit: TypeAlias = tuple[Scalar, bool]
"""A bound, and whether it is left out."""

_BELOW, _ABOVE = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
BOUNDS = {*_BELOW, *_ABOVE}


def range_of(owns: Sequence[Own]) -> tuple[_Limit | None, _Limit | None]:
    """The tightest bounds below and above."""
    low: _Limit | None = None
    high: _Limit | None = None
    for own in owns:
        scalars = own.scalars
        if not scalars:
            continue
        for name in _BELOW:
            if name in scalars and (low is None or (scalars[name], name != "minimum") > low):
                low = scalars[name], name != "minimum"
        for name in _ABOVE:
            if name in scalars and (high is None or (scalars[name], name == "maximum") < (high[0], not high[1])):
                high = scalars[name], name != "maximum"
    return low, high


def is_crossed(low: _Limit | None, high: _Limit | None) -> bool:
    """Whether no number is between two bounds."""
    return low is not None and high is not None and (low[0], low[1] or high[1]) > (high[0], False)


def holds_integer(low: _Limit | None, high: _Limit | None) -> bool:
    """Whether an integer that doubles hold exactly is between two bounds."""
    least, most = -(2**53), 2**53
    if low is not None and low[0] > least:
        least = most + 1 if low[0] > most else math.floor(low[0]) + 1 if low[1] else math.ceil(low[0])
    if high is not None and high[0] < most:
        most = least - 1 if high[0] < least else math.ceil(high[0]) - 1 if high[1] else math.floor(high[0])
    return least <= most


class _Divisors(NamedTuple):
    """Integers, fractions or both; what they are multiples of, and what they are no multiple of."""

    types: int
    multiple: Scalar | None
    others: tuple[Scalar, ...]
    zero_fraction: bool
    digits: int


_Four: TypeAlias = tuple[Scalar | None, Scalar | None, Scalar | None, Scalar | None]
"""Minimum, maximum, exclusiveMinimum, exclusiveMaximum."""


def _excluded(owns: Sequence[Own]) -> list[Scalar]:
    """The numbers that are left out, ascending."""
    values = [v for own in owns for v in own.excluded if isinstance(v, int | float) and not isinstance(v, bool)]
    return sorted({v if isinstance(v, int) else Decimal(repr(v)) for v in values})


def _between(divisors: _Divisors, bounds: _Four, prefix: str) -> NumberRules:
    types, multiple, others, zero_fraction, digits = divisors
    if not others and types & INTEGER:
        if multiple is None:
            return NumberRules({prefix: _number(bool(types & FRACTION), zero_fraction, digits, *bounds)}, prefix)
        return _multiples(bool(types & FRACTION), multiple, bounds, zero_fraction, digits)
    made: list[NumberRules] = []
    if types & FRACTION and (multiple is None or multiple % 1):
        divisor = multiple or next((other for other in others if other % 1), None)
        if divisor is not None:
            which = f"multiples of {divisor}" if multiple else f"numbers that are no multiple of {divisor}"
            raise UnsupportedFeature(f"{which} and no integers are not supported yet")
        made.append(
            NumberRules({f"{prefix}~fraction": no_integer(_number(True, False, digits, *bounds))}, f"{prefix}~fraction")
        )
    if types & INTEGER:
        try:
            made.append(_integers(multiple, tuple(sorted(others)), bounds, zero_fraction, digits))
        except EmptyLanguage:
            if not made:
                raise
    if not made:
        raise EmptyLanguage(f"no multiple of {multiple} is other than an integer")
    return _either(made, prefix)


@lru_cache(maxsize=256, typed=True)
def _multiples(fraction: bool, multiple: Scalar, bounds: _Four, zero_fraction: bool, digits: int) -> NumberRules:
    """The multiples of a number; their rules are named after it, so that a schema has them once."""
    prefix = f"~{'numbers' if fraction else 'integers'} {multiple} {bounds}"
    if fraction:
        return number_rules(prefix, multiple_of=multiple, digits=digits, **_bounds(*bounds))
    return integer_rules(prefix, multiple_of=multiple, zero_fraction=zero_fraction, digits=digits, **_bounds(*bounds))


@lru_cache(maxsize=256, typed=True)
def _integers(
    multiple: Scalar | None, others: tuple[Scalar, ...], bounds: _Four, zero_fraction: bool, digits: int
) -> NumberRules:
    """Integers that are no multiple of some; their rules are named after them, so that a schema has them once."""
    prefix = f"~integers {multiple} {others} {bounds}"
    return integer_rules(
        prefix,
        multiple_of=multiple,
        no_multiple_of=others,
        zero_fraction=zero_fraction,
        digits=digits,
        **_bounds(*bounds),
    )


def _either(made: Sequence[NumberRules], prefix: str) -> NumberRules:
    """The numbers of any of several rules."""
    rules = {name: node for one in made for name, node in one.rules.items()}
    starts = [one.start for one in made]
    if len(rules) == len(starts):
        nodes = tuple(rules.values())
        return NumberRules({prefix: nodes[0] if len(nodes) == 1 else Choice(nodes)}, prefix)
    return NumberRules(rules | {prefix: Choice(tuple([Ref(start) for start in starts]))}, prefix)


def _around(divisors: _Divisors, bounds: _Four, prefix: str, excluded: Sequence[Scalar]) -> NumberRules:
    """The numbers below, between and above the excluded ones."""
    low, high, above, below = bounds
    made: list[NumberRules] = []
    problem: EmptyLanguage | None = None
    for place, (left, right) in enumerate(pairwise([None, *excluded, None])):
        floor = above if left is None or (above is not None and above > left) else left
        ceiling = below if right is None or (below is not None and below < right) else right
        try:
            made.append(_between(divisors, (low, high, floor, ceiling), f"{prefix}~{place}"))
        except EmptyLanguage as error:
            problem = error
    if not made:
        assert problem is not None
        raise problem
    return _either(made, prefix)


@lru_cache(maxsize=_KEPT, typed=True)
def _number(
    fraction: bool,
    zero_fraction: bool,
    digits: int,
    low: Scalar | None,
    high: Scalar | None,
    above: Scalar | None,
    below: Scalar | None,
) -> Node:
    bounds = _bounds(low, high, above, below)
    node = number(**bounds) if fraction else integer(zero_fraction=zero_fraction, **bounds)
    if digits == DIGITS:
        return node
    node = shortened(node, digits)
    if nothing_in(node):
        stated = zip(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), bounds.values(), strict=True)
        said = " and ".join([f"{keyword} {value}" for keyword, value in stated if value is not None])
        raise EmptyLanguage(f"no number of at most {digits} digits satisfies {said}", hint="allow more digits")
    return node


def _bounds(low: Scalar | None, high: Scalar | None, above: Scalar | None, below: Scalar | None) -> Bounds:
    return Bounds(minimum=low, maximum=high, exclusive_minimum=above, exclusive_maximum=below)
