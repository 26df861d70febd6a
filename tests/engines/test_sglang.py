"""The grammar backend against SGLang's own base classes; skipped without SGLang, which needs a GPU to be installed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from tiny_models import byte_tokenizer

from gcd.errors import TokenRejected

base = pytest.importorskip("sglang.srt.constrained.base_grammar_backend", reason="SGLang is not installed")

from gcd.integrations.sglang import GcdGrammarBackend, GcdGrammarObject, _create  # noqa: E402

EOS = 257


@pytest.fixture(scope="module")
def backend() -> GcdGrammarBackend:
    return GcdGrammarBackend(byte_tokenizer(), 300, {EOS, 258}, whitespace="compact")


def allowed(grammar: GcdGrammarObject) -> str:
    """The texts of the tokens that SGLang would leave, $ for the end."""
    mask, logits = grammar.allocate_vocab_mask(300, 2, "cpu"), torch.zeros(2, 300)
    grammar.fill_vocab_mask_batched([base.GrammarRow(row=1, grammar=grammar)], mask)
    base.GrammarMask(grammar, grammar.move_vocab_mask(mask, "cpu")).apply(logits)
    assert logits[0].isfinite().all()
    left = logits[1].isfinite().nonzero().flatten().tolist()
    return "".join(sorted({"$" if token > 255 else chr(token) for token in left}))


def ready(backend: GcdGrammarBackend, kind: str, text: str) -> GcdGrammarObject:
    """The object of a request, as the scheduler gets it: compiled in a thread, then a copy from the cache."""
    key = (kind, text)
    future, is_hit = backend.get_cached_or_future_value(key, False)
    assert not is_hit
    backend.set_cache(key, future.result().copy())
    found, is_hit = backend.get_cached_or_future_value(key, False)
    assert is_hit
    return found


def test_a_request_from_its_first_token_to_its_last(backend: GcdGrammarBackend) -> None:
    grammar = ready(backend, "regex", "a(b|c)d")
    for token, left in ((None, "a"), ("a", "bc"), ("c", "d"), ("d", "$")):
        if token is not None:
            grammar.accept_token(ord(token))
        assert allowed(grammar) == left
    grammar.accept_token(EOS)
    assert grammar.is_terminated()
    grammar.rollback(3)  # drafts that were refused, the end among them
    assert not grammar.is_terminated()
    assert allowed(grammar) == "bc"
    with pytest.raises(TokenRejected):  # a ValueError, at which the scheduler aborts the request
        grammar.accept_token(ord("x"))
    assert allowed(ready(backend, "regex", "a(b|c)d ")) == "a"


@pytest.mark.parametrize(
    ("kind", "text", "left"),
    [
        ("json", '{"enum": [1, "x"]}', '"1'),
        ("ebnf", 'root ::= "a" | "b"', "ab"),
        ("structural_tag", '{"format": {"type": "const_string", "value": "x"}}', "x"),
    ],
)
def test_kinds(backend: GcdGrammarBackend, kind: str, text: str, left: str) -> None:
    assert allowed(ready(backend, kind, text)) == left


def test_what_is_wrong_is_told_to_the_request(backend: GcdGrammarBackend) -> None:
    found = backend.dispatch_regex("(")
    assert isinstance(found, base.InvalidGrammarObject)
    assert found.error_message.startswith("this ( is never closed (line 1, column 1)")


def test_the_server_is_refused_what_it_would_not_get() -> None:
    arguments = SimpleNamespace(enable_strict_thinking=True)
    with pytest.raises(ValueError, match="does not support --enable-strict-thinking"):
        _create(arguments, byte_tokenizer(), 300, None)
    compact = SimpleNamespace(constrained_json_disable_any_whitespace=True)
    assert allowed(ready(_create(compact, byte_tokenizer(), 300, None), "json", '{"type": "object"}')) == "{"
