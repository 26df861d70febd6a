"""OpenAI's own client against the server: what it parses, streams and raises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pydantic
import pytest
from served import says, scripted, serving

from gcd.serve.formats import HERMES

openai = pytest.importorskip("openai", reason="pip install openai, as the group `test` does")

MESSAGES: list[Any] = [{"role": "user", "content": "Who?"}]


class Person(pydantic.BaseModel):
    name: Literal["Ada", "Grace"]
    age: int


TOOLS: dict[str, Any] = {
    "model": "m", "messages": MESSAGES, "tools": [openai.pydantic_function_tool(Person)], "tool_choice": "required",
    "parallel_tool_calls": False, "seed": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["m"]


def test_parse_gives_an_instance(client: Any) -> None:
    completion = client.chat.completions.parse(model="m", messages=MESSAGES, response_format=Person, seed=1)
    (choice,) = completion.choices
    assert isinstance(choice.message.parsed, Person)
    assert (choice.finish_reason, choice.message.refusal) == ("stop", None)
    assert Person.model_validate_json(choice.message.content) == choice.message.parsed


def test_parse_gives_calls_of_tools(client: Any) -> None:
    completion = client.chat.completions.parse(**TOOLS)
    (choice,) = completion.choices
    assert choice.finish_reason == "tool_calls"
    for call in choice.message.tool_calls:
        assert isinstance(call.function.parsed_arguments, Person)


def test_a_stream_is_put_together(client: Any) -> None:
    wish: dict[str, Any] = {"model": "m", "messages": MESSAGES, "response_format": Person, "seed": 1}
    expected = client.chat.completions.parse(**wish)
    with client.chat.completions.stream(**wish, stream_options={"include_usage": True}) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in events
    assert final.choices[0].message.parsed == expected.choices[0].message.parsed
    assert final.usage == expected.usage


def test_streamed_calls_are_put_together(client: Any) -> None:
    expected = client.chat.completions.parse(**TOOLS).choices[0].message.tool_calls
    with client.chat.completions.stream(**TOOLS) as stream:
        final = stream.get_final_completion().choices[0].message.tool_calls
    assert [call.function.parsed_arguments for call in final] == [call.function.parsed_arguments for call in expected]


def test_a_narrowed_budget_raises_where_it_is_parsed(client: Any) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="m", messages=MESSAGES, response_format=Person, max_tokens=27, seed=1)


def test_errors_are_those_of_the_client(client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="m", messages=MESSAGES, extra_body={"guided_regex": "("})
    assert (caught.value.code, caught.value.param) == ("invalid_grammar", "guided_regex")
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-4", messages=MESSAGES)
    assert missing.value.code == "model_not_found"


def test_a_turn_with_a_tool_and_then_an_answer() -> None:
    """A whole turn of an agent: a call, its result, and an answer in a schema beside the tools."""
    schema = {"type": "object", "properties": {"sky": {"enum": ["blue", "grey"]}}, "required": ["sky"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    tool: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    wish: dict[str, Any] = {"model": "m", "tools": [tool], "response_format": form, "temperature": 0}
    with (
        serving(scripted(says(HERMES.written([("look", "{}")])))) as (url, _),
        openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client,
    ):
        message = client.chat.completions.create(messages=MESSAGES, **wish).choices[0].message
        assert [call.function.name for call in message.tool_calls] == ["look"]
    history = [*MESSAGES, message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "grey"}]
    with (
        serving(scripted(says('{"sky": "grey"}'))) as (url, _),
        openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client,
    ):
        answer = client.chat.completions.create(messages=history, **wish).choices[0]
        assert (answer.message.content, answer.finish_reason) == ('{"sky": "grey"}', "stop")
