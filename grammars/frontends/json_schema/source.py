"""JSON text to the value that a schema is, and how values and places are written in messages.

Place in the walk: JSON Schema text -> **value** -> Registry. What is in the value is not looked at.
"""

from __future__ import annotations

import json
from typing import NoReturn

from grammars.errors import InvalidGrammar, LimitExceeded, Span

__all__ = ["escape", "read_json", "show", "unescape"]


def escape(name: str) -> str:
    """A property name as a step of a JSON pointer (RFC 6901): `a/b` -> `a~1b`."""
    return name.replace("~", "~0").replace("/", "~1") if "/" in name or "~" in name else name


def unescape(step: str) -> str:
    """The property name that a step of a JSON pointer says: `a~1b` -> `a/b`."""
    return step.replace("~1", "/").replace("~0", "~") if "~" in step else step


def show(value: object) -> str:
    """A JSON value for a message, cut after 60 characters; the type's name for what is no JSON."""
    kind = f"a Python {type(value).__name__}"
    if not isinstance(value, str | int | float | list | dict | None):
        return kind
    try:
        shown = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return kind
    return shown if len(shown) <= 60 else shown[:57] + "..."


def read_json(text: str) -> object:
    """The value of JSON text; raises `InvalidGrammar` with the place, `LimitExceeded` for what is too large."""

    def constant(name: str) -> NoReturn:
        raise InvalidGrammar(f"{name} is not a JSON value", span=_span(text, text.find(name), len(name)))

    try:
        return json.loads(text, parse_constant=constant)
    except json.JSONDecodeError as error:
        hint = "a JSON Schema is JSON text; a file is read from a pathlib.Path" if error.pos == 0 else None
        message = f"this is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise InvalidGrammar(message, span=_span(text, error.pos, 1), hint=hint) from None
    except InvalidGrammar:
        raise
    except RecursionError:
        raise LimitExceeded("the schema's JSON text is nested too deeply to be read") from None
    except ValueError as error:  # an integer of more than 4,300 digits
        raise LimitExceeded(f"a number in the schema is too long: {error}") from None


def _span(text: str, start: int, width: int) -> Span:
    start = max(0, min(start, len(text) - 1))
    return Span(text, start, start + width)
