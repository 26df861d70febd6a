"""The loss of training inside a grammar, on the languages of the paper (RegCCRF, 2106.07306)."""

from __future__ import annotations

import pytest
import torch
from block_cases import random_block

import gcd
from gcd.diffusion import constrained_nll
from gcd.errors import EmptyLanguage

LETTERS = gcd.Vocabulary([b"a", b"b", b"c", b"d", b"-", b""], eos_token_ids=[5])


def ids(text: str) -> list[int]:
    return ["abcd-".index(letter) for letter in text]


def trained(constraint: gcd.Constraint, texts: dict[str, int], length: int) -> dict[str, float]:
    """The law that is learnt from texts with counts, of logits that are free parameters."""
    logits = torch.zeros(length, LETTERS.size, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([ids(text) for text in texts])
    counts = torch.tensor([*texts.values()], dtype=torch.float64)
    optimizer = torch.optim.LBFGS([logits], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        each = constrained_nll(constraint, logits.expand(len(targets), -1, -1), targets)
        total = (counts * each).sum() / counts.sum() + 1e-6 * logits.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    each = constrained_nll(constraint, logits.expand(len(targets), -1, -1), targets)
    return dict(zip(texts, (-each).exp().tolist(), strict=True))


def test_the_law_of_the_data_is_learnt_inside_the_language():
    c = gcd.compile(choices=["a-c", "a-d", "b-d"], tokenizer=LETTERS)
    law = trained(c, {"a-c": 4, "a-d": 3, "b-d": 3}, 3)
    assert law == pytest.approx({"a-c": 0.4, "a-d": 0.3, "b-d": 0.3}, abs=0.01)


@pytest.mark.parametrize("k", [2, 5])
def test_long_agreement_costs_nothing(k):
    c = gcd.compile(regex=f"(a-){{{k}}}|(b-){{{k}}}", tokenizer=LETTERS)
    law = trained(c, {"a-" * k: 3, "b-" * k: 1}, 2 * k)
    assert law["a-" * k] == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize("seed", range(30))
def test_it_is_the_probability_of_the_target_under_the_lattice(seed):
    block = random_block(seed)
    listed = {tokens: weight for tokens, weight, _ in block.strings()}
    if not listed or not block.normalize:
        return
    weights = torch.tensor([*listed.values()], dtype=torch.float64)
    for tokens in [*listed][:5]:
        found = constrained_nll(
            block.constraint(), block.logits, torch.tensor(tokens), fixed=block.fixed, tail=block.tail, end=block.end
        )
        assert found.item() == pytest.approx((weights.logsumexp(0) - listed[tokens]).item(), abs=1e-9)


def test_targets_outside_are_refused():
    c = gcd.compile(choices=["ab", "ba"], tokenizer=LETTERS)
    assert constrained_nll(c, torch.zeros(2, 6), torch.tensor([0, 1])).item() == pytest.approx(0.6931, abs=1e-4)
    with pytest.raises(EmptyLanguage) as caught:
        constrained_nll(c, torch.zeros(2, 6), torch.tensor([0, 0]))
    assert str(caught.value) == (
        "a target is no string of the grammar that its block can hold\n"
        "targets are token ids, with EOS behind the text; `end` and `tail` say how a block may end"
    )
    with pytest.raises(ValueError, match=r"targets must be \(2,\) token ids, one for each position, not \(3,\)"):
        constrained_nll(c, torch.zeros(2, 6), torch.tensor([0, 1, 5]))
