"""parse_gbnf: a grammar in llama.cpp's GBNF, or in the EBNF of xgrammar and transformers-cfg, to a Grammar.

Place in the walk: GBNF text -> **Grammar** -> ByteAutomaton. The dialects are one notation, read by one reader: what
only one of them takes means here what it means there, and what they read differently is refused or settled as below.
Left recursion, which llama.cpp and transformers-cfg cannot run, is like any other.

| text                   | llama.cpp               | xgrammar              | here                                |
|------------------------|-------------------------|-----------------------|-------------------------------------|
| `"\\x41B"`             | A and B                 | the character U+041B  | refused: write `\\u0041B`           |
| `a.b`                  | a, any character, b     | the rule `a.b`        | the rule, or without one as left    |
| `[^]`                  | nothing, by accident    | any character         | any character                       |
| `"a"+*`                | `("a"+)*`               | refused               | `("a"+)*`                           |
| a line break in a rule | in (), behind ::= and | | anywhere              | anywhere                            |
| `{2,5000}`             | no upper bound          | at most 5000          | at most 5000                        |
| a rule defined twice   | the last one            | refused               | refused                             |
| a string on two lines  | with the line break     | refused               | refused: write `\\n`                |
| `<think>`              | that special token      | refused               | that special token                  |

Refused by name: tokens by number (`<[7]>`, `Token(7)`), all tokens but one (`!<think>`), other macros, rule options
(`name[temperature=1] ::=`), and lookahead `(= ...)`, which xgrammar reads as a promise and does not enforce.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from grammars.errors import InvalidGrammar, LimitExceeded, Span, UnsupportedFeature
from grammars.frontends.embed import embed
from grammars.frontends.regex_syntax import MAX_DEPTH, MAX_REPEAT
from grammars.ir import ANY_CHAR, EPSILON, Bytes, Choice, Grammar, Node, Ref, Repeat, Sequence, SpecialToken, char_class

__all__ = ["is_gbnf", "parse_gbnf"]

# Possessive: what fails behind a long space is not tried again in its parts.
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*+)*+")
_NAME = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*+"
_HEAD = re.compile(rf"({_NAME})(\[[^\]\r\n]*\])?{_SPACE.pattern}::=")
# What a head of a rule may be hidden in, and heads: `"a ::= b"` defines no a.
_PIECE = re.compile(rf'"(?:[^"\\\r\n]|\\.)*+"?|#[^\r\n]*|(?P<head>{_HEAD.pattern})|\[(?:[^\]\\\r\n]|\\.)*+\]?|{_NAME}')
_FIRST = re.compile(rf"\ufeff?(?:\s|(?:#|//)[^\n]*+)*+{_HEAD.pattern}")
_DOTTED = re.compile(_NAME)
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_COUNTS = re.compile(r"\{\s*(\d+)\s*(,\s*(\d+|-1)?\s*)?\}", re.ASCII)
_TOKEN = re.compile(r"<[^<>\r\n]*>")
_HEX = {"x": re.compile("[0-9A-Fa-f]{2}"), "u": re.compile("[0-9A-Fa-f]{4}"), "U": re.compile("[0-9A-Fa-f]{8}")}
_OPERATORS: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}
_MACROS = ("TagDispatch", "TokenTagDispatch", "Token", "ExcludeToken", "Regex", "Substring")

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
_HINTS = {
    "'": 'strings stand in double quotes: "..."',
    ":": "a rule is written name ::= ...",
    "=": "a rule is written name ::= ...",
    ";": "a rule ends where the next one begins, without a sign",
    ",": "what follows each other is written side by side, without a sign",
    "/": "comments begin with #",
    "%": "directives are Lark's; GBNF has rules only",
    "~": "counts are written {2,4}",
    "]": r"inside a set write \], in a string as it is",
    "}": "counts are written behind what they repeat: x{2,4}",
}


def is_gbnf(text: str) -> bool:
    """Whether the first thing in a text, behind comments, is the head of a rule of GBNF: `name ::=`.

    Each GBNF grammar begins so, and no Lark grammar.

    >>> is_gbnf('# moves\\nroot ::= "e4"'), is_gbnf('start: "root ::= x"')
    (True, False)
    """
    return _FIRST.match(text) is not None


def parse_gbnf(text: str, *, start: str = "root", given: Mapping[str, Grammar] | None = None) -> Grammar:
    """The grammar of a text in GBNF or EBNF, which begins at the rule `start`; the rules of `given` are in it too.

    Raises `InvalidGrammar` for errors of syntax, undefined rules and a missing start, `UnsupportedFeature` for what is
    named above, `LimitExceeded` beyond 64 nested groups or a count of 1,000,000, each with the place.

    >>> parse_gbnf('root ::= "a" root | [0-9]').rules["root"]
    Choice(items=(Sequence(items=(Bytes(data=b'a'), Ref(name='root'))), CharClass(ranges=((48, 57),))))
    """
    return _Reader(text, given or {}).grammar(start)


class _Reader:
    """A cursor over the text of a grammar; each method reads one construct and the space behind it."""

    def __init__(self, text: str, given: Mapping[str, Grammar]) -> None:
        self.text, self.given, self.at, self.depth = text, given, 0, 0
        self.heads = {piece.start(): piece[2] for piece in _PIECE.finditer(text) if piece["head"]}
        self.names = dict.fromkeys([*self.heads.values(), *given])

    def grammar(self, start: str) -> Grammar:
        """grammar ::= (name "::=" alternatives)*"""
        rules: dict[str, Node] = {}
        for name, other in self.given.items():
            rules[name] = embed(other, rules, f"%{name}")
        self.at = 1 if self.text.startswith("\ufeff") else 0
        self.skip()
        while self.at < len(self.text):
            name = self.head(rules)
            rules[name] = self.alternatives()
            if self.at < len(self.text) and self.at not in self.heads:
                raise self.misplaced()
        if start not in rules:
            near = difflib.get_close_matches(start, rules, n=1)
            names = ", ".join([*rules][:10])
            raise InvalidGrammar(
                f"the grammar has no rule {start}",
                hint=f"did you mean {near[0]}?"
                if near
                else f"its rules are: {names}"
                if names
                else "write root ::= ...",
            )
        return Grammar(rules, start, self.text)

    def head(self, known: dict[str, Node]) -> str:
        """The name of the rule that begins here."""
        begin, match = self.at, _HEAD.match(self.text, self.at)
        if match is None:
            name = _DOTTED.match(self.text, begin)
            if name is None:
                raise self.misplaced()
            self.at = name.end()
            self.skip()
            raise self.invalid(
                f"expected ::= behind the name {name[0]}", self.at, hint="a rule is written name ::= ..."
            )
        self.at = match.end(1)
        if match[2]:
            self.at = match.end(2)
            hint = "leave it out: it does not change the texts" if "max_tokens" not in match[2] else None
            raise self.unsupported("a rule option", match.start(2), hint=hint)
        line = self.text.rfind("\n", 0, begin) + 1
        if self.text[line:begin].strip(" \t\r\ufeff"):
            raise self.invalid(f"the rule {match[1]} does not begin on a line of its own", begin)
        if match[1] in known:
            raise self.invalid(f"{match[1]} is defined twice", begin, hint="put the alternatives in one rule, with |")
        self.at = match.end()
        self.skip()
        return match[1]

    def alternatives(self) -> Node:
        """alternatives ::= sequence ("|" sequence)*"""
        items = [self.sequence()]
        while self.text.startswith("|", self.at):
            bar = self.at
            self.at += 1
            self.skip()
            if self.at in self.heads:
                raise self.invalid("a rule begins behind this |", bar, hint='an empty alternative is written ""')
            items.append(self.sequence())
        return items[0] if len(items) == 1 else Choice(tuple(items))

    def sequence(self) -> Node:
        """sequence ::= (item ("*" | "+" | "?" | "{" counts "}")*)*"""
        items: list[Node] = []
        while self.at < len(self.text) and self.at not in self.heads:
            begin, char = self.at, self.text[self.at]
            if char in "|)":
                break
            if char not in "*+?{":
                items.append(self.item(char))
            elif items:
                items.append(Repeat(items.pop(), *self.counts(char)))
            else:
                raise self.invalid(
                    f"{char} has nothing to repeat", begin, hint=f'write "{char}" for the character itself'
                )
            self.skip()
        return EPSILON if not items else items[0] if len(items) == 1 else Sequence(tuple(items))

    def counts(self, char: str) -> tuple[int, int | None]:
        begin = self.at
        self.at += 1
        if char != "{":
            return _OPERATORS[char]
        match = _COUNTS.match(self.text, begin)
        if match is None:
            raise self.invalid("a count is written {2}, {2,} or {2,4}", begin, hint="{0,4} is up to 4 times")
        self.at = match.end()
        low, comma, high = match.groups()
        if any(digits and (len(digits) > 7 or int(digits) > MAX_REPEAT) for digits in (low, high)):
            raise LimitExceeded(f"a repeat of more than {MAX_REPEAT:,}", span=self.span(begin))
        if not comma:
            return int(low), int(low)
        if high in (None, "-1"):  # -1 is how xgrammar prints it
            return int(low), None
        if int(high) < int(low):
            raise self.invalid(f"the repeat {match[0]} has its bounds in the wrong order", begin)
        return int(low), int(high)

    def item(self, char: str) -> Node:
        """item ::= string | set | "." | "(" alternatives ")" | "<" token ">" | name"""
        begin = self.at
        match char:
            case '"':
                return self.string()
            case "[":
                return self.char_class()
            case "(":
                return self.group()
            case "." if not _DOTTED.match(self.text, begin):
                self.at += 1
                return ANY_CHAR
            case "<" | "!":
                return self.token(char)
        if _DOTTED.match(self.text, begin):
            return self.reference()
        raise self.misplaced()

    def group(self) -> Node:
        begin = self.at
        if self.text.startswith("(=", begin):
            self.at += 2
            hint = "leave it out: xgrammar uses it to be faster and does not enforce it"
            raise self.unsupported("lookahead", begin, hint=hint)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise LimitExceeded(f"more than {MAX_DEPTH} nested groups", span=self.span(begin))
        self.at += 1
        self.skip()
        node = self.alternatives()
        self.depth -= 1
        if not self.text.startswith(")", self.at):
            raise InvalidGrammar(
                "this ( is never closed",
                span=Span(self.text, begin, begin + 1),
                hint='write "(" for the character itself',
            )
        self.at += 1
        return node

    def reference(self) -> Node:
        """A name; with a dot in it the rule of that name, or else what is before the dot."""
        begin = self.at
        match = _DOTTED.match(self.text, begin)
        assert match is not None
        if match[0] not in self.names:
            match = _PLAIN.match(self.text, begin)
            assert match is not None
        self.at, name = match.end(), match[0]
        if name in self.names:
            return Ref(name)
        if name in _MACROS and self.text.startswith("(", _SPACE.match(self.text, self.at).end()):  # type: ignore[union-attr]
            raise self.unsupported(f"the macro {name}", begin)
        near = difflib.get_close_matches(name, self.names, n=1)
        opens_line = not self.text[self.text.rfind("\n", 0, begin) + 1 : begin].strip()
        hint = f"did you mean {near[0]}?" if near else f"a rule begins with {name} ::= ..." if opens_line else None
        raise self.invalid(f"the rule {name} is not defined", begin, hint=hint)

    def token(self, char: str) -> Node:
        begin = self.at
        match = _TOKEN.match(self.text, begin + (char == "!"))
        if match is None:
            self.at += 1
            hint = "a special token is written <name>" if char == "<" else "only a token can be excluded: !<name>"
            raise self.invalid(f"{char!r} cannot stand here", begin, hint=hint)
        self.at = match.end()
        if char == "!":
            hint = "write .* for any text: special tokens are no text, so none is in it"
            raise self.unsupported("all tokens but one", begin, hint=hint)
        if match[0].startswith("<["):
            raise self.unsupported("a token by its number", begin, hint="write its name: <think>")
        return SpecialToken(match[0])

    def string(self) -> Node:
        begin, chars = self.at, list[str]()
        self.at += 1
        while not self.text.startswith('"', self.at):
            self.ends_in_line(begin, "string")
            chars.append(self.char(_ESCAPES))
        self.at += 1
        return Bytes("".join(chars).encode())

    def char_class(self) -> Node:
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
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def misplaced(self) -> InvalidGrammar:
        """The error about the character that stands here."""
        begin = self.at
        self.at += 1
        char = self.text[begin]
        if char == ")":
            return self.invalid("this ) closes nothing", begin, hint='write ")" for the character itself')
        return self.invalid(f"{char!r} cannot stand here", begin, hint=_HINTS.get(char))

    def span(self, begin: int) -> Span:
        return Span(self.text, begin, max(self.at, begin + 1))

    def invalid(self, message: str, begin: int, *, hint: str | None = None) -> InvalidGrammar:
        return InvalidGrammar(message, span=self.span(begin), hint=hint)

    def unsupported(self, feature: str, begin: int, *, hint: str | None = None) -> UnsupportedFeature:
        return UnsupportedFeature(f"{feature} is not supported in a GBNF grammar", span=self.span(begin), hint=hint)
