"""/v1/chat/completions and /v1/completions: shapes, knobs, streams; the texts are those of `gcd.generate`."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from served import CLIENT, answer, ask, chunks, error, noise, says, scripted, serving

import gcd

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}, "b": {"enum": ["x", "yy"]}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "pair", "schema": SCHEMA, "strict": True}}
CHAT = [{"role": "user", "content": "Hi"}]
LLGUIDANCE = """%llguidance {"no_forcing": false}
start: "<" value ">" word
value: %json {"enum": [[1], {"a": null}]}
word[max_tokens=3, suffix="."]: /[a-c]*/
"""


def test_an_answer_has_the_shape_of_openai(server: str) -> None:
    body = ask(server, response_format=JSON_SCHEMA, seed=1).json()
    assert body.keys() == {"id", "object", "created", "model", "system_fingerprint", "choices", "usage"}
    assert (body["object"], body["model"]) == ("chat.completion", "m")
    assert re.fullmatch("chatcmpl-[0-9a-f]{24}", body["id"])
    (choice,) = body["choices"]
    assert choice.keys() == {"index", "message", "logprobs", "finish_reason"}
    assert choice["message"].keys() == {"role", "content", "refusal"}
    assert (choice["message"]["role"], choice["message"]["refusal"]) == ("assistant", None)
    assert (choice["index"], choice["logprobs"], choice["finish_reason"]) == (0, None, "stop")
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] == len(choice["message"]["content"]) + 1  # one byte a token, and the end


@pytest.mark.parametrize(
    ("wish", "keywords"),
    [
        ({"response_format": JSON_SCHEMA}, {"schema": SCHEMA}),
        ({"response_format": {"type": "json_object"}}, {"schema": {"type": "object"}}),
        ({"response_format": {"type": "json_object", "schema": SCHEMA}}, {"schema": SCHEMA}),
        ({"guided_json": json.dumps(SCHEMA)}, {"schema": SCHEMA}),
        ({"structured_outputs": {"json": SCHEMA, "disable_any_whitespace": True}},
         {"schema": SCHEMA, "whitespace": "compact"}),
        ({"structured_outputs": {"regex": "[ab]{3,9}"}}, {"regex": "[ab]{3,9}"}),
        ({"regex": "[ab]{3,9}", "top_p": 0.5}, {"regex": "[ab]{3,9}", "top_p": 0.5}),
        ({"regex": "[a-f]{9}", "temperature": 2, "top_k": 3}, {"regex": "[a-f]{9}", "temperature": 2, "top_k": 3}),
        ({"regex": "[a-f]{9}", "min_p": 0.7}, {"regex": "[a-f]{9}", "min_p": 0.7}),
        ({"guided_choice": ["one", "two"]}, {"choices": ["one", "two"]}),
        ({"grammar": 'root ::= "a" root | "b"'}, {"grammar": 'root ::= "a" root | "b"'}),
        ({"ebnf": 'root ::= "a" root | "b"', "max_tokens": 9},
         {"grammar": 'root ::= "a" root | "b"', "max_new_tokens": 9}),
        ({"structured_outputs": {"grammar": "start: /[xyz]{5}/"}}, {"grammar": "start: /[xyz]{5}/"}),
        ({"guided_grammar": LLGUIDANCE}, {"grammar": LLGUIDANCE}),
        ({"json_schema": SCHEMA, "max_completion_tokens": 16, "max_tokens": 99},
         {"schema": SCHEMA, "max_new_tokens": 16}),
    ],
)  # fmt: skip
def test_texts_are_those_of_generate(server: str, wish: dict[str, Any], keywords: dict[str, Any]) -> None:
    """The same seed gives the same texts, in the server and out of it, whatever the batch was."""
    model = scripted()
    for seed in (0, 7):
        keywords = {"max_new_tokens": 200, **keywords}
        expected = gcd.generate(model, CHAT, tokenizer=model.tokenizer, n=2, seed=seed, **keywords)
        body = ask(server, n=2, seed=seed, **wish).json()
        found = [(choice["message"]["content"], choice["finish_reason"]) for choice in body["choices"]]
        assert found == [(one.text, one.finish_reason) for one in expected]
        assert body["usage"]["completion_tokens"] == sum(len(one.token_ids) for one in expected)


def test_a_stream_says_what_the_answer_says(server: str) -> None:
    wish = {"response_format": JSON_SCHEMA, "seed": 3, "n": 2}
    whole = ask(server, **wish).json()
    events = chunks(server, **wish, stream_options={"include_usage": True})
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == whole["usage"]
    assert all(event["usage"] is None for event in events[:-1])
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    for index in range(2):
        own = [event["choices"][0] for event in events[:-1] if event["choices"][0]["index"] == index]
        assert own[0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
        assert [each["finish_reason"] for each in own[:-1]] == [None] * (len(own) - 1)
        assert own[-1]["finish_reason"] == whole["choices"][index]["finish_reason"]
        text = "".join(each["delta"].get("content", "") for each in own)
        assert text == whole["choices"][index]["message"]["content"]
    assert all("usage" not in event for event in chunks(server, **wish))


def test_a_budget_that_narrows_says_length_and_the_text_is_whole(server: str) -> None:
    schema = {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3}
    choice = answer(server, structured_outputs={"json": schema}, max_tokens=8, seed=1)
    assert choice["finish_reason"] == "length"
    assert set(json.loads(choice["message"]["content"])) <= {1, 2, 3}


def test_free_text_is_cut_at_its_budget(server: str) -> None:
    body = ask(server, max_tokens=5, seed=2).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 5


def test_log_probabilities_are_those_of_the_model(server: str) -> None:
    wish = {"regex": "[ab]{3}", "seed": 4, "logprobs": True, "top_logprobs": 2}
    choice = answer(server, **wish)
    entries = choice["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == choice["message"]["content"]
    model = scripted()
    prompt = list(model.tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, tokenize=False).encode()[5:])
    prompt = [256, *prompt]
    for entry in entries:
        logprobs = model.next_logits([prompt])[0].log_softmax(dim=-1)
        assert entry["bytes"] == list(entry["token"].encode())
        assert math.isclose(entry["logprob"], float(logprobs[entry["bytes"][0]]), abs_tol=1e-4)
        assert [each["logprob"] for each in entry["top_logprobs"]] == pytest.approx(logprobs.topk(2).values.tolist())
        prompt.append(entry["bytes"][0])
    streamed = [e["choices"][0]["logprobs"] for e in chunks(server, **wish)]
    assert [entry for one in streamed if one for entry in one["content"]] == entries


def test_completions_continue_a_text_or_tokens(server: str) -> None:
    wish = {"guided_regex": "[ab]{3,9}", "seed": 5, "logprobs": 1}
    body = ask(server, "/v1/completions", prompt="Once", **wish).json()
    assert (body["object"], body["choices"][0]["finish_reason"]) == ("text_completion", "stop")
    model = scripted()
    expected = gcd.generate(model, "Once", tokenizer=model.tokenizer, regex="[ab]{3,9}", seed=5)
    assert body["choices"][0]["text"] == expected.text
    assert body["choices"][0]["logprobs"]["tokens"] == list(expected.text)
    assert body["choices"][0]["logprobs"]["text_offset"] == list(range(len(expected.text)))
    again = ask(server, "/v1/completions", prompt=[256, *b"Once"], **wish).json()
    assert again["choices"] == body["choices"]
    events = chunks(server, "/v1/completions", prompt="Once", **wish)
    assert "".join(event["choices"][0]["text"] for event in events) == expected.text


@pytest.mark.parametrize(
    ("stop", "expected", "reason"),
    [
        (None, "one two three", "stop"),
        (" t", "one", "stop"),
        (["three", "o t"], "one tw", "stop"),
        (["nothing", "threes"], "one two three", "stop"),
    ],
)
def test_stop_ends_free_text(stop: object, expected: str, reason: str) -> None:
    with serving(scripted(says("one two three"))) as (url, engine):
        choice = answer(url, stop=stop, temperature=0)
        assert (choice["message"]["content"], choice["finish_reason"]) == (expected, reason)
        events = chunks(url, stop=stop, temperature=0)
        assert "".join(event["choices"][0]["delta"].get("content", "") for event in events) == expected
        assert engine.loop.running == 0


def test_models_health_ready_and_metrics(server: str) -> None:
    models = CLIENT.get(f"{server}/v1/models").json()
    assert [model["id"] for model in models["data"]] == ["m"]
    assert CLIENT.get(f"{server}/v1/models/m").json() == models["data"][0]
    assert error(CLIENT.get(f"{server}/v1/models/gpt-4")) == (
        404, "model", "model_not_found", "there is no model 'gpt-4' here: 'm' is served",
    )  # fmt: skip
    assert CLIENT.get(f"{server}/health").json() == {"status": "ok"}
    assert CLIENT.get(f"{server}/ready").json() == {"status": "ready"}
    answer(server, regex="a", seed=1)
    answer(server, regex="a", seed=1)
    lines = CLIENT.get(f"{server}/metrics").text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(values["gcd_constraint_hits_total"]) >= 1
    assert float(values["gcd_generated_tokens_total"]) >= 4
    assert float(values['gcd_requests_total{endpoint="/v1/chat/completions",status="200"}']) >= 2
    assert values["gcd_texts_running"] == "0"


def test_the_schema_is_put_into_the_prompt_on_request() -> None:
    """What the model reads, with a system message and without, by each way to ask, beside tools and alone."""
    prompts: list[str] = []

    def script(prefix: tuple[int, ...]) -> list[float]:
        text = bytes(token for token in prefix if token < 256).decode(errors="replace")
        prompts.append(text.partition("[assistant]")[0])
        return noise(prefix)

    schema = {"enum": ["é", 1]}
    form = {"name": "x", "description": "A letter.", "schema": schema}
    chat = {"messages": [{"role": "system", "content": "Be brief."}, *CHAT]}
    wanted = {"response_format": {"type": "json_schema", "json_schema": form}}
    tool = {"type": "function", "name": "now", "parameters": {"type": "object"}}
    told = (
        "# Answer\n\n{} with JSON that is valid by this JSON Schema, and with nothing else:\n<schema>\n{}\n</schema>\n"
    )
    with serving(scripted(script)) as (url, _):
        assert json.loads(answer(url, **chat, **wanted)["message"]["content"]) in ("é", 1)
        assert prompts[-1] == "[system]Be brief.\n[user]Hi\n"
        found = answer(url, **chat, **wanted, schema_in_prompt=True)
        assert json.loads(found["message"]["content"]) in ("é", 1)
        described = told.format("Answer", '{"description": "A letter.", "enum": ["é", 1]}')
        assert prompts[-1] == f"[system]Be brief.\n\n{described}[user]Hi\n"
        assert ask(url, guided_json='{"enum": [ 1, 2 ]}', schema_in_prompt=True).status_code == 200
        assert prompts[-1] == "[system]" + told.format("Answer", '{"enum": [ 1, 2 ]}') + "[user]Hi\n"
        body = {"input": "Hi", "text": {"format": {"type": "json_schema", **form}}, "schema_in_prompt": True}
        assert ask(url, "/v1/responses", **body, tools=[tool]).status_code == 200
        described = described.replace("Answer with", "Where you call no function, answer with")
        assert prompts[-1].startswith(f"[system]{described}\n# Tools\n")


@pytest.mark.parametrize(
    ("knobs", "greedy"), [({"temperature": 1e308}, False), ({"temperature": 5e-324}, True), ({"top_p": 5e-324}, True)]
)
def test_knobs_beyond_single_precision_are_those_at_its_ends(server: str, knobs: Any, greedy: bool) -> None:
    """They became 0 or infinite in the arithmetic, and probabilities NaN."""
    wish = {"structured_outputs": {"regex": "[ab]{9}"}, "seed": 1}
    likeliest = answer(server, **wish, temperature=0)["message"]["content"]
    found = answer(server, **wish, **knobs)["message"]["content"]
    assert re.fullmatch("[ab]{9}", found)
    assert (found == likeliest) == greedy
