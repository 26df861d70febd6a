"""Reader: the beginning of a JSON text, piece by piece -> the parts of it that are decided.

Place in the walk: behind a stream, before its text is complete. A part is decided when it is the same however the text
goes on: a string as far as it has come, the items and members before the end, `true` from its first letter on; of a
number nothing before the character behind it, since 1 may become 12. What is not decided is absent. Of members of one
name the last one counts, as everywhere in Python. It is a reader of texts of a JSON grammar: what is no JSON raises
ValueError, and that is all it says.

    reader = Reader()
    reader.feed('{"name": "Ada", "age": 3')
    plain(reader.root)   # {"name": "Ada"}
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, TypeAlias

__all__ = ["ABSENT", "Absent", "Part", "Reader", "plain"]

Kind: TypeAlias = Literal["object", "array", "string", "number", "word"]


class Absent(Enum):
    """What stands for a value that is not decided yet; `if part is not ABSENT` narrows the type."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT

WORDS = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
SPACE = " \t\n\r"
NUMBER = frozenset("0123456789+-.eE")
LOW_BEGUN = re.compile(r"(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]{0,2})?)?)?")
"""What of an escape may still become the second half of a surrogate pair."""


@dataclass(slots=True, eq=False)
class Part:
    """A value in a text, from `start` on; `end` is behind its last character, None while it is under way."""

    kind: Kind
    start: int
    end: int | None = None
    members: dict[str, Part] = field(default_factory=dict)
    items: list[Part] = field(default_factory=list)
    text: str = ""
    """Of a string, its characters so far; of a number or a word, how it is written."""
    made: dict[int, object] = field(default_factory=dict)
    """What was made of it when it was complete, by whom: complete parts do not change."""


class Reader:
    """The parts of a text that is fed piece by piece; `root` is None before its first character."""

    def __init__(self) -> None:
        self.text = ""
        self.root: Part | None = None
        self._open: list[Part] = []
        self._scalar: Part | None = None
        self._key: str | None = None
        self._wants = "value"
        self._escape: str | None = None
        self._high = ""  # the first half of a surrogate pair, which may become one character with what follows

    def feed(self, piece: str) -> None:
        """Read on; raises ValueError at a character that no JSON text has there."""
        at = len(self.text)
        self.text += piece
        for position, char in enumerate(piece, at):
            self._read(char, position)

    def finish(self) -> None:
        """The text is complete: a number at its end is."""
        if self._scalar is not None and self._scalar.kind == "number":
            self._close(self._scalar, len(self.text))

    def _read(self, char: str, at: int) -> None:
        scalar = self._scalar
        if scalar is not None and scalar.kind == "string":
            return self._read_string(scalar, char, at)
        if scalar is not None and scalar.kind == "word":
            return self._read_word(scalar, char, at)
        if scalar is not None:
            if char in NUMBER:
                scalar.text += char
                return None
            self._close(scalar, at)
        if char in SPACE:
            return None
        return self._read_structure(char, at)

    def _read_structure(self, char: str, at: int) -> None:
        inside = self._open[-1] if self._open else None
        if char in "]}" and inside is not None and char == ("}" if inside.kind == "object" else "]"):
            if self._wants in ("comma", "first"):
                self._open.pop()
                return self._close(inside, at + 1)
        elif char == "," and self._wants == "comma" and inside is not None:
            self._wants = "key" if inside.kind == "object" else "value"
            return None
        elif char == ":" and self._wants == "colon":
            self._wants = "value"
            return None
        elif inside is not None and inside.kind == "object" and self._wants in ("first", "key"):
            if char == '"':
                self._wants = "key"
                self._scalar = Part("string", at)
                return None
        elif self._wants in ("value", "first"):
            return self._begin(char, at)
        raise ValueError(f"no JSON text has {char!r} at offset {at}")

    def _begin(self, char: str, at: int) -> None:
        if char in "{[":
            part = Part("object" if char == "{" else "array", at)
        elif char == '"':
            part = Part("string", at)
        elif char in WORDS:
            part = Part("word", at, text=WORDS[char][0])
        elif char in "-0123456789":
            part = Part("number", at, text=char)
        else:
            raise ValueError(f"no JSON text has {char!r} at offset {at}")
        if not self._open:
            self.root = part
        elif self._open[-1].kind == "array":
            self._open[-1].items.append(part)
        else:
            assert self._key is not None
            self._open[-1].members[self._key] = part
        if char in "{[":
            self._open.append(part)
            self._wants = "first"
        else:
            self._scalar = part

    def _close(self, part: Part, end: int) -> None:
        """The end of a value, or of the name of a member."""
        part.end = end
        self._scalar = None
        if self._wants == "key":
            self._key, self._wants = part.text, "colon"
        else:
            self._wants = "comma" if self._open else "end"

    def _read_word(self, part: Part, char: str, at: int) -> None:
        if char != part.text[at - part.start]:
            raise ValueError(f"no JSON text has {char!r} at offset {at}")
        if at - part.start == len(part.text) - 1:
            self._close(part, at + 1)

    def _read_string(self, part: Part, char: str, at: int) -> None:
        if self._escape is not None:
            return self._read_escape(part, self._escape + char, at)
        if char == "\\":
            self._escape = ""
            return None
        part.text += self._high
        self._high = ""
        if char == '"':
            return self._close(part, at + 1)
        part.text += char
        return None

    def _read_escape(self, part: Part, escape: str, at: int) -> None:
        if self._high and not LOW_BEGUN.fullmatch(escape) and not self._is_low(escape):
            part.text += self._high
            self._high = ""
        self._escape = escape
        if escape[0] != "u":
            if escape not in ESCAPES:
                raise ValueError(f"no JSON text has {escape!r} behind a backslash at offset {at}")
            part.text += ESCAPES[escape]
            self._escape = None
        elif len(escape) == 5:
            self._escape = None
            unit = int(escape[1:], 16)
            if self._high:
                part.text += (self._high + chr(unit)).encode("utf-16", "surrogatepass").decode("utf-16")
                self._high = ""
            elif 0xD800 <= unit < 0xDC00:
                self._high = chr(unit)
            else:
                part.text += chr(unit)

    @staticmethod
    def _is_low(escape: str) -> bool:
        return len(escape) == 5 and escape[0] == "u" and 0xDC00 <= int(escape[1:], 16) < 0xE000


PLAIN = 0
"""The maker of JSON values, in `Part.made`; others are known by their `id`, which is never 0."""


def plain(part: Part | None) -> object:
    """The JSON value of what is decided; ABSENT where nothing is. Complete parts are made once.

    >>> plain(None)
    <Absent.ABSENT: 'absent'>
    """
    if part is None:
        return ABSENT
    if part.end is None:
        return _plain(part)
    if PLAIN not in part.made:
        part.made[PLAIN] = _plain(part)
    return part.made[PLAIN]


def _plain(part: Part) -> object:
    if part.kind == "object":
        return {key: value for key, member in part.members.items() if (value := plain(member)) is not ABSENT}
    if part.kind == "array":
        return [value for item in part.items if (value := plain(item)) is not ABSENT]
    if part.kind == "string":
        return part.text
    if part.kind == "word":
        return WORDS[part.text[0]][1]
    if part.end is None:
        return ABSENT
    try:
        return float(part.text) if set(part.text) & set(".eE") else int(part.text)
    except ValueError:  # more digits than Python reads: so will the whole be
        return ABSENT
