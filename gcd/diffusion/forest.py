"""Forest: the sums over all ways of a block through a pushdown automaton.

Place in the walk: `tokenizer_align.pushdown` × weights of sets -> **Forest** -> what a Chain answers, for grammars
that nest. An **item** is a top at a position, on top of frames that were pushed together: a **context**. Its sum is
over all ways since they were pushed, whatever is below them; when the last of them is popped, it is multiplied with
the sums of the items that pushed them. Contexts that are pushed at one position with one top are one, so there are as
many as positions, tops and frames, where stacks would be exponentially many. L positions cost at most O(L^3) ways, of
which each string has exactly one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.diffusion import forest_kernels as kernels
from gcd.diffusion.emissions import Best, invert
from gcd.diffusion.token_automaton import BlockLimits
from gcd.diffusion.token_sets import TAIL, TokenSets
from grammars.errors import LimitExceeded, UnsupportedFeature
from tokenizer_align.pushdown import Frames, Pushdown, Top

__all__ = ["Forest", "Goal", "Plan", "Planner"]

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]

ENDED = -1
"""In place of a top: the text is complete. Whatever is below does not matter any more."""
OPEN = -2
"""In place of a top: the block ends here, OPEN - k when k tokens suffice to complete what was above."""


class Context(NamedTuple):
    """Frames that were pushed at one position, and the top that was then on them; whether the ground is the last."""

    position: int
    top: Top
    frames: Frames
    is_whole: bool


Item: TypeAlias = tuple[int, int, Top, Frames]
"""A top in a context (by number) of whose frames some are popped, at the position that is being met.

Where the last entry is not empty the top still has these frames under it, and only tokens that pop them all are to
come.
"""
Way: TypeAlias = tuple[int, int, int, int]
"""Two items or -1, position or -1, set."""
Pusher: TypeAlias = tuple[int, int, int]
"""An item that stands for all that pushed a context from one place: that item, its context, and what is popped of it.
"""

_NOTHING: Way = (-1, -1, -1, 0)


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """The ways to make each of n items, which come in order; the last one is the block. No weights yet."""

    start: Int32  # (n + 1,)
    left: Int32  # (ways,) an item, or -1
    right: Int32  # (ways,)
    position: Int32  # (ways,) of the token, -1 where there is none
    token_set: Int32  # (ways,)
    length: int


@dataclass(frozen=True, slots=True)
class Goal:
    """How a block may end: complete behind EOS, complete at all, or unfinished within a budget."""

    needs_eos: bool
    is_open: bool
    budget: int | None


class Planner:
    """Meets the items of a block, position by position; at each the last pushed first, so that parts come before
    wholes.
    """

    def __init__(
        self, pushdown: Pushdown, sets: TokenSets, eos: Int32, fixed: Mapping[int, int], goal: Goal, limits: BlockLimits
    ) -> None:
        self.pushdown, self.sets, self.eos, self.fixed = pushdown, sets, eos, fixed
        self.goal, self.limits = goal, limits
        self.eos_set = sets.number(eos)
        self.ways: list[list[Way]] = []  # by item
        self.order: list[int] = []  # items as they were met
        self.steps = 0
        self.here: dict[Item, int] = {}
        self.there: dict[Item, int] = {}  # at the next position
        self.agenda: list[tuple[tuple[int, int, int], Item]] = []  # of this position
        self.contexts: list[Context] = []
        self.context_numbers: dict[Context, int] = {}
        self.pushers: list[list[Pusher]] = []  # by context
        self.pushing: dict[tuple[int, int, int], int] = {}  # at this position: context, its parent, popped -> item
        self.goals: list[int] = []
        self._moves: dict[tuple[Top, Frames, bool], list[tuple[int, Int32, Top, Frames]]] = {}
        self._after_the_end = self.context(Context(0, ENDED, (), True))

    def plan(self, configuration: int, length: int) -> Plan:
        """The ways of a block of a length from a configuration."""
        top, frames = self.pushdown.read(configuration)
        self.add((self.context(Context(0, top, frames, True)), 0, top, ()), _NOTHING, is_next=True)
        for position in range(length + 1):
            self.here, self.there, self.pushing = self.there, {}, {}
            self.agenda = [(self.turn(item), item) for item in self.here]
            heapq.heapify(self.agenda)
            while self.agenda:
                _, item = heapq.heappop(self.agenda)
                context, number = self.contexts[item[0]], self.here[item]
                self.order.append(number)
                if item[2] < 0 or (item[1] == len(context.frames) and not context.is_whole):
                    self.leave(item, number, position, length)
                elif position < length:
                    self.read(item, number, position)
                elif not item[3]:
                    self.finish(item, number)
            self.order += self.pushing.values()
        self.order.append(len(self.ways))
        self.ways.append([(goal, -1, -1, 0) for goal in self.goals])
        return self._flat(length)

    def context(self, context: Context) -> int:
        """The number of a context."""
        number = self.context_numbers.get(context)
        if number is None:
            number = self.context_numbers[context] = len(self.contexts)
            self.contexts.append(context)
            self.pushers.append([])
        return number

    def turn(self, item: Item) -> tuple[int, int, int]:
        """When an item is met among those of its position: behind all from which it can be made there."""
        context, popped, top, read = item
        return -self.contexts[context].position, popped, len(read) if top >= 0 else 1 << 30

    def add(self, item: Item, way: Way, *, is_next: bool = False) -> None:
        """One more way to make an item."""
        known = self.there if is_next else self.here
        number = known.get(item)
        if number is None:
            number = known[item] = self.new()
            if not is_next:
                heapq.heappush(self.agenda, (self.turn(item), item))
        self.ways[number].append(way)
        self.count()

    def new(self) -> int:
        """The number of a new item."""
        if len(self.ways) > self.limits.items:
            raise LimitExceeded(
                f"a block of this grammar goes through more than {self.limits.items} items",
                hint="make the block shorter, or pass limits=BlockLimits(items=...)",
            )
        self.ways.append([])
        return len(self.ways) - 1

    def count(self) -> None:
        self.steps += 1
        if self.steps > self.limits.steps:
            raise LimitExceeded(
                f"a block of this grammar has more than {self.limits.steps} ways from item to item",
                hint="make the block shorter, or pass limits=BlockLimits(steps=...)",
            )

    def read(self, item: Item, number: int, position: int) -> None:
        """One more token: those that pop nothing, those that pop one frame of the context, and so on."""
        own, popped, top, read = item
        context, fixed = self.contexts[own], self.fixed.get(position)
        frames = context.frames[popped:]
        if not read and self.pushdown.is_accepting(top) and (fixed is None or fixed in self.eos):
            self.add((own, popped, ENDED, ()), (number, -1, position, self.eos_set), is_next=True)
        for taken in range(1 if read else 0, len(frames) + 1):
            under = read + frames[:taken]
            is_whole = context.is_whole and taken == len(frames)
            for token_set, token_ids, after, pushed in self.moves(top, under, is_whole=is_whole):
                if fixed is not None and not (token_ids == fixed).any():
                    continue
                below, is_ground_new = popped + taken, is_whole
                if is_whole and pushed[-1:] == frames[-1:]:  # the ground is what it was
                    pushed, below, is_ground_new = pushed[:-1], max(popped, below - 1), False
                way = number, -1, position, token_set
                if pushed or is_ground_new:
                    self.push(Context(position + 1, after, pushed, is_ground_new), own, below, way)
                else:
                    self.add((own, below, after, ()), way, is_next=True)
            if is_whole or not len(self.pushdown.moves(top, under, is_whole=False).deeper):
                return
        self.add((own, len(context.frames), top, read + frames), (number, -1, -1, 0))

    def push(self, context: Context, parent: int, below: int, way: Way) -> None:
        """A token pushes frames on a context of which so many are popped."""
        is_known = context in self.context_numbers
        new = self.context(context)
        if not is_known:
            self.add((new, 0, context.top, ()), _NOTHING, is_next=True)
        number = self.pushing.get((new, parent, below))
        if number is None:
            number = self.pushing[new, parent, below] = self.new()
            self.pushers[new].append((number, parent, below))
        self.ways[number].append(way)
        self.count()

    def moves(self, top: Top, under: Frames, *, is_whole: bool) -> list[tuple[int, Int32, Top, Frames]]:
        """The tokens that pop all frames under a top, by what they lead to: set, tokens, top, pushed frames."""
        key = (top, under, is_whole)
        found = self._moves.get(key)
        if found is None:
            moves = self.pushdown.moves(top, under, is_whole=is_whole).moves
            if under:
                deeper = self.pushdown.moves(top, under[:-1], is_whole=False).deeper
                moves = [m._replace(token_ids=m.token_ids[np.isin(m.token_ids, deeper)]) for m in moves]
            found = self._moves[key] = [
                (self.sets.number(m.token_ids), m.token_ids, m.top, m.pushed) for m in moves if len(m.token_ids)
            ]
        return found

    def leave(self, item: Item, number: int, position: int, length: int) -> None:
        """All frames of a context are popped: go on in those that pushed it."""
        own, popped, top, read = item
        if top <= OPEN and self.goal.budget is not None:
            top -= sum(map(self.pushdown.frame_cost, self.contexts[own].frames[popped:]))
            if OPEN - top > self.goal.budget:
                return
        for pusher, parent, below in self.pushers[own]:
            self.add((parent, below, top, read), (pusher, number, -1, 0))
        if not self.pushers[own]:
            if position == length:
                self.goals.append(number)
            else:
                self.add((self._after_the_end, 0, ENDED, ()), (number, -1, position, TAIL), is_next=True)

    def finish(self, item: Item, number: int) -> None:
        """The block ends in an item."""
        own, popped, top, _ = item
        if self.pushdown.is_accepting(top) and not self.goal.needs_eos:
            self.add((own, popped, ENDED, ()), (number, -1, -1, 0))
        elif self.goal.is_open:
            cost = 0 if self.goal.budget is None else self.pushdown.cost(top)
            if self.goal.budget is None or cost <= self.goal.budget:
                self.add((own, popped, OPEN - cost, ()), (number, -1, -1, 0))

    def _flat(self, length: int) -> Plan:
        rank = np.full(len(self.ways) + 1, -1, np.int32)  # the last entry is for -1
        rank[self.order] = np.arange(len(self.order), dtype=np.int32)
        start = np.zeros(len(self.order) + 1, np.int32)
        np.cumsum([len(self.ways[number]) for number in self.order], out=start[1:])
        flat = np.array([way for number in self.order for way in self.ways[number]], np.int32).reshape(-1, 4)
        left, right, position, token_set = np.ascontiguousarray(flat.T)
        return Plan(start, rank[left], rank[right], position, token_set, length)


class Forest:
    """One block: the ways of a plan with the weights of their sets (L, S)."""

    def __init__(self, plan: Plan, weights: Float) -> None:
        self.plan, self.weights = plan, weights
        self.place = np.where(plan.position < 0, -1, plan.position * weights.shape[1] + plan.token_set).astype(np.int32)
        self.sums = np.empty(len(plan.start) - 1)
        kernels.inside(plan.start, plan.left, plan.right, self.place, weights.reshape(-1), self.sums)

    @property
    def log_z(self) -> float:
        """The sum of all ways; -inf where there is none."""
        return float(self.sums[-1])

    def contexts(self) -> Float:
        """(L, S) for each set at each position the sum of what may be around it, less log Z."""
        p, shares, out = self.plan, np.zeros(len(self.sums)), np.zeros(self.weights.size)
        kernels.outside(p.start, p.left, p.right, self.place, self.weights.reshape(-1), self.sums, shares, out)
        taken = out.reshape(self.weights.shape)
        return np.where(taken > 0, np.log(np.maximum(taken, 1e-320)) - np.where(taken > 0, self.weights, 0), -np.inf)

    def torch_log_z(self, weights: torch.Tensor) -> torch.Tensor:
        raise UnsupportedFeature(
            "second derivatives of log Z are not computed for grammars that nest",
            hint="ask for the gradient without create_graph=True",
        )

    def draw(self, uniforms: Float) -> NDArray[np.int64]:
        """One set a position for each row of uniforms (n, L), by the law of the ways: (n, L)."""
        p, out = self.plan, np.empty(uniforms.shape, np.int64)
        rng = np.random.default_rng(np.ascontiguousarray(uniforms).view(np.uint64).reshape(-1))
        there: dict[int, list[NDArray[np.int64]]] = {len(self.sums) - 1: [np.arange(len(uniforms))]}
        agenda = [1 - len(self.sums)]
        while agenda:
            item = -heapq.heappop(agenda)
            rows = np.concatenate(there.pop(item))
            ways = np.arange(p.start[item], p.start[item + 1])
            drawn = ways[invert(self._values(ways), rng.random(len(rows)))] if len(ways) > 1 else ways[[0] * len(rows)]
            for way in np.unique(drawn).tolist():
                taken = rows[drawn == way]
                if p.position[way] >= 0:
                    out[taken, p.position[way]] = p.token_set[way]
                for part in (int(p.left[way]), int(p.right[way])):
                    if part >= 0:
                        if part not in there:
                            there[part] = []
                            heapq.heappush(agenda, -part)
                        there[part].append(taken)
        return out

    def _values(self, ways: NDArray[np.int64]) -> Float:
        p, place = self.plan, self.place[ways]
        sums = np.append(self.sums, 0.0)  # entry -1 is that of no item
        own = np.where(place >= 0, self.weights.reshape(-1)[place], 0.0)
        values: Float = own + sums[p.left[ways]] + sums[p.right[ways]]
        return values

    def k_best(self, k: int, weights: Float, best: Best) -> list[tuple[list[int], float]]:
        """The k heaviest strings of tokens with their weights, heaviest first, fewer where there are no more.

        `weights` are those of the heaviest token of each set. Each item keeps its k best makings, made of the k best of
        its parts; items that are on no way of the block are left out.
        """
        p, flat = self.plan, weights.reshape(-1)
        most, chosen = np.empty(len(self.sums)), np.empty(len(self.sums), np.int32)
        kernels.best_inside(p.start, p.left, p.right, self.place, flat, most, chosen)
        if most[-1] == -np.inf:
            return []
        needed = self._below(chosen) if k == 1 else range(len(self.sums))
        makings: dict[int, list[Making]] = {-1: [Making(0.0, -1, 0, 0, 0)]}
        for item in needed:
            ways = [int(chosen[item])] if k == 1 else range(p.start[item], p.start[item + 1])
            makings[item] = self._makings(ways, k, makings, best)
        last = len(self.sums) - 1
        return [(self._spelled(last, rank, makings, best, k), m.weight) for rank, m in enumerate(makings[last])]

    def _below(self, chosen: Int32) -> list[int]:
        """The items of the best way, parts before wholes."""
        found, agenda = set[int](), [len(self.sums) - 1]
        while agenda:
            item = agenda.pop()
            if item >= 0 and item not in found:
                found.add(item)
                agenda += [int(self.plan.left[chosen[item]]), int(self.plan.right[chosen[item]])]
        return sorted(found)

    def _makings(self, ways: Iterable[int], k: int, makings: Mapping[int, list[Making]], best: Best) -> list[Making]:
        """The k best makings of an item by these ways, of the k best of their parts and tokens."""
        p, found = self.plan, list[Making]()
        for way in ways:
            left, right = makings[int(p.left[way])], makings[int(p.right[way])]
            position = int(p.position[way])
            tokens = best(position, int(p.token_set[way]), k) if position >= 0 else _NO_TOKEN
            if not (left and right and tokens):
                continue
            if len(found) == k and found[-1].weight > left[0].weight + right[0].weight + tokens[0][0]:
                continue
            for i, j, t in product(range(len(left)), range(len(right)), range(len(tokens))):
                if (i + 1) * (j + 1) * (t + 1) <= k:  # others have k that are at least as good
                    found.append(Making(left[i].weight + right[j].weight + tokens[t][0], int(way), i, j, t))
            found.sort(key=lambda making: -making.weight)
            del found[k:]
        return found

    def _spelled(self, item: int, rank: int, makings: Mapping[int, list[Making]], best: Best, k: int) -> list[int]:
        p, out = self.plan, [0] * self.plan.length
        agenda = [(item, rank)]
        while agenda:
            item, rank = agenda.pop()
            if item >= 0:
                _, way, i, j, t = makings[item][rank]
                if p.position[way] >= 0:
                    position = int(p.position[way])
                    out[position] = best(position, int(p.token_set[way]), k)[t][1]
                agenda += [(int(p.left[way]), i), (int(p.right[way]), j)]
        return out


class Making(NamedTuple):
    """One way to make an item, with the ranks of its parts and of its token."""

    weight: float
    way: int
    left: int
    right: int
    token: int


_NO_TOKEN = [(0.0, -1)]
