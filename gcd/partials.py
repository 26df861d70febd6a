"""Partials and Items: the pieces of a text -> the values that can be shown before it is complete.

Place in the walk: between `gcd.stream` and whoever reads it. What is JSON is read by `partial_json`, and made instances
of by `partial_types`; any other text is its own partial value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gcd.errors import ValidationFailed
from gcd.partial_json import ABSENT, Reader, plain

if TYPE_CHECKING:
    from gcd.generation import Generation

__all__ = ["Items", "Partials", "Shape"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How the values of a text are to be shown.

    `is_json`, with `or_text`: only where it begins with a bracket. `core`: pydantic's core schema of the type; None: as
    plain JSON. `finish` makes an item of an array what it is at the end.
    """

    is_json: bool = False
    or_text: bool = False
    core: Mapping[str, Any] | None = None
    finish: Callable[[object], object] | None = None


class _Followed:
    """A text as far as it has come, and what is decided of it."""

    def __init__(self, shape: Shape) -> None:
        self.reader, self.shape, self.is_json = Reader(), shape, shape.is_json
        self.typed = None
        if shape.core is not None:
            from gcd.partial_types import Typed

            self.typed = Typed(shape.core)
        self.text = ""

    def feed(self, piece: str) -> None:
        if self.is_json and self.shape.or_text and not self.text and piece[0] not in "{[":
            self.is_json = False
        self.text += piece
        if self.is_json:
            self.reader.feed(piece)

    @property
    def value(self) -> object:
        """The best value of the text so far; ABSENT for none, and where it is nested too deeply for Python's stack."""
        if not self.is_json:
            return self.text
        root = self.reader.root
        try:
            return plain(root) if self.typed is None else self.typed.make(root, self.text)
        except RecursionError:
            return ABSENT


class Partials:
    """The values of a text as it comes: a list of those to show after each piece and at the end, one or none."""

    def __init__(self, shape: Shape) -> None:
        self._followed = _Followed(shape)
        self._last: object = ABSENT

    def after(self, piece: str) -> list[object]:
        """The best value if it is another one than before."""
        self._followed.feed(piece)
        return self._show(self._followed.value)

    def at_end(self, generation: Generation) -> list[object]:
        """The value itself, unless it was shown; nothing where there is an error."""
        return [] if generation.error is not None else self._show(generation.value)

    def _show(self, value: object) -> list[object]:
        if value is ABSENT or (type(value) is type(self._last) and _are_equal(value, self._last)):
            return []
        self._last = value
        return [value]


class Items:
    """The items of an array as they are complete; ValueError for a text that is none."""

    def __init__(self, shape: Shape) -> None:
        self._followed = _Followed(shape)
        self._given = 0

    def after(self, piece: str) -> list[object]:
        """The items that the piece completes; raises ValidationFailed for one that its type refuses."""
        self._followed.feed(piece)
        root = self._followed.reader.root
        if not self._followed.is_json or (root is not None and root.kind != "array"):
            raise ValueError("items() is for texts that are JSON arrays, and this one is not: read partials()")
        found = []
        while root is not None and self._given < len(root.items) and root.items[self._given].end is not None:
            found.append(self._item(self._given))
            self._given += 1
        return found

    def at_end(self, generation: Generation) -> list[object]:
        """Nothing: the array is closed, and so every item was given."""
        return []

    def _item(self, index: int) -> object:
        followed = self._followed
        assert followed.reader.root is not None
        part, finish = followed.reader.root.items[index], followed.shape.finish
        if followed.typed is None:
            value = plain(part)
        else:
            try:
                value = followed.typed.item(part, index, followed.text)
            except ValueError as error:  # pydantic's ValidationError is one
                from gcd.parse import reasons

                raise ValidationFailed(followed.text[part.start : part.end], reasons(error)) from error
        return value if finish is None else finish(value)


def _are_equal(value: object, other: object) -> bool:
    try:
        return bool(value == other)
    except AttributeError:  # dataclasses compare attributes that are not there yet
        return False
