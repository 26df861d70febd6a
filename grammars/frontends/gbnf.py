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

`TagDispatch(("<tag>", rule), ...)` is free text with a rule behind each tag (`phrases.py`); `<[7]>` a special token by
its number. Refused by name: all tokens but one (`!<think>`), other macros, rule options but `name[capture] ::=`,
and lookahead `(= ...)`, which xgrammar reads as a promise and does not enforce.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

from grammars.errors import GrammarError, InvalidGrammar, LimitExceeded, Span
from grammars.frontends.embed import embed
from grammars.frontends.gbnf_text import SPACE, Cursor
from grammars.frontends.phrases import tagged, without
from grammars.frontends.regex_syntax import MAX_DEPTH, MAX_REPEAT
from grammars.frontends.token_numbers import HINT, token_numbers
from grammars.ir import ANY_CHAR, EPSILON, Choice, Grammar, Node, Ref, Repeat, Sequence, SpecialToken
from grammars.ir import text as text_node

__all__ = ["heads", "is_gbnf", "parse_gbnf"]

_NAME = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*+"
_HEAD = re.compile(rf"({_NAME})(\[[^\]\r\n]*\])?{SPACE.pattern}::=")
# What a head of a rule may be hidden in, and heads: `"a ::= b"` defines no a.
_PIECE = re.compile(rf'"(?:[^"\\\r\n]|\\.)*+"?|#[^\r\n]*|(?P<head>{_HEAD.pattern})|\[(?:[^\]\\\r\n]|\\.)*+\]?|{_NAME}')
_FIRST = re.compile(rf"\ufeff?(?:\s|(?:#|//)[^\n]*+)*+{_HEAD.pattern}")
_DOTTED = re.compile(_NAME)
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_COUNTS = re.compile(r"\{\s*(\d+)\s*(,\s*(\d+|-1)?\s*)?\}", re.ASCII)
_OPTION = re.compile(r"([a-z_]+)\s*=\s*")
_CAPTURE = re.compile(r'\[\s*capture\s*(?:=\s*"([^"\\\[\]]+)"\s*)?\]')
_BOOLEAN = re.compile("true|false")
_TOKEN = re.compile(r"<[^<>\r\n]*>")
_OPERATORS: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}
_MACROS = ("TagDispatch", "TokenTagDispatch", "Token", "ExcludeToken", "Regex", "Substring")

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


def heads(text: str) -> dict[int, str]:
    """Where a text of GBNF begins to define a rule, and the rule's name.

    >>> heads('root ::= a\\na ::= "b ::= c"')
    {0: 'root', 11: 'a'}
    """
    return {piece.start(): piece[2] for piece in _PIECE.finditer(text) if piece["head"]}


def parse_gbnf(text: str, *, start: str = "root", given: Mapping[str, Grammar] | None = None) -> Grammar:
    """The grammar of a text in GBNF or EBNF, which begins at the rule `start`; the rules of `given` are in it too.

    Raises `InvalidGrammar` for errors of syntax, undefined rules and a missing start, `UnsupportedFeature` for what is
    named above, `LimitExceeded` beyond 64 nested groups or a count of 1,000,000, each with the place.

    >>> parse_gbnf('root ::= "a" root | [0-9]').rules["root"]
    Choice(items=(Sequence(items=(Bytes(data=b'a'), Ref(name='root'))), CharClass(ranges=((48, 57),))))
    """
    return _Reader(text, given or {}).grammar(start)


class _Reader(Cursor):
    """A cursor over the text of a grammar; each method reads one construct and the space behind it."""

    def __init__(self, text: str, given: Mapping[str, Grammar]) -> None:
        super().__init__(text)
        self.given, self.depth = given, 0
        self.heads = heads(text)
        self.names = dict.fromkeys([*self.heads.values(), *given])

    def grammar(self, start: str) -> Grammar:
        """grammar ::= (name "::=" alternatives)*"""
        rules: dict[str, Node] = {}
        for name, other in self.given.items():
            rules[name] = embed(other, rules, f"%{name}")
        self.at = 1 if self.text.startswith("\ufeff") else 0
        self.skip()
        while self.at < len(self.text):
            name, capture = self.head(rules)
            rules[name] = self.alternatives()
            if capture is not None:
                captured = f"{name}[capture={capture}]"
                rules[captured], rules[name] = rules[name], Ref(captured)
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

    def head(self, known: dict[str, Node]) -> tuple[str, str | None]:
        """The name of the rule that begins here, and the one under which it is captured (`grammars/captures.py`)."""
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
        capture = _CAPTURE.fullmatch(match[2] or "")
        if match[2] and capture is None:
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
        return match[1], None if capture is None else capture[1] or match[1]

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
                return text_node(self.string())
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
        if name == "TagDispatch" and self.text.startswith("(", self.space_end()):
            return self.tag_dispatch(begin)
        if name in _MACROS and self.text.startswith("(", self.space_end()):
            raise self.unsupported(f"the macro {name}", begin)
        near = difflib.get_close_matches(name, self.names, n=1)
        opens_line = not self.text[self.text.rfind("\n", 0, begin) + 1 : begin].strip()
        hint = f"did you mean {near[0]}?" if near else f"a rule begins with {name} ::= ..." if opens_line else None
        raise self.invalid(f"the rule {name} is not defined", begin, hint=hint)

    def tag_dispatch(self, begin: int) -> Node:
        """macro ::= "TagDispatch" "(" (("(" string "," name ")" | option "=" value) ("," ...)*)? ")" """
        tags: dict[str, Node] = {}
        options: dict[str, bool | list[str]] = {"loop_after_dispatch": True, "excludes": []}
        self.skip()
        for _ in self.listed():
            if self.text.startswith("(", self.at):
                tag, rule = self.pair()
                if tag in tags:
                    raise self.invalid(f"the tag {tag!r} is given twice", begin)
                tags[tag] = rule
                continue
            option = _OPTION.match(self.text, self.at)
            if option is None:
                raise self.misplaced()
            at, self.at = self.at, option.end()
            if option[1] not in options:
                raise self.unsupported(f"the option {option[1]} of TagDispatch", at)
            if option[1] == "loop_after_dispatch":
                value = _BOOLEAN.match(self.text, self.at)
                if value is None:
                    raise self.invalid("loop_after_dispatch is true or false", at)
                self.at = value.end()
                options[option[1]] = value[0] == "true"
            else:
                options[option[1]] = [self.phrase() for _ in self.listed()]
        try:
            return self.tags(tags, excludes=options["excludes"], loops=options["loop_after_dispatch"])
        except GrammarError as error:
            raise self.invalid(error.message, begin, hint=error.hint) from None

    def tags(self, tags: dict[str, Node], *, excludes: object, loops: object) -> Node:
        assert isinstance(excludes, list)
        if not tags:
            return without(excludes)
        if loops:
            return tagged(tags, excluded=excludes)
        return Choice((without([*tags, *excludes]), tagged(tags, low=1, high=1, excluded=excludes, open_end=False)))

    def listed(self) -> Iterator[None]:
        """Stops at each part of a list in parentheses, and behind the list; the reader reads the parts."""
        begin = self.at
        if not self.text.startswith("(", begin):
            raise self.invalid("a list stands in parentheses", begin)
        self.at += 1
        self.skip()
        while not self.text.startswith(")", self.at):
            yield
            self.skip()
            if self.text.startswith(",", self.at):
                self.at += 1
                self.skip()
            elif not self.text.startswith(")", self.at):
                self.at = begin + 1
                raise self.invalid("this list is never closed", begin)
        self.at += 1

    def pair(self) -> tuple[str, Node]:
        begin, found = self.at, list[str | Node]()
        for _ in self.listed():
            name = _DOTTED.match(self.text, self.at)
            found.append(self.reference() if found and name else self.phrase())
        if len(found) != 2 or not isinstance(found[0], str) or isinstance(found[1], str):
            raise self.invalid('a tag is written ("<tag>", rule)', begin)
        return found[0], found[1]

    def phrase(self) -> str:
        if not self.text.startswith('"', self.at):
            raise self.invalid("a phrase is a string in double quotes", self.at)
        return self.string()

    def space_end(self) -> int:
        """Where what follows the space that stands here begins."""
        match = SPACE.match(self.text, self.at)
        assert match is not None
        return match.end()

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
        if not match[0].startswith("<["):
            return SpecialToken(match[0])
        if (numbered := token_numbers(match[0])) is None:
            raise self.unsupported("this set of tokens", begin, hint=HINT)
        return numbered

    def misplaced(self) -> InvalidGrammar:
        """The error about the character that stands here."""
        begin = self.at
        self.at += 1
        char = self.text[begin]
        if char == ")":
            return self.invalid("this ) closes nothing", begin, hint='write ")" for the character itself')
        return self.invalid(f"{char!r} cannot stand here", begin, hint=_HINTS.get(char))
