"""Automata over characters: a search is over where something is found, and its language is what it was."""

from __future__ import annotations

import random

import pytest
from random_grammars import Draw

from grammars.chars import _Characters, char_dfa
from grammars.dfa import Dfa, crawl, minimise
from grammars.errors import UnsupportedFeature
from grammars.frontends.regex import parse_regex
from grammars.ir import ANY_CHAR, Choice, Node, Repeat, Sequence
from grammars.positions import END

TEXT = Repeat(ANY_CHAR)


def numbered(dfa: Dfa) -> Dfa:
    """The same automaton, its states in the order in which they are met."""
    return crawl(0, dfa.edges.__getitem__, dfa.finals.__contains__)


@pytest.mark.parametrize("seed", range(30))
def test_what_follows_any_text_does_not_change_the_language(seed: int) -> None:
    rng = random.Random(seed)
    part: Node = Draw(rng).regular(3, [])
    shapes: list[Node] = [
        Sequence((TEXT, part, TEXT)),
        Choice((Sequence((TEXT, part, TEXT)), Sequence((part, TEXT)), part)),
        Sequence((part, Choice((TEXT, Sequence((TEXT, part)))))),
        Repeat(Sequence((part, TEXT)), 0, 2),
        Sequence((part, Repeat(ANY_CHAR, 1))),
    ]
    for shape in shapes:
        try:
            positions = _Characters()
            plain = minimise(positions.dfa(positions.enter(shape, END), limit=50_000))
        except UnsupportedFeature:  # a JSON string inside of text
            continue
        assert numbered(char_dfa(shape)) == numbered(plain), f"seed {seed}: {shape}"


def test_a_search_is_over_where_something_is_found() -> None:
    positions = _Characters()
    begin = positions.enter(Sequence((TEXT, parse_regex("abc"), TEXT)), END)
    positions.find_anything()
    assert len(positions.dfa(begin, limit=100).edges) == 4  # nothing, a, ab, and all behind abc
