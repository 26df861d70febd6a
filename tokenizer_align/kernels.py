"""The machine in numba: one step of a configuration, and walks over bytes and over the vocabulary trie.

Place in the walk: ByteAutomaton × Trie -> masks. Plain functions on flat int32 arrays; Python owns and grows the arrays
(`tokenizer_align.arena`). All kernels share this file: numba's cache does not see edits in other files.

**Records.** Stack sets and configurations are records in one heap, hash-consed, so that equal sets are one number:

    record = [kind, n, flag, cost, hash, next x classes (configurations only), n x (state, counter, stack)]

A stack set holds n frames (return state, counter, parent stack set), sorted; its flag is 1 when the empty stack is
among its stacks. A configuration holds n items (state, counter, stack set), sorted; its flag is 1 when the text so
far is in the language, and `next` holds the configuration after each symbol class, filled when it is first asked for.
`cost` is the number of tokens that suffice to end from here (see `tokenizer_align.costs`). The number of a record is
its place in the heap.

**Status.** A kernel that could not go on returns a negative status and leaves only complete records behind, so that it
can be called again: `FULL` when the heap or its hash table must grow, `CROWDED` when the memo of unions must, `LIMIT`
when a configuration has more items than the scratch space holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tokenizer_align.jit import kernel

__all__ = [
    "CLOSED",
    "CROWDED",
    "DEAD",
    "ENDS",
    "FIRST_RECORD",
    "FULL",
    "LIMIT",
    "NOWHERE",
    "NO_BUDGET",
    "Arena",
    "Machine",
    "Trie",
    "fill",
    "rehash",
    "run",
    "select",
    "settle_bytes",
    "settle_tokens",
    "tabulate",
]

Int32 = NDArray[np.int32]
if TYPE_CHECKING:
    Int = int
else:
    Int = np.int64  # what kernels compute with: one width, so that each kernel is compiled once

NOWHERE = 0
DEAD = -1
FULL = -2
LIMIT = -3
CROWDED = -4

STACK = 1
CONFIGURATION = 2
HEADER = 5
FIRST_RECORD = 8  # heap[0] is the first free place, heap[1] the number of records
NEVER = 2**30  # no length, no upper bound
TOO_MANY = 2**29  # costs stop here
NO_BUDGET = 2**30

LEAST = 2**20 - 1  # in `tabulate`: the least number of characters
CLOSED = 2**20
ENDS = 2**21

PLAIN = 0
REPEAT = 1
WINDOW = 2


class Machine(NamedTuple):
    """The tables of `grammars.automaton.ByteAutomaton`, and what it costs to end from a state."""

    rule_start: Int32
    rule_kind: Int32
    rule_min: Int32
    rule_max: Int32
    state_rule: Int32
    state_final: Int32
    edge_start: Int32
    edge_low: Int32
    edge_high: Int32
    edge_to: Int32
    edge_tick: Int32
    call_start: Int32
    call_rule: Int32
    call_return: Int32
    length_start: Int32
    length_width: Int32
    length_period: Int32
    length_table: Int32
    bytes_start: Int32
    bytes_width: Int32
    bytes_period: Int32
    bytes_slope: Int32
    bytes_table: Int32
    symbol_class: Int32
    state_cost: Int32  # (S,) tokens that suffice to the end of the rule, of PLAIN rules
    rule_cost: Int32  # (R,) tokens that suffice for the whole rule


class Arena(NamedTuple):
    """Where records live, and scratch space."""

    heap: Int32  # records
    table: Int32  # hash table of record numbers, 0 for empty, a power of two long
    unions: Int32  # (2**k, 3) memo of unions: left, right, result; an entry may be overwritten
    items: Int32  # (n, 5) items being closed: state, counter, stack, 1 + the item before of the same state, queued
    mark: Int32  # (S,) 1 + the newest item of that state, 0 for none
    queue: Int32  # (n,)
    buffer: Int32  # frames and items of records being made; a stack
    frames: Int32  # (n, 5) calls of `_union` in progress
    path: Int32  # (depth + 1,) configurations along the path of a walk
    control: Int32  # [number of items, length of the queue, top of the buffer, classes, accepts the empty text]


class Trie(NamedTuple):
    """The vocabulary's trie in depth-first order, see `tokenizer_align.trie`."""

    byte: NDArray[np.uint8]
    depth: Int32
    end: Int32
    tok_start: Int32
    tok_end: Int32
    token_ids: Int32


@kernel
def _next_length(m: Machine, state: int, least: int) -> int:
    """The least accepted remaining length >= least of a window's state (`grammars.lengths`)."""
    rule = Int(m.state_rule[state])
    width = Int(m.length_width[rule])
    folded = least
    if least >= width:
        folded = width - m.length_period[rule] + (least - width) % m.length_period[rule]
    found = m.length_table[m.length_start[rule] + (state - m.rule_start[rule]) * width + folded]
    if found >= NEVER:
        return NEVER
    return Int(found) + least - folded


@kernel
def _window_cost(m: Machine, state: int, counter: int) -> int:
    """The fewest bytes to a permitted end of a window, over all numbers of characters that may still follow."""
    rule = m.state_rule[state]
    most = NEVER if m.rule_max[rule] >= NEVER else Int(m.rule_max[rule]) - counter
    best = TOO_MANY
    length = _next_length(m, state, max(0, Int(m.rule_min[rule]) - counter))
    while length <= most and length < best:  # a character is at least one byte
        width = Int(m.bytes_width[rule])
        folded = length
        turns = 0
        if length >= width:
            turns = (length - width) // m.bytes_period[rule] + 1
            folded = length - turns * m.bytes_period[rule]
        entry = m.bytes_start[rule] + (state - m.rule_start[rule]) * width + folded
        best = min(best, Int(m.bytes_table[entry]) + turns * Int(m.bytes_slope[rule]))
        length = _next_length(m, state, length + 1)
    return best


@kernel
def _cost(m: Machine, state: int, counter: int) -> int:
    """Tokens that suffice from an item to the end of its rule."""
    rule = m.state_rule[state]
    if m.rule_kind[rule] == PLAIN:
        return Int(m.state_cost[state])
    if m.rule_kind[rule] == REPEAT:
        item = m.call_rule[m.call_start[m.rule_start[rule]]]
        return min(TOO_MANY, max(0, Int(m.rule_min[rule]) - counter) * Int(m.rule_cost[item]))
    return _window_cost(m, state, counter)


@kernel
def _hash(kind: int, flag: int, buffer: Int32, begin: int, end: int) -> int:
    mixed = 0x9E3779B1 * (2 * kind + flag) & 0x7FFFFFFF
    for i in range(begin, end):
        mixed = ((mixed ^ (Int(buffer[i]) & 0x7FFFFFFF)) * 0x01000193) & 0x7FFFFFFF
        mixed ^= mixed >> 15
    return mixed


@kernel
def _intern(m: Machine, a: Arena, kind: int, flag: int, begin: int) -> int:
    """The record of `kind` with the triples of the buffer from `begin` on; takes them off the buffer."""
    top = Int(a.control[2])
    n = (top - begin) // 3
    a.control[2] = begin
    classes = Int(a.control[3]) if kind == CONFIGURATION else 0
    hashed = _hash(kind, flag, a.buffer, begin, top)
    slot = hashed & (len(a.table) - 1)
    while a.table[slot] != 0:
        record = Int(a.table[slot])
        same = a.heap[record] == kind and a.heap[record + 1] == n and a.heap[record + 2] == flag
        at = record + HEADER + classes
        i = 0
        while same and i < 3 * n:
            same = a.heap[at + i] == a.buffer[begin + i]
            i += 1
        if same:
            return record
        slot = (slot + 1) & (len(a.table) - 1)
    record = Int(a.heap[0])
    if record + HEADER + classes + 3 * n > len(a.heap) or 2 * (a.heap[1] + 1) > len(a.table):
        return FULL
    cost = TOO_MANY
    at = record + HEADER + classes
    for i in range(n):
        state, counter = Int(a.buffer[begin + 3 * i]), Int(a.buffer[begin + 3 * i + 1])
        stack = Int(a.buffer[begin + 3 * i + 2])
        a.heap[at + 3 * i] = state
        a.heap[at + 3 * i + 1] = counter
        a.heap[at + 3 * i + 2] = stack
        cost = min(cost, _cost(m, state, counter) + Int(a.heap[stack + 3]))
    a.heap[record] = kind
    a.heap[record + 1] = n
    a.heap[record + 2] = flag
    a.heap[record + 3] = 0 if flag else cost
    a.heap[record + 4] = hashed
    a.heap[0] = at + 3 * n
    a.heap[1] += 1
    a.table[slot] = record
    return record


@kernel
def _push(a: Arena, state: int, counter: int, stack: int) -> bool:
    """Puts a triple on the buffer; False when there is no room."""
    top = Int(a.control[2])
    if top + 3 > len(a.buffer):
        return False
    a.buffer[top] = state
    a.buffer[top + 1] = counter
    a.buffer[top + 2] = stack
    a.control[2] = top + 3
    return True


@kernel
def _union(m: Machine, a: Arena, left: int, right: int) -> int:
    """The stack set of all stacks of two sets; frames with equal tops are merged, their parents united.

    Recursion over the depth of the stacks, with its own stack: rows of `frames` are
    (left, right, place in left, place in right, begin of the result in the buffer).
    """
    if left == right:
        return left
    bottom = Int(a.control[2])
    depth = 0
    steps = 0
    returned = 0  # the union that the frame on top was waiting for
    a.frames[0, 0], a.frames[0, 1], a.frames[0, 2], a.frames[0, 3], a.frames[0, 4] = left, right, 0, 0, bottom
    while True:
        x, y = Int(a.frames[depth, 0]), Int(a.frames[depth, 1])
        i, j = Int(a.frames[depth, 2]), Int(a.frames[depth, 3])
        nx, ny = Int(a.heap[x + 1]), Int(a.heap[y + 1])
        descend = False
        steps += 1
        if steps > 16 * len(a.unions):
            a.control[2] = bottom
            return CROWDED
        while i < nx or j < ny:
            p, q = x + HEADER + 3 * i, y + HEADER + 3 * j
            order = 0
            if j >= ny:
                order = -1
            elif i >= nx:
                order = 1
            elif a.heap[p] != a.heap[q]:
                order = -1 if a.heap[p] < a.heap[q] else 1
            elif a.heap[p + 1] != a.heap[q + 1]:
                order = -1 if a.heap[p + 1] < a.heap[q + 1] else 1
            source = p if order <= 0 else q
            parent = Int(a.heap[source + 2])
            if order == 0 and parent != Int(a.heap[q + 2]):
                if returned == 0:
                    returned = _known_union(a, parent, Int(a.heap[q + 2]))
                if returned == 0:
                    a.frames[depth, 2], a.frames[depth, 3] = i, j
                    depth += 1
                    if depth >= len(a.frames):
                        a.control[2] = bottom
                        return LIMIT
                    a.frames[depth, 0], a.frames[depth, 1] = parent, a.heap[q + 2]
                    a.frames[depth, 2], a.frames[depth, 3], a.frames[depth, 4] = 0, 0, a.control[2]
                    descend = True
                    break
                parent = returned
                returned = 0
            if not _push(a, Int(a.heap[source]), Int(a.heap[source + 1]), parent):
                a.control[2] = bottom
                return LIMIT
            i += 1 if order <= 0 else 0
            j += 1 if order >= 0 else 0
        if descend:
            continue
        returned = _intern(m, a, Int(STACK), Int(a.heap[x + 2] | a.heap[y + 2]), Int(a.frames[depth, 4]))
        if returned < 0:
            a.control[2] = bottom
            return returned
        slot = _union_slot(a, x, y)
        a.unions[slot, 0], a.unions[slot, 1], a.unions[slot, 2] = min(x, y), max(x, y), returned
        if depth == 0:
            return returned
        depth -= 1


@kernel
def _union_slot(a: Arena, left: int, right: int) -> int:
    mixed = (min(left, right) * 0x01000193 + max(left, right) * 0x008DA6B3) & 0x7FFFFFFFFFFF
    return (mixed ^ (mixed >> 17)) & (len(a.unions) - 1)


@kernel
def _known_union(a: Arena, left: int, right: int) -> int:
    """The remembered union of two stack sets, 0 when there is none."""
    slot = _union_slot(a, left, right)
    if a.unions[slot, 0] == min(left, right) and a.unions[slot, 1] == max(left, right):
        return Int(a.unions[slot, 2])
    return 0


@kernel
def _reach(m: Machine, a: Arena, state: int, counter: int, stack: int) -> int:
    """Adds an item, or its stacks to the item that is there; queues what changed. Returns 0 or a status."""
    item = Int(a.mark[state]) - 1
    while item >= 0:
        if a.items[item, 1] == counter:
            before = Int(a.items[item, 2])
            if stack == before:
                return 0
            merged = _known_union(a, before, stack)
            if merged == 0:
                merged = _union(m, a, before, stack)
            if merged < 0:
                return merged
            if merged != before:
                a.items[item, 2] = merged
                if a.items[item, 4] == 0:
                    a.items[item, 4] = 1
                    a.queue[a.control[1]] = item
                    a.control[1] += 1
            return 0
        item = Int(a.items[item, 3]) - 1
    item = Int(a.control[0])
    if item >= len(a.items):
        return LIMIT
    a.items[item, 0] = state
    a.items[item, 1] = counter
    a.items[item, 2] = stack
    a.items[item, 3] = a.mark[state]
    a.items[item, 4] = 1
    a.mark[state] = item + 1
    a.queue[a.control[1]] = item
    a.control[0] = item + 1
    a.control[1] += 1
    return 0


@kernel
def _counted(m: Machine, rule: int, counter: int) -> int:
    """The counter after one more; without an upper bound it stops at the lower one."""
    if m.rule_max[rule] >= NEVER and counter >= m.rule_min[rule]:
        return counter
    return counter + 1


@kernel
def _leave(m: Machine, a: Arena) -> int:
    """Leaves every rule that may end, down the stacks. Returns whether the text may end here (1, 0), or a status."""
    accepting = Int(0)
    while a.control[1] > 0:
        a.control[1] -= 1
        item = a.queue[a.control[1]]
        a.items[item, 4] = 0
        state, counter, stack = Int(a.items[item, 0]), Int(a.items[item, 1]), Int(a.items[item, 2])
        rule = Int(m.state_rule[state])
        if m.state_final[state] == 0:
            continue
        if m.rule_kind[rule] != PLAIN and (counter < m.rule_min[rule] or counter > m.rule_max[rule]):
            continue
        if a.heap[stack + 2] == 1:
            accepting = 1
        status = _return(m, a, stack)
        if status < 0:
            return status
    return accepting


@kernel
def _enter(m: Machine, a: Arena) -> int:
    """Enters every rule that is called. Returns 0 or a status."""
    for item in range(a.control[0]):
        a.queue[item] = item
        a.items[item, 4] = 1
    a.control[1] = a.control[0]
    while a.control[1] > 0:
        a.control[1] -= 1
        item = a.queue[a.control[1]]
        a.items[item, 4] = 0
        state, counter, stack = Int(a.items[item, 0]), Int(a.items[item, 1]), Int(a.items[item, 2])
        rule = Int(m.state_rule[state])
        count = Int(0)
        if m.rule_kind[rule] == REPEAT:
            if counter >= m.rule_max[rule]:
                continue
            count = _counted(m, rule, counter)
        for call in range(m.call_start[state], m.call_start[state + 1]):
            below = stack
            if m.call_return[call] >= 0:
                begin = Int(a.control[2])
                if not _push(a, Int(m.call_return[call]), count, stack):
                    return LIMIT
                below = _intern(m, a, Int(STACK), Int(0), begin)
                if below < 0:
                    return below
            status = _reach(m, a, Int(m.rule_start[m.call_rule[call]]), Int(0), below)
            if status < 0:
                return status
    return 0


@kernel
def _sort(buffer: Int32, begin: int, n: int) -> None:
    """Sorts n triples by state and counter (shell sort: short and nearly sorted lists are the rule)."""
    gap = 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            at = begin + 3 * i
            state, counter, stack = buffer[at], buffer[at + 1], buffer[at + 2]
            j = i
            while j >= gap:
                other = begin + 3 * (j - gap)
                if buffer[other] < state or (buffer[other] == state and buffer[other + 1] <= counter):
                    break
                to = begin + 3 * j
                buffer[to], buffer[to + 1], buffer[to + 2] = buffer[other], buffer[other + 1], buffer[other + 2]
                j -= gap
            to = begin + 3 * j
            buffer[to], buffer[to + 1], buffer[to + 2] = state, counter, stack
        gap //= 3


@kernel
def _close(m: Machine, a: Arena, accepting: int) -> int:
    """The configuration of the items reached, after leaving and entering rules; `DEAD` when there is none."""
    left = _leave(m, a)
    if left >= 0:
        accepting |= left
        left = _enter(m, a)
    begin = Int(a.control[2])
    for item in range(a.control[0]):
        state = Int(a.items[item, 0])
        a.mark[state] = 0
        reads = m.edge_start[state] < m.edge_start[state + 1]
        if left >= 0 and reads and not _push(a, state, Int(a.items[item, 1]), Int(a.items[item, 2])):
            left = LIMIT
    a.control[0] = 0
    a.control[1] = 0
    if left < 0:
        a.control[2] = 0
        return left
    n = (Int(a.control[2]) - begin) // 3
    if n == 0 and accepting == 0:
        return DEAD
    _sort(a.buffer, begin, n)
    return _intern(m, a, Int(CONFIGURATION), accepting, begin)


@kernel
def _alive(m: Machine, state: int, counter: int) -> bool:
    """Whether a window can still end with a permitted number of characters."""
    rule = m.state_rule[state]
    found = _next_length(m, state, max(0, Int(m.rule_min[rule]) - counter))
    return found < NEVER and (m.rule_max[rule] >= NEVER or found <= m.rule_max[rule] - counter)


@kernel
def _step(m: Machine, a: Arena, configuration: int, symbol: int) -> int:
    """The configuration after a symbol, `DEAD`, or a status; remembers the answer.

    From `NOWHERE` it is the start; from minus a stack set it is what follows a rule that ends on these stacks.
    """
    status = 0
    accepting = Int(0)
    if configuration == NOWHERE:
        bottom = _intern(m, a, Int(STACK), Int(1), Int(0))
        status = bottom if bottom < 0 else _reach(m, a, Int(m.rule_start[0]), Int(0), bottom)
        accepting = Int(a.control[4])
    elif configuration < 0:
        accepting = Int(a.heap[-configuration + 2])
        status = _return(m, a, -configuration)
    else:
        status = _read(m, a, configuration, symbol)
    if status < 0:
        for item in range(a.control[0]):
            a.mark[a.items[item, 0]] = 0
        a.control[:3] = 0
        return status
    after = DEAD
    if a.control[0] > 0 or accepting == 1:
        after = _close(m, a, accepting)
    if after >= DEAD and configuration > NOWHERE:
        a.heap[configuration + HEADER + m.symbol_class[symbol]] = after
    return after


@kernel
def _return(m: Machine, a: Arena, stack: int) -> int:
    """Reaches the return states of a stack set's frames. Returns 0 or a status."""
    for i in range(a.heap[stack + 1]):
        at = stack + HEADER + 3 * i
        status = _reach(m, a, Int(a.heap[at]), Int(a.heap[at + 1]), Int(a.heap[at + 2]))
        if status < 0:
            return status
    return 0


@kernel
def _read(m: Machine, a: Arena, configuration: int, symbol: int) -> int:
    """Reaches the targets of the items' edges on a symbol. Returns 0 or a status."""
    first = configuration + HEADER + Int(a.control[3])
    for i in range(a.heap[configuration + 1]):
        state, counter = Int(a.heap[first + 3 * i]), Int(a.heap[first + 3 * i + 1])
        low, high = Int(m.edge_start[state]), Int(m.edge_start[state + 1])
        while low < high:  # the first edge that does not end before the symbol
            middle = (low + high) // 2
            if m.edge_high[middle] < symbol:
                low = middle + 1
            else:
                high = middle
        if low == m.edge_start[state + 1] or m.edge_low[low] > symbol:
            continue
        target = Int(m.edge_to[low])
        rule = Int(m.state_rule[state])
        if m.edge_tick[low] == 1:
            counter = _counted(m, rule, counter)
        if m.rule_kind[rule] == WINDOW and not _alive(m, target, counter):
            continue
        status = _reach(m, a, target, counter, Int(a.heap[first + 3 * i + 2]))
        if status < 0:
            return status
    return 0


@kernel
def run(m: Machine, a: Arena, configuration: int, symbols: NDArray[np.uint16]) -> tuple[int, int]:
    """The configuration after `symbols` and how many were read; (`DEAD` or a status, offset) where they stop.

    Symbols are bytes or 256 + a special token. From `NOWHERE` or minus a stack set the first symbol only stands for the
    step from there, see `_step`.
    """
    for offset in range(len(symbols)):
        symbol = Int(symbols[offset])
        after = 0
        if configuration > NOWHERE:
            after = Int(a.heap[configuration + HEADER + m.symbol_class[symbol]])
        if after == 0:
            after = _step(m, a, configuration, symbol)
        if after < 0:
            return after, offset
        configuration = after
    return configuration, len(symbols)


@kernel
def fill(
    m: Machine, a: Arena, t: Trie, configuration: int, roots: Int32, ticks: Int32, low: int, high: int, most: int,
    row: Int32,
) -> int:  # fmt: skip
    """Adds the bits of the tokens that go on from a configuration at trie nodes, of those after which `most` suffice.

    `roots`: where the configuration is reached, -1 for the root of the trie. Those whose `ticks` lie outside low to
    high are left out; the tokens that end at a root itself are added. Walks depth first and skips the subtree of every
    byte that is not allowed. Returns the largest cost after a token that was added, or a status.
    """
    largest = Int(0)
    for i in range(len(roots)):
        if ticks[i] < low or ticks[i] > high:
            continue
        root = Int(roots[i])
        stop = len(t.byte)
        depth = 0
        if root >= 0:
            stop = Int(t.end[root])
            depth = Int(t.depth[root])
            _set(t, root, row)
        a.path[depth] = configuration
        node = root + 1
        while node < stop:
            depth = Int(t.depth[node])
            before = Int(a.path[depth - 1])
            after = Int(a.heap[before + HEADER + m.symbol_class[t.byte[node]]])
            if after == 0:
                after = _step(m, a, before, Int(t.byte[node]))
                if after < DEAD:
                    return after
            if after == DEAD:
                node = Int(t.end[node])
                continue
            a.path[depth] = after
            cost = Int(a.heap[after + 3])
            if cost <= most and t.tok_start[node] < t.tok_end[node]:
                largest = max(largest, cost)
                _set(t, node, row)
            node += 1
    return largest


@kernel
def _set(t: Trie, node: int, row: Int32) -> None:
    """Sets the bits of the tokens that end at a trie node."""
    for i in range(t.tok_start[node], t.tok_end[node]):
        token = t.token_ids[i]
        row[token >> 5] |= np.int32(1) << np.int32(token & 31)


@kernel
def select(m: Machine, a: Arena, configuration: int, wanted: NDArray[np.uint8]) -> int:
    """The configuration with only the items whose state is wanted, or a status."""
    first = configuration + HEADER + Int(a.control[3])
    for i in range(a.heap[configuration + 1]):
        at = first + 3 * i
        if wanted[a.heap[at]] == 1 and not _push(a, Int(a.heap[at]), Int(a.heap[at + 1]), Int(a.heap[at + 2])):
            a.control[2] = 0
            return LIMIT
    return _intern(m, a, Int(CONFIGURATION), Int(0), Int(0))


@kernel
def tabulate(
    t: Trie, following: Int32, least: Int32, state: int, path: Int32, tokens: Int32, grades: Int32, exits: Int32,
    ticks: Int32,
) -> tuple[int, int]:  # fmt: skip
    """Walks the trie from a state of a leaf alone. Returns how many tokens stay inside, and how many nodes are exits.

    `following[q, byte]` is 2 * target + tick, -1 for none; `least[q]` is the least number of characters from q to an
    end, with `CLOSED` added where no other number is possible and `ENDS` where the leaf may end. Tokens that stay
    inside get a grade: the characters that must fit in all, those read plus the least that follow. Exits are nodes
    where the leaf may end, with the characters read so far; -1 exits when there are more than the array holds.
    """
    inside = Int(0)
    found = Int(0)
    path[0, 0], path[0, 1] = state, 0
    node = 0
    while node < len(t.byte):
        depth = t.depth[node]
        after = following[path[depth - 1, 0], t.byte[node]]
        if after < 0:
            node = Int(t.end[node])
            continue
        target, count = after >> 1, path[depth - 1, 1] + (after & 1)
        path[depth, 0], path[depth, 1] = target, count
        if least[target] & ENDS:
            if found >= len(exits):
                return inside, -1
            exits[found], ticks[found] = node, count
            found += 1
        if not least[target] & CLOSED:
            for i in range(t.tok_start[node], t.tok_end[node]):
                tokens[inside], grades[inside] = t.token_ids[i], count + (least[target] & LEAST)
                inside += 1
        node += 1
    return inside, found


@kernel
def settle_bytes(m: Machine, state_bytes: Int32, rule_bytes: Int32) -> None:
    """Lowers the fewest bytes to the end of each PLAIN rule's states, and of each whole rule, until nothing changes.

    Both arrays come in filled with `TOO_MANY`; a special token counts as one byte.
    """
    changed = True
    while changed:
        changed = False
        for state in range(len(m.state_rule) - 1, -1, -1):
            if m.rule_kind[m.state_rule[state]] != PLAIN:
                continue
            best = 0 if m.state_final[state] == 1 else Int(state_bytes[state])
            for edge in range(m.edge_start[state], m.edge_start[state + 1]):
                best = min(best, 1 + Int(state_bytes[m.edge_to[edge]]))
            for call in range(m.call_start[state], m.call_start[state + 1]):
                best = min(best, _call_bytes(m, state_bytes, rule_bytes, call))
            if best < state_bytes[state]:
                state_bytes[state] = best
                changed = True
        for rule in range(len(m.rule_kind) - 1, -1, -1):
            first = Int(m.rule_start[rule])
            best = Int(state_bytes[first])
            if m.rule_kind[rule] == REPEAT:
                best = min(TOO_MANY, Int(m.rule_min[rule]) * Int(rule_bytes[m.call_rule[m.call_start[first]]]))
            elif m.rule_kind[rule] == WINDOW:
                best = _window_cost(m, first, Int(0))
            if best < rule_bytes[rule]:
                rule_bytes[rule] = best
                changed = True


@kernel
def _call_bytes(m: Machine, state_bytes: Int32, rule_bytes: Int32, call: int) -> int:
    after = 0 if m.call_return[call] < 0 else Int(state_bytes[m.call_return[call]])
    return min(TOO_MANY, Int(rule_bytes[m.call_rule[call]]) + after)


@kernel
def _cheapest(m: Machine, state_bytes: Int32, rule_bytes: Int32, state: int) -> tuple[int, int]:
    """The choice that ends a rule in the fewest bytes: (edge, -1), (-1, call), or (-1, -1) to end at once."""
    if m.state_final[state] == 1:
        return -1, -1
    for edge in range(m.edge_start[state], m.edge_start[state + 1]):
        if 1 + state_bytes[m.edge_to[edge]] == state_bytes[state]:
            return edge, -1
    for call in range(m.call_start[state], m.call_start[state + 1]):
        if _call_bytes(m, state_bytes, rule_bytes, call) == state_bytes[state]:
            return -1, call
    return -1, -1


@kernel
def settle_tokens(m: Machine, t: Trie, state_bytes: Int32, rule_bytes: Int32) -> None:
    """Fills `m.state_cost` and `m.rule_cost` (given as -1) along the cheapest choices of bytes.

    A run of bytes is spelled by the longest token that begins it, then the next longest, and so on; so each token of
    that spelling lowers the cost by one.
    """
    changed = True
    while changed:
        changed = False
        for state in range(len(m.state_rule) - 1, -1, -1):
            if m.state_cost[state] < 0 and m.rule_kind[m.state_rule[state]] == PLAIN:
                cost = _state_tokens(m, t, state_bytes, rule_bytes, Int(state))
                if cost >= 0:
                    m.state_cost[state] = min(TOO_MANY, cost)
                    changed = True
        for rule in range(len(m.rule_kind) - 1, -1, -1):
            if m.rule_cost[rule] >= 0:
                continue
            first = m.rule_start[rule]
            if m.rule_kind[rule] == PLAIN:
                m.rule_cost[rule] = m.state_cost[first]
            elif m.rule_kind[rule] == WINDOW:
                m.rule_cost[rule] = rule_bytes[rule]
            elif m.rule_cost[m.call_rule[m.call_start[first]]] >= 0:
                item = Int(m.rule_cost[m.call_rule[m.call_start[first]]])
                m.rule_cost[rule] = min(TOO_MANY, Int(m.rule_min[rule]) * item)
            changed |= m.rule_cost[rule] >= 0


@kernel
def _state_tokens(m: Machine, t: Trie, state_bytes: Int32, rule_bytes: Int32, state: int) -> int:
    """The cost of a state from the costs of others, -1 while one of them is not known."""
    edge, call = _cheapest(m, state_bytes, rule_bytes, state)
    if call >= 0:
        callee = Int(m.rule_cost[m.call_rule[call]])
        after = 0 if m.call_return[call] < 0 else Int(m.state_cost[m.call_return[call]])
        return -1 if callee < 0 or after < 0 else callee + after
    if edge < 0:
        return 0
    if m.edge_low[edge] >= 256:
        after = Int(m.state_cost[m.edge_to[edge]])
        return -1 if after < 0 else 1 + after
    node = Int(-1)
    longest = Int(-1)
    while edge >= 0 and m.edge_low[edge] < 256:
        node = _child(t, node, Int(m.edge_low[edge]))
        if node < 0:
            break
        state = Int(m.edge_to[edge])
        if t.tok_start[node] < t.tok_end[node]:
            longest = state
        edge, call = _cheapest(m, state_bytes, rule_bytes, state)
    if longest < 0:
        return TOO_MANY
    after = Int(m.state_cost[longest])
    return -1 if after < 0 else 1 + after


@kernel
def _child(t: Trie, node: int, byte: int) -> int:
    """The child of a trie node (-1: of the root) behind a byte, -1 for none."""
    child = node + 1
    stop = len(t.byte) if node < 0 else Int(t.end[node])
    while child < stop:
        if t.byte[child] == byte:
            return child
        child = Int(t.end[child])
    return -1


@kernel
def rehash(heap: Int32, old: Int32, new: Int32) -> None:
    """Enters all records of an old hash table into a new one."""
    for entry in old:
        if entry != 0:
            slot = heap[entry + 4] & (len(new) - 1)
            while new[slot] != 0:
                slot = (slot + 1) & (len(new) - 1)
            new[slot] = entry
