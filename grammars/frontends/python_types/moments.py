"""Times of day and moments between bounds as regular expressions, to the microsecond.

Place in the walk: beside `temporal.py`, which has the unbounded ones. A bounded text has no offset or `Z`: every moment
has such a text, and other offsets would make the day depend on the offset. pydantic compares a text without an offset
with a bound as it is written, one with an offset as the instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from grammars.frontends.python_types.alternatives import one_of
from grammars.frontends.python_types.temporal import SIXTIETH, date_body

__all__ = ["clock_body", "moment_body", "zoned_moments"]

FIRST, LAST = (0, 0, 0, 0), (23, 59, 59, 999_999)
"""The parts of a time of day, at both ends."""

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
OFFSETS = {"naive": [""], "aware": ["Z"], None: ["", "Z"]}


def zoned_moments(low: datetime | None, high: datetime | None, zone: str | int | None) -> str | None:
    """The moments from `low` to `high`, both included, with the offsets that `zone` allows (see `time_body`).

    None where there are none. `low` and `high` may have offsets.
    """
    shift = timedelta(seconds=zone) if isinstance(zone, int) else timedelta()
    shown = f"{'-' if shift < timedelta() else '+'}{abs(shift) // HOUR:02}:{abs(shift) % HOUR // MINUTE:02}"
    offsets = [shown if shift else "Z"] if isinstance(zone, int) else OFFSETS[zone]
    branches = []
    for offset in offsets:
        first, last = _as_written(low, offset, shift, datetime.min), _as_written(high, offset, shift, datetime.max)
        if first is not None and last is not None and first <= last:
            branches.append(moment_body(first, last) + offset.replace("+", "[+]"))
    return f"(?:{'|'.join(branches)})" if branches else None


def _as_written(bound: datetime | None, offset: str, shift: timedelta, open_end: datetime) -> datetime | None:
    """A bound as a text with that offset says it; `open_end` without one, None where it leaves nothing."""
    if bound is None:
        return open_end
    if offset and bound.tzinfo is not None:
        try:
            bound = bound.astimezone(UTC) + shift
        except OverflowError:  # beyond the first or the last moment that there is
            return open_end if (bound.year < 5000) == (open_end == datetime.min) else None
    return bound.replace(tzinfo=None)


def moment_body(low: datetime, high: datetime) -> str:
    """The moments from `low` to `high`, both included, without offsets.

    >>> moment_body(datetime(2024, 1, 1, 23, 59, 58), datetime(2024, 1, 1, 23, 59, 59))
    '(?:2024-01-01T23:59:(?:58(?:\\\\.[0-9]{1,6})?|59(?:\\\\.0{1,6})?))'
    """
    if low.date() == high.date():
        return f"(?:{low.date()}T{clock_body(low.time(), high.time())})"
    branches = [f"{low.date()}T{clock_body(low.time(), time.max)}"]
    branches.append(f"{high.date()}T{clock_body(time.min, high.time())}")
    first, last = low.date() + timedelta(days=1), high.date() - timedelta(days=1)
    if first <= last:
        branches.append(f"{date_body(first, last)}T{clock_body(time.min, time.max)}")
    return f"(?:{'|'.join(branches)})"


def clock_body(low: time, high: time) -> str:
    """The times of day from `low` to `high`, both included, without offsets."""
    return _parts(_split(low), _split(high))


def _split(at: time) -> tuple[int, ...]:
    return at.hour, at.minute, at.second, at.microsecond


def _parts(low: Sequence[int], high: Sequence[int]) -> str:
    """Hours, minutes, seconds and a fraction from `low` to `high`; fewer where the first ones have been written."""
    if len(low) == 1:
        return _fraction(f"{low[0]:06}", f"{high[0]:06}")
    separator = ":" if len(low) > 2 else ""
    least, most = FIRST[-len(low) + 1 :], LAST[-len(low) + 1 :]
    if low[0] == high[0]:
        return f"{low[0]:02}{separator}{_parts(low[1:], high[1:])}"
    first, last, branches = low[0], high[0], []
    if tuple(low[1:]) != least:
        branches.append(f"{first:02}{separator}{_parts(low[1:], most)}")
        first += 1
    if tuple(high[1:]) != most:
        branches.append(f"{last:02}{separator}{_parts(least, high[1:])}")
        last -= 1
    if first <= last:
        whole = SIXTIETH if (first, last) == (0, 59) else one_of(f"{n:02}" for n in range(first, last + 1))
        branches.append(f"{whole}{separator}{_parts(least, most)}")
    return f"(?:{'|'.join(branches)})"


def _fraction(low: str, high: str) -> str:
    """The fractions from `low` to `high` microseconds, in one to six digits; none is 0."""
    body = rf"\.{_digits(low, high, is_first=True)}"
    return f"(?:{body})?" if not int(low) else body


def _digits(low: str, high: str, *, is_first: bool = False) -> str:
    """Digits that come to `low` to `high` when zeros are added to them; none at all only behind another digit."""
    count = len(low)
    if not count:
        return ""
    may_end = not int(low) and not is_first
    if not int(low) and high == "9" * count:
        return f"[0-9]{{{int(is_first)},{count}}}"
    if not int(low) and not int(high):
        return f"0{{{int(is_first)},{count}}}"
    first, last, branches = int(low[0]), int(high[0]), []
    rest = count - 1
    if first == last:
        branches.append(f"{first}{_digits(low[1:], high[1:])}")
    else:
        branches.append(f"{first}{_digits(low[1:], '9' * rest)}")
        branches.append(f"{last}{_digits('0' * rest, high[1:])}")
        if first + 1 < last:
            branches.append(f"[{first + 1}-{last - 1}][0-9]{{0,{rest}}}")
    return f"(?:{'|'.join(branches)}){'?' if may_end else ''}"
