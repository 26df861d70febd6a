"""Rules: the recursive transition network between the IR and the flat tables.

Place in the walk: Grammar -> **rules** -> (simplify) -> ByteAutomaton. A rule is an automaton whose symbols are bytes,
special tokens and calls of other rules. What a rule counts, it counts in its own frame:

- `PLAIN` rules count nothing.
- a `REPEAT` rule is one state with a call that returns to it; its counter is the number of calls made so far.
- a `WINDOW` rule is a leaf (no calls) whose counter is the number of characters read so far; the first byte of each
  character has `TICK` added.
- a `MEMBERS` rule counts how many members of an object are decided, written or left out; see `grammars.members`.
- the counter of an `OPENING` is the number of the rule that it stands in for; see `grammars.openings`.
- the counter of a `REGISTER` rule stands for which members of an object are decided, and how many are written.

A counted rule ends only with its counter between `min` and `max` (None: no upper bound).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from grammars.dfa import Dfa, Edge
from grammars.record import record
from grammars.utf8 import TICK

__all__ = ["CALL", "SPECIAL", "Kind", "Rule", "calls", "is_call", "plain_symbol"]

SPECIAL = 512
"""Symbol of the first special token; bytes are 0 to 255, counted bytes `TICK` more."""

CALL = 1 << 16
"""Symbol of a call of rule 0."""


class Kind(IntEnum):
    """What the counter of a rule's frame counts."""

    PLAIN = 0
    REPEAT = 1
    WINDOW = 2
    OPENING = 3
    MEMBERS = 4
    REGISTER = 5


@record
class Rule:
    """An automaton over bytes and calls, the bounds of its counter and of its tokens; `name` is for messages."""

    name: str
    dfa: Dfa
    kind: Kind = Kind.PLAIN
    min: int = 0
    max: int | None = None
    tokens: int | None = None


def is_call(edge: Edge) -> bool:
    """Whether the edge calls rules rather than reading bytes."""
    return edge[0] >= CALL


def calls(row: tuple[Edge, ...]) -> Iterator[tuple[int, int]]:
    """(rule, return state) of each call among the edges of one state."""
    for low, high, target in row:
        if low >= CALL:
            for symbol in range(low, high + 1):
                yield symbol - CALL, target


def plain_symbol(symbol: int) -> tuple[int, bool]:
    """The byte or special-token symbol without its tick, and whether it had one."""
    if TICK <= symbol < SPECIAL:
        return symbol - TICK, True
    return symbol, False
