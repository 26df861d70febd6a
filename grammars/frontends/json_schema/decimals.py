"""Ranges of decimals -> IR: the digits of the numbers between two bounds, as flat alternatives.

Place in the walk: `numbers.py` reads the keywords and calls this with exact, inclusive bounds. A bound of n digits
costs O(n) alternatives of the shape `fixed prefix, one class of digits, any digits`; determinising merges prefixes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cache, lru_cache
from typing import TypeVar

from grammars.ir import NOTHING, And, ByteClass, Bytes, Choice, Length, Magnitudes, Node, Numerals, Repeat, Sequence

__all__ = [
    "DIGITS", "EXACT", "LARGEST", "PRECISION", "any_number", "choice", "decimal_bounds",
    "integer_bounds", "integers", "literal", "magnitudes", "no_integer", "optional", "shortened", "signed",
    "zero_fraction",
]  # fmt: skip

DIGITS = 64
"""Most digits before and after the point: without a limit, digits are a loop that greedy models do not leave."""

EXACT = 15
"""Significant digits that any double keeps (DBL_DIG)."""

LARGEST, SMALLEST = Decimal("1.7976931348623157e308"), Decimal("5e-324")
"""The magnitudes between which no text overflows to infinity or underflows to 0 as a double."""

PRECISION = 1_500
"""Digits of the decimal context in which ranges must be built: a double has up to 767, the grid adds 64."""


def _digits(first: int, last: int) -> ByteClass:
    return ByteClass(((48 + first, 48 + last),))


DIGIT, NONZERO = _digits(0, 9), _digits(1, 9)
FRACTION = Sequence((Bytes(b"."), Repeat(DIGIT, 1, DIGITS)))

_N = TypeVar("_N", int, Decimal)


def literal(digits: int | str) -> Bytes:
    """The digits as they stand."""
    return Bytes(str(digits).encode())


@cache
def zero_fraction(digits: int = DIGITS) -> Node:
    """The point, and up to so many zeros."""
    return Sequence((Bytes(b"."), Repeat(Bytes(b"0"), 1, digits)))


def optional(item: Node) -> Node:
    """The item or nothing."""
    return Repeat(item, 0, 1)


ZEROS = zero_fraction()


def choice(items: Iterable[Node]) -> Node:
    """The union, without the wrapper around a single item."""
    items = tuple(items)
    return items[0] if len(items) == 1 else Choice(items)


def signed(
    low: _N | None,
    high: _N | None,
    zero: _N,
    magnitudes: Callable[[_N, _N | None], Node],
    bounds: Callable[[_N, _N | None], Magnitudes] | None = None,
) -> Node:
    """The numbers from low to high, given `magnitudes(a, b)`: those from a >= 0 to b, without a sign.

    With `bounds(a, b)`, the same as digits, they are `Numerals`.
    """
    parts, sides = [], []
    ranges: list[tuple[bytes, _N, _N | None]] = []
    if high is None or high >= zero:
        ranges.append((b"", low if low is not None and low > zero else zero, high))
    if low is None or low < zero:
        ranges.append((b"-", -high if high is not None and high < zero else zero, None if low is None else -low))
    for sign, least, most in ranges:
        node = magnitudes(least, most)
        if node != NOTHING:
            parts.append(Sequence((Bytes(sign), node)) if sign else node)
            sides.append((sign, least, most))
    if bounds is None or not parts:
        return choice(parts)
    made = {sign: bounds(least, most) for sign, least, most in sides}
    return Numerals(tuple(parts), made.get(b""), made.get(b"-"))


def integers(low: int, high: int | None, *, zero_fraction: bool) -> Node:
    """The integers from low >= 0 to high; a zero fraction only where a double still holds the integer exactly."""
    largest = 10 ** max(DIGITS, len(str(low))) - 1
    high = largest if high is None else min(high, largest)
    if not zero_fraction or low >= 10**EXACT:
        return _naturals(low, high)
    short = Sequence((_naturals(low, min(high, 10**EXACT - 1)), optional(ZEROS)))
    return short if high < 10**EXACT else Choice((short, _naturals(max(low, 10**EXACT), high)))


def integer_bounds(low: int, high: int | None) -> Magnitudes:
    """The bounds of the integers from low >= 0 to high, without a fraction."""
    longest = "9" * max(DIGITS, len(str(low)))
    last = longest if high is None or high > int(longest) else str(high)
    return Magnitudes(0, ((_digits_of(low), ""), (last.removeprefix("0"), "")))


def _digits_of(whole: int) -> str:
    """The digits of an integer, none of 0."""
    return str(whole) if whole else ""


def _naturals(low: int, high: int) -> Node:
    """The digits of the integers from low >= 0 to high.

    _naturals(5, 123)   # [5-9] | [1-9][0-9] | 1[01][0-9] | 12[0-3]
    """
    parts: list[Node] = []
    if low == 0:
        parts.append(Bytes(b"0"))
        low = 1
    if low <= high:
        first, last = str(low), str(high)
        shortest, longest = len(first), len(last)
        if shortest == longest:
            parts += _block(first, last)
        else:  # then what is below and above all the lengths that are wholly inside
            if first.strip("0") != "1":
                parts += _block(first, "9" * shortest)
                shortest += 1
            if last.strip("9"):
                parts += _block("1" + "0" * (longest - 1), last)
                longest -= 1
            if shortest <= longest:
                parts.append(Sequence((NONZERO, Repeat(DIGIT, shortest - 1, longest - 1))))
    return choice(parts)


def _block(low: str, high: str) -> Iterator[Node]:
    """The digit strings of one length from low to high, as `prefix, one class, any digits`."""
    if low == high:
        yield literal(low)
        return
    length = len(low)
    fork = next(i for i in range(length) if low[i] != high[i])
    low_end = max(fork + 1, len(low.rstrip("0")))  # from here on, low has zeros only: the position before is inclusive
    high_end = max(fork + 1, len(high.rstrip("9")))

    def run(prefix: str, first: int, last: int) -> Iterator[Node]:
        if first <= last:
            free = length - len(prefix) - 1
            yield Sequence((literal(prefix), _digits(first, last), Repeat(DIGIT, free, free)))

    yield from run(low[:fork], int(low[fork]) + (low_end > fork + 1), int(high[fork]) - (high_end > fork + 1))
    for i in range(fork + 1, low_end):
        yield from run(low[:i], int(low[i]) + (i < low_end - 1), 9)
    for i in range(fork + 1, high_end):
        yield from run(high[:i], 0, int(high[i]) - (i < high_end - 1))


# --- fractions: digit strings of 1 to 64 digits, compared as if zeros followed; bounds have no zeros at their end -----


def _decimals(low: Decimal, high: Decimal, top: int) -> Iterator[Node]:
    """The plain decimals from low >= 0 to high, whose integer part is at most `top`."""
    floor, floor_digits = _split(low, ROUND_CEILING)
    ceiling, ceiling_digits = (top + 1, "") if high >= top + 1 else _split(high, ROUND_FLOOR)
    if floor > top or (floor, floor_digits) > (ceiling, ceiling_digits):
        return
    if floor == ceiling:
        yield Sequence((literal(floor), _fraction_between(floor_digits, ceiling_digits)))
        return
    if floor_digits:
        above = choice(_at_least(floor_digits, 0))
        yield Sequence((literal(floor), Bytes(b"."), above))
        floor += 1
    if floor < ceiling:
        yield Sequence((_naturals(floor, ceiling - 1), optional(FRACTION)))
    if ceiling <= top:
        below = Sequence((Bytes(b"."), choice(_at_most(ceiling_digits, 0)))) if ceiling_digits else ZEROS
        yield Sequence((literal(ceiling), optional(below)))


def _split(value: Decimal, rounding: str) -> tuple[int, str]:
    """The integer part and the digits after the point, rounded to 64 of them: 2.50 -> (2, "5")."""
    grid = value.quantize(Decimal(1).scaleb(-DIGITS), rounding=rounding)
    whole, _, digits = f"{grid:f}".partition(".")
    return int(whole), digits.rstrip("0")


def _free(prefix: str, first: int, last: int) -> Iterator[Node]:
    """A prefix, a digit from first to last, any further digits."""
    if first <= last:
        yield Sequence((literal(prefix), _digits(first, last), Repeat(DIGIT, 0, DIGITS - len(prefix) - 1)))


def _at_least(low: str, start: int) -> Iterator[Node]:
    """The digits of fractions >= low (not empty) that begin with its first `start` digits."""
    for i in range(start, len(low)):
        yield from _free(low[:i], int(low[i]) + 1, 9)
    yield Sequence((literal(low), Repeat(DIGIT, 0, DIGITS - len(low))))


def _at_most(high: str, start: int) -> Iterator[Node]:
    """The digits of fractions <= high (not empty) that begin with its first `start` digits."""
    for i in range(start, len(high)):
        if i:
            yield literal(high[:i])
        yield from _free(high[:i], 0, int(high[i]) - 1)
    yield Sequence((literal(high), Repeat(Bytes(b"0"), 0, DIGITS - len(high))))


def _fraction_between(low: str, high: str) -> Node:
    """The point and the digits of fractions from low to high; nothing at all is 0 and stands when low is 0."""
    parts: list[Node] = []
    if low == high:
        parts.append(Sequence((literal(low), Repeat(Bytes(b"0"), 0 if low else 1, DIGITS - len(low)))))
    else:
        length = max(len(low), len(high))
        padded, top = low.ljust(length, "0"), high.ljust(length, "0")
        fork = next(i for i in range(length) if padded[i] != top[i])
        parts += [literal(high[:i]) for i in range(max(1, len(low)), fork + 1)]
        parts += _free(high[:fork], int(padded[fork]) + 1, int(top[fork]) - 1)
        if len(low) > fork:
            parts += _at_least(low, fork + 1)
        else:
            parts += _free(high[:fork], 0, 0)
        parts += _at_most(high, fork + 1)
    node = Sequence((Bytes(b"."), choice(parts)))
    return node if low else optional(node)


# --- exponents --------------------------------------------------------------------------------------------------------


def magnitudes(low: Decimal, high: Decimal | None) -> Node:
    """The numbers from low >= 0 to high (inclusive), in both spellings, without a sign."""
    high = LARGEST if high is None else high
    return choice([*_decimals(low, high, 10**DIGITS - 1), *_scientific(low, high)])


def decimal_bounds(low: Decimal, high: Decimal | None) -> Magnitudes:
    """The bounds of what `magnitudes` spells."""
    top = 10**DIGITS
    high = LARGEST if high is None else high
    plain = scientific = None
    floor = _split(low, ROUND_CEILING)
    ceiling = _split(high, ROUND_FLOOR) if high < top else (top - 1, "9" * DIGITS)
    if floor <= ceiling:
        plain = (_digits_of(floor[0]), floor[1]), (_digits_of(ceiling[0]), ceiling[1])
    if high >= SMALLEST:
        first, least = _mantissa(max(low, SMALLEST), ROUND_CEILING)
        last, most = _mantissa(min(high, LARGEST), ROUND_FLOOR)
        if (first, least) <= (last, most):
            scientific = (first, _mantissa_digits(least)), (last, _mantissa_digits(most))
    return Magnitudes(DIGITS, plain, scientific, low == 0)


def _mantissa_digits(value: Decimal) -> str:
    return f"{value:f}".replace(".", "").rstrip("0")


def _scientific(low: Decimal, high: Decimal) -> Iterator[Node]:
    """The numbers from low >= 0 to high as `d.ddd e xxx`.

    The bounds are split into mantissa and exponent: 20 <= m * 10**e <= 300 is (m >= 2, e = 1) or (m <= 3, e = 2).
    """
    if low == 0:
        yield Sequence((Bytes(b"0"), optional(ZEROS), _exponent(-999, 999)))
    if high < SMALLEST:
        return
    first, least = _mantissa(max(low, SMALLEST), ROUND_CEILING)
    last, most = _mantissa(min(high, LARGEST), ROUND_FLOOR)
    if first == last:
        for mantissa in _decimals(least, most, 9):
            yield Sequence((mantissa, _exponent(first, first)))
    elif first < last:
        yield Sequence((choice(_decimals(least, Decimal(10), 9)), _exponent(first, first)))
        if first + 1 < last:
            yield Sequence((NONZERO, optional(FRACTION), _exponent(first + 1, last - 1)))
        yield Sequence((choice(_decimals(Decimal(1), most, 9)), _exponent(last, last)))


def _mantissa(value: Decimal, rounding: str) -> tuple[int, Decimal]:
    """The exponent and the mantissa in [1, 10) of a double, rounded to 64 digits behind the point: 250 -> (2, 2.5).

    No double comes so close to a power of ten that its mantissa would be rounded up to 10.
    """
    exponent = value.adjusted()
    return exponent, value.scaleb(-exponent).quantize(Decimal(1).scaleb(-DIGITS), rounding=rounding)


@lru_cache(maxsize=256)
def _exponent(first: int, last: int) -> Node:
    """The exponents from first to last: `e5`, `E+05`, `e-005`; at most three digits."""
    letter, parts = ByteClass(((69, 69), (101, 101))), []
    if last >= 0:
        parts.append(Sequence((optional(Bytes(b"+")), _padded(max(first, 0), last))))
    if first <= 0:
        parts.append(Sequence((Bytes(b"-"), _padded(max(-last, 0), -first))))
    return Sequence((letter, choice(parts)))


def _padded(low: int, high: int) -> Node:
    """The integers from low >= 0 to high <= 999 in one to three digits, leading zeros included."""
    parts: list[Node] = []
    for length, (least, most) in enumerate([(0, 9), (10, 99), (100, 999)], start=1):
        if low <= most and high >= least:
            natural = _naturals(max(low, least), min(high, most))
            parts.append(Sequence((Repeat(Bytes(b"0"), 0, 3 - length), natural)))
    return choice(parts)


@cache
def any_number() -> Node:
    """All spellings of JSON numbers with at most 64 digits a part that neither overflow nor underflow as doubles."""
    whole = Choice((Bytes(b"0"), Sequence((NONZERO, Repeat(DIGIT, 0, DIGITS - 1)))))
    exponent = _exponent(SMALLEST.adjusted() + DIGITS, LARGEST.adjusted() - DIGITS)
    plain = Sequence((whole, optional(FRACTION), optional(exponent)))
    return Sequence((optional(Bytes(b"-")), Choice((plain, *_scientific(Decimal(0), LARGEST)))))


def no_integer(numbers: Node) -> Node:
    """Those of some numbers that are no integers, as plain decimals of at most 15 digits, which a double keeps apart.

    12.50 stands, 12.0 does not, and neither does 1.25e1, which is the same number.
    """
    fraction = Sequence((Repeat(DIGIT), NONZERO, Repeat(DIGIT)))
    plain = Sequence((optional(Bytes(b"-")), Repeat(DIGIT, 1), Bytes(b"."), fraction))
    return Length(And((numbers, plain)), 0, EXACT + 1)


def shortened(numbers: Node, digits: int) -> Node:
    """Those of some numbers of which no part, before or behind the point, has more than so many digits."""
    if digits >= DIGITS:
        return numbers
    whole, exponent = Repeat(DIGIT, 1, digits), Sequence((ByteClass(((69, 69), (101, 101))), Repeat(_IN_EXPONENTS)))
    fraction = Sequence((Bytes(b"."), Repeat(DIGIT, 1, digits)))
    return And((numbers, Sequence((optional(Bytes(b"-")), whole, optional(fraction), optional(exponent)))))


_IN_EXPONENTS = ByteClass(((43, 43), (45, 45), (48, 57)))
