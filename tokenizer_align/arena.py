"""Configurations: the Python owner of the arrays in which the kernels keep configurations.

Place in the walk: between `Constraint` and the kernels. It makes what a kernel asks for by its status (longer arrays, a
rule of the automaton, a table of a leaf) and calls it again, and holds one lock: kernels write, and release the GIL.
Records die with the arena, which lives as long as any state that was made in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammars.automaton import ByteAutomaton
from grammars.errors import LimitExceeded
from grammars.tables import EDGE_TO, FIRST_EDGE, RULE_OPENING, RULE_START, STATE_RULE, UNBUILT, Tables, calls_at
from tokenizer_align import kernels
from tokenizer_align.context import put, put_parts, put_tables
from tokenizer_align.costs import Costs
from tokenizer_align.leaves import Leaves

__all__ = ["Configurations"]

_ITEMS = 4096
_FEWEST_ITEMS = 256  # scratch space begins with room for so many: most configurations have a handful
_MOST_UNIONS = 1 << 22


class Configurations:
    """One arena: configurations are numbers in it; its memory grows by doubling from `first` to `limit` words of 4
    bytes.

    Raises `LimitExceeded` for a configuration of more than 4,096 items and beyond the memory limit.
    """

    def __init__(
        self, automaton: ByteAutomaton, leaves: Leaves, *, first: int = 1 << 14, limit: int = 1 << 28, unions: int = 256
    ) -> None:
        self.automaton, self.leaves, self.limit = automaton, leaves, limit
        self.lock = threading.RLock()
        self.context, self.arrays = leaves.context_and_arrays()
        c, buckets = self.context, max(16, first >> 4)
        c[kernels.HEAP_TOP] = kernels.FIRST_RECORD
        c[kernels.ACCEPTS_EMPTY] = int(automaton.accepts_empty)
        self._allot(
            (kernels.TABLE, buckets),
            (kernels.STEP_TABLE, 3 * buckets),
            (kernels.UNIONS, 3 * unions),
            (kernels.HEAP, first),
            (kernels.PATH, 4 * leaves.depth),
            (kernels.RECIPE, buckets),
            *_scratch(_FEWEST_ITEMS),
            clear=4 * buckets + 3 * unions + kernels.FIRST_RECORD,
        )
        self._items = _FEWEST_ITEMS
        self._leaves_asked: set[int] = set()
        self._told = 0  # rules that are written of which it was looked at whether they are leaves
        self._tables: Tables | None = None
        self._told_of: tuple[Tables | None, ...] = ()
        if not automaton.tables.rules[automaton.start_rule, RULE_OPENING]:
            self._enter(automaton.start_rule)  # it would be asked for by a kernel, which began again
        self._refresh_rules()
        self._tell_leaves()
        self.start: int = self.step(kernels.NOWHERE, 0)

    def _allot(self, *sizes: tuple[int, int], clear: int = 0) -> None:
        """Puts new arrays into some slots, as parts of one: it takes as long as to put one of them.

        The first words are cleared. Of the rest nothing is read before it is written: clearing takes time, and caches.
        """
        parts = np.empty(sum([size for _, size in sizes]), np.int32)
        parts[:clear] = 0
        put_parts(self.context, parts, _as_array(sizes))
        begin = 0
        for slot, size in sizes:
            self.arrays[slot] = parts[begin : begin + size]
            begin += size

    def _put(self, slot: int, array: NDArray[Any]) -> None:
        put(self.context, slot, array)
        self.arrays[slot] = array  # kept alive: the context knows its address only

    def refresh(self) -> None:
        """Takes over what the automaton and the leaves have become."""
        self._refresh_rules()
        for slot, array in self.leaves.arrays():
            if array is not self.arrays.get(slot):
                self._put(slot, array)

    def _refresh_rules(self) -> None:
        tables = self.automaton.tables
        if tables is self._tables:
            return
        known, states = self.arrays.get(kernels.LEAF_OF), len(tables.states)
        if known is None or len(known) < states:
            self._allot((kernels.LEAF_OF, states), (kernels.MARK, states), clear=2 * states)  # no state is marked now
            if known is not None:
                self.arrays[kernels.LEAF_OF][: len(known)] = known
        self._told_of = tables, self._tables  # kept alive: the context knows the addresses of these, or still of those
        put_tables(self.context, kernels.RULES, tables)
        self._tables = tables  # who interrupts before is followed by one who tells it again
        self._told_of = ()

    @property
    def words(self) -> int:
        """The words of memory in use by records and transitions."""
        return int(self.context[kernels.HEAP_TOP]) + 6 * int(self.context[kernels.STEPS])

    def call(self, kernel: Callable[..., Any], *arguments: object) -> int:
        """What `kernel(context, *arguments)` returns, called again for as long as it asks for something."""
        with self.lock:
            while True:
                result: int = kernel(self.context, *arguments)
                if result >= kernels.DEAD:
                    return result
                self._provide(result)

    def _provide(self, status: int) -> None:
        wanted = int(self.context[kernels.WANTED])
        match status:
            case kernels.FULL:
                self._grow()
            case kernels.FULL_STEPS:
                self._grow_steps()
            case kernels.CROWDED:
                self._grow_unions()
            case kernels.FULL_RECIPE:
                length = int(self.context[kernels.RECIPE_LENGTH])
                self._allot((kernels.RECIPE, length + length // 8))  # that of a walk over the whole trie takes 0.5 MB
            case kernels.WANTS_RULE:
                self._enter(wanted)
                self._refresh_rules()
                self._tell_leaves()
            case kernels.WANTS_LEAF:
                self._find_leaf(wanted)
            case kernels.WANTS_ROW:
                self.leaves.make_row(wanted, int(self.context[kernels.GRADE]))
                self.refresh()
            case _ if self._items < _ITEMS:
                self._items *= 4
                self._allot(*_scratch(self._items))
            case _:
                raise LimitExceeded(
                    f"more than {_ITEMS} ways to read this text, or nested more than {4 * _ITEMS} deep",
                    hint="make the grammar less ambiguous",
                )

    def _enter(self, rule: int) -> None:
        """Writes a rule that is being entered, and those that are entered with it since its start calls them.

        So are those behind its bracket, where it begins with one: tokens go on there, and would soon ask for them.
        """
        automaton = self.automaton
        automaton.enter(rule)
        tables = automaton.tables
        start = tables.rules.item(rule, RULE_START)
        if start == UNBUILT:  # what its opening calls is shared, and there
            return
        pending = calls_at(tables, start)
        first, end = tables.states.item(start, FIRST_EDGE), tables.states.item(start + 1, FIRST_EDGE)
        if end - first == 1 and (behind := tables.edges.item(first, EDGE_TO)) >= 0:
            pending += calls_at(tables, behind)
        while pending:
            rule, _ = pending.pop()
            if tables.rules.item(rule, RULE_START) == UNBUILT and not tables.rules.item(rule, RULE_OPENING):
                automaton.enter(rule)
                tables = automaton.tables
                if (start := tables.rules.item(rule, RULE_START)) != UNBUILT:
                    pending += calls_at(tables, start)

    def _tell_leaves(self) -> None:
        """Says of new states that they have no table, where their rule is no leaf: most are not, and would be asked."""
        automaton, leaf_of = self.automaton, self.arrays[kernels.LEAF_OF]
        for rule, first, end in automaton.extents[self._told :]:
            if end > len(leaf_of):  # another thread has written it since the arrays were taken over
                break
            if automaton.fragment(rule) is None:
                leaf_of[first:end] = -1
                self._leaves_asked.add(rule)
            self._told += 1

    def _find_leaf(self, state: int) -> None:
        """Says what table serves a state: for all of its rule when the first of them is asked for."""
        tables = self.automaton.tables
        rule = int(tables.states[state, STATE_RULE])
        if rule not in self._leaves_asked:
            first, found = int(tables.rules[rule, RULE_START]), self.leaves.of_rule(self.automaton, rule)
        else:
            first, found = state, np.full(1, self.leaves.of_state(self.automaton, state), np.int32)
        self.refresh()  # before a number is told: whatever interrupts, none stands beside arrays without its table
        self.arrays[kernels.LEAF_OF][first : first + len(found)] = found
        self._leaves_asked.add(rule)

    def step(self, configuration: int, symbol: int) -> int:
        """The configuration after one symbol, `DEAD` when it is refused."""
        return self.call(kernels.advance, configuration, -1, symbol)

    def advance(self, configuration: int, token_id: int) -> int:
        """The configuration after the bytes of a token, `DEAD` when one of them is refused or there are none."""
        return self.call(kernels.advance, configuration, token_id, 0)

    def accepting(self, configuration: int) -> bool:
        """Whether the text so far is in the language."""
        return bool(self.arrays[kernels.HEAP][configuration + 2])

    def cost(self, configuration: int) -> int:
        """The number of tokens that suffice to end; -1 while the costs are not settled."""
        return int(self.arrays[kernels.HEAP][configuration + 3])

    @property
    def is_settled(self) -> bool:
        """Whether records have their cost."""
        return bool(self.context[kernels.SETTLED])

    def settle(self, costs: Costs) -> None:
        """Gives every record its cost, now and from now on."""
        with self.lock:
            if not self.context[kernels.SETTLED]:
                waiting = self.call(kernels.waiting, 0)
                while waiting:
                    self.call(kernels.opened, waiting)
                    waiting = self.call(kernels.waiting, waiting)
                for slot, array in costs.arrays:
                    self._put(slot, array)
                self.refresh()
                kernels.settle_records(self.context)
                self.context[kernels.SETTLED] = 1

    def items(self, configuration: int) -> NDArray[np.int32]:
        """The items of a configuration, int32 (n, 3): state, counter, stack set."""
        heap = self.arrays[kernels.HEAP]
        first = configuration + kernels.FIRST_ITEM
        return heap[first : first + 3 * int(heap[configuration + 1])].reshape(-1, 3)

    def symbols(self, configuration: int) -> list[int]:
        """The bytes and special tokens (from 256 on) that may come next."""
        heap = self.arrays[kernels.HEAP]
        first = configuration + kernels.HEADER
        bits = np.unpackbits(heap[first : first + kernels.BYTE_WORDS].view(np.uint8), bitorder="little")
        specials = range(256, 256 + len(self.automaton.special_tokens))
        return [s for s in (*np.flatnonzero(bits).tolist(), *specials) if self.step(configuration, s) != kernels.DEAD]

    def _grow(self) -> None:
        heap, table, c = self.arrays[kernels.HEAP], self.arrays[kernels.TABLE], self.context
        if 2 * len(heap) > self.limit:
            raise LimitExceeded(
                f"the configurations of this grammar need more than {4 * self.limit >> 20} MiB",
                hint="make the grammar less ambiguous, or its counters smaller",
            )
        if 2 * (int(c[kernels.RECORDS]) + 1) > len(table):
            wider = np.zeros(4 * len(table), np.int32)
            kernels.rehash(heap, table, wider)
            self._put(kernels.TABLE, wider)
        else:
            longer = np.zeros(2 * len(heap), np.int32)
            longer[: len(heap)] = heap
            self._put(kernels.HEAP, longer)

    def _grow_steps(self) -> None:
        known = self.arrays[kernels.STEP_TABLE].reshape(-1, 3)
        if 4 * known.size > self.limit:
            raise LimitExceeded(
                f"the configurations of this grammar need more than {4 * self.limit >> 20} MiB",
                hint="make the grammar less ambiguous, or its counters smaller",
            )
        wider = np.zeros((4 * len(known), 3), np.int32)
        kernels.rehash_steps(known, wider)
        self._put(kernels.STEP_TABLE, wider)

    def _grow_unions(self) -> None:
        """Makes the memo of unions four times as long; entries move to where `kernels._union_slot` looks for them."""
        unions = self.arrays[kernels.UNIONS].reshape(-1, 3)
        if 4 * len(unions) > _MOST_UNIONS:
            raise LimitExceeded(
                f"this text can be read in more than {_MOST_UNIONS:,} ways",
                hint="make the grammar less ambiguous",
            )
        known = unions[unions[:, 0] != 0]
        wider = np.zeros((4 * len(unions), 3), np.int32)
        pairs = known.astype(np.int64)
        mixed = (pairs[:, 0] * 0x01000193 + pairs[:, 1] * 0x008DA6B3) & 0x7FFFFFFFFFFF
        wider[(mixed ^ (mixed >> 17)) & (len(wider) - 1)] = known
        self._put(kernels.UNIONS, wider)


def _scratch(items: int) -> tuple[tuple[int, int], ...]:
    """The slots and sizes of the scratch space for configurations of so many items, and stacks four times as deep."""
    return (
        (kernels.ITEMS, 5 * items),
        (kernels.QUEUE, items),
        (kernels.BUFFER, 64 * items),
        (kernels.FRAMES, 20 * items),
        (kernels.VETOED, items),
    )


@lru_cache(maxsize=64)
def _as_array(sizes: tuple[tuple[int, int], ...]) -> NDArray[np.int64]:
    return np.array(sizes, np.int64)


_IN_ORDER = [kernels.RULES, kernels.STATES, kernels.EDGES, kernels.CALLS, kernels.LENGTH_TABLES]
assert [kernels.RULES + 2 * i for i in range(len(Tables._fields))] == _IN_ORDER
