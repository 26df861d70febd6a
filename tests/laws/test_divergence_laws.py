"""What is estimated of KL to p(. | language) is that, or above it: every choice enumerated, and chains as matrices."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from alignment_cases import case_of
from alignment_toys import TOYS
from every_choice import ScriptedDice, every_choice

import gcd
from gcd.errors import AttemptsExhausted
from gcd.sampling.aligned.dice import RandomDice
from gcd.sampling.aligned.divergence import of_attempts, of_chain
from gcd.sampling.aligned.lockstep import alone
from gcd.sampling.aligned.mcmc import move
from gcd.sampling.aligned.methods import METHODS, Target
from gcd.sampling.aligned.targets import open_target
from gcd.sampling.aligned.walk import walk
from gcd.sampling.logits import Warp


def divergence(law: np.ndarray, target: np.ndarray) -> float:
    positive = law > 0
    return float((law[positive] * np.log(law[positive] / target[positive])).sum())


CLOSE = 1e-8
"""Draws stand in whole numbers, where logits in float32 miss the fractions by a little."""
LETTERS = gcd.Vocabulary([b"a", b"b", b""], eos_token_ids=[2])
DYING = gcd.ScriptedLM([0.25, 0.25, 0.5], eos_token_ids=[2])
"""Under b?(aa)* within 3 tokens: "" is drawn with 1/2, "aa" with 1/4, "b" with 1/6; 1/12 begins with "ba" and dies."""


def target_of(name: str) -> Target:
    if name == "dying":
        return open_target(DYING, (), gcd.compile(regex="b?(aa)*", tokenizer=LETTERS), budget=3, warp=Warp())
    toy = TOYS[name]
    return open_target(toy.model(), (), toy.constraint(), budget=toy.length + 1, warp=Warp())


@pytest.mark.parametrize("name", ["dying", "binary_len_3", "binary_len_5_0", "A** but AAC", "AAA, AAC"])
def test_a_chain_on_its_draws_is_the_chain(name):
    """Draws of `mask` in proportion to their chances, so that nothing is left to chance, against the whole matrix."""
    drawn: dict[tuple[int, ...] | None, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def mask(dice: ScriptedDice) -> tuple[tuple[int, ...] | None, float]:
        attempt = walk((target := target_of(name)).trie, target.rows, dice, "mask")
        return attempt.end and attempt.end.token_ids(), attempt.log_estimate

    for probability, (tokens, log_weight) in every_choice(mask):
        drawn[tokens] = [drawn[tokens][0] + probability, log_weight]
    texts = [tokens for tokens in drawn if tokens is not None]
    masses = np.array([p * math.exp(w) for p, w in (drawn[tokens] for tokens in texts)])
    goal = masses / masses.sum()
    matrix = np.zeros((len(texts), len(texts)))
    target = target_of(name)
    dice, ends = RandomDice(np.random.default_rng(5)), {}
    while len(ends) < len(texts):
        end = walk(target.trie, target.rows, dice, "cars").end
        if end is not None:
            ends[end.token_ids()] = end
    for i, tokens in enumerate(texts):

        def step(dice: ScriptedDice, end=ends[tokens]) -> tuple[int, ...]:
            return alone(target.rows, move(target.trie, target.rows, dice, end, "restart"))[0].token_ids()

        for probability, after in every_choice(step):
            matrix[i, texts.index(after)] += probability

    chances = {tokens: Fraction(p).limit_denominator(1000) for tokens, (p, _) in drawn.items()}
    size = math.lcm(*(chance.denominator for chance in chances.values()))
    pool = [drawn[tokens][1] for tokens, chance in chances.items() for _ in range(int(chance * size))]
    assert len(pool) == size
    law = np.array([drawn[tokens][0] for tokens in texts])
    law /= law.sum()
    for steps in range(6):
        assert of_chain(pool, steps) == pytest.approx(divergence(law, goal), abs=CLOSE), steps
        law = law @ matrix
    # without steps it is `mask`, by the other formula too but for the share that failed
    share = chances.get(None, Fraction(0))
    failed = sum(1 / j for j in range(size - int(share * size), size)) + math.log(1 - share)
    assert of_attempts(pool, math.log(masses.sum())) == pytest.approx(of_chain(pool, 0) + failed, abs=CLOSE)


def test_a_chain_is_run_on_its_draws_as_written():
    """Against the matrix of the definition, with weights from e^-900 to 1, equal ones and some of 0."""
    rng = np.random.default_rng(7)
    for _ in range(30):
        logs = np.concatenate([rng.normal(size=9), rng.uniform(-900, 0, 4), [0.5, 0.5]])
        tried = len(logs) + int(rng.integers(4))
        matrix = np.exp(np.minimum(0.0, logs[None, :] - logs[:, None])) / tried
        matrix += np.diag(1 - matrix.sum(axis=1))
        law = np.full(len(logs), 1 / len(logs))
        for steps in range(4):
            expected = (law * (np.log(law) - logs)).sum() + np.logaddexp.reduce(logs)
            failed = [-math.inf] * (tried - len(logs))
            assert of_chain([*failed, *logs.tolist()], steps) == pytest.approx(expected, rel=1e-10, abs=1e-12)
            law = law @ matrix


@pytest.mark.parametrize(
    ("method", "seed"), [("smc", 3), ("smc", 5), ("smc", 7), ("smc", 26), ("awrs", 3), ("awrs", 5)]
)
def test_populations_bound_what_is_picked_from_them(method, seed):
    """KL(text picked by weight ‖ p(. | L)) <= log Z - E[log estimate] - log P(success) <= E[what is told]."""
    case = case_of(seed, budgets=(3,))
    tested = method == "awrs"
    expected = case.judged_law() if tested else case.law()
    log_z = math.log(sum(expected.values()))

    def run(dice: ScriptedDice):
        target = replace(case.target(case.passes if tested else None), max_attempts=1)
        try:
            drawn = list(METHODS[method].sampler(target, [dice, dice]))
        except AttemptsExhausted:
            return None
        ((log_estimate, _),) = drawn[0].log_estimates
        weights = {i: math.exp(one.log_weight) for i, one in enumerate(drawn)}
        texts = [(one.end.token_ids(), weights[i] / sum(weights.values())) for i, one in enumerate(drawn)]
        return texts, log_estimate, METHODS[method].kl(drawn, target, math.nan)

    picked: dict[object, float] = defaultdict(float)
    success = mean = told = 0.0
    for probability, result in every_choice(run):
        if result is not None:
            texts, log_estimate, kl = result
            success, mean, told = success + probability, mean + probability * log_estimate, told + probability * kl
            for tokens, chance in texts:
                picked[tokens] += probability * chance
    law = np.array([picked[tokens] / success for tokens in expected])
    kl = divergence(law, np.array(list(expected.values())) / math.exp(log_z))
    bound = log_z - mean / success - math.log(success)
    assert picked.keys() == expected.keys()
    assert law.sum() == pytest.approx(1, abs=1e-12)
    assert -1e-12 <= kl <= bound + 1e-12
    assert bound <= told / success - math.log(success) + 1e-12


def test_the_share_that_succeeds_is_estimated_without_bias():
    """Attempts until n of them succeed: the number follows the negative binomial law, which is summed up."""
    for share in (0.2, 0.9):
        for n in (1, 4):
            total = 0.0
            for tried in range(n, 600):
                chance = math.comb(tried - 1, n - 1) * share**n * (1 - share) ** (tried - n)
                total += chance * of_attempts([0.0] * n + [-math.inf] * (tried - n), 0.0)
            assert total == pytest.approx(-math.log(share), abs=1e-12)
