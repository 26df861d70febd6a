"""Cursor: a place in the text of a GBNF grammar, and the strings and sets of characters that are read there.

Place in the walk: **GBNF text -> terminals**, rules around them in `gbnf.py` -> Grammar.
"""

from __future__ import annotations

import re

from grammars.errors import InvalidGrammar, Span, UnsupportedFeature
from grammars.ir import CharClass, char_class

__all__ = ["SPACE", "Cursor"]

# Possessive: what fails behind a long space is not tried again in its parts.
SPACE = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*+)*+")
_HEX = {"x": re.compile("[0-9A-Fa-f]{2}"), "u": re.compile("[0-9A-Fa-f]{4}"), "U": re.compile("[0-9A-Fa-f]{8}")}
_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": "\b",
    "f": "\f",
    "a": "\a",
    "v": "\v",
    "0": "\0",
    "e": "\x1b",
    **{char: char for char in "\"\\[]-/'?"},
}
_CLASS_ESCAPES = _ESCAPES | {char: char for char in "^$.*+(){}|"}
_SETS = {"d": "[0-9]", "w": "[A-Za-z0-9_]", "s": r"[ \t\n\r]", "D": "[^0-9]", "W": "[^A-Za-z0-9_]", "S": r"[^ \t\n\r]"}


class Cursor:
    """A place in a text; each method reads one construct."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def string(self) -> str:
        """What a string in double quotes says."""
        begin, chars = self.at, list[str]()
        self.at += 1
        while not self.text.startswith('"', self.at):
            self.ends_in_line(begin, "string")
            chars.append(self.char(_ESCAPES))
        self.at += 1
        return "".join(chars)

    def char_class(self) -> CharClass:
        """set ::= "[" "^"? (character ("-" character)?)* "]" """
        begin, listed = self.at, list[tuple[int, int]]()
        self.at += 1
        negated = self.text.startswith("^", self.at)
        self.at += negated
        while not self.text.startswith("]", self.at):
            self.ends_in_line(begin, "set")
            first = self.at
            low = high = ord(self.char(_CLASS_ESCAPES))
            if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
                self.at += 1
                self.ends_in_line(begin, "set")
                high = ord(self.char(_CLASS_ESCAPES))
            if low > high:
                raise self.invalid(f"the range {self.text[first : self.at]} is in the wrong order", first)
            listed.append((low, high))
        self.at += 1
        if not listed and not negated:
            raise self.invalid("a set of no characters", begin, hint=r"write \[ or \] for a bracket inside a set")
        return char_class(listed, negate=negated)

    def ends_in_line(self, begin: int, what: str) -> None:
        if self.at >= len(self.text) or self.text[self.at] in "\r\n":
            self.at = begin + 1
            raise self.invalid(f"this {what} is not closed on its line", begin, hint=r"a line break is written \n")

    def char(self, escapes: dict[str, str]) -> str:
        """The character that stands here, or its escape."""
        begin, char = self.at, self.text[self.at]
        self.at += 1
        if char == "\\":
            kind = self.text[self.at : self.at + 1]
            self.at += 1
            char = self.hex(kind, begin) if kind in tuple("xuU") else escapes.get(kind, "")
            if not char:
                self.at = min(self.at, len(self.text))
                hint = f"write {_SETS[kind]}" if kind in _SETS else r"write \\ for the backslash itself"
                raise self.invalid(f"\\{kind} is no escape", begin, hint=hint)
        if 0xD800 <= ord(char) <= 0xDFFF:
            raise self.unsupported("a lone surrogate", begin, hint=r"no text holds one; write \U0001F600")
        return char

    def hex(self, kind: str, begin: int) -> str:
        digits = _HEX[kind].match(self.text, self.at)
        if digits is None:
            need = {"x": 2, "u": 4, "U": 8}[kind]
            raise self.invalid(f"\\{kind} needs {need} hex digits", begin)
        self.at = digits.end()
        longer = re.compile("[0-9A-Fa-f]+").match(self.text, self.at)
        if kind == "x" and longer:
            code = int(digits[0], 16)
            raise self.invalid(
                f"\\x{digits[0]}{longer[0]} is \\x{digits[0]} and {longer[0]} in GBNF and one character in EBNF",
                begin,
                hint=f"write \\u{code:04X} for the first, or all digits behind \\U for the second",
            )
        if int(digits[0], 16) > 0x10FFFF:
            raise self.invalid(f"\\U{digits[0]} is beyond the last code point, U+10FFFF", begin)
        return chr(int(digits[0], 16))

    def skip(self) -> None:
        """Passes space, line breaks and comments."""
        match = SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def span(self, begin: int) -> Span:
        return Span(self.text, begin, max(self.at, begin + 1))

    def invalid(self, message: str, begin: int, *, hint: str | None = None) -> InvalidGrammar:
        return InvalidGrammar(message, span=self.span(begin), hint=hint)

    def unsupported(self, feature: str, begin: int, *, hint: str | None = None) -> UnsupportedFeature:
        return UnsupportedFeature(f"{feature} is not supported in a GBNF grammar", span=self.span(begin), hint=hint)
