"""Leaves: what a vocabulary does inside a leaf, once for all grammars.

Place in the walk: leaf × Trie -> **rows and exits**, which the kernels put together with the stacks. A leaf (a
rule without calls: a string, a number, whitespace) behaves alike wherever it stands, so for each of its states one walk
over the trie finds the row of the tokens that stay inside it, and the trie nodes where it may end. What follows an exit
depends on the stack, and is a walk below these few nodes: of Llama-3.1's 128 thousand tokens 123 thousand stay inside a
JSON string and 1,312 leave it.

In a window the row depends on how many characters are left: each token has a grade, the characters that must fit, and
the row for a room of r characters holds the tokens of grade at most r.
"""

from __future__ import annotations

import itertools
import mmap
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammars.automaton import ByteAutomaton
from grammars.fragments import Fragment
from grammars.rules import Kind
from grammars.tables import (
    EDGE_TICK,
    EDGE_TO,
    FIRST_EDGE,
    LENGTHS,
    LENGTHS_WIDTH,
    RULE_KIND,
    RULE_MIN,
    RULE_START,
    STATE_FINAL,
    STATE_RULE,
)
from tokenizer_align import kernels, leaf_kernels
from tokenizer_align.context import Context, new_context, put
from tokenizer_align.vocabulary import Vocabulary

__all__ = ["Leaves", "extent", "leaves_of"]

Int32 = NDArray[np.int32]

_WIDE = 24  # bytes that a state must allow for its row to be worth a table at once; narrower ones are walked in no time
_STATES = 1 << 15  # of a leaf: a larger one is walked like any rule, to survey it would take more than 0.1 s
_EXITS = 1 << 14  # of a state: where a leaf may end almost anywhere, its exits are the whole trie
_ROWS = 1 << 24  # words of rows after which new arenas begin with new tables: 64 MiB
_REMEMBERED = 1 << 18  # states of leaves, likewise: what is known of a leaf keeps it alive, about 200 bytes a state
_GAPS = 64  # characters of a minimum up to which it is looked at whether gaps matter; with more they may
_SHAPES = 8  # kept: masks ask for states of one leaf, and of the next one
_NUMBERS = itertools.count()


@dataclass(slots=True)
class _Shape:
    """What the walks from all states of a leaf share: see `leaf_kernels.survey` and `leaf_kernels.tabulate`."""

    ticking: int
    least: Int32
    kinds: Int32
    sets: Int32
    room: Int32
    spread: Int32
    following: Int32

    def covered(self, state: int) -> tuple[int, int]:
        """How long plain strings may be that all stay inside from a state, unless they have one of these leads."""
        best = 0, 0
        for k in range(0 if self.ticking or self.kinds[state] else leaf_kernels.SETS):
            reach, bits = int(self.room[state, k]), self.sets[k]
            if reach > best[0] and (leaf_kernels.RAW & ~bits[:4] == 0).all():
                best = reach, leaf_kernels.missing_leads(bits)
        return best


@dataclass(slots=True)
class _Graded:
    """The tokens that stay inside a leaf from one state, by grade."""

    tokens: Int32
    until: Int32  # how many have at most each grade


class Leaves:
    """The tables of all leaves over one vocabulary, each made when it is first asked for; arrays for the kernels.

    Arrays are replaced when they grow, so that a kernel that holds older ones reads what was true then. The numbers of
    tables reach an arena together with the arrays; those of rows stand in an array, which is replaced with the rows.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.words = (vocabulary.size + 31) // 32
        self.number = next(_NUMBERS)  # tells tables apart
        self.patience = 4  # masks from a narrow state before it gets a table
        self.lock = threading.RLock()
        self._graded: list[_Graded | None] = [None]
        self._known: dict[Fragment, dict[int, int]] = {}  # by leaf and state
        self._about = np.zeros((16, 5), np.int32)
        self._slots = np.zeros(256, np.int32)
        rows = max(16, min(self.words, _ROWS // self.words))  # a longer array would be a copy of them all, in one mask
        self._rows = _reserved(rows, self.words)
        self._first: dict[Fragment, Int32] = {}  # by leaf what `LEAF_OF` says at first
        self._shapes: OrderedDict[Fragment, _Shape] = OrderedDict()
        self._graded_from: dict[tuple[Fragment, int], bool] = {}  # by leaf and minimum
        self._remembered = 0  # states of the leaves there, and some for each
        self._endings, self._exits = np.zeros((1024, 2), np.int32), np.zeros((1024, 3), np.int32)
        self._exit_bytes = np.zeros(16 * 257, np.int32)
        self._used = {"leaves": 1, "slots": 0, "rows": 0, "endings": 0, "exits": 0}
        trie, kids = vocabulary.trie, vocabulary.trie.children
        self.tokens = vocabulary.size
        self._fixed: tuple[tuple[int, NDArray[Any]], ...] = (
            (kernels.TRIE_KIDS, kids.start),
            (kernels.KIDS, kids.node),
            (kernels.KID_BYTES, kids.byte),
            (kernels.TOKENS_FROM, trie.tok_start),
            (kernels.TOKENS_TO, trie.tok_end),
            (kernels.TOKEN_IDS, trie.token_ids),
            (kernels.SPELLING_FROM, vocabulary.spellings[0]),
            (kernels.SPELLINGS, vocabulary.spellings[1]),
        )
        below = np.zeros((len(trie), leaf_kernels.BELOW_COLUMNS), np.int32)
        starts, data = vocabulary.spellings
        begun = np.cumsum(np.concatenate([[0], (data & 0xC0) != 0x80]), dtype=np.int32)
        self._fixed += (
            (kernels.BELOW, below),
            (kernels.TOKENS_BELOW, trie.tok_start[trie.end].astype(np.int32)),
            (kernels.KID_PLAIN, np.zeros(len(trie), np.int32)),
            (kernels.KID_LEADS, np.zeros(len(trie), np.int32)),
            (kernels.CHARACTERS, begun[starts[1:]] - begun[starts[:-1]]),
            (kernels.END_TOKENS, np.array(vocabulary.eos_token_ids, np.int32)),
        )
        self._context = new_context(kernels.SLOTS)
        self._told: dict[int, NDArray[Any]] = {}  # of the arrays that grow those that are in it
        for slot, array in self._fixed:
            put(self._context, slot, array)
        kinds = np.zeros(len(trie), np.int32)
        leaf_kernels.sign_subtrees(self._context, kinds, trie.depth)
        self.depth = int(trie.depth.max(initial=0)) + 2
        nodes = np.flatnonzero((kinds >= 0) & (trie.tok_start[:-1] < trie.tok_end))
        nodes = nodes[np.argsort(trie.depth[nodes], kind="stable")]
        first, last = trie.tok_start[nodes], trie.tok_end[nodes]
        self._plain = trie.token_ids[_ranges(first, last)]  # by length
        self._plain_until = np.cumsum(np.bincount(trie.depth[nodes], last - first, self.depth)).astype(np.int64)
        self._plain_leads = np.repeat(below[nodes, leaf_kernels.LED], last - first)
        self._plain_rows: dict[int, Int32] = {}  # by leads that are left out
        count = len(trie.token_ids)
        self._children = np.empty(3 * len(trie), np.int32)  # scratch space like the rest
        self._scratch = np.empty(count, np.int32), np.empty(count, np.int32), *np.empty((2, _EXITS), np.int32)

    @property
    def is_full(self) -> bool:
        """Whether new arenas should begin with tables of their own."""
        return self._used["rows"] * self.words > _ROWS or self._remembered > _REMEMBERED

    def new_context(self) -> Context:
        """A context with what never changes: the trie and the spellings, alive as long as these tables."""
        return self._context.copy()

    def context_and_arrays(self) -> tuple[Context, dict[int, NDArray[Any]]]:
        """A context that also has the tables made so far, and these by slot."""
        with self.lock:
            for slot, array in self.arrays():
                if array is not self._told.get(slot):
                    put(self._context, slot, array)
                    self._told[slot] = array
            return self._context.copy(), self._told.copy()

    def arrays(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Slot and array of the tables made so far."""
        with self.lock:
            yield kernels.LEAVES, self._about
            yield kernels.ROW_SLOTS, self._slots
            yield kernels.ROWS, self._rows
            yield kernels.ENDINGS, self._endings
            yield kernels.EXITS, self._exits
            yield kernels.EXIT_BYTES, self._exit_bytes

    def of_rule(self, automaton: ByteAutomaton, rule: int) -> Int32:
        """What `LEAF_OF` says at first of the states of a rule, int32 (states,).

        -1 where the rule is no leaf; a narrow state that no other grammar has tabulated is walked for its first few
        masks; a wide one is asked for when it is met.
        """
        key = automaton.leaf_key(rule)
        with self.lock:
            if key is None or _size(key) > _STATES or not self._is_graded(automaton, rule, key):
                return np.full(extent(automaton, rule)[1], -1, np.int32)
            found = self._first.get(key)
            if found is None:
                found, tables = np.empty(_size(key), np.int32), automaton.tables
                start = tables.rules.item(rule, RULE_START)
                leaf_kernels.first_answers(tables.states, tables.edges, start, _WIDE, -2 - self.patience, found)
                self._first[key] = found  # last: who interrupts leaves no answers that nobody gave
            return found.copy()

    def of_state(self, automaton: ByteAutomaton, state: int) -> int:
        """The number of the table of a state of a leaf; -1 for a state that is to be walked."""
        rule = int(automaton.tables.states[state, STATE_RULE])
        key = automaton.leaf_key(rule)
        number = state - int(automaton.tables.rules[rule, RULE_START])
        with self.lock:
            if key is None or not self._is_graded(automaton, rule, key):
                return -1
            known = self._known.setdefault(key, {})
            if number not in known:
                known[number] = self._tabulate(automaton, rule, key, number)
                if key in self._first:
                    self._first[key][number] = known[number]
            return known[number]

    def _is_graded(self, automaton: ByteAutomaton, rule: int, key: Fragment) -> bool:
        """Whether the tables of a leaf hold for a rule: those of a window do unless gaps and its minimum meet."""
        low = automaton.tables.rules.item(rule, RULE_MIN)
        found = self._graded_from.get((key, low))
        if found is None:
            found = self._graded_from[key, low] = not _gaps_matter(automaton, rule)
            self._remembered += 16 + _size(key)
        return found

    def _tabulate(self, automaton: ByteAutomaton, rule: int, key: Fragment, number: int) -> int:
        shape = self._shape(automaton, rule, key)
        tables, start = automaton.tables, int(automaton.tables.rules[rule, RULE_START])
        context, path = self.new_context(), np.zeros((self.depth, 4), np.int32)
        for slot, array in ((kernels.PATH, path), (kernels.STATES, tables.states), (kernels.EDGES, tables.edges)):
            put(context, slot, array)
        place, row = self._place(), self._rows[self._used["rows"]]
        covered, uncovered = shape.covered(number)
        until = int(self._plain_until[min(covered, len(self._plain_until) - 1)])
        if 2 * until > len(self._plain):
            row[:] = self._plain_row(uncovered)
            kernels.set_tokens(row, self._plain[until:], 0)
        else:
            covered = 0
            row[:] = 0
        inside, found = leaf_kernels.tabulate(
            context, start, number, shape.ticking, covered, uncovered, shape.least, shape.kinds, shape.sets, shape.room,
            shape.spread, shape.following, row, *self._scratch,
        )  # fmt: skip
        if found < 0:
            return -1
        tokens, grades, exits, ticks = self._scratch
        exits, ticks = exits[:found], ticks[:found]
        starts = np.zeros(257, np.int32)
        count = leaf_kernels.list_children(context, exits, ticks, starts, self._children)
        children = self._children[: 3 * count].reshape(-1, 3), starts
        if not shape.ticking:
            self._used["rows"] += 1
            leaf = self._add(None, np.zeros((0, 2), np.int32), *children)
            self._slots[self._about[leaf, 1]] = place + 1
            return leaf
        tokens, grades = tokens[:inside], grades[:inside]
        graded = _Graded(np.empty(inside, np.int32), np.zeros(int(grades.max(initial=0)) + 1, np.int32))
        leaf_kernels.order_by_grade(tokens, grades, graded.until, graded.tokens)
        endings = np.stack([np.maximum(exits, ~exits), ticks], axis=1)
        return self._add(graded, endings, *children)

    def _shape(self, automaton: ByteAutomaton, rule: int, key: Fragment) -> _Shape:
        """What the walks from all states of a leaf share."""
        if key in self._shapes:
            self._shapes.move_to_end(key)
            return self._shapes[key]
        if len(self._shapes) >= _SHAPES:
            self._shapes.popitem(last=False)
        tables = automaton.tables
        start, states = extent(automaton, rule)
        least = _least(automaton, rule)
        context = self.new_context()
        for slot, array in ((kernels.STATES, tables.states), (kernels.EDGES, tables.edges)):
            put(context, slot, array)
        shape = _Shape(
            int(tables.rules[rule, RULE_KIND] == Kind.WINDOW),
            least,
            np.zeros(states, np.int32),
            np.zeros((leaf_kernels.DRAFTS, leaf_kernels.SET_COLUMNS), np.int32),
            np.zeros((states, leaf_kernels.SETS), np.int32),
            *leaf_kernels.lines(states),
        )
        edges = int(tables.states[start + states, FIRST_EDGE] - tables.states[start, FIRST_EDGE])
        ranks, relevant = np.zeros((leaf_kernels.SETS, 257), np.int32), np.zeros(edges, np.int32)
        leaf_kernels.survey(context, start, shape.ticking, least, shape.kinds, shape.sets, ranks, relevant, shape.room)
        self._shapes[key] = shape
        return shape

    def _place(self) -> int:
        """The number of the next row, for which there is room."""
        rows = _longer(self._rows, self._used["rows"] + 1)
        if rows is not self._rows:  # contexts with the shorter rows must not learn of the numbers beyond them
            self._rows, self._slots = rows, self._slots.copy()
        return self._used["rows"]

    def _plain_row(self, leads: int) -> Int32:
        """The row of all plain tokens without some leads."""
        row = self._plain_rows.get(leads)
        if row is None:
            row = self._plain_rows[leads] = np.zeros(self.words, np.int32)
            kernels.set_tokens(row, self._plain[self._plain_leads & leads == 0], 1)
        return row

    def _add(self, graded: _Graded | None, endings: Int32, exits: Int32, exit_bytes: Int32) -> int:
        """The number of a new table; one without grades has a single row."""
        used = self._used
        largest = 0 if graded is None else len(graded.until) - 1
        leaf = used["leaves"]
        self._about = _longer(self._about, leaf + 1)
        self._slots = _longer(self._slots, used["slots"] + largest + 1)
        self._endings = _with(self._endings, used["endings"], endings)
        self._exits = _with(self._exits, used["exits"], exits)
        self._exit_bytes = _with(self._exit_bytes, 257 * leaf, exit_bytes + used["exits"])
        self._about[leaf] = largest, used["slots"], used["endings"], len(endings), 257 * leaf
        self._graded.append(graded)
        used["leaves"] += 1
        used["slots"] += largest + 1
        used["endings"] += len(endings)
        used["exits"] += len(exits)
        return leaf

    def make_row(self, leaf: int, room: int) -> None:
        """Makes the bitmask of the tokens that stay inside with at most `room` characters to come."""
        with self.lock:
            slot = int(self._about[leaf, 1]) + room
            if self._slots[slot]:
                return
            graded, largest = self._graded[leaf], int(self._about[leaf, 0])
            assert graded is not None
            count = int(graded.until[room])
            is_large = 2 * count > len(graded.tokens)
            if is_large and room < largest:
                self.make_row(leaf, largest)  # of which it is a copy with few changes, as all large ones will be
            number = self._place()
            if is_large and room < largest:
                self._rows[number] = self._rows[self._slots[slot - room + largest] - 1]
                kernels.set_tokens(self._rows[number], graded.tokens[count:], 0)
            else:
                kernels.set_tokens(self._rows[number], graded.tokens[:count], 1)
            self._used["rows"] = number + 1
            self._slots[slot] = number + 1


def _ranges(first: Int32, last: Int32) -> NDArray[np.int64]:
    """The numbers from each first up to its last, one range behind the other."""
    counts = (last - first).astype(np.int64)
    return np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)


def _with(array: Int32, place: int, rows: Int32) -> Int32:
    """The array, or a longer copy, with some rows from a place on."""
    array = _longer(array, place + len(rows))
    array[place : place + len(rows)] = rows
    return array


def _longer(array: Int32, size: int) -> Int32:
    """The array, or a copy of at least twice its length when `size` does not fit."""
    if size <= len(array):
        return array
    longer = np.zeros((max(size, 2 * len(array)), *array.shape[1:]), np.int32)
    longer[: len(array)] = array
    return longer


def _reserved(rows: int, words: int) -> Int32:
    """Zeros that take memory when they are written, a small page at a time.

    For arrays of this size numpy asks for pages of 2 MB, and one of them in a virtual machine may take 10 ms to come.
    """
    if sys.platform == "win32":
        return np.zeros((rows, words), np.int32)
    memory = mmap.mmap(-1, 4 * rows * words, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # a fork has its own
    with suppress(AttributeError, OSError):  # where there are no large pages
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.int32).reshape(rows, words)


def _size(leaf: Fragment) -> int:
    """How many states a leaf has."""
    return leaf.piece.sizes[0]


def extent(automaton: ByteAutomaton, rule: int) -> tuple[int, int]:
    """The first state of a rule, and how many states it has."""
    start = int(automaton.tables.rules[rule, RULE_START])
    others = automaton.tables.states[start : automaton.num_states, STATE_RULE] != rule
    return start, int(others.argmax()) if others.any() else len(others)


def _remaining(automaton: ByteAutomaton, rule: int) -> tuple[Int32, NDArray[np.bool_]]:
    """Of a window the table of its `grammars.lengths.Lengths`, and which states can read no other character."""
    tables = automaton.tables
    first, width = tables.rules[rule, [LENGTHS, LENGTHS_WIDTH]].tolist()
    states = extent(automaton, rule)[1]
    table = tables.lengths[first : first + states * width].reshape(states, width)
    return table, (table[:, 0] == 0) & (width > 1 and table[:, min(1, width - 1)] >= kernels.NEVER)


def _least(automaton: ByteAutomaton, rule: int) -> Int32:
    """`least` of `leaf_kernels.tabulate` for each state."""
    tables = automaton.tables
    start, states = extent(automaton, rule)
    final = tables.states[start : start + states, STATE_FINAL] == 1
    ends = np.where(final, leaf_kernels.ENDS, 0).astype(np.int32)
    if tables.rules[rule, RULE_KIND] != Kind.WINDOW:
        return ends
    table, closed = _remaining(automaton, rule)
    return (ends | np.where(closed, leaf_kernels.CLOSED, table[:, 0])).astype(np.int32)


def _gaps_matter(automaton: ByteAutomaton, rule: int) -> bool:
    """Whether a text of a window may be in a state where the least number of characters to come does not tell all.

    A state reads `least` characters more, or any number from there up to its first gap. Where the minimum of the window
    asks for no more than that, it can go on iff `least` characters fit; the maximum decides, and tokens have a grade.
    """
    tables = automaton.tables
    low = tables.rules.item(rule, RULE_MIN)
    if tables.rules.item(rule, RULE_KIND) != Kind.WINDOW or low == 0:
        return False
    table, closed = _remaining(automaton, rule)
    length = np.arange(table.shape[1])
    gaps = (table != length) & (length >= table[:, :1])
    until = np.where(gaps.any(axis=1), gaps.argmax(axis=1) - 1, np.where(table[:, 0] < len(length), kernels.NEVER, 0))
    until[closed] = kernels.NEVER  # these are told apart, see `leaf_kernels.tabulate`
    if until.min() >= low:
        return False
    return low > _GAPS or any((until[found] < low - read).any() for read, found in _reached(automaton, rule, low))


def _reached(automaton: ByteAutomaton, rule: int, most: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Numbers of characters from 0 to `most`, and which states of a window may be reached with so many."""
    tables = automaton.tables
    start, states = extent(automaton, rule)
    first = tables.states[start : start + states + 1, FIRST_EDGE]
    edges = tables.edges[first[0] : first[-1]]
    sources, targets = np.repeat(np.arange(states), np.diff(first)), edges[:, EDGE_TO] - start
    ticks: NDArray[np.bool_] = edges[:, EDGE_TICK] == 1
    silent = sources[~ticks], targets[~ticks]
    found = np.zeros(states, bool)
    found[0] = True
    for read in range(most + 1):
        count = 0
        while found.sum() > count:
            count = found.sum()
            found[silent[1][found[silent[0]]]] = True
        yield read, found
        following = np.zeros(states, bool)
        following[targets[ticks & found[sources]]] = True
        found = following


_OF: weakref.WeakKeyDictionary[Vocabulary, Leaves] = weakref.WeakKeyDictionary()
LOCK = threading.RLock()


def leaves_of(vocabulary: Vocabulary) -> Leaves:
    """The tables of a vocabulary, shared by all grammars; new ones when they have grown large."""
    with LOCK:
        found = _OF.get(vocabulary)
        if found is None or found.is_full:
            found = _OF[vocabulary] = Leaves(vocabulary)
        return found
