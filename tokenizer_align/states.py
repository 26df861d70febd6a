"""States, and the arenas in which they are numbers: the masks of configurations, made and remembered.

Place in the walk: between `Configurations` and `Constraint`. An arena knows all that its masks are made of, so that a
state alone says what may come next; which token leads where, and what is refused, is `Constraint`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from grammars.automaton import ByteAutomaton
from tokenizer_align import kernels
from tokenizer_align.arena import Configurations
from tokenizer_align.costs import Costs, settle_costs
from tokenizer_align.kernels import DEAD
from tokenizer_align.leaves import leaves_of
from tokenizer_align.rows import Remembered, rows_of, set_bits
from tokenizer_align.vocabulary import Vocabulary

__all__ = ["END", "Arena", "Bitmask", "Common", "State"]

Bitmask = NDArray[np.int32]

END = 0  # the number of the state behind EOS; records begin later

_WITHIN = 8  # rows within budgets that an arena remembers: rows side by side ask for the same at each step


_TAKEN = 1 << 13  # tokens that an arena remembers to have been taken, about 120 bytes each


class State:
    """Where a text may go on, as a value: equal states of one constraint have equal futures."""

    __slots__ = ("_arena", "_number")

    def __init__(self, arena: Arena, number: int) -> None:
        self._arena, self._number = arena, number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self._arena is other._arena and self._number == other._number

    def __hash__(self) -> int:
        return hash((id(self._arena), self._number))

    def __repr__(self) -> str:
        return f"State({self._number})"


class Common:
    """What the arenas of one constraint have in common; `specials` are symbols of the automaton by token id."""

    def __init__(self, automaton: ByteAutomaton, vocabulary: Vocabulary, specials: Mapping[int, int]) -> None:
        self.automaton, self.vocabulary, self.specials = automaton, vocabulary, specials
        self.rows = rows_of(vocabulary)
        self.costs: Costs | None = None


class Arena(Configurations):
    """An arena with the masks of its configurations."""

    def __init__(self, common: Common) -> None:
        super().__init__(common.automaton, leaves_of(common.vocabulary))
        self.common = common
        self.rows = Remembered({END: common.rows.end})
        self.row = np.empty(self.leaves.words, np.int32)  # the one that is being made
        self.largest: dict[int, int] = {}  # a number of tokens that suffices after any of a row
        self.within: dict[tuple[int, int], Bitmask] = {}  # the last rows that a budget narrowed
        self.taken: dict[tuple[int, int], int] = {}  # the configurations behind others and a token, up to `_TAKEN`

    def take(self, number: int, token_id: int, reached: int) -> None:
        """Remembers where a token leads: of the tokens of real texts two in three were taken there before."""
        if len(self.taken) >= _TAKEN:
            self.taken.clear()
        self.taken[number, token_id] = reached

    def known(self, number: int, budget: int | None) -> Bitmask | None:
        """The mask of a configuration within a budget, None when it has to be made; waits for nobody."""
        row = self.rows.get(number)
        if row is None or budget is None or number == END:
            return row
        largest = self.largest.get(number)
        return row if largest is not None and largest <= budget - 2 else None

    def mask(self, number: int, budget: int | None = None) -> Bitmask:
        """The mask of a configuration, read-only: remembered, or made; `Constraint.mask` says what it is."""
        if number == END:
            return self.common.rows.end
        with self.lock:
            row = self.rows.get(number)
            if budget is None:
                return self._fill(number) if row is None else row
            self.settle_all()
            largest = self.largest.get(number)
            if row is None or largest is None:
                row = self._fill(number)
                largest = self.largest[number]
            return row if largest <= budget - 2 else self._fill_within(number, budget - 2)

    def _fill(self, number: int) -> Bitmask:
        """The row of a configuration, made, or found by what it would be made of; remembered."""
        row, rows, context, specials = self.row, self.common.rows, self.context, self.common.specials
        largest = self.call(kernels.recipe, number, kernels.NO_BUDGET)
        recipe = None
        if not specials:
            recipe = self.leaves.number, self.arrays[kernels.RECIPE][: context[kernels.RECIPE_LENGTH]].tobytes()
        found = None if recipe is None else rows.recall(self.rows, number, recipe)
        if found is None:
            kernels.write(context, row)
            for token, symbol in specials.items():
                after = self.step(number, symbol)
                if after != DEAD:
                    set_bits(row, (token,))
                    largest = max(largest, self.cost(after))
            digest = kernels.digest(row) if specials else int(context[kernels.DIGEST])
            found = rows.remember(self.rows, number, row, digest, recipe)
        if self.is_settled:
            self.largest[number] = largest
        return found

    def _fill_within(self, number: int, most: int) -> Bitmask:
        """The row of the tokens after which `most` tokens suffice; the last ones are remembered."""
        remembered = self.within.get((number, most))
        if remembered is not None:
            return remembered
        row = np.empty_like(self.row)
        self.call(kernels.recipe, number, most)
        kernels.write(self.context, row)
        for token, symbol in self.common.specials.items():
            after = self.step(number, symbol)
            if after != DEAD and self.cost(after) <= most:
                set_bits(row, (token,))
        row.flags.writeable = False
        if len(self.within) >= _WITHIN:
            del self.within[next(iter(self.within))]
        self.within[number, most] = row
        return row

    def settle_all(self) -> None:
        """Sees to it that all records have their costs."""
        if not self.is_settled:
            common = self.common
            if common.costs is None:
                common.costs = settle_costs(common.automaton, self.leaves)
            self.settle(common.costs)
            self.taken.clear()  # tokens lead to no configuration that waits any more
