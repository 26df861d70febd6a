"""Bounds on times, moments and durations: a text is in the language iff pydantic accepts it."""

from __future__ import annotations

import datetime as dt
import os
import random
import re
from typing import Annotated, Any

import pytest
from pydantic import AwareDatetime, Field, NaiveDatetime, TypeAdapter, ValidationError
from pydantic_core import core_schema

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, UnsupportedFeature
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.python_types import describe_type

ROUNDS = int(os.environ.get("GCD_MOMENT_ROUNDS", "40"))
ZONES = [None, dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30)), dt.timezone(dt.timedelta(hours=-8))]


def accepts(adapter: TypeAdapter[Any], text: str) -> bool:
    try:
        adapter.validate_json(f'"{text}"')
    except ValidationError:
        return False
    return True


def steps(rng: random.Random) -> dt.timedelta:
    """Distances at which a digit, a second, a day or more changes."""
    scale = rng.choice([1, 10, 1000, 10**6, 10**6 * 60, 10**6 * 3600, 10**6 * 86400, 10**6 * 86400 * 400])
    return dt.timedelta(microseconds=rng.randint(-3, 3) * scale + rng.choice([0, 0, 1, -1]))


def spelled(at: dt.datetime | dt.time, rng: random.Random) -> str:
    """ISO 8601 with a fraction of no more digits than are needed, or of more."""
    text = at.isoformat().removesuffix("+00:00")
    if "." in text:
        text = text.rstrip("0")
    digits = 6 - len(text.partition(".")[2])
    zeros = "0" * rng.randint(0, digits) if digits else ""
    return text + ("." + zeros if "." not in text and zeros else zeros)


def random_moment(rng: random.Random) -> dt.datetime:
    at = dt.datetime(rng.choice([10, 1999, 2024, 9990]), rng.randint(1, 12), rng.randint(1, 28))
    return at + dt.timedelta(microseconds=rng.choice([0, rng.randrange(86400 * 10**6), 86399 * 10**6]))


def keyword(rng: random.Random, kinds: str, bound: Any) -> dict[str, Any]:
    return {rng.choice(["g", "l"] if kinds == "any" else [kinds]) + rng.choice("et"): bound}


@pytest.mark.parametrize("type_", [dt.datetime, NaiveDatetime, AwareDatetime])
def test_moments_are_those_that_pydantic_accepts(type_: Any) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    both = [0, 0]
    for _ in range(ROUNDS):
        zone, low = rng.choice(ZONES), random_moment(rng)
        bounds = keyword(rng, "g", low.replace(tzinfo=zone))
        high = low + abs(steps(rng))
        if rng.random() < 0.7:
            bounds |= keyword(rng, "l", high.replace(tzinfo=zone))
        annotated = Annotated[type_, Field(**bounds)]
        adapter, note = TypeAdapter(annotated), f"seed {seed}: {bounds}"
        try:
            pattern = describe_type(annotated).schema["pattern"]
        except EmptyLanguage:
            pattern = "^(?!)$"
        offset = dt.timedelta() if zone is None else zone.utcoffset(None)
        for _ in range(10):
            at = rng.choice([low, high, low - offset, high - offset]) + steps(rng)
            for text in (spelled(at, rng), spelled(at, rng) + "Z"):
                expected = accepts(adapter, text)
                both[expected] += 1
                assert bool(re.search(pattern, text)) == expected, f"{note}: {text}"
        text = f"{spelled(low + dt.timedelta(hours=2), rng)}+02:00"
        assert not re.search(pattern, text), f"{note}: {text}"
    assert min(both) > 0


class InBombay:
    """Moments with the offset +05:30."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> core_schema.CoreSchema:
        low, high = dt.datetime(2024, 1, 1, 20, tzinfo=dt.UTC), dt.datetime(2024, 1, 2, 3, 0, 0, 5)
        return core_schema.datetime_schema(tz_constraint=19800, gt=low, le=high.replace(tzinfo=ZONES[2]))


def test_moments_of_one_offset_between_bounds_of_others() -> None:
    pattern, adapter, rng = describe_type(InBombay).schema["pattern"], TypeAdapter(InBombay), random.Random(1)
    both = [0, 0]
    for bound in (dt.datetime(2024, 1, 2, 1, 30), dt.datetime(2024, 1, 2, 3)):
        for _ in range(40):
            text = spelled(bound + steps(rng), rng) + "+05:30"
            both[accepts(adapter, text)] += 1
            assert bool(re.search(pattern, text)) == accepts(adapter, text), text
    assert min(both) > 0


def test_bounds_beyond_the_first_and_last_moment_leave_all_or_nothing() -> None:
    late, early = dt.datetime.min.replace(tzinfo=ZONES[2]), dt.datetime.max.replace(tzinfo=ZONES[3])
    everything = describe_type(Annotated[AwareDatetime, Field(ge=late, le=early)]).schema["pattern"]
    assert all(re.search(everything, text) for text in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"))


def test_times_are_those_that_pydantic_accepts() -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    for _ in range(ROUNDS):
        low, high = random_moment(rng).time(), random_moment(rng).time()
        bounds = {**keyword(rng, "g", low), **(keyword(rng, "l", high) if rng.random() < 0.7 else {})}
        annotated = Annotated[dt.time, Field(**bounds)]
        adapter = TypeAdapter(annotated)
        try:
            pattern = describe_type(annotated).schema["pattern"]
        except EmptyLanguage:
            pattern = "^(?!)$"
        for _ in range(10):
            at = (dt.datetime.combine(dt.date(2000, 1, 1), rng.choice([low, high])) + steps(rng)).time()
            for text in (spelled(at, rng), spelled(at, rng) + "Z"):
                assert bool(re.search(pattern, text)) == accepts(adapter, text), f"seed {seed}: {bounds}: {text}"


@pytest.mark.parametrize(
    ("bounds", "accepted", "refused"),
    [
        ({"ge": dt.timedelta(0)}, ["PT0S", "P1D", "PT0.5S", "P999999999D"], ["-PT1S", "-P0D"]),
        ({"gt": dt.timedelta(0)}, ["PT0.000001S", "P1D", "P0DT1H"], ["PT0S", "P0D", "-P1D", "P0DT0.0S"]),
    ],
)
def test_durations_that_are_not_negative(bounds: Any, accepted: list[str], refused: list[str]) -> None:
    annotated = Annotated[dt.timedelta, Field(**bounds)]
    adapter = TypeAdapter(annotated)
    automaton = compile_grammar(parse_json_schema(describe_type(annotated).schema))
    assert [text for text in accepted if not (automaton.accepts(f'"{text}"'.encode()) and accepts(adapter, text))] == []
    assert [text for text in refused if automaton.accepts(f'"{text}"'.encode())] == []


NOON = dt.time(12)


@pytest.mark.parametrize(
    ("type_", "kind", "message"),
    [
        (
            Annotated[dt.timedelta, Field(le=dt.timedelta(days=1))],
            UnsupportedFeature,
            "timedelta: the bound le of a timedelta is not supported\n"
            "Of a timedelta, ge=timedelta(0) and gt=timedelta(0) are; a validator is applied to the finished value.",
        ),
        (
            Annotated[dt.time, Field(ge=NOON.replace(tzinfo=dt.UTC))],
            UnsupportedFeature,
            "time: bounds on a time with an offset are not supported\nUse a time without one, or a datetime.",
        ),
        (
            Annotated[dt.datetime, Field(ge=dt.datetime(2024, 1, 1), gt=dt.datetime(2025, 1, 1, tzinfo=dt.UTC))],
            UnsupportedFeature,
            "datetime: bounds of which some have an offset and some have none are not supported",
        ),
        (
            Annotated[dt.time, Field(ge=NOON, lt=NOON)],
            EmptyLanguage,
            "time: no time is between 12:00:00 and 11:59:59.999999",
        ),
        (
            Annotated[AwareDatetime, Field(lt=dt.datetime.min.replace(tzinfo=ZONES[2]) + dt.timedelta(hours=1))],
            EmptyLanguage,
            "AwareDatetime: no datetime is between None and 0001-01-01 00:59:59.999999+05:30",
        ),
        (Annotated[dt.time, Field(lt=dt.time.min)], EmptyLanguage, "time: no time is beyond its bounds"),
        (
            Annotated[dt.datetime, Field(gt=dt.datetime.max)],
            EmptyLanguage,
            "datetime: no datetime is beyond its bounds",
        ),
        (
            Annotated[dt.datetime, Field(gt=dt.datetime(2024, 1, 2), lt=dt.datetime(2024, 1, 1))],
            EmptyLanguage,
            "datetime: no datetime is between 2024-01-02 00:00:00.000001 and 2023-12-31 23:59:59.999999",
        ),
    ],
)
def test_bounds_that_are_refused(type_: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        describe_type(type_)
    assert (type(caught.value), str(caught.value)) == (kind, message)
