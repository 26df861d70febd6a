"""Captures: what the named parts of a finished text are, by a reading of the raw Grammar.

Place in the walk: beside the automaton, which forgets names; asked once, when a text is complete. A rule is captured
where its name says so, `city[capture=city]`; so it stays through whatever embeds it.

A text that can be read in several ways is read in one: from left to right, alternatives in their order, repeats and
terminals as long as they can be, and a rule that is called as long as it can be. That is the first way that a search
through the items of an Earley chart finds, which knows which rules may stand where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence as SequenceOf
from typing import NamedTuple, TypeAlias

from grammars.chart import Chart, Rest
from grammars.errors import LimitExceeded
from grammars.ir import Grammar, Ref, Repeat
from grammars.positions import NULL

__all__ = ["Capture", "captured_as", "captures", "has_captures"]

_NAME = re.compile(r"\[capture=([^\[\]]+)\]\Z")
_STEPS = 3_000_000


class Capture(NamedTuple):
    """A named part of a text, from one place to another one."""

    name: str
    begin: int
    end: int


_Call: TypeAlias = tuple[str, int, int]
"""A rule that was called, where it began and where it ended."""

_Path: TypeAlias = tuple["_Path", _Call] | None
"""Calls, the last one first."""


def captured_as(rule: str) -> str | None:
    """The name under which a rule is captured, None where it is not.

    >>> captured_as("NAME[capture=city]"), captured_as("NAME")
    ('city', None)
    """
    found = _NAME.search(rule)
    return found[1] if found else None


def has_captures(grammar: Grammar) -> bool:
    return any(captured_as(rule) for rule in grammar.rules)


def captures(grammar: Grammar, text: SequenceOf[int | str]) -> list[Capture]:
    """The captures of a text of the grammar: bytes, and special tokens by their names; outer ones before inner ones.

    >>> captures(Grammar({"start": Ref("a[capture=x]"), "a[capture=x]": Bytes(b"abc")}), b"abc")
    [Capture(name='x', begin=0, end=3)]

    Raises `LimitExceeded` for texts that take millions of steps; `ValueError` for what is no text of the grammar.
    """
    chart = Chart(grammar)
    if not all(map(chart.read, text)) or not chart.accepting:
        raise ValueError("this is no text of the grammar")
    try:
        return _found(_Reading(chart, text))
    except RecursionError:
        raise LimitExceeded("too many rules that only call one another, to find the captures of this text") from None


def _found(reading: _Reading) -> list[Capture]:
    grammar, found = reading.chart.grammar, list[Capture]()
    pending: list[tuple[_Call, frozenset[_Call]]] = [((grammar.start, 0, len(reading.text)), frozenset())]
    while pending:
        call, around = pending.pop()
        calls = reading.calls(call, around)
        assert calls is not None
        if name := captured_as(call[0]):
            found.append(Capture(name, reading.first(call, around), call[2]))
        around = around | {call}
        inside = [(inner, around if inner[1:] == call[1:] else frozenset[_Call]()) for inner in calls]
        pending += reversed([each for each in inside if reading.leads_to_captures(each[0][0])])
    return found


class _Reading:
    """One way to read each call of a chart."""

    def __init__(self, chart: Chart, text: SequenceOf[int | str]) -> None:
        self.chart, self.text, self.steps = chart, text, 0
        self.ends: dict[tuple[str, int], list[int]] = {}
        for place, ended in enumerate(chart.ended):
            for rule, begins in ended.items():
                for begin in begins:
                    self.ends.setdefault((rule, begin), []).append(place)
        self.leading = _leading(chart)
        self.ignores = any(rule.endswith("%ignore") for rule in chart.grammar.rules)

    def leads_to_captures(self, rule: str) -> bool:
        return rule in self.leading

    def calls(self, call: _Call, around: frozenset[_Call]) -> list[_Call] | None:
        """The rules that a call calls, in order; None where it cannot be read but through itself or a call around it.

        `around` are the calls of the same part of the text that this one is in.
        """
        rule, begin, end = call
        inside = around | {call}
        seen: set[tuple[Rest, int]] = set()
        pending: list[tuple[Rest, int, _Path]] = [((self.chart.grammar.rules[rule], None, None), begin, None)]
        while pending:
            rest, at, path = pending.pop()
            if (rest, at) in seen:
                continue
            seen.add((rest, at))
            self.steps += 1
            if self.steps > _STEPS:
                raise LimitExceeded(f"more than {_STEPS:,} steps to find the captures of this text")
            if rest is None:
                if at == end:
                    return _listed(path)
                continue
            pending += reversed([way for way in self.ways(rest, call, at, path, inside) if way[1] <= end])
        return None

    def first(self, call: _Call, around: frozenset[_Call]) -> int:
        """Where a call begins, without what is ignored before its first terminal."""
        _, begin, _ = call
        calls = self.calls(call, around) if self.ignores else None
        for inner in calls or ():
            if inner[1] != begin:
                break
            if inner[0].endswith("%ignore"):
                begin = inner[2]
            elif inner[2] > begin:
                return self.first(inner, around | {call} if inner[1:] == call[1:] else frozenset())
        return begin

    def ways(
        self, rest: Rest, call: _Call, at: int, path: _Path, inside: frozenset[_Call]
    ) -> Iterator[tuple[Rest, int, _Path]]:
        """The ways to go on, the one that is preferred first."""
        assert rest is not None
        node, progress, behind = rest
        rule, begin, end = call
        if isinstance(node, Ref):
            for place in reversed(self.ends.get((node.name, at), ())):
                inner = (node.name, at, place)
                if inner[1:] != (begin, end) or (inner not in inside and self.calls(inner, inside) is not None):
                    yield behind, place, (path, inner)
            return
        opened = self.chart.opened(node, progress, behind, at)
        if opened is not None:
            ways = list(opened)
            yield from [(way, at, path) for way in (reversed(ways) if isinstance(node, Repeat) else ways)]
            return
        if at < end:
            after = list(self.chart.step((rule, begin, rest), self.text[at]))
            yield from [(way, at + 1, path) for _, _, way in reversed(after)]  # to go on before to end
        if progress is None and self.chart.facts(node) & NULL:
            yield behind, at, path


def _leading(chart: Chart) -> set[str]:
    """The rules that are captured, and those through which one comes to them."""
    callers: dict[str, set[str]] = {}
    for name, summary in chart.survey.summaries.items():
        for ref in summary.refs:
            callers.setdefault(ref, set()).add(name)
    pending = [name for name in chart.survey.summaries if captured_as(name)]
    found = set(pending)
    for name in pending:  # it grows
        pending += callers.get(name, set()) - found
        found |= callers.get(name, set())
    return found


def _listed(path: _Path) -> list[_Call]:
    calls = []
    while path is not None:
        path, call = path
        calls.append(call)
    return calls[::-1]
