"""Entries: the members of objects one by one, as plain states and rules whose costs are settled with all others.

Place in the walk: beside `tokenizer_align.costs`. In a rule of members (`grammars.members`) what a state costs depends
on which member is written and which are required behind it. So each state that members can come from is copied for each
of them, and twice for what follows the declared members: for its other keys, and for the end. The way to the end of a
whole object is a chain of calls, one for each required member. Only costs are read from these tables; no machine runs
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

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


@dataclass(frozen=True, slots=True)
class WrittenApart:
    """`tables` with more rules and states, and the objects whose members they are."""

    tables: Tables
    objects: tuple[_Object, ...]

    def member_costs(self, state_cost: Int32) -> Int32:
        """`MEMBER_COST` of the kernels, int32 (L,), from the costs of all states."""
        found = np.zeros(len(self.tables.lengths), np.int64)
        for one in self.objects:
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
    numbers = np.flatnonzero(tables.rules[:, RULE_KIND] == Kind.MEMBERS).tolist()
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
    """Of each of them state * (members + 1) + member; ascending."""
    twice: Int32
    """Places in `listed` of what follows the declared members."""
    first: int
    states: Int32
    edges: Int32
    calls: Int32

    @classmethod
    def read(cls, tables: Tables, rule: int, start: int, count: int, *, first: int) -> _Object:
        at, members, after = tables.rules[rule, [MEMBERS_AT, MEMBERS_COUNT, MEMBERS_AFTER]].tolist()
        pairs = tables.lengths[at + members + 1 : at + members + 1 + 2 * count].reshape(-1, 2).copy()
        sizes = np.maximum(pairs[:, 1], 0)
        lists = at + members + 1 + 2 * count
        listed = tables.lengths[lists : lists + int(sizes.sum())]
        pairs[sizes > 0, 0] -= lists - at
        keys = np.repeat(np.arange(count), sizes) * (members + 1) + listed
        states = tables.states[start : start + count + 1]
        edges = tables.edges[states[0, FIRST_EDGE] : states[-1, FIRST_EDGE]]
        calls = tables.calls[states[0, FIRST_CALL] : states[-1, FIRST_CALL]]
        required = tables.lengths[at : at + members + 1].tolist()
        twice = np.flatnonzero(listed == members).astype(np.int32)
        return cls(
            rule, start, after - start, at, required, lists, pairs, listed, keys.astype(np.int32), twice, first, states,
            edges, calls,
        )  # fmt: skip

    def copy_of(self, state: int, member: int) -> int:
        """The number of the copy of a state for a member."""
        return self.first + int(np.searchsorted(self.keys, state * len(self.required) + member))

    def copies(self, source: Int32, target: Int32) -> tuple[Int32, Int32, Int32]:
        """Of arrows between states: which one, and from which copy to which state or copy it leads, for each copy."""
        first, size = self.pairs[target - self.start].T
        decides = size < 0
        sizes = np.where(decides, 1, size)
        which = np.repeat(np.arange(len(source)), sizes)
        place = np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(first, sizes)
        decided = decides[which]
        members = len(self.required) - 1
        member = np.where(decided, first[which], self.listed[np.where(decided, 0, place)])
        key = source[which] * (members + 1) + member
        at = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        fits = self.keys[at] == key
        goes_on = np.where(decided, target[which], self.first + place)
        second = self.first + len(self.listed)
        others = fits & (member == members)  # what leads to other keys leads on in the second copies
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
    members = len(one.required) - 1
    finals = one.states[one.keys // (members + 1), STATE_FINAL] & (one.listed == members)
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
    ends = [one.copy_of(source, members) for source in sources[tails].tolist()]
    copy = np.concatenate([copy, np.array(ends, np.int32)])
    new_calls = np.concatenate([calls[~tails][which], calls[tails]])
    new_calls[: len(goes_on), CALL_RETURN] = goes_on
    order = np.argsort(copy, kind="stable")
    states[:, FIRST_CALL] = len(tables.calls) + np.searchsorted(copy[order] - one.first, np.arange(len(states)))
    return _longer(tables, states, new_edges, new_calls[order])


def _with_whole(tables: Tables, one: _Object) -> Tables:
    """The tables with the chain of calls of a whole object: a first member, the required ones behind it, the end."""
    members, required = len(one.required) - 1, one.required[0]
    begin = one.listed[: one.pairs[0, 1]].tolist()
    others = one.first + len(one.listed)
    if required < members:
        firsts = [one.copy_of(0, required)]
        chain = [one.copy_of(one.after, m) for m in sorted({*one.required[required + 1 :]}) if m < members]
    else:
        firsts = [one.copy_of(0, m) for m in begin if m < members] + [others] * (begin[-1:] == [members])
        chain = []
    if one.pairs[one.after, 1] > 0:
        chain.append(one.copy_of(one.after, members))
    empty = [one.copy_of(0, members)] if begin[-1:] == [members] and required == members else []
    places = [*firsts, *empty, *chain]
    rules = np.zeros((len(places), RULE_COLUMNS), np.int32)
    rules[:, RULE_START], rules[:, RULE_KIND] = places, Kind.PLAIN
    states = np.zeros((1 + len(chain), STATE_COLUMNS), np.int32)
    states[:, STATE_RULE], states[:, DEFAULT] = one.rule, -1
    first = len(tables.states) - 1
    calls = np.zeros((len(places), CALL_COLUMNS), np.int32)
    calls[:, CALL_RULE] = len(tables.rules) + np.arange(len(places))
    links = list(range(first + 2, first + 1 + len(chain)))
    calls[:, CALL_RETURN] = [*[first + 1] * len(firsts), *[-1] * len(empty), *links, *[-1] * bool(chain)]
    states[:, FIRST_EDGE] = len(tables.edges)
    states[1:, FIRST_CALL] = len(firsts) + len(empty) + np.arange(len(chain))
    states[:, FIRST_CALL] += len(tables.calls)
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
