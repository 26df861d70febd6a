"""CallReader: the text of an answer, piece by piece -> content, and calls of tools with their arguments.

Place in the walk: the way back from `gcd.serve.tools`. The text is in the language of a toolbox, so that nothing is
guessed here: where a tag begins, a whole call follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gcd.serve.tools import BEGIN, END, HEAD, SEPARATOR, TAG

__all__ = ["Arguments", "Begun", "CallReader", "Content", "JsonEnd", "Part"]

_FIRST = re.compile(f'{re.escape(BEGIN)}"([^"]*)"{re.escape(HEAD)}')
_NEXT = re.compile(re.escape(END + SEPARATOR) + _FIRST.pattern)


@dataclass(frozen=True, slots=True)
class Content:
    """Text that is no call."""

    text: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A call begins: the `index`-th one."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """More of the JSON text of a call's arguments."""

    index: int
    text: str


Part: TypeAlias = Content | Begun | Arguments


class JsonEnd:
    """Finds where a JSON object ends, given its text piece by piece."""

    def __init__(self) -> None:
        self._depth, self._quoted, self._escaped = 0, False, False

    def find(self, text: str) -> int | None:
        """How many of these characters still belong to the object; None when all do and more follow.

        >>> JsonEnd().find('{"a": "}"}, ...')
        10
        """
        for place, char in enumerate(text):
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped, self._quoted = char == "\\", char != '"'
            elif char == '"':
                self._quoted = True
            elif char in "{[":
                self._depth += 1
            elif char in "}]":
                self._depth -= 1
                if self._depth == 0:
                    return place + 1
        return None


class CallReader:
    """Parts of an answer as its text comes in.

    >>> reader = CallReader()
    >>> reader.feed('Let me see.<tool_call>\\n{"name": "f", "arguments": {}')
    [Content('Let me see.'), Begun(0, 'f'), Arguments(0, '{}')]

    `answers`: an answer that does not begin with a call is content to its end, as JSON may have the tag in a string.
    """

    def __init__(self, *, answers: bool = False) -> None:
        self._answers = answers
        self._text = ""
        self._place: Callable[[bool], Part | None] = self._in_content
        self._end = JsonEnd()
        self.calls = 0

    def feed(self, text: str, *, last: bool = False) -> list[Part]:
        """The parts that are sure by now; `last` says that no text follows."""
        self._text += text
        parts: list[Part] = []
        while (part := self._place(last)) is not None:
            parts.append(part)
        return parts

    def _in_content(self, last: bool) -> Part | None:
        """Content up to a tag, and the beginning of the first call behind it."""
        place = self._text.find(TAG)
        if place == 0:
            return self._begin(_FIRST)
        if self._answers and self._text and (last or not TAG.startswith(self._text)):
            self._place = self._in_answer
            return self._in_answer(last)
        if place < 0:
            place = len(self._text) - (0 if last else _kept_back(self._text))
        return self._take(place)

    def _in_answer(self, last: bool) -> Part | None:
        return self._take(len(self._text))

    def _in_arguments(self, last: bool) -> Part | None:
        end = self._end.find(self._text)
        if end is not None:
            self._place = self._between
        found = self._take(len(self._text) if end is None else end)
        return Arguments(self.calls - 1, found.text) if found else None

    def _between(self, last: bool) -> Part | None:
        return self._begin(_NEXT)

    def _begin(self, pattern: re.Pattern[str]) -> Part | None:
        match = pattern.match(self._text)
        if match is None:
            return None
        self._text = self._text[match.end() :]
        self._place, self._end = self._in_arguments, JsonEnd()
        self.calls += 1
        return Begun(self.calls - 1, match[1])

    def _take(self, size: int) -> Content | None:
        found, self._text = self._text[:size], self._text[size:]
        return Content(found) if found else None


def _kept_back(text: str) -> int:
    """The length of the longest end of the text with which the tag begins."""
    return next((size for size in range(min(len(text), len(TAG) - 1), 0, -1) if TAG.startswith(text[-size:])), 0)
