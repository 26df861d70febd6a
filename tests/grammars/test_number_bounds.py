"""Two bounds at once: whether any number, and any integer, is between them, beside quarters from -5 to 5."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import product

from grammars.frontends.json_schema.bounds import holds_integer, is_crossed

QUARTERS = [Fraction(n, 4) for n in range(-20, 21)]
BOUNDS = [None, *product((-2, Decimal("-1.5"), 0, Decimal("0.5"), 1, 2), (False, True))]


def test_what_is_between_two_bounds() -> None:
    for low, high in product(BOUNDS, BOUNDS):
        inside = [
            x for x in QUARTERS
            if (low is None or x > low[0] or (x == low[0] and not low[1]))
            and (high is None or x < high[0] or (x == high[0] and not high[1]))
        ]  # fmt: skip
        assert is_crossed(low, high) is (not inside), (low, high)
        assert holds_integer(low, high) is any(x.denominator == 1 for x in inside), (low, high)


def test_integers_that_no_double_holds_are_not_looked_for() -> None:
    assert not holds_integer((2**53 + 1, False), None)
    assert not holds_integer((2**53, True), None)
    assert not holds_integer(None, (-(2**53), True))
    assert holds_integer((Decimal("-1e400"), False), (Decimal("1e400"), False))
