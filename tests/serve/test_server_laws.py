"""Laws of the server: many clients at once, clients that go away, requests that make no sense.

GCD_SERVE_CLIENTS, GCD_SERVE_REQUESTS and GCD_SERVE_ROUNDS make them larger; a seed that fails is in the test's name.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import re
from typing import Any

import httpx
import jsonschema
import pytest
import torch
from served import CLIENT, ask, error, noise, scripted, serving, slow, wait_until
from tiny_models import tiny_byte_model, tiny_model

import gcd
from gcd.errors import LimitExceeded
from gcd.models.protocols import open_session
from gcd.serve.pool import open_pool
from gcd.serve.text import ServedRow
from tokenizer_align.constraint import Constraint

CLIENTS = int(os.environ.get("GCD_SERVE_CLIENTS", "8"))
REQUESTS = int(os.environ.get("GCD_SERVE_REQUESTS", "4"))
ROUNDS = int(os.environ.get("GCD_SERVE_ROUNDS", "1"))


# -- many clients


def mixed(rng: random.Random, client: int, number: int) -> tuple[dict[str, Any], Any]:
    """A request that is its client's own, and what checks the text of its answer."""
    own = f"{client}-{number}"
    schema = {
        "type": "object", "properties": {"id": {"const": own}, "n": {"type": "integer", "minimum": 0, "maximum": 99}},
        "required": ["id", "n"], "additionalProperties": False,
    }  # fmt: skip
    tools = [{"type": "function", "function": {"name": "own", "parameters": schema}}]
    shared = {"type": "array", "items": {"enum": ["a", "b", 1, None]}, "minItems": 1, "maxItems": 3}

    def valid(text: str, against: Any = schema) -> bool:
        jsonschema.validate(json.loads(text), against)
        return True

    kinds: list[tuple[dict[str, Any], Any]] = [
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}, valid),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": shared}}},
         lambda text: valid(text, shared)),
        ({"guided_regex": f"{own}:[a-f]{{3,6}}"}, lambda text: re.fullmatch(f"{own}:[a-f]{{3,6}}", text)),
        ({"guided_choice": [f"{own} yes", f"{own} no"]}, lambda text: text in (f"{own} yes", f"{own} no")),
        ({"guided_grammar": f'start: "{own}" ("<" start ">")?'}, lambda text: text.replace("<", "").startswith(own)),
        ({"tools": tools, "tool_choice": "required", "parallel_tool_calls": False}, valid),
        ({"max_tokens": 4}, lambda text: len(text) <= 4),
    ]  # fmt: skip
    wish, check = rng.choice(kinds)
    return {"seed": client * 1000 + number, "n": rng.choice([1, 1, 2]), "max_tokens": 150, **wish}, check


def texts_of(choices: list[dict[str, Any]]) -> list[str]:
    found = []
    for choice in choices:
        calls = choice["message"].get("tool_calls")
        found.append(calls[0]["function"]["arguments"] if calls else choice["message"]["content"])
    return found


def test_many_clients_get_each_their_own() -> None:
    async def client(http: httpx.AsyncClient, url: str, number: int) -> int:
        rng = random.Random(number)
        done = 0
        for request in range(REQUESTS):
            wish, check = mixed(rng, number, request)
            body = {"model": "m", "messages": [{"role": "user", "content": f"{number}"}], **wish}
            reply = await http.post(f"{url}/v1/chat/completions", json=body)
            assert reply.status_code == 200, reply.text
            texts = texts_of(reply.json()["choices"])
            assert len(texts) == wish["n"]
            for text in texts:
                assert check(text), (wish, text)
            done += 1
        return done

    async def all_of_them(url: str) -> list[int]:
        limits = httpx.Limits(max_connections=CLIENTS)
        async with httpx.AsyncClient(timeout=300, limits=limits, verify=False) as http:
            return await asyncio.gather(*(client(http, url, number) for number in range(CLIENTS)))

    with serving(scripted(), max_rows=16, max_n=2) as (url, engine):
        assert asyncio.run(all_of_them(url)) == [REQUESTS] * CLIENTS
        assert (engine.loop.running, engine.loop.waiting) == (0, 0)
        assert engine.loop.steps < engine.loop.tokens  # they shared the steps
        assert len(engine.loop._pool._sequences) == 0  # type: ignore[attr-defined]


def test_schemas_that_come_once_leave_no_more_than_is_kept() -> None:
    with serving(scripted(), max_constraints=4) as (url, engine):

        def living() -> int:
            gc.collect()
            constraints = [each for each in gc.get_objects() if type(each) is Constraint]
            return sum(each.vocabulary is engine.vocabulary for each in constraints)

        before = living()
        for number in range(12):
            schema = {"type": "object", "properties": {f"own{number}": {"const": number}}, "required": [f"own{number}"]}
            assert ask(url, json_schema=schema).status_code == 200
        assert len(engine.constraints) == living() - before == 4


# -- clients that go away, and more than there is room for


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_frees_its_place(stream: bool) -> None:
    with serving(slow(seconds=0.02), max_rows=2, max_n=2, max_queue=1) as (url, engine):
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream, "n": 2}
        begun = json.dumps({**body, "max_tokens": 5000, "guided_regex": "[ab]{4000}"})
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        running, waiting = (_connect(url) for _ in range(2))
        for connection in (running, waiting):
            connection.sendall(f"{head}content-length: {len(begun)}\r\n\r\n{begun}".encode())
            wait_until(lambda: engine.loop.running == 2, 20)
        wait_until(lambda: engine.loop.waiting == 2, 20)
        full = ask(url, max_tokens=1)
        assert error(full) == (429, None, "queue_full", "2 texts are waiting and the queue holds 1: try again later")
        assert full.headers["retry-after"] == "1"
        waiting.close()
        assert wait_until(lambda: engine.loop.waiting == 0, 20) < 1
        running.close()
        assert wait_until(lambda: engine.loop.running == 0, 20) < 1
        assert ask(url, max_tokens=1).status_code == 200


def _connect(url: str) -> Any:
    import socket

    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)))


def test_who_waits_when_the_server_ends_gets_an_error() -> None:
    with serving(slow(seconds=0.02)) as (url, engine):
        body = {"model": "m", "prompt": "x", "stream": True, "regex": "[ab]{400}", "max_tokens": 500}
        with CLIENT.stream("POST", f"{url}/v1/completions", json=body) as reply:
            lines = reply.iter_lines()
            next(lines)
            engine.close()
            assert json.loads([line for line in lines if line][-1].removeprefix("data: ")) == {
                "error": {
                    "message": "the server is shutting down", "type": "server_error", "param": None,
                    "code": "shutting_down",
                }
            }  # fmt: skip
        assert error(ask(url, max_tokens=1)) == (503, None, "not_ready", "the server is not ready")


# -- rows that fail beside others


def test_a_text_that_fails_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A model that has NaN behind one prompt; the log has the kind of error, and nothing of what was said."""
    caplog.set_level("INFO")

    def script(prefix: tuple[int, ...]) -> list[float]:
        return [float("nan")] * 259 if ord("!") in prefix[-3:] else noise(prefix)

    with serving(scripted(script)) as (url, _):
        bad = {"model": "m", "prompt": "x!", "guided_regex": "[ab]{40}", "seed": 1}
        good = {**bad, "prompt": "x"}

        async def both() -> list[httpx.Response]:
            async with httpx.AsyncClient(timeout=60, verify=False) as http:
                return await asyncio.gather(
                    *(http.post(f"{url}/v1/completions", json=one) for one in (good, bad, good))
                )

        replies = asyncio.run(both())
        assert [reply.status_code for reply in replies] == [200, 500, 200]
        assert error(replies[1]) == (500, None, "bad_logits", "the server could not answer: BadLogits")
        assert replies[0].json()["choices"] == replies[2].json()["choices"]
    assert [each.getMessage() for each in caplog.records if each.name.startswith("gcd")] == [
        "a request failed by BadLogits"
    ]


def test_a_row_takes_its_own_errors() -> None:
    constraint = gcd.compile(regex="[ab]{5}", tokenizer=scripted())

    class Meets:
        vocabulary = constraint.vocabulary

        def mask(self, state: object, budget: int | None = None) -> Any:
            raise LimitExceeded("too large")

    row = ServedRow(Meets(), 9, None, None)  # type: ignore[arg-type]
    assert int(row.mask()[0]) == -1
    row.decide([97])
    assert (row.done, str(row.error), row.token_ids) == (True, "too large", [])


# -- pools


@pytest.mark.parametrize("name", ["llama", "gpt2", "bloom", "gemma3", "mamba", "stateless"])
def test_rows_that_join_and_leave_see_what_they_would_alone(name: str) -> None:
    """The logits of a pool are those of a session of each row's own, whatever comes and goes beside it."""
    model: Any = gcd.TransformersLM(tiny_model(name if name != "stateless" else "llama"))
    pool = open_pool(_Bare(model) if name == "stateless" else model)
    rng = random.Random(1)
    alone: dict[int, Any] = {}
    for step in range(12):
        if len(alone) < 4 and rng.random() < 0.6:
            prompt = [rng.randrange(3, 64) for _ in range(rng.randrange(1, 9))]
            pool.join(step, prompt)
            alone[step] = open_session(model, [prompt])
        if alone and rng.random() < 0.3:
            pool.leave(gone := rng.choice(list(alone)))
            del alone[gone]
        if not alone:
            continue
        keys = list(alone)
        # what is new begins with any number of tokens, none too; others bring at least one
        tokens = [
            [rng.randrange(3, 64) for _ in range(rng.randrange(0 if alone[key].calls == 0 else 1, 3))] for key in keys
        ]
        for found, key, new in zip(pool.extend(keys, tokens), keys, tokens, strict=True):
            (expected,) = alone[key].extend([0], [new])
            assert found.shape == expected.shape
            torch.testing.assert_close(found.float(), expected.float(), atol=1e-4, rtol=1e-4)


def test_what_is_forced_pads_nobody_where_that_costs_more_than_it_saves() -> None:
    """One row waits with four tokens, those beside it with one: on a CPU it is padding from three others on."""
    pool = open_pool(gcd.TransformersLM(tiny_model("llama")))
    for last in range(6):
        pool.join(last, [3, 4])
        keys = list(range(last + 1))
        taken = pool.paced(keys, [[5, 6, 7, 8], *([9] for _ in range(last - 1)), *([[5, 6]] if last else [])])
        assert taken[0] == ([5, 6, 7, 8] if last < 4 else [5])
        assert all(tokens == [9] for tokens in taken[1:-1])
        assert taken[-1] == ([5, 6] if last else [5, 6, 7, 8])  # a row that is new is read by itself
        pool.extend(keys, taken)


class _Bare:
    """A model of which only `next_logits` is known."""

    def __init__(self, model: Any) -> None:
        self.vocab_size, self.eos_token_ids, self.next_logits = model.vocab_size, model.eos_token_ids, model.next_logits


def test_a_model_of_transformers_says_what_generate_says() -> None:
    from tiny_models import byte_tokenizer

    model = gcd.TransformersLM(tiny_byte_model(), byte_tokenizer())
    with serving(model, max_rows=4, max_n=4) as (url, _):
        for seed in range(3):
            # what is forced behind some beginnings stands beside rows in which nothing is
            wish = {"regex": "([0-2]{2}[a-z]{1,3}|[3-9] is a number)[a-z]{1,9}", "seed": seed, "n": 4}
            expected = gcd.generate(model, [{"role": "user", "content": "Hi"}], **wish)
            assert texts_of(ask(url, **wish).json()["choices"]) == [one.text for one in expected]


# -- requests that make no sense

JUNK: list[Any] = [
    None, True, False, 0, -1, 1, 2.5, 1e400, 10**400, "", "x", "\u0000", "é" * 50, [], {}, [[]], [{}], {"type": None},
    {"type": "json_schema"}, {"type": "function"}, {"a": {"b": [1, {"c": None}]}}, ["a", 1], [None], {"": ""}, "(",
    "a+",
    {"type": "object", "properties": []}, {"$ref": "#/x"}, {"enum": []}, {"minItems": 1e9}, 'root ::= ', "start: x",
]  # fmt: skip

SENSE: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "Hi"}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], "stream": True,
     "stream_options": {"include_usage": True}},
    {"messages": [{"role": "user", "content": "Hi"}], "response_format": {"type": "json_schema", "json_schema": {
        "name": "x", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}}},
    {"messages": [{"role": "assistant", "content": None, "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "x"}],
     "tools": [{"type": "function", "function": {"name": "f", "description": "x", "parameters": {"type": "object"}}}],
     "tool_choice": {"type": "function", "function": {"name": "f"}}},
    {"messages": [{"role": "user", "content": "Hi"}], "tools": [], "tool_choice": {"type": "allowed_tools",
     "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}}},
    {"prompt": "Once", "logprobs": 1, "n": 1, "stop": ["x"], "seed": 1, "top_p": 0.5, "temperature": 1},
    {"prompt": [1, 2], "structured_outputs": {"regex": "a+"}, "max_tokens": 3},
    {"prompt": "x", "structured_outputs": {"structural_tag": {"structures": [{"begin": "<a>", "schema": True,
     "end": "</a>"}], "triggers": ["<a>"]}}},
    {"prompt": "x", "response_format": {"type": "structural_tag", "format": {"type": "sequence", "elements": [
        {"type": "const_string", "value": "x"}, {"type": "tag", "begin": "<", "content": {"type": "any_text"},
         "end": ">"}, {"type": "or", "elements": [{"type": "regex", "pattern": "a"}]}]}}},
    {"input": "Hi", "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "integer"}}},
     "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}], "max_output_tokens": 9},
    {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
               {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "1"},
               {"type": "function_call_output", "call_id": "1", "output": "x"}],
     "stream": True, "instructions": "x", "include": ["message.output_text.logprobs"], "top_logprobs": 1},
    {"kind": "schema", "text": '{"type": "array"}', "prompt": "x", "seed": 1, "max_tokens": 8},
    {"prompt": "x", "guided_json": {"type": "array"}, "guided_choice": None, "grammar": None, "ebnf": None},
]  # fmt: skip


PATHS = {"kind": "/try", "prompt": "/v1/completions", "input": "/v1/responses", "messages": "/v1/chat/completions"}


def spoiled(rng: random.Random, value: Any) -> Any:
    """The value with something else somewhere in it."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: spoiled(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.85:
        place = rng.randrange(len(value))
        return [*value[:place], spoiled(rng, value[place]), *value[place + 1 :]]
    return rng.choice(JUNK)


@pytest.mark.parametrize("seed", range(4 * ROUNDS))
def test_requests_without_sense_are_the_clients_fault(server: str, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(25):
        body: Any = {"model": "m", "max_tokens": 8, **rng.choice(SENSE)}
        for _ in range(rng.randrange(1, 4)):
            body = spoiled(rng, body)
        path = next((PATHS[field] for field in PATHS if isinstance(body, dict) and field in body), PATHS["messages"])
        text = json.dumps(body)
        reply = CLIENT.post(server + path, content=text, headers={"content-type": "application/json"})
        assert reply.status_code < 500, (text, reply.text)
        if reply.status_code == 200:
            assert "error" not in reply.text.partition("\n")[0][:20], text
        else:
            assert reply.json()["error"].keys() == {"message", "type", "param", "code"}, text
            assert reply.json()["error"]["message"]
