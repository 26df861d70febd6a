"""The steps on logits against transformers' own, and the law of mask sampling against its enumeration."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from functools import lru_cache

import numpy as np
import pytest
import torch
from toys import EOS, TOKENS, finite
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from gcd.models.protocols import StatelessSession
from gcd.models.scripted import ScriptedLM
from gcd.sampling.jump import canonical_jump, forced_jump, no_jump
from gcd.sampling.logits import Warp, draw, unpack_bitmask, warp
from gcd.sampling.masked import Jump, Row, sample_masked


def test_unpack_bitmask_reads_bit_31_and_pads():
    words = torch.tensor([[-(2**31), 1], [5, 0]], dtype=torch.int32)
    allowed = unpack_bitmask(words, 70)
    assert allowed.shape == (2, 70)
    assert [row.nonzero().flatten().tolist() for row in allowed] == [[31, 32], [0, 2]]
    assert unpack_bitmask(words, 40).shape == (2, 40)


@pytest.mark.parametrize(
    ("knobs", "warpers"),
    [
        (Warp(), []),
        (Warp(temperature=0.7), [TemperatureLogitsWarper(0.7)]),
        (Warp(top_k=5), [TopKLogitsWarper(5)]),
        (Warp(top_k=500), [TopKLogitsWarper(500)]),
        (Warp(top_p=0.6), [TopPLogitsWarper(0.6)]),
        (Warp(top_p=1.0), []),
        (Warp(min_p=0.2), [MinPLogitsWarper(0.2)]),
        (
            Warp(temperature=1.5, top_k=20, top_p=0.8, min_p=0.05),
            [TemperatureLogitsWarper(1.5), TopKLogitsWarper(20), TopPLogitsWarper(0.8), MinPLogitsWarper(0.05)],
        ),
    ],
)
def test_warp_is_what_transformers_does(knobs, warpers):
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(8, 100, generator=generator) * 3
    scores[torch.rand(8, 100, generator=generator) < 0.3] = -math.inf
    expected = scores
    for warper in warpers:
        expected = warper(None, expected)
    torch.testing.assert_close(warp(scores, knobs), expected.softmax(dim=-1))


def test_warp_greedy_takes_the_first_of_the_likeliest():
    scores = torch.tensor([[-math.inf, 2.0, 2.0, 1.0]])
    assert warp(scores, Warp(temperature=0)).tolist() == [[0, 1, 0, 0]]


def test_warp_with_a_tiny_temperature_is_greedy_and_finite():
    scores = torch.tensor([[-math.inf, 2.0, 1.9, 50.0]])
    assert warp(scores, Warp(temperature=1e-30)).tolist() == [[0, 0, 0, 1]]


def test_draw_inverts_the_cumulative_distribution():
    probabilities = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]]).repeat(5, 1)
    uniforms = torch.tensor([0.0, 0.2499, 0.25, 0.9, 1 - 2**-53], dtype=torch.float64)
    assert draw(probabilities, uniforms).tolist() == [1, 1, 3, 3, 3]


def test_draw_never_takes_what_is_impossible():
    seed = 7
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(64, 5000, generator=generator)
    probabilities[torch.rand(64, 5000, generator=generator) < 0.99] = 0
    for uniform in (0.0, 0.5, 1 - 2**-53):
        ids = draw(probabilities, torch.full((64,), uniform, dtype=torch.float64))
        assert (probabilities.gather(1, ids.unsqueeze(1)) > 0).all(), f"seed {seed}"


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"temperature": -1}, "temperature must be a finite number >= 0, not -1"),
        ({"temperature": math.nan}, "temperature must be a finite number >= 0, not nan"),
        ({"top_k": 0}, "top_k must be an integer >= 1 or None, not 0"),
        ({"top_p": 0}, "top_p must be in (0, 1] or None, not 0"),
        ({"min_p": 1.5}, "min_p must be in [0, 1] or None, not 1.5"),
    ],
)
def test_warp_refuses_what_is_no_knob(knobs, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Warp(**knobs)


# The law, enumerated: no mask, no engine, only the texts and the tokens' bytes.

TEXTS = ("ab", "aab", "abab", "c", "ba", "bac", "é")
ENCODED = tuple(text.encode() for text in TEXTS)


def probabilities_of(prefix: tuple[int, ...]) -> list[float]:
    """A model with an opinion of its own at every prefix."""
    return [1 + random.Random(f"{prefix} {i}").random() * 4 for i in range(len(TOKENS))]


@lru_cache
def spellable(rest: bytes) -> bool:
    return rest == b"" or any(t and rest.startswith(t) and spellable(rest[len(t) :]) for t in TOKENS)


def law() -> dict[tuple[int, ...], tuple[float, float]]:
    """Token ids -> probability under local renormalisation, and the log-probability under the model alone."""
    found = {}

    def walk(ids: tuple[int, ...], data: bytes, p: float, logprob: float) -> None:
        weights = probabilities_of(ids)
        allowed = [
            i for i, token in enumerate(TOKENS)
            if token and any(t.startswith(data + token) and spellable(t[len(data + token) :]) for t in ENCODED)
        ]  # fmt: skip
        if data in ENCODED:
            allowed.append(EOS)
        for i in allowed:
            step = (
                (*ids, i),
                p * weights[i] / sum(weights[j] for j in allowed),
                logprob + math.log(weights[i] / sum(weights)),
            )
            if i == EOS:
                found[step[0]] = step[1:]
            else:
                walk(step[0], data + TOKENS[i], *step[1:])

    walk((), b"", 1.0, 0.0)
    return found


def sample(jump: Jump, count: int, seed: int, budget: int = 20) -> list[Row]:
    model = ScriptedLM(probabilities_of, eos_token_ids=[EOS], vocab_size=len(TOKENS))
    constraint = finite(TEXTS)
    rows = [Row(constraint, budget, np.random.default_rng((seed, i)), constraint.start) for i in range(count)]
    for _ in sample_masked(StatelessSession(model, [()] * count), rows, Warp(), jump):
        pass
    return rows


@pytest.mark.parametrize("jump", [no_jump, forced_jump])
def test_mask_sampling_has_the_law_of_local_renormalisation(jump):
    seed, count = 11, 6000
    expected = law()
    assert sum(p for p, _ in expected.values()) == pytest.approx(1)
    rows = sample(jump, count, seed)
    for row in rows:
        probability, logprob = expected[tuple(row.token_ids)]
        assert row.masked_logprob == pytest.approx(math.log(probability), abs=1e-4)
        assert row.logprob == pytest.approx(logprob, abs=1e-4)
    counts = Counter(tuple(row.token_ids) for row in rows)
    distance = sum(abs(counts[ids] / count - p) for ids, (p, _) in expected.items()) / 2
    # the expected total variation of 6,000 draws over this many outcomes is below sqrt(outcomes / draws) / 2
    assert distance < math.sqrt(len(expected) / count), f"seed {seed}"


def test_forced_jump_reads_the_same_texts_in_fewer_passes():
    constraint = finite(["abcabcabc"])
    model = ScriptedLM([1.0] * 6, eos_token_ids=[EOS])
    calls = {}
    for name, jump in (("off", no_jump), ("forced", forced_jump)):
        # "a" and "ab" both begin the text, so that the choice is free at each of the three
        row = Row(constraint, 20, np.random.default_rng(3), constraint.start)
        session = StatelessSession(model, [()])
        for _ in sample_masked(session, [row], Warp(), jump):
            pass
        assert row.data == b"abcabcabc"
        assert row.logprob == pytest.approx(len(row.token_ids) * math.log(1 / 6), abs=1e-4)
        calls[name] = (session.calls, len(row.token_ids))
    assert calls["off"][0] == calls["off"][1]
    assert calls["forced"][0] < calls["forced"][1]


def test_canonical_jump_spells_as_the_tokenizer_does():
    constraint = finite(["abcabcabc"])
    spelling = {"abcabcabc": [2, 4, 2, 4, 2, 4]}
    row = Row(constraint, 20, np.random.default_rng(0), constraint.start)
    model = ScriptedLM([1.0] * 6, eos_token_ids=[EOS])
    session = StatelessSession(model, [()])
    for _ in sample_masked(session, [row], Warp(), canonical_jump(spelling.__getitem__)):
        pass
    assert (row.token_ids, session.calls) == ([2, 4, 2, 4, 2, 4, EOS], 2)


def test_canonical_jump_falls_back_where_the_tokenizer_spells_otherwise():
    constraint = finite(["abc"])
    row = Row(constraint, 20, np.random.default_rng(0), constraint.start)
    row.decide([0])
    assert canonical_jump(lambda text: [2, 4])(row) == [1, 4]


def test_canonical_jump_keeps_to_the_budget():
    constraint = finite(["ab" * 5])
    row = Row(constraint, 6, np.random.default_rng(0), constraint.start)
    single = canonical_jump(lambda text: [0, 1] * 5)
    assert list(single(row)) == []
    row.budget = 11
    assert list(single(row)) == [0, 1] * 4 + [0]


@pytest.mark.parametrize("budget", [2, 3, 4])
def test_budget_narrows_masks_and_says_where(budget):
    constraint = finite(["c", "aaaaaaaa"])
    model = ScriptedLM([50.0, 1.0, 1.0, 1.0, 1.0, 1.0], eos_token_ids=[EOS])
    row = Row(constraint, budget, np.random.default_rng(0), constraint.start)
    for _ in sample_masked(StatelessSession(model, [()]), [row], Warp(), forced_jump):
        pass
    assert (row.data, row.bound_at) == (b"c", 0)


def test_rows_that_need_no_model_are_scored_all_the_same():
    constraint = finite(["c"])
    model = ScriptedLM([0.1, 0.1, 0.1, 0.1, 0.5, 0.1], eos_token_ids=[EOS])
    row = Row(constraint, 5, np.random.default_rng(0), constraint.start)
    for _ in sample_masked(StatelessSession(model, [()]), [row], Warp(), forced_jump):
        pass
    assert row.token_ids == [4, EOS]
    assert row.logprob == pytest.approx(math.log(0.5) + math.log(0.1))
    assert row.masked_logprob == 0
