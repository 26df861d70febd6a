"""Tables: the columns of a ByteAutomaton's flat int32 arrays.

Place in the walk: between `ByteAutomaton`, which fills the arrays, and the two machines, which read them. Rules are
appended when they are first entered, so an array may be longer than what is in use, and a rule may not be built yet.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNBOUNDED", "UNBUILT", "Tables"]

Int32 = NDArray[np.int32]

UNBOUNDED = 2**30
"""The upper bound of a counter that has none; such counters stop at their lower bound."""

UNBUILT = -1
"""`RULE_START` of a rule that nothing has entered yet."""

RULE_START, RULE_KIND, RULE_MIN, RULE_MAX = 0, 1, 2, 3
LENGTHS, LENGTHS_WIDTH, LENGTHS_PERIOD = 4, 5, 6  # of a window: its part of `lengths`, see grammars.lengths.Lengths
FEWEST, FEWEST_WIDTH, FEWEST_PERIOD, FEWEST_SLOPE = 7, 8, 9, 10  # likewise, see grammars.lengths.FewestBytes
RULE_COLUMNS = 11

STATE_RULE, STATE_FINAL, FIRST_EDGE, FIRST_CALL, DEFAULT = 0, 1, 2, 3, 4
STATE_COLUMNS = 5

EDGE_LOW, EDGE_HIGH, EDGE_TO, EDGE_TICK = 0, 1, 2, 3
EDGE_COLUMNS = 4

CALL_RULE, CALL_RETURN = 0, 1
CALL_COLUMNS = 2


class Tables(NamedTuple):
    """Symbols of edges are bytes (0 to 255) and special tokens (256 + index into `special_tokens`)."""

    rules: Int32  # (R, 11) first state, kind, bounds of the counter, tables of a window
    states: Int32  # (S + 1, 5) rule, final, first edge, first call, default; edges and calls end where the next state's
    # begin. A state with a default (else -1) reads a symbol that is on none of its own edges as its default would.
    edges: Int32  # (E, 4) low, high (inclusive), to, tick; of a state sorted by symbol; to = -1 refuses the symbol
    calls: Int32  # (C, 2) rule, return state; -1: a tail call, nothing of the caller is left to do
    lengths: Int32  # (L,) the windows' tables, one behind the other
