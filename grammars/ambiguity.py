"""Ambiguity: a text that a rule reads in two ways, looked for among short texts.

Place in the walk: beside the front ends, for `gcd check`. Whether a grammar is ambiguous is undecidable; so this is a
search with bounds. Of each rule some of its shortest texts are kept, made from those of the rules that it calls, until
nothing changes; two ways to one text are a witness. We only recognise, so that ambiguity costs nothing here and changes
no language; it matters to who builds trees, and it is often a sign of a rule that says more than was meant.

What is repeated and may be empty has infinitely many readings, and is told apart (`grammars.lint`). Terminals are read
in one way, and so is ignored text.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from typing import TypeAlias

from grammars.chars import char_dfa
from grammars.collisions import literals, readable, unspaced
from grammars.dfa import Dfa
from grammars.errors import GrammarError
from grammars.ir import Bytes, Choice, Grammar, Node, Numerals, Ref, Repeat, Sequence
from grammars.limits import Limits
from grammars.positions import NULL
from grammars.record import record
from grammars.survey import Survey

__all__ = ["Witness", "ambiguity"]

_ROUNDS = ((20, 1), (60, 2), (200, 5))
"""How many texts of each rule and of each terminal are kept: more and more, while there is time."""
_COPIES = 3
_LITERALS = 100

Ways: TypeAlias = dict[str, str]
"""Texts, each with how it is read."""


@record
class Witness:
    """A text of a rule, and two ways to read it."""

    rule: str
    text: str
    first: str
    second: str


class _Found(Exception):
    """Two ways to read a text."""

    def __init__(self, text: str, first: str, second: str) -> None:
        super().__init__(text)
        self.text, self.first, self.second = text, first, second

    def before(self, text: str, way: str) -> _Found:
        """The same behind something."""
        return _Found(text + self.text, f"{way} {self.first}".strip(), f"{way} {self.second}".strip())

    def behind(self, text: str, way: str) -> _Found:
        """The same in front of something."""
        return _Found(self.text + text, f"{self.first} {way}".strip(), f"{self.second} {way}".strip())


def ambiguity(grammar: Grammar, *, seconds: float = 0.5) -> Witness | None:
    """A witness that a grammar is ambiguous, None where none was found in that time among 200 texts of each rule.

    >>> ambiguity(parse_lark('start: start "+" start | "1"'))
    Witness(rule='start', text='1+1+1', first='start "1" "+" start "1+1"', second='start "1+1" "+" start "1"')
    """
    deadline = time.monotonic() + seconds
    for kept, of_a_terminal in _ROUNDS:
        if (found := _Search(grammar, kept, of_a_terminal).run(deadline)) is not None:
            return found
    return None


class _Search:
    """One round."""

    def __init__(self, grammar: Grammar, kept: int, of_a_terminal: int) -> None:
        self.grammar, self.kept, self.of_a_terminal = grammar, kept, of_a_terminal
        self.survey = Survey(grammar, Limits())
        names = {name: name.partition("[")[0] for name in self.survey.summaries}  # NAME[capture=x] is in NAME
        self.rules = [name for name, base in names.items() if not base.startswith("%") and not base.isupper()]
        self.texts: dict[str, list[str]] = {}
        bodies = [grammar.rules[name] for name in self.rules]
        some = dict.fromkeys(data for node in bodies for data in literals(node))
        self.literals = [data.decode() for data in some if _is_text(data)][:_LITERALS]
        self.units: dict[Node, list[str]] = {}

    def run(self, deadline: float) -> Witness | None:
        callers: dict[str, list[str]] = {}
        for name in self.rules:
            for ref in self.survey.summaries[name].refs:
                callers.setdefault(ref, []).append(name)
        pending = dict.fromkeys(reversed(self.rules))
        while pending and time.monotonic() < deadline:
            name = next(iter(pending))
            del pending[name]
            try:
                found = list(self.ways(self.grammar.rules[name]))
            except _Found as witness:
                return Witness(name, witness.text, witness.first, witness.second)
            if found != self.texts.get(name, []):
                self.texts[name] = found
                pending |= dict.fromkeys(callers.get(name, ()))
        return None

    def ways(self, node: Node) -> Ways:
        """Some of the shortest texts of a node; raises `_Found` for two ways to read one."""
        match node:
            case Ref(name):
                if name.startswith("%"):
                    return {"": ""}
                if name.isupper():
                    return self.unit(self.grammar.rules[name])
                return {text: f'{name} "{text}"' for text in self.texts.get(name, ())}
            case Bytes(data):
                return {data.decode(): f'"{data.decode()}"'} if _is_text(data) else {}
            case Sequence(items):
                return self.sequence(items)
            case Choice(items) if not isinstance(node, Numerals):
                return self.alternatives(items)
            case Repeat(item, low, high):
                return self.copies(item, low, high)
        return self.unit(node)

    def alternatives(self, items: Iterable[Node]) -> Ways:
        found: Ways = {}
        for item in items:
            for text, way in self.ways(item).items():
                if text in found:
                    raise _Found(text, found[text] or '""', way or '""')
                found[text] = way
        return self.shortest(found)

    def sequence(self, items: SequenceOf[Node]) -> Ways:
        found: Ways = {"": ""}
        for place, item in enumerate(items):
            before = next(iter(found.items()), None)
            try:
                ways = self.ways(item)
            except _Found as inner:
                if before is not None:
                    self.complete(inner.before(*before), items[place + 1 :])
                ways = {}
            try:
                found = self.joined(found, ways)
            except _Found as prefix:
                self.complete(prefix, items[place + 1 :])
                found = {}
        return found

    def complete(self, found: _Found, rest: SequenceOf[Node]) -> None:
        """Raises what was found in front of the rest, with some text of the rest; not if it has none yet."""
        for item in rest:
            try:
                some = next(iter(self.ways(item).items()), None)
            except _Found as other:
                some = other.text, other.first
            if some is None:
                return
            found = found.behind(*some)
        raise found

    def joined(self, begun: Ways, ways: Ways) -> Ways:
        """The texts of both, one behind the other."""
        longer: Ways = {}
        for text, way in ways.items():
            for before, parts in begun.items():
                self.add(longer, before + text, f"{parts} {way}".strip())
        return self.shortest(longer)

    def copies(self, item: Node, low: int, high: int | None) -> Ways:
        """Texts of a few copies that are not empty, and the empty text where there may be none."""
        try:
            every = self.ways(item)
        except _Found as inner:
            self.complete(inner, [item] * (low - 1) if low > 1 else ())
            return {}
        items = {text: way for text, way in every.items() if text}
        found: Ways = {"": '""'} if low == 0 or self.survey.facts_of(item) & NULL else {}
        row: Ways = {"": ""}
        for count in range(1, min(low + _COPIES, low + _COPIES if high is None else high) + 1):
            try:
                row = self.joined(row, items)
            except _Found as fewer:
                self.complete(fewer, [item] * (low - count))
                return {}
            if count >= low:
                for text, way in row.items():
                    self.add(found, text, way)
        return self.shortest(found)

    @staticmethod
    def add(ways: Ways, text: str, way: str) -> None:
        if ways.setdefault(text, way) != way:
            raise _Found(text, ways[text], way)

    def shortest(self, ways: Ways) -> Ways:
        if len(ways) <= self.kept:
            return ways
        return {text: ways[text] for text in sorted(ways, key=lambda text: (len(text), text))[: self.kept]}

    def unit(self, node: Node) -> Ways:
        """Some texts of what is read in one way: a terminal, or another part without rules."""
        node = unspaced(node)
        if node not in self.units:
            try:
                dfa = char_dfa(self.survey.written_out(node))
            except GrammarError:
                self.units[node] = []
            else:
                own = [text for text in self.literals if _accepts(dfa, text)]
                self.units[node] = list(dict.fromkeys([*_shortest(dfa, self.of_a_terminal), *own]))
        return {text: f'"{text}"' for text in self.units[node]}


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _accepts(dfa: Dfa, text: str) -> bool:
    state = 0
    for char in text:
        state = dfa.step(state, ord(char))
        if state < 0:
            return False
    return state in dfa.finals


def _shortest(dfa: Dfa, most: int) -> list[str]:
    """Some of the shortest texts, one character for each edge."""
    found: list[str] = []
    queue = [("", 0)]
    for text, state in queue:  # it grows
        if state in dfa.finals:
            found.append(text)
        if len(found) >= most or len(queue) > 2_000:
            break
        queue += [(text + readable(low, high), to) for low, high, to in dfa.edges[state]]
    return found
