"""Beam search and draws without replacement: what they find and their law, against going through all texts.

GCD_ALIGNMENT_CASES=200 takes that many cases instead of a few; GCD_ALIGNMENT_DRAWS=20000 draws as often.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from itertools import islice, permutations

import numpy as np
import pytest
from alignment_cases import Case, case_of

from gcd.sampling.aligned.beam import beams
from gcd.sampling.aligned.dice import RandomDice
from gcd.sampling.aligned.methods import METHODS, Target
from gcd.sampling.aligned.race import log_chance, race
from gcd.sampling.aligned.walk import walk

CASES = int(os.environ.get("GCD_ALIGNMENT_CASES", "6"))
DRAWS = int(os.environ.get("GCD_ALIGNMENT_DRAWS", "2000"))


@pytest.mark.parametrize("power", [0.0, 0.7, 1.0])
def test_a_beam_that_is_wide_enough_finds_what_brute_force_finds(power):
    for seed in range(4 * CASES):
        case = case_of(seed, budgets=(2, 3, 4))
        law = case.law()
        scores = {ids: math.log(p) / len(ids) ** power for ids, p in law.items()}
        best = sorted(scores.values(), reverse=True)
        for n in (1, 3, 1000):
            target = case.target()
            ends, gone_on = beams(
                target.trie, target.rows, n=n, width=3**case.budget, patience=math.inf, power=power
            )  # fmt: skip
            found = [end.token_ids() for end in ends]
            assert [scores[ids] for ids in found] == pytest.approx(best[:n], abs=1e-6), f"seed {seed}"
            assert len(set(found)) == len(found) == min(n, len(law))
            assert gone_on <= sum(3**k for k in range(case.budget))


def narrow(case: Case, width: int, patience: float) -> list[tuple[int, ...]]:
    """The same in ten lines: all continuations in order, until there are `width` prefixes; ends are kept."""
    model, constraint = case.model(), case.constraint()
    live, done = [(0.0, ())], []
    while live and len(done) < patience * width:
        rows = []
        for log_p, ids in live:
            state = constraint.start
            for token in ids:
                state = constraint.advance(state, token)
            bits = constraint.mask(state)
            law = model.next_logits([ids])[0].double().log_softmax(-1).tolist()
            for token, score in enumerate(law):
                last = len(ids) + 1 == case.budget
                if bits[0] >> token & 1 and score > -math.inf and not (last and token not in (3, 4)):
                    rows.append((log_p + score, (*ids, token)))
        following = []
        for log_p, ids in sorted(rows, key=lambda row: -row[0]):
            (done if ids[-1] in (3, 4) else following).append((log_p, ids))
            if len(following) == width:
                break
        live = following
    return [ids for _, ids in sorted(done, key=lambda row: -row[0])]


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("patience", [0.5, 1.0, 2.0])
def test_a_narrow_beam_keeps_what_it_says(width, patience):
    compared = 0
    for seed in range(4 * CASES):
        case = case_of(seed, budgets=(3, 4, 5))
        if not case.law():
            continue
        target = case.target()
        ends, _ = beams(target.trie, target.rows, n=1000, width=width, patience=patience)
        assert [end.token_ids() for end in ends] == narrow(case, width, patience), f"seed {seed}"
        compared += 1
    assert compared > CASES


def orders(law: dict[tuple[int, ...], float], n: int) -> dict[tuple[tuple[int, ...], ...], float]:
    """Each way to draw n texts, one after the other from those that are left, and its probability."""
    found = {}
    for order in permutations(law, n):
        left, p = sum(law.values()), 1.0
        for ids in order:
            p, left = p * law[ids] / left, left - law[ids]
        found[order] = p
    return found


def cases(least: int) -> list[Case]:
    """Some with a few texts."""
    found = (case for seed in range(400) if least <= len((case := case_of(seed, budgets=(3,))).law()) <= 6)
    return list(islice(found, max(2, CASES // 8)))


@pytest.mark.parametrize("warm", [0, 3])
@pytest.mark.parametrize("case", cases(3), ids=lambda case: str(case.seed))
def test_texts_arrive_by_the_law_of_draws_without_replacement(case, warm):
    """Counts of ordered pairs against their probabilities; within 5 sigma each, and by chi-squared together."""
    law, draws = case.law(), DRAWS // 8
    expected = orders(law, 2)
    seen: Counter[tuple[tuple[int, ...], ...]] = Counter()
    for i in range(draws):
        rng = np.random.default_rng((case.seed, i))
        target = case.target()
        for _ in range(warm):
            walk(target.trie, target.rows, RandomDice(rng), "cars")
        ends = []
        for end, _, _ in race(target.trie, target.rows, RandomDice(rng), most=10**6):
            ends.append(end.token_ids())
            if len(ends) == 2:
                break
        seen[tuple(ends)] += 1
    assert seen.keys() <= expected.keys()
    chi = 0.0
    for order, p in expected.items():
        assert abs(seen[order] - draws * p) <= 5 * math.sqrt(draws * p) + 5, f"{order}"
        chi += (seen[order] - draws * p) ** 2 / (draws * p)
    freedom = len(expected) - 1
    assert chi <= freedom + 5 * math.sqrt(2 * freedom) + 5


def drawn(case: Case, n: int, i: int) -> tuple[list, Target]:
    target = case.target()
    dice = [RandomDice(np.random.default_rng((case.seed, i, j))) for j in range(n)]
    return list(METHODS["distinct"].sampler(target, dice)), target


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("case", cases(4), ids=lambda case: str(case.seed))
def test_inclusion_weights_are_unbiased(case, n):
    """How often a text is among n, against the sum over all orders; and the mean of weight · 1[w] against P(w)."""
    law, draws = case.law(), DRAWS // 12
    included: Counter[tuple[int, ...]] = Counter()
    for order, p in orders(law, n).items():
        for ids in order:
            included[ids] += p
    seen: Counter[tuple[int, ...]] = Counter()
    weights = {ids: np.zeros(draws) for ids in law}
    for i in range(draws):
        texts, _ = drawn(case, n, i)
        assert len(texts) == n == len({one.end.token_ids() for one in texts})
        for one in texts:
            seen[one.end.token_ids()] += 1
            weights[one.end.token_ids()][i] = math.exp(one.log_weight) / n
    for ids, p in law.items():
        chance = included[ids]
        assert abs(seen[ids] - draws * chance) <= 4.5 * math.sqrt(draws * chance * (1 - chance)) + 1, f"{ids}"
        sigma = weights[ids].std(ddof=1) / math.sqrt(draws)
        if seen[ids] >= 25:  # of fewer the deviation is not known
            assert abs(weights[ids].mean() - p) <= 4.5 * sigma + 1e-9, f"{ids}"


@pytest.mark.parametrize("seed", range(CASES))
def test_all_texts_are_found_where_there_are_no_more(seed):
    """Then nothing was left to chance: each weighs what it is likely, and the mass of the language is known."""
    case = case_of(seed)
    law = case.law()
    if not law:
        return
    texts, target = drawn(case, len(law) + 3, 0)
    assert {one.end.token_ids() for one in texts} == set(law)
    for one in texts:
        assert math.exp(one.log_weight) / len(law) == pytest.approx(law[one.end.token_ids()], rel=1e-6)
    low, high = target.trie.log_mass
    assert low == pytest.approx(high, abs=1e-8)


@pytest.mark.parametrize(("log_p", "log_time"), [(-700.0, 690.0), (-1.0, 1.0), (-30.0, 40.0), (0.0, 2000.0)])
def test_chances_do_not_cancel(log_p, log_time):
    exact = -math.expm1(-math.exp(min(log_p + log_time, 50)))
    assert log_chance(log_p, log_time) == pytest.approx(math.log(exact), abs=1e-12)


def test_chances_below_all_floats_are_still_numbers():
    assert log_chance(-900.0, 100.0) == -800.0
    assert log_chance(-40.0, 5.0) == pytest.approx(-35.0, abs=1e-12)
    assert log_chance(-5.0, math.inf) == 0.0
