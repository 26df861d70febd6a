"""Store: the growing arrays behind the tables of a ByteAutomaton.

Place in the walk: Piece -> **Tables**. Rules are reserved when they are first called and written when they are first
entered. What is written is never written again, and an array that is full is replaced by a copy twice as long, so that
whoever holds older tables may go on reading them.
"""

from __future__ import annotations

from array import array
from struct import Struct

import numpy as np

from grammars.errors import LimitExceeded
from grammars.lengths import FewestBytes, Lengths
from grammars.members import Order
from grammars.pieces import Piece, as_rows
from grammars.rules import Kind
from grammars.tables import (
    CALL_COLUMNS,
    DEFAULT,
    EDGE_COLUMNS,
    EDGE_HIGH,
    EDGE_LOW,
    EDGE_TICK,
    EDGE_TO,
    FEWEST,
    FIRST_CALL,
    FIRST_EDGE,
    LENGTHS,
    MEMBERS_AFTER,
    MEMBERS_AT,
    MEMBERS_COUNT,
    RULE_COLUMNS,
    RULE_DISTINCT,
    RULE_KIND,
    RULE_MAX,
    RULE_MIN,
    RULE_START,
    STATE_COLUMNS,
    STATE_FINAL,
    STATE_RULE,
    UNBOUNDED,
    UNBUILT,
    Int32,
    Tables,
)

__all__ = ["Store", "Window"]

Window = tuple[Lengths, FewestBytes]
"""What a window can still read, see `grammars.lengths`."""


# Written by `struct`: what numpy takes to make an array of a handful of numbers is longer than all else.
_END, _RULE = Struct(f"={STATE_COLUMNS}i"), Struct(f"={RULE_DISTINCT - RULE_KIND}i")

_FEW = 128
"""Numbers up to which columns are shifted one by one: numpy takes as long to be called as for a thousand."""


_MANY = 1000
"""Rows from which on each column is a loop of its own: of all columns at once the inner loop has a handful of steps."""


class Store:
    """Tables and how much of each array is in use."""

    def __init__(self, begun: Store | None = None) -> None:
        """Empty, or with what is in another one."""
        self.rules = self.states = self.edges = self.calls = self.lengths = 0
        self.extents: list[tuple[int, int, int]] = []  # of the rules that are written, as they were: first state, end
        self.windows: dict[int, tuple[list[int], Window]] = {}  # by identity of the lengths: columns, what to keep
        if begun is None:
            self.tables = Tables(
                rules=np.zeros((64, RULE_COLUMNS), np.int32),
                states=np.empty((1536, STATE_COLUMNS), np.int32),  # nothing is read before it is written
                edges=np.empty((3072, EDGE_COLUMNS), np.int32),
                calls=np.empty((256, CALL_COLUMNS), np.int32),
                lengths=np.empty(1024, np.int32),
            )
            self.tables.rules[:, RULE_START] = UNBUILT
        else:
            self.tables = Tables(*[rows.copy() for rows in begun.tables])
            self.rules, self.states, self.edges = begun.rules, begun.states, begun.edges
            self.calls, self.lengths = begun.calls, begun.lengths
            self.extents, self.windows = [*begun.extents], {**begun.windows}
        self._flat = _flat(self.tables)

    def _used(self) -> tuple[int, int, int, int, int]:
        """How much of each array is in use: the states have one more, where the last one ends."""
        return self.rules, self.states + 1, self.edges, self.calls, self.lengths

    def written(self) -> Tables:
        """The tables as far as they are in use: what is behind that may be anything."""
        return Tables(*[rows[:size] for rows, size in zip(self.tables, self._used(), strict=True)])

    def reserve(self, distinct: int = 0) -> int:
        """The number of a new rule, not yet built; `distinct` as in the tables."""
        self.rules += 1
        if self.rules > len(self.tables.rules):
            self._grow()
        if distinct:
            self.tables.rules[self.rules - 1, RULE_DISTINCT] = distinct
        return self.rules - 1

    def append(
        self,
        rule: int,
        piece: Piece,
        kind: Kind = Kind.PLAIN,
        low: int = 0,
        high: int | None = None,
        *,
        window: Window | None = None,
        order: Order | None = None,
        opening: tuple[int, int] | None = None,
        host: int = -1,
    ) -> None:
        """Writes a reserved rule; the defaults of the piece's states are those of the piece that begins at `host`."""
        if low >= UNBOUNDED:
            raise LimitExceeded(f"a repeat of at least {low:,} is more than can be counted")
        states, edges, calls = places = self.states, self.edges, self.calls
        added = piece.sizes
        self.states += added[0]
        self.edges += added[1]
        self.calls += added[2]
        columns = [0] * (RULE_DISTINCT - LENGTHS)
        if window is not None:
            columns = self._window(window)
        elif order is not None:
            columns[:3] = self._order(order), order.count, states + order.after
            if order.register is not None:
                kind, columns[3:] = Kind.REGISTER, [*order.register]
        elif opening is not None:
            kind, columns[:2] = Kind.OPENING, opening
        self._grow()
        table = self.tables
        shifts = (rule, 0, edges, calls, max(host, 0)), (0, 0, states, 0), (0, states)
        for number, rows in enumerate(piece.kept):
            if added[number]:
                self._write(number, rows, places[number], shifts[number])
        _END.pack_into(table.states.data, 4 * STATE_COLUMNS * self.states, 0, 0, self.edges, self.calls, -1)
        most = UNBOUNDED if high is None else min(high, UNBOUNDED)
        _RULE.pack_into(table.rules.data, 4 * (RULE_COLUMNS * rule + RULE_KIND), int(kind), low, most, *columns)
        table.rules[rule, RULE_START] = states  # last: whoever sees it may read the rest
        self.extents.append((rule, states, self.states))

    def _write(self, number: int, rows: Int32 | list[int], begin: int, shifts: tuple[int, ...]) -> None:
        """Writes rows of the states (0), edges (1) or calls (2) from a place on, their columns shifted.

        They are shifted before: the first row is where the rule before ends, and somebody may be reading it.
        """
        if isinstance(rows, list):
            width = len(shifts)
            if len(rows) <= _FEW:
                rows = rows.copy()
                for column, shift in enumerate(shifts):
                    if shift:
                        rows[column::width] = [shift + value for value in rows[column::width]]
                self._flat[number][width * begin : width * begin + len(rows)] = array("i", rows)
                return
            rows = as_rows(rows, width)
        written = self.tables[1 + number][begin : begin + len(rows)]
        if len(rows) < _MANY:
            np.add(rows, np.array(shifts, np.int32), out=written)
            return
        rows = rows.copy()
        for column, shift in enumerate(shifts):
            if shift:
                rows[:, column] += shift
        written[:] = rows

    def _window(self, window: Window) -> list[int]:
        """The columns of a rule for these tables, which are written once."""
        known = self.windows.get(id(window[0]))
        if known is not None:
            return known[0]
        remaining, fewest = window
        begin = self.lengths
        second = begin + remaining.table.size
        self.lengths = second + fewest.table.size
        self._grow()
        self.tables.lengths[begin:second] = remaining.table.reshape(-1)
        self.tables.lengths[second : self.lengths] = fewest.table.reshape(-1)
        columns = [begin, remaining.table.shape[1], remaining.period]
        columns += [second, fewest.table.shape[1], fewest.period, fewest.slope]
        self.windows[id(window[0])] = columns, window
        return columns

    def _order(self, order: Order) -> int:
        """Where the table of some members begins."""
        begin = self.lengths
        self.lengths += len(order.table)
        self._grow()
        self.tables.lengths[begin : self.lengths] = order.table
        return begin + (order.register is not None)

    def _grow(self) -> None:
        """Makes room for what is in use."""
        table = self.tables
        if (
            self.states < len(table.states)
            and self.edges <= len(table.edges)
            and self.calls <= len(table.calls)
            and self.lengths <= len(table.lengths)
            and self.rules <= len(table.rules)
        ):
            return
        grown = Tables(*(_longer(rows, size) for size, rows in zip(self._used(), table, strict=True)))
        grown.rules[len(table.rules) :, RULE_START] = UNBUILT
        # Rules that are written from now on must not be seen beside the arrays that are too short for them.
        self.tables = grown._replace(rules=table.rules.copy()) if grown.rules is table.rules else grown
        self._flat = _flat(self.tables)


def _flat(tables: Tables) -> tuple[memoryview, memoryview, memoryview]:
    """The memory of states, edges and calls as flat numbers."""
    states, edges, calls = [rows.data.cast("B").cast("i") for rows in (tables.states, tables.edges, tables.calls)]
    return states, edges, calls


def _longer(rows: Int32, size: int) -> Int32:
    if size <= len(rows):
        return rows
    longer = np.zeros((max(size, 2 * len(rows)), *rows.shape[1:]), np.int32)
    longer[: len(rows)] = rows
    return longer


assert tuple(range(STATE_COLUMNS)) == (STATE_RULE, STATE_FINAL, FIRST_EDGE, FIRST_CALL, DEFAULT)
assert tuple(range(EDGE_COLUMNS)) == (EDGE_LOW, EDGE_HIGH, EDGE_TO, EDGE_TICK)
assert (RULE_START, RULE_KIND, RULE_MIN, RULE_MAX, LENGTHS, FEWEST, MEMBERS_AT, MEMBERS_COUNT, MEMBERS_AFTER) == (
    0,
    1,
    2,
    3,
    4,
    7,
    4,
    5,
    6,
)
