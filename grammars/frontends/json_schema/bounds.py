"""Numbers: the bounds and divisors of all conjoined subschemas, merged, to the rules of `numbers`.

Place in the walk: conjunction -> **rules of a number**. An integer is written without a fraction: `12`, never `12.0`
or `1.2e1`, which are the same values (of 4,628 valid instances of MaskBench none needs another spelling).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

from grammars.errors import EmptyLanguage, GrammarError, UnsupportedFeature
from grammars.frontends.json_schema.conjunction import common_multiple, tightest
from grammars.frontends.json_schema.decimals import no_integer
from grammars.frontends.json_schema.numbers import Bounds, NumberRules, integer, integer_rules, number, number_rules
from grammars.frontends.json_schema.parts import FRACTION, INTEGER, Own, Scalar
from grammars.ir import Choice, Node, Ref

__all__ = ["merged_number_rules"]


_KEPT = 1024
"""How many pairs of bounds are remembered: a number with bounds takes half a millisecond to build."""


def merged_number_rules(owns: Sequence[Own], types: int, prefix: str) -> NumberRules:
    """The rules, named with `prefix`, of the integers (or of all numbers, when `types` has FRACTION) that satisfy all.

    Raises `EmptyLanguage` when the bounds contradict, naming them and where they stand.
    """
    limits = [tightest(owns, keyword) for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")]
    low, high, above, below = (None if limit is None else limit.value for limit in limits)
    multiple = common_multiple(owns)
    pointers = [limit.pointer.rpartition("/")[0] for limit in limits if limit is not None]
    pointers += [own.location.pointer for own in owns if "multipleOf" in own.scalars]
    try:
        excluded = _excluded(owns)
        if not excluded:
            return _between(types, (low, high, above, below), multiple, prefix)
        return _around(types, (low, high, above, below), multiple, prefix, excluded)
    except GrammarError as error:
        raise type(error)(error.message, pointer=pointers[0] if pointers else None, hint=error.hint) from None


_Four: TypeAlias = tuple[Scalar | None, Scalar | None, Scalar | None, Scalar | None]
"""Minimum, maximum, exclusiveMinimum, exclusiveMaximum."""


def _excluded(owns: Sequence[Own]) -> list[Scalar]:
    """The numbers that are left out, ascending."""
    values = [v for own in owns for v in own.excluded if isinstance(v, int | float) and not isinstance(v, bool)]
    return sorted({v if isinstance(v, int) else Decimal(repr(v)) for v in values})


def _between(types: int, bounds: _Four, multiple: Scalar | None, prefix: str) -> NumberRules:
    fraction = bool(types & FRACTION)
    if multiple is None:
        node = _number(fraction, *bounds)
        return NumberRules({prefix: node if types & INTEGER else no_integer(node)}, prefix)
    if not types & INTEGER:
        raise UnsupportedFeature("a multiple that is no integer is not supported yet")
    build = number_rules if fraction else integer_rules
    return build(prefix, multiple_of=multiple, **_bounds(*bounds))


def _around(types: int, bounds: _Four, multiple: Scalar | None, prefix: str, excluded: Sequence[Scalar]) -> NumberRules:
    """The numbers below, between and above the excluded ones."""
    low, high, above, below = bounds
    rules: dict[str, Node] = {}
    starts: list[str] = []
    problem: EmptyLanguage | None = None
    for place, (left, right) in enumerate(pairwise([None, *excluded, None])):
        floor = above if left is None or (above is not None and above > left) else left
        ceiling = below if right is None or (below is not None and below < right) else right
        try:
            made = _between(types, (low, high, floor, ceiling), multiple, f"{prefix}~{place}")
        except EmptyLanguage as error:
            problem = error
            continue
        rules.update(made.rules)
        starts.append(made.start)
    if not starts:
        assert problem is not None
        raise problem
    if len(rules) == len(starts):
        return NumberRules({prefix: Choice(tuple(rules.values()))}, prefix)
    return NumberRules(rules | {prefix: Choice(tuple([Ref(start) for start in starts]))}, prefix)


@lru_cache(maxsize=_KEPT, typed=True)
def _number(
    fraction: bool, low: Scalar | None, high: Scalar | None, above: Scalar | None, below: Scalar | None
) -> Node:
    return (number if fraction else integer)(**_bounds(low, high, above, below))


def _bounds(low: Scalar | None, high: Scalar | None, above: Scalar | None, below: Scalar | None) -> Bounds:
    return Bounds(minimum=low, maximum=high, exclusive_minimum=above, exclusive_maximum=below)
