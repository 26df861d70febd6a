r"""The regex dialects of pydantic (Rust's by default, Python's for compiled patterns) to that of JSON Schema, ECMA-262.

They agree on most of the syntax and differ in what it means:

| written     | means to Rust and Python                       | written for ECMA |
|-------------|------------------------------------------------|------------------|
| `\d` `\w` `\s` | Unicode digits, word characters, white space | their ranges     |
| `.`         | all but a line feed                             | `[^\n]`          |
| `\A`, `\z`, `\Z` | the ends of the text                       | `^`, `$`         |
| `(?P<x>`, `(?<x>` | a group with a name                        | `(?:`            |
| `[]a]`      | a class with a bracket                          | `[\]a]`          |

What cannot be translated is refused: flags, word boundaries, backreferences, set operations in classes. Versions of
Unicode differ in what is assigned, so a class keeps two sets: what it surely contains, which is written, and what it
possibly contains, which is what a negation leaves out. So the translation never accepts more than the original.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn, TypeAlias

from grammars.errors import Span, UnsupportedFeature
from grammars.ir import Ranges, char_class
from grammars.record import record

__all__ = ["translate"]

Engine: TypeAlias = str
"""`rust-regex` or `python-re`, as pydantic calls them."""

WHITE_SPACE: Ranges = (
    (0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
)  # fmt: skip
"""Unicode's White_Space: what Rust's `\\s` matches and what `strip_whitespace` strips."""

JOINERS_AND_CIRCLED_LETTERS: Ranges = (
    (0x200C, 0x200D), (0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189),
)  # fmt: skip
"""Join_Control, and the symbols that are Alphabetic all the same."""

CONTROLS = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D, "a": 0x07}
HEX_DIGITS = {"x": 2, "u": 4, "U": 8}

POSIX: Mapping[str, str] = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": "\x00-\x7f", "blank": "\t ", "cntrl": "\x00-\x1f\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@[-`{-~", "space": "\t-\r ",
    "upper": "A-Z", "word": "0-9A-Z_a-z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


@record
class CharSet:
    """The characters that are surely in a class, and those that possibly are in another version of Unicode."""

    sure: Ranges
    possible: Ranges

    @classmethod
    def of(cls, *ranges: tuple[int, int]) -> CharSet:
        exact = char_class(ranges).ranges
        return cls(exact, exact)

    def __or__(self, other: CharSet) -> CharSet:
        return CharSet(_union(self.sure, other.sure), _union(self.possible, other.possible))

    def __invert__(self) -> CharSet:
        return CharSet(char_class(self.possible, negate=True).ranges, char_class(self.sure, negate=True).ranges)

    def __str__(self) -> str:
        """The class of what is surely in it, or of what is not, whichever is shorter."""
        rest = char_class(self.sure, negate=True).ranges
        mark, ranges = ("^", rest) if len(rest) < len(self.sure) else ("", self.sure)
        return (
            f"[{mark}{''.join(_written(low) + (f'-{_written(high)}' if high > low else '') for low, high in ranges)}]"
        )


def _union(left: Ranges, right: Ranges) -> Ranges:
    return char_class([*left, *right]).ranges


def _written(code: int) -> str:
    """A character inside a class; astral ones as themselves, since `\\u{...}` needs a flag."""
    char = chr(code)
    return char if code > 0xFFFF or (char.isascii() and char.isalnum()) else f"\\u{code:04x}"


@lru_cache(maxsize=8)
def _by_category(sure: str, possible: str) -> CharSet:
    """The characters whose general category begins with one of the words; `possible` ones may have it elsewhere."""
    runs: dict[str, list[tuple[int, int]]] = {}
    start, previous = 0, unicodedata.category("\0")
    for code in range(1, 0x110001):
        category = unicodedata.category(chr(code)) if code < 0x110000 else ""
        if category != previous:
            runs.setdefault(previous, []).append((start, code - 1))
            start, previous = code, category
    certain = [run for name, found in runs.items() if name.startswith(tuple(sure.split())) for run in found]
    other = [run for name, found in runs.items() if name.startswith(tuple(possible.split())) for run in found]
    return CharSet(char_class(certain).ranges, char_class([*certain, *other]).ranges)


def _digits(engine: Engine) -> CharSet:
    return _by_category("Nd", "Cn")


def _word(engine: Engine) -> CharSet:
    """Python: isalnum() and the underscore. Rust: alphabetic, marks, decimal digits, connectors, joiners."""
    if engine == "python-re":
        return _by_category("L N", "Cn") | CharSet.of((0x5F, 0x5F))
    return _by_category("L M Nl Nd Pc", "Cn") | CharSet.of(*JOINERS_AND_CIRCLED_LETTERS)


def _space(engine: Engine) -> CharSet:
    return CharSet.of(*WHITE_SPACE, *([(0x1C, 0x1F)] if engine == "python-re" else []))


CLASSES: Mapping[str, Callable[[Engine], CharSet]] = {"d": _digits, "w": _word, "s": _space}


def translate(pattern: str | re.Pattern[str], engine: Engine) -> str:
    r"""The ECMA-262 pattern (searched for, not anchored) that accepts what pydantic's engine accepts, or less.

    >>> translate(r"\A(?P<name>[a-z]{2,})\z", "rust-regex")
    '^(?:[a-z]{2,})$'

    Raises UnsupportedFeature with the place in the pattern.
    """
    if isinstance(pattern, re.Pattern):
        flags = pattern.flags & ~re.UNICODE
        pattern, engine = pattern.pattern, "python-re"
        if flags:
            span = Span(pattern, 0, len(pattern))
            hint = "Write the pattern without flags: [Aa] for a letter in either case."
            raise UnsupportedFeature(
                f"the flags of this compiled pattern ({flags!r}) are not supported", span=span, hint=hint
            )
    return _Translation(pattern, engine).run()


@dataclass(slots=True)
class _Translation:
    """A cursor over one pattern, and what has been written so far."""

    pattern: str
    engine: Engine
    at: int = 0
    out: list[str] = field(default_factory=list)

    def run(self) -> str:
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            step = {"\\": self.escape, "[": self.brackets, "(": self.group, "{": self.repeat}.get(char)
            if step is not None:
                step()
            else:
                self.at += 1
                self.out.append(self.single(char))
        return "".join(self.out)

    def single(self, char: str) -> str:
        if char == ".":
            return str(~CharSet.of((0x0A, 0x0A)))
        if char in "*+?":
            self.after_quantifier()
            return char
        return f"\\{char}" if char in "]}" else char

    def after_quantifier(self) -> None:
        """Refuses a quantifier of a quantifier, unless it is the question mark that makes it lazy."""
        follows = self.pattern[self.at : self.at + 2]
        if follows[:1] == "?":
            follows = follows[1:]
            self.at += 1  # laziness chooses among matches, it does not change whether there is one
        if follows[:1] and follows[0] in "*+?":
            self.refuse(1, "two quantifiers in a row are not supported", "Put the first one into a group: (?:x+)*.")

    def repeat(self) -> None:
        space = r"\s*" if self.engine == "rust-regex" else ""
        counts = space.join([r"\{", r"(\d*)", "(,?)", r"(\d*)", r"\}"])
        found = re.compile(counts).match(self.pattern, self.at)
        if not found or not (found[1] or found[3]):
            self.at += 1  # Rust refuses a lone brace, to Python it is a character
            self.out.append(r"\{")
            return
        self.at = found.end()
        self.out.append(f"{{{found[1] or 0}{found[2]}{found[3]}}}")
        self.after_quantifier()

    def group(self) -> None:
        """An opening parenthesis: groups lose their names and numbers, lookaround stays."""
        found = re.compile(r"\((?:\?(P?<(?![=!])[^>]*>|:|=|!|<=|<!))?").match(self.pattern, self.at)
        if found is None or (found[1] is None and self.pattern.startswith("(?", self.at)):
            length = 3 if self.pattern.startswith("(?P", self.at) else 2
            hint = "Write [Aa] for a letter in either case, and [\\s\\S] for any character."
            self.refuse(length + 1, "flags and other extensions of a group are not supported", hint)
        self.at = found.end()
        kind = found[1] or ":"
        self.out.append("(?:" if kind.endswith((">", ":")) else f"(?{kind}")

    def escape(self) -> None:
        """A backslash outside a class."""
        follows = self.pattern[self.at + 1 : self.at + 2]
        if follows and follows in "AzZ":
            self.at += 2
            self.out.append("^" if follows == "A" else "$")
        elif follows and follows in "bB<>":
            hint = "Say which characters may stand there, or anchor the pattern with ^ and $."
            self.refuse(2, "word boundaries are not supported", hint)
        else:
            chars = self.escaped()
            is_class = follows.lower() in (*CLASSES, "p")
            self.out.append(str(chars) if is_class else _literal(chars.sure[0][0]))

    def escaped(self) -> CharSet:
        """The characters of an escape, which is read."""
        start, kind = self.at, self.pattern[self.at + 1 : self.at + 2]
        if kind.lower() in CLASSES and kind:
            self.at += 2
            chars = CLASSES[kind.lower()](self.engine)
            return ~chars if kind.isupper() else chars
        if kind in HEX_DIGITS:
            code = re.compile(rf"\\.(?:([0-9A-Fa-f]{{{HEX_DIGITS[kind]}}})|\{{([0-9A-Fa-f]+)\}})").match(
                self.pattern, start
            )
            if code is not None:
                self.at = code.end()
                value = int(code[1] or code[2], 16)
                return CharSet.of((value, value))
        if kind and kind in "pP":
            return self.category()
        if not kind or (kind.isalnum() and kind not in CONTROLS):
            self.refuse(2, f"the escape {self.pattern[start : start + 2]} is not supported")
        self.at += 2
        value = CONTROLS.get(kind, ord(kind))
        return CharSet.of((value, value))

    def category(self) -> CharSet:
        r"""`\pL`, `\p{Lu}`, `\P{L}`: a general category by its short name."""
        found = re.compile(r"\\[pP](?:([A-Z])|\{(\^?)([A-Z][a-z&]?)\})").match(self.pattern, self.at)
        if found is None:
            hint = r"General categories have their short names here: \p{L}, \p{Lu}, \p{Nd}."
            self.refuse(2, "this Unicode property is not supported", hint)
        self.at = found.end()
        chars = _by_category(found[1] or found[3], "Cn")
        return ~chars if (found[0][1] == "P") != bool(found[2]) else chars

    def brackets(self) -> None:
        """A class, which is written as the characters that it contains."""
        self.at += 1
        negated = self.pattern.startswith("^", self.at)
        self.at += negated
        chars, first = CharSet.of(), True
        while first or not self.pattern.startswith("]", self.at):
            chars |= self.member()
            first = False
        self.at += 1
        self.out.append(str(~chars if negated else chars))

    def member(self) -> CharSet:
        """One character, range or class inside brackets."""
        posix = re.compile(r"\[:(\^?)([a-z]+):\]").match(self.pattern, self.at)
        if posix and self.engine == "rust-regex":
            self.at = posix.end()
            inner = _Translation(f"[{POSIX[posix[2]]}]", "python-re")
            inner.at = 1
            chars = CharSet.of()
            while inner.at < len(inner.pattern) - 1:
                chars |= inner.member()
            return ~chars if posix[1] else chars
        self.refuse_set_operation(("[", "&&", "--", "~~"))
        low = self.bound()
        self.refuse_set_operation(("--",))
        if not self.pattern.startswith("-", self.at) or self.pattern.startswith("-]", self.at) or len(low.sure) != 1:
            return low
        self.at += 1
        high = self.bound()
        return CharSet.of((low.sure[0][0], high.sure[0][1]))

    def refuse_set_operation(self, marks: tuple[str, ...]) -> None:
        if self.engine == "rust-regex" and self.pattern.startswith(marks, self.at):
            self.refuse(2, "set operations and nested classes are not supported", "Write one class of characters.")

    def bound(self) -> CharSet:
        if self.at >= len(self.pattern):
            self.refuse(1, "this class of characters has no end")
        if self.pattern.startswith("\\", self.at):
            if self.pattern.startswith("\\b", self.at):  # to Python, inside a class, a backspace
                self.at += 2
                return CharSet.of((0x08, 0x08))
            return self.escaped()
        code = ord(self.pattern[self.at])
        self.at += 1
        return CharSet.of((code, code))

    def refuse(self, length: int, message: str, hint: str | None = None) -> NoReturn:
        span = Span(self.pattern, self.at, min(self.at + length, len(self.pattern)))
        raise UnsupportedFeature(message, span=span, hint=hint)


def _literal(code: int) -> str:
    char = chr(code)
    return f"\\{char}" if char in "^$\\.*+?()[]{}|/" else char
