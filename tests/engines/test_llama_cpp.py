"""LlamaProcessor inside llama-cpp-python, with the embedded model. Run by `make test-engines`; skipped without it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

import gcd
from gcd.errors import BudgetTooSmall, UnsupportedFeature
from gcd.integrations.llama_cpp import LlamaProcessor, vocabulary_of_llama
from gcd.models.demo import find_smollm2

llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: make test-engines")

SCHEMA = {
    "type": "object", "properties": {"name": {"enum": ["Ada", "Grace"]}, "age": {"type": "integer", "maximum": 99}},
    "required": ["name", "age"], "additionalProperties": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def llama(embedded_model: str) -> Any:
    return llama_cpp.Llama(str(find_smollm2()), n_ctx=256, n_threads=1, seed=1, verbose=False)


def test_the_vocabulary_is_that_of_the_file(llama: Any, embedded_model: str) -> None:
    """What llama.cpp writes for each token is what the tokenizer says that transformers reads from the same file."""
    other = gcd.Vocabulary.from_tokenizer(gcd.load(embedded_model).tokenizer)
    ours = vocabulary_of_llama(llama)
    assert ours.tokens == other.tokens
    assert set(other.eos_token_ids) <= set(ours.eos_token_ids)


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_texts_are_inside(llama: Any, temperature: float) -> None:
    for number in range(3):
        processor = LlamaProcessor(llama, schema=SCHEMA, whitespace="compact", max_tokens=40)
        (made,) = llama(
            f"Person {number} as JSON: ", max_tokens=40, temperature=temperature, logits_processor=[processor]
        )["choices"]  # fmt: skip
        assert made["finish_reason"] == "stop"
        assert json.loads(made["text"])["name"] in ("Ada", "Grace")


def test_texts_end_within_their_budget(llama: Any) -> None:
    processor = LlamaProcessor(llama, regex="a*b", max_tokens=4)
    (made,) = llama("aaaaaaaa", max_tokens=4, temperature=0, logits_processor=[processor])["choices"]
    assert made["finish_reason"] == "stop"
    assert made["text"].rstrip("b").strip("a") == ""


def test_what_cannot_be_kept_to_is_refused(llama: Any) -> None:
    with pytest.raises(BudgetTooSmall):
        LlamaProcessor(llama, schema=SCHEMA, max_tokens=2)
    with pytest.raises(UnsupportedFeature) as caught:
        LlamaProcessor(SimpleNamespace(draft_model=object()), regex="a")  # type: ignore[arg-type]
    assert str(caught.value) == "masks do not go with a draft model in llama-cpp-python\nLeave it out."
