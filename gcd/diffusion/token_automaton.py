"""TokenAutomaton: the states that a block of tokens can go through, with the set of tokens on each way.

Place in the walk: Constraint -> **TokenAutomaton** -> Lattice. States of a Constraint are values and a token leads from
one to one, so the automaton is deterministic: a string of tokens is one path, and sums over paths are sums over
strings, whatever the grammar's derivations. It is built on demand, as deep as blocks are long, and knows no model.

State 0 is the one behind EOS: its only way leads to itself, by the set `TAIL`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gcd.diffusion.token_sets import TAIL, Partition, TokenSets
from grammars.errors import LimitExceeded
from tokenizer_align.classes import token_classes
from tokenizer_align.constraint import Constraint, State

__all__ = ["ENDED", "BlockLimits", "Edges", "TokenAutomaton"]

Int32 = NDArray[np.int32]

ENDED = 0
"""The number of the state behind EOS."""


@dataclass(frozen=True, slots=True)
class BlockLimits:
    """What the ways of a block may cost: how many states they go through, and how many edges there are between these.

    By default 4,096 states where rules of the grammar are recursive, else 65,536: without recursion states are many
    only because they count, and then listing them is the faster way. A grammar with more is read as a pushdown
    automaton. Of that there are at most so many tops (what is on top of the stacks), items (tops at a position) and
    steps from item to item; a step takes some 70 bytes. `products` is how many numbers a segment tree may have, which
    draws by method="tree" go down.
    """

    states: int | None = None
    edges: int = 4_000_000
    tops: int = 4096
    items: int = 2_000_000
    steps: int = 8_000_000
    products: int = 32_000_000

    def states_of(self, constraint: Constraint) -> int:
        """How many states of a constraint are listed at most."""
        if self.states is not None:
            return self.states
        return 4096 if constraint.automaton.is_recursive else 65_536


@dataclass(frozen=True, eq=False, repr=False)
class Edges:
    """Q states and E edges, by source."""

    start: Int32  # (Q + 1,) where the edges of a state begin
    target: Int32  # (E,)
    token_set: Int32  # (E,)

    @cached_property
    def source(self) -> Int32:
        """(E,)"""
        return np.repeat(np.arange(len(self.start) - 1, dtype=np.int32), np.diff(self.start))

    @property
    def num_states(self) -> int:
        return len(self.start) - 1


class TokenAutomaton:
    """The states of one constraint that blocks have come through so far."""

    def __init__(self, constraint: Constraint, limits: BlockLimits) -> None:
        self.constraint, self.limits, self._most_states = constraint, limits, limits.states_of(constraint)
        self.sets = TokenSets(constraint.vocabulary.size)
        self.eos_set = self.sets.number(np.array(constraint.vocabulary.eos_token_ids, np.int32))
        self.states: list[State | None] = [None]  # by number; None is behind EOS
        self._numbers: dict[State, int] = {}
        nothing = np.zeros(1, np.int32)
        self._ways: list[tuple[Int32, Int32] | None] = [
            (nothing + ENDED, nothing + TAIL)
        ]  # targets, sets; None: not yet
        self._num_edges = 1
        self._edges: Edges | None = None

    def number(self, state: State) -> int:
        """The number of a state."""
        if self.constraint.is_terminated(state):
            return ENDED
        known = self._numbers.get(state)
        if known is None:
            known = self._numbers[state] = len(self.states)
            self.states.append(state)
            self._ways.append(None)
            if known > self._most_states:
                raise LimitExceeded(
                    f"a block of this grammar goes through more than {self._most_states} states",
                    hint="make the block shorter, or pass limits=BlockLimits(states=...)",
                )
        return known

    def explore(self, starts: Sequence[int], length: int, fixed: Mapping[int, int]) -> None:
        """Sees to it that there are all states and edges that blocks of a length with these tokens fixed can need."""
        layer = {*starts}
        last = max(fixed, default=-1)
        for position in range(length):
            if position > last:  # nothing is fixed from here on: states are met once
                self._explore_freely(layer, length - position)
                return
            token = fixed.get(position)
            ways = {number: self._ways_from(number)[0] for number in layer}
            if token is None:
                layer = {target for targets in ways.values() for target in targets.tolist()}
            else:
                layer = {target for number in layer if (target := self._after(number, token)) is not None}

    def _after(self, number: int, token: int) -> int | None:
        """The state behind one token, None where it is refused."""
        state = self.states[number]
        if state is None:
            return ENDED if token in self.constraint.vocabulary.eos_token_ids else None
        after = self.constraint.try_advance(state, token)
        return None if after is None else self.number(after)

    def _explore_freely(self, layer: set[int], depth: int) -> None:
        seen = set(layer)
        for _ in range(depth):
            if not layer:
                return
            reached = {target for number in sorted(layer) for target in self._ways_from(number)[0].tolist()}
            layer = reached - seen
            seen |= layer

    def _ways_from(self, number: int) -> tuple[Int32, Int32]:
        ways = self._ways[number]
        if ways is None:
            state = self.states[number]
            assert state is not None
            classes = token_classes(self.constraint, state)
            targets = np.array([self.number(after) for after, _ in classes], np.int32)
            sets = np.array([self.sets.number(token_ids) for _, token_ids in classes], np.int32)
            ways = self._ways[number] = targets, sets
            self._edges = None
            self._num_edges += len(targets)
            if self._num_edges > self.limits.edges:
                raise LimitExceeded(
                    f"a block of this grammar has more than {self.limits.edges} ways from state to state",
                    hint="make the block shorter, or pass limits=BlockLimits(edges=...)",
                )
        return ways

    @property
    def edges(self) -> Edges:
        """All edges so far; a state that is not explored has none."""
        if self._edges is None:
            nothing = (np.zeros(0, np.int32),) * 2
            ways = [nothing if found is None else found for found in self._ways]
            start = np.zeros(len(ways) + 1, np.int32)
            np.cumsum([len(targets) for targets, _ in ways], out=start[1:])
            self._edges = Edges(start, np.concatenate([t for t, _ in ways]), np.concatenate([s for _, s in ways]))
        return self._edges

    @property
    def partition(self) -> Partition:
        """The atoms of the sets on all edges."""
        return self.sets.partition()
