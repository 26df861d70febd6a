"""Dates, times and durations as regular expressions, in the spellings of `isoformat()` and ISO 8601.

Only what Python's `datetime` can hold: years 0001 to 9999, days that exist, no leap seconds, offsets below 24 hours,
durations below 1,000,000,000 days. Bodies are not anchored, so that they can be put together.
"""

from __future__ import annotations

import calendar
from datetime import date
from functools import lru_cache

from grammars.frontends.python_types.alternatives import one_of
from grammars.frontends.python_types.decimals import Bound, decimal_body

__all__ = ["date_body", "datetime_body", "duration_body", "time_body"]

YEARS = range(date.min.year, date.max.year + 1)
HOUR = one_of(f"{n:02}" for n in range(24))
SIXTIETH = "[0-5][0-9]"
FRACTION = r"\.[0-9]{1,6}"
CLOCK = f"{HOUR}:{SIXTIETH}:{SIXTIETH}(?:{FRACTION})?"
ZONE = f"(?:Z|[+-]{HOUR}:{SIXTIETH})"


@lru_cache(maxsize=64)
def date_body(first: date = date.min, last: date = date.max) -> str:
    """The days from `first` to `last`, both included, which are at least one.

    >>> date_body(date(2024, 2, 28), date(2024, 3, 1))
    '(?:2024-0(?:2-2[89]|3-01))'
    """
    branches = []
    whole = [year for year in YEARS if first <= date(year, 1, 1) and date(year, 12, 31) <= last]
    for year in sorted({first.year, last.year} - set(whole)):
        days = [day for day in _days(year) if f"{first:%m-%d}" <= day or year > first.year]
        branches.append(f"{year:04}-{one_of(day for day in days if day <= f'{last:%m-%d}' or year < last.year)}")
    leap = [year for year in whole if calendar.isleap(year)]
    if whole:
        branches.append(f"{one_of(f'{y:04}' for y in whole)}-{one_of(_days(2001))}")
    if leap:
        branches.append(f"{one_of(f'{y:04}' for y in leap)}-02-29")
    return f"(?:{'|'.join(branches)})"


def _days(year: int) -> list[str]:
    return [f"{m:02}-{d:02}" for m in range(1, 13) for d in range(1, calendar.monthrange(year, m)[1] + 1)]


def time_body(zone: str | int | None) -> str:
    """The times of day; `zone` is "aware", "naive", an offset in seconds, or None for with or without an offset."""
    return CLOCK + _zone(zone)


def datetime_body(zone: str | int | None) -> str:
    """A date, `T` and a time: see `time_body`."""
    return f"{date_body()}T{time_body(zone)}"


def _zone(zone: str | int | None) -> str:
    if isinstance(zone, int):
        hours, minutes = divmod(abs(zone) // 60, 60)
        offset = rf"[{'-' if zone < 0 else '+'}]{hours:02}:{minutes:02}"
        return f"(?:Z|{offset})" if zone == 0 else offset
    return {None: f"{ZONE}?", "aware": ZONE, "naive": ""}[zone]


def duration_body() -> str:
    """The durations that a timedelta can hold: `-P1DT2H`, `PT90M`, `P2W`, `P1Y` (365 days), `P1M` (30 days).

    Days of up to eight digits combine with all other parts without passing the limit of 999,999,999 days; nine digits
    stand alone with less than a day, and the most negative timedelta is -999,999,999 days sharp.
    """
    days = _some(["[0-9]{1,5}Y", "[0-9]{1,4}M", "[0-9]{1,4}W", "[0-9]{1,8}D"])
    clock = _some(["[0-9]{1,5}H", "[0-9]{1,6}M", f"[0-9]{{1,8}}(?:{FRACTION})?S"])
    small = f"-?P(?:{days}(?:T{clock})?|T{clock})"
    below_a_day = _some(["(?:[01]?[0-9]|2[0-3])H", "[0-5]?[0-9]M", f"[0-5]?[0-9](?:{FRACTION})?S"])
    many = decimal_body(Bound.of(10**8), Bound.of(999_999_998), places=0)
    return f"(?:{small}|-?P(?:{many}D(?:T{below_a_day})?|999999999D)|P999999999DT{below_a_day})"


def _some(parts: list[str]) -> str:
    """At least one of the parts, each at most once, in their order."""
    rests = ["".join(f"(?:{part})?" for part in parts[i + 1 :]) for i in range(len(parts))]
    return "(?:" + "|".join(part + rest for part, rest in zip(parts, rests, strict=True)) + ")"
