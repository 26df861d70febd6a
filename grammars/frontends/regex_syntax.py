"""read_regex: the text of a regex to its syntax tree, in Python's dialect or in ECMA-262's.

Place in the walk: **regex text -> syntax tree** -> Grammar. Sets of characters are resolved here (shorthands, case),
what a tree means is not: `regex.py` gives anchors and lookarounds their meaning.

ECMA-262 is read in Unicode mode (code points, `\\u{...}`, `\\p{...}`, a surrogate pair of escapes is one character)
with those leniencies of its Annex B that occur in real schemas: `\\-` and other escapes of characters that need none,
a lone `{`, `}` or `]`, `[\\w-.]`. What both dialects read without complaint but differently from what people mean by
it, such as `\\A` or `[[:alpha:]]` in ECMA-262, is refused.
"""

from __future__ import annotations

import re
import unicodedata

from grammars.errors import InvalidGrammar, LimitExceeded, Span, UnsupportedFeature
from grammars.frontends.regex_sets import ANY, Flavor, complement, dot, ignore_case, property_set, shorthand
from grammars.frontends.regex_tree import Anchor, AnchorKind, Chars, Concat, Either, Look, Times, Tree
from grammars.ir import Ranges, char_class

__all__ = ["read_regex"]

MAX_DEPTH = 64
MAX_REPEAT = 1_000_000

_CONTROLS = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
_HEX = {
    "x": re.compile("[0-9A-Fa-f]{2}"),
    "u": re.compile(r"[0-9A-Fa-f]{4}|\{[0-9A-Fa-f]{1,6}\}"),
    "U": re.compile("[0-9A-Fa-f]{8}"),
}
_LOW_SURROGATE = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_PROPERTY = re.compile(r"\{([A-Za-z0-9_=]+)\}")
_POSIX_CLASS = re.compile(r"\[:\^?[a-z]+:\]")
_COUNTS = {"python": re.compile(r"\{(?!\})(\d*)(,(\d*))?\}", re.A), "ecma": re.compile(r"\{(\d+)(,(\d*))?\}", re.A)}
_NAME = re.compile(r"\(\?P?<([^>=!]*)(>?)")
_INLINE_FLAGS = re.compile(r"\(\?([A-Za-z]*)(?:-([A-Za-z]+))?([:)])")
_FLAGS = {"python": frozenset("aimsux"), "ecma": frozenset("imsx")}
_COMMENT = re.compile(r"\(\?#[^)]*\)")
_VERBOSE_SPACE = re.compile(r"(?:[ \t\n\r\f\v]|#[^\n]*)+")
_CAPTURE = re.compile(r"\((?!\?)|\(\?P?<(?![=!])")

_LOOKS = {"(?=": (True, False), "(?!": (True, True), "(?<=": (False, False), "(?<!": (False, True)}
_WRITE_OUT = "write out what the group may be a second time"
_RECURSION = "recursion is for grammars, in Lark or GBNF"
_REFUSED_GROUPS = {
    "(?>": ("an atomic group", "write (?:...): it may change what is matched"),
    "(?(": ("a conditional group", "write out both cases, as alternatives"),
    "(?|": ("a branch-reset group", "write (?:...): what groups captured is not kept"),
    "(?P=": ("a backreference", _WRITE_OUT),
    "(?P>": ("a recursive group", _RECURSION),
    "(?&": ("a recursive group", _RECURSION),
    "(?R": ("a recursive group", _RECURSION),
}
"""By how such a group opens: its name, and what to write instead."""
_ANCHORS: dict[Flavor, dict[str, AnchorKind]] = {
    "python": {"A": "start", "Z": "end", "z": "end", "b": "word", "B": "not_word"},
    "ecma": {"b": "word", "B": "not_word"},
}
# Read as plain letters by ECMA-262's Annex B, as something else by the dialects that people know them from.
_FOREIGN = {"A": "write ^", "Z": "write $", "z": "write $", **dict.fromkeys("GhHKQERXN", "ECMA-262 has no such escape")}


def read_regex(
    pattern: str, flavor: Flavor = "python", *, flags: str = "", inside: tuple[str, int] | None = None
) -> Tree:
    """The syntax tree of a regex; `flags` are letters such as "is" that hold from its start.

    A regex that stands `inside` a larger text, from that offset on, has its spans in that text.

    Raises `InvalidGrammar` for what the dialect does not allow, `UnsupportedFeature` for what cannot be enforced
    (backreferences, atomic groups, ...), `LimitExceeded` beyond 64 nested groups or a count of 1,000,000.

    >>> read_regex("[a-c]")
    Chars(ranges=((97, 99),))
    """
    return _Reader(pattern, flavor, flags, inside or (pattern, 0)).read()


class _Reader:
    """A cursor over the text of one regex; each method reads one construct."""

    def __init__(self, text: str, flavor: Flavor, flags: str, inside: tuple[str, int]) -> None:
        self.text, self.flavor, self.flags, self.inside = text, flavor, frozenset(flags), inside
        self.at = 0
        self.depth = 0
        self.names: set[str] = set()

    def read(self) -> Tree:
        tree = self.alternatives()
        if self.at < len(self.text):
            raise self.invalid("this ) closes nothing", self.at, hint=r"write \) for the character itself")
        return tree

    def alternatives(self) -> Tree:
        """alternatives ::= sequence ("|" sequence)*"""
        branches = [self.sequence()]
        while self.text.startswith("|", self.at):
            self.at += 1
            branches.append(self.sequence())
        return branches[0] if len(branches) == 1 else Either(tuple(branches))

    def sequence(self) -> Tree:
        """sequence ::= (atom quantifier?)*"""
        items: list[Tree] = []
        self.skip()
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            item = self.atom()
            self.skip()
            items.append(self.quantified(item))
            self.skip()
        return items[0] if len(items) == 1 else Concat(tuple(items))

    def skip(self) -> None:
        """Passes comments, and white space in verbose mode."""
        while True:
            match = _COMMENT.match(self.text, self.at) if self.flavor == "python" else None
            if match is None and "x" in self.flags:
                match = _VERBOSE_SPACE.match(self.text, self.at)
            if match is None:
                return
            self.at = match.end()

    def atom(self) -> Tree:
        """atom ::= "." | "^" | "$" | group | class | escape | character"""
        start, char = self.at, self.text[self.at]
        if char == "(":
            return self.group()
        if char == "[":
            return self.char_class()
        if char == "\\":
            found = self.escape(inside_class=False)
            return self.char(found, start) if isinstance(found, int) else found
        if char in "*+?" or (char == "{" and _COUNTS[self.flavor].match(self.text, start)):
            raise self.invalid(f"{char} has nothing to repeat", start, hint=f"write \\{char} for the character itself")
        self.at += 1
        if char == ".":
            return Chars(ANY if "s" in self.flags else dot(self.flavor))
        if char in "^$":
            return self.line_anchor(char, start)
        return self.char(ord(char), start)

    def line_anchor(self, char: str, start: int) -> Anchor:
        if "m" in self.flags:
            return Anchor("line_start" if char == "^" else "line_end", self.span(start), complement(dot(self.flavor)))
        if char == "^":
            return Anchor("start", self.span(start))
        return Anchor("end" if self.flavor == "ecma" else "final", self.span(start))

    def quantified(self, item: Tree) -> Tree:
        """quantifier ::= ("*" | "+" | "?" | "{" counts "}") "?"?"""
        start = self.at
        char = self.text[start : start + 1]
        counts = _COUNTS[self.flavor].match(self.text, start)
        if not char or (char not in "*+?" and not counts):
            return item
        low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(char, (0, None))
        self.at += 1
        if counts:
            self.at = counts.end()
            low, high = self.counts(counts)
        if isinstance(item, Anchor) and item.span.end == self.span(start).start:
            raise self.invalid(f"{self.text[start : self.at]} repeats an anchor, which has no width", start)
        lazy = self.text.startswith("?", self.at)
        if self.text.startswith("+", self.at):
            self.at += 1
            raise self.unsupported("a possessive quantifier", start, hint="drop the +: it may change what is matched")
        self.at += lazy
        return Times(item, low, high, lazy, self.span(start))

    def counts(self, match: re.Match[str]) -> tuple[int, int | None]:
        first, comma, second = match.groups()
        for digits in (first, second):
            if digits and (len(digits) > 7 or int(digits) > MAX_REPEAT):
                raise LimitExceeded(f"a repeat of more than {MAX_REPEAT:,}", span=self.span(match.start()))
        low = int(first or 0)
        high = (int(second) if second else None) if comma else low
        if high is not None and high < low:
            raise self.invalid(f"the repeat {match[0]} has its bounds in the wrong order", match.start())
        return low, high

    def group(self) -> Tree:
        """group ::= "(" ("?:" | "?<name>" | "?P<name>" | "?" flags ":" | "?=" | ...)? alternatives ")" """
        start = self.at
        flags = self.flags
        look = next((kind for opener, kind in _LOOKS.items() if self.text.startswith(opener, start)), None)
        for opener, (feature, hint) in _REFUSED_GROUPS.items():
            if self.text.startswith(opener, start):
                self.at += len(opener)
                raise self.unsupported(feature, start, hint=hint)
        if look:
            self.at += 3 if look[0] else 4
        elif self.text.startswith("(?", start):
            if self.opener(start):
                return Concat(())
        else:
            self.at += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise LimitExceeded(f"a regex with more than {MAX_DEPTH} nested groups", span=self.span(start))
        tree = self.alternatives()
        self.depth -= 1
        self.flags = flags
        if not self.text.startswith(")", self.at):
            self.at = start + 1
            raise self.invalid("this ( is never closed", start, hint=r"write \( for the character itself")
        self.at += 1
        return Look(tree, *look, self.span(start)) if look else tree

    def opener(self, start: int) -> bool:
        """Reads `(?:`, `(?<name>` or `(?flags:`; True if it was `(?flags)`, which is no group."""
        name = _NAME.match(self.text, start)
        if name:
            self.at = name.end()
            if not name[1].isidentifier() or not name[2]:
                raise self.invalid(f"{name[1]!r} is no name for a group", start)
            if name[1] in self.names:
                raise self.invalid(f"two groups have the name {name[1]!r}", start)
            self.names.add(name[1])
            return False
        inline = _INLINE_FLAGS.match(self.text, start)
        if not inline:
            self.at += 2
            raise self.invalid("(? does not start a group here", start, hint="groups start with (, (?: or (?<name>")
        self.at = inline.end()
        on, off, end = frozenset(inline[1]), frozenset(inline[2] or ""), inline[3]
        if unknown := (on | off) - _FLAGS[self.flavor]:
            raise self.unsupported(
                f"the flag {min(unknown)!r}", start, hint=f"flags: {' '.join(sorted(_FLAGS[self.flavor]))}"
            )
        if end == ")" and (off or not re.fullmatch(r"(?:\(\?[A-Za-z]+\))+", self.text[: self.at])):
            raise self.invalid("flags for all of the regex stand after its start", start, hint="use a group: (?i:...)")
        self.flags = (self.flags | on) - off
        return end == ")"

    def char_class(self) -> Tree:
        """class ::= "[" "^"? (element ("-" element)?)* "]" """
        start = self.at
        self.at += 1
        negated = self.text.startswith("^", self.at)
        self.at += negated
        listed: list[tuple[int, int]] = []
        first = self.at
        while not self.text.startswith("]", self.at) or (self.flavor == "python" and self.at == first):
            if self.at >= len(self.text):
                self.at = start + 1
                raise self.invalid("this [ is never closed", start, hint=r"write \[ for the character itself")
            listed += self.class_range()
        self.at += 1
        ranges = char_class(listed).ranges
        if listed and not ranges:
            raise self.surrogate(start)
        return Chars(complement(ranges) if negated else ranges)

    def class_range(self) -> Ranges:
        """One element of a class, or a range of two."""
        start = self.at
        low = self.element()
        if (
            not self.text.startswith("-", self.at)
            or self.text.startswith("-]", self.at)
            or self.at + 1 >= len(self.text)
        ):
            return low if isinstance(low, tuple) else self.cased(((low, low),))
        self.at += 1
        high = self.element()
        if isinstance(low, int) and isinstance(high, int):
            if low > high:
                raise self.invalid(f"the range {self.text[start : self.at]} is in the wrong order", start)
            return self.cased(((low, high),))
        if self.flavor == "python":
            raise self.invalid(
                f"{self.text[start : self.at]} is no range", start, hint=r"write \- for the character itself"
            )
        # ECMA-262, Annex B.1.2: with a set at either end the hyphen is a character.
        ends = [end if isinstance(end, tuple) else self.cased(((end, end),)) for end in (low, high)]
        return (*ends[0], (0x2D, 0x2D), *ends[1])

    def element(self) -> int | Ranges:
        """The code point or the set that stands at this place in a class."""
        start = self.at
        if self.text[start] == "\\":
            found = self.escape(inside_class=True)
            assert not isinstance(found, Anchor)
            return found.ranges if isinstance(found, Chars) else found
        if posix := _POSIX_CLASS.match(self.text, start):
            self.at = posix.end()
            raise self.unsupported(f"the POSIX class {posix[0]}", start, hint=r"write ranges such as A-Za-z or \p{L}")
        self.at += 1
        return ord(self.text[start])

    def escape(self, *, inside_class: bool) -> int | Chars | Anchor:
        """What a backslash and what follows it stand for: a code point, a set, an anchor."""
        start = self.at
        char = self.text[start + 1 : start + 2]
        self.at += 2
        if not char:
            self.at = len(self.text)
            raise self.invalid("a backslash ends the regex", start, hint=r"write \\ for the character itself")
        if char in "dDwWsS":
            ranges = self.shorthand(char.lower())
            return Chars(ranges if char.islower() else complement(ranges))
        if not inside_class and char in _ANCHORS[self.flavor]:
            return Anchor(_ANCHORS[self.flavor][char], self.span(start), self.shorthand("w") if char in "bB" else ())
        if char in "pP":
            return Chars(self.property(start, negated=char == "P"))
        if char == "b":
            return 0x08
        return self.code_point(char, start, inside_class)

    def code_point(self, char: str, start: int, inside_class: bool) -> int:
        """The code point of an escape that stands for one."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char in "xu" or (char == "U" and self.flavor == "python"):
            return self.hex(char, start)
        if char == "c" and re.match("[A-Za-z]", self.text[self.at : self.at + 1]):
            self.at += 1
            return ord(self.text[self.at - 1]) % 32
        if char in "0123456789":
            return self.digits(start, inside_class)
        if self.flavor == "python":
            return self.python_escape(char, start)
        if char == "k":
            raise self.unsupported("a backreference", start, hint=_WRITE_OUT)
        if char == "c":
            raise self.invalid(r"\c needs a letter", start)
        if char in _FOREIGN and not inside_class:
            raise self.unsupported(f"the escape \\{char}", start, hint=_FOREIGN[char])
        return ord(char)

    def python_escape(self, char: str, start: int) -> int:
        if char == "a":
            return 0x07
        name = re.compile(r"\{([^}]+)\}").match(self.text, self.at)
        if char == "N" and name:
            self.at = name.end()
            try:
                return ord(unicodedata.lookup(name[1]))
            except (KeyError, TypeError):
                raise self.invalid(f"no character is called {name[1]!r}", start) from None
        if char.isascii() and char.isalpha():
            raise self.invalid(f"\\{char} is no escape", start, hint=r"write \\ for the backslash itself")
        return ord(char)

    def hex(self, char: str, start: int) -> int:
        digits = _HEX[char].match(self.text, self.at)
        if not digits:
            need = {"x": "2 hex digits", "u": "4 hex digits, or {...}", "U": "8 hex digits"}[char]
            raise self.invalid(f"\\{char} needs {need}", start)
        self.at = digits.end()
        code = int(digits[0].strip("{}"), 16)
        low = _LOW_SURROGATE.match(self.text, self.at)
        if self.flavor == "ecma" and 0xD800 <= code <= 0xDBFF and low:
            self.at = low.end()
            return 0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        if code > 0x10FFFF:
            raise self.invalid(f"{self.text[start : self.at]} is beyond the last code point, U+10FFFF", start)
        return code

    def digits(self, start: int, inside_class: bool) -> int:
        """`\\0`, Python's octal escapes, or a backreference, which is refused."""
        octal = re.compile("0[0-7]{0,2}|[0-7]{1,3}" if inside_class else "0[0-7]{0,2}|[0-7]{3}").match(
            self.text, start + 1
        )
        if octal and self.flavor == "python":
            self.at = octal.end()
            if int(octal[0], 8) > 0o377:
                raise self.invalid(f"the octal escape \\{octal[0]} is beyond \\377", start)
            return int(octal[0], 8)
        number = re.compile(r"[0-9]{1,9}").match(self.text, start + 1)
        assert number is not None
        if number[0] == "0":
            return 0
        self.at = number.end()
        if not inside_class and 0 < int(number[0]) <= len(_CAPTURE.findall(self.text)):
            raise self.unsupported("a backreference", start, hint=_WRITE_OUT)
        raise self.invalid(f"\\{number[0]} refers to no group", start, hint="write \\xHH for a character by its number")

    def shorthand(self, letter: str) -> Ranges:
        ranges = shorthand(letter, self.flavor, ascii_only="a" in self.flags)
        # `re` tests a shorthand as it is; in ECMA-262 \\w gains the characters that fold to its letters.
        return self.cased(ranges) if self.flavor == "ecma" else ranges

    def property(self, start: int, *, negated: bool) -> Ranges:
        match = _PROPERTY.match(self.text, self.at)
        if not match:
            raise self.invalid(f"{self.text[start : self.at]} needs a property such as {{L}} or {{Lu}}", start)
        self.at = match.end()
        ranges = property_set(match[1])
        if ranges is None:
            known = f"\\p{{Script={match[1]}}}"
            hint = "general categories such as L, and Script=Greek, are known; write other sets as ranges"
            if property_set(known[3:-1]) is not None:
                hint = f"write {known}, or Script_Extensions for all that is used in it"
            raise self.unsupported(f"the property {match[1]!r}", start, hint=hint)
        return self.cased(complement(ranges) if negated else ranges)

    def cased(self, ranges: Ranges) -> Ranges:
        if "i" not in self.flags:
            return ranges
        return ignore_case(ranges, self.flavor, ascii_only="a" in self.flags)

    def char(self, code: int, start: int) -> Chars:
        if 0xD800 <= code <= 0xDFFF:
            raise self.surrogate(start)
        return Chars(self.cased(((code, code),)))

    def span(self, start: int) -> Span:
        text, offset = self.inside
        return Span(text, offset + start, offset + max(self.at, start + 1))

    def surrogate(self, start: int) -> UnsupportedFeature:
        hint = r"no text holds one; write the character itself, as in \u{1F600} or \U0001F600"
        return self.unsupported("a lone surrogate", start, hint=hint)

    def invalid(self, message: str, start: int, *, hint: str | None = None) -> InvalidGrammar:
        return InvalidGrammar(message, span=self.span(start), hint=hint)

    def unsupported(self, feature: str, start: int, *, hint: str | None = None) -> UnsupportedFeature:
        return UnsupportedFeature(f"{feature} is not supported in a regex", span=self.span(start), hint=hint)
