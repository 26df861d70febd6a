"""terminal_node: a Lark terminal to the Node of its texts.

Place in the walk: Lark syntax tree -> **Nodes of terminals**, rules around them -> Grammar. A terminal is a regex
written in pieces, so it becomes one regex tree, as lark joins the pieces to one pattern.

A terminal's texts are those that its pattern matches as a whole. Only laziness is more than that: `/".*?"/` ends at the
next quote. A lazy quantifier is enforced where this is exact (see `_shortest`) and refused elsewhere. Anchors and
lookarounds test the text around the terminal and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field

import lark

from grammars.chars import char_dfa
from grammars.errors import InvalidGrammar, LimitExceeded, Span, UnsupportedFeature
from grammars.frontends.lark_syntax import Tree, span_of
from grammars.frontends.regex import part
from grammars.frontends.regex_language import (
    ANYTHING,
    ANYWHERE,
    Language,
    alternate,
    exclude,
    join,
    one_of,
    overlap,
    times,
)
from grammars.frontends.regex_sets import ANY, ignore_case
from grammars.frontends.regex_syntax import MAX_DEPTH, MAX_REPEAT, read_regex
from grammars.frontends.regex_tree import Anchor, Chars, Concat, Either, Look, Times
from grammars.frontends.regex_tree import Tree as Regex
from grammars.ir import Node, char_class

__all__ = ["Definition", "counts", "terminal_node"]

MAX_PIECES = 20_000

_ESCAPE = re.compile(r'\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\\"nfrt])|([xuU])|)', re.DOTALL)
_CONTROLS = {"n": "\n", "f": "\f", "r": "\r", "t": "\t"}
_OPERATORS: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}


@dataclass(frozen=True, slots=True)
class Definition:
    """A rule or terminal: its body, the grammar text in which it stands, the names that hold there."""

    name: str
    body: Tree
    text: str
    scope: Mapping[str, Definition] = field(repr=False)


def terminal_node(definition: Definition) -> Node:
    """The node of a terminal's texts.

    Raises `InvalidGrammar` for a terminal that refers to itself or to a rule, `UnsupportedFeature` for what its regexes
    may not contain, `LimitExceeded` for one that is too large.

    >>> terminal_node(Definition("A", read_lark('A: "a".."c" "!"').children[0].children[1], text, {}))
    Sequence(items=(CharClass(ranges=((97, 99),)), Bytes(data=b'!')))
    """
    pieces = _Pieces(definition.name)
    pieces.inside.append(id(definition.body))
    return _language(pieces.regex(definition.body, definition)).node


def counts(tree: Tree, definition: Definition) -> tuple[int, int | None]:
    """The bounds of `x?`, `x*`, `x+`, `x~3` or `x~3..5`."""
    if tree.data == "operator":
        return _OPERATORS[str(tree.children[1])]
    span = span_of(definition.text, tree)
    first, last = str(tree.children[1]), str(tree.children[-1])
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

    def __init__(self, name: str) -> None:
        self.name = name
        self.depth = 0
        self.size = 0
        self.known: dict[int, tuple[Regex, int]] = {}
        self.inside: list[int] = []

    def regex(self, tree: Tree, definition: Definition) -> Regex:
        """The regex of a part of the terminal that stands in `definition`."""
        parts = [child for child in tree.children if isinstance(child, lark.Tree)]
        match tree.data:
            case "expansions":
                return self.alternatives(tree, parts, definition)
            case "expansion":
                items = tuple(self.regex(part, definition) for part in parts)
                return items[0] if len(items) == 1 else Concat(items)
            case "operator" | "counted" | "maybe":
                low, high = (0, 1) if tree.data == "maybe" else counts(tree, definition)
                return Times(self.regex(parts[0], definition), low, high, False, span_of(definition.text, tree))
            case "string" | "regexp" | "range":
                self.grow(1, tree, definition)
                return _literal(tree, definition.text)
            case "terminal":
                return self.named(tree, definition)
            case "nonterminal":
                raise InvalidGrammar(
                    f"the terminal {self.name} refers to the rule {tree.children[0]}",
                    span=span_of(definition.text, tree),
                    hint="terminals are made of terminals: rename one (rules are lower, terminals upper case)",
                )
            case other:
                raise UnsupportedFeature(f"{other} in a terminal is not supported", span=span_of(definition.text, tree))

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
        key = id(found.body)
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
        self.inside.append(key)
        regex = self.regex(found.body, found)
        self.inside.pop()
        self.known[key] = regex, self.size - before
        return regex

    def grow(self, size: int, tree: Tree, definition: Definition) -> None:
        self.size += size
        if self.size > MAX_PIECES:
            raise LimitExceeded(
                f"the terminal {self.name} has more than {MAX_PIECES:,} pieces",
                span=span_of(definition.text, tree),
                hint="terminals are written out where they are used in others; make it a rule (lower case)",
            )


def _literal(tree: Tree, text: str) -> Regex:
    tokens = [token for token in tree.children if isinstance(token, lark.Token)]
    if tree.data == "regexp":
        return _regexp(tokens[0], text)
    strings = [_string(token, text) for token in tokens]
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
    tree = read_regex(body, "python", flags=flags, inside=(text, start + 1))
    _refuse_places(tree)
    return tree


def _refuse_places(tree: Regex) -> None:
    match tree:
        case Anchor(_, span) | Look(_, _, _, span):
            raise UnsupportedFeature(
                "anchors and lookarounds in a terminal are not supported",
                span=span,
                hint="a terminal knows nothing of the text around it: say in the rules what may follow",
            )
        case Concat(items) | Either(items):
            for item in items:
                _refuse_places(item)
        case Times(item):
            _refuse_places(item)


def _language(tree: Regex) -> Language:
    """The texts of a terminal, lazy quantifiers included.

    Where no text is the beginning of another one, greedy and lazy are the same.
    """
    greedy = part(tree).get((ANYWHERE, ANYWHERE), alternate([]))
    if _lazy_in(tree) is None or _prefix_free(greedy):
        return greedy
    match tree:
        case Either(items):
            return alternate([_language(item) for item in items])
        case Concat(items):
            return _shortest(tuple(_flat(items)))
        case _:
            return _shortest((tree,))


def _shortest(items: tuple[Regex, ...]) -> Language:
    """A concatenation with one lazy quantifier: `before x*? stop after`.

    Exact where x is one character, `stop` has one length, and `after` may be empty: then x*? ends at the first place
    where `stop` fits, so `x*? stop` are those of its texts that do not begin with another one of them.
    """
    at = next(i for i, item in enumerate(items) if _lazy_in(item) is not None)
    lazy, rest = items[at], items[at + 1 :]
    before = [_language(item) for item in items[:at]]
    if not rest and not isinstance(lazy, Times):
        return join([*before, _language(lazy)])
    languages = [_language(item) for item in rest] if all(_lazy_in(item) is None for item in rest) else None
    if languages is None or not isinstance(lazy, Times) or not lazy.lazy or _width(lazy.item) != 1:
        raise _cannot_be_lazy(items)
    stop = next(i for i in range(len(rest) + 1) if all(language.empty for language in languages[i:]))
    if any(_width(item) is None for item in rest[:stop]):
        raise _cannot_be_lazy(items)
    texts = join([times(_language(lazy.item), lazy.min, lazy.max), *languages[:stop]])
    longer = join((texts, one_of(ANY), ANYTHING))
    return join([*before, overlap(texts, exclude(longer)), *languages[stop:]])


def _cannot_be_lazy(items: SequenceOf[Regex]) -> UnsupportedFeature:
    return UnsupportedFeature(
        "a lazy quantifier is supported here only as one character, lazily repeated before a fixed end",
        span=_lazy_in(Concat(tuple(items))),
        hint='say what may not occur instead: /"[^"]*"/ for /".*?"/',
    )


def _lazy_in(tree: Regex) -> Span | None:
    """The place of the first lazy quantifier."""
    match tree:
        case Times(item, low, high, lazy, place):
            return place if lazy and low != high else _lazy_in(item)
        case Concat(items) | Either(items):
            return next((span for item in items if (span := _lazy_in(item)) is not None), None)
        case _:
            return None


def _prefix_free(language: Language) -> bool:
    dfa = char_dfa(language.node)
    return not any(dfa.edges[state] for state in dfa.finals)


def _flat(items: SequenceOf[Regex]) -> list[Regex]:
    """The items of nested concatenations in one list."""
    found: list[Regex] = []
    for item in items:
        found += _flat(item.items) if isinstance(item, Concat) else [item]
    return found


def _width(tree: Regex) -> int | None:
    """The number of characters, if all texts have the same."""
    match tree:
        case Chars():
            return 1
        case Concat(items):
            widths = [_width(item) for item in items]
            return None if None in widths else sum(width for width in widths if width is not None)
        case Either(items):
            (first, *others) = {_width(item) for item in items}
            return None if others else first
        case Times(item, low, high):
            width = _width(item)
            return width * low if width is not None and low == high else None
        case _:
            return None
