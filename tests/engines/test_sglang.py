"""The grammar backend in what of SGLang runs without a GPU: its plug-ins, its command line, its manager of grammars.

By `make test-engines`; skipped without SGLang.
"""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import pytest
import torch
from tiny_models import byte_tokenizer

from gcd.errors import TokenRejected

pytest.importorskip("sglang", reason="SGLang is not installed: make test-engines")

from sglang.srt.constrained import base_grammar_backend as base

from gcd.integrations.sglang import GcdGrammarBackend, GcdGrammarObject, _create

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


def test_requests_go_through_sglangs_own_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its plug-ins find the backend, its command line takes it, and its manager gives each request what is its own."""
    from sglang.srt.constrained import grammar_manager
    from sglang.srt.plugins import load_plugins
    from sglang.srt.sampling.sampling_params import SamplingParams
    from sglang.srt.server_args import ServerArgs

    load_plugins()
    ServerArgs.add_cli_args(parser := argparse.ArgumentParser())
    assert parser.parse_args(["--model-path", "m", "--grammar-backend", "gcd"]).grammar_backend == "gcd"
    # what a resolved configuration says, which has to be of a model that SGLang knows
    kernel, serving = SimpleNamespace(grammar_backend="gcd"), SimpleNamespace(skip_tokenizer_init=False)
    monkeypatch.setattr(base, "get_exec", lambda: SimpleNamespace(kernel=kernel))
    monkeypatch.setattr(grammar_manager, "get_serving", lambda: serving)
    monkeypatch.setattr(grammar_manager, "get_parallel", lambda: SimpleNamespace(pp_rank=0, pp_size=1))
    model = SimpleNamespace(vocab_size=300, hf_eos_token_id={EOS, 258}, think_end_ids=None)
    group = SimpleNamespace(world_size=1, first_rank=0, is_first_rank=True)
    manager = grammar_manager.GrammarManager(
        SimpleNamespace(server_args=SimpleNamespace(), tokenizer=byte_tokenizer(), model_config=model,
                        dp_tp_cpu_group=None, dp_tp_group=group, pp_group=None)
    )  # fmt: skip

    def request(**wish: str) -> SimpleNamespace:
        made = SimpleNamespace(
            sampling_params=SamplingParams(**wish), origin_input_ids=[1], require_reasoning=False, grammar=None,
            grammar_key=None, grammar_wait_ct=0, finished=lambda: False, aborted=None,
        )  # fmt: skip
        made.set_finish_with_abort = lambda message: setattr(made, "aborted", message)
        return made

    wishes = [{"json_schema": '{"enum": [1, "x"]}'}, {"regex": "a|b"}, {"regex": "("}, {"ebnf": 'root ::= "c"'}]
    requests = [request(**wish) for wish in wishes]
    assert [manager.process_req_with_grammar(each) for each in requests] == [True] * 4
    ready: list[object] = []
    while len(manager):
        ready += manager.get_ready_grammar_requests()
    assert sorted(map(id, ready)) == sorted(map(id, requests))
    assert requests[2].aborted.startswith("Failed to compile regex grammar: this ( is never closed (line 1, column 1)")
    assert [each.aborted for each in requests if each is not requests[2]] == [None] * 3
    assert [allowed(requests[i].grammar) for i in (0, 1, 3)] == ['"1', "ab", "c"]
    requests[1].grammar.accept_token(ord("a"))
    again = request(regex="a|b")
    assert not manager.process_req_with_grammar(again)  # from the cache
    assert (allowed(again.grammar), allowed(requests[1].grammar)) == ("ab", "$")
