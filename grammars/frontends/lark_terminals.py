"""terminal_node: a Lark terminal to the Node of its texts.

Place in the walk: Lark syntax tree -> **Nodes of terminals**, rules around them -> Grammar. A terminal is a regex
written in pieces, so it becomes one regex tree, as lark joins the pieces to one pattern; `lark_texts.py` says what the
texts of a regex are.

Beyond lark, terminals have `&` (both) and `~` (all other texts), whose parts are languages of their own, and options:
`lazy`, the texts that do not begin with a shorter one, and `suffix="..."`, the texts followed by the suffix that have
it nowhere before their end. With `max_tokens=50` that many tokens may have a part of the text, its suffix left out.
`capture` and `capture="..."`, also of rules, name what is read (`grammars/captures.py`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import field
from functools import reduce

import lark

from grammars.errors import InvalidGrammar, LimitExceeded, Span, UnsupportedFeature
from grammars.frontends.lark_syntax import Tree, span_of
from grammars.frontends.lark_texts import texts
from grammars.frontends.regex_language import (
    ANYTHING,
    Language,
    alternate,
    exclude,
    join,
    one_of,
    overlap,
)
from grammars.frontends.regex_sets import ANY, ignore_case
from grammars.frontends.regex_syntax import MAX_DEPTH, MAX_REPEAT, read_regex
from grammars.frontends.regex_tree import Chars, Concat, Either, Known, Times
from grammars.frontends.regex_tree import Tree as Regex
from grammars.ir import EPSILON, Node, char_class
from grammars.ir import text as text_node
from grammars.record import record

__all__ = [
    "Definition",
    "capture_of",
    "check_options",
    "counts",
    "subtrees",
    "terminal_node",
    "token_limit_of",
    "tokens",
    "unsuffixed",
]

MAX_PIECES = 20_000

_ESCAPE = re.compile(r'\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\\"nfrt])|([xuU])|)', re.DOTALL)
_CONTROLS = {"n": "\n", "f": "\f", "r": "\r", "t": "\t"}
_OPTIONS: dict[str, tuple[tuple[str | None, ...], str]] = {
    "lazy": ((None,), "name[lazy]: ..."),
    "suffix": (("STRING",), 'name[suffix="..."]: ...'),
    "capture": ((None, "STRING"), 'name[capture]: ... or name[capture="other"]: ...'),
    "max_tokens": (("NUMBER",), "name[max_tokens=50]: ..."),
}
"""What may stand behind the = of each option, and how it is written."""
_OPTION_HINTS = {
    "stop": 'write name[suffix="..."]: ..., which ends with the text that it stops at',
    "temperature": "leave it out: temperature= is for the whole text",
}
_OPERATORS: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}


@record
class Definition:
    """A rule or terminal: its body, the grammar text in which it stands, the names that hold there.

    A template has parameters. `options` are those in brackets behind the name; `others` are alternatives that were
    added in other places.
    """

    name: str
    body: Tree
    text: str
    scope: Mapping[str, Definition] = field(repr=False)
    params: tuple[str, ...] = ()
    options: tuple[Tree, ...] = ()
    others: tuple[Definition, ...] = ()


def terminal_node(definition: Definition) -> Node:
    """The node of a terminal's texts.

    Raises `InvalidGrammar` for a terminal that refers to itself or to a rule, `UnsupportedFeature` for what its regexes
    may not contain, `LimitExceeded` for one that is too large.

    >>> terminal_node(Definition("A", read_lark('A: "a".."c" "!"').children[0].children[1], text, {}))
    Sequence(items=(CharClass(ranges=((97, 99),)), Bytes(data=b'!')))
    """
    language, suffix = _options_read(definition)
    if suffix:
        end = _exactly(suffix)
        language = _until(join((language, end)), join((ANYTHING, end, one_of(ANY), ANYTHING)))
    return language.node


def unsuffixed(definition: Definition) -> tuple[Node, Node]:
    """What the texts of a terminal are before its suffix, and the suffix, which may be none: `[a-z]*`, `;`.

    Such a text has not the suffix in it, nor an end with which the suffix is there before its end: before "aba" no text
    ends in "ab".
    """
    language, suffix = _options_read(definition)
    if not suffix:
        return language.node, EPSILON
    overlaps = [suffix[:k] for k in range(1, len(suffix)) if suffix.startswith(suffix[k:])]
    earlier = [join((ANYTHING, _exactly(suffix), ANYTHING)), *[join((ANYTHING, _exactly(k))) for k in overlaps]]
    return _until(language, alternate(earlier)).node, text_node(suffix)


def _options_read(definition: Definition) -> tuple[Language, str]:
    """The texts of a terminal before its suffix, and the suffix; texts with a suffix are as short as can be anyway."""
    language, suffix = texts(_Pieces(definition).whole(definition)), ""
    for option in definition.options:
        name, *value = tokens(option)
        if name == "lazy" and not suffix:
            language = _until(language, join((language, one_of(ANY), ANYTHING)))
        elif name == "suffix":
            suffix = _string(value[0], definition.text)[0]
    return language, suffix


def capture_of(definition: Definition) -> str | None:
    """The name under which a rule or terminal is captured."""
    for option in definition.options:
        name, *value = tokens(option)
        if name == "capture":
            return _string(value[0], definition.text)[0] if value else definition.name
    return None


def token_limit_of(definition: Definition) -> int | None:
    """How many tokens a rule or terminal may take, its suffix left out."""
    limits = [int(tokens(option)[1]) for option in definition.options if tokens(option)[0] == "max_tokens"]
    return min(limits, default=None)


def _exactly(text: str) -> Language:
    return join([one_of(((ord(char), ord(char)),)) for char in text])


def check_options(definition: Definition) -> None:
    """Raises a GrammarError for an option of a rule or terminal that there is not."""
    for option in definition.options:
        name, *value = tokens(option)
        span = span_of(definition.text, option)
        if name in _OPTIONS:
            kinds, written = _OPTIONS[name]
            kind, said = (value[0].type, str(value[0])) if value else (None, "")
            if kind not in kinds or said.endswith("i") or (name == "capture" and re.search(r"[\[\]]", said)):
                raise InvalidGrammar(f"the option {name} is written {written}", span=span)
            if kind == "NUMBER" and not (len(said) < 9 and 0 < int(said) <= MAX_REPEAT):
                raise InvalidGrammar(f"{name} is a number from 1 to {MAX_REPEAT:,}", span=span)
        else:
            near = difflib.get_close_matches(name, _OPTIONS, n=1)
            hint = _OPTION_HINTS.get(name, f"did you mean {near[0]}?" if near else f"options: {', '.join(_OPTIONS)}")
            raise UnsupportedFeature(f"the option {name} is not supported in a Lark grammar", span=span, hint=hint)


def subtrees(tree: Tree) -> list[Tree]:
    return [child for child in tree.children if isinstance(child, lark.Tree)]


def tokens(tree: Tree) -> list[lark.Token]:
    return [child for child in tree.children if isinstance(child, lark.Token)]


def _until(language: Language, longer: Language) -> Language:
    """The texts of a language that are not in `longer`."""
    return overlap(language, exclude(longer))


def counts(tree: Tree, definition: Definition) -> tuple[int, int | None]:
    """The bounds of `x?`, `x*`, `x+`, `x~3` or `x~3..5`, which is also `x{3,5}`."""
    if tree.data == "operator":
        return _OPERATORS[str(tree.children[1])]
    span = span_of(definition.text, tree)
    first, last = str(tree.children[1]), str(tree.children[-1])
    if tree.data == "braced":
        first, comma, last = (part.strip() for part in first[1:-1].partition(","))
        first, last = first or "0", last if comma else first
        if not last and len(first) <= 8:
            return int(first), None
    if max(len(first), len(last)) > 8 or max(int(first), int(last)) > MAX_REPEAT:
        raise LimitExceeded(f"a repeat of more than {MAX_REPEAT:,}", span=span)
    low, high = int(first), int(last)
    if low < 0:
        raise InvalidGrammar(f"the repeat ~ {low} is negative", span=span)
    if low > high:
        raise InvalidGrammar(f"the repeat ~ {low}..{high} has its bounds in the wrong order", span=span)
    return low, high


class _Pieces:
    """Joins the pieces of one terminal to one regex."""

    def __init__(self, terminal: Definition) -> None:
        name = terminal.name
        self.name = f"the terminal {name}" if name.isupper() else f"the rule {name}, which has options,"
        self.depth = 0
        self.size = 0
        self.known: dict[int, tuple[Regex, int]] = {}
        self.inside: list[int] = []

    def whole(self, definition: Definition) -> Regex:
        """The regex of a terminal with the alternatives that were added to it."""
        self.inside.append(id(definition))
        parts = [self.regex(each.body, each) for each in (definition, *definition.others)]
        self.inside.pop()
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def regex(self, tree: Tree, definition: Definition) -> Regex:
        """The regex of a part of the terminal that stands in `definition`."""
        parts = subtrees(tree)
        match tree.data:
            case "expansions":
                return self.alternatives(tree, parts, definition)
            case "expansion":
                items = tuple(self.regex(part, definition) for part in parts)
                return items[0] if len(items) == 1 else Concat(items)
            case "operator" | "counted" | "braced" | "maybe":
                low, high = (0, 1) if tree.data == "maybe" else counts(tree, definition)
                return Times(self.regex(parts[0], definition), low, high, False, span_of(definition.text, tree))
            case "string" | "regexp" | "range":
                self.grow(1, tree, definition)
                return _literal(tree, definition.text)
            case "complement":
                return Known(exclude(texts(self.regex(parts[0], definition))))
            case "intersection":
                return Known(reduce(overlap, [texts(self.regex(part, definition)) for part in parts]))
            case "terminal":
                return self.named(tree, definition)
            case "nonterminal":
                raise InvalidGrammar(
                    f"{self.name} refers to the rule {tree.children[0]}",
                    span=span_of(definition.text, tree),
                    hint="terminals are made of terminals: rename one (rules are lower, terminals upper case)",
                )
            case other:
                what = {"special": "a special token", "json": "%json", "template": "a template", "alias": "an alias"}
                raise UnsupportedFeature(
                    f"{what.get(other, f'%{other}')} in a terminal is not supported",
                    span=span_of(definition.text, tree),
                    hint="say it in a rule (lower case)",
                )

    def alternatives(self, tree: Tree, parts: list[Tree], definition: Definition) -> Regex:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            span = span_of(definition.text, tree)
            raise LimitExceeded(f"terminals and groups nested more than {MAX_DEPTH} deep", span=span)
        items = tuple(self.regex(part, definition) for part in parts)
        self.depth -= 1
        return items[0] if len(items) == 1 else Either(items)

    def named(self, tree: Tree, definition: Definition) -> Regex:
        """The regex of the terminal of that name; read once, but counted as often as it is used."""
        name = str(tree.children[0])
        found = definition.scope[name]
        key = id(found)
        if key in self.inside:
            raise InvalidGrammar(
                f"the terminal {name} refers to itself",
                span=span_of(definition.text, tree),
                hint="only rules (lower case) may be recursive",
            )
        if key in self.known:
            self.grow(self.known[key][1], tree, definition)
            return self.known[key][0]
        before = self.size
        check_options(found)
        if found.options:
            raise UnsupportedFeature(
                f"the terminal {name}, which has options, is not supported in another terminal",
                span=span_of(definition.text, tree),
                hint="name it in a rule (lower case)",
            )
        regex = self.whole(found)
        self.known[key] = regex, self.size - before
        return regex

    def grow(self, size: int, tree: Tree, definition: Definition) -> None:
        self.size += size
        if self.size > MAX_PIECES:
            raise LimitExceeded(
                f"{self.name} has more than {MAX_PIECES:,} pieces",
                span=span_of(definition.text, tree),
                hint="terminals are written out where they are used in others; make it a rule (lower case)",
            )


def _literal(tree: Tree, text: str) -> Regex:
    if tree.data == "regexp":
        return _regexp(tokens(tree)[0], text)
    strings = [_string(token, text) for token in tokens(tree)]
    if tree.data == "range":
        (low, low_flag), (high, high_flag) = strings
        if len(low) != 1 or len(high) != 1 or low > high or low_flag or high_flag:
            raise InvalidGrammar(
                "a range goes from one character to a later one",
                span=span_of(text, tree),
                hint='write "a".."z", without flags',
            )
        return Chars(char_class([(ord(low), ord(high))]).ranges)
    ((string, flagged),) = strings
    sets = [((ord(char), ord(char)),) for char in string]
    return Concat(tuple(Chars(ignore_case(ranges, "python") if flagged else ranges) for ranges in sets))


def _string(token: lark.Token, text: str) -> tuple[str, bool]:
    """What a string literal says, and whether it ignores case. As in lark, an unknown escape is a backslash."""
    flagged = token.endswith("i")

    def say(match: re.Match[str]) -> str:
        *codes, char, broken = match.groups()
        code = next((int(digits, 16) for digits in codes if digits), None)
        if broken or (code is not None and code > 0x10FFFF):
            raise InvalidGrammar(f"{match[0]} is the escape of no character", span=span_of(text, token))
        return chr(code) if code is not None else _CONTROLS.get(char, char or "\\")

    said = _ESCAPE.sub(say, token[1 : -2 if flagged else -1])
    if not said:
        raise InvalidGrammar(
            "a string cannot be empty", span=span_of(text, token), hint="write nothing at all, as in: a: b |"
        )
    if any(0xD800 <= ord(char) <= 0xDFFF for char in said):
        raise InvalidGrammar("no text holds a lone surrogate", span=span_of(text, token), hint=r"write \U0001F600")
    return said, flagged


def _regexp(token: lark.Token, text: str) -> Regex:
    body, _, flags = token[1:].rpartition("/")
    start = token.start_pos or 0
    if "\n" in body and "x" not in flags:
        raise InvalidGrammar(
            "a regex with a line break needs the flag x",
            span=Span(text, start, start + 1),
            hint=r"write \n for the character",
        )
    if "l" in flags:
        raise UnsupportedFeature("the flag l (locale) is not supported", span=span_of(text, token))
    return read_regex(body, "python", flags=flags, inside=(text, start + 1))
