"""PartReader: a text, piece by piece -> thoughts, content, and calls of tools with their arguments.

Place in the walk: the way back from `gcd.serve.tools`, by the same Layout. The text is in the language that was made
from it, so that nothing is guessed here: where a tag begins, a whole call follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gcd.serve.formats import Layout

__all__ = ["Arguments", "Begun", "Content", "JsonEnd", "Part", "PartReader", "Thought"]

NAME = "([A-Za-z0-9_.-]+)"
GAP = 2
"""Line feeds between thoughts and what follows, which belong to neither."""


@dataclass(frozen=True, slots=True)
class Thought:
    """Text of what the model thinks before it answers."""

    text: str


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


Part: TypeAlias = Thought | Content | Begun | Arguments


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


class PartReader:
    """Parts of an answer as its text comes in.

    >>> reader = PartReader(Layout(calls=HERMES))
    >>> reader.feed('Let me see.<tool_call>\\n{"name": "f", "arguments": {}')
    [Content('Let me see.'), Begun(0, 'f'), Arguments(0, '{}')]
    """

    def __init__(self, layout: Layout) -> None:
        self._layout, self._calls = layout, layout.calls
        self._text = ""
        self._end = JsonEnd()
        self._place: Callable[[bool], Part | None] = self._at_start
        if layout.thinking is not None and layout.opened:
            self._place = self._in_thoughts
        if self._calls is not None:
            begin, head, middle = self._calls.begin, self._calls.head, self._calls.middle
            self._first = re.compile(re.escape(begin + head) + NAME + re.escape(middle))
            between = self._calls.tail + self._calls.separator + head
            self._next = re.compile(re.escape(between) + NAME + re.escape(middle))
        self.calls = 0

    def feed(self, text: str, *, last: bool = False) -> list[Part]:
        """The parts that are sure by now; `last` says that no text follows."""
        self._text += text
        parts: list[Part] = []
        while (part := self._place(last)) is not None:
            parts.append(part)
        return parts

    def _at_start(self, last: bool) -> Part | None:
        """Thoughts, if the text begins with their mark."""
        begins = self._skips(self._layout.thinking.begin, last) if self._layout.thinking is not None else False
        if begins is None:
            return None
        return self._go(self._in_thoughts if begins else self._at_answer, last)

    def _in_thoughts(self, last: bool) -> Part | None:
        assert self._layout.thinking is not None
        end = self._layout.thinking.end
        place = self._text.find(end)
        if place == 0:
            self._text = self._text[len(end) :]
            return self._go(self._behind_thoughts, last)
        if place < 0:
            place = len(self._text) - (0 if last else _kept_back(self._text, end))
        text = self._take(place)
        return Thought(text) if text else None

    def _behind_thoughts(self, last: bool) -> Part | None:
        rest = self._text.lstrip("\n")
        if not rest and len(self._text) < GAP and not last:
            return None
        self._text = self._text[min(GAP, len(self._text) - len(rest)) :]
        return self._go(self._at_answer, last)

    def _at_answer(self, last: bool) -> Part | None:
        """What follows the thoughts: a value, a call, or content with calls behind it."""
        opening = self._layout.thinking.opening if self._layout.thinking is not None else ""
        opened = self._skips(opening, last) if opening else False
        if opened is None:
            return None
        if opened or self._calls is None:
            return self._go(self._in_answer, last)
        if not (self._layout.answers or self._calls.leading) or self._text.startswith(self._calls.tag):
            return self._go(self._in_content, last)
        if self._text and (last or not self._calls.tag.startswith(self._text)):
            return self._go(self._in_answer, last)
        return None

    def _in_content(self, last: bool) -> Part | None:
        """Content up to a tag, and the beginning of the first call behind it."""
        assert self._calls is not None
        place = self._text.find(self._calls.tag)
        if place == 0:
            return self._begin(self._first)
        if place < 0:
            place = len(self._text) - (0 if last else _kept_back(self._text, self._calls.tag))
        return self._content(place)

    def _in_answer(self, last: bool) -> Part | None:
        return self._content(len(self._text))

    def _in_arguments(self, last: bool) -> Part | None:
        end = self._end.find(self._text)
        if end is not None:
            self._place = self._between
        text = self._take(len(self._text) if end is None else end)
        return Arguments(self.calls - 1, text) if text else None

    def _between(self, last: bool) -> Part | None:
        return self._begin(self._next)

    def _begin(self, pattern: re.Pattern[str]) -> Part | None:
        match = pattern.match(self._text)
        if match is None:
            return None
        self._text = self._text[match.end() :]
        self._place, self._end = self._in_arguments, JsonEnd()
        self.calls += 1
        return Begun(self.calls - 1, match[1])

    def _go(self, place: Callable[[bool], Part | None], last: bool) -> Part | None:
        self._place = place
        return place(last)

    def _skips(self, mark: str, last: bool) -> bool | None:
        """Whether the text begins with the mark, which is taken away; None while that is open."""
        if self._text.startswith(mark):
            self._text = self._text[len(mark) :]
            return True
        return None if mark.startswith(self._text) and not last else False

    def _content(self, size: int) -> Content | None:
        text = self._take(size)
        return Content(text) if text else None

    def _take(self, size: int) -> str:
        found, self._text = self._text[:size], self._text[size:]
        return found


def _kept_back(text: str, mark: str) -> int:
    """The length of the longest end of the text with which the mark begins."""
    return next((size for size in range(min(len(text), len(mark) - 1), 0, -1) if mark.startswith(text[-size:])), 0)
