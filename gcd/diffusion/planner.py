"""Planner: the items of a block of a grammar that nests, and the ways to make each, before any model is asked.

Place in the walk: `tokenizer_align.pushdown` -> **Planner** -> the Plan of a Forest. An **item** is a top at a position
on top of frames that were pushed together: a **context**. Contexts that are pushed at one position with one top are
one, so there are as many as positions, tops and frames, where stacks would be exponentially many.

An item is (context, position, how many of its frames are popped, top, frames still under the top): where the last is
not empty, only tokens that pop all of these frames are to come. Items of a position are met from the last context
pushed to the first, so that parts come before wholes. The loop is `gcd.diffusion.planner_kernels`; here is what it asks
for: what the tokens do from a top over some frames, found once for all plans of a constraint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gcd.diffusion import planner_kernels as kernels
from gcd.diffusion import planner_records as records
from gcd.diffusion.planner_records import Known, Work
from gcd.diffusion.token_automaton import BlockLimits
from gcd.diffusion.token_sets import TAIL, TokenSets
from grammars.errors import LimitExceeded
from tokenizer_align.pushdown import Frames, Move, Pushdown, Top

__all__ = ["Goal", "Moves", "Plan", "plan_block"]

Int32 = NDArray[np.int32]
Numbers = TypeVar("Numbers", np.int32, np.int64)

_MANY = 1 << 28
"""Tokens that no budget has; sums of a few hundred of them are no number of 32 bits, and are not taken."""


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


class Moves:
    """What is known of one pushdown automaton: lists of frames and what tokens do, as arrays for the kernel."""

    def __init__(self, pushdown: Pushdown, width: int) -> None:
        self.pushdown, self.sets = pushdown, TokenSets(width)
        self._token_ids: dict[int, Int32] = {}  # by set
        self._having: dict[int, dict[int, bool]] = {}  # by token and set, as far as it was asked
        self.known = Known(
            np.array([1, 0, 0]), _rows(256, 4), _rows(512), _rows(256), _rows(256), _rows(256), _rows(64, 4),
            _rows(128), _rows(64), _rows(64), _rows(64), _rows(64, 3), _rows(64), _rows(64), _rows(64),
        )  # fmt: skip

    def set_number(self, token_ids: Int32) -> int:
        """The number of a set of tokens."""
        number = self.sets.number(token_ids)
        self._token_ids[number] = token_ids
        return number

    def frames(self, number: int) -> Frames:
        """The frames of a list."""
        start = self.known.list_start[number]
        return (*self.known.frames[start : start + self.known.list_size[number]].tolist(),)

    def number(self, frames: Frames) -> int:
        """The number of a list of frames."""
        number = 0
        for frame in frames:
            while (longer := int(records.extend(self.known, number, frame))) < 0:
                self.grow_lists()
            number = longer
        return number

    def grow_lists(self) -> None:
        """Makes room for twice as many lists."""
        k = self.known
        keys = _longer(k.list_keys)
        self.known = k._replace(
            list_keys=keys, list_slots=_rehashed(k.list_slots, keys), list_start=_longer(k.list_start),
            list_size=_longer(k.list_size), frames=_longer(k.frames),
        )  # fmt: skip

    def provide(self, top: Top, frames: int, *, is_whole: bool) -> None:
        """Finds what the tokens do that pop all of some frames under a top, and records it."""
        under = self.frames(frames)
        found = self._moves(top, under, is_whole=is_whole)
        is_deeper = not is_whole and len(self.pushdown.moves(top, under, is_whole=False).deeper) > 0
        rows = [(self.set_number(m.token_ids), m.top, self.number(m.pushed)) for m in found]
        number = int(self.known.filled[records.MOVES])
        start = int(self.known.move_stop[number - 1]) if number else 0
        while start + len(rows) > len(self.known.move_to):
            self.known = self.known._replace(move_to=_longer(self.known.move_to))
        k = self.known
        if number == len(k.move_stop):
            keys = _longer(k.move_keys)
            k = self.known = k._replace(
                move_keys=keys, move_slots=_rehashed(k.move_slots, keys), move_start=_longer(k.move_start),
                move_stop=_longer(k.move_stop), is_deeper=_longer(k.is_deeper),
            )  # fmt: skip
        k.move_to[start : start + len(rows)] = np.array(rows, np.int32).reshape(-1, 3)
        k.move_keys[number] = top, frames, int(is_whole), 0
        k.move_start[number], k.move_stop[number], k.is_deeper[number] = start, start + len(rows), int(is_deeper)
        k.move_slots[records.find(k.move_slots, k.move_keys, top, frames, int(is_whole), 0)] = number + 1
        k.filled[records.MOVES] += 1
        for new in (*(m.top for m in found), top):
            self.tell(new)

    def _moves(self, top: Top, under: Frames, *, is_whole: bool) -> list[Move]:
        moves = self.pushdown.moves(top, under, is_whole=is_whole).moves
        if under:
            deeper = self.pushdown.moves(top, under[:-1], is_whole=False).deeper
            moves = [m._replace(token_ids=m.token_ids[np.isin(m.token_ids, deeper)]) for m in moves]
        return [m for m in moves if len(m.token_ids)]

    def tell(self, top: Top) -> None:
        """Records whether the text so far is in the language."""
        if top >= len(self.known.accepting):
            longer = self.known.accepting
            while top >= len(longer):
                longer = _longer(longer)
            self.known = self.known._replace(accepting=longer)
        self.known.accepting[top] = self.pushdown.is_accepting(top)

    def tell_costs(self, tops: Int32) -> None:
        """Records how many tokens suffice from these tops, and from all frames."""
        frames = np.unique(self.known.frames[: self.known.filled[records.FRAMES]])
        top_cost = np.zeros(int(tops.max(initial=0)) + 1, np.int32)
        frame_cost = np.zeros(int(frames.max(initial=0)) + 1, np.int32)
        for top in np.unique(tops).tolist():
            top_cost[top] = min(self.pushdown.cost(top), _MANY)
        for frame in frames.tolist():
            frame_cost[frame] = min(self.pushdown.frame_cost(frame), _MANY)
        self.known = self.known._replace(top_cost=top_cost, frame_cost=frame_cost)

    def allowed(self, token: int | None) -> Int32:
        """(S,) which sets have a token; all of them for None."""
        if token is None:
            return np.ones(len(self.sets), np.int32)
        having, allowed = self._having.setdefault(token, {}), np.zeros(len(self.sets), np.int32)
        for number, token_ids in self._token_ids.items():
            if number not in having:
                having[number] = bool((token_ids == token).any())
            allowed[number] = having[number]
        return allowed


def plan_block(
    moves: Moves, eos: Int32, configuration: int, length: int, fixed: Mapping[int, int], goal: Goal, limits: BlockLimits
) -> Plan:
    """The ways of a block of a length from a configuration. Raises LimitExceeded."""
    eos_set = moves.set_number(eos)
    top, frames = moves.pushdown.read(configuration)
    moves.tell(top)
    number = moves.number(frames)
    work = Work(
        np.zeros(11, np.int64), _rows(256, 4), _rows(512), _rows(256) - 1, _rows(256), _rows(256), _rows(256, 4),
        _rows(512), _rows(256), _rows(256), _rows(256, 4), _rows(512), _rows(256), np.zeros(256, np.int64),
        _rows(256), _rows(256), _rows(256, 5),
    )  # fmt: skip
    work.filled[records.ITEMS] = 1  # the block
    work.contexts[0] = 0, records.ENDED, 0, 1  # behind the end
    work.contexts[1] = 0, top, number, 1
    work.filled[records.CONTEXTS] = 2
    first = records.item_of(moves.known, work, -1, 1, records.place_of(0, 0), top, 0)
    records.add_way(work, first, -1, -1, -1, 0)
    budget, pushers = -1 if goal.budget is None else goal.budget, 0
    for position in range(length + 1):
        kernels.next_position(moves.known, work, pushers)
        pushers = int(work.filled[records.PUSHERS])
        if position == length and goal.is_open and goal.budget is not None:
            waiting = work.items[work.heap_items[: work.filled[records.HEAP]], 2]
            moves.tell_costs(waiting[waiting >= 0])
        status, allowed = -1, moves.allowed(fixed.get(position))
        while status != kernels.DONE:
            status = kernels.meet(
                moves.known, work, position, length, allowed, eos_set, TAIL,
                int(goal.needs_eos), int(goal.is_open), budget, limits.items, limits.steps,
            )  # fmt: skip
            if status == kernels.MISSING:
                missing = work.filled[[records.TOP, records.UNDER, records.WHOLE]].tolist()
                moves.provide(missing[0], missing[1], is_whole=bool(missing[2]))
                allowed = moves.allowed(fixed.get(position))
            elif status == kernels.FULL_LISTS:
                moves.grow_lists()
            elif status == kernels.FULL:
                work = _grown(work)
            elif status != kernels.DONE:
                raise _too_large(status, limits)
    work.order[work.filled[records.ORDER]] = records.BLOCK
    return _flat(work, length)


def _too_large(status: int, limits: BlockLimits) -> LimitExceeded:
    if status == kernels.TOO_MANY_ITEMS:
        return LimitExceeded(
            f"a block of this grammar goes through more than {limits.items} items",
            hint="make the block shorter, or pass limits=BlockLimits(items=...)",
        )
    return LimitExceeded(
        f"a block of this grammar has more than {limits.steps} ways from item to item",
        hint="make the block shorter, or pass limits=BlockLimits(steps=...)",
    )


def _grown(work: Work) -> Work:
    """The same with room for what the next item needs."""
    f, more = work.filled, int(work.filled[records.NEEDED])
    if f[records.WAYS] + more > len(work.ways):
        work = work._replace(ways=_longer(work.ways, more))
    if f[records.ITEMS] + more > len(work.items):
        items = _longer(work.items, more)
        work = work._replace(
            items=items, item_slots=_rehashed(work.item_slots, items), layer=_longer(work.layer, more),
            heap=_longer(work.heap, more), heap_items=_longer(work.heap_items, more), order=_longer(work.order, more),
        )  # fmt: skip
    if f[records.CONTEXTS] + more > len(work.contexts):
        contexts = _longer(work.contexts, more)
        work = work._replace(
            contexts=contexts, context_slots=_rehashed(work.context_slots, contexts), first=_longer(work.first, more),
            last=_longer(work.last, more), pushed=_longer(work.pushed, more),
        )  # fmt: skip
    if f[records.PUSHERS] + more > len(work.pushers):
        pushers = _longer(work.pushers, more)
        work = work._replace(
            pushers=pushers, pusher_slots=_rehashed(work.pusher_slots, pushers),
            pusher_item=_longer(work.pusher_item, more), following=_longer(work.following, more),
        )  # fmt: skip
    return work


def _flat(work: Work, length: int) -> Plan:
    order, ways = work.order[: work.filled[records.ORDER] + 1], work.ways[: work.filled[records.WAYS]]
    rank, start, out = np.empty(len(work.order), np.int32), _rows(len(order) + 1), np.empty((4, len(ways)), np.int32)
    kernels.flatten(ways, order, rank, start, out)
    return Plan(start, out[0], out[1], out[2], out[3], length)


def _rows(*shape: int) -> Int32:
    return np.zeros(shape, np.int32)


def _longer(array: NDArray[Numbers], more: int = 0) -> NDArray[Numbers]:
    """The same with twice as many rows, or so many more where these are more."""
    longer = np.zeros((len(array) + max(len(array), more), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def _rehashed(slots: Int32, keys: Int32) -> Int32:
    """Slots for records that have become more: at least twice as many as there are rows."""
    longer = _rows(1 << (2 * len(keys) - 1).bit_length())
    records.rehash(slots, keys, longer)
    return longer
