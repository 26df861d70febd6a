"""LimitedArena: the states and masks of grammars with parts that may take only so many tokens.

Place in the walk: beside `Arena`. Such a part is a rule without calls (`ir.AtMostTokens`), so it is open only on top of
a stack, and the counter of its items, which the kernels carry along and do not read, says in how many tokens it has
been so far. After each token the items in such parts are counted up, and those go that cannot leave their part in time.
What is in a mask is looked up behind the tokens, by classes, but only near a limit; elsewhere it is that of the
configuration.
"""

from __future__ import annotations

import numpy as np

from grammars.distinct import Frame
from grammars.tables import RULE_START, STATE_RULE
from tokenizer_align import kernels
from tokenizer_align.classes import reached_from
from tokenizer_align.errors import VocabularyMismatch
from tokenizer_align.kernels import DEAD
from tokenizer_align.states import Arena, Bitmask, Common

__all__ = ["LimitedArena"]

_FIRST = -16
"""A state is the number of its configuration, taken from this; from here up numbers are configurations."""

_LOOKS_AHEAD = 100
"""Tokens left up to which it is tried whether a part can be left, where its cost, which suffices, does not show it."""

_REMEMBERED = 1 << 16


class LimitedArena(Arena):
    """An arena whose states are configurations behind whole tokens."""

    def __init__(self, common: Common) -> None:
        super().__init__(common)
        self.settle_all()
        automaton, costs = self.automaton, self.arrays[kernels.STATE_COST]
        tables, states = automaton.tables, automaton.num_states
        self.limits = np.zeros(states, np.int32)  # of the part that a state is in, once a byte of it was read; else 0
        self.needs = np.maximum(costs[:states], 1)  # tokens that suffice to leave the part from a state in it
        self.dearest: dict[int, int] = {}  # by limit, the most that any of its states needs
        for rule, limit in automaton.token_limits.items():
            start = int(tables.rules[rule, RULE_START])
            own = np.flatnonzero(tables.states[:states, STATE_RULE] == rule)
            if costs[start] > limit:
                raise VocabularyMismatch(
                    f"a part of the grammar may take at most {limit:,} tokens, and {int(costs[start]):,} are needed "
                    "for its shortest text with this vocabulary"
                )
            self.limits[own] = limit
            self.limits[start] = 0
            self.dearest[limit] = max(self.dearest.get(limit, 1), int(self.needs[own].max()))
        self.is_wide = all(needed < limit for limit, needed in self.dearest.items())  # no first token is too much
        self._behind: dict[int, int] = {}
        self._costs: dict[int, int] = {}
        self.start = _FIRST - self.start

    # -- one token

    def behind(self, configuration: int) -> int:
        """The configuration when a token ends there, `DEAD` where nothing can be left in time."""
        known = self._behind.get(configuration)
        if known is None:
            items = self._listed(configuration)
            kept = [counted for item in items if (counted := self._counted(*item)) is not None]
            accepting = super().accepting(configuration)
            known = configuration if kept == items else self._record(kept, accepting) if kept or accepting else DEAD
            if len(self._behind) >= _REMEMBERED:
                self._behind.clear()
            self._behind[configuration] = known
        return known

    def _listed(self, configuration: int) -> list[Frame]:
        return [(state, count, stack) for state, count, stack in self.items(configuration).tolist()]

    def _record(self, items: list[Frame], accepting: bool) -> int:
        triples = np.array(sorted(items), np.int32).reshape(-1)
        return self.call(kernels.intern_record, kernels.CONFIGURATION, int(accepting), triples)

    def _counted(self, state: int, count: int, stack: int) -> Frame | None:
        """An item when a token ends there, None where its part cannot be left any more."""
        if not self.limits[state]:
            return state, count, stack
        item = state, count + 1, stack
        left = int(self.limits[state]) - item[1]
        return item if left >= self.needs[state] or (0 < left <= _LOOKS_AHEAD and self._after(item)) else None

    def _after(self, item: Frame) -> list[int]:
        """The configurations behind the tokens that may come next at an item alone."""
        classes = reached_from(self, self._record([item], False)).classes
        return [after for reached, _ in classes if (after := self.behind(reached)) != DEAD]

    # -- states

    def step(self, configuration: int, symbol: int) -> int:
        if configuration > _FIRST:
            return super().step(configuration, symbol)
        return _state(super().step(_FIRST - configuration, symbol))

    def advance(self, configuration: int, token_id: int) -> int:
        if configuration > _FIRST:
            return super().advance(configuration, token_id)
        reached = super().advance(_FIRST - configuration, token_id)
        return DEAD if reached == DEAD else _state(self.behind(reached))

    def accepting(self, configuration: int) -> bool:
        return super().accepting(configuration if configuration > _FIRST else _FIRST - configuration)

    def symbols(self, configuration: int) -> list[int]:
        return super().symbols(configuration if configuration > _FIRST else _FIRST - configuration)

    def cost(self, configuration: int) -> int:
        if configuration > _FIRST:
            return super().cost(configuration)
        return self._cost(_FIRST - configuration)

    def _cost(self, configuration: int) -> int:
        """A number of tokens that suffices: that of the items with room for theirs, or one more than behind a token."""
        items = self._listed(configuration)
        narrow = [i for i in items if self.limits[i[0]] and self.limits[i[0]] - i[1] < self.needs[i[0]]]
        if not narrow:
            return super().cost(configuration)
        known = self._costs.get(configuration)
        if known is None:
            others, accepting = [item for item in items if item not in narrow], super().accepting(configuration)
            known = super().cost(self._record(others, accepting)) if others or accepting else kernels.TOO_MANY
            for item in narrow:
                known = min([known, *(1 + self._cost(after) for after in self._after(item))])
            if len(self._costs) >= _REMEMBERED:
                self._costs.clear()
            self._costs[configuration] = known
        return known

    # -- masks

    def known(self, number: int, budget: int | None) -> Bitmask | None:
        if number > _FIRST:
            return super().known(number, budget)
        return self.rows.get(number) if budget is None else None

    def mask(self, number: int, budget: int | None = None) -> Bitmask:
        if number > _FIRST:
            return super().mask(number, budget)
        configuration = _FIRST - number
        with self.lock:
            if self._has_room(configuration):
                return super().mask(configuration, budget)
            row = self.rows.get(number) if budget is None else None
            if row is not None:
                return row
            row = super().mask(configuration).copy()
            for reached, token_ids in reached_from(self, configuration).classes:
                after = self.behind(reached)
                if after == DEAD or (budget is not None and self._cost(after) > budget - 2):
                    for token in token_ids.tolist():
                        row[token >> 5] &= ~np.array(1 << (token & 31), np.uint32).astype(np.int32)
            if budget is None:
                return self.common.rows.remember(self.rows, number, row, int(kernels.digest(row)))
        row.flags.writeable = False
        return row

    def _has_room(self, configuration: int) -> bool:
        """Whether any token leaves as much room as any state needs, so that none is too much."""
        limits = [(int(self.limits[state]), count) for state, count, _ in self._listed(configuration)]
        return self.is_wide and all(count + self.dearest[limit] < limit for limit, count in limits if limit)


def _state(configuration: int) -> int:
    """The number of the state of a configuration, `DEAD` for none."""
    return DEAD if configuration == DEAD else _FIRST - configuration
