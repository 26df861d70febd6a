"""The loop over the items of a forest, in numba: it meets those of one position, and says which moves it misses.

Place in the walk: below `gcd.diffusion.planner`, which says what items and contexts are; `planner_records` has their
arrays. No array is written past its end: an item is begun when there is room for all that it can add, else `FULL` or
`FULL_LISTS` is returned, and where a move is not known `MISSING`. Python provides it and calls again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gcd.diffusion.planner_records import (
    BLOCK,
    CONTEXTS,
    ENDED,
    HEAP,
    ITEMS,
    LAYER,
    MOST_FRAMES,
    NEEDED,
    OPEN,
    ORDER,
    PUSHERS,
    TOP,
    UNDER,
    WAYS,
    WHOLE,
    Known,
    Work,
    add_way,
    extend,
    find,
    item_of,
    place_of,
    pop_turn,
    push_turn,
    pusher_of,
    turn_of,
)  # fmt: skip
from tokenizer_align.jit import kernel
from tokenizer_align.kernels import Int

__all__ = ["DONE", "FULL", "FULL_LISTS", "MISSING", "TOO_MANY_ITEMS", "flatten", "meet", "next_position"]

Int32 = NDArray[np.int32]

DONE, FULL, FULL_LISTS, MISSING, TOO_MANY_ITEMS, TOO_MANY_STEPS = range(6)
"""What `meet` returns."""


@kernel
def look_ahead(known: Known, work: Work, item: int) -> int:
    """How many ways an item that reads a token has at most; -1 for FULL_LISTS, -2 for MISSING."""
    context, place = Int(work.items[item, 0]), Int(work.items[item, 1])
    top, under = Int(work.items[item, 2]), Int(work.items[item, 3])
    frames, is_whole = Int(work.contexts[context, 2]), work.contexts[context, 3]
    popped = place % MOST_FRAMES
    left = Int(known.list_size[frames]) - popped
    ways = 2
    for taken in range(1 if under else 0, left + 1):
        if taken > 0:
            under = extend(known, under, Int(known.frames[known.list_start[frames] + popped + taken - 1]))
            if under < 0:
                return -1
        whole = 1 if is_whole == 1 and taken == left else 0
        slot = find(known.move_slots, known.move_keys, top, under, whole, 0)
        if known.move_slots[slot] == 0:
            work.filled[TOP], work.filled[UNDER], work.filled[WHOLE] = top, under, whole
            return -2
        move = known.move_slots[slot] - 1
        ways += known.move_stop[move] - known.move_start[move]
        if known.is_deeper[move] == 0:
            break
    return ways


@kernel
def read(known: Known, work: Work, item: int, here: int, allowed: Int32, eos_set: int) -> None:
    """One more token: those that pop nothing, those that pop one frame of the context, and so on."""
    context, place = Int(work.items[item, 0]), Int(work.items[item, 1])
    top, under = Int(work.items[item, 2]), Int(work.items[item, 3])
    frames, is_whole = Int(work.contexts[context, 2]), work.contexts[context, 3]
    popped = place % MOST_FRAMES
    size = Int(known.list_size[frames])
    if under == 0 and known.accepting[top] == 1 and allowed[eos_set] == 1:
        ended = item_of(known, work, here, context, place_of(here + 1, popped), ENDED, 0)
        add_way(work, ended, item, -1, here, eos_set)
    for taken in range(1 if under else 0, size - popped + 1):
        if taken > 0:
            under = extend(known, under, Int(known.frames[known.list_start[frames] + popped + taken - 1]))
        whole = 1 if is_whole == 1 and taken == size - popped else 0
        move = known.move_slots[find(known.move_slots, known.move_keys, top, under, whole, 0)] - 1
        for m in range(known.move_start[move], known.move_stop[move]):
            token_set, after, pushed = Int(known.move_to[m, 0]), Int(known.move_to[m, 1]), Int(known.move_to[m, 2])
            if allowed[token_set] == 0:
                continue
            below, is_new = popped + taken, whole
            if whole == 1 and ends_alike(known, frames, popped, pushed):  # the ground is what it was
                pushed, below, is_new = Int(known.list_keys[pushed, 0]), max(popped, below - 1), 0
            if pushed == 0 and is_new == 0:
                made = item_of(known, work, here, context, place_of(here + 1, below), after, 0)
            else:
                slot = find(work.context_slots, work.contexts, here + 1, after, pushed, is_new)
                if work.context_slots[slot] == 0:
                    number = Int(work.filled[CONTEXTS])
                    work.contexts[number, 0], work.contexts[number, 1] = here + 1, after
                    work.contexts[number, 2], work.contexts[number, 3] = pushed, is_new
                    work.first[number], work.pushed[number] = -1, 0
                    work.context_slots[slot] = number + 1
                    work.filled[CONTEXTS] += 1
                    first = item_of(known, work, here, number, place_of(here + 1, 0), after, 0)
                    add_way(work, first, -1, -1, -1, 0)
                made = pusher_of(work, Int(work.context_slots[slot]) - 1, context, below)
            add_way(work, made, item, -1, here, token_set)
        if known.is_deeper[move] == 0:
            return
    popper = item_of(known, work, here, context, place_of(here, size), top, under)
    add_way(work, popper, item, -1, -1, 0)


@kernel
def ends_alike(known: Known, frames: int, popped: int, pushed: int) -> bool:
    """Whether what is left of frames and what is pushed end with the same frame, or are both empty."""
    if known.list_size[frames] == popped or pushed == 0:
        return known.list_size[frames] == popped and pushed == 0
    return bool(known.list_keys[frames, 1] == known.list_keys[pushed, 1])


@kernel
def leave(known: Known, work: Work, item: int, here: int, length: int, budget: int, tail: int) -> None:
    """All frames of a context are popped: go on in those that pushed it. A budget < 0 is none."""
    context, place = Int(work.items[item, 0]), Int(work.items[item, 1])
    top, under = Int(work.items[item, 2]), Int(work.items[item, 3])
    if top <= OPEN and budget >= 0:
        frames = work.contexts[context, 2]
        for i in range(place % MOST_FRAMES, known.list_size[frames]):
            top -= Int(known.frame_cost[known.frames[known.list_start[frames] + i]])
        if OPEN - top > budget:
            return
    pusher = Int(work.first[context])
    if pusher < 0:
        if here == length:
            add_way(work, BLOCK, item, -1, -1, 0)
        else:
            add_way(work, item_of(known, work, here, 0, place_of(here + 1, 0), ENDED, 0),
                    item, -1, here, tail)  # fmt: skip
    while pusher >= 0:
        below = place_of(here, Int(work.pushers[pusher, 2]))
        made = item_of(known, work, here, Int(work.pushers[pusher, 1]), below, top, under)
        add_way(work, made, Int(work.pusher_item[pusher]), item, -1, 0)
        pusher = Int(work.following[pusher])


@kernel
def finish(known: Known, work: Work, item: int, here: int, needs_eos: int, is_open: int, budget: int) -> None:
    """The block ends in an item."""
    context, place, top = Int(work.items[item, 0]), Int(work.items[item, 1]), Int(work.items[item, 2])
    end = 0
    if known.accepting[top] == 1 and needs_eos == 0:
        end = ENDED
    elif is_open == 1 and budget < 0:
        end = OPEN
    elif is_open == 1 and known.top_cost[top] <= budget:
        end = OPEN - Int(known.top_cost[top])
    if end < 0:
        add_way(work, item_of(known, work, here, context, place, end, 0), item, -1, -1, 0)


@kernel
def meet(
    known: Known, work: Work, here: int, length: int, allowed: Int32, eos_set: int, tail: int,
    needs_eos: int, is_open: int, budget: int, most_items: int, most_steps: int,
) -> int:  # fmt: skip
    """Meets all items of a position that wait for their turn; can be called again."""
    while work.filled[HEAP] > 0:
        item = Int(work.heap_items[0])
        context, place = Int(work.items[item, 0]), Int(work.items[item, 1])
        top, under = Int(work.items[item, 2]), Int(work.items[item, 3])
        size = known.list_size[work.contexts[context, 2]]
        is_left = top < 0 or (place % MOST_FRAMES == size and work.contexts[context, 3] == 0)
        needed = 2
        if is_left:
            needed = 1 + work.pushed[context]
        elif here < length:
            needed = look_ahead(known, work, item)
            if needed < 0:
                return FULL_LISTS if needed == -1 else MISSING
        work.filled[NEEDED] = 2 * needed  # a way that pushes can add a context, which is an item with a way of its own
        if work.filled[WAYS] + 2 * needed > len(work.ways) or work.filled[ITEMS] + 2 * needed > len(work.items):
            return FULL
        if work.filled[CONTEXTS] + needed > len(work.contexts) or work.filled[PUSHERS] + needed > len(work.pushers):
            return FULL
        if work.filled[ITEMS] > most_items:
            return TOO_MANY_ITEMS
        if work.filled[WAYS] > most_steps:
            return TOO_MANY_STEPS
        pop_turn(work)
        work.order[work.filled[ORDER]] = item
        work.filled[ORDER] += 1
        if is_left:
            leave(known, work, item, here, length, budget, tail)
        elif here < length:
            read(known, work, item, here, allowed, eos_set)
        elif under == 0:
            finish(known, work, item, here, needs_eos, is_open, budget)
    return DONE


@kernel
def next_position(known: Known, work: Work, pushers: int) -> None:
    """The pushers that are new (from this one on) are known; the items of the next position wait for their turn."""
    for pusher in range(pushers, work.filled[PUSHERS]):
        work.order[work.filled[ORDER]] = work.pusher_item[pusher]
        work.filled[ORDER] += 1
    for i in range(work.filled[LAYER]):
        item = Int(work.layer[i])
        push_turn(work, item, turn_of(known, work, item))
    work.filled[LAYER] = 0


@kernel
def flatten(ways: Int32, order: Int32, rank: Int32, start: Int32, out: Int32) -> None:
    """Ways (m, 5) of items by their number -> out (4, m), by the items' order, and where those of each begin."""
    for i in range(len(order)):
        rank[order[i]] = i
    for i in range(len(start)):
        start[i] = 0
    for way in range(len(ways)):
        start[rank[ways[way, 0]] + 1] += 1
    for i in range(1, len(start)):
        start[i] += start[i - 1]
    for way in range(len(ways)):
        at = start[rank[ways[way, 0]]]
        start[rank[ways[way, 0]]] += 1
        for part in (1, 2):
            out[part - 1, at] = -1 if ways[way, part] < 0 else rank[ways[way, part]]
        out[2, at], out[3, at] = ways[way, 3], ways[way, 4]
    for i in range(len(start) - 1, 0, -1):
        start[i] = start[i - 1]
    start[0] = 0
