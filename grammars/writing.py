"""write_grammar: a Grammar to the text of a Lark or GBNF grammar of the same language.

Place in the walk: the way back, for other programs: `gcd convert`. What has a notation there is written in it; parts
that need set algebra or spellings (And, Not, Length, JSON strings, numbers between bounds) become automata over
characters, and these right-linear rules, one a state. Objects become one rule from each member to the next.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from grammars.chars import char_dfa
from grammars.dfa import Dfa, minimise, trim
from grammars.errors import LimitExceeded, UnsupportedFeature
from grammars.fragments import opened
from grammars.ir import (
    AtMostTokens,
    ByteClass,
    Bytes,
    CharClass,
    Choice,
    Distinct,
    Grammar,
    JsonString,
    Length,
    Node,
    Numerals,
    Ranges,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
    Texts,
)
from grammars.limits import Limits
from grammars.survey import Survey
from grammars.utf8 import spell_json
from grammars.written_members import written_as_rules

__all__ = ["Dialect", "write_grammar"]

Dialect: TypeAlias = Literal["lark", "gbnf"]

_STATES = 5_000
_NAME = 32
_ALTERNATIVES, _ITEMS, _ITEM = 0, 1, 2
"""What a text may stand in without parentheses: a rule or group, a sequence, before an operator."""

_CONTROLS = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def write_grammar(grammar: Grammar, dialect: Dialect = "lark") -> str:
    """The text of a grammar that compiles, in a dialect.

    >>> print(write_grammar(Grammar({"start": Sequence((Bytes(b"a"), Repeat(CharClass(((48, 57),)), 1, 3)))})))
    start: "a" /[0-9]/ ~ 1..3

    Special tokens are written by their names, as llguidance and llama.cpp read them. Raises `UnsupportedFeature` for
    bytes that are no text, other special tokens and limits in tokens, `LimitExceeded` for a part that takes more than
    5,000 rules.
    """
    return _Text(grammar, dialect).written()


class _Text:
    def __init__(self, grammar: Grammar, dialect: Dialect) -> None:
        self.is_lark = dialect == "lark"
        self.grammar = written_as_rules(grammar)
        self.survey = Survey(self.grammar, Limits())
        self.names: dict[str, str] = {}
        self.taken: set[str] = set()
        self.parts: dict[object, str] = {}
        self.lines: list[str] = []

    def written(self) -> str:
        start = self.grammar.start
        self.names[start] = self.new_name("start" if self.is_lark else "root")
        for name in self.survey.summaries:
            if self.survey.facts[name]:
                place = len(self.lines)
                body = self.node(self.grammar.rules[name], _ALTERNATIVES)
                self.lines.insert(place, self.rule(self.name(name), body))
        return "\n".join(self.lines) + "\n"

    def rule(self, name: str, body: str) -> str:
        return f"{name}: {body}".rstrip() if self.is_lark else f"{name} ::= {body}"

    def name(self, name: str) -> str:
        if name not in self.names:
            self.names[name] = self.new_name(name)
        return self.names[name]

    def new_name(self, name: str) -> str:
        """A name that the dialect takes and nothing else has: lower case, and _ in Lark where GBNF has -."""
        apart = "_" if self.is_lark else "-"
        plain = re.sub("[^a-z0-9]+", apart, name.lower()).strip(apart) or "rule"
        plain = (plain if plain[0].isalpha() else f"r{apart}{plain}")[:_NAME].strip(apart)
        found, count = plain, 1
        while found in self.taken:
            count += 1
            found = f"{plain}{apart}{count}"
        self.taken.add(found)
        return found

    def node(self, node: Node, place: int) -> str:
        """The text of a node that has strings."""
        match node:
            case Ref(name):
                return self.name(name)
            case Bytes(data):
                return self.literal(data)
            case Texts(items):
                return self.choice([self.literal(item) for item in items], place)
            case ByteClass(ranges):
                if ranges[-1][1] > 0x7F:
                    raise _no_text(bytes([ranges[-1][1]]))
                return self.characters(ranges)
            case CharClass(ranges):
                return self.characters(ranges)
            case Numerals(positive=positive, negative=negative) if positive or negative:
                return self.automaton(node)
            case Choice(items):
                return self.choice([self.node(i, _ITEMS) for i in items if self.survey.facts_of(i)], place)
            case Sequence(items):
                written = [self.node(item, _ITEMS) for item in items]
                written = [item for item in written if item != self.nothing] or [self.nothing]
                return self.grouped(" ".join(written), place > _ITEMS and len(written) > 1)
            case Repeat(item, low, high):
                return self.repeat(item, low, high, place)
            case SpecialToken(name) if re.fullmatch(r"<[^<>\s]+>", name):
                return name
            case SpecialToken(name):
                raise UnsupportedFeature(f"the special token {name} has no notation in other grammars")
            case AtMostTokens():
                raise UnsupportedFeature("a limit in tokens has no notation in other grammars")
            case Distinct():
                raise UnsupportedFeature("arrays whose items must differ have no notation in other grammars")
        return self.automaton(node)

    @property
    def nothing(self) -> str:
        return "()" if self.is_lark else '""'

    def choice(self, ways: list[str], place: int) -> str:
        some = [way for way in dict.fromkeys(ways) if way != self.nothing]
        if some and len(some) < len(set(ways)):
            is_one = len(some) == 1 and re.fullmatch(r'\w+|"[^"\\]*"|\[[^\]\\]*\]', some[0])
            return f"{some[0]}?" if is_one else f"({' | '.join(some)})?"
        return self.grouped(" | ".join(dict.fromkeys(ways)), place > _ALTERNATIVES and len(set(ways)) > 1)

    def grouped(self, text: str, group: bool) -> str:
        return f"({text})" if group else text

    def repeat(self, item: Node, low: int, high: int | None, place: int) -> str:
        if high == 0 or not self.survey.facts_of(item):
            return self.nothing
        inner = self.node(item, _ITEM)
        if inner == self.nothing or (low, high) == (1, 1):
            return inner
        inner = self.grouped(inner, inner[-1] in "*+?" or (self.is_lark and "~" in inner and not inner.endswith(")")))
        simple = {(0, 1): "?", (0, None): "*", (1, None): "+"}.get((low, high))
        if simple is not None:
            return inner + simple
        if not self.is_lark:
            return f"{inner}{{{low}{'' if high == low else ',' if high is None else f',{high}'}}}"
        if high is None:
            return self.grouped(f"{inner} ~ {low} {inner}*", place > _ITEMS)
        counted = f"{inner} ~ {low}" if low == high else f"{inner} ~ {low}..{high}"
        return self.grouped(counted, place > _ITEMS)

    def literal(self, data: bytes) -> str:
        if not data:
            return self.nothing
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise _no_text(data) from None
        return '"' + "".join(self.escaped(char, '"\\') for char in text) + '"'

    def escaped(self, char: str, special: str) -> str:
        """A character of a literal or a class."""
        if char in special:
            return "\\" + char
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char.isprintable():
            return char
        code = ord(char)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    def characters(self, ranges: Ranges) -> str:
        special = "\\]^-/[" if self.is_lark else "\\]^-"
        if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
            return self.literal(chr(ranges[0][0]).encode())
        points = ["-".join(self.escaped(chr(point), special) for point in dict.fromkeys(pair)) for pair in ranges]
        return f"/[{''.join(points)}]/" if self.is_lark else f"[{''.join(points)}]"

    # -- parts that have no notation

    def automaton(self, node: Node) -> str:
        """The name of the rules of a part without references."""
        if node not in self.parts:
            name = self.parts[node] = self.new_name("string" if isinstance(node, JsonString) else "text")
            self.write_automaton(name, self.survey.written_out(node))
        return self.parts[node]

    def write_automaton(self, name: str, node: Node) -> None:
        content, counts, low, high = opened(node)
        dfa = char_dfa(content)
        spelling = node.spelling if isinstance(node, JsonString) else None
        if counts and len(dfa.edges) == 1:  # so many characters of one class
            ranges = tuple((a, b) for a, b, _ in dfa.edges[0])
            char = self.new_name(f"{name} character")
            inside = self.counted(char, low, high)
            quote = self.literal(b'"')
            self.lines.append(self.rule(name, f"{quote} {inside} {quote}" if spelling else inside))
            one = Dfa((tuple((a, b, 1) for a, b in ranges), ()), frozenset({1}))
            self.write_states(char, minimise(spell_json(one, spelling)) if spelling else one)
            return
        if counts:
            dfa = char_dfa(Length(content, low, high))
        self.write_states(name, spell_json(dfa, spelling, quoted=True) if spelling else dfa)

    def counted(self, item: str, low: int, high: int | None) -> str:
        if high == 0:
            return self.nothing
        if not self.is_lark:
            return f"{item}{{{low},{'' if high is None else high}}}"
        return f"{item} ~ {low}..{high}" if high is not None else f"{item} ~ {low} {item}*" if low else f"{item}*"

    def write_states(self, name: str, dfa: Dfa) -> None:
        """A rule for each state: what is read there, and the rule of the state behind it."""
        dfa = minimise(trim(dfa))
        if len(dfa.edges) > _STATES:
            raise LimitExceeded(f"a part of the grammar takes more than {_STATES:,} rules to be written")
        last = {state for state in dfa.finals if not dfa.edges[state]}
        names = [
            name if state == 0 else "" if state in last else self.new_name(name) for state in range(len(dfa.edges))
        ]
        for state, row in enumerate(dfa.edges):
            if state in last and state:
                continue
            targets: dict[int, list[tuple[int, int]]] = {}
            for low, high, target in row:
                targets.setdefault(target, []).append((low, high))
            ways = [f"{self.characters(tuple(ranges))} {names[to]}".strip() for to, ranges in targets.items()]
            ways += [self.nothing] if state in dfa.finals else []
            self.lines.append(self.rule(names[state], " | ".join(ways)))


def _no_text(data: bytes) -> UnsupportedFeature:
    return UnsupportedFeature(f"the bytes {data!r} are no text, and have no notation in other grammars")
