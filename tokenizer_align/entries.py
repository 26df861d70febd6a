"""Entries: the members of objects one by one, as plain states and rules whose costs are settled with all others.

Place in the walk: beside `tokenizer_align.costs`. In a rule of members (`grammars.members`) what a state costs depends
on which member is written and which are required behind it. So each state that members can come from is copied for each
of them, and twice for what follows the declared members: for its other keys, and for the end. The way to the end of a
whole object is a chain of calls, one for each required member; with a register also for those others that the lower
bound asks for, and there the end has a number of its own. Only costs are read from these tables; no machine runs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grammars.automaton import ByteAutomaton
from grammars.rules import Kind
from grammars.tables import (
    CALL_COLUMNS,
    CALL_RETURN,
    CALL_RULE,
    DEFAULT,
    EDGE_LOW,
    EDGE_TO,
    FIRST_CALL,
    FIRST_EDGE,
    MEMBERS_AFTER,
    MEMBERS_AT,
    MEMBERS_COUNT,
    OPEN,
    REGISTER_FLAGS,
    REGISTER_LOW,
    RULE_COLUMNS,
    RULE_KIND,
    RULE_START,
    STATE_COLUMNS,
    STATE_FINAL,
    STATE_RULE,
    Int32,
    Tables,
)
from tokenizer_align.leaves import extent

__all__ = ["WrittenApart", "written_apart"]

_MOST = 2**29
"""Where costs stop, as in the kernels."""

_WAYS = 100_000
"""Most calls that the choice of members for a lower bound may take; beyond, the last ones are taken."""


@dataclass(frozen=True, slots=True)
class WrittenApart:
    """`tables` with more rules and states, and the objects whose members they are."""

    tables: Tables
    objects: tuple[_Object, ...]

    def member_costs(self, state_cost: Int32) -> Int32:
        """`MEMBER_COST` of the kernels, int32 (L,), from the costs of all states."""
        found = np.zeros(len(self.tables.lengths), np.int64)
        for one in self.objects:
            if one.register is not None:
                one.write_register_costs(found, state_cost)
                continue
            members = len(one.required) - 1
            costs = [0] * members + [int(state_cost[one.copy_of(one.after, members)])]
            for decided in range(members - 1, -1, -1):
                following = one.required[decided]
                costs[decided] = costs[members]
                if following < members:
                    costs[decided] = int(state_cost[one.copy_of(one.after, following)]) + costs[following + 1]
            found[one.at : one.at + members + 1] = costs
            own = state_cost[one.first : one.first + len(one.listed)].astype(np.int64)
            others = one.first + len(one.listed)
            own[one.twice] = np.minimum(own[one.twice], state_cost[others : others + len(one.twice)] + costs[members])
            found[one.lists : one.lists + len(one.listed)] = own
        return np.minimum(found, _MOST).astype(np.int32)


def written_apart(automaton: ByteAutomaton) -> WrittenApart:
    """The tables of an automaton that is built, with the members of its objects written apart."""
    rules, states = automaton.num_rules, automaton.num_states
    old = automaton.tables
    edges, calls = old.states[states, [FIRST_EDGE, FIRST_CALL]].tolist()
    tables = Tables(
        old.rules[:rules].copy(), old.states[: states + 1].copy(), old.edges[:edges], old.calls[:calls], old.lengths
    )
    numbers = np.flatnonzero(tables.rules[:, RULE_KIND] >= Kind.MEMBERS).tolist()
    if not numbers:
        return WrittenApart(tables, ())
    tables.states[tables.rules[numbers, MEMBERS_AFTER], STATE_FINAL] = 1  # behind a value nothing is left to do
    objects = []
    for number in numbers:
        one = _Object.read(old, number, *extent(automaton, number), first=len(tables.states) - 1)
        tables = _with_whole(_with_copies(tables, one), one)
        objects.append(one)
    return WrittenApart(tables, tuple(objects))


class _Object(NamedTuple):
    """One object, and where the copies of its states begin: in the order of the lists, then the second ones."""

    rule: int
    start: int
    after: int
    """The state behind a value, counted from `start`."""
    at: int
    required: list[int]
    lists: int
    """Where its lists begin in `Tables.lengths`."""
    pairs: Int32
    """(states, 2) first place in `listed` and number of members of each state; or the member decided and -1."""
    listed: Int32
    """The members in all lists."""
    keys: Int32
    """Of each of them state * (end + 1) + member; ascending."""
    twice: Int32
    """Places in `listed` of what follows the declared members."""
    first: int
    states: Int32
    edges: Int32
    calls: Int32
    end: int
    """What stands for the end in the lists."""
    register: tuple[int, bool] | None
    """The least number of entries, and whether there are others than the members."""

    @classmethod
    def read(cls, tables: Tables, rule: int, start: int, count: int, *, first: int) -> _Object:
        at, members, after = tables.rules[rule, [MEMBERS_AT, MEMBERS_COUNT, MEMBERS_AFTER]].tolist()
        pairs = tables.lengths[at + members + 1 : at + members + 1 + 2 * count].reshape(-1, 2).copy()
        sizes = np.maximum(pairs[:, 1], 0)
        lists = at + members + 1 + 2 * count
        register, end = None, members
        if tables.rules[rule, RULE_KIND] == Kind.REGISTER:
            low, flags = tables.rules[rule, [REGISTER_LOW, REGISTER_FLAGS]].tolist()
            register, end = (low, bool(flags & OPEN)), members + 1
        listed = tables.lengths[lists : lists + int(sizes.sum())]
        pairs[sizes > 0, 0] -= lists - at
        keys = np.repeat(np.arange(count), sizes) * (end + 1) + listed
        states = tables.states[start : start + count + 1]
        edges = tables.edges[states[0, FIRST_EDGE] : states[-1, FIRST_EDGE]]
        calls = tables.calls[states[0, FIRST_CALL] : states[-1, FIRST_CALL]]
        required = tables.lengths[at : at + members + 1].tolist()
        twice = np.flatnonzero((listed == members) & (end == members)).astype(np.int32)
        return cls(
            rule, start, after - start, at, required, lists, pairs, listed, keys.astype(np.int32), twice, first, states,
            edges, calls, end, register,
        )  # fmt: skip

    def copy_of(self, state: int, member: int) -> int:
        """The number of the copy of a state for a member."""
        return self.first + int(np.searchsorted(self.keys, state * (self.end + 1) + member))

    def write_register_costs(self, found: NDArray[np.int64], state_cost: Int32) -> None:
        """What an entry costs behind a value, in front of the table for open ones; what the end does; all lists."""
        members = len(self.required) - 1
        behind = np.flatnonzero(self.keys // (self.end + 1) == self.after)
        slots = np.array([*range(members), -1, members])  # of each number in a list
        found[self.at + slots[self.listed[behind]]] = state_cost[self.first + behind]
        found[self.lists : self.lists + len(self.listed)] = state_cost[self.first : self.first + len(self.listed)]

    def whole(self) -> list[list[tuple[int, int]]]:
        """The calls of each state on the ways through a whole object: a copy, and the state behind it, -1 for none.

        First the required members, or any one; then as many others as the lower bound asks for, whichever they are.
        """
        members, low, is_open = len(self.required) - 1, *(self.register or (0, False))
        begin = self.listed[: self.pairs[0, 1]].tolist()
        chain = [m for m in sorted({*self.required}) if m < members]
        others, missing = [m for m in range(members) if self.required[m] != m], max(0, low - len(chain))
        if is_open:
            chain += [members] * missing
        elif missing * len(others) ** 2 > _WAYS:
            chain += others[len(others) - missing :]
        is_chosen = not is_open and missing > 0 and missing * len(others) ** 2 <= _WAYS
        rows: list[list[tuple[int, int]]] = [[]]
        made: dict[tuple[int, int], int] = {}
        for member in chain:
            rows[-1].append((self.copy_of(0 if len(rows) == 1 else self.after, member), len(rows)))
            rows.append([])
        if is_chosen:
            made[0, 0] = len(rows) - 1
            for taken, first in product(range(missing), range(len(others))):
                if (number := made.get((taken, first))) is None:
                    continue
                for place in range(first, len(others) - missing + taken + 1):
                    following = (taken + 1, place + 1 if taken + 1 < missing else -1)
                    if following not in made:
                        made[following] = len(rows)
                        rows.append([])
                    rows[number].append((self.copy_of(self.after if number else 0, others[place]), made[following]))
        elif not chain:  # any one; what stands for other keys and for the end is copied twice
            twice = self.first + len(self.listed)
            ones = [twice if m == self.end else self.copy_of(0, m) for m in begin if m <= members]
            rows[0] = [(copy, 1) for copy in ones]
            rows.append([])
        if self.pairs[self.after, 1] > 0:
            rows[made[missing, -1] if is_chosen else -1].append((self.copy_of(self.after, self.end), -1))
        if begin[-1:] == [self.end] and not low and not chain:
            rows[0].append((self.copy_of(0, self.end), -1))
        return rows

    def copies(self, source: Int32, target: Int32) -> tuple[Int32, Int32, Int32]:
        """Of arrows between states: which one, and from which copy to which state or copy it leads, for each copy."""
        first, size = self.pairs[target - self.start].T
        decides = size < 0
        sizes = np.where(decides, 1, size)
        which = np.repeat(np.arange(len(source)), sizes)
        place = np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(first, sizes)
        decided = decides[which]
        members = len(self.required) - 1
        stride = self.end + 1
        member = np.where(decided, first[which], self.listed[np.where(decided, 0, place)])
        key = source[which] * stride + member
        at = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        fits = self.keys[at] == key
        goes_on = np.where(decided, target[which], self.first + place)
        second = self.first + len(self.listed)
        # What leads to other keys leads on in the second copies.
        others = fits & (member == members) & (self.end == members)
        once = fits & ~(others & decided)
        again = np.where(decided, target[which], second + np.searchsorted(self.twice, place))
        return (
            np.concatenate([which[once], which[others]]),
            np.concatenate([self.first + at[once], second + np.searchsorted(self.twice, at[others])]),
            np.concatenate([goes_on[once], again[others]]),
        )


def _with_copies(tables: Tables, one: _Object) -> Tables:
    """The tables with the copies of an object's states."""
    count = len(one.pairs)
    states = np.zeros((len(one.listed) + len(one.twice), STATE_COLUMNS), np.int32)
    states[:, STATE_RULE], states[:, DEFAULT] = one.rule, -1
    finals = one.states[one.keys // (one.end + 1), STATE_FINAL] & (one.listed == one.end)
    states[: len(one.listed), STATE_FINAL] = finals
    sources = np.repeat(np.arange(count, dtype=np.int32), np.diff(one.states[:, FIRST_EDGE]))
    is_listed = one.pairs[sources, 1] > 0
    edges = one.edges[is_listed]
    which, copy, goes_on = one.copies(sources[is_listed], edges[:, EDGE_TO])
    order = np.lexsort((edges[which, EDGE_LOW], copy))
    new_edges = edges[which][order]
    new_edges[:, EDGE_TO] = goes_on[order]
    states[:, FIRST_EDGE] = len(tables.edges) + np.searchsorted(copy[order] - one.first, np.arange(len(states)))
    sources = np.repeat(np.arange(count, dtype=np.int32), np.diff(one.states[:, FIRST_CALL]))
    is_listed = one.pairs[sources, 1] > 0
    calls, sources = one.calls[is_listed], sources[is_listed]
    tails = calls[:, CALL_RETURN] < 0
    which, copy, goes_on = one.copies(sources[~tails], calls[~tails][:, CALL_RETURN])
    ends = [one.copy_of(source, one.end) for source in sources[tails].tolist()]
    copy = np.concatenate([copy, np.array(ends, np.int32)])
    new_calls = np.concatenate([calls[~tails][which], calls[tails]])
    new_calls[: len(goes_on), CALL_RETURN] = goes_on
    order = np.argsort(copy, kind="stable")
    states[:, FIRST_CALL] = len(tables.calls) + np.searchsorted(copy[order] - one.first, np.arange(len(states)))
    return _longer(tables, states, new_edges, new_calls[order])


def _with_whole(tables: Tables, one: _Object) -> Tables:
    """The tables with the ways through a whole object, in which each entry is a call."""
    rows = one.whole()
    first = len(tables.states) - 1
    places = [copy for row in rows for copy, _ in row]
    rules = np.zeros((len(places), RULE_COLUMNS), np.int32)
    rules[:, RULE_START], rules[:, RULE_KIND] = places, Kind.PLAIN
    states = np.zeros((len(rows), STATE_COLUMNS), np.int32)
    states[:, STATE_RULE], states[:, DEFAULT] = one.rule, -1
    calls = np.zeros((len(places), CALL_COLUMNS), np.int32)
    calls[:, CALL_RULE] = len(tables.rules) + np.arange(len(places))
    calls[:, CALL_RETURN] = [first + back if back >= 0 else -1 for row in rows for _, back in row]
    states[:, FIRST_EDGE] = len(tables.edges)
    states[:, FIRST_CALL] = len(tables.calls) + np.array([0, *accumulate(map(len, rows))][:-1])
    own = tables.rules.copy()
    own[one.rule, [RULE_START, RULE_KIND]] = first, Kind.PLAIN
    grown = _longer(tables, states, tables.edges[:0], calls)
    return grown._replace(rules=np.concatenate([own, rules]))


def _longer(tables: Tables, states: Int32, edges: Int32, calls: Int32) -> Tables:
    """The tables with more states, and their edges and calls."""
    last = tables.states[-1:].copy()
    last[0, [FIRST_EDGE, FIRST_CALL]] = len(tables.edges) + len(edges), len(tables.calls) + len(calls)
    return tables._replace(
        states=np.concatenate([tables.states[:-1], states, last]),
        edges=np.concatenate([tables.edges, edges]),
        calls=np.concatenate([tables.calls, calls]),
    )
