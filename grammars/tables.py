"""Tables: the columns of a ByteAutomaton's flat int32 arrays.

Place in the walk: between `ByteAutomaton`, which fills the arrays, and the two machines, which read them. Rules are
appended when they are first entered, so an array may be longer than what is in use, and a rule may not be built yet.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOWHERE", "UNBOUNDED", "UNBUILT", "Tables", "calls_at", "edges_at"]

Int32 = NDArray[np.int32]

UNBOUNDED = 2**30
"""The upper bound of a counter that has none; such counters stop at their lower bound."""

NOWHERE = -(2**30)
"""No state, in what is to be added to the number of one: it stays negative."""

UNBUILT = -1
"""`RULE_START` of a rule that nothing has entered yet."""

RULE_START, RULE_KIND, RULE_MIN, RULE_MAX = 0, 1, 2, 3
LENGTHS, LENGTHS_WIDTH, LENGTHS_PERIOD = 4, 5, 6  # of a window: its part of `lengths`, see grammars.lengths.Lengths
FEWEST, FEWEST_WIDTH, FEWEST_PERIOD, FEWEST_SLOPE = 7, 8, 9, 10  # likewise, see grammars.lengths.FewestBytes
MEMBERS_AT, MEMBERS_COUNT, MEMBERS_AFTER = 4, 5, 6  # of members, see grammars.members: their part of `lengths`, how
# many they are, and the state behind a value
REGISTER_LOW, REGISTER_HIGH, REGISTER_FLAGS, REGISTER_REQUIRED = 7, 8, 9, 10  # of members with a register: bounds
# of the entries, `ORDERED` and `OPEN`, and how many members are required
ORDERED, OPEN = 1, 2
OPENING_BRACKET, OPENING_KEY = 4, 5  # of an opening: the bytes that lead behind the first byte of a key
MOST_IN_ANY_ORDER = 16_000
RULE_DISTINCT = 11  # of an array whose items must differ (`ir.Distinct`): 1 and the sum of its needs; else 0
RULE_OPENING = 12  # of an object: the rule that stands in for it where it is entered, see grammars.openings; else 0
RULE_COLUMNS = 13

STATE_RULE, STATE_FINAL, FIRST_EDGE, FIRST_CALL, DEFAULT = 0, 1, 2, 3, 4
STATE_COLUMNS = 5

EDGE_LOW, EDGE_HIGH, EDGE_TO, EDGE_TICK = 0, 1, 2, 3
EDGE_COLUMNS = 4

CALL_RULE, CALL_RETURN = 0, 1
CALL_COLUMNS = 2


class Tables(NamedTuple):
    """Symbols of edges are bytes (0 to 255) and special tokens (256 + index into `special_tokens`)."""

    rules: Int32  # (R, 13) first state, kind, bounds of the counter, tables of a window or of members, distinct items,
    # opening
    states: Int32  # (S + 1, 5) rule, final, first edge, first call, default; edges and calls end where the next state's
    # begin. A state with a default (else < 0) reads a symbol that is on none of its own edges as its default would.
    edges: Int32  # (E, 4) low, high (inclusive), to, tick; of a state sorted by symbol; to < 0 refuses the symbol
    calls: Int32  # (C, 2) rule, return state; < 0: a tail call, nothing of the caller is left to do
    lengths: Int32  # (L,) the tables of windows and members, one behind the other


def edges_at(tables: Tables, state: int) -> list[tuple[int, int, int, int]]:
    """The edges of a state (low, high, to, tick), with those that it takes from its default; none refuses."""
    begin, end = tables.states[state : state + 2, FIRST_EDGE].tolist()
    own: list[tuple[int, int, int, int]] = [tuple(edge) for edge in tables.edges[begin:end].tolist()]
    default = int(tables.states[state, DEFAULT])
    if default < 0:
        return own
    found = [edge for edge in own if edge[2] >= 0]
    for low, high, target, tick in edges_at(tables, default):
        for first, last, _, _ in own:
            if first <= high and last >= low:
                if low < first:
                    found.append((low, first - 1, target, tick))
                low = last + 1
        if low <= high:
            found.append((low, high, target, tick))
    return sorted(found)


def calls_at(tables: Tables, state: int) -> list[tuple[int, int]]:
    """The calls of a state: rule, and return state; less than 0 where there is none."""
    begin, end = tables.states.item(state, FIRST_CALL), tables.states.item(state + 1, FIRST_CALL)
    number = tables.calls.item  # of one or two calls: faster than to make an array of them
    return [(number(call, CALL_RULE), number(call, CALL_RETURN)) for call in range(begin, end)]
