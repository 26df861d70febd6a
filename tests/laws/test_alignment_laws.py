"""Aligned samplers have the law that they say: every choice enumerated on small cases, and counted on larger ones.

The oracle (`alignment_cases.py`) walks over all token sequences within the budget, and knows no engine.
GCD_ALIGNMENT_CASES=200 enumerates that many cases instead of a few; GCD_ALIGNMENT_DRAWS=20000 draws as often.
"""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict

import numpy as np
import pytest
from alignment_cases import TOKENS, case_of, outcomes
from alignment_toys import TOYS, Toy, kl
from every_choice import ScriptedDice, every_choice

from gcd.models.kv_tree import open_tree
from gcd.sampling.aligned.best import likeliest
from gcd.sampling.aligned.dice import RandomDice
from gcd.sampling.aligned.lockstep import alone
from gcd.sampling.aligned.mcmc import move
from gcd.sampling.aligned.methods import METHODS, Target
from gcd.sampling.aligned.rows import Rows
from gcd.sampling.aligned.smc import population
from gcd.sampling.aligned.targets import open_target
from gcd.sampling.aligned.trie import SampleTrie
from gcd.sampling.aligned.walk import walk, walks
from gcd.sampling.logits import Warp

CASES = int(os.environ.get("GCD_ALIGNMENT_CASES", "6"))
DRAWS = int(os.environ.get("GCD_ALIGNMENT_DRAWS", "2000"))


@pytest.mark.parametrize("seed", range(CASES))
def test_cars_accepts_by_the_models_law_whatever_came_before(seed):
    case = case_of(seed)
    expected = case.law()
    by_history: dict[object, dict[object, float]] = defaultdict(lambda: defaultdict(float))
    total = 0.0
    for probability, ends in outcomes(case, "cars", 2):
        total += probability
        for position, (tokens, _) in enumerate(ends):
            if tokens is not None:
                by_history[tuple(end for end, _ in ends[:position])][tokens] += probability
    assert total == pytest.approx(1, abs=1e-12)
    for history, accepted in by_history.items():
        mass = sum(accepted.values())
        for tokens, probability in accepted.items():
            assert probability / mass == pytest.approx(expected[tokens] / sum(expected.values()), abs=1e-12), history
        assert accepted.keys() == expected.keys()


@pytest.mark.parametrize("kind", ["mask", "asap"])
@pytest.mark.parametrize("seed", range(CASES))
def test_weights_make_every_attempt_proper(seed, kind):
    """E[weight; the text is w] = P(w), for the first attempt and for one that knows what another one learnt."""
    case = case_of(seed)
    expected = case.law()
    for position in range(2):
        found: dict[object, float] = defaultdict(float)
        for probability, ends in outcomes(case, kind, position + 1):
            if len(ends) > position and ends[position][0] is not None:
                found[ends[position][0]] += probability * math.exp(ends[position][1])
        assert set(found) == set(expected)
        for tokens, p in expected.items():
            assert found[tokens] == pytest.approx(p, abs=1e-12)


@pytest.mark.parametrize("judged", [False, True])
@pytest.mark.parametrize("kind", ["mask", "asap", "cars"])
@pytest.mark.parametrize("seed", range(CASES))
def test_attempts_side_by_side_know_nothing_of_each_other(seed, kind, judged):
    """E[estimate · estimate; the texts are v and w] = P(v) P(w), for two at once, whatever one before them found.

    Every other case has a model that is asked anew for what the trie knows, as in a second call with `trie=`.
    """
    case = case_of(seed, budgets=(2,))
    expected = case.judged_law() if judged else case.law()
    found: dict[object, dict[object, float]] = defaultdict(lambda: defaultdict(float))

    def run(dice: ScriptedDice):
        target = case.target(case.passes if judged else None)
        first = walk(target.trie, target.rows, dice, kind)
        return first, walks(target.trie, case.target().rows if seed % 2 else target.rows, [dice, dice], kind)

    chance: dict[object, float] = defaultdict(float)
    for probability, (first, pair) in every_choice(run):
        before = first.end and first.end.token_ids(), first.log_estimate
        chance[before] += probability
        if all(one.end for one in pair):
            texts = tuple(one.end.token_ids() for one in pair)
            found[before][texts] += probability * math.exp(sum(one.log_estimate for one in pair))
    assert sum(chance.values()) == pytest.approx(1, abs=1e-12)
    for before, p in chance.items():
        assert found[before].keys() == {(v, w) for v in expected for w in expected}
        for (v, w), mass in found[before].items():
            assert mass / p == pytest.approx(expected[v] * expected[w], abs=1e-12)


def test_bounds_contain_the_truth_and_only_tighten():
    for seed in range(200):
        case = case_of(seed, budgets=(2, 3, 4, 5))
        truth = sum(case.law().values())
        target, dice = case.target(), RandomDice(np.random.default_rng(seed))
        before = target.trie.log_mass
        for attempt in range(8):
            low, high = target.trie.log_mass
            assert low <= (math.log(truth) if truth else -math.inf) <= high, f"seed {seed}, attempt {attempt}"
            assert before[0] <= low + 1e-12
            assert high <= before[1] + 1e-12
            if target.trie.root.log_kept == -math.inf:
                assert truth == 0
                break
            before = (low, high)
            walk(target.trie, target.rows, dice, ("cars", "asap", "mask")[seed % 3])


def node_of(target: Target, tokens: tuple[int, ...]):
    """The node of a text, as it is after the text was drawn."""
    node = target.trie.root
    for token in tokens:
        logps, raws = target.rows.of(node)
        if not node.known:
            target.trie.learn(node, logps)
        node = node.children.get(token) or target.trie.split(node, token, logps, raws)
    return node


@pytest.mark.parametrize("positions", ["restart", "uniform", "priority"])
@pytest.mark.parametrize("seed", [s for s in range(40) if 2 <= len(case_of(s).law()) <= 12][: max(4, CASES // 2)])
def test_chains_are_reversible_and_come_nearer_with_every_step(seed, positions):
    """The whole transition matrix, from every choice; KL after k steps from the matrix, not from samples."""
    case = case_of(seed)
    law = case.law()
    texts = sorted(law)
    target_law = np.array([law[t] for t in texts]) / sum(law.values())
    matrix = np.zeros((len(texts), len(texts)))
    for i, tokens in enumerate(texts):

        def run(dice: ScriptedDice, tokens=tokens) -> tuple[int, ...]:
            target = case.target()
            step = move(target.trie, target.rows, dice, node_of(target, tokens), positions)
            return alone(target.rows, step)[0].token_ids()

        for probability, after in every_choice(run):
            matrix[i, texts.index(after)] += probability
    assert matrix.sum(axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-12)
    flow = target_law[:, None] * matrix
    assert flow == pytest.approx(flow.T, abs=1e-12)
    begin = np.zeros(len(texts))
    for probability, ((tokens, _),) in outcomes(case, "mask", 1):
        if tokens is not None:
            begin[texts.index(tokens)] += probability
    begin /= begin.sum()
    before = math.inf
    for _ in range(12):
        positive = begin > 0
        now = float((begin[positive] * np.log(begin[positive] / target_law[positive])).sum())
        assert now <= before + 1e-12
        before, begin = now, begin @ matrix


@pytest.mark.parametrize("least", [0.5, 1.0])
@pytest.mark.parametrize("seed", [3, 5, 7, 26, *range(40, 40 + CASES // 10)])
def test_populations_are_properly_weighted(seed, least):
    """E[mean over the particles of weight · 1[text = w]] = P(w), by every choice; with least=1 they are drawn anew."""
    case = case_of(seed, budgets=(3,))
    law, found = case.law(), defaultdict(float)

    def run(dice: ScriptedDice):
        target = case.target()
        ends, _ = population(target.trie, target.rows, [dice, dice], least=least)
        return [(end.token_ids(), weight) for end, weight in ends if end is not None]

    for probability, ends in every_choice(run):
        for tokens, weight in ends:
            found[tokens] += probability * math.exp(weight) / 2
    assert set(found) == set(law)
    for tokens, p in law.items():
        assert found[tokens] == pytest.approx(p, abs=1e-12)


def test_best_first_finds_what_brute_force_finds():
    for seed in range(100):
        case = case_of(seed, budgets=(2, 3, 4))
        expected = sorted(case.law().items(), key=lambda item: -item[1])
        target = case.target()
        tokens = [end.token_ids() for end, _ in likeliest(target.trie, target.rows, most=10**6)]
        assert sorted(tokens) == sorted(t for t, _ in expected), f"seed {seed}"
        law = dict(expected)
        assert [law[t] for t in tokens] == pytest.approx([p for _, p in expected]), f"seed {seed}"
        assert target.rows.asked <= len(TOKENS) ** (case.budget - 1)
        # the memory that is stated: a node for each prefix that was gone on with, and for each text
        assert len(target.trie) == target.rows.asked + len(tokens), f"seed {seed}"


def drawn(toy: Toy, method: str, count: int, seed: int) -> tuple[list[tuple[int, ...]], int, Target]:
    """Texts, attempts and what was learnt."""
    constraint = toy.constraint()
    trie = SampleTrie(constraint, budget=toy.length + 2)
    target = Target(trie, Rows(open_tree(toy.model(), ()), Warp(), constraint.vocabulary), 1000)
    dice = [RandomDice(np.random.default_rng((seed, i))) for i in range(count)]
    found = list(METHODS[method].sampler(target, dice))
    return [one.end.token_ids() for one in found], sum(one.attempts for one in found), target


@pytest.mark.parametrize("toy", TOYS.values(), ids=lambda toy: toy.name)
def test_masking_is_biased_as_published(toy):
    """KL(mask ‖ target), every choice enumerated."""
    constraint = toy.constraint()
    found: dict[object, float] = defaultdict(float)

    def run(dice: ScriptedDice) -> tuple[int, ...]:
        target = open_target(toy.model(), (), constraint, budget=toy.length + 1, warp=Warp())
        end = walk(target.trie, target.rows, dice, "mask").end
        assert end is not None
        return end.token_ids()

    for probability, tokens in every_choice(run):
        found[tokens] += probability
    assert len(found) == len(toy.texts)
    assert sum(p * math.log(p * len(found)) for p in found.values()) == pytest.approx(toy.kl_mask, abs=1e-4)


@pytest.mark.parametrize("toy", TOYS.values(), ids=lambda toy: toy.name)
def test_cars_reaches_the_noise_floor_of_the_toys(toy):
    """A statistical test on top of the enumeration: with a warm trie, many draws, few evaluations and attempts."""
    seed = 5
    tokens, attempts, target = drawn(toy, "cars", DRAWS, seed)
    floor = (len(toy.texts) - 1) / (2 * DRAWS)
    assert kl(list(Counter(tokens).values()), len(toy.texts)) <= 2 * floor + 1e-12, f"seed {seed}"
    assert attempts - DRAWS <= 40, "the trie learns a toy in a few attempts"
    inner = (len(toy.letters) ** (toy.length + 1) - 1) // (len(toy.letters) - 1)
    assert target.rows.asked <= inner
    truth = math.log(len(toy.texts) / len(toy.letters) ** toy.length)
    low, high = target.trie.log_mass
    assert low <= truth <= high
    assert high - low < 0.05


@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("AAA", 1 + 1 / 27),
        ("A** but AAC", 235 / 189),
        ("all but AAA, AAB, ABA, BAA", 2.4),
        ("all but AAA, BAA", 2.8),
    ],
)
def test_a_new_trie_costs_what_it_must(name, ratio):
    """The expected tokens of the first text, those of refused attempts included, by every choice."""
    toy = TOYS[name]
    constraint, model = toy.constraint(), toy.model()

    def run(dice: ScriptedDice) -> int:
        target = open_target(model, (), constraint, budget=toy.length + 1, warp=Warp())
        return METHODS["cars"].one(target, dice).visited - 1  # but EOS

    tokens = sum(probability * visited for probability, visited in every_choice(run))
    assert tokens / toy.length == pytest.approx(ratio, abs=1e-9)
    assert ratio <= toy.cold + 1e-9


def test_asap_converges_and_is_biased_before():
    toy = TOYS["binary_len_5_0"]
    first = Counter(drawn(toy, "asap", 1, seed)[0][0] for seed in range(300))
    assert first[(0, 0, 0, 0, 0, 2)] / 300 > 0.4, "the first draw is that of mask: one half instead of 1/17"
    tokens, _, _ = drawn(toy, "asap", DRAWS, 5)
    assert kl(list(Counter(tokens[50:]).values()), 17) <= 2 * 16 / (2 * (DRAWS - 50))
