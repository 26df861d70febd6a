"""Streams: pieces of whole characters, the same text as generate, and what happens around the ends."""

from __future__ import annotations

import asyncio
import json

import pytest
from tiny_models import byte_tokenizer, tiny_byte_model
from toys import byte_vocabulary

import gcd
from gcd.errors import BadLogits, InvalidGrammar


@pytest.fixture(scope="module")
def model():
    return gcd.TransformersLM(tiny_byte_model(), byte_tokenizer())


def test_pieces_make_the_text_of_generate(model):
    options = {"regex": "[é-ü]{3}, forced [0-9]{2}(€|😀)", "seed": 4}
    whole = gcd.generate(model, "x", **options)
    stream = gcd.stream(model, "x", **options)
    pieces = list(stream)
    assert all(pieces)
    assert len(pieces) > 4
    assert "".join(pieces) == whole.text
    assert stream.result == whole


def test_characters_are_never_cut(model):
    """Every token is one byte: nothing is given out before the fourth byte of an emoji."""
    assert list(gcd.stream(model, "x", regex="[😀-😏]{3}x", jump_ahead="off"))[3:] == ["x"]


def test_bytes_that_are_no_text_survive():
    from grammars.compile import compile_grammar
    from grammars.ir import Bytes, Grammar
    from tokenizer_align.constraint import align

    vocabulary = byte_vocabulary()
    constraint = align(compile_grammar(Grammar({"start": Bytes(b"a\xff\xc3")})), vocabulary)
    uniform = gcd.ScriptedLM([1.0] * vocabulary.size, eos_token_ids=vocabulary.eos_token_ids)
    stream = gcd.stream(uniform, constraint=constraint)
    text = "".join(stream)
    assert text == stream.result.text == stream.result.value
    assert text.encode("utf-8", "surrogateescape") == b"a\xff\xc3"


def test_result_runs_the_rest(model):
    stream = gcd.stream(model, "x", schema={"enum": ["one", "two"]}, seed=1)
    next(stream)
    assert stream.result.value in ("one", "two")
    assert json.loads(stream.result.text) == stream.result.value


def test_a_closed_stream_has_no_result(model):
    stream = gcd.stream(model, "x", regex="[a-z]{20}")
    next(stream)
    stream.close()
    with pytest.raises(RuntimeError) as caught:
        _ = stream.result
    assert str(caught.value) == "the stream was closed before its text was complete: it has no result"


def test_input_is_checked_before_the_stream_is_returned(model):
    with pytest.raises(InvalidGrammar):
        gcd.stream(model, "x", regex="(")
    for options in ({"n": 2}, {"prompt": ["x"]}):
        with pytest.raises(
            ValueError, match=r"^a stream is one text: one prompt and n=1 \(use one stream a prompt, or"
        ):
            gcd.stream(model, **{"prompt": "x", "regex": "a", **options})


def test_errors_arise_where_the_stream_is_read():
    vocabulary = byte_vocabulary()
    nan = gcd.ScriptedLM(
        lambda prefix: [float("nan") if len(prefix) == 2 else 1.0] * vocabulary.size,
        eos_token_ids=vocabulary.eos_token_ids,
        vocab_size=vocabulary.size,
    )
    stream = gcd.stream(nan, regex="[ab]{5}", tokenizer=vocabulary)
    with pytest.raises(BadLogits):
        list(stream)
    returned = gcd.stream(nan, regex="[ab]{5}", tokenizer=vocabulary, errors="return")
    assert len("".join(returned)) == 2
    assert isinstance(returned.result.error, BadLogits)


def test_agenerate_is_generate(model):
    options = {"regex": "[a-z]{9}", "seed": 2}
    assert asyncio.run(gcd.agenerate(model, "x", n=2, **options)) == gcd.generate(model, "x", n=2, **options)


def test_agenerate_stops_when_it_is_cancelled():
    vocabulary = byte_vocabulary()
    calls = []

    class Slow(gcd.ScriptedLM):
        def next_logits(self, sequences):
            calls.append(len(calls))
            started.set()
            return super().next_logits(sequences)

    import threading

    started = threading.Event()
    slow = Slow([1.0] * vocabulary.size, eos_token_ids=vocabulary.eos_token_ids)

    async def cancel() -> int:
        task = asyncio.create_task(
            gcd.agenerate(slow, regex="[a-z]{5000}", tokenizer=vocabulary, max_new_tokens=6000)
        )  # fmt: skip
        await asyncio.to_thread(started.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(calls)

    at_cancel = asyncio.run(cancel())  # asyncio.run waits for the thread
    assert len(calls) <= at_cancel + 50


def test_astream_gives_the_pieces_and_then_the_result(model):
    async def read() -> tuple[list[str], gcd.Generation]:
        stream = gcd.astream(model, "x", regex="[a-z]{9}", seed=2)
        with pytest.raises(RuntimeError, match="no result yet"):
            _ = stream.result
        return [piece async for piece in stream], stream.result

    pieces, result = asyncio.run(read())
    assert "".join(pieces) == result.text == gcd.generate(model, "x", regex="[a-z]{9}", seed=2).text
