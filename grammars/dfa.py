"""Automata over ranges of integers: an NFA to build with, and all set algebra on DFAs by one construction, `crawl`.

Place in the walk: the workbench of `grammars.compile`. The integers are code points, bytes, or bytes and calls (see
`grammars.rules`); nothing here knows which. State 0 of a `Dfa` is its start; a missing edge leads nowhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from itertools import chain, islice
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from grammars.errors import LimitExceeded
from grammars.record import record

__all__ = [
    "Dfa",
    "Edge",
    "EdgeTable",
    "Nfa",
    "complement",
    "crawl",
    "determinise",
    "edge_table",
    "intersect",
    "minimise",
    "shortest",
    "too_large",
    "trim",
    "without",
]

Edge: TypeAlias = tuple[int, int, int]
"""Low, high (inclusive), target state."""

S = TypeVar("S", bound=Hashable)


@record
class Dfa:
    """Per state its edges, sorted and disjoint, and which states are final. State 0 is the start."""

    edges: tuple[tuple[Edge, ...], ...]
    finals: frozenset[int]

    def step(self, state: int, symbol: int) -> int:
        """The state after `symbol`, -1 when there is none."""
        for low, high, target in self.edges[state]:
            if low <= symbol <= high:
                return target
        return -1


class Nfa:
    """A nondeterministic automaton under construction; states are numbers, 0 is the start."""

    __slots__ = ("edges", "empty", "finals")

    def __init__(self) -> None:
        self.edges: list[list[Edge]] = [[]]
        self.empty: list[list[int]] = [[]]  # moves that consume nothing
        self.finals: set[int] = set()

    def state(self) -> int:
        """A new state."""
        self.edges.append([])
        self.empty.append([])
        return len(self.edges) - 1

    def embed(self, dfa: Dfa, source: int, target: int) -> None:
        """Adds a copy of `dfa` between two states of this automaton."""
        offset = len(self.edges)
        for row in dfa.edges:
            self.edges.append([(low, high, to + offset) for low, high, to in row])
            self.empty.append([])
        self.empty[source].append(offset)
        for state in dfa.finals:
            self.empty[state + offset].append(target)

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        """The states reachable without consuming anything."""
        seen = set(states)
        pending = list(seen)
        while pending:
            for target in self.empty[pending.pop()]:
                if target not in seen:
                    seen.add(target)
                    pending.append(target)
        return frozenset(seen)


def crawl(
    initial: S,
    follow: Callable[[S], Iterable[tuple[int, int, S]]],
    final: Callable[[S], bool],
    *,
    limit: int = 1_000_000,
) -> Dfa:
    """The DFA whose states are the values reachable from `initial`; `follow` gives sorted, disjoint edges.

    Raises `LimitExceeded` beyond `limit` states.
    """
    index: dict[S, int] = {initial: 0}
    states = [initial]
    edges: list[tuple[Edge, ...]] = []
    for state in states:
        row: list[Edge] = []
        for low, high, target in follow(state):
            number = index.get(target)
            if number is None:
                number = index[target] = len(states)
                states.append(target)
                if number >= limit:
                    raise too_large(f"{limit} states")
            if row and row[-1][2] == number and row[-1][1] + 1 == low:
                row[-1] = (row[-1][0], high, number)
            else:
                row.append((low, high, number))
        edges.append(tuple(row))
    return Dfa(tuple(edges), frozenset(i for i, state in enumerate(states) if final(state)))


def too_large(most: str) -> LimitExceeded:
    """The error of an automaton beyond `Limits.states`, which has more than `most` says."""
    return LimitExceeded(f"the automaton has more than {most}", hint="simplify the pattern, or raise Limits.states")


def determinise(nfa: Nfa, *, limit: int = 1_000_000) -> Dfa:
    """The DFA of the same language (subset construction)."""
    closures = [nfa.closure((q,)) if nfa.empty[q] else frozenset((q,)) for q in range(len(nfa.edges))]
    edges = nfa.edges

    def follow(states: frozenset[int]) -> Iterable[tuple[int, int, frozenset[int]]]:
        raw = [edge for q in states for edge in edges[q]]
        if len(raw) == 1:
            low, high, target = raw[0]
            return ((low, high, closures[target]),)
        return ((low, high, _closed(targets)) for low, high, targets in split_overlaps(raw))

    def _closed(targets: set[int]) -> frozenset[int]:
        return frozenset[int]().union(*(closures[q] for q in targets))

    return crawl(closures[0], follow, lambda states: not nfa.finals.isdisjoint(states), limit=limit)


def intersect(dfas: tuple[Dfa, ...], *, limit: int = 1_000_000) -> Dfa:
    """The DFA of the strings that are in all of them."""

    def follow(states: tuple[int, ...]) -> Iterable[tuple[int, int, tuple[int, ...]]]:
        rows = [dfa.edges[q] for dfa, q in zip(dfas, states, strict=True)]
        common: list[tuple[int, int, tuple[int, ...]]] = [(low, high, (target,)) for low, high, target in rows[0]]
        for row in rows[1:]:
            common = [
                (max(a, c), min(b, d), (*left, right))
                for a, b, left in common
                for c, d, right in row
                if a <= d and c <= b
            ]
        return common

    def final(states: tuple[int, ...]) -> bool:
        return all(q in dfa.finals for dfa, q in zip(dfas, states, strict=True))

    return crawl((0,) * len(dfas), follow, final, limit=limit)


def complement(dfa: Dfa, alphabet: tuple[tuple[int, int], ...]) -> Dfa:
    """The DFA of all strings over `alphabet` (sorted, disjoint ranges) that are not in `dfa`."""
    sink = -1

    def follow(state: int) -> Iterable[Edge]:
        row = () if state == sink else dfa.edges[state]
        for low, high in alphabet:
            for a, b, target in row:
                if a > high or b < low:
                    continue
                if low < a:
                    yield low, a - 1, sink
                yield max(low, a), min(high, b), target
                low = b + 1
            if low <= high:
                yield low, high, sink

    return crawl(0, follow, lambda state: state == sink or state not in dfa.finals)


def without(dfa: Dfa, texts: Iterable[str]) -> Dfa:
    """The minimal DFA of the strings of a minimal one that are none of the texts.

    A state for each beginning of a text is laid over the state that `dfa` is in there, the longest beginnings first:
    one that has the edges of another state is that state.
    """
    states, children, ends = _beginnings(dfa, texts)
    rows, finals = list(dfa.edges), set(dfa.finals)
    known = {(row, state in finals): state for state, row in enumerate(rows)}
    numbers = [-1] * len(states)  # of each beginning its state; -1 when no string goes on from there
    for beginning in reversed(range(len(states))):
        state = states[beginning]
        replaced = {ord(char): numbers[longer] for char, longer in children[beginning].items()}
        row = _redirected(dfa.edges[state], replaced)
        final = state in dfa.finals and beginning not in ends
        number = known.get((row, final))
        if number is None and (row or final):
            number = known[row, final] = len(rows)
            rows.append(row)
            if final:
                finals.add(number)
        numbers[beginning] = -1 if number is None else number
    if numbers[0] < 0:
        return Dfa(((),), frozenset())
    return crawl(numbers[0], rows.__getitem__, finals.__contains__)


def _beginnings(dfa: Dfa, texts: Iterable[str]) -> tuple[list[int], list[dict[str, int]], set[int]]:
    """The prefix tree of the texts as far as `dfa` reads them: its states, the children, and where a text ends."""
    states, children = [0], [dict[str, int]()]
    ends = set()
    for text in texts:
        node = 0
        for char in text:
            following = children[node].get(char)
            if following is None:
                state = dfa.step(states[node], ord(char))
                if state < 0:
                    break
                following = children[node][char] = len(states)
                states.append(state)
                children.append({})
            node = following
        else:
            ends.add(node)
    return states, children, ends


def _redirected(row: tuple[Edge, ...], replaced: dict[int, int]) -> tuple[Edge, ...]:
    """A row that leads elsewhere by some of its symbols (-1: nowhere)."""
    if not replaced:
        return row
    edges: list[Edge] = []
    symbols = sorted(replaced, reverse=True)
    for low, high, target in row:
        while symbols and symbols[-1] <= high:
            symbol = symbols.pop()
            if low < symbol:
                edges.append((low, symbol - 1, target))
            if replaced[symbol] >= 0:
                edges.append((symbol, symbol, replaced[symbol]))
            low = symbol + 1
        if low <= high:
            edges.append((low, high, target))
    return _merged(edges)


def trim(dfa: Dfa) -> Dfa:
    """The same language without the states from which no final state can be reached (the start is kept)."""
    return _trimmed(dfa, _distances(dfa)[0])


def _trimmed(dfa: Dfa, distances: list[int]) -> Dfa:
    if -1 not in distances:
        return dfa
    return crawl(0, lambda q: (edge for edge in dfa.edges[q] if distances[edge[2]] >= 0), lambda q: q in dfa.finals)


def minimise(dfa: Dfa) -> Dfa:
    """The smallest DFA of the same language, trimmed.

    Partition refinement from the distances to a final state: only states before a state that changed its group are
    looked at again, and the largest part of a split group keeps its number (Hopcroft's "smaller half").
    """
    group, before = _distances(dfa)
    if -1 in group:
        dfa = _trimmed(dfa, group)
        group, before = _distances(dfa)
    edges = dfa.edges
    if len(edges) == 1:
        return dfa
    members: dict[int, set[int]] = defaultdict(set)
    for state, number in enumerate(group):
        members[number].add(state)
    touched = {number: states for number, states in members.items() if len(states) > 1}
    while touched:
        splits = []
        for number, states in touched.items():
            parts: dict[tuple[int, ...], list[int]] = defaultdict(list)
            for state in states:
                parts[_signature(edges[state], group)].append(state)
            if len(states) < len(members[number]):  # the others look as they did: alike
                other = next(state for state in members[number] if state not in states)
                parts.pop(_signature(edges[other], group), None)
            else:
                parts.pop(max(parts, key=lambda signature: len(parts[signature])))
            splits += [(number, part) for part in parts.values()]
        dirty: set[int] = set()
        for number, part in splits:
            members[number].difference_update(part)
            added = len(members)
            members[added] = set(part)
            for state in part:
                group[state] = added
                dirty.update(before[state])
        touched = defaultdict(set)
        for state in dirty:
            if len(members[group[state]]) > 1:
                touched[group[state]].add(state)
    if len(members) == len(edges):
        return dfa
    chosen = {number: min(states) for number, states in members.items()}
    return crawl(
        group[0],
        lambda g: [(low, high, group[target]) for low, high, target in edges[chosen[g]]],
        lambda g: chosen[g] in dfa.finals,
    )


def shortest(dfa: Dfa) -> int:
    """The length of a shortest string, -1 without any."""
    return _distances(dfa)[0][0]


class EdgeTable(NamedTuple):
    """A DFA as arrays: how many edges each state has, int64 (S,), all of them, int64 (E, 3), and the final states."""

    counts: NDArray[np.int64]
    edges: NDArray[np.int64]
    finals: frozenset[int]

    def dfa(self) -> Dfa:
        """The same in rows."""
        edges = iter(map(tuple, self.edges.tolist()))
        return Dfa(tuple([tuple(islice(edges, count)) for count in self.counts.tolist()]), self.finals)


def edge_table(dfa: Dfa) -> EdgeTable:
    """The arrays of a DFA.

    >>> [part.tolist() for part in edge_table(Dfa((((97, 99, 1),), ()), frozenset({1})))[:2]]
    [[1, 0], [[97, 99, 1]]]
    """
    counts = np.fromiter(map(len, dfa.edges), np.int64, len(dfa.edges))
    numbers = chain.from_iterable(chain.from_iterable(dfa.edges))
    return EdgeTable(counts, np.fromiter(numbers, np.int64, 3 * int(counts.sum())).reshape(-1, 3), dfa.finals)


def split_overlaps(edges: list[Edge]) -> list[tuple[int, int, set[int]]]:
    """The edges cut where they overlap, each piece with all of its targets, sorted.

    >>> [(low, high, sorted(targets)) for low, high, targets in split_overlaps([(1, 5, 7), (3, 9, 8)])]
    [(1, 2, [7]), (3, 5, [7, 8]), (6, 9, [8])]
    """
    events: dict[int, tuple[list[int], list[int]]] = {}
    for low, high, target in edges:
        events.setdefault(low, ([], []))[0].append(target)
        events.setdefault(high + 1, ([], []))[1].append(target)
    active: dict[int, int] = {}
    pieces: list[tuple[int, int, set[int]]] = []
    previous = 0
    for point in sorted(events):
        if active:
            pieces.append((previous, point - 1, set(active)))
        begin, end = events[point]
        for target in begin:
            active[target] = active.get(target, 0) + 1
        for target in end:
            active[target] -= 1
            if not active[target]:
                del active[target]
        previous = point
    return pieces


def _distances(dfa: Dfa) -> tuple[list[int], list[list[int]]]:
    """Per state the number of steps to a final state, -1 without any, and the states before it.

    Equivalent states have equal distances.
    """
    before: list[list[int]] = [[] for _ in dfa.edges]
    for state, row in enumerate(dfa.edges):
        for target in {edge[2] for edge in row}:
            before[target].append(state)
    distances = [-1] * len(dfa.edges)
    reached = list(dfa.finals)
    for state in reached:
        distances[state] = 0
    for state in reached:
        for source in before[state]:
            if distances[source] < 0:
                distances[source] = distances[state] + 1
                reached.append(source)
    return distances, before


def _signature(row: tuple[Edge, ...], group: list[int]) -> tuple[int, ...]:
    """What is alike for the rows of states that lead into the same groups by the same symbols."""
    if len(row) == 1:
        low, high, target = row[0]
        return low, high, group[target]
    merged: list[int] = []
    last, end = -1, -2
    for low, high, target in row:
        number = group[target]
        if number == last and low == end + 1:
            merged[-2] = high
        else:
            merged += (low, high, number)
        last, end = number, high
    return tuple(merged)


def _merged(row: Iterable[Edge]) -> tuple[Edge, ...]:
    merged: list[Edge] = []
    for low, high, target in row:
        if merged and merged[-1][2] == target and merged[-1][1] + 1 == low:
            merged[-1] = (merged[-1][0], high, target)
        else:
            merged.append((low, high, target))
    return tuple(merged)
