"""Leaf tables: what a vocabulary does inside a leaf, once for all grammars.

Place in the walk: leaf DFA × Trie -> **rows and exits**, which `Constraint` puts together with the stacks. A leaf (a
rule without calls: a string, a number, whitespace) behaves alike wherever it stands, so for each of its states one walk
over the trie finds the row of the tokens that stay inside it, and the trie nodes where it may end. What follows an exit
depends on the stack, and is a walk below these few nodes: of Llama-3.1's 128 thousand tokens 123 thousand stay inside a
JSON string and 1,312 leave it.

In a window the row depends on how many characters are left: each token has a grade, the characters that must fit, and
the row for a room of r characters holds the tokens of grade at most r.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grammars.dfa import Dfa
from grammars.lengths import NEVER, lengths
from grammars.rules import SPECIAL, Kind, Rule, plain_symbol
from tokenizer_align import kernels
from tokenizer_align.kernels import CLOSED, ENDS, Trie

__all__ = ["LeafState", "LeafTable", "leaf_table"]

Int32 = NDArray[np.int32]

_STATES = 4096  # of a leaf: a larger one is walked like any rule, its table would take more than 4 MiB
_EXITS = 1 << 14  # of a state: where a leaf may end almost anywhere, its exits are the whole trie
_TABLES = 256  # leaves remembered for a vocabulary


@dataclass(frozen=True, slots=True)
class LeafState:
    """The tokens from one state of a leaf.

    `exits`: int32 (e,) the trie nodes where the leaf may end, `ticks` the characters read up to each.
    """

    tokens: Int32  # those that stay inside, by grade
    grades: Int32  # ascending
    exits: Int32
    ticks: Int32
    words: int
    rows: dict[int, Int32] = field(default_factory=dict)

    def row(self, room: int) -> Int32:
        """The bitmask of the tokens that stay inside with at most `room` characters to come."""
        largest = int(self.grades[-1]) if len(self.grades) else 0
        room = min(room, largest)
        found = self.rows.get(room)
        if found is None:
            allowed = np.zeros(32 * self.words, np.bool_)
            allowed[self.tokens[: np.searchsorted(self.grades, room, side="right")]] = True
            found = self.rows[room] = np.packbits(allowed, bitorder="little").view(np.int32)
        return found


class LeafTable:
    """The states of one leaf over one vocabulary, each made when it is first asked for."""

    def __init__(self, trie: Trie, words: int, following: Int32, least: Int32) -> None:
        self.trie, self.words = trie, words
        self.following, self.least = following, least
        self.states: dict[int, LeafState | None] = {}
        self.lock = threading.Lock()

    def state(self, number: int) -> LeafState | None:
        """What is known of a state, counted from the start of the leaf; None when it has too many exits."""
        if number not in self.states:
            with self.lock:
                if number not in self.states:
                    self.states[number] = self._tabulate(number)
        return self.states[number]

    def _tabulate(self, number: int) -> LeafState | None:
        size = len(self.trie.token_ids)
        path = np.zeros((int(self.trie.depth.max(initial=0)) + 1, 2), np.int32)
        tokens, grades = np.empty(size, np.int32), np.empty(size, np.int32)
        exits, ticks = np.empty(_EXITS, np.int32), np.empty(_EXITS, np.int32)
        inside, found = kernels.tabulate(
            self.trie, self.following, self.least, number, path, tokens, grades, exits, ticks
        )
        if found < 0:
            return None
        order = np.argsort(grades[:inside], kind="stable")
        return LeafState(tokens[order], grades[order], exits[:found].copy(), ticks[:found].copy(), self.words)


_TABLES_OF: weakref.WeakKeyDictionary[object, OrderedDict[tuple[Dfa, bool], LeafTable | None]]
_TABLES_OF = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def leaf_table(rule: Rule, vocabulary: object, trie: Trie, words: int) -> LeafTable | None:
    """The table of a rule over a vocabulary, shared by all grammars; None for a rule that is no leaf or does not fit.

    `trie` and `words` belong to the vocabulary. Windows fit when every state either can read any number of characters
    from some number on, or none at all.
    """
    if len(rule.dfa.edges) > _STATES or any(row and row[-1][1] >= SPECIAL for row in rule.dfa.edges):
        return None
    with _LOCK:
        tables = _TABLES_OF.setdefault(vocabulary, OrderedDict())
        key = (rule.dfa, rule.kind is Kind.WINDOW)
        if key not in tables:
            least = _least(rule)
            tables[key] = None if least is None else LeafTable(trie, words, _following(rule.dfa), least)
            while len(tables) > _TABLES:
                tables.popitem(last=False)
        tables.move_to_end(key)
        return tables[key]


def _least(rule: Rule) -> Int32 | None:
    """`least` of `kernels.tabulate` for each state."""
    ends = np.zeros(len(rule.dfa.edges), np.int32)
    ends[list(rule.dfa.finals)] = ENDS
    if rule.kind is not Kind.WINDOW:
        return ends
    found = lengths(rule.dfa)
    width = found.table.shape[1]
    least = found.table[:, :1]
    following = np.array([found.next_length(state, 1) for state in range(len(ends))])
    closed = (least[:, 0] == 0) & (following == NEVER)
    onward = (found.table == np.maximum(np.arange(width), least)).all(axis=1) & (least[:, 0] < width)
    if found.period != 1 or not (closed | onward).all():
        return None
    return (ends | np.where(closed, CLOSED, least[:, 0])).astype(np.int32)


def _following(dfa: Dfa) -> Int32:
    """`following` of `kernels.tabulate`."""
    table = np.full((len(dfa.edges), 256), -1, np.int32)
    for state, row in enumerate(dfa.edges):
        for low, high, target in row:
            byte, tick = plain_symbol(low)
            table[state, byte : byte + high - low + 1] = 2 * target + tick
    return table
