"""Number keywords -> IR: the spellings of the numbers that satisfy bounds and `multipleOf`.

Place in the walk: the JSON Schema front end calls these functions with the values of the keywords and merges what they
return into its grammar. Nothing here knows schemas, pointers or Python types.

**The family.** A constrained number is written as a *plain decimal* `-?I(.F)?`, without leading zeros, with at most
64 digits in I and in F, or, when there is no `multipleOf`, as `-?d(.F)?[eE][+-]?X` with one digit d that is 0 only
when the value is 0, and one to three digits X. Integers are `-?I` alone (longer where the bound next to 0 is); with
`zero_fraction=True` also `-?I.000`. An unconstrained number also takes exponents behind several digits. A minus sign is
offered only where a negative number is in the language, and there `-0` is written iff 0 is.

**Bounds hold for every text of the family**, as a decimal and after a JSON parser has rounded it to a double:
rounding is monotone, so inclusive bounds survive it; an exclusive bound is read as the nearest double beyond it (what
lies between rounds onto the bound); nothing overflows to infinity or underflows to 0; with `multipleOf`, only texts
of at most 15 significant digits carry a fraction (15 digits survive the round trip through a double, 16 may not), and
where no bound says how many, integers have at most 20 digits.

Sizes: a bound of n digits costs O(n) nodes. `multipleOf` needs an automaton of residues, which the IR can hold as rules
only: `integer_rules` and `number_rules` return rules, without cycles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TypeAlias, TypedDict, Unpack

from grammars.errors import EmptyLanguage, InvalidGrammar, UnsupportedFeature
from grammars.frontends.json_schema.decimals import (
    DIGITS,
    EXACT,
    LARGEST,
    PRECISION,
    any_number,
    decimal_bounds,
    integer_bounds,
    integers,
    magnitudes,
    signed,
)
from grammars.frontends.json_schema.multiples import Multiple, multiple_rules
from grammars.ir import NOTHING, Bytes, Choice, Node, Ref
from grammars.ir import Sequence as Seq
from grammars.record import record

__all__ = ["Bound", "Bounds", "NumberRules", "integer", "integer_rules", "number", "number_rules"]

Bound: TypeAlias = int | float | Decimal
"""A JSON number of a schema; a float stands for its shortest decimal spelling (0.1 is one tenth)."""

LONGEST = 4_000
"""Most digits of an integer bound or multiple: Python's `int` reads 4,300 (`sys.int_info.default_max_str_digits`)."""


class Bounds(TypedDict, total=False):
    """The keywords that bound a number; None is the same as leaving it out."""

    minimum: Bound | None
    maximum: Bound | None
    exclusive_minimum: Bound | None
    exclusive_maximum: Bound | None


@record
class NumberRules:
    """A fragment of a grammar: rules without cycles, and the name of the one to refer to.

    All names begin with the prefix that was asked for, so that fragments of distinct prefixes can be merged.
    """

    rules: Mapping[str, Node]
    start: str


def integer(*, zero_fraction: bool = False, **bounds: Unpack[Bounds]) -> Node:
    """The integers within the bounds, as plain digits; with `zero_fraction` also as `12.0`.

        integer(minimum=5, maximum=12)   # 5 6 7 8 9 10 11 12

    Raises EmptyLanguage naming the keywords that contradict each other.
    """
    low, high = _limits(bounds).quotients(0, 1)
    bounds_of = None if zero_fraction else integer_bounds
    return signed(low, high, 0, lambda a, b: integers(a, b, zero_fraction=zero_fraction), bounds_of)


def number(**bounds: Unpack[Bounds]) -> Node:
    """The numbers within the bounds, as plain decimals or with an exponent.

        number(minimum=0, exclusive_maximum=1)   # 0 0.5 0.250 5e-1 1.25E-07 ..., but not 1, and not -0

    Raises EmptyLanguage naming the keywords that contradict each other.
    """
    limits = _limits(bounds)
    with localcontext(prec=PRECISION):
        if limits.low is None and limits.high is None:
            return any_number()
        low, high = limits.doubles()
        node = signed(low, high, Decimal(0), magnitudes, decimal_bounds)
    if node == NOTHING:  # only between two bounds of more than 64 digits each
        raise limits.empty("double-precision number")
    return node


def integer_rules(
    prefix: str,
    *,
    multiple_of: Bound | None = None,
    no_multiple_of: Sequence[Bound] = (),
    zero_fraction: bool = False,
    digits: int = DIGITS,
    **bounds: Unpack[Bounds],
) -> NumberRules:
    """What `integer` returns, with `multipleOf` and its opposite too, as rules whose names begin with `prefix`.

        integer_rules("n", multiple_of=7, no_multiple_of=[2], minimum=1, maximum=30)   # 7 21

    Raises EmptyLanguage when no multiple lies within the bounds, UnsupportedFeature when the automaton is too large.
    """
    if multiple_of is None and not no_multiple_of:
        return NumberRules({prefix: integer(zero_fraction=zero_fraction, **bounds)}, prefix)
    said = [f"multipleOf {multiple_of}"] if multiple_of is not None else []
    text = " and ".join([*said, *(f"not multipleOf {other}" for other in no_multiple_of)])
    unit = 1 if multiple_of is None else _divisor(multiple_of)
    divisors = {_divisor(other) for other in no_multiple_of}
    others = [other for other in divisors if not any(other % less == 0 for less in divisors - {other})]
    limits = _limits(bounds)
    if any(unit % other == 0 for other in others):
        raise limits.empty("integer", text)
    return _multiples(prefix, limits, Multiple(unit, 0, zero_fraction, text, tuple(sorted(others)), digits))


def _divisor(multiple_of: Bound) -> int:
    """What divides an integer iff it is a multiple: of p/q, in lowest terms, p."""
    unit, decimals = _scaled(multiple_of)
    return unit // math.gcd(unit, 10**decimals)


def number_rules(
    prefix: str, *, multiple_of: Bound | None = None, digits: int = DIGITS, **bounds: Unpack[Bounds]
) -> NumberRules:
    """What `number` returns, with `multipleOf` too, as rules whose names begin with `prefix`.

        number_rules("n", multiple_of=0.5, minimum=0, maximum=1)   # 0 0.0 0.5 0.50 1 1.0 ...

    Raises EmptyLanguage when no multiple lies within the bounds, UnsupportedFeature when the automaton is too large.
    """
    if multiple_of is None:
        return NumberRules({prefix: number(**bounds)}, prefix)
    unit, decimals = _scaled(multiple_of)
    return _multiples(prefix, _limits(bounds), Multiple(unit, decimals, True, f"multipleOf {multiple_of}", (), digits))


# --- bounds -----------------------------------------------------------------------------------------------------------


@record
class _Limit:
    """One bound; `text` is the keyword and its value, for messages."""

    value: Decimal
    exclusive: bool
    text: str

    def bounds_nothing(self, side: int) -> bool:
        """Whether it lies beyond all numbers of `LONGEST` digits on that side (1 above, -1 below).

        Raises UnsupportedFeature when it lies beyond them on the other side: what satisfies it cannot be read back.
        """
        if self.value.is_finite() and self.value.adjusted() < LONGEST:
            return False
        if (self.value > 0) == (side > 0):
            return True
        message = f"{self.text} asks for numbers of more than {LONGEST:,} digits"
        raise UnsupportedFeature(message, hint="Python's int() refuses to read them.")

    def inward(self, toward: float) -> Decimal:
        """The outermost decimal such that it, and all decimals from it `toward`, satisfy the bound also as doubles."""
        nearest = float(self.value)
        if Decimal(repr(nearest)) == self.value:  # the usual case: the bound is the spelling of a double
            return Decimal(repr(math.nextafter(nearest, toward))) if self.exclusive else self.value
        outside = Decimal(nearest) < self.value if toward > 0 else Decimal(nearest) > self.value
        return Decimal(math.nextafter(nearest, toward) if outside else nearest)


@record
class _Limits:
    """The tighter of the lower bounds and the tighter of the upper bounds."""

    low: _Limit | None
    high: _Limit | None

    def empty(self, what: str, *others: str) -> EmptyLanguage:
        """The error that says which keywords no `what` satisfies."""
        names = [*others, *(limit.text for limit in (self.low, self.high) if limit)]
        listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        return EmptyLanguage(f"no {what} satisfies {'both ' if len(names) == 2 else ''}{listed}")

    def quotients(self, decimals: int, unit: int, *others: str) -> tuple[int | None, int | None]:
        """The least and the greatest q with q * unit / 10**decimals within the bounds; None where nothing bounds it.

        With decimals = 0 and unit = 1: the least and the greatest integer. `others` are named in the error.
        """
        low = high = None
        if self.low and not self.low.bounds_nothing(-1):
            ratio = Fraction(self.low.value) * 10**decimals / unit
            low = math.floor(ratio) + 1 if self.low.exclusive else math.ceil(ratio)
        if self.high and not self.high.bounds_nothing(1):
            ratio = Fraction(self.high.value) * 10**decimals / unit
            high = math.ceil(ratio) - 1 if self.high.exclusive else math.floor(ratio)
        if low is not None and high is not None and low > high:
            raise self.empty("number" if others else "integer", *others)
        return low, high

    def doubles(self) -> tuple[Decimal | None, Decimal | None]:
        """Inclusive bounds that hold for exactly the decimals that satisfy the bounds before and after rounding."""
        low = high = None
        if (self.low and self.low.value > LARGEST) or (self.high and self.high.value < -LARGEST):
            raise self.empty("double-precision number")
        if self.low and self.low.value >= -LARGEST:
            low = self.low.inward(math.inf)
        if self.high and self.high.value <= LARGEST:
            high = self.high.inward(-math.inf)
        if (low is not None and low > (LARGEST if high is None else high)) or (high is not None and high < -LARGEST):
            raise self.empty("double-precision number")
        return low, high


def _limits(bounds: Bounds) -> _Limits:
    """The two bounds that bind, read from the four keywords."""
    lows = [*_given(bounds.get("minimum"), "minimum"), *_given(bounds.get("exclusive_minimum"), "exclusiveMinimum")]
    highs = [*_given(bounds.get("maximum"), "maximum"), *_given(bounds.get("exclusive_maximum"), "exclusiveMaximum")]
    low = max(lows, key=lambda x: (x.value, x.exclusive), default=None)
    high = min(highs, key=lambda x: (x.value, not x.exclusive), default=None)
    limits = _Limits(low, high)
    if low and high and (low.value, low.exclusive or high.exclusive) > (high.value, False):
        raise limits.empty("number")
    return limits


def _given(value: Bound | None, keyword: str) -> Iterator[_Limit]:
    """The bound that a keyword states, if any."""
    if value is None:
        return
    exact = _decimal(value, keyword)
    if exact and exact.adjusted() < -400:  # below all doubles: 10**-400 bounds the same texts, in less space
        exact = Decimal(1).scaleb(-400).copy_sign(exact)
    shown = value if abs(exact) < 10**40 else f"{exact:.6e}"
    yield _Limit(exact, keyword.startswith("exclusive"), f"{keyword} {shown}")


def _decimal(value: Bound, keyword: str) -> Decimal:
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if exact.is_nan():
        raise InvalidGrammar(f"{keyword} {value} is not a number")
    return exact


# --- multipleOf -------------------------------------------------------------------------------------------------------


def _multiples(prefix: str, limits: _Limits, multiple: Multiple) -> NumberRules:
    low, high = limits.quotients(multiple.decimals, multiple.unit, multiple.text)
    may_be_negative = low is None or low < 0
    if multiple.digits < DIGITS:
        most = (10 ** (multiple.digits + multiple.decimals) - 1) // multiple.unit
        low, high = -most if low is None else max(low, -most), most if high is None else min(high, most)
        if low > high:
            raise limits.empty(f"number of at most {multiple.digits} digits", multiple.text)
    rules = multiple_rules(prefix, multiple, low, high)
    if rules[prefix] == NOTHING:  # there are some, but none that a double holds exactly
        raise limits.empty(f"number of {EXACT} digits", multiple.text)
    if may_be_negative and low == 0:  # of all that is below 0 only -0 is short enough
        zero = f"{prefix}~zero"
        rules |= multiple_rules(zero, multiple, 0, 0)
        rules[prefix] = Choice((rules[prefix], Seq((Bytes(b"-"), Ref(zero)))))
    return NumberRules(rules, prefix)


def _scaled(multiple_of: Bound) -> tuple[int, int]:
    """The integer p and the least k >= 0 with multiple_of = p / 10**k: 0.25 -> (25, 2), 1e2 -> (100, 0)."""
    exact = _decimal(multiple_of, "multipleOf")
    if exact <= 0:
        raise InvalidGrammar(f"multipleOf {multiple_of} is not greater than 0")
    if not exact.is_finite() or abs(exact.adjusted()) > LONGEST:
        raise UnsupportedFeature(f"multipleOf {multiple_of} has more than {LONGEST:,} digits")
    ratio = Fraction(exact)
    decimals = next(k for k in range(LONGEST + len(exact.as_tuple().digits) + 1) if 10**k % ratio.denominator == 0)
    if decimals > EXACT:
        message = f"multipleOf {multiple_of} has more than {EXACT} digits behind the point"
        raise UnsupportedFeature(message, hint="A double does not hold such multiples exactly.")
    return int(ratio * 10**decimals), decimals
