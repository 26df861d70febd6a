"""Blocks: which ways a block of L tokens may take through a constraint, before any model is asked.

Place in the walk: Constraint -> **ways of a block** -> the sums of a Lattice. States that can be listed are listed;
they are kept with the constraint, so that the next step of a diffusion model finds them.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.diffusion.chain import Chain
from gcd.diffusion.emissions import Best
from gcd.diffusion.forest import Forest
from gcd.diffusion.planner import Goal, Moves, Plan, plan_block
from gcd.diffusion.token_automaton import ENDED, BlockLimits, Edges, TokenAutomaton
from gcd.diffusion.token_sets import Partition
from grammars.errors import LimitExceeded
from tokenizer_align.classes import refuse_histories
from tokenizer_align.constraint import Constraint, State
from tokenizer_align.pushdown import Pushdown

__all__ = ["Ending", "Sums", "Ways", "block_ways"]

Float = NDArray[np.float64]


class Sums(Protocol):
    """What is known of the ways of a block, each a set of tokens for every position."""

    @property
    def log_z(self) -> float: ...
    def contexts(self) -> Float: ...
    def torch_log_z(self, weights: torch.Tensor) -> torch.Tensor: ...
    def draw(self, uniforms: Float) -> NDArray[np.int64]: ...
    def k_best(self, k: int, weights: Float, best: Best) -> list[tuple[list[int], float]]: ...


class Ways(Protocol):
    """The ways of a block: the token sets on them, and their sums given the weights of these."""

    @property
    def partition(self) -> Partition: ...
    @property
    def eos_set(self) -> int: ...
    def sums(self, weights: Float, like: Sums | None = None) -> Sums: ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How a block may end; see `Lattice`."""

    kind: Literal["accept", "eos", "open"]
    budget: int | None

    def admits(self, constraint: Constraint, state: State | None) -> bool:
        """Whether it may end in a state; None is the one behind EOS."""
        if state is None or self.kind == "eos":
            return state is None
        if self.kind == "accept":
            return constraint.is_accepting(state)
        return self.budget is None or constraint.min_tokens_to_end(state) <= self.budget


@dataclass(frozen=True, eq=False, repr=False)
class ChainWays:
    """Ways through states that are listed."""

    partition: Partition
    eos_set: int
    edges: Edges
    start: int
    final: Float

    def sums(self, weights: Float, like: Sums | None = None) -> Sums:
        return Chain(self.edges, self.start, self.final, weights, like=like if isinstance(like, Chain) else None)


@dataclass(frozen=True, eq=False, repr=False)
class ForestWays:
    """Ways through a pushdown automaton."""

    partition: Partition
    eos_set: int
    plan: Plan

    def sums(self, weights: Float, like: Sums | None = None) -> Sums:
        return Forest(self.plan, weights)


_LOCK = threading.RLock()
"""Held while ways are made: automata grow with every block, and are shared by all threads."""
_AUTOMATA: weakref.WeakKeyDictionary[Constraint, TokenAutomaton] = weakref.WeakKeyDictionary()
_NESTING: weakref.WeakKeyDictionary[Constraint, Moves] = weakref.WeakKeyDictionary()
_TOO_LONG: weakref.WeakKeyDictionary[Constraint, tuple[BlockLimits, int]] = weakref.WeakKeyDictionary()
"""The shortest block whose states could not be listed, and within which limits."""


def block_ways(
    constraint: Constraint, start: State, length: int, fixed: Mapping[int, int], ending: Ending, limits: BlockLimits
) -> Ways:
    """The ways of a block of a length from a state.

    Raises LimitExceeded, and UnsupportedFeature where items of arrays must differ.
    """
    refuse_histories(constraint)
    with _LOCK:
        known, too_long = _TOO_LONG.get(constraint, (None, 0))
        if constraint.is_terminated(start) or not (known == limits and length >= too_long):
            automaton = _AUTOMATA.get(constraint)
            for _ in range(2):  # one that was kept may have been filled by other blocks
                if automaton is None or automaton.limits != limits:
                    automaton = TokenAutomaton(constraint, limits)
                try:
                    found = _listed(automaton, start, length, fixed, ending)
                except LimitExceeded:
                    automaton = None
                else:
                    _AUTOMATA[constraint] = automaton
                    return found
            _TOO_LONG[constraint] = limits, length
        return _nested(constraint, start, length, fixed, ending, limits)


def _nested(
    constraint: Constraint, start: State, length: int, fixed: Mapping[int, int], ending: Ending, limits: BlockLimits
) -> ForestWays:
    moves = _NESTING.get(constraint)
    if moves is None or moves.pushdown.arena is not start._arena or moves.pushdown.limit != limits.tops:
        pushdown = Pushdown(start._arena, limit=limits.tops)
        moves = _NESTING[constraint] = Moves(pushdown, constraint.vocabulary.size)
    if ending.budget is not None:
        start._arena.settle_all()
    eos = np.array(constraint.vocabulary.eos_token_ids, np.int32)
    goal = Goal(needs_eos=ending.kind == "eos", is_open=ending.kind == "open", budget=ending.budget)
    plan = plan_block(moves, eos, start._number, length, fixed, goal, limits)
    return ForestWays(moves.sets.partition(), moves.set_number(eos), plan)


def _listed(
    automaton: TokenAutomaton, start: State, length: int, fixed: Mapping[int, int], ending: Ending
) -> ChainWays:
    first = automaton.number(start)
    automaton.explore([first], length, fixed)
    final = np.full(len(automaton.states), -np.inf)
    for number, state in enumerate(automaton.states):
        if ending.admits(automaton.constraint, state):
            final[number] = 0.0
    assert final[ENDED] == 0.0
    return ChainWays(automaton.partition, automaton.eos_set, automaton.edges, first, final)
