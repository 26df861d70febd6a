"""Whole masks over real vocabularies, against one token after the other."""

from __future__ import annotations

import random

import numba
import numpy as np
import pytest
from data import tokenizer_folder

from grammars.compile import compile_grammar
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.regex import parse_regex
from grammars.ir import Grammar
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.vocabulary import Vocabulary

pytestmark = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="a walk over a real vocabulary takes a minute without JIT"
)

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 40},
        "tags": {"type": "array", "items": {"enum": ["a", "ab", 'q"']}, "maxItems": 50},
        "more": {"type": "object", "additionalProperties": {"type": "number"}},
    },
    "required": ["name"],
}
TEXTS = [
    '{"name": "Ada Löve 😀", "tags": ["a", "ab", "q\\""], "more": {"x": -1.5e3}, "z": [1, {"y": null}]}',
    '{"name":"ab"}',
]


def bits(row: np.ndarray, size: int) -> np.ndarray:
    return np.unpackbits(row.view(np.uint8), bitorder="little")[:size].astype(bool)


def check_masks(constraint: Constraint, text: bytes, rng: random.Random) -> None:
    """Compares masks along a text, at random tokenizations of it."""
    vocabulary = constraint.vocabulary
    state, at = constraint.start, 0
    while True:
        allowed = bits(constraint.mask(state), vocabulary.size)
        sample = rng.sample(range(vocabulary.size), 1500) + np.flatnonzero(allowed)[:200].tolist()
        for token in sample:
            assert allowed[token] == (constraint.try_advance(state, token) is not None), (text[:at], token)
        assert all(allowed[token] == constraint.is_accepting(state) for token in vocabulary.eos_token_ids)
        assert not any(
            allowed[token] for token in vocabulary.special_tokens.values() if token not in vocabulary.eos_token_ids
        )
        if at == len(text):
            break
        size = rng.choice([1, 1, 2, 3, 5, 8, 13])
        (token, *_) = vocabulary.greedy(text[at : at + size]) or [None]
        assert token is not None
        state = constraint.advance(state, token)
        at += len(vocabulary.tokens[token])
    assert constraint.is_accepting(state)


@pytest.mark.parametrize("name", ["gpt2", "llama2", "llama3_1"])
def test_masks_of_a_schema(name: str) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    vocabulary = Vocabulary.from_tokenizer(tokenizer_folder(name))
    constraint = align(compile_grammar(parse_json_schema(SCHEMA)), vocabulary)
    for text in TEXTS:
        check_masks(constraint, text.encode(), random.Random(seed))


def test_masks_of_a_regex() -> None:
    vocabulary = Vocabulary.from_tokenizer(tokenizer_folder("gpt2"))
    grammar = Grammar({"start": parse_regex(r"(\w+\s?){2,300}[.!]|\d{4}-\d\d")})
    constraint = align(compile_grammar(grammar), vocabulary)
    for text in ["Größe zählt nicht.", "2026-11"]:
        check_masks(constraint, text.encode(), random.Random(1))
