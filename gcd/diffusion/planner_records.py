"""The records of a plan as arrays: items, contexts, pushers, ways; and how numba finds one or adds one.

Place in the walk: below `gcd.diffusion.planner_kernels`. A record is a row of four numbers, found again by hashing
(`find`). Lists of frames are numbers: each is one that is a frame shorter, and a frame. All of a plan's arrays are in
`Work`, what other plans can use as well is in `Known`. Whoever adds records has seen to it that there is room.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tokenizer_align.jit import kernel
from tokenizer_align.kernels import Int

__all__ = [
    "BLOCK", "CONTEXTS", "ENDED", "FRAMES", "HEAP", "ITEMS", "Known", "LAYER", "LISTS", "MOST_FRAMES", "MOVES",
    "NEEDED", "OPEN", "ORDER", "PUSHERS", "TOP", "UNDER", "WAYS", "WHOLE", "Work", "add_way", "extend", "find",
    "item_of", "place_of", "pop_turn", "push_turn", "pusher_of", "rehash", "turn_of",
]  # fmt: skip

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

# -- how far arrays are filled: places in `Known.filled`, and in `Work.filled`; in the latter also what is missing
LISTS, FRAMES, MOVES = range(3)
CONTEXTS, PUSHERS, ITEMS, WAYS, ORDER, HEAP, LAYER, TOP, UNDER, WHOLE, NEEDED = range(11)

ENDED = -1
"""In place of a top: the text is complete. Whatever is below does not matter any more."""
OPEN = -2
"""In place of a top: the block ends here, OPEN - k when k tokens suffice to complete what was above."""
BLOCK = 0
"""The item that is the whole block."""
MOST_FRAMES = 1 << 16
"""More than are ever under a top: stacks of so many frames are refused long before."""


class Known(NamedTuple):
    """Lists of frames, and the moves of tops over them; list 0 is the empty one."""

    filled: Int64  # (3,)
    list_keys: Int32  # (n, 4) the list without its last frame, that frame, 0, 0
    list_slots: Int32
    list_start: Int32  # (n,) where its frames are, the topmost first
    list_size: Int32  # (n,)
    frames: Int32
    move_keys: Int32  # (n, 4) top, list, whether the ground is its last frame, 0
    move_slots: Int32
    move_start: Int32  # (n,) its moves, from here ...
    move_stop: Int32  # (n,) ... to here
    is_deeper: Int32  # (n,) 1 where some tokens pop more than the list
    move_to: Int32  # (m, 3) set of tokens, top, list of frames that are pushed
    accepting: Int32  # (tops,) 1 where the text so far is in the language
    top_cost: Int32  # (tops,) tokens that suffice to complete it, where there is a budget
    frame_cost: Int32  # (frames,)


class Work(NamedTuple):
    """One plan in the making."""

    filled: Int64  # (11,)
    contexts: Int32  # (n, 4) position, top, list of frames, whether the ground is the last
    context_slots: Int32
    first: Int32  # (n,) a context's first pusher, -1 for none
    last: Int32
    pushed: Int32  # (n,) how many there are
    pushers: Int32  # (n, 4) context, its parent, what is popped of that, 0
    pusher_slots: Int32
    pusher_item: Int32
    following: Int32  # (n,) the next pusher of the same context, -1 for none
    items: Int32  # (n, 4) context, position and what is popped of it (see `place_of`), top, list under the top
    item_slots: Int32
    layer: Int32  # items of the next position
    heap: Int64  # of this position: what `turn` says of them
    heap_items: Int32
    order: Int32
    ways: Int32  # (m, 5) item, left, right, position, set


@kernel
def find(slots: Int32, keys: Int32, a: int, b: int, c: int, d: int) -> int:
    """The slot of a record: 0 where it is free, else one more than the record's number."""
    mixed = (a * 0x9E3779B1 + b * 0x85EBCA6B + c * 0xC2B2AE35 + d * 0x27D4EB2F) & 0x7FFFFFFFFFFF
    slot = (mixed ^ (mixed >> 17)) & (len(slots) - 1)
    while slots[slot] != 0:
        row = slots[slot] - 1
        if keys[row, 0] == a and keys[row, 1] == b and keys[row, 2] == c and keys[row, 3] == d:
            break
        slot = (slot + 1) & (len(slots) - 1)
    return slot


@kernel
def rehash(old: Int32, keys: Int32, new: Int32) -> None:
    """Fills new slots, all 0, with the records of old ones."""
    for number in old:
        if number != 0:
            row = keys[number - 1]
            new[find(new, keys, Int(row[0]), Int(row[1]), Int(row[2]), Int(row[3]))] = number


@kernel
def extend(known: Known, shorter: int, frame: int) -> int:
    """The list with one more frame at its end, -1 where there is no room for it."""
    slot = find(known.list_slots, known.list_keys, shorter, frame, 0, 0)
    if known.list_slots[slot] == 0:
        number, start, size = Int(known.filled[LISTS]), Int(known.filled[FRAMES]), Int(known.list_size[shorter])
        if 2 * number >= len(known.list_slots) or number >= len(known.list_size):
            return -1
        if start + size >= len(known.frames):
            return -1
        for i in range(size):
            known.frames[start + i] = known.frames[known.list_start[shorter] + i]
        known.frames[start + size] = frame
        known.list_keys[number, 0], known.list_keys[number, 1] = shorter, frame
        known.list_start[number], known.list_size[number] = start, size + 1
        known.filled[LISTS] += 1
        known.filled[FRAMES] += size + 1
        known.list_slots[slot] = number + 1
    return Int(known.list_slots[slot]) - 1


@kernel
def place_of(position: int, popped: int) -> int:
    """Both as one number."""
    return position * MOST_FRAMES + popped


@kernel
def push_turn(work: Work, item: int, turn: int) -> None:
    """Puts an item among those that are to be met; a binary heap, the smallest turn first."""
    at = Int(work.filled[HEAP])
    work.filled[HEAP] += 1
    while at > 0 and work.heap[(at - 1) >> 1] > turn:
        work.heap[at], work.heap_items[at] = work.heap[(at - 1) >> 1], work.heap_items[(at - 1) >> 1]
        at = (at - 1) >> 1
    work.heap[at], work.heap_items[at] = turn, item


@kernel
def pop_turn(work: Work) -> None:
    """Takes the first item away."""
    work.filled[HEAP] -= 1
    end = Int(work.filled[HEAP])
    turn, item = work.heap[end], work.heap_items[end]
    at = 0
    while 2 * at + 1 < end:
        kid = 2 * at + 1
        if kid + 1 < end and work.heap[kid + 1] < work.heap[kid]:
            kid += 1
        if work.heap[kid] >= turn:
            break
        work.heap[at], work.heap_items[at] = work.heap[kid], work.heap_items[kid]
        at = kid
    work.heap[at], work.heap_items[at] = turn, item


@kernel
def turn_of(known: Known, work: Work, item: int) -> int:
    """When an item is met among those of its position: behind all from which it can be made there.

    The last pushed context first, so that parts come before wholes; of one context what is less popped, then what has
    less under its top, and ends behind all.
    """
    context, place = Int(work.items[item, 0]), Int(work.items[item, 1])
    top, under = Int(work.items[item, 2]), Int(work.items[item, 3])
    depth = known.list_size[under] if top >= 0 else MOST_FRAMES - 1
    return (-Int(work.contexts[context, 0]) * MOST_FRAMES + place % MOST_FRAMES) * MOST_FRAMES + depth


@kernel
def add_way(work: Work, item: int, left: int, right: int, position: int, token_set: int) -> None:
    row = work.filled[WAYS]
    work.ways[row, 0], work.ways[row, 1], work.ways[row, 2] = item, left, right
    work.ways[row, 3], work.ways[row, 4] = position, token_set
    work.filled[WAYS] += 1


@kernel
def item_of(known: Known, work: Work, here: int, context: int, place: int, top: int, under: int) -> int:
    """The number of an item; a new one waits for its turn, now or at the next position."""
    slot = find(work.item_slots, work.items, context, place, top, under)
    if work.item_slots[slot] == 0:
        number = Int(work.filled[ITEMS])
        work.items[number, 0], work.items[number, 1] = context, place
        work.items[number, 2], work.items[number, 3] = top, under
        work.item_slots[slot] = number + 1
        work.filled[ITEMS] += 1
        if place // MOST_FRAMES == here:
            push_turn(work, number, turn_of(known, work, number))
        else:
            work.layer[work.filled[LAYER]] = number
            work.filled[LAYER] += 1
    return Int(work.item_slots[slot]) - 1


@kernel
def pusher_of(work: Work, context: int, parent: int, popped: int) -> int:
    """The item that stands for all that pushed a context on what is left of another."""
    slot = find(work.pusher_slots, work.pushers, context, parent, popped, 0)
    if work.pusher_slots[slot] == 0:
        number = Int(work.filled[PUSHERS])
        work.pushers[number, 0], work.pushers[number, 1], work.pushers[number, 2] = context, parent, popped
        work.following[number] = -1
        work.pusher_item[number] = work.filled[ITEMS]
        work.items[work.filled[ITEMS], 0] = -1
        work.filled[ITEMS] += 1
        work.pusher_slots[slot] = number + 1
        work.filled[PUSHERS] += 1
        if work.first[context] < 0:
            work.first[context] = number
        else:
            work.following[work.last[context]] = number
        work.last[context] = number
        work.pushed[context] += 1
    return Int(work.pusher_item[work.pusher_slots[slot] - 1])
