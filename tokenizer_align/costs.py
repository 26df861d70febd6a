"""Costs: how many tokens suffice to end, for every state of an automaton.

Place in the walk: ByteAutomaton × Trie -> **costs**, which records of an arena then add up over their frames. Only
budgets need them, so they are made when somebody first asks; that builds the whole automaton.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammars.automaton import ByteAutomaton
from grammars.rules import Kind
from grammars.tables import (
    EDGE_HIGH,
    EDGE_LOW,
    EDGE_TICK,
    EDGE_TO,
    FEWEST,
    FEWEST_PERIOD,
    FEWEST_SLOPE,
    FEWEST_WIDTH,
    FIRST_EDGE,
    RULE_KIND,
    RULE_MIN,
    STATE_RULE,
)
from tokenizer_align import kernels, leaf_kernels
from tokenizer_align.context import put
from tokenizer_align.entries import written_apart
from tokenizer_align.leaves import Leaves, extent

__all__ = ["Costs", "settle_costs"]

Int32 = NDArray[np.int32]
_LONG = 16  # a lower bound of a window from which on it is worth to look for a token that reads many characters


@dataclass(frozen=True, slots=True)
class Costs:
    """Slot and array of the costs, for the kernels, and the fewest bytes of any text."""

    arrays: tuple[tuple[int, Int32], ...]
    fewest_bytes: int


def settle_costs(automaton: ByteAutomaton, leaves: Leaves) -> Costs:
    """The costs of the states of an automaton over the vocabulary of `leaves`.

    A rule costs the tokens of a greedy spelling of a cheapest string; `kernels.settle_tokens` says which one.
    """
    automaton.build_all()
    apart = written_apart(automaton)
    tables, rules, states = apart.tables, len(apart.tables.rules), len(apart.tables.states) - 1
    arrays: dict[int, NDArray[Any]] = {
        kernels.STATE_COST: np.full(states, -1, np.int32),
        kernels.RULE_COST: np.full((rules, 2), -1, np.int32),
        kernels.HOME: np.zeros((rules, 3), np.int32),
        kernels.WAY_HOME: np.full((states, 2), -1, np.int32),
        kernels.CHOICES: np.full((states, 3), -1, np.int32),
    }
    context = leaves.new_context()
    read: dict[int, NDArray[Any]] = {
        kernels.RULES: tables.rules,
        kernels.STATES: tables.states,
        kernels.EDGES: tables.edges,
        kernels.CALLS: tables.calls,
        kernels.LENGTH_TABLES: tables.lengths,
        kernels.PATH: np.zeros((leaves.depth, 4), np.int32),
    }
    for slot, array in (arrays | read).items():
        put(context, slot, array)
    for rule in np.flatnonzero(tables.rules[:rules, RULE_KIND] == Kind.WINDOW).tolist():
        if tables.rules[rule, RULE_MIN] >= _LONG:
            _find_home(context, automaton, rule, arrays[kernels.HOME], arrays[kernels.WAY_HOME])
    state_bytes = np.full(states, kernels.TOO_MANY, np.int32)
    rule_bytes = np.full(rules, kernels.TOO_MANY, np.int32)
    arrays[kernels.RULE_COST][np.flatnonzero(tables.rules[:rules, RULE_KIND] == Kind.OPENING)] = kernels.TOO_MANY
    kernels.settle_bytes(context, rules, states, state_bytes, rule_bytes)
    kernels.settle_tokens(context, rules, states)
    arrays[kernels.RULE_COST][: automaton.num_rules, 1] = _dearest(automaton, arrays[kernels.STATE_COST])
    arrays[kernels.MEMBER_COST] = apart.member_costs(arrays[kernels.STATE_COST])
    return Costs(tuple(arrays.items()), 0 if automaton.accepts_empty else int(rule_bytes[0]))


def _find_home(context: Any, automaton: ByteAutomaton, rule: int, home: Int32, way: Int32) -> None:
    """Notes a state of a window to which one token leads back after many characters, and the ways there."""
    tables = automaton.tables
    start, count = extent(automaton, rule)
    first = tables.states[start : start + count + 1, FIRST_EDGE].tolist()
    edges = [tables.edges[first[q] : first[q + 1]] for q in range(count)]
    chosen = int(np.argmax([_loops(row, start + q) for q, row in enumerate(edges)]))
    stride = leaf_kernels.longest_round(context, start, chosen, *leaf_kernels.lines(count))
    if stride < 2:
        return
    home[rule] = start + chosen, stride, 0
    before: dict[int, list[tuple[int, int]]] = {}
    for q, row in enumerate(edges):
        for to, tick in {(int(edge[EDGE_TO]) - start, int(edge[EDGE_TICK])) for edge in row}:
            before.setdefault(to, []).append((q, tick))
    way[start + chosen] = 0, 0
    pending = deque([chosen])
    while pending:
        q = pending.popleft()
        for source, tick in before.get(q, ()):
            if way[start + source, 0] < 0:
                way[start + source] = way[start + q, 0] + 1, way[start + q, 1] + tick
                pending.append(source)


def _loops(edges: Int32, state: int) -> int:
    """The number of bytes that lead a state back to itself."""
    back = edges[edges[:, EDGE_TO] == state]
    return int((back[:, EDGE_HIGH] - back[:, EDGE_LOW] + 1).sum())


def _dearest(automaton: ByteAutomaton, state_cost: Int32) -> Int32:
    """Per rule a number of tokens that suffices from any of its states to its end, int32 (R,); for leaves."""
    tables = automaton.tables
    of_state = tables.states[: automaton.num_states, STATE_RULE]
    dearest = np.zeros(automaton.num_rules, np.int32)
    np.maximum.at(dearest, of_state, state_cost[: len(of_state)])
    for rule in np.flatnonzero(tables.rules[: automaton.num_rules, RULE_KIND] == Kind.WINDOW).tolist():
        about = tables.rules[rule]
        start, width = int(about[FEWEST]), int(about[FEWEST_WIDTH])
        entries = tables.lengths[start : start + int((of_state == rule).sum()) * width]
        turns = int(about[RULE_MIN]) // int(about[FEWEST_PERIOD]) + 2
        most = int(entries[entries < kernels.NEVER].max(initial=0)) + turns * int(about[FEWEST_SLOPE])
        dearest[rule] = min(kernels.TOO_MANY, most)
    return dearest
