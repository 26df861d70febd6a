"""Rows: the masks that are remembered over one vocabulary, within a bound.

Place in the walk: beside `Constraint`, which asks for a row by configuration; this is what all constraints of a
vocabulary have in common. Equal rows are one array (of the masks of real schemas three in four are), and the oldest are
forgotten when distinct ones take more than the bound: a reference is dropped, no row is ever overwritten.

Most equal rows are found by their recipes, before they are written (`tokenizer_align.kernels.write`).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tokenizer_align.vocabulary import Vocabulary

__all__ = ["Remembered", "Rows", "rows_of", "set_bits"]

Bitmask = NDArray[np.int32]
Recipe = tuple[int, bytes]
"""What a row is made of, and the number of the tables that it names rows of: equal ones make equal rows."""

_MEMORY = 256 << 20
"""Bytes of distinct rows and of their recipes a vocabulary, where `GCD_MASK_MEMORY` does not say otherwise (in MiB)."""

_ENTRY = 250
"""Bytes that a recipe takes besides its own: a reference, a tuple, and a place in a table."""

_FEW = 1024
"""Entries of dead arenas, about 150 bytes each, that are no reason to look through all entries."""


class Remembered(dict[int, Bitmask]):
    """The rows of one arena by configuration; a dict that can be referred to weakly."""

    __slots__ = ("__weakref__",)


class Rows:
    """All rows of one vocabulary: which are alive, and in what order they were remembered."""

    def __init__(self, words: int, memory: int, eos_token_ids: Sequence[int] = ()) -> None:
        self._most_noted = memory // 8  # bytes of recipes after which they are noted anew
        self.most = max(1, (memory - self._most_noted) // (4 * words))
        self.end = np.zeros(words, np.int32)  # of a text that is complete and cannot go on
        set_bits(self.end, eos_token_ids)
        self.end.flags.writeable = False
        self.lock = threading.RLock()
        self._alive: dict[int, weakref.KeyedRef[int, Bitmask]] = {}  # by digest
        self._died = partial(_died, weakref.ref(self))
        self._recipes: dict[Recipe, weakref.ref[Bitmask]] = {}
        self._noted = 0
        self._tidy = _FEW  # entries when those of dead arenas were last left out
        self._order: deque[tuple[weakref.ref[Remembered], int]] = deque()

    def recall(self, arena: Remembered, number: int, recipe: Recipe) -> Bitmask | None:
        """The row that was made by a recipe, remembered as that of a configuration too; None where there is none."""
        with self.lock:
            found = self._recipes.get(recipe)
            row = None if found is None else found()
            if row is not None:
                self._enter(arena, number, row)
        return row

    def remember(
        self, arena: Remembered, number: int, row: Bitmask, digest: int, recipe: Recipe | None = None
    ) -> Bitmask:
        """Remembers a copy of a row as that of a configuration; returns it, read-only, or an equal one."""
        data = row.tobytes()
        with self.lock:
            found = self._alive.get(digest)
            known = None if found is None else found()
            if known is not None and known.base == data:
                row = known
            else:
                row = np.frombuffer(data, np.int32)
                if known is None:
                    self._alive[digest] = weakref.KeyedRef(row, self._died, digest)
            self._enter(arena, number, row)
            if recipe is not None:
                self._note(recipe, row)
        return row

    def _enter(self, arena: Remembered, number: int, row: Bitmask) -> None:
        """Notes the row of a configuration, and forgets the oldest ones beyond the bound."""
        arena[number] = row
        self._order.append((weakref.ref(arena), number))
        while len(self._alive) > self.most and len(self._order) > 1:
            self._forget()
        if len(self._order) > 2 * self._tidy:
            self._order = deque(entry for entry in self._order if entry[0]() is not None)
            self._tidy = max(_FEW, len(self._order))

    def _note(self, recipe: Recipe, row: Bitmask) -> None:
        """Notes what a row was made of; of rows that are gone this stays until there are too many."""
        self._noted += len(recipe[1]) + _ENTRY
        if self._noted > self._most_noted:
            self._recipes.clear()
            self._noted = len(recipe[1]) + _ENTRY
        self._recipes[recipe] = weakref.ref(row)

    def _forget(self) -> None:
        oldest, number = self._order.popleft()
        arena = oldest()
        if arena is not None:
            arena.pop(number, None)

    def __len__(self) -> int:
        """The number of distinct rows that are alive."""
        return len(self._alive)


def set_bits(row: Bitmask, tokens: Sequence[int]) -> None:
    """Adds tokens to a row."""
    for token in tokens:
        row[token >> 5] |= np.array(1 << (token & 31), np.uint32).astype(np.int32)


def _died(rows: weakref.ref[Rows], row: weakref.KeyedRef[int, Bitmask]) -> None:
    """Forgets a row that nobody holds; another one may have its digest by now."""
    of = rows()
    if of is not None and of._alive.get(row.key) is row:
        del of._alive[row.key]


_OF: weakref.WeakKeyDictionary[Vocabulary, Rows] = weakref.WeakKeyDictionary()
LOCK = threading.RLock()


def rows_of(vocabulary: Vocabulary) -> Rows:
    """The rows of a vocabulary, one object for all its constraints."""
    with LOCK:
        found = _OF.get(vocabulary)
        if found is None:
            memory = int(os.environ.get("GCD_MASK_MEMORY", _MEMORY >> 20)) << 20
            found = _OF[vocabulary] = Rows((vocabulary.size + 31) // 32, memory, vocabulary.eos_token_ids)
        return found
