"""Configurations: the Python owner of the arrays in which the kernels keep configurations.

Place in the walk: between `Constraint` and the kernels. It grows the arrays when a kernel says `FULL` and calls
again, and holds one lock: kernels write, and release the GIL. It knows no tokens. Records die with the arena, which
lives as long as any state that was made in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammars.errors import LimitExceeded
from tokenizer_align import kernels
from tokenizer_align.kernels import CROWDED, DEAD, FULL, LIMIT, Machine

__all__ = ["Configurations"]

_ITEMS = 4096
_ROOT = np.full(1, -1, np.int32)
_NO_TICKS = np.zeros(1, np.int32)
_BUFFER = 1 << 18
_DEPTH = 1 << 14
_MOST_UNIONS = 1 << 22


class Configurations:
    """One arena: configurations are numbers in it; its memory grows by doubling from `first` to `limit` words of 4
    bytes.

    Raises `LimitExceeded` for a configuration of more than 4,096 items and beyond the memory limit.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        accepts_empty: bool,
        depth: int,
        first: int = 1 << 16,
        limit: int = 1 << 28,
        unions: int = 1 << 16,
    ) -> None:
        self.machine, self.limit = machine, limit
        self.lock = threading.RLock()
        heap = np.zeros(first, np.int32)
        heap[0] = kernels.FIRST_RECORD
        control = np.zeros(5, np.int32)
        control[3:] = int(machine.symbol_class.max()) + 1, accepts_empty
        self.arrays = kernels.Arena(
            heap=heap,
            table=np.zeros(first >> 4, np.int32),
            unions=np.zeros((unions, 3), np.int32),
            items=np.zeros((_ITEMS, 5), np.int32),
            mark=np.zeros(len(machine.state_rule), np.int32),
            queue=np.zeros(_ITEMS, np.int32),
            buffer=np.zeros(_BUFFER, np.int32),
            frames=np.zeros((_DEPTH, 5), np.int32),
            path=np.zeros(depth + 1, np.int32),
            control=control,
        )
        self.classes: list[int] = machine.symbol_class.tolist()
        self.returns: dict[int, int] = {}
        self.start: int = self.run(kernels.NOWHERE, np.zeros(1, np.uint16))[0]

    @property
    def words(self) -> int:
        """The words of memory in use by records."""
        return int(self.arrays.heap[0])

    def call(self, kernel: Callable[..., Any], *arguments: object) -> Any:
        """What `kernel(machine, arena, *arguments)` returns, grown and called again for as long as it says `FULL`."""
        with self.lock:
            while True:
                result = kernel(self.machine, self.arrays, *arguments)
                status = result[0] if isinstance(result, tuple) else result
                if status == LIMIT:
                    raise LimitExceeded(
                        f"more than {_ITEMS} ways to read this text, or nested more than {_DEPTH} deep",
                        hint="make the grammar less ambiguous",
                    )
                if status == CROWDED:
                    self._grow_unions()
                elif status == FULL:
                    self._grow()
                else:
                    return result

    def run(self, configuration: int, symbols: NDArray[np.uint16]) -> tuple[int, int]:
        """The configuration after the symbols, `DEAD` when one is refused, and how many were read."""
        after, offset = self.call(kernels.run, configuration, symbols)
        return int(after), int(offset)

    def follow(self, configuration: int, data: bytes) -> int:
        """The configuration after some bytes, `DEAD` when one is refused.

        Transitions that are known are followed here: a call of a kernel costs as much as fifty of them.
        """
        heap, classes = self.arrays.heap, self.classes
        for offset, byte in enumerate(data):
            after = heap.item(configuration + kernels.HEADER + classes[byte])
            if after == DEAD:
                return DEAD
            if after == 0:  # not known yet
                return self.run(configuration, np.frombuffer(data, np.uint8, offset=offset).astype(np.uint16))[0]
            configuration = after
        return configuration

    def after(self, stack: int) -> int:
        """The configuration after a rule has ended on the stacks of a stack set."""
        found = self.returns.get(stack)
        if found is None:
            found = self.returns[stack] = self.run(-stack, np.zeros(1, np.uint16))[0]
        return found

    def step(self, configuration: int, symbol: int) -> int:
        """The configuration after one symbol, `DEAD` when it is refused."""
        return self.run(configuration, np.array([symbol], np.uint16))[0]

    def fill(
        self,
        trie: kernels.Trie,
        configuration: int,
        most: int,
        row: NDArray[np.int32],
        roots: NDArray[np.int32] = _ROOT,
        ticks: NDArray[np.int32] = _NO_TICKS,
        low: int = 0,
        high: int = kernels.NEVER,
    ) -> int:
        """Adds the tokens that go on from a configuration, see `kernels.fill`; returns the largest cost after one."""
        return int(self.call(kernels.fill, trie, configuration, roots, ticks, low, high, most, row))

    def accepting(self, configuration: int) -> bool:
        """Whether the text so far is in the language."""
        return bool(self.arrays.heap[configuration + 2])

    def cost(self, configuration: int) -> int:
        """The number of tokens that suffice to end."""
        return int(self.arrays.heap[configuration + 3])

    def items(self, configuration: int) -> NDArray[np.int32]:
        """The items of a configuration, int32 (n, 3): state, counter, stack set."""
        first = configuration + kernels.HEADER + int(self.arrays.control[3])
        n = int(self.arrays.heap[configuration + 1])
        return self.arrays.heap[first : first + 3 * n].reshape(n, 3)

    def _grow(self) -> None:
        heap, table = self.arrays.heap, self.arrays.table
        if 2 * len(heap) > self.limit:
            raise LimitExceeded(
                f"the configurations of this grammar need more than {4 * self.limit >> 20} MiB",
                hint="make the grammar less ambiguous, or its counters smaller",
            )
        if 2 * (int(heap[1]) + 1) > len(table):
            wider = np.zeros(4 * len(table), np.int32)
            kernels.rehash(heap, table, wider)
            table = wider
        else:
            longer = np.zeros(2 * len(heap), np.int32)
            longer[: len(heap)] = heap
            heap = longer
        self.arrays = self.arrays._replace(heap=heap, table=table)

    def _grow_unions(self) -> None:
        """Makes the memo of unions four times as long; entries move to where `kernels._union_slot` looks for them."""
        known = self.arrays.unions
        if 4 * len(known) > _MOST_UNIONS:
            raise LimitExceeded(
                f"this text can be read in more than {_MOST_UNIONS:,} ways",
                hint="make the grammar less ambiguous",
            )
        known = known[known[:, 0] != 0]
        unions = np.zeros((4 * len(self.arrays.unions), 3), np.int32)
        pairs = known.astype(np.int64)
        mixed = (pairs[:, 0] * 0x01000193 + pairs[:, 1] * 0x008DA6B3) & 0x7FFFFFFFFFFF
        unions[(mixed ^ (mixed >> 17)) & (len(unions) - 1)] = known
        self.arrays = self.arrays._replace(unions=unions)
