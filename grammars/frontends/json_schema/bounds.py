"""Numbers: the bounds and divisors of all conjoined subschemas, merged, to the rules of `numbers`.

Place in the walk: conjunction -> **rules of a number**. An integer is written without a fraction: `12`, never `12.0`
or `1.2e1`, which are the same values (of 4,628 valid instances of MaskBench none needs another spelling).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from grammars.errors import GrammarError
from grammars.frontends.json_schema.conjunction import common_multiple, tightest
from grammars.frontends.json_schema.keywords import FRACTION, Own, Scalar
from grammars.frontends.json_schema.numbers import Bounds, NumberRules, integer, integer_rules, number, number_rules
from grammars.ir import Node

__all__ = ["merged_number_rules"]


_KEPT = 1024
"""How many pairs of bounds are remembered: a number with bounds takes half a millisecond to build."""


def merged_number_rules(owns: Sequence[Own], types: int, prefix: str) -> NumberRules:
    """The rules, named with `prefix`, of the integers (or of all numbers, when `types` has FRACTION) that satisfy all.

    Raises `EmptyLanguage` when the bounds contradict, naming them and where they stand.
    """
    limits = [tightest(owns, keyword) for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")]
    low, high, above, below = (None if limit is None else limit.value for limit in limits)
    fraction = bool(types & FRACTION)
    multiple = common_multiple(owns)
    try:
        if multiple is None:
            return NumberRules({prefix: _number(fraction, low, high, above, below)}, prefix)
        build = number_rules if fraction else integer_rules
        return build(prefix, multiple_of=multiple, **_bounds(low, high, above, below))
    except GrammarError as error:
        pointers = [limit.pointer.rpartition("/")[0] for limit in limits if limit is not None]
        pointers += [own.location.pointer for own in owns if "multipleOf" in own.scalars]
        raise type(error)(error.message, pointer=pointers[0] if pointers else None, hint=error.hint) from None


@lru_cache(maxsize=_KEPT, typed=True)
def _number(
    fraction: bool, low: Scalar | None, high: Scalar | None, above: Scalar | None, below: Scalar | None
) -> Node:
    return (number if fraction else integer)(**_bounds(low, high, above, below))


def _bounds(low: Scalar | None, high: Scalar | None, above: Scalar | None, below: Scalar | None) -> Bounds:
    return Bounds(minimum=low, maximum=high, exclusive_minimum=above, exclusive_maximum=below)
