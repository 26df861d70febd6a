"""Piece: the automaton of one rule as flat arrays or lists, its states numbered from 0.

Place in the walk: what a rule becomes before it has a place in the tables of a `ByteAutomaton`. The columns are those
of `grammars.tables`; a rule's number and the places of its rows are added when it is appended. The conversions from and
to a `Dfa` are for what is computed on one: leaves, left recursion, minimisation.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from grammars.dfa import Dfa, Edge, EdgeTable
from grammars.rules import CALL, SPECIAL, calls, plain_symbol
from grammars.tables import (
    CALL_COLUMNS,
    CALL_RETURN,
    CALL_RULE,
    DEFAULT,
    EDGE_COLUMNS,
    EDGE_HIGH,
    EDGE_LOW,
    EDGE_TICK,
    EDGE_TO,
    FIRST_CALL,
    FIRST_EDGE,
    NOWHERE,
    STATE_COLUMNS,
    STATE_FINAL,
    Int32,
    Tables,
    calls_at,
    edges_at,
)
from grammars.utf8 import TICK

__all__ = ["Columns", "Piece", "as_rows", "flat_piece", "own_piece"]


Lists = tuple[list[int], list[int], list[int]]
Arrays = tuple[Int32, Int32, Int32]


class Piece:
    """States, edges and calls of one rule: `Tables` of its own, with the numbers of states relative to its first.

    Tail calls, and in an overlay what has no default and what is refused, lead to `NOWHERE`. A piece is arrays, or flat
    lists of which arrays are made when they are asked for; nobody writes into them.
    """

    __slots__ = ("_arrays", "_lists")

    def __init__(self, states: Int32, edges: Int32, calls: Int32) -> None:
        self._arrays: Arrays | None = (states, edges, calls)
        self._lists: Lists | None = None

    @classmethod
    def of_lists(cls, states: list[int], edges: list[int], calls: list[int]) -> Piece:
        """The piece with these rows, one behind the other."""
        piece = cls.__new__(cls)
        piece._arrays, piece._lists = None, (states, edges, calls)
        return piece

    @property
    def arrays(self) -> Arrays:
        """(s, STATE_COLUMNS), (e, EDGE_COLUMNS) and (c, CALL_COLUMNS)."""
        if self._arrays is None:
            assert self._lists is not None
            states, edges, calls = self._lists
            self._arrays = as_rows(states, STATE_COLUMNS), as_rows(edges, EDGE_COLUMNS), as_rows(calls, CALL_COLUMNS)
        return self._arrays

    @property
    def kept(self) -> Sequence[Int32 | list[int]]:
        """The rows as lists, where there are lists, or as arrays."""
        return self._lists or self.arrays

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many states, edges and calls there are."""
        if self._lists is not None:
            states, edges, calls = self._lists
            return len(states) // STATE_COLUMNS, len(edges) // EDGE_COLUMNS, len(calls) // CALL_COLUMNS
        return len(self.states), len(self.edges), len(self.calls)

    @property
    def states(self) -> Int32:
        return self.arrays[0]

    @property
    def edges(self) -> Int32:
        return self.arrays[1]

    @property
    def calls(self) -> Int32:
        return self.arrays[2]

    @property
    def content(self) -> tuple[bytes, bytes]:
        """The states and edges as bytes: equal for equal pieces, whatever they are kept as."""
        if self._lists is not None:
            return array("i", self._lists[0]).tobytes(), array("i", self._lists[1]).tobytes()
        return self.states.tobytes(), self.edges.tobytes()

    def calling(self, rules: list[int]) -> Piece:
        """The same, with calls of these rules where it calls places among them."""
        if self._lists is not None:
            states, edges, calls = self._lists
            calls = calls.copy()
            calls[CALL_RULE::CALL_COLUMNS] = [rules[place] for place in calls[CALL_RULE::CALL_COLUMNS]]
            return Piece.of_lists(states, edges, calls)
        called = self.calls.copy()
        called[:, CALL_RULE] = np.array(rules, np.int32)[called[:, CALL_RULE]]
        return Piece(self.states, self.edges, called)

    @classmethod
    def from_dfa(cls, dfa: Dfa, *, tails: bool) -> Piece:
        """The arrays of a DFA over bytes and calls; with `tails` a call after which nothing is left returns nowhere."""
        columns = Columns()
        for state, row in enumerate(dfa.edges):
            columns.begin(final=state in dfa.finals)
            columns.edges += sorted(_edge(edge) for edge in row if edge[0] < CALL)
            for callee, target in calls(row):
                tail = tails and target in dfa.finals and not dfa.edges[target]
                columns.calls.append((callee, NOWHERE if tail else target))
        return columns.piece()

    @classmethod
    def from_leaf(cls, table: EdgeTable) -> Piece:
        """The arrays of a DFA over bytes, the first of a character with `TICK` added where they are to be counted."""
        counts, found, finals = table
        ticks = found[:, 0] >= TICK
        edges = np.zeros((len(found), EDGE_COLUMNS), np.int32)
        edges[:, [EDGE_LOW, EDGE_HIGH, EDGE_TO]] = found
        edges[:, [EDGE_LOW, EDGE_HIGH]] -= TICK * ticks[:, None]
        edges[:, EDGE_TICK] = ticks
        if ticks.any():  # ticked edges stood behind the others of their state
            edges = edges[np.lexsort((edges[:, EDGE_LOW], np.repeat(np.arange(len(counts)), counts)))]
        states = np.zeros((len(counts), STATE_COLUMNS), np.int32)
        states[list(finals), STATE_FINAL] = 1
        states[1:, FIRST_EDGE] = np.cumsum(counts)[:-1]
        states[:, DEFAULT] = -1
        return cls(states, edges, np.zeros((0, CALL_COLUMNS), np.int32))

    def dfa(self) -> Dfa:
        """The same as a DFA whose symbols are those of `grammars.rules`; it must have no defaults.

        Tail calls lead to one more state.
        """
        end = len(self.states)
        edges = [_symbols(*edge) for edge in self.edges.tolist()]
        called = self.calls.tolist()
        rows: list[tuple[Edge, ...]] = []
        starts = self.states[:, [FIRST_EDGE, FIRST_CALL]].tolist()
        for (edge, call), (next_edge, next_call) in zip(starts, [*starts[1:], (len(edges), len(called))], strict=True):
            row = sorted(edges[edge:next_edge])
            row += sorted(
                (CALL + callee, CALL + callee, end if back < 0 else back) for callee, back in called[call:next_call]
            )
            rows.append(tuple(row))
        finals = set(np.flatnonzero(self.states[:, STATE_FINAL]).tolist())
        if any(back < 0 for _, back in called):
            rows.append(())
            finals.add(end)
        return Dfa(tuple(rows), frozenset(finals))


def own_piece(tables: Tables, start: int) -> Piece:
    """The piece of the states that are reached from one within its rule, without defaults."""
    numbers = {start: 0}
    columns = Columns()
    pending = [start]
    for state in pending:
        edges, called = edges_at(tables, state), calls_at(tables, state)
        for target in [edge[2] for edge in edges] + [back for _, back in called if back >= 0]:
            if target not in numbers:
                numbers[target] = len(pending)
                pending.append(target)
        columns.begin(final=bool(tables.states[state, STATE_FINAL]))
        columns.edges += [(low, high, numbers[target], tick) for low, high, target, tick in edges]
        columns.calls += [(rule, NOWHERE if back < 0 else numbers[back]) for rule, back in called]
    return columns.piece()


class Columns:
    """Collects the rows of a piece, state after state."""

    __slots__ = ("calls", "edges", "states")

    def __init__(self) -> None:
        self.states: list[tuple[int, int, int]] = []  # final, first edge, first call
        self.edges: list[tuple[int, int, int, int]] = []
        self.calls: list[tuple[int, int]] = []

    def begin(self, *, final: bool) -> None:
        """The next state; the edges and calls that follow are its own."""
        self.states.append((int(final), len(self.edges), len(self.calls)))

    def piece(self) -> Piece:
        states = np.zeros((len(self.states), STATE_COLUMNS), np.int32)
        states[:, [STATE_FINAL, FIRST_EDGE, FIRST_CALL]] = self.states
        states[:, DEFAULT] = -1
        return Piece(
            states,
            np.array(self.edges, np.int32).reshape(-1, EDGE_COLUMNS),
            np.array(self.calls, np.int32).reshape(-1, CALL_COLUMNS),
        )


def flat_piece(
    finals: list[int],
    first_edge: list[int],
    first_call: list[int],
    edges: tuple[list[int], list[int], list[int]],
    called: tuple[list[int], list[int]],
) -> Piece:
    """The piece of columns that are lists already: final states; (low, high, to); (rule, return)."""
    states = [0] * (STATE_COLUMNS * len(first_edge))
    for state in finals:
        states[STATE_COLUMNS * state + STATE_FINAL] = 1
    states[FIRST_EDGE::STATE_COLUMNS] = first_edge
    states[FIRST_CALL::STATE_COLUMNS] = first_call
    states[DEFAULT::STATE_COLUMNS] = [-1] * len(first_edge)
    rows = [0] * (EDGE_COLUMNS * len(edges[0]))
    rows[EDGE_LOW::EDGE_COLUMNS], rows[EDGE_HIGH::EDGE_COLUMNS], rows[EDGE_TO::EDGE_COLUMNS] = edges
    call_rows = [0] * (CALL_COLUMNS * len(called[0]))
    call_rows[CALL_RULE::CALL_COLUMNS], call_rows[CALL_RETURN::CALL_COLUMNS] = called
    return Piece.of_lists(states, rows, call_rows)


def as_rows(values: list[int], columns: int) -> Int32:
    """The values as rows."""
    return np.frombuffer(array("i", values or [0]), np.int32)[: len(values)].reshape(-1, columns)


def _edge(edge: Edge) -> tuple[int, int, int, int]:
    """(low, high, to, tick) of an edge that reads something, in the symbols of the tables."""
    low, high, target = edge
    symbol, tick = plain_symbol(low)
    if low >= SPECIAL:
        symbol = low - SPECIAL + 256
    return symbol, symbol + high - low, target, int(tick)


def _symbols(low: int, high: int, target: int, tick: int) -> Edge:
    shift = TICK if tick else SPECIAL - 256 if low >= 256 else 0
    return low + shift, high + shift, target


assert EDGE_TICK == EDGE_COLUMNS - 1
