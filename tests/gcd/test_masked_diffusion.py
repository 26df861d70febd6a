"""generate with a diffusion model: what comes back, what each method means there, and what is refused."""

from __future__ import annotations

import math
import string
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

import gcd
from gcd.diffusion import decode
from gcd.errors import BudgetTooSmall, ModelError, PromptError

LETTERS = [c.encode() for c in string.printable]
EOS, MASK = len(LETTERS), len(LETTERS) + 1
TOKENS = gcd.Vocabulary([*LETTERS, b"", b""], eos_token_ids=[EOS], special_tokens={"<mask>": MASK})


def spelling(text: str, sureness: float = 9.0, **options: object) -> gcd.MaskedDiffusionLM:
    """A model that would write this behind any prompt, as sure of each letter as of any other."""
    wanted = [string.printable.index(c) for c in text]

    def logits(ids: torch.Tensor) -> torch.Tensor:
        found = torch.zeros(*ids.shape, len(LETTERS) + 2)
        for row, tokens in enumerate(ids.tolist()):
            begin = len(tokens) - length
            for i, token in enumerate([*wanted, *[EOS] * length][:length]):
                found[row, begin + i, token] = sureness
        return found

    length = int(str(options.get("canvas_length", 32)))
    return gcd.MaskedDiffusionLM(
        logits, TOKENS, mask_token_id=MASK, eos_token_ids=[EOS], vocab_size=len(LETTERS) + 2,
        **{"canvas_length": length, **options},
    )  # fmt: skip


POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False}


@pytest.mark.parametrize("method", ["mask", "exact", "trajectory", "dingo", "greedy-mask"])
def test_each_method_gives_a_value(method):
    generation = gcd.generate(
        spelling('{"x":17}', 40.0), [3, 4], schema=POINT, tokenizer=TOKENS, method=method, seed=1, steps=4
    )
    assert (generation.value, generation.text) == ({"x": 17}, '{"x":17}')
    assert generation.token_ids == (*(string.printable.index(c) for c in '{"x":17}'), EOS)
    assert (generation.finish_reason, generation.budget_bound_at, generation.model_calls) == ("stop", None, 4)
    assert generation.prompt_token_ids == (3, 4)
    assert math.isnan(generation.logprob)
    assert math.isnan(generation.masked_logprob)


def test_a_model_that_would_write_something_else_stays_in_the_language():
    for generation in gcd.generate(
        spelling("no idea at all"), "", schema=POINT, tokenizer=TOKENS, n=3, seed=2, steps=3
    ):
        assert generation.value.keys() == {"x"}


def test_mask_is_exact_there_and_cold_is_dingo():
    model, options = spelling("ab" * 9, 1.0), {"regex": "(ab|ba|[cd]e)*", "tokenizer": TOKENS, "seed": 3, "steps": 2}
    texts = {method: gcd.generate(model, "", method=method, **options).text for method in ("mask", "exact")}
    assert texts["mask"] == texts["exact"]
    cold = gcd.generate(model, "", temperature=0, **options)
    assert cold.text == gcd.generate(model, "", method="dingo", **options).text


def test_a_sample_is_its_own_whatever_stands_beside_it():
    model, options = spelling("aaaa", 0.5), {"regex": "[a-z]{3,9}", "tokenizer": TOKENS, "steps": 2}
    alone = [g.text for g in gcd.generate(model, [[5]], n=2, seed=4, **options)]
    beside = [g.text for g in gcd.generate(model, [[5], [6]], n=3, seed=4, **options)]
    assert alone == beside[:2]
    assert len({*beside}) > 3


def test_draws_have_the_law_of_decode():
    """One step: the model's law given the language, which is listed here."""
    model = spelling("b", 1.0, canvas_length=2)
    made = gcd.generate(model, "", n=600, regex="a|b|ab", tokenizer=TOKENS, seed=5, steps=1)
    weights = {"a": 1 * math.e, "b": math.e * math.e, "ab": 1.0}  # EOS behind a letter is as sure as b is
    counts = Counter(g.text for g in made)
    for text, weight in weights.items():
        share = weight / sum(weights.values())
        assert counts[text] / 600 == pytest.approx(share, abs=3 * math.sqrt(share * (1 - share) / 600)), text
    assert {g.finish_reason for g in made if g.text == "ab"} == {"length"}
    assert {g.budget_bound_at for g in made if g.text == "ab"} == {2}


def test_blocks_and_policies_reach_the_loops():
    seen = []

    def watching(view):
        seen.append(view.positions)
        return view.positions[:1]

    model = spelling("abcdef", 40.0, canvas_length=6)
    generation = gcd.generate(
        model, "", regex="[a-z]{6}", tokenizer=TOKENS, block_length=3, max_new_tokens=6, policy=watching, seed=1
    )
    assert (generation.text, generation.model_calls) == ("abcdef", 6)
    assert seen == [(0, 1, 2), (1, 2)] * 2
    (made,) = decode(
        model, gcd.compile(regex="[a-z]{6}", tokenizer=TOKENS), 6, mask_token_id=MASK, block_length=3, policy=watching
    )
    assert made.token_ids == generation.token_ids


def test_shifted_logits_are_of_the_position_behind():
    """Dream's logits at a position are of the next one."""
    ids = torch.tensor([[1, 2, MASK]])
    plain = torch.arange(3.0)[None, :, None].expand(1, 3, 5)
    model = gcd.MaskedDiffusionLM(
        lambda _: SimpleNamespace(logits=plain), mask_token_id=4, eos_token_ids=[3], vocab_size=5, shifted=True
    )
    assert model(ids)[0, :, 0].tolist() == [0.0, 0.0, 1.0]


def causal(sequences):
    return torch.zeros(len(sequences), TOKENS.size)


CAUSAL = gcd.ScriptedLM(causal, vocab_size=TOKENS.size, eos_token_ids=[EOS])

REFUSED = [
    (
        {"method": "cars"},
        "method='cars' is for models that write one token after the other, and MaskedDiffusionLM is a diffusion model: "
        "say 'exact', 'trajectory', 'dingo' or 'greedy-mask'",
    ),
    ({"top_k": 4}, "top_k= would cut the law of whole strings token by token: use temperature=, or 'dingo'"),
    ({"jump_ahead": "canonical"}, "jump_ahead='canonical' is for models that write one token after the other"),
    (
        {"method": "trajectory", "temperature": 0},
        "temperature=0 leaves nothing to draw, and method='trajectory' draws: say method='dingo'",
    ),
    ({"steps": 0}, "steps must be an integer >= 1 or None, not 0"),
    (
        {"model": CAUSAL, "method": "dingo"},
        "method='dingo' is for diffusion models, and ScriptedLM writes one token after the other: say method='mask', "
        "or method='cars' for exact draws",
    ),
    ({"model": CAUSAL, "steps": 3}, "steps= is for diffusion models, and ScriptedLM writes one token after the other"),
    (
        {"model": CAUSAL, "block_cache": "dual"},
        "block_cache= is for diffusion models, and ScriptedLM writes one token after the other",
    ),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_has_no_meaning_is_refused(options, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        gcd.generate(**{"model": spelling("a"), "prompt": "", "regex": "a", "tokenizer": TOKENS, **options})
    assert str(caught.value) == message


def test_a_stream_is_refused():
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        gcd.stream(spelling("a"), "", regex="a", tokenizer=TOKENS)
    assert str(caught.value) == (
        "a stream shows tokens as they are decided, and a diffusion model decides on them in any order"
    )


def test_samples_are_refused_and_what_only_looks_like_a_model():
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        gcd.sample(spelling("a"), "", regex="a", tokenizer=TOKENS, method="mask")
    assert str(caught.value) == (
        "gcd.sample is for models that write one token after the other, and MaskedDiffusionLM is a diffusion model: "
        "ask gcd.generate for n= texts"
    )

    class Tokenizer:
        mask_token_id, eos_token_id = 4, 3

        def __call__(self, text):
            raise AssertionError

    with pytest.raises(ModelError) as other:
        gcd.generate(Tokenizer(), "", regex="a", tokenizer=TOKENS)
    assert str(other.value).startswith("Tokenizer is no model: ")


def test_a_model_stands_for_its_tokenizer():
    assert gcd.compile(regex="a", tokenizer=spelling("a")).vocabulary.eos_token_ids == (EOS,)


def untouchable(ids):
    raise AssertionError("the model was asked")


NARROW = gcd.MaskedDiffusionLM(
    untouchable, TOKENS, mask_token_id=MASK, eos_token_ids=[EOS], vocab_size=TOKENS.size, context_length=10
)


def test_a_canvas_without_room_is_refused_before_the_model_is_asked():
    with pytest.raises(BudgetTooSmall) as small:
        gcd.generate(NARROW, "", regex="a{9}", tokenizer=TOKENS, max_new_tokens=8)
    assert str(small.value) == (
        "max_new_tokens=8 is impossible: the shortest text of the grammar needs at least 10 tokens with EOS; "
        "max_new_tokens=10 suffices"
    )
    with pytest.raises(PromptError) as full:
        gcd.generate(NARROW, [1, 2], regex="a{9}", tokenizer=TOKENS)
    assert str(full.value) == (
        "the prompt has 2 tokens and the model's context 10: the 8 that are left do not suffice to finish inside the "
        "grammar, which takes 9 at least"
    )


def test_what_goes_wrong_in_one_row_is_that_rows_alone():
    model = spelling("abc")
    good, bad = gcd.generate(model, [[1], [2]], regex=["abc", "("], tokenizer=TOKENS, errors="return", seed=1, steps=1)
    assert (good.text, good.error) == ("abc", None)
    assert (bad.value, bad.finish_reason, type(bad.error)) == (None, "error", gcd.errors.InvalidGrammar)


WRONG = [
    ({"mask_token_id": 5}, "token 5 is outside the model's vocabulary of 5"),
    ({"eos_token_ids": []}, "a diffusion model needs at least one EOS id, which fills the canvas behind a text"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_is_no_diffusion_model(options, message):
    with pytest.raises(ModelError) as caught:
        gcd.MaskedDiffusionLM(untouchable, **{"mask_token_id": 4, "eos_token_ids": [3], "vocab_size": 5, **options})
    assert str(caught.value) == message


def test_a_model_that_answers_otherwise_is_refused():
    common = {"mask_token_id": 4, "eos_token_ids": [3], "vocab_size": 5}
    with pytest.raises(ModelError) as shape:
        gcd.MaskedDiffusionLM(lambda ids: torch.zeros(1, 5), **common)(torch.zeros(1, 2, dtype=torch.int64))
    assert str(shape.value) == (
        "function gave logits of shape (1, 5), and (1, 2, 5) was expected: one row for each position, masked or not"
    )
    with pytest.raises(ModelError) as training:
        gcd.MaskedDiffusionLM(torch.nn.Embedding(5, 5), **common)(torch.zeros(1, 2, dtype=torch.int64))
    assert str(training.value) == (
        "Embedding is in training mode, where dropout changes its answers: call model.eval() first"
    )
