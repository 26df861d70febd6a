"""Which numbers of characters a window leaf can still read before it ends.

Place in the walk: rules -> **lengths** -> ByteAutomaton. A window `X{m,n}` keeps one counter c beside the state of X;
the pair is alive iff some accepted remaining length l of the state has m - c <= l <= n - c. The accepted lengths of a
state are ultimately periodic (they are a unary regular language), so one finite table answers every question:
`next_length(state, x)` is the least accepted remaining length that is at least x.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from grammars.dfa import EdgeTable, edge_table
from grammars.errors import LimitExceeded
from grammars.record import record
from grammars.rules import SPECIAL, Rule
from grammars.utf8 import TICK

__all__ = ["NEVER", "FewestBytes", "Lengths", "can_end", "lengths", "window"]

NEVER = np.int32(2**30)
"""No accepted length: larger than any counter."""

_LIMIT = 20_000

_Edges: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""States, where the edges of each begin, and the targets of these edges."""

_Ways: TypeAlias = tuple[_Edges, list[_Edges]]


@record
class Lengths:
    """`table[q, x]`, int32 (states, before + period): the least accepted remaining length of q that is >= x.

    From `before` on the lengths repeat with `period`; an entry may lie beyond the table's width.
    """

    table: NDArray[np.int32]
    before: int
    period: int

    def next_length(self, state: int, least: int) -> int:
        """The least accepted remaining length >= `least`, `NEVER` when there is none."""
        least = max(least, 0)
        if least < self.table.shape[1]:
            return int(self.table[state, least])
        folded = self.before + (least - self.before) % self.period
        found = int(self.table[state, folded])
        return int(NEVER) if found == NEVER else found + least - folded


@record
class FewestBytes:
    """`table[q, x]`, int32 (states, width): the fewest bytes from q to an end with exactly x more characters.

    `NEVER` for none. Beyond the width the last `period` columns repeat, `slope` bytes dearer each time.
    """

    table: NDArray[np.int32]
    period: int
    slope: int


def can_end(rule: Rule) -> bool:
    """Whether a window rule has a string: `(ab){0,9}` with 5 characters has none."""
    found = lengths(edge_table(rule.dfa)).next_length(0, rule.min)
    return found != NEVER and (rule.max is None or found <= rule.max)


def window(table: EdgeTable) -> tuple[Lengths, FewestBytes]:
    """What a window needs to know of a DFA over bytes whose characters begin with `TICK` symbols.

    Raises `LimitExceeded` when it does not become periodic within 20,000 characters.
    """
    ways = _ways(table, every=False)
    return _lengths(table, ways), _fewest_bytes(table, ways)


def lengths(table: EdgeTable, *, every: bool = False) -> Lengths:
    """The accepted remaining lengths of every state of a DFA whose characters begin with `TICK` symbols.

    With `every`, each symbol is a character. Raises like `window`.
    """
    return _lengths(table, _ways(table, every=every))


def _lengths(dfa: EdgeTable, ways: _Ways) -> Lengths:
    ticked, silent = ways
    live = np.zeros(len(dfa.counts), dtype=bool)
    live[list(dfa.finals)] = True
    for edges in silent:
        _pull(live, edges, live)
    rows = [live]
    seen = {live.tobytes(): 0}
    while True:
        following = np.zeros_like(live)
        for edges in (ticked, *silent):
            _pull(following, edges, rows[-1] if edges is ticked else following)
        before = seen.get(following.tobytes())
        if before is not None:
            break
        seen[following.tobytes()] = len(rows)
        rows.append(following)
        if len(rows) > _LIMIT:
            raise LimitExceeded(
                f"a pattern with a length bound has no regular lengths within {_LIMIT} characters",
                hint="shorten the pattern's own repeats",
            )
    width, period = len(rows), len(rows) - before
    again = [rows[before + i % period] for i in range(period)]
    table = np.empty((len(dfa.counts), width), dtype=np.int32)
    following_length = np.full(len(dfa.counts), NEVER, dtype=np.int32)
    for x in range(width + period - 1, -1, -1):
        alive = rows[x] if x < width else again[x - width]
        following_length = np.where(alive, np.int32(x), following_length)
        if x < width:
            table[:, x] = following_length
    return Lengths(table, before, period)


def _fewest_bytes(dfa: EdgeTable, ways: _Ways) -> FewestBytes:
    """The fewest bytes to an end of every state, per number of characters still to come (a min-plus recurrence)."""
    ticked, silent = ways
    column = np.full(len(dfa.counts), NEVER, dtype=np.int64)
    column[list(dfa.finals)] = 0
    for edges in silent:
        _lower(column, edges, column)
    columns: list[NDArray[np.int64]] = []
    seen: dict[bytes, int] = {}
    while True:
        base = int(column.min()) if column.min() < NEVER else 0
        shape = np.where(column < NEVER, column - base, NEVER).tobytes()
        if shape in seen:
            break
        seen[shape] = len(columns)
        columns.append(column)
        if len(columns) > _LIMIT:
            raise LimitExceeded(
                f"a pattern with a length bound has no regular lengths within {_LIMIT} characters",
                hint="shorten the pattern's own repeats",
            )
        column = np.full_like(column, NEVER)
        for edges in (ticked, *silent):
            _lower(column, edges, columns[-1] if edges is ticked else column)
    first = seen[shape]
    before = columns[first]
    slope = base - (int(before.min()) if before.min() < NEVER else 0)
    return FewestBytes(np.stack(columns, axis=1).astype(np.int32), len(columns) - first, slope)


def _pull(live: NDArray[np.bool_], edges: _Edges, behind: NDArray[np.bool_]) -> None:
    """Adds the states with an edge to a live one."""
    states, first, targets = edges
    if len(states):
        live[states] |= np.logical_or.reduceat(behind[targets], first)


def _lower(column: NDArray[np.int64], edges: _Edges, behind: NDArray[np.int64]) -> None:
    """Lowers each state to one more than the least of what is behind its edges."""
    states, first, targets = edges
    if len(states):
        least = np.minimum.reduceat(behind[targets], first) + 1
        column[states] = np.minimum(column[states], np.minimum(least, NEVER))


def _ways(table: EdgeTable, *, every: bool) -> _Ways:
    """The edges that begin a character; and the others, layer by layer, a state's behind those of its targets."""
    counts, edges, _ = table
    begins = np.full(len(edges), True) if every else (edges[:, 0] >= TICK) & (edges[:, 0] < SPECIAL)
    pairs = np.repeat(np.arange(len(counts)), counts) * len(counts) + edges[:, 2]
    ticked, silent = (np.stack(np.divmod(np.unique(pairs[kind]), len(counts))) for kind in (begins, ~begins))
    layers = []
    while silent.size:
        left, waiting = np.zeros((2, len(counts)), dtype=bool)
        left[silent[0]] = True
        waiting[silent[0, left[silent[1]]]] = True
        ready = ~waiting[silent[0]]
        assert ready.any(), "the bytes of a character form no cycle"
        layers.append(_by_state(silent[:, ready]))
        silent = silent[:, ~ready]
    return _by_state(ticked), layers


def _by_state(edges: NDArray[np.int64]) -> _Edges:
    """Edges (source, target), sorted, by source."""
    first = np.flatnonzero(np.diff(edges[0], prepend=-1))
    return edges[0, first], first, edges[1]
