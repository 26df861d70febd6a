"""Policies: which positions they choose from what they see; views that have others before them."""

from __future__ import annotations

import math

import pytest
import torch

import gcd
from gcd.diffusion import decode, policies
from gcd.diffusion.policies import View


def seen(*cells: tuple[int, int, float], before: View | None = None) -> View:
    """(position, best token, probability) of each masked position."""
    positions, best, probability = zip(*cells, strict=True)
    return View(positions, best, probability, (0.1,) * len(cells), 4, before)


NOW = ((0, 7, 0.6), (1, 8, 0.95), (2, 9, 0.97), (5, 8, 0.4))

CASES = [
    (policies.evenly(), [2]),
    (policies.top_k(2), [2, 1]),
    (policies.left_to_right(2), (0, 1)),
    (policies.by_threshold(0.9), [2, 1]),
    (policies.by_threshold(0.99), [2]),
    (policies.by_entropy(0.25), [0, 1]),
    (policies.position_calibrated(1), [1]),
    (policies.by_delimiter([8], window=4), [1]),
    (policies.by_delimiter([8], window=4, threshold=0.99), [1]),
    (policies.by_delimiter([9]), [1, 2]),
    (policies.by_delimiter([7], window=4, sure=0.7), [1, 2]),
    (policies.by_delimiter([3], window=1), [0]),
]


@pytest.mark.parametrize(("policy", "chosen"), CASES)
def test_what_is_chosen(policy, chosen):
    assert policy(seen(*NOW)) == chosen


def test_credit_is_for_having_been_the_best_before():
    policy = policies.by_credit(0.75, decay=0.5, power=1.0, weight=1.0)
    # .6 with a credit of .6: its odds count 1.6 times, .96 to .4
    assert policy(seen((0, 7, 0.6), (1, 8, 0.3))) == [0]
    assert policies.by_credit(0.71, decay=0.5, power=1.0, weight=1.0)(seen((0, 7, 0.6), (1, 8, 0.6))) == [0]
    before = seen((0, 7, 0.8), (1, 9, 0.8))
    # the credit of token 7 is .5 * .8 + .6 = 1, that of token 8 only .6: 1.2 to .4, and .96 to .4
    now = seen((0, 7, 0.6), (1, 8, 0.6), before=before)
    assert policy(now) == [0]
    assert policies.by_credit(0.7, decay=0.5, power=1.0, weight=1.0)(now) == [0, 1]
    assert policies.by_credit(0.76, decay=0.5, power=1.0, weight=1.0)(now) == [0]  # none is: the most certain one


def test_a_canvas_is_seen_with_what_was_seen_of_it():
    """Each canvas has its own past, and each block begins a new one."""
    vocabulary = gcd.Vocabulary([b"a", b"b", b"", b""], eos_token_ids=[2], special_tokens={"<mask>": 3})
    constraint = gcd.compile(regex="[ab]{6}", tokenizer=vocabulary)
    pasts = list[list[tuple[int, ...]]]()

    def watching(view: View) -> list[int]:
        past, step = [], view.before
        while step is not None:
            past.append(step.positions)
            step = step.before
        pasts.append(past)
        return [*view.positions[:1]]

    def model(ids: torch.Tensor) -> torch.Tensor:
        return torch.zeros(*ids.shape, 4)

    decode(model, constraint, 6, mask_token_id=3, block_length=3, policy=watching, n=4, seed=1)
    assert {len(past) for past in pasts} == {0, 1}
    assert all(past in ([], [(0, 1, 2)]) for past in pasts)


def test_credit_does_not_bend_the_law():
    """Of two independent tokens each has its own law, whichever is committed first."""
    vocabulary = gcd.Vocabulary([b"a", b"b", b"", b""], eos_token_ids=[2], special_tokens={"<mask>": 3})
    constraint = gcd.compile(regex="[ab]{2}", tokenizer=vocabulary)
    law = torch.tensor([[0.6, 0.4, 0, 0], [0.9, 0.1, 0, 0]]).log()

    def model(ids: torch.Tensor) -> torch.Tensor:
        return law.expand(len(ids), 2, 4)

    drawn = decode(model, constraint, 2, mask_token_id=3, policy=policies.by_credit(0.99), n=4000, seed=2)
    share = sum(one.token_ids[1] for one in drawn) / 4000
    assert share == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / 4000))
