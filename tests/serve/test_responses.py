"""/v1/responses by OpenAI's own client: what it parses and streams, item by item, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pydantic
import pytest
from served import CLIENT, answer, ask, error, says, scripted, serving

from gcd.serve.formats import HERMES

openai = pytest.importorskip("openai", reason="pip install openai, as the group `test` does")


class Person(pydantic.BaseModel):
    name: Literal["Ada", "Grace"]
    age: int


SCHEMA = {
    "type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False,
}  # fmt: skip
FORMAT = {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}}
LOOK = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": False}
ADD = {
    "type": "function", "name": "add", "strict": True, "description": "adds", "output_schema": {"type": "integer"},
    "parameters": {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_parse_gives_an_instance(client: Any) -> None:
    response = client.responses.parse(model="m", input="Who?", text_format=Person, extra_body={"seed": 1})
    assert isinstance(response.output_parsed, Person)
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert Person.model_validate_json(response.output_text) == response.output_parsed
    assert response.usage.output_tokens == len(response.output_text) + 1  # one byte a token, and the end
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert (response.text.format.type, response.tool_choice, response.store) == ("json_schema", "auto", False)


@pytest.mark.parametrize(
    "wish",
    [
        {"text": FORMAT},
        {"text": {"format": {"type": "json_object"}}, "max_output_tokens": 60},
        {"extra_body": {"guided_regex": "[a-f]{9}"}, "temperature": 2, "top_p": 0.9},
        {"tools": [LOOK, ADD], "tool_choice": "required"},
        {"tools": [LOOK, ADD], "tool_choice": {"type": "function", "name": "add"}},
        {"tools": [LOOK, ADD], "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [
            {"type": "function", "name": "look"}]}},
        {"tools": [LOOK, ADD], "text": FORMAT, "instructions": "Be brief."},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 2, "max_output_tokens": 5},
    ],
)  # fmt: skip
def test_a_stream_tells_the_response_step_by_step(client: Any, wish: dict[str, Any]) -> None:
    """Events put together, by the client and by hand, are the response that is not streamed."""
    wish = {**wish, "extra_body": {"seed": 3, **wish.get("extra_body", {})}}
    whole = client.responses.create(model="m", input="Who?", **wish)
    with client.responses.stream(model="m", input="Who?", **wish) as stream:
        events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1].type == f"response.{whole.status}"
    told = events[-1].response
    assert told.usage == whole.usage
    assert [said(item) for item in told.output] == [said(item) for item in whole.output]
    deltas = dict.fromkeys(range(len(whole.output)), "")
    for event in events:
        if event.type in ("response.output_text.delta", "response.function_call_arguments.delta"):
            deltas[event.output_index] += event.delta
            assert event.item_id == told.output[event.output_index].id
    assert [deltas[i] for i in sorted(deltas)] == [said(item)[1] for item in whole.output]
    dones = [event.item for event in events if event.type == "response.output_item.done"]
    assert [said(item) for item in dones] == [said(item) for item in whole.output]


def said(item: Any) -> tuple[Any, ...]:
    """What an item says, without its id."""
    if item.type == "function_call":
        return item.name, item.arguments, item.status
    (part,) = item.content
    return item.role, part.text, item.status, part.logprobs


def test_chats_and_responses_draw_the_same_texts(server: str) -> None:
    response = CLIENT.post(
        f"{server}/v1/responses",
        json={"model": "m", "input": "Hi", "text": FORMAT, "seed": 4, "include": ["message.output_text.logprobs"]},
    ).json()
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    chat = answer(server, response_format=form, seed=4, logprobs=True)
    (item,) = response["output"]
    assert item["content"][0]["text"] == chat["message"]["content"]
    assert item["content"][0]["logprobs"] == chat["logprobs"]["content"]


def test_a_narrowed_budget_is_an_incomplete_response(client: Any) -> None:
    response = client.responses.parse(
        model="m", input="Who?", text_format=Person, max_output_tokens=27, extra_body={"seed": 1}
    )
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert isinstance(response.output_parsed, Person)  # valid all the same


def test_a_turn_with_a_tool_and_then_an_answer() -> None:
    text = "Well. " + HERMES.written([("look", "{}")]) + "\n" + HERMES.written([("add", '{"a": 2}')])
    with (
        serving(scripted(says(text))) as (url, _),
        openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client,
    ):
        first = client.responses.create(model="m", input="Who?", tools=[LOOK, ADD], temperature=0)
        assert [said(item)[:2] for item in first.output] == [
            ("assistant", "Well. "), ("look", "{}"), ("add", '{"a": 2}'),
        ]  # fmt: skip
    results = [{"type": "function_call_output", "call_id": item.call_id, "output": "grey"} for item in first.output[1:]]
    with (
        serving(scripted(says('{"ok": true}'))) as (url, _),
        openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client,
    ):
        history: Any = [{"role": "user", "content": "Who?"}, *first.output, *results]
        last = client.responses.create(
            model="m", input=history, instructions="Be kind.", tools=[LOOK, ADD], text=FORMAT, temperature=0
        )
        assert last.output_text == '{"ok": true}'
        chat = [
            {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Who?"},
            {"role": "assistant", "content": "Well. ", "tool_calls": [
                {"id": item.call_id, "type": "function", "function": {"name": item.name, "arguments": item.arguments}}
                for item in first.output[1:]]},
            *({"role": "tool", "tool_call_id": item.call_id, "content": "grey"} for item in first.output[1:]),
        ]  # fmt: skip
        tools = [
            {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}} for tool in (LOOK, ADD)
        ]
        same = ask(url, messages=chat, tools=tools, max_tokens=1).json()
        assert last.usage.input_tokens == same["usage"]["prompt_tokens"]  # the same prompt


def test_a_response_that_fails_says_so_at_its_end() -> None:
    def script(prefix: tuple[int, ...]) -> list[float]:
        return [float("nan")] * 259 if prefix[-2:] == (97, 97) else [1.0] * 259

    with (
        serving(scripted(script)) as (url, _),
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        wish: dict[str, Any] = {"model": "m", "input": "x", "extra_body": {"regex": "b[ab]aa[ab]"}}
        events = list(client.responses.create(**wish, stream=True))
        assert events[-1].type == "response.failed"
        assert events[-1].response.error.code == "bad_logits"
        assert events[-1].response.output == []
        with pytest.raises(openai.InternalServerError):
            client.responses.create(**wish)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"input": []}, (400, "input", "missing", "input must be a text or have at least one message")),
        ({"input": 5}, (400, "input", "invalid_type", "input must be an array, not 5")),
        ({"input": [{"type": "computer_call"}]}, (400, "input[0].type", "unsupported_parameter",
         "input[0].type must be 'message', 'function_call' or 'function_call_output', not \"computer_call\"")),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
         (400, "input[0].content[0].type", "unsupported_parameter",
          "input[0].content[0].type must be 'text', not \"input_image\": the model reads text alone")),
        ({"previous_response_id": "resp_1"}, (400, "previous_response_id", "unsupported_parameter",
         'previous_response_id is not supported, and not ignored: "resp_1"')),
        ({"n": 2}, (400, "n", "unsupported_parameter", "n is not supported, and not ignored: 2")),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, (400, "text.format.schema", "missing",
         "text.format.schema is missing: it is the JSON Schema of the answer")),
        ({"text": {"format": {"type": "json_schema", "name": "x", "schema": {"minimum": "x"}}}},
         (400, "text.format.schema", "invalid_grammar",
          'text.format.schema: minimum must be a number, got "x" (at #/minimum)')),
        ({"text": {"grammar": "x"}}, (400, "text.grammar", "unsupported_parameter",
         "text.grammar is no way to constrain a text that this server knows, and is not ignored: use response_format "
         "or structured_outputs")),
        ({"tools": [{"type": "web_search"}]},
         (400, "tools[0].type", "unsupported_parameter", "tools[0].type must be 'function', not \"web_search\"")),
        ({"max_output_tokens": 501}, (400, "max_output_tokens", "invalid_value",
         "max_output_tokens is 501, and this server allows 500 tokens a text")),
    ],
)  # fmt: skip
def test_wrong_responses_are_named(server: str, body: dict[str, Any], expected: tuple[Any, ...]) -> None:
    for stream in (False, True):
        reply = CLIENT.post(f"{server}/v1/responses", json={"model": "m", "input": "Hi", "stream": stream, **body})
        assert error(reply) == expected
