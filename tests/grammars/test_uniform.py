"""Counts are those of enumeration, and what is drawn is drawn evenly."""

from __future__ import annotations

import os
import random
from collections import Counter
from itertools import product

import pytest
from random_grammars import random_language

from grammars.compile import compile_grammar
from grammars.errors import GrammarError, LimitExceeded
from grammars.frontends.lark import parse_lark
from grammars.frontends.regex import parse_regex
from grammars.ir import Grammar
from grammars.uniform import Uniform

CASES = int(os.environ.get("GCD_UNIFORM_CASES", "30"))


@pytest.mark.parametrize("seed", range(CASES))
def test_members_are_counted(seed: int) -> None:
    rng = random.Random(seed)
    grammar, _ = random_language(rng)
    try:
        automaton = compile_grammar(grammar)
        used = automaton.used_bytes()
    except GrammarError:
        pytest.skip("not a grammar that compiles")
    if len(used) > 4 or automaton.special_tokens:
        pytest.skip("too many texts to try, or none that are bytes alone")
    words = (bytes(word) for length in range(6) for word in product(sorted(used), repeat=length))
    members = {word for word in words if automaton.accepts(word)}
    for length in range(6):
        expected = {text for text in members if len(text) == length}
        if not expected:
            with pytest.raises(LimitExceeded) as caught:
                Uniform(automaton, length)
            assert str(caught.value) == f"no text of this grammar has {length} bytes\nask for another length", seed
            continue
        uniform = Uniform(automaton, length)
        assert uniform.count == len(expected), (seed, length)
        assert {uniform.draw(rng) for _ in range(5)} <= expected, (seed, length)


@pytest.mark.parametrize(
    ("grammar", "length", "count"),
    [
        ('start: "(" start* ")"', 12, 42),
        ('start: start start | "a" | "b"', 10, 2**10),
        ('start: "a" start "a" | "b" start "b" | "c"', 17, 2**8),
        ('start: (A B?) ~ 24\nA: "a".."c"\nB: "b".."d"', 24, 3**24),
    ],
)
def test_known_numbers(grammar: str, length: int, count: int) -> None:
    automaton = compile_grammar(parse_lark(grammar))
    uniform = Uniform(automaton, length)
    assert uniform.count == count
    assert all(automaton.accepts(uniform.draw(random.Random(seed))) for seed in range(5))


def test_each_member_is_as_likely_as_any_other() -> None:
    """Chi square of 1,440 draws over 36 texts: 35 degrees of freedom, above 66.6 once in a thousand times."""
    uniform = Uniform(compile_grammar(Grammar({"start": parse_regex("a[a-d]*b|[bc]{3}d?|a{4}")})), 4)
    rng = random.Random(11)
    drawn = Counter(uniform.draw(rng) for _ in range(40 * uniform.count))
    assert len(drawn) == uniform.count
    assert sum((number - 40) ** 2 / 40 for number in drawn.values()) < 2 * uniform.count


def test_the_limit_of_states() -> None:
    automaton = compile_grammar(parse_lark('start: "(" start* ")" | "[" start* "]"'))
    with pytest.raises(LimitExceeded) as caught:
        Uniform(automaton, 60, limit=50)
    assert str(caught.value) == (
        "counting the texts of 60 bytes takes more than 50 states\nask for shorter ones, or draw by rules"
    )
