"""Drafts change nothing but the number of passes: the same tokens from the same seeds, whatever is drafted."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from tiny_models import tiny_model
from toys import EOS, TOY

import gcd
from gcd.errors import VocabularyMismatch
from gcd.models.protocols import StatelessSession
from gcd.sampling.draft import lookup_draft, model_draft, no_draft
from gcd.sampling.jump import forced_jump, no_jump
from gcd.sampling.logits import Warp
from gcd.sampling.masked import Row, sample_masked


def model_of(seed: int) -> gcd.ScriptedLM:
    def row(prefix: tuple[int, ...]) -> list[float]:
        rng = random.Random(f"{seed} {prefix[-2:]}")
        return [rng.random() ** 4 for _ in range(8)]

    return gcd.ScriptedLM(row, eos_token_ids=[EOS], vocab_size=8)


def rows_of(regex: str, seed: int, count: int = 3) -> list[Row]:
    constraint = gcd.compile(regex=regex, tokenizer=TOY)
    return [Row(constraint, 20, np.random.default_rng((seed, i)), constraint.start) for i in range(count)]


def told(row: Row) -> tuple[object, ...]:
    return row.token_ids, round(row.logprob, 9), round(row.masked_logprob, 9), row.bound_at, row.scored


@pytest.mark.parametrize("knobs", [Warp(), Warp(temperature=0), Warp(temperature=0.7, top_k=2)])
@pytest.mark.parametrize("jump", [no_jump, forced_jump])
@pytest.mark.parametrize("regex", ["(a|bc){1,9}", "abcab(c|a)*", "[abc]{3}b*"])
def test_whatever_is_drafted_the_rows_are_those_without(regex, jump, knobs):
    """Drafts of junk, of the right tokens for a while, of nothing; of several rows in one batch, each its own."""
    for seed in range(3):
        plain = rows_of(regex, seed)
        passes = sum(1 for _ in sample_masked(StatelessSession(model_of(seed), [()] * 3), plain, knobs, jump))
        rng = random.Random(seed)

        drafted = rows_of(regex, seed)

        def draft(row, plain=plain, drafted=drafted, rng=rng):
            (own,) = (one.token_ids for one, other in zip(plain, drafted, strict=True) if other is row)
            rest = own[len(row.token_ids) :][: rng.randint(0, 6)]
            return [token if rng.random() < 0.8 else rng.randrange(8) for token in rest]

        session = StatelessSession(model_of(seed), [()] * 3)
        fewer = sum(1 for _ in sample_masked(session, drafted, knobs, jump, draft))
        assert [told(row) for row in drafted] == [told(row) for row in plain], f"seed {seed}"
        assert fewer <= passes


@pytest.mark.parametrize("method", ["lookup", "model"])
def test_good_drafts_save_passes(method):
    """A text that repeats itself, drafted from itself; and a model that drafts for its like."""
    cycle = [0, 4, 1, 4]

    def row(prefix: tuple[int, ...]) -> list[float]:
        likely = cycle[len(prefix) % 4]
        return [0.97 if token == likely else 0.01 for token in range(8)]

    model = gcd.ScriptedLM(row, eos_token_ids=[EOS], vocab_size=8)
    options = {"regex": "[abc]{24}", "tokenizer": TOY, "seed": 3, "max_new_tokens": 30}
    plain = gcd.generate(model, cycle * 2, n=4, **options)
    drafted = gcd.generate(model, cycle * 2, n=4, draft="lookup" if method == "lookup" else model, **options)
    assert [g.token_ids for g in drafted] == [g.token_ids for g in plain]
    assert [g.logprob for g in drafted] == pytest.approx([g.logprob for g in plain])
    assert 2 * max(g.model_calls for g in drafted) < max(g.model_calls for g in plain)


@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral", "mamba"])
def test_caches_take_tokens_back(name):
    """Rows of different prompts and lengths; where the cache cannot, nothing is drafted, and nothing is wrong."""
    lm = gcd.TransformersLM(tiny_model(name), None)
    tokens = [bytes([97 + i % 26]) * (1 + i // 26) for i in range(61)]
    vocabulary = gcd.Vocabulary([b"", b"", b"", *tokens], eos_token_ids=[2], special_tokens={"<b>": 0, "<c>": 1})
    options = {"regex": "[a-f]{1,8}(xyz)?[a-z]*", "tokenizer": vocabulary, "seed": 5, "max_new_tokens": 14}
    prompts = [[5, 6, 7], [9, 10, 11, 12, 9, 10, 11, 12], [3]]
    for temperature in (0, 1.0):
        plain = gcd.generate(lm, prompts, n=2, temperature=temperature, **options)
        drafted = gcd.generate(lm, prompts, n=2, temperature=temperature, draft="lookup", draft_tokens=5, **options)
        assert [g.token_ids for g in drafted] == [g.token_ids for g in plain]
        for one, other in zip(plain, drafted, strict=True):
            assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
            assert one.prompt_token_ids == other.prompt_token_ids


def test_what_is_drafted():
    constraint = gcd.compile(regex="[abc]{1,6}", tokenizer=TOY)
    row = Row(constraint, 9, np.random.default_rng(0), constraint.start, prompt_ids=(0, 4, 1, 4, 4))
    row.decide([0])
    assert lookup_draft(3)(row) == [4, 1, 4]  # behind the a of the prompt
    assert lookup_draft(9)(row) == [4, 1, 4, 4, 0]  # the sixth letter is the last
    row.decide([1])
    assert lookup_draft(2)(row) == [4, 4]
    assert no_draft(row) == ()
    likely = gcd.ScriptedLM([0.1, 0.2, 0, 0, 0.3, 0.9, 0, 0], eos_token_ids=[EOS])
    assert model_draft(likely, 3)(row) == []  # it would end
    likely = gcd.ScriptedLM([0.1, 0.2, 0, 0, 0.3, 0.1, 0.9, 0], eos_token_ids=[EOS])
    assert model_draft(likely, 3)(row) == [4, 4, 4]  # and never what the language refuses
    assert model_draft(likely, 9)(row) == [4, 4, 4, 4]


def test_models_have_positions_for_their_budget_only():
    model = tiny_model("gpt2", n_positions=12)
    letters = gcd.Vocabulary([b"", b"", b"", *(bytes([97 + i]) for i in range(26)), *[b""] * 35], eos_token_ids=[2])
    options = {"regex": "[a-z]{1,40}", "tokenizer": letters, "seed": 1, "max_new_tokens": 40}
    lm = gcd.TransformersLM(model, None)
    plain, drafted = (
        gcd.generate(lm, [5, 5, 5, 5], temperature=0, draft=draft, draft_tokens=20, **options)
        for draft in (None, "lookup")
    )
    assert drafted.token_ids == plain.token_ids
    assert len(plain.token_ids) <= 8
    assert torch.isfinite(torch.tensor(drafted.logprob))


def test_bad_drafts_are_refused():
    model, narrow = model_of(0), gcd.ScriptedLM([1.0] * 4, eos_token_ids=[3])
    options = {"regex": "a", "tokenizer": TOY}
    with pytest.raises(VocabularyMismatch) as caught:
        gcd.generate(model, [0], draft=narrow, **options)
    assert str(caught.value) == (
        "the logits of the model that drafts are 4 wide and those of the model 8, and it has no tokenizer to say what "
        "its tokens are: give it one (.tokenizer)"
    )
    with pytest.raises(ValueError, match=r"^draft= is for method='mask': method='cars' keeps what was read of every"):
        gcd.generate(model, [0], draft="lookup", method="cars", **options)
    with pytest.raises(ValueError, match=r"^draft_tokens must be an integer >= 1, not 0$"):
        gcd.generate(model, [0], draft="lookup", draft_tokens=0, **options)
