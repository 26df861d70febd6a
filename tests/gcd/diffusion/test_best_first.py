"""best_string: what it decides without the ways of a block, and when it gives up; its laws are those of lattices."""

from __future__ import annotations

import json

import pytest
import torch

import gcd
from gcd.diffusion import BlockLimits, Lattice, best_string, decode
from gcd.errors import BadBlock, EmptyLanguage, LimitExceeded

VALUE = {"$ref": "#/$defs/value"}
KINDS = [
    {"type": ["integer", "boolean"]},
    {"type": "array", "items": VALUE},
    {"type": "object", "additionalProperties": VALUE},
]
JSON = {"$defs": {"value": {"anyOf": KINDS}}, **VALUE}
LETTERS = gcd.Vocabulary(
    [*(bytes([b]) for b in range(128)), b"", b""], eos_token_ids=[128], special_tokens={"<mask>": 129}
)


@pytest.fixture(scope="module")
def anything() -> gcd.Constraint:
    return gcd.compile(schema=JSON, tokenizer=LETTERS, whitespace="compact")


def sure_of(text: bytes, length: int) -> torch.Tensor:
    """A model that is nearly sure of a text, and of padding behind it."""
    logits = torch.randn(length, LETTERS.size, generator=torch.Generator().manual_seed(1))
    logits[torch.arange(length), [*text, *[128] * (length - len(text))]] += 12
    return logits


def test_a_long_text_that_nests_is_found_where_no_forest_fits(anything):
    text = b'{"a":[1,[true,{"b":[]}],[[[[22]]]]],"c":{"d":[{"e":false}]}}'
    logits = sure_of(text, 100)
    with pytest.raises(LimitExceeded):
        Lattice(anything, logits, limits=BlockLimits(states=200, items=20_000))
    token_ids, logprob = best_string(anything, logits, most_states=200)
    assert LETTERS.decode(token_ids.tolist()) == text
    expected = logits.double().log_softmax(-1)[torch.arange(len(text) + 1), token_ids[: len(text) + 1]].sum()
    assert logprob.item() == pytest.approx(expected.item(), abs=1e-9)


def test_what_the_model_likes_best_is_no_text(anything):
    text = b'{"a":[1,[true,{"b":[]}],[2}}'  # one bracket is wrong: any other token there costs 12 nats or so
    token_ids, logprob = best_string(anything, sure_of(text, 40), end="eos")
    assert logprob < -9
    made = LETTERS.decode(token_ids.tolist())
    json.loads(made)
    assert sum(a != b for a, b in zip(made, text, strict=False)) == 1


def test_the_last_step_of_dingo_needs_no_lattice(anything):
    logits, limits = sure_of(b'[[1],{"k":[]}]', 20), BlockLimits(states=10, items=50)
    options = {"mask_token_id": 129, "method": "dingo", "limits": limits, "seed": 1}
    (one,) = decode(lambda ids: logits.expand(*ids.shape, -1), anything, 20, steps=1, **options)
    assert (one.data, one.calls) == (b'[[1],{"k":[]}]', 1)
    with pytest.raises(LimitExceeded):
        decode(lambda ids: logits.expand(*ids.shape, -1), anything, 20, steps=2, **options)


def test_it_gives_up_where_the_model_has_no_opinion(anything):
    with pytest.raises(LimitExceeded) as caught:
        best_string(anything, torch.zeros(30, LETTERS.size), fixed={29: ord("}")}, most_states=300)
    assert str(caught.value) == (
        "the best string of the block is not known after 300 states\nask a Lattice, or pass most_states="
    )
    (one,) = decode(lambda ids: torch.zeros(*ids.shape, 130), anything, 6, mask_token_id=129, method="dingo", steps=1)
    json.loads(one.data)


def test_what_is_refused(anything):
    logits = torch.zeros(3, LETTERS.size)
    with pytest.raises(EmptyLanguage) as empty:
        best_string(anything, logits, fixed={0: ord("]")})
    assert empty.value.headline == "no text of the grammar fills the block of 3 tokens around its 1 fixed tokens"
    with pytest.raises(BadBlock):
        best_string(anything, logits.index_fill(0, torch.tensor([1]), float("nan")))
    with pytest.raises(ValueError, match=r"^best_string takes one block, logits \(L, V\), not \(1, 3, 130\)$"):
        best_string(anything, logits[None])
    ended = anything.advance(anything.advance(anything.start, ord("1")), 128)
    assert best_string(anything, logits, start=ended)[0].tolist() == [128] * 3
