"""Atoms of sets of tokens, and the states of a block, against their definitions."""

from __future__ import annotations

import random

import numpy as np
import pytest
from toys import TOY

import gcd
from gcd.diffusion.token_automaton import ENDED, BlockLimits, TokenAutomaton
from gcd.diffusion.token_sets import TokenSets
from gcd.errors import LimitExceeded


@pytest.mark.parametrize("seed", range(100))
def test_two_tokens_are_in_one_atom_iff_they_are_in_the_same_sets(seed):
    rng = random.Random(seed)
    size, sets = rng.randint(1, 12), {}
    made = TokenSets(size)
    for _ in range(rng.randint(0, 8)):
        token_ids = sorted(rng.sample(range(size), rng.randint(1, size)))
        sets[made.number(np.array(token_ids, np.int32))] = token_ids
        if rng.random() < 0.3:
            made.partition()
    partition = made.partition()
    assert {number: partition.members(number).tolist() for number in sets} == sets
    assert partition.num_sets == len(made) == len(sets) + 1
    inside = {token: frozenset(n for n, ids in sets.items() if token in ids) for token in range(size)}
    assert partition.num_atoms == len({*inside.values()} - {frozenset()})
    for one in range(size):
        for other in range(size):
            assert (partition.atom_of[one] == partition.atom_of[other]) == (inside[one] == inside[other])
    assert sorted(partition.tokens.tolist()) == [token for token in range(size) if inside[token]]


def test_states_are_met_as_deep_as_the_block_is_long():
    automaton = TokenAutomaton(gcd.compile(regex="(ab)*c", tokenizer=TOY), BlockLimits())
    start = automaton.number(automaton.constraint.start)
    automaton.explore([start], 1, {})
    known = len(automaton.states)
    edges = automaton.edges
    assert np.diff(edges.start).tolist() == [1, 3] + [0] * (known - 2)  # what is behind EOS, the start, the others
    automaton.explore([start], 9, {})
    assert automaton.edges.source.tolist() == sorted(automaton.edges.source.tolist())
    assert (np.diff(automaton.edges.start) > 0).all()
    assert automaton.edges.target[0] == ENDED


def test_fixed_tokens_keep_states_out():
    c = gcd.compile(regex="a{1,200}b{1,200}", tokenizer=TOY)
    every, some = TokenAutomaton(c, BlockLimits()), TokenAutomaton(c, BlockLimits())
    every.explore([every.number(c.start)], 40, {})
    some.explore([some.number(c.start)], 40, dict.fromkeys(range(39), 0))
    assert [int((np.diff(a.edges.start) > 0).sum()) for a in (every, some)] == [80, 41]


LIMITS = [
    (
        BlockLimits(states=5),
        "a block of this grammar goes through more than 5 states\n"
        "make the block shorter, or pass limits=BlockLimits(states=...)",
    ),
    (
        BlockLimits(edges=5),
        "a block of this grammar has more than 5 ways from state to state\n"
        "make the block shorter, or pass limits=BlockLimits(edges=...)",
    ),
]


@pytest.mark.parametrize(("limits", "message"), LIMITS)
def test_limits(limits, message):
    automaton = TokenAutomaton(gcd.compile(regex="a{50}", tokenizer=TOY), limits)
    with pytest.raises(LimitExceeded) as caught:
        automaton.explore([automaton.number(automaton.constraint.start)], 50, {})
    assert str(caught.value) == message
