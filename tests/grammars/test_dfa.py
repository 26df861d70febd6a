"""Automata over ranges: the Boolean algebra, against sets of short strings."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from grammars.dfa import Dfa, Nfa, complement, determinise, intersect, minimise, shortest, split_overlaps, trim, without

ALPHABET = ((0, 3),)
STRINGS = [s for n in range(5) for s in itertools.product(range(4), repeat=n)]

state = st.integers(0, 4)
edge = st.tuples(state, st.integers(0, 3), st.integers(0, 3), state)


@st.composite
def nfas(draw: st.DrawFn) -> Nfa:
    nfa = Nfa()
    for _ in range(4):
        nfa.state()
    for source, low, high, target in draw(st.lists(edge, max_size=8)):
        nfa.edges[source].append((min(low, high), max(low, high), target))
    for source, target in draw(st.lists(st.tuples(state, state), max_size=3)):
        nfa.empty[source].append(target)
    nfa.finals = set(draw(st.lists(state, max_size=3)))
    return nfa


def naive(nfa: Nfa, string: tuple[int, ...]) -> bool:
    states = nfa.closure({0})
    for symbol in string:
        states = nfa.closure({to for q in states for low, high, to in nfa.edges[q] if low <= symbol <= high})
    return not nfa.finals.isdisjoint(states)


def language(dfa: Dfa) -> set[tuple[int, ...]]:
    found = set()
    for string in STRINGS:
        q = 0
        for symbol in string:
            q = dfa.step(q, symbol) if q >= 0 else q
        if q in dfa.finals:
            found.add(string)
    return found


@given(nfas())
def test_determinise_keeps_the_language(nfa: Nfa) -> None:
    assert language(determinise(nfa)) == {s for s in STRINGS if naive(nfa, s)}


@given(nfas())
def test_minimise_and_trim_keep_the_language(nfa: Nfa) -> None:
    dfa = determinise(nfa)
    assert language(minimise(dfa)) == language(trim(dfa)) == language(dfa)
    assert len(minimise(dfa).edges) <= len(trim(dfa).edges) <= max(1, len(dfa.edges))


@given(nfas(), nfas())
def test_intersect_is_intersection(left: Nfa, right: Nfa) -> None:
    a, b = determinise(left), determinise(right)
    assert language(intersect((a, b))) == language(a) & language(b)


@given(nfas())
def test_complement_is_complement(nfa: Nfa) -> None:
    dfa = determinise(nfa)
    assert language(complement(dfa, ALPHABET)) == set(STRINGS) - language(dfa)


@given(nfas(), st.lists(st.text("\0\1\2\3\4", max_size=4), max_size=5))
def test_without_is_the_minimal_automaton_of_the_difference(nfa: Nfa, texts: list[str]) -> None:
    dfa = minimise(determinise(nfa))
    excluded = Nfa()
    for text in texts:
        last = 0
        for char in text:
            excluded.edges[last].append((ord(char), ord(char), excluded.state()))
            last = len(excluded.edges) - 1
        excluded.finals.add(last)
    others = complement(determinise(excluded), ALPHABET)
    assert without(dfa, texts) == minimise(intersect((dfa, others)))


@given(nfas())
def test_shortest_is_the_length_of_a_shortest_string(nfa: Nfa) -> None:
    dfa = determinise(nfa)
    assert shortest(dfa) == min(map(len, language(dfa)), default=-1)  # five states: four symbols reach a final one


@given(nfas(), nfas())
def test_equal_languages_have_equal_minimal_automata(left: Nfa, right: Nfa) -> None:
    a, b = determinise(left), determinise(right)
    union = complement(intersect((complement(a, ALPHABET), complement(b, ALPHABET))), ALPHABET)
    swapped = complement(intersect((complement(b, ALPHABET), complement(a, ALPHABET))), ALPHABET)
    assert minimise(union) == minimise(swapped)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), state), max_size=6))
def test_split_overlaps_covers_the_same_points(raw: list[tuple[int, int, int]]) -> None:
    edges = [(min(a, b), max(a, b), t) for a, b, t in raw]
    pieces = split_overlaps(edges)
    for point in range(10):
        expected = {t for low, high, t in edges if low <= point <= high}
        found = [targets for low, high, targets in pieces if low <= point <= high]
        assert found == ([expected] if expected else [])
