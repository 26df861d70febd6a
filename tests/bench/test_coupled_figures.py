"""`bench/coupled.py`: both loops keep their law, and draw alike where a grammar changes nothing."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
import torch
from coupled import fill, report

import gcd

AB = gcd.Vocabulary([b"a", b"b", b"", b""], eos_token_ids=[2], special_tokens={"<mask>": 3})
ROWS = [[0.6, 0.4, 0, 0], [0.9, 0.1, 0, 0]]
GRID = [(i + 0.5) / 20 for i in range(20)]


def model(ids: torch.Tensor) -> torch.Tensor:
    """Of the law of the first position there is more to say once the second one is known."""
    rows = torch.tensor(ROWS, dtype=torch.float64)
    if ids[0, 1] == 1:
        rows[0] = torch.tensor([0.2, 0.8, 0, 0])
    return rows.log()[None]


@pytest.mark.parametrize(("steps", "first"), [(1, 0.6), (2, 0.2)])
def test_both_loops_have_their_law(steps, first):
    """By all pairs of twenty numbers; with the grammar a second step has nothing left to decide."""
    free = {"aa": 0.54, "ba": 0.36, "ab": 0.1 * first, "bb": 0.1 * (1 - first)}
    for constraint, law in (
        (None, free),
        (gcd.compile(choices=["ab", "ba"], tokenizer=AB), {"ab": 1 / 7, "ba": 6 / 7}),
    ):
        drawn = Counter(tuple(fill(model, [], 3, pair, steps, constraint)) for pair in product(GRID, repeat=2))
        shares = {"".join("ab"[t] for t in ids): count / 400 for ids, count in drawn.items()}
        assert shares == pytest.approx(law, abs=0.026)


def test_a_grammar_that_changes_nothing_draws_the_same():
    anything = gcd.compile(regex="[ab]{2}", tokenizer=AB)
    for pair in product(GRID[::5], repeat=2):
        assert fill(model, [], 3, pair, 2, anything) == fill(model, [], 3, pair, 2)


def test_pairs_are_reported_with_what_differs():
    pairs = [((True, 4, 4), (True, 4, 4)), ((False, 3, 4), (True, 4, 4)), ((False, 0, 4), (False, 2, 4))]
    assert report(pairs, 8).splitlines() == [
        "3 notes in 8 steps, the same random numbers with a grammar and without",
        "unconstrained, drawn   objects 33.33 %  fields 58.33 %",
        "exact                  objects 66.67 %  fields 83.33 %",
        "exact - unconstrained  objects +33.33 ± 33.33 points",
        "exact - unconstrained  fields +25.00 ± 14.43 points",
        "only exact is right: 1 notes; only unconstrained is: 0",
    ]
