"""The kernels that make the tables of leaves: what a vocabulary does inside a leaf, from one of its states.

Place in the walk: leaf × Trie -> rows and exits; `tokenizer_align.leaves` calls them and keeps what they find. They
know no stacks and no configurations. `docs/engine.md` derives them from the walk over the whole trie.

**Kinds.** A leaf reads characters, mostly, and a subtree of the trie holds pieces of them. A state and the string of a
trie node are of kind 0 between two characters, of kinds 1 to 7 inside of one, by the bytes that complete it
(RFC 3629, section 4), `BROKEN` if none of these.

    kind    1      2          3             4          5          6             7
    begun   C2-DF  E1-EF      F1-F3         E0         ED         F0            F4
    next    80-BF  80-BF: 1   80-BF: 2      A0-BF: 1   80-9F: 1   90-BF: 2      80-8F: 2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grammars.tables import (
    EDGE_COLUMNS,
    EDGE_HIGH,
    EDGE_LOW,
    EDGE_TICK,
    EDGE_TO,
    FIRST_EDGE,
    STATE_COLUMNS,
)
from tokenizer_align.context import Context, octets, table, words
from tokenizer_align.jit import inlined, kernel
from tokenizer_align.kernels import (
    BELOW,
    CHARACTERS,
    EDGES,
    KID_BYTES,
    KID_LEADS,
    KID_PLAIN,
    KIDS,
    PATH,
    STATES,
    TOKEN_IDS,
    TOKENS_BELOW,
    TOKENS_FROM,
    TOKENS_TO,
    TRIE_KIDS,
)

__all__ = ["CLOSED", "ENDS", "lines", "longest_round", "order_by_grade", "sign_subtrees", "survey", "tabulate"]

Int32 = NDArray[np.int32]
if TYPE_CHECKING:
    Int = int
else:
    Int = np.int64  # as in `tokenizer_align.kernels`

LEAST = 2**20 - 1  # in `least`: the least number of characters
CLOSED = 2**20
ENDS = 2**21

BROKEN = 8
FAR = 1 << 20  # farther than any token is long
SETS = 8  # kept of a leaf
DRAFTS = 64  # looked at
NARROW = 24  # a walk over so few bytes needs no help
LINES = 4096  # 4 MiB
SET_COLUMNS = 10  # 8 words of bytes; whether it has characters beyond ASCII, all those of a first byte; a score
MANY, SCORE = 8, 9
BELOW_COLUMNS = 12  # 8 words: the bytes below a node; kinds; height of the subtree; of its string characters and leads
FITS, HEIGHT, COUNT, LED = 8, 9, 10, 11


def _after() -> Int32:
    """The kind after a byte, int32 (8, 256), -1 where it cannot be; see the table above."""
    after = np.full((8, 256), -1, np.int32)
    after[0, :0x80] = 0
    begun = ((0xC2, 0xDF), (0xE1, 0xEF), (0xF1, 0xF3), (0xE0, 0xE0), (0xED, 0xED), (0xF0, 0xF0), (0xF4, 0xF4))
    rest = ((0x80, 0xBF, 0), (0x80, 0xBF, 1), (0x80, 0xBF, 2), (0xA0, 0xBF, 1), (0x80, 0x9F, 1), (0x90, 0xBF, 2),
            (0x80, 0x8F, 2))  # fmt: skip
    for kind, ((first, last), (low, high, then)) in enumerate(zip(begun, rest, strict=True), start=1):
        after[0, first : last + 1] = kind
        after[kind, low : high + 1] = then
    return after


def _leads() -> Int32:
    leads = np.zeros(256, np.int32)
    for byte in range(0xC2, 0xF5):
        leads[byte] = 1 << (16 if byte >= 0xF0 else byte - 0xE0 if byte >= 0xE0 else 17 + ((byte - 0xC2) >> 2))
    return leads


AFTER = _after()
LEADS = _leads()
"""The bit that stands for a byte as the first of a character, a lead: one for each of E0-EF, fewer for the rest."""

RAW = np.array([0, ~(1 << 2), ~(1 << 28), -1], np.int32)
"""The ASCII characters that stand for themselves in a JSON string, as words: all from 0x20 on but `"` and `\\`."""


@kernel
def first_answers(states: Int32, edges: Int32, start: int, wide: int, narrow: int, answers: Int32) -> None:
    """Says 0 of the states from `start` on that have edges for `wide` bytes or more, `narrow` of the others."""
    for i in range(len(answers)):
        width = Int(0)
        for edge in range(states[start + i, FIRST_EDGE], states[start + i + 1, FIRST_EDGE]):
            width += Int(edges[edge, EDGE_HIGH]) - Int(edges[edge, EDGE_LOW]) + 1
        answers[i] = narrow if width < wide else 0


# -- the trie ----------------------------------------------------------------------------------------------------------


@kernel
def sign_subtrees(c: Context, kinds: Int32, depths: Int32) -> None:
    """Fills `BELOW`, `KID_PLAIN` and `KID_LEADS`, all given as 0, and the kind of each node's string, -1 if not plain.

    Children have larger numbers. Bit k of `FITS` is set when all that is below the node is whole or begun characters
    for a reader of kind k. Plain is what stands for itself in a JSON string; `KID_PLAIN` is the length of the longest
    token in the child's subtree if all its strings are plain, else 0. `KID_LEADS` has the `LEADS` of these strings.
    """
    below, starts, kids = table(c, BELOW, BELOW_COLUMNS), words(c, TRIE_KIDS), words(c, KIDS)
    kid_bytes, plain, leads = octets(c, KID_BYTES), words(c, KID_PLAIN), words(c, KID_LEADS)
    for node in range(-1, len(below)):
        for kid in range(starts[node + 1], starts[node + 2]):
            child, byte = kids[kid], Int(kid_bytes[kid])
            before = Int(0) if node < 0 else Int(kinds[node])
            after = Int(-1) if before < 0 else Int(AFTER[before, byte])
            if byte < 0x80 and not RAW[byte >> 5] >> (byte & 31) & 1:
                after = Int(-1)
            kinds[child] = after
            below[child, COUNT] = (0 if node < 0 else below[node, COUNT]) + (0 if 0x80 <= byte < 0xC0 else 1)
            below[child, LED] = (0 if node < 0 else below[node, LED]) | Int(LEADS[byte])
    for node in range(len(below) - 1, -2, -1):
        fits = 0xFF
        for kid in range(starts[node + 1], starts[node + 2]):
            child, byte = kids[kid], Int(kid_bytes[kid])
            if kinds[child] >= 0 and below[child, FITS] >> kinds[child] & 1:
                raw = True
                for word in range(4):
                    raw = raw and below[child, word] & ~RAW[word] == 0
                plain[kid] = depths[child] + below[child, HEIGHT] if raw else 0
                led = Int(below[child, LED])
                for lead in range(0xC2, 0xF5):
                    led |= Int(LEADS[lead]) if below[child, lead >> 5] >> (lead & 31) & 1 else 0
                leads[kid] = led
            if node < 0:
                continue
            for word in range(8):
                below[node, word] |= below[child, word]
            below[node, byte >> 5] |= np.int32(1) << np.int32(byte & 31)
            below[node, HEIGHT] = max(below[node, HEIGHT], below[child, HEIGHT] + 1)
            for kind in range(8):
                after = Int(AFTER[kind, byte])
                if after < 0 or not below[child, FITS] >> after & 1:
                    fits &= ~(1 << kind)
        if node >= 0:
            below[node, FITS] = fits


# -- a leaf ------------------------------------------------------------------------------------------------------------


def survey(
    c: Context, start: int, ticking: int, least: Int32, kinds: Int32, sets: Int32, ranks: Int32, relevant: Int32,
    room: Int32,
) -> int:  # fmt: skip
    """Finds sets of bytes over which a leaf can be read freely, and how far from each state. Returns their number.

    States are counted from `start`, the leaf's first. `least` as in `tabulate`. Filled are `kinds` (states,), `sets`
    (`DRAFTS`, `SET_COLUMNS`) and `room` (states, `SETS`): every string over the k-th set of at most `room[q, k]` bytes
    (if `MANY`, of the set's ASCII bytes and of whole or begun characters that begin with one of its bytes, as a reader
    of q's kind reads them) leads from q to states where the leaf does not end and, with `ticking`, which have q's
    `least`. All arrays but `least` come in as 0; `ranks` (`SETS`, 257) and `relevant` (edges,) are scratch space. Its
    parts are kernels of their own, since one would compile longer.
    """
    _find_kinds(c, start, kinds)
    count = _find_sets(c, start, ticking, kinds, sets, room)
    _find_edges(c, start, ticking, least, kinds, sets, ranks, relevant, room, count)
    begins, before, queue = np.zeros(len(room) + 2, np.int32), np.empty((len(relevant), 2), np.int32), least.copy()
    _find_room(c, start, least, relevant, room, count, begins, before, queue)
    return count


@kernel
def _find_kinds(c: Context, start: int, kinds: Int32) -> None:
    """The kinds of a leaf's states; one inside a character reads exactly the bytes of its kind, to what follows it."""
    edges, states = table(c, EDGES, EDGE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    for state in range(len(kinds)):
        first = states[start + state, FIRST_EDGE]
        inside = first < states[start + state + 1, FIRST_EDGE] and 0x80 <= edges[first, EDGE_LOW] < 256
        kinds[state] = BROKEN if inside else 0
    for _ in range(3):
        for state in range(len(kinds)):
            if kinds[state] != BROKEN:
                continue
            for kind in range(1, BROKEN):
                missing = Int(0)
                for byte in range(0x80, 0xC0):
                    missing += 1 if AFTER[kind, byte] >= 0 else 0
                for edge in range(states[start + state, FIRST_EDGE], states[start + state + 1, FIRST_EDGE]):
                    low, high = Int(edges[edge, EDGE_LOW]), min(255, Int(edges[edge, EDGE_HIGH]))
                    to = Int(kinds[edges[edge, EDGE_TO] - start])
                    if AFTER[kind, low] != to or AFTER[kind, high] != to:  # the bytes of a kind are one range
                        missing += 256
                    missing -= high - low + 1
                if missing == 0:
                    kinds[state] = kind
                    break


@kernel
def _find_sets(c: Context, start: int, ticking: int, kinds: Int32, sets: Int32, widths: Int32) -> int:
    """Drafts two sets a state, the bytes that lead on to as wide a state and those that lead back; keeps the best."""
    edges, states = table(c, EDGES, EDGE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    for state in range(len(kinds)):
        for edge in range(states[start + state, FIRST_EDGE], states[start + state + 1, FIRST_EDGE]):
            widths[state, 0] += max(0, min(0x7F, edges[edge, EDGE_HIGH]) + 1 - edges[edge, EDGE_LOW])
    count = Int(0)
    for draft in range(2 * len(kinds)):
        state = draft >> 1
        if kinds[state] != 0 or count >= DRAFTS:
            continue
        for word in range(SET_COLUMNS):
            sets[count, word] = 0
        size = Int(0)
        for edge in range(states[start + state, FIRST_EDGE], states[start + state + 1, FIRST_EDGE]):
            low, high = Int(edges[edge, EDGE_LOW]), min(255, Int(edges[edge, EDGE_HIGH]))
            to = Int(edges[edge, EDGE_TO]) - start
            if edges[edge, EDGE_TICK] != ticking:
                continue
            wanted = to == state if draft & 1 else kinds[to] == 0 and 2 * widths[to, 0] >= widths[state, 0]
            for byte in range(low, high + 1):
                many = AFTER[0, byte] > 0 and kinds[to] == AFTER[0, byte]
                if many or (wanted and (byte < 0x80 or (draft & 1 and ticking == 0))):
                    sets[count, byte >> 5] |= np.int32(1) << np.int32(byte & 31)
                    sets[count, MANY] |= many
                    size += 0 if many else 1
        if sets[count, MANY] == 1:  # of the bytes that begin no character none belongs to it, those that go on one do
            sets[count, 4], sets[count, 5] = -1, -1
            sets[count, 6], sets[count, 7] = sets[count, 6] & ~3, sets[count, 7] & 0x1FFFFF
        if size < NARROW:
            continue
        same = Int(0)
        while same < count and not _equal_sets(sets, same, count):
            same += 1
        sets[same, SCORE] += size
        count += 1 if same == count else 0
    for k in range(min(count, SETS)):
        best = k
        for other in range(k + 1, count):
            best = other if sets[other, SCORE] > sets[best, SCORE] else best
        for word in range(SET_COLUMNS):
            sets[k, word], sets[best, word] = sets[best, word], sets[k, word]
    return min(count, SETS)


@inlined
def _equal_sets(sets: Int32, left: int, right: int) -> bool:
    same = True
    for word in range(SCORE):
        same = same and sets[left, word] == sets[right, word]
    return same


@kernel
def _find_edges(
    c: Context, start: int, ticking: int, least: Int32, kinds: Int32, sets: Int32, ranks: Int32, relevant: Int32,
    room: Int32, count: int,
) -> None:  # fmt: skip
    """Bit k of `relevant[e]` for an edge on a byte of the k-th set; `room` is 0 where one is wrong, or `FAR`."""
    edges, states = table(c, EDGES, EDGE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    base = states[start, FIRST_EDGE]
    for k in range(count):
        for byte in range(256):
            member = Int(sets[k, byte >> 5] >> (byte & 31) & 1)
            if sets[k, MANY] == 1 and 0x80 <= byte < 0xC0:
                member = Int(0)
            ranks[k, byte + 1] = ranks[k, byte] + member
    for state in range(len(kinds)):
        kind = Int(kinds[state])
        first, end = Int(states[start + state, FIRST_EDGE]), Int(states[start + state + 1, FIRST_EDGE])
        room[state, 0] = 0
        for k in range(count):
            room[state, k] = FAR if kind == 0 or (sets[k, MANY] == 1 and kind != BROKEN) else 0
            covered = Int(0)
            for edge in range(first, end if room[state, k] > 0 else first):
                low, high = Int(edges[edge, EDGE_LOW]), min(255, Int(edges[edge, EDGE_HIGH]))
                to = Int(edges[edge, EDGE_TO]) - start
                hits = Int(1)
                if kind == 0:
                    hits = Int(ranks[k, high + 1] - ranks[k, low]) if low <= high else Int(0)
                    covered += hits
                if hits == 0:
                    continue
                relevant[edge - base] |= np.int32(1) << np.int32(k)
                fits = edges[edge, EDGE_TICK] == (ticking if kind == 0 else 0)
                fits = fits and (ticking == 0 or least[to] == least[state])
                for byte in range(low, high + 1 if kind == 0 and sets[k, MANY] == 1 else low):
                    if ranks[k, byte + 1] > ranks[k, byte] and kinds[to] != AFTER[0, byte]:
                        fits = False
                room[state, k] = room[state, k] if fits else 0
            if kind == 0 and covered != ranks[k, 256]:
                room[state, k] = 0


@kernel
def _find_room(
    c: Context, start: int, least: Int32, relevant: Int32, room: Int32, count: int, begins: Int32, before: Int32,
    queue: Int32,
) -> None:  # fmt: skip
    """Lowers `room` to the distance from the next state that cannot read all of a set, or where the leaf ends.

    By breadth, backwards from those. Scratch space: `begins` (states + 2,), given as 0, says where in `before`
    (edges, 2) the states before each one are, with the sets that lead from there; `queue` (states,).
    """
    edges, states = table(c, EDGES, EDGE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    base = states[start, FIRST_EDGE]
    for edge in range(len(relevant)):
        begins[edges[base + edge, EDGE_TO] - start + 2] += 1
    for state in range(len(room)):
        begins[state + 2] += begins[state + 1]
    for state in range(len(room)):
        for edge in range(states[start + state, FIRST_EDGE], states[start + state + 1, FIRST_EDGE]):
            hits = Int(relevant[edge - base])
            to = Int(edges[edge, EDGE_TO]) - start
            place = Int(begins[to + 1])
            before[place, 0], before[place, 1] = state, hits
            begins[to + 1] += 1
            for k in range(count if hits and least[to] & (ENDS | CLOSED) else 0):
                room[state, k] = 0 if hits >> k & 1 else room[state, k]
    for k in range(count):
        tail = Int(0)
        for state in range(len(room)):
            if room[state, k] == 0:
                queue[tail] = state
                tail += 1
        head = Int(0)
        while head < tail:
            to = Int(queue[head])
            head += 1
            for place in range(begins[to], begins[to + 1]):
                state = Int(before[place, 0])
                if before[place, 1] >> k & 1 and room[state, k] == FAR:
                    room[state, k] = room[to, k] + 1
                    queue[tail] = state
                    tail += 1


@kernel
def tabulate(
    c: Context, start: int, state: int, ticking: int, covered: int, uncovered: int, least: Int32, kinds: Int32,
    sets: Int32, room: Int32, spread: Int32, following: Int32, row: Int32, tokens: Int32, grades: Int32, exits: Int32,
    ticks: Int32,
) -> tuple[int, int]:  # fmt: skip
    """Walks the trie from a state of a leaf alone. Returns how many tokens were met inside, and how many exits.

    States are counted from `start`, the leaf's first; `kinds`, `sets` and `room` are from `survey`, `spread` and
    `following` as in `_spread`. `least[q]` is the least number of characters from q to an end, with `CLOSED` added
    where no other number is possible and `ENDS` where the leaf may end. Tokens that stay inside are set in `row`; with
    `ticking` they are listed with a grade instead: the characters that must fit in all, those read plus the least that
    follow. Exits are nodes where the leaf may end, with the characters read so far; -1 exits when there are more than
    the array holds. Among them, as ~node, are those where it is closed and does not end yet (a JSON string before its
    quote). A subtree that only holds what can be read freely is taken as a whole. Plain strings of at most
    `covered` bytes are in the row already, but for those with a lead of `uncovered`.
    """
    path, starts, kids, kid_bytes = table(c, PATH, 4), words(c, TRIE_KIDS), words(c, KIDS), octets(c, KID_BYTES)
    tokens_from, tokens_to, token_ids = words(c, TOKENS_FROM), words(c, TOKENS_TO), words(c, TOKEN_IDS)
    tokens_below, below = words(c, TOKENS_BELOW), table(c, BELOW, BELOW_COLUMNS)
    plain, leads, characters = words(c, KID_PLAIN), words(c, KID_LEADS), words(c, CHARACTERS)
    inside = Int(0)
    found = Int(0)
    depth = 0
    path[0, 0], path[0, 1], path[0, 2], path[0, 3] = state, starts[0], starts[1], 0
    while depth >= 0:
        kid, end, before = Int(path[depth, 1]), Int(path[depth, 2]), Int(path[depth, 0])
        line = _spread(c, start, before, spread, following)
        after = Int(-1)
        while kid < end and after < 0:
            if not 0 < plain[kid] <= covered or leads[kid] & uncovered:
                after = Int(following[line, kid_bytes[kid]])
            kid += 1
        path[depth, 1] = kid
        if after < 0:
            depth -= 1
            continue
        node, target, count = Int(kids[kid - 1]), after >> 1, Int(path[depth, 3]) + (after & 1)
        last = Int(tokens_to[node])
        whole = starts[node + 1] == starts[node + 2]
        for k in range(0 if whole else room.shape[1]):
            if below[node, HEIGHT] <= room[target, k]:
                free = sets[k, MANY] == 0 or below[node, FITS] >> kinds[target] & 1 == 1
                for word in range(8):
                    free = free and below[node, word] & ~sets[k, word] == 0
                if free:
                    whole = True
                    last = Int(tokens_below[node])
                    break
        if least[target] & (ENDS | CLOSED):
            if found >= len(exits):
                return inside, -1
            exits[found], ticks[found] = node if least[target] & ENDS else ~node, count
            found += 1
        for i in range(tokens_from[node], tokens_from[node] if least[target] & CLOSED else last):
            token = token_ids[i]
            if ticking == 1:
                tokens[inside] = token
                grades[inside] = count + characters[token] - below[node, COUNT] + (least[target] & LEAST)
            else:
                row[token >> 5] |= np.int32(1) << np.int32(token & 31)
            inside += 1
        if not whole:
            depth += 1
            path[depth, 0], path[depth, 3] = target, count
            path[depth, 1], path[depth, 2] = starts[node + 1], starts[node + 2]
    return inside, found


@kernel
def list_children(c: Context, exits: Int32, ticks: Int32, starts: Int32, children: Int32) -> int:
    """Lists the children of the exits that are nodes, by byte: node, characters, exit. Returns how many there are.

    Where those of each byte begin is left in `starts`, which is given as 0.
    """
    first, kids, kid_bytes = words(c, TRIE_KIDS), words(c, KIDS), octets(c, KID_BYTES)
    for exit in exits:
        if exit < 0:
            continue
        for kid in range(first[exit + 1], first[exit + 2]):
            starts[Int(kid_bytes[kid]) + 1] += 1
    for byte in range(256):
        starts[byte + 1] += starts[byte]
    total = Int(starts[256])
    for i in range(len(exits)):
        exit = exits[i]
        if exit < 0:
            continue
        for kid in range(first[exit + 1], first[exit + 2]):
            at = 3 * Int(starts[kid_bytes[kid]])
            children[at], children[at + 1], children[at + 2] = kids[kid], ticks[i], exit
            starts[kid_bytes[kid]] += 1
    for byte in range(255, 0, -1):  # each byte's now end where they did
        starts[byte] = starts[byte - 1]
    starts[0] = 0
    return total


@kernel
def longest_round(c: Context, start: int, home: int, spread: Int32, following: Int32) -> int:
    """The most characters that one token reads from a state of a window back to it; states as in `tabulate`."""
    path, starts, kids, kid_bytes = table(c, PATH, 4), words(c, TRIE_KIDS), words(c, KIDS), octets(c, KID_BYTES)
    best = Int(0)
    depth = 0
    path[0, 0], path[0, 1], path[0, 2], path[0, 3] = home, starts[0], starts[1], 0
    while depth >= 0:
        kid = Int(path[depth, 1])
        if kid == path[depth, 2]:
            depth -= 1
            continue
        path[depth, 1] = kid + 1
        after = Int(following[_spread(c, start, Int(path[depth, 0]), spread, following), kid_bytes[kid]])
        if after < 0:
            continue
        node, count = Int(kids[kid]), Int(path[depth, 3]) + (after & 1)
        if after >> 1 == home and words(c, TOKENS_FROM)[node] < words(c, TOKENS_TO)[node]:
            best = max(best, count)
        depth += 1
        path[depth, 0], path[depth, 3] = after >> 1, count
        path[depth, 1], path[depth, 2] = starts[node + 1], starts[node + 2]
    return best


def missing_leads(bits: Int32) -> int:
    """The `LEADS` of the bytes that begin characters which do not belong to a set."""
    if not bits[MANY]:
        return int(np.bitwise_or.reduce(LEADS))
    known = np.unpackbits(bits[:8].view(np.uint8), bitorder="little")
    return int(np.bitwise_or.reduce(LEADS[known == 0]))


@kernel
def order_by_grade(tokens: Int32, grades: Int32, until: Int32, ordered: Int32) -> None:
    """Writes tokens to `ordered` by their grade; `until`, given as 0, says how many have at most each grade."""
    for grade in grades:
        until[grade] += 1
    begin = Int(0)
    for grade in range(len(until)):
        count = Int(until[grade])
        until[grade] = begin
        begin += count
    for i in range(len(tokens)):
        ordered[until[grades[i]]] = tokens[i]
        until[grades[i]] += 1


def lines(states: int) -> tuple[Int32, Int32]:
    """`spread` and `following` of `_spread` for a leaf of that many states; memory is taken as lines are written."""
    return np.zeros(states + 1, np.int32), np.empty((min(states, LINES), 256), np.int32)


@kernel
def _spread(c: Context, start: int, state: int, spread: Int32, following: Int32) -> int:
    """The line of a state in `following` (n, 256), written when it is first asked for.

    `following[line, byte]` is 2 * target + tick, -1 for none. `spread` (states + 1,) is 1 + the line of each state, 0
    for none yet, and in the end how many are written; when there is no room left, all are forgotten.
    """
    if spread[state] > 0:
        return Int(spread[state]) - 1
    line = Int(spread[len(spread) - 1])
    if line == len(following):
        for other in range(len(spread)):
            spread[other] = 0
        line = Int(0)
    spread[state], spread[len(spread) - 1] = line + 1, line + 1
    edges, states = table(c, EDGES, EDGE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    for byte in range(256):
        following[line, byte] = -1
    for edge in range(states[start + state, FIRST_EDGE], states[start + state + 1, FIRST_EDGE]):
        after = 2 * (Int(edges[edge, EDGE_TO]) - start) + Int(edges[edge, EDGE_TICK])
        for byte in range(edges[edge, EDGE_LOW], min(255, Int(edges[edge, EDGE_HIGH])) + 1):
            following[line, byte] = after
    return line
