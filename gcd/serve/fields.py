"""Fields: the body of a request, read field by field; each error names its parameter.

Place in the walk: bytes -> dict -> typed values. `null` is as good as absent, as the clients of OpenAI have it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from gcd.errors import RequestError

__all__ = ["Fields", "parse_body"]

T = TypeVar("T")

_NAMES = {str: "a string", bool: "true or false", int: "an integer", dict: "an object", list: "an array"}


def parse_body(data: bytes) -> dict[str, Any]:
    """The JSON object of a request; raises RequestError for anything else.

    >>> parse_body(b'{"n": 1}')
    {'n': 1}
    """
    try:
        body = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        json.dumps(body, ensure_ascii=False).encode("utf-8")
    except UnicodeError as error:
        raise RequestError(f"the body is no Unicode text: {error}", code="invalid_json") from None
    except RecursionError:
        raise RequestError("the body is nested too deeply to be read", code="invalid_json") from None
    except ValueError as error:
        raise RequestError(f"the body is no JSON: {error}", code="invalid_json") from None
    if not isinstance(body, dict):
        raise RequestError(f"the body must be a JSON object, not {shown(body)}", code="invalid_json")
    return body


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def shown(value: object) -> str:
    """A value in a message, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else text[:59] + "…"


class Fields:
    """The fields of one JSON object, at `path` in the request; what is asked for is `taken`."""

    def __init__(self, value: Mapping[str, Any], path: str = "") -> None:
        self.value, self.path = value, path
        self.taken: set[str] = set()

    def param(self, name: str) -> str:
        """The name of a field as errors have it."""
        return f"{self.path}.{name}" if self.path else name

    def fail(self, name: str, problem: str, *, code: str = "invalid_value") -> RequestError:
        """The error that the field `name` is at fault."""
        return RequestError(f"{self.param(name)} {problem}", param=self.param(name), code=code)

    def any(self, name: str) -> Any:
        """Whatever stands there; None where nothing does."""
        self.taken.add(name)
        return self.value.get(name)

    def of(self, kind: type[T], name: str) -> T | None:
        """The value, which is of that type; None where nothing stands there."""
        value = self.any(name)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.fail(name, f"must be {_NAMES[kind]}, not {shown(value)}", code="invalid_type")
        return value

    def flag(self, name: str) -> bool:
        """true or false; false where nothing stands there."""
        return self.of(bool, name) or False

    def integer(self, name: str, low: int, high: int) -> int | None:
        """An integer from `low` to `high`."""
        value = self.of(int, name)
        if value is not None and not low <= value <= high:
            raise self.fail(name, f"must be from {low} to {high}, not {shown(value)}")
        return value

    def number(self, name: str, low: float, high: float = math.inf) -> float | None:
        """A finite number from `low` to `high`."""
        value = self.any(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.fail(name, f"must be a number, not {shown(value)}", code="invalid_type")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not (low <= number <= high and math.isfinite(number)):
            upto = f"from {low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}, and finite"
            raise self.fail(name, f"must be {upto}, not {shown(value)}")
        return number

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """One of some words."""
        value = self.of(str, name)
        if value is not None and value not in allowed:
            words = ", ".join(map(repr, allowed))
            raise self.fail(name, f"must be one of {words}, not {shown(value)}")
        return value

    def within(self, name: str) -> Fields | None:
        """The fields of the object that stands there."""
        value = self.of(dict, name)
        return None if value is None else Fields(cast("dict[str, Any]", value), self.param(name))

    def each(self, name: str, at_most: int = 10_000) -> list[Fields] | None:
        """The fields of the objects in the array that stands there."""
        value = self.of(list, name)
        if value is None:
            return None
        if len(value) > at_most:
            raise self.fail(name, f"has {len(value):,} items, and at most {at_most:,} are allowed")
        for i, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.fail(f"{name}[{i}]", f"must be an object, not {shown(item)}", code="invalid_type")
        return [Fields(item, f"{self.param(name)}[{i}]") for i, item in enumerate(value)]

    def texts(self, name: str, at_most: int) -> tuple[str, ...]:
        """A string or an array of strings, none of them empty."""
        value = self.any(name)
        if value is None:
            return ()
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(text, str) and text for text in found):
            problem = f"must be a string or an array of strings, none of them empty, not {shown(value)}"
            raise self.fail(name, problem, code="invalid_type")
        if len(found) > at_most:
            raise self.fail(name, f"has {len(found):,} items, and at most {at_most:,} are allowed")
        return tuple(found)
