"""PartReader: a text, piece by piece -> thoughts, content, and calls of tools with their arguments.

Place in the walk: the way back from `gcd.serve.tools`, by the same Layout. The text is in the language that was made
from it, so that nothing is guessed here: where a tag begins, a whole call follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gcd.serve.bare import BareReader, kept_back
from gcd.serve.formats import Layout

__all__ = ["Arguments", "Begun", "Content", "JsonReader", "Part", "PartReader", "Thought"]

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


class JsonReader:
    """Reads a JSON object piece by piece, up to where it ends."""

    def __init__(self) -> None:
        self._depth, self._quoted, self._escaped = 0, False, False

    def read(self, text: str) -> tuple[str, int, bool]:
        """The text of the object as far as it goes, how many characters that is, and whether the object ends there.

        >>> JsonReader().read('{"a": "}"}, ...')
        ('{"a": "}"}', 10, True)
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
                    return text[: place + 1], place + 1, True
        return text, len(text), False


class PartReader:
    """Parts of an answer as its text comes in.

    >>> reader = PartReader(Layout(calls=HERMES))
    >>> reader.feed('Let me see.<tool_call>\\n{"name": "f", "arguments": {}')
    [Content('Let me see.'), Begun(0, 'f'), Arguments(0, '{}')]
    """

    def __init__(self, layout: Layout) -> None:
        self._layout, self._calls = layout, layout.calls
        self._text = ""
        self._place: Callable[[bool], Part | None] = self._at_start
        if layout.thinking is not None and layout.opened:
            self._place = self._in_thoughts
        if self._calls is not None:
            begin, head, middle = self._calls.begin, self._calls.head, self._calls.middle
            name = NAME + (re.escape(middle) or r"(?=\{)")
            self._first = re.compile(re.escape(begin + head) + name)
            self._next = re.compile(re.escape(self._calls.tail + self._calls.separator + head) + name)
            self._object = self._new_object()
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
            place = len(self._text) - (0 if last else kept_back(self._text, end))
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
            place = len(self._text) - (0 if last else kept_back(self._text, self._calls.tag))
        return self._content(place)

    def _in_answer(self, last: bool) -> Part | None:
        return self._content(len(self._text))

    def _in_arguments(self, last: bool) -> Part | None:
        text, size, ended = self._object.read(self._text)
        if ended:
            self._place = self._between
        self._take(size)
        return Arguments(self.calls - 1, text) if text else None

    def _new_object(self) -> JsonReader | BareReader:
        assert self._calls is not None
        return BareReader(self._calls.quote) if self._calls.quote else JsonReader()

    def _between(self, last: bool) -> Part | None:
        return self._begin(self._next)

    def _begin(self, pattern: re.Pattern[str]) -> Part | None:
        match = pattern.match(self._text)
        if match is None:
            return None
        self._text = self._text[match.end() :]
        self._place, self._object = self._in_arguments, self._new_object()
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
