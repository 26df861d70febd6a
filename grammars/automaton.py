"""ByteAutomaton: a recursive transition network over bytes, as flat frozen tables.

Place in the walk: Grammar -> **ByteAutomaton** -> Constraint. Every rule is a deterministic automaton over bytes and
calls; a machine runs it with a set of stacks of frames (return state, counter). Two machines exist and must agree:
the plain one in `grammars.recogniser`, which `accepts` and `explain` use, and the kernels of `tokenizer_align`, which
read these tables.

Guaranteed by `grammars.simplify`: every state can end, no rule is nullable, no rule is left-recursive. So every live
item can be completed, except in windows, where the tables of `grammars.lengths` decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grammars.dfa import Dfa, Edge
from grammars.errors import EmptyLanguage
from grammars.ir import Grammar
from grammars.lengths import FewestBytes, Lengths, fewest_bytes, lengths
from grammars.limits import Limits
from grammars.recogniser import Explanation, Recogniser
from grammars.rules import CALL, SPECIAL, Kind, Rule, calls, plain_symbol
from grammars.simplify import prune, reachable

__all__ = ["UNBOUNDED", "ByteAutomaton"]

UNBOUNDED = 2**30
"""The upper bound of a counter that has none; such counters stop at their lower bound."""

Int32 = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class ByteAutomaton:
    """The tables, all int32 and read-only. R rules, S states, E byte edges, C calls.

    Symbols of edges are bytes (0 to 255) and special tokens (256 + index into `special_tokens`).
    """

    rule_start: Int32  # (R,) first state of the rule; its states are consecutive
    rule_kind: Int32  # (R,) see rules.Kind
    rule_min: Int32  # (R,) bounds of the counter
    rule_max: Int32  # (R,) UNBOUNDED for none
    state_rule: Int32  # (S,)
    state_final: Int32  # (S,) 1 when the rule may end here
    edge_start: Int32  # (S + 1,) byte edges of state q: edge_start[q] to edge_start[q + 1], sorted by symbol
    edge_low: Int32  # (E,)
    edge_high: Int32  # (E,) inclusive
    edge_to: Int32  # (E,)
    edge_tick: Int32  # (E,) 1 when the edge begins a character of a window
    call_start: Int32  # (S + 1,)
    call_rule: Int32  # (C,)
    call_return: Int32  # (C,) -1: a tail call, nothing of the caller is left to do
    length_start: Int32  # (R,) first entry of the window's table in `length_table`
    length_width: Int32  # (R,) entries a state
    length_period: Int32  # (R,)
    length_table: Int32  # see grammars.lengths.Lengths.table
    bytes_start: Int32  # (R,) first entry of the window's table in `bytes_table`
    bytes_width: Int32  # (R,) entries a state
    bytes_period: Int32  # (R,)
    bytes_slope: Int32  # (R,)
    bytes_table: Int32  # see grammars.lengths.FewestBytes.table
    symbol_class: Int32  # (256 + special tokens,) symbols of one class are never told apart
    special_tokens: tuple[str, ...] = ()
    accepts_empty: bool = False
    rules: tuple[Rule, ...] = field(default=(), repr=False)  # what the tables were made of
    source: Grammar | None = field(default=None, repr=False)
    limits: Limits = field(default_factory=Limits, repr=False)  # under which `source` was compiled

    @property
    def num_states(self) -> int:
        return len(self.state_rule)

    @property
    def num_classes(self) -> int:
        """The number of symbol classes."""
        return int(self.symbol_class.max()) + 1

    @classmethod
    def from_rules(
        cls,
        rules: Sequence[Rule],
        special_tokens: Sequence[str],
        *,
        accepts_empty: bool,
        source: Grammar | None,
        limits: Limits,
    ) -> ByteAutomaton:
        """The flat tables of simplified rules; rule 0 is the start."""
        starts = np.cumsum([0, *(len(rule.dfa.edges) for rule in rules)])
        edges: list[tuple[int, int, int, int]] = []
        call_list: list[tuple[int, int]] = []
        edge_start, call_start, state_rule, final = [0], [0], [], []
        windows = [_window(rule) for rule in rules]
        for number, rule in enumerate(rules):
            base = int(starts[number])
            for state, row in enumerate(rule.dfa.edges):
                edges += _byte_edges(row, base)
                for callee, target in calls(row):
                    tail = rule.kind is Kind.PLAIN and target in rule.dfa.finals and not rule.dfa.edges[target]
                    call_list.append((callee, -1 if tail else base + target))
                edge_start.append(len(edges))
                call_start.append(len(call_list))
                state_rule.append(number)
                final.append(int(state in rule.dfa.finals))
        columns = np.array(edges, dtype=np.int32).reshape(-1, 4).T
        called = np.array(call_list, dtype=np.int32).reshape(-1, 2).T
        bounds = [UNBOUNDED if rule.max is None else rule.max for rule in rules]
        return cls(
            rule_start=_table(starts[:-1]),
            rule_kind=_table([int(rule.kind) for rule in rules]),
            rule_min=_table([rule.min for rule in rules]),
            rule_max=_table(bounds),
            state_rule=_table(state_rule),
            state_final=_table(final),
            edge_start=_table(edge_start),
            edge_low=_table(columns[0]),
            edge_high=_table(columns[1]),
            edge_to=_table(columns[2]),
            edge_tick=_table(columns[3]),
            call_start=_table(call_start),
            call_rule=_table(called[0]),
            call_return=_table(called[1]),
            length_start=_table(np.cumsum([0, *(found.table.size for found, _ in windows)])[:-1]),
            length_width=_table([found.table.shape[1] for found, _ in windows]),
            length_period=_table([found.period for found, _ in windows]),
            length_table=_table(np.concatenate([found.table.reshape(-1) for found, _ in windows])),
            bytes_start=_table(np.cumsum([0, *(fewest.table.size for _, fewest in windows)])[:-1]),
            bytes_width=_table([fewest.table.shape[1] for _, fewest in windows]),
            bytes_period=_table([fewest.period for _, fewest in windows]),
            bytes_slope=_table([fewest.slope for _, fewest in windows]),
            bytes_table=_table(np.concatenate([fewest.table.reshape(-1) for _, fewest in windows])),
            symbol_class=_table(_classes(columns, 256 + len(special_tokens))),
            special_tokens=tuple(special_tokens),
            accepts_empty=accepts_empty,
            rules=tuple(rules),
            source=source,
            limits=limits,
        )

    def without_bytes(self, absent: frozenset[int]) -> ByteAutomaton:
        """The automaton of the strings in which none of these bytes occurs.

        Raises `EmptyLanguage` when there is none.
        """
        rules = reachable(prune([replace(rule, dfa=_without(rule.dfa, absent)) for rule in self.rules]))
        if not rules[0].dfa.finals and not self.accepts_empty:
            raise EmptyLanguage(
                "no text of this grammar can be written without certain bytes",
                hint=f"the absent bytes are {', '.join(f'0x{byte:02X}' for byte in sorted(absent))}",
            )
        return ByteAutomaton.from_rules(
            rules, self.special_tokens, accepts_empty=self.accepts_empty, source=self.source, limits=self.limits
        )

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


_NO_LENGTHS = Lengths(np.zeros((0, 0), np.int32), 0, 1), FewestBytes(np.zeros((0, 0), np.int32), 1, 0)


def _window(rule: Rule) -> tuple[Lengths, FewestBytes]:
    return (lengths(rule.dfa), fewest_bytes(rule.dfa)) if rule.kind is Kind.WINDOW else _NO_LENGTHS


def _byte_edges(row: tuple[tuple[int, int, int], ...], base: int) -> list[tuple[int, int, int, int]]:
    """(low, high, target, tick) of the edges of one state that read something, without ticks in the symbols."""
    edges = []
    for low, high, target in row:
        if low >= CALL:
            continue
        symbol, tick = plain_symbol(low)
        if low >= SPECIAL:
            symbol = low - SPECIAL + 256
        edges.append((symbol, symbol + high - low, base + target, int(tick)))
    return sorted(edges)


def _classes(columns: Int32, size: int) -> Int32:
    """A numbering of the symbols such that two of one class are on the same edges everywhere."""
    pairs = np.unique(columns[:2], axis=1)
    bounds = np.unique(np.concatenate([[0, size], pairs[0], pairs[1] + 1]))
    first = bounds[:-1, None]  # of each stretch between two bounds: its edges are those of all of it
    covered = (pairs[0] <= first) & (first <= pairs[1])
    _, numbers = np.unique(np.packbits(covered, axis=1), axis=0, return_inverse=True)
    return np.repeat(numbers.reshape(-1), np.diff(bounds)).astype(np.int32)


def _table(values: object) -> Int32:
    table = np.ascontiguousarray(values, dtype=np.int32)
    table.flags.writeable = False
    return table
