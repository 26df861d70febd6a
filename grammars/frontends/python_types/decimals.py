r"""Decimals between bounds, with limited digits, as regular expressions: `-?(0|[1-9][0-9]*)(\.[0-9]+)?`.

There is no exponent, no leading zero and no plus sign, so every decimal of up to `DIGITS` digits on either side of the
point has a spelling. Comparison is digit by digit: a number whose whole part is as long as that of a bound is read
along the bound, any other is smaller or larger by its length alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from grammars.record import record

__all__ = ["DIGITS", "Bound", "decimal_body"]

DIGITS = 64
"""The most digits on one side of the point; unbounded digits would be a loop for a model to fall into."""


@record
class Bound:
    """An end of a range, and whether the end itself is left out."""

    value: Decimal
    is_open: bool = False

    @classmethod
    def of(cls, value: int | Decimal, *, is_open: bool = False) -> Bound:
        return cls(Decimal(value), is_open)

    @property
    def negated(self) -> Bound:
        return Bound(self.value.copy_negate(), self.is_open)

    @property
    def whole(self) -> str:
        """The digits before the point: "" for 0.5."""
        return f"{abs(self.value):f}".partition(".")[0].lstrip("0")

    @property
    def digits(self) -> str:
        """All digits, without needless zeros: "05" for 0.050."""
        return self.whole + f"{abs(self.value):f}".partition(".")[2].rstrip("0")


@record
class Shape:
    """How many digits a number may have: `digits` in all, `places` of them after the point; None is unlimited.

    Zeros after the point count, the zero before it does not, as pydantic counts.
    """

    digits: int | None
    places: int | None

    @property
    def longest(self) -> int:
        """The most digits before the point."""
        return DIGITS if self.digits is None else min(DIGITS, self.digits - (self.places or 0))

    @property
    def needs_fraction(self) -> bool:
        """Whether as many places as digits are allowed: then pydantic refuses 0, whose zero counts, but takes 0.0."""
        return self.longest == 0

    def room(self, whole: int) -> int:
        """The most digits after the point when `whole` digits stand before it."""
        limits = [DIGITS, self.places, None if self.digits is None else self.digits - whole]
        return min(limit for limit in limits if limit is not None)


def decimal_body(
    low: Bound | None = None, high: Bound | None = None, *, digits: int | None = None, places: int | None = None
) -> str | None:
    """The decimals from `low` to `high` with at most `digits` digits, `places` of them after the point.

    The result can be concatenated; it is None when there is no such number.

    >>> decimal_body(Bound.of(18), Bound.of(120), places=0)
    '(?:(?:1(?:8|9)|[2-9][0-9])|1(?:[0-1][0-9]|20))'
    """
    shape, zero = Shape(digits, places), Bound.of(0)
    if low is None and high is None:
        return _then("-?", _magnitudes(zero, None, shape))
    branches = []
    if high is None or high.value >= 0:
        branches.append(_magnitudes(low if low and low.value >= 0 else zero, high, shape))
    if low is None or low.value < 0:
        nearest = high.negated if high and high.value <= 0 else zero
        branches.append(_then("-", _magnitudes(nearest, low.negated if low else None, shape)))
    return _either(branches)


def _magnitudes(low: Bound, high: Bound | None, shape: Shape) -> str | None:
    """The numbers without sign from `low` to `high`, both at least zero."""
    first, last = len(low.whole), shape.longest if high is None else min(len(high.whole), shape.longest)
    branches: list[str | None] = []
    free: dict[int, list[int]] = {}  # room after the point -> lengths of whole parts that touch no bound
    for length in range(first, last + 1):
        touches_low, touches_high = length == first, high is not None and length == len(high.whole)
        if touches_low or touches_high:
            along = _Along(low, high, length, shape.room(length), shape.needs_fraction)
            branches.append(along.number(touches_low, touches_high))
        else:
            free.setdefault(shape.room(length), []).append(length)
    for room, lengths in free.items():
        branches.append("[1-9]" + _any_digits(lengths[0] - 1, lengths[-1] - 1) + _any_fraction(room))
    return _either(branches)


@record
class _Along:
    """The numbers with `length` digits before the point (none: a zero) and up to `room` after it.

    `on_low` and `on_high` say whether the digits so far are those of a bound; otherwise it holds whatever follows.
    """

    low: Bound
    high: Bound | None
    length: int
    room: int
    needs_fraction: bool

    def number(self, on_low: bool, on_high: bool) -> str | None:
        return self.whole(0, on_low, on_high) if self.length else _then("0", self.fraction(0, on_low, on_high))

    def whole(self, index: int, on_low: bool, on_high: bool) -> str | None:
        """What may follow `index` digits of the whole part."""
        if index == self.length:
            return self.fraction(index, on_low, on_high)
        if not on_low and not on_high:
            left = self.length - index
            return _any_digits(left, left) + _any_fraction(self.room)
        steps = self.steps(index, on_low, on_high, least=int(index == 0))
        return _either(_then(digit, self.whole(index + 1, *on)) for digit, on in steps)

    def fraction(self, index: int, on_low: bool, on_high: bool) -> str | None:
        """What may follow `index` digits, all of the whole part among them."""
        on_low = on_low and (index < len(self.low.digits) or self.low.is_open)
        at_high = on_high and self.high is not None and index >= len(self.high.digits)
        if at_high and self.high is not None and self.high.is_open:
            return None
        left = self.room - (index - self.length)
        more: str | None = None
        if left and not on_low and (at_high or not on_high):
            more = _repeat("0" if at_high else "[0-9]", 1, left)
        elif left and on_low and not on_high and index >= len(self.low.digits):  # anything but zeros to the end
            more = _either(f"{_repeat('0', n, n)}[1-9]{_any_digits(0, left - n - 1)}" for n in range(left))
        elif left:
            more = _either(
                _then(digit, self.fraction(index + 1, *on)) for digit, on in self.steps(index, on_low, on_high)
            )
        if index == self.length:
            more = _then(r"\.", more)
            if self.needs_fraction:
                return more
        return more if on_low else _optional(more)

    def steps(self, index: int, on_low: bool, on_high: bool, least: int = 0) -> Iterator[tuple[str, tuple[bool, bool]]]:
        """The digits that may come next, in classes, each with whether it stays on the low and on the high bound."""
        first = _digit(self.low, index) if on_low else least
        last = _digit(self.high, index) if on_high and self.high else 9
        if on_low and on_high and first == last:
            yield str(first), (True, True)
            return
        if first > last:
            return
        if on_low:
            yield str(first), (True, False)
        if first + on_low <= last - on_high:
            yield _digit_class(first + on_low, last - on_high), (False, False)
        if on_high:
            yield str(last), (False, True)


def _digit(bound: Bound, index: int) -> int:
    return int(bound.digits[index]) if index < len(bound.digits) else 0


def _digit_class(first: int, last: int) -> str:
    return str(first) if first == last else f"[{first}-{last}]"


def _any_digits(least: int, most: int) -> str:
    return _repeat("[0-9]", least, most)


def _any_fraction(room: int) -> str:
    return rf"(?:\.{_any_digits(1, room)})?" if room > 0 else ""


def _repeat(item: str, least: int, most: int) -> str:
    if (least, most) == (0, 1):
        return f"{item}?"
    if least == most < 2:
        return item * least
    if least == most:
        return f"{item}{{{least}}}"
    return f"{item}{{{least},{most}}}"


def _then(prefix: str, rest: str | None) -> str | None:
    return None if rest is None else prefix + rest


def _optional(item: str | None) -> str:
    return f"(?:{item})?" if item else ""


def _either(branches: Iterable[str | None]) -> str | None:
    """One of the branches that are not None, as a unit."""
    alive = [branch for branch in branches if branch is not None]
    if not alive:
        return None
    return alive[0] if len(alive) == 1 else f"(?:{'|'.join(alive)})"
