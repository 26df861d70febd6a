"""Adaptive weighted rejection, and tests along the way under every method: the law, by every choice.

GCD_ALIGNMENT_CASES=200 enumerates that many cases instead of a few; GCD_ALIGNMENT_DRAWS=20000 draws as often.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from functools import partial

import numpy as np
import pytest
from alignment_cases import case_of, judged_outcomes
from every_choice import ScriptedDice, every_choice

import gcd
from gcd.sampling.aligned.awrs import by_trial
from gcd.sampling.aligned.dice import RandomDice, log_sum
from gcd.sampling.aligned.smc import population
from gcd.sampling.aligned.targets import open_target
from gcd.sampling.aligned.walk import walks
from gcd.sampling.logits import Warp

CASES = int(os.environ.get("GCD_ALIGNMENT_CASES", "6"))
DRAWS = int(os.environ.get("GCD_ALIGNMENT_DRAWS", "2000"))


FOUR = gcd.Vocabulary([b"a", b"b", b"c", b"d", b""], eos_token_ids=[4])


@pytest.mark.parametrize("checks", [1, 2, 3, 64])
@pytest.mark.parametrize(
    ("law", "good", "mass"), [((0.4, 0.3, 0.2, 0.1), "bd", 0.4), ((0.5, 0.15, 0.25, 0.1), "cd", 0.35)]
)
def test_one_token_of_four(law, good, mass, checks):
    """E[factor; token] = P(token), and whatever the token is, the factor of a trial without limit is Z on average."""
    model = gcd.ScriptedLM([*law, 0.0], eos_token_ids=[4])
    constraint = gcd.compile(regex="[abcd]", tokenizer=FOUR)
    found: dict[str, float] = defaultdict(float)
    chance: dict[str, float] = defaultdict(float)

    def run(dice: ScriptedDice) -> tuple[str, float]:
        target = open_target(
            model, (), constraint, budget=2, warp=Warp(), along=lambda ids, done: "abcd"[ids[-1]] in good
        )
        node = target.trie.root
        target.trie.learn(node, target.rows.of(node)[0])
        child, factor = by_trial(target.trie, target.rows, dice, node, checks=checks)
        return "abcd"[child.token_id] if factor > -math.inf else "", factor

    for probability, (token, factor) in every_choice(run):
        found[token] += probability * math.exp(factor)
        chance[token] += probability
    assert sum(found.values()) == pytest.approx(mass, abs=1e-7)  # the model's logits are float32
    for token in good:
        assert found[token] == pytest.approx(law["abcd".index(token)], abs=1e-7)
        if checks == 64:
            assert found[token] / chance[token] == pytest.approx(mass, abs=1e-7)
    assert (chance[""] == 0) == (checks > 2), "two tokens of four pass"


@pytest.mark.parametrize("checks", [1, 2, 64])
@pytest.mark.parametrize("seed", range(CASES))
def test_trials_are_properly_weighted(seed, checks):
    """E[mean over the particles of weight · 1[text = w]] = P(w), for one particle and for two that learn together."""
    case = case_of(seed, budgets=(2, 3))
    expected = case.judged_law()
    for particles in (1, 2) if case.budget == 2 else (1,):
        found: dict[tuple[int, ...], float] = defaultdict(float)

        def run(dice: ScriptedDice, particles=particles):
            target = case.target(case.passes)
            ends, _ = population(target.trie, target.rows, [dice] * particles, grow=partial(by_trial, checks=checks))
            return [(end.token_ids(), weight) for end, weight in ends if end is not None]

        for probability, ends in every_choice(run):
            for tokens, weight in ends:
                found[tokens] += probability * math.exp(weight) / particles
        assert set(found) == set(expected)
        for tokens, p in expected.items():
            assert found[tokens] == pytest.approx(p, abs=1e-12)


@pytest.mark.parametrize("method", ["mask", "smc", "awrs"])
def test_the_mean_weight_is_the_mass_within_three_sigma(method):
    seeds = [seed for seed in range(60) if case_of(seed, budgets=(4,)).judged_law()][: max(2, CASES // 4)]
    grow = {"grow": partial(by_trial, checks=3)} if method == "awrs" else {}
    for seed in seeds:
        case, rng = case_of(seed, budgets=(4,)), np.random.default_rng(seed)
        truth, means = sum(case.judged_law().values()), []
        target = case.target(case.passes)
        dice = [RandomDice(rng)] * 10
        for _ in range(DRAWS // 10):
            if method == "mask":
                weights = [attempt.log_weight for attempt in walks(target.trie, target.rows, dice, "mask")]
            else:
                weights = [weight for _, weight in population(target.trie, target.rows, dice, **grow)[0]]
            means.append(math.exp(log_sum(weights)) / 10)
        sigma = np.std(means, ddof=1) / math.sqrt(len(means))
        assert abs(np.mean(means) - truth) <= 3 * sigma + 1e-12, f"seed {seed}"


@pytest.mark.parametrize("kind", ["mask", "asap", "cars"])
@pytest.mark.parametrize("seed", range(CASES))
def test_tests_along_the_way_leave_weights_proper_and_cars_exact(seed, kind):
    """As in `test_alignment_laws.py`, for the second of two attempts, which knows what the first was refused."""
    case = case_of(seed)
    expected = case.judged_law()
    mass = sum(expected.values())
    found: dict[object, float] = defaultdict(float)
    accepted = inverse = 0.0
    for probability, attempts, (low, high) in judged_outcomes(case, kind, 2, case.passes):
        assert low - 1e-9 <= (math.log(mass) if mass else -math.inf) <= high + 1e-9
        for position, attempt in enumerate(attempts):
            if attempt.log_most == -math.inf:  # it was proved on the way that there is nothing
                assert not expected
                continue
            accepted += probability * math.exp(attempt.log_estimate - attempt.log_most)
            inverse += probability * math.exp(-attempt.log_most)
            if position == 1 and attempt.end is not None:
                # of `cars` the estimate is what a text stands for: kept as the attempt began
                found[attempt.end.token_ids()] += probability * math.exp(attempt.log_estimate)
    # what `log_z` is made of: E[Σ estimate / most] = P(language) E[Σ 1 / most]
    assert accepted == pytest.approx(mass * inverse, abs=1e-12)
    if found:
        assert set(found) == set(expected)
    survived = 1.0 if not expected else sum(found.values()) / mass
    for tokens, p in expected.items():
        assert found[tokens] == pytest.approx(p * survived, abs=1e-12)
    assert survived == pytest.approx(1, abs=1e-12)
