"""ByteAutomaton: a recursive transition network over bytes, as flat tables that are written rule by rule.

Place in the walk: Grammar -> **ByteAutomaton** -> Constraint. Every rule is a deterministic automaton over bytes and
calls, written when it is first entered; a machine runs it with a set of stacks of frames (return state, counter). Two
machines exist and must agree: the plain one in `grammars.recogniser`, which `accepts` and `explain` use, and the
kernels of `tokenizer_align`, which read these tables.

Guaranteed by `grammars.builder`: every state can end, no rule is nullable, no rule is left-recursive. So every live
item can be completed, except in windows, where the tables of `grammars.lengths` decide.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from grammars.dfa import Dfa, Edge, edge_table
from grammars.errors import EmptyLanguage, GrammarError
from grammars.fragments import Fragment, table_fragment
from grammars.ir import Grammar
from grammars.limits import Limits
from grammars.pieces import Piece, own_piece
from grammars.positions import NULL
from grammars.recogniser import Explanation, Recogniser
from grammars.rules import SPECIAL, Kind, Rule, plain_symbol
from grammars.simplify import prune, reachable
from grammars.store import Store
from grammars.summary import summarise
from grammars.survey import Survey
from grammars.tables import EDGE_HIGH, EDGE_LOW, EDGE_TO, RULE_KIND, RULE_MAX, RULE_MIN, RULE_START, UNBOUNDED, Tables

__all__ = ["ByteAutomaton"]


class Source(Protocol):
    """Where the rules of an automaton come from."""

    survey: Survey
    store: Store
    lock: Any
    needs: dict[int, tuple[int, ...]]
    token_limits: dict[int, int]

    def is_built(self, rule: int) -> bool:
        """Whether the rule is in the store."""

    def build(self, rule: int) -> None:
        """Writes a rule into the store, unless it is there; any thread may ask."""

    def enter(self, rule: int) -> None:
        """Writes the opening of a rule; when it is asked for again, or there is none, the rule. Any thread may ask."""

    def fragment(self, rule: int) -> Fragment | None:
        """The fragment that a built rule is, None for one with calls or special tokens."""

    def without_members(self) -> Source:
        """The same language from rules that are no members of objects."""


class ByteAutomaton:
    """Tables that grow while the automaton is used, and who writes them.

    A rule that was called but not entered is not built: `build` it before its states are read.
    """

    start_rule = 0

    def __init__(self, rules: Source) -> None:
        self._rules = rules
        survey = rules.survey
        self.limits: Limits = survey.limits  # under which the grammar was compiled
        self.special_tokens: tuple[str, ...] = tuple(survey.special_tokens)
        self.has_distinct = survey.has_distinct  # whether items of an array must differ, see grammars.distinct
        self.has_token_limits = survey.has_token_limits  # whether parts may only take so many tokens
        self.accepts_empty = bool(survey.facts[survey.grammar.start] & NULL)

    @property
    def source(self) -> Grammar:
        """The grammar that it was made of, whole."""
        with self.lock:
            return self._rules.survey.whole()

    @property
    def lock(self) -> Any:
        """The lock under which rules are written, a `threading.RLock`: for whoever has to keep them as they are."""
        return self._rules.lock

    @property
    def tables(self) -> Tables:
        """The arrays as they are now; arrays that were given out before are never written again."""
        return self._rules.store.tables

    @property
    def num_rules(self) -> int:
        """The number of rules met so far, built or not."""
        return self._rules.store.rules

    @property
    def num_states(self) -> int:
        return self._rules.store.states

    @property
    def extents(self) -> Sequence[tuple[int, int, int]]:
        """The rules that are written, in that order: number, first state, and the state behind the last."""
        return self._rules.store.extents

    @property
    def num_edges(self) -> int:
        return self._rules.store.edges

    def build(self, rule: int) -> None:
        """Writes the states of a rule, unless they are there; any thread may ask."""
        self._rules.build(rule)

    def enter(self, rule: int) -> None:
        """Writes what a machine needs to enter a rule: what stands in for it (`grammars.openings`), or the rule."""
        self._rules.enter(rule)

    def build_all(self) -> None:
        """Writes every rule that can be entered."""
        rule = 0
        while rule < self.num_rules:
            self.build(rule)
            rule += 1

    def needs(self, rule: int) -> tuple[int, ...]:
        """The `needs` of an array with distinct items, by its rule."""
        return self._rules.needs[rule]

    def all_needs(self) -> Iterable[tuple[int, ...]]:
        """The `needs` of all arrays with distinct items met so far."""
        return tuple(self._rules.needs.values())

    @property
    def token_limits(self) -> Mapping[int, int]:
        """How many tokens a rule may take, of those rules met so far that have such a limit."""
        return self._rules.token_limits

    @property
    def widened(self) -> tuple[GrammarError, ...]:
        """What was asked for and is left open, see `Grammar`."""
        return self._rules.survey.grammar.widened

    @cached_property
    def is_recursive(self) -> bool:
        """Whether a rule of the source can call itself, through others or not: stacks may then be of any depth."""
        rules, done, above = self.source.rules, set[str](), set[str]()
        agenda = [(self.source.start, False)]
        while agenda:
            name, is_left = agenda.pop()
            if is_left:
                above.remove(name)
                done.add(name)
            elif name in above:
                return True
            elif name not in done:
                above.add(name)
                agenda.append((name, True))
                agenda += [(callee, False) for callee in summarise(rules[name], self.limits).refs]
        return False

    @property
    def is_complete(self) -> bool:
        """Whether every rule that can be entered is built."""
        return all(map(self._rules.is_built, range(self.num_rules)))

    def leaf_key(self, rule: int) -> Fragment | None:
        """What a rule without calls and special tokens is: one object for equal ones in all grammars; else None."""
        self.build(rule)
        return self.fragment(rule)

    def fragment(self, rule: int) -> Fragment | None:
        """`leaf_key` of a rule that is written."""
        return self._rules.fragment(rule)

    def rule(self, number: int) -> Rule:
        """A rule by itself, its states numbered from 0."""
        self.build(number)
        row = self.tables.rules[number].tolist()
        kind = Kind(row[RULE_KIND])
        dfa = own_piece(self.tables, row[RULE_START]).dfa()
        high = None if row[RULE_MAX] == UNBOUNDED else row[RULE_MAX]
        return Rule(f"rule {number}", dfa, kind, row[RULE_MIN], high, self.token_limits.get(number))

    def used_bytes(self) -> set[int]:
        """The bytes that occur in texts of the grammar; builds all rules."""
        self.build_all()
        edges = self.tables.edges[: self.num_edges]
        edges = edges[(edges[:, EDGE_TO] >= 0) & (edges[:, EDGE_LOW] < 256)]
        ranges = np.unique(edges[:, [EDGE_LOW, EDGE_HIGH]], axis=0).tolist()
        return {byte for low, high in ranges for byte in range(low, high + 1)}

    def without_bytes(self, absent: frozenset[int]) -> ByteAutomaton:
        """The automaton of the strings in which none of these bytes occurs.

        Raises `EmptyLanguage` when there is none.
        """
        assert not self.has_distinct, "what its rules say would be lost"
        self.build_all()
        if (self.tables.rules[: self.num_rules, RULE_KIND] >= Kind.MEMBERS).any():
            return ByteAutomaton(self._rules.without_members()).without_bytes(absent)
        whole = [self.rule(number) for number in range(self.num_rules)]
        rules = reachable(prune([replace(rule, dfa=_without(rule.dfa, absent)) for rule in whole]))
        if not rules[0].dfa.finals and not self.accepts_empty:
            raise EmptyLanguage(
                "no text of this grammar can be written without certain bytes",
                hint=f"the absent bytes are {', '.join(f'0x{byte:02X}' for byte in sorted(absent))}",
            )
        return ByteAutomaton(_Built(self._rules.survey, rules))

    @cached_property
    def recogniser(self) -> Recogniser:
        """The plain machine over these tables."""
        return Recogniser(self)

    def accepts(self, data: bytes) -> bool:
        """Whether `data` is a string of the grammar."""
        return self.recogniser.accepts(data)

    def explain(self, data: bytes) -> Explanation:
        """How far `data` goes inside the grammar, and what was allowed where it stops."""
        return self.recogniser.explain(data)


class _Built:
    """Rules that are there from the start."""

    def __init__(self, survey: Survey, rules: Sequence[Rule]) -> None:
        self.survey, self.store, self.lock = survey, Store(), threading.RLock()
        self.fragments: list[Fragment | None] = []
        self.needs: dict[int, tuple[int, ...]] = {}
        self.token_limits = {n: rule.tokens for n, rule in enumerate(rules) if rule.tokens is not None}
        for _ in rules:
            self.store.reserve()
        for number, rule in enumerate(rules):
            is_leaf = all(high < SPECIAL for row in rule.dfa.edges for _, high, _ in row)
            found = table_fragment(edge_table(rule.dfa), counts=rule.kind is Kind.WINDOW) if is_leaf else None
            self.fragments.append(found)
            piece = Piece.from_dfa(rule.dfa, tails=rule.kind is Kind.PLAIN) if found is None else found.piece
            window = None if found is None else found.window
            self.store.append(number, piece, rule.kind, rule.min, rule.max, window=window)

    def is_built(self, rule: int) -> bool:
        return True

    def build(self, rule: int) -> None:
        pass

    enter = build

    def fragment(self, rule: int) -> Fragment | None:
        return self.fragments[rule]

    def without_members(self) -> Source:
        return self


def _without(dfa: Dfa, absent: frozenset[int]) -> Dfa:
    return Dfa(tuple(tuple(_cut(row, absent)) for row in dfa.edges), dfa.finals)


def _cut(row: tuple[Edge, ...], absent: frozenset[int]) -> Iterator[Edge]:
    """The edges of one state without the absent bytes."""
    for low, high, target in row:
        shift = low - plain_symbol(low)[0]
        for byte in sorted(absent) if low < SPECIAL else ():
            if low <= byte + shift <= high:
                if low < byte + shift:
                    yield low, byte + shift - 1, target
                low = byte + shift + 1
        if low <= high:
            yield low, high, target
