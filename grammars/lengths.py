"""Which numbers of characters a window leaf can still read before it ends.

Place in the walk: rules -> **lengths** -> ByteAutomaton. A window `X{m,n}` keeps one counter c beside the state of X;
the pair is alive iff some accepted remaining length l of the state has m - c <= l <= n - c. The accepted lengths of a
state are ultimately periodic (they are a unary regular language), so one finite table answers every question:
`next_length(state, x)` is the least accepted remaining length that is at least x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from grammars.dfa import Dfa
from grammars.errors import LimitExceeded
from grammars.rules import SPECIAL, Rule
from grammars.utf8 import TICK

__all__ = ["NEVER", "FewestBytes", "Lengths", "can_end", "fewest_bytes", "lengths"]

NEVER = np.int32(2**30)
"""No accepted length: larger than any counter."""

_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class FewestBytes:
    """`table[q, x]`, int32 (states, width): the fewest bytes from q to an end with exactly x more characters.

    `NEVER` for none. Beyond the width the last `period` columns repeat, `slope` bytes dearer each time.
    """

    table: NDArray[np.int32]
    period: int
    slope: int


def can_end(rule: Rule) -> bool:
    """Whether a window rule has a string: `(ab){0,9}` with 5 characters has none."""
    found = lengths(rule.dfa).next_length(0, rule.min)
    return found != NEVER and (rule.max is None or found <= rule.max)


@lru_cache(maxsize=1024)
def lengths(dfa: Dfa, *, every: bool = False) -> Lengths:
    """The accepted remaining lengths of every state of a DFA whose characters begin with `TICK` symbols.

    With `every`, each symbol is a character.

    Raises `LimitExceeded` when they do not become periodic within 20,000 characters.
    """
    ticked, silent = _edge_pairs(dfa, every)
    live = np.zeros(len(dfa.edges), dtype=bool)
    live[list(dfa.finals)] = True
    _pull(live, silent)
    rows = [live]
    seen = {live.tobytes(): 0}
    while True:
        following = np.zeros_like(live)
        following[ticked[0][rows[-1][ticked[1]]]] = True
        _pull(following, silent)
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
    table = np.empty((len(dfa.edges), width), dtype=np.int32)
    following_length = np.full(len(dfa.edges), NEVER, dtype=np.int32)
    for x in range(width + period - 1, -1, -1):
        alive = rows[x] if x < width else again[x - width]
        following_length = np.where(alive, np.int32(x), following_length)
        if x < width:
            table[:, x] = following_length
    return Lengths(table, before, period)


@lru_cache(maxsize=1024)
def fewest_bytes(dfa: Dfa) -> FewestBytes:
    """The fewest bytes to an end of every state, per number of characters still to come (a min-plus recurrence)."""
    ticked, silent = _edge_pairs(dfa, False)
    column = np.full(len(dfa.edges), NEVER, dtype=np.int64)
    column[list(dfa.finals)] = 0
    _relax(column, silent)
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
        following = np.full_like(column, NEVER)
        _lower(following, ticked, columns[-1])
        column = following
        _relax(column, silent)
    first = seen[shape]
    before = columns[first]
    slope = base - (int(before.min()) if before.min() < NEVER else 0)
    return FewestBytes(np.stack(columns, axis=1).astype(np.int32), len(columns) - first, slope)


def _relax(column: NDArray[np.int64], silent: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    while True:
        before = column.copy()
        _lower(column, silent, before)
        if np.array_equal(before, column):
            return


def _lower(
    column: NDArray[np.int64], edges: tuple[NDArray[np.int64], NDArray[np.int64]], behind: NDArray[np.int64]
) -> None:
    """Lowers each source of an edge (sorted by source) to one more than the least of what is behind its edges."""
    sources, targets = edges
    if len(sources):
        first = np.flatnonzero(np.diff(sources, prepend=-1))
        least = np.minimum.reduceat(behind[targets], first) + 1
        column[sources[first]] = np.minimum(column[sources[first]], np.minimum(least, NEVER))


def _edge_pairs(
    dfa: Dfa, every: bool
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(sources, targets) of the edges that begin a character, and of those that do not."""
    found: tuple[set[tuple[int, int]], set[tuple[int, int]]] = (set(), set())
    for source, row in enumerate(dfa.edges):
        for low, _, target in row:
            found[not every and not TICK <= low < SPECIAL].add((source, target))
    ticked, silent = (np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2) for pairs in found)
    return (ticked[:, 0], ticked[:, 1]), (silent[:, 0], silent[:, 1])


def _pull(live: NDArray[np.bool_], silent: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    """Adds the states that reach a live one within a character; such paths are short, a character's bytes at most."""
    while True:
        count = int(live.sum())
        live[silent[0][live[silent[1]]]] = True
        if int(live.sum()) == count:
            return
