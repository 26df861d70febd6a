"""Tools: which calls are possible, what becomes of their text, whole and cut into any pieces."""

from __future__ import annotations

import json
import os
import random
import re
from typing import Any

import jsonschema
import pytest
from served import answer, ask, chunks, error, says, scripted, serving
from tiny_models import byte_tokenizer

from gcd.serve.calls import Arguments, Begun, Content, Part, PartReader
from gcd.serve.formats import HERMES, Layout, format_of
from gcd.serve.messages import chat_text
from gcd.serve.tools import Tool

ROUNDS = int(os.environ.get("GCD_SERVE_ROUNDS", "1"))


def tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip
    return {"type": "function", "function": {"name": name, "description": f"the {name}", "parameters": parameters}}


CITY = {"enum": ["Oslo", 'a "quoted" {town}']}
TOOLS = [tool("weather", city=CITY), tool("add", a={"type": "integer", "minimum": 0, "maximum": 9}), tool("now")]
ANSWER = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
WRONG = {"properties": {"a": {"type": "x"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": ANSWER}}


def check_calls(choice: dict[str, Any], names: set[str]) -> list[str]:
    """The names of the calls of a choice, after a look at each."""
    assert choice["finish_reason"] in ("tool_calls", "length")
    for call in choice["message"]["tool_calls"]:
        assert re.fullmatch("call_[0-9a-f]{24}", call["id"])
        assert call["type"] == "function"
        (schema,) = [t["function"]["parameters"] for t in TOOLS if t["function"]["name"] == call["function"]["name"]]
        jsonschema.validate(json.loads(call["function"]["arguments"]), schema)
        assert call["function"]["name"] in names
    return [call["function"]["name"] for call in choice["message"]["tool_calls"]]


NAMES = {"weather", "add", "now"}


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("required", NAMES),
        ({"type": "function", "function": {"name": "add"}}, {"add"}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
            {"type": "function", "function": {"name": "now"}}, {"type": "function", "function": {"name": "add"}}]}},
         {"now", "add"}),
    ],
)  # fmt: skip
def test_calls_that_must_be_made_are_made(server: str, choice: object, names: set[str]) -> None:
    found = set()
    for seed in range(6):
        one = answer(server, tools=TOOLS, tool_choice=choice, seed=seed, max_tokens=300, parallel_tool_calls=False)
        (name,) = check_calls(one, names)
        assert one["message"]["content"] is None
        found.add(name)
    assert len(found) > 1 or len(names) == 1


def test_calls_may_be_parallel(server: str) -> None:
    answers = [answer(server, tools=TOOLS, tool_choice="required", seed=s, max_tokens=400) for s in range(6)]
    assert max(len(check_calls(one, NAMES)) for one in answers) > 1


def test_free_text_goes_before_calls_and_calls_are_enforced_under_auto() -> None:
    """A model that wants to call a tool that is not there, with arguments that are wrong."""
    with serving(scripted(says('Well. <tool_call>\n{"name": "destroy", "arguments": {"a": 77}}'))) as (url, _):
        one = answer(url, tools=TOOLS, temperature=0)
        assert check_calls(one, NAMES)
        assert one["message"]["content"] == "Well. "
        free = answer(url, tools=TOOLS, tool_choice="none", temperature=0)
        assert free["message"]["content"] == 'Well. <tool_call>\n{"name": "destroy", "arguments": {"a": 77}}'
        assert "tool_calls" not in free["message"]


def test_a_stop_ends_free_text_and_never_a_call() -> None:
    text = "So. " + HERMES.written([("add", '{"a": 1}')])
    with serving(scripted(says(text))) as (url, _):
        cut = answer(url, tools=TOOLS, temperature=0, stop="o")
        assert (cut["message"]["content"], cut["finish_reason"]) == ("S", "stop")
        whole = answer(url, tools=TOOLS, temperature=0, stop=["arguments", '"a"'])
        assert check_calls(whole, {"add"}) == ["add"]


def test_tools_and_a_schema_are_a_call_or_an_answer() -> None:
    wish = {"tools": TOOLS, "response_format": FORMAT, "temperature": 0}
    with serving(scripted(says('{"ok": true}'))) as (url, _):
        one = answer(url, **wish)
        assert (one["message"]["content"], one["finish_reason"]) == ('{"ok": true}', "stop")
        assert answer(url, **{**wish, "tool_choice": "none"}) == one
        check_calls(answer(url, **{**wish, "tool_choice": "required"}), NAMES)
    with serving(scripted(says(HERMES.written([("now", "{}")])))) as (url, _):
        assert check_calls(answer(url, **wish), {"now"}) == ["now"]


def test_streamed_calls_are_the_whole_ones(server: str) -> None:
    for seed in range(3):
        wish = {"tools": TOOLS, "tool_choice": "required", "seed": seed, "max_tokens": 400}
        expected = answer(server, **wish)["message"]["tool_calls"]
        events = [event["choices"][0] for event in chunks(server, **wish)]
        calls: list[dict[str, Any]] = []
        for event in events:
            for delta in event["delta"].get("tool_calls", ()):
                if "id" in delta:
                    assert delta["index"] == len(calls)
                    calls.append({"name": delta["function"]["name"], "arguments": ""})
                calls[delta["index"]]["arguments"] += delta["function"]["arguments"]
        assert calls == [call["function"] for call in expected]
        assert events[-1]["finish_reason"] in ("tool_calls", "length")


# -- the reader of calls: its twin reads the whole text by a regex


def whole(text: str, *, answers: bool) -> list[Part]:
    """The parts of a text, without any state: one content, and each call at once."""
    place = text.find("<tool_call>")
    if place < 0 or (answers and place > 0):
        return [Content(text)] if text else []
    parts: list[Part] = [Content(text[:place])] if place else []
    for index, call in enumerate(re.findall(r"<tool_call>\n(.*?)\n</tool_call>(?:\n|$)", text[place:], re.DOTALL)):
        read = json.loads(call)
        begin = call.index('"arguments": ') + len('"arguments": ')
        parts += [Begun(index, read["name"]), Arguments(index, call[begin:-1])]
    return parts


def joined(parts: list[Part]) -> list[Part]:
    """Parts with neighbours of one kind put together."""
    found: list[Part] = []
    for part in parts:
        match found[-1] if found else None, part:
            case Content(before), Content(text):
                found[-1] = Content(before + text)
            case Arguments(index, before), Arguments(_, text):
                found[-1] = Arguments(index, before + text)
            case _:
                found.append(part)
    return found


@pytest.mark.parametrize("seed", range(60 * ROUNDS))
def test_calls_are_read_alike_in_any_pieces(seed: int) -> None:
    rng = random.Random(seed)
    values = ["}", '"', "\\", "</tool_call>", "{", "<tool_call", "é", "\n"]
    calls = []
    for _ in range(rng.randrange(3)):
        arguments = {"".join(rng.choices(values, k=2)): ["".join(rng.choices(values, k=rng.randrange(5))), {}]}
        calls.append((rng.choice(["f", "a.b"]), json.dumps(arguments, ensure_ascii=rng.random() < 0.5)))
    content = "".join(rng.choices(["<", "<tool", "_call", "> ", "x", "{", '"'], k=rng.randrange(6)))
    answers = rng.random() < 0.3
    if answers:
        content = "" if calls else '{"a": "<tool_call>"}'
    if "<tool_call>" in content and not answers:
        content = ""
    text = content + (HERMES.written(calls) if calls else "")
    reader, parts, rest = PartReader(Layout(calls=HERMES, answers=answers)), [], text
    while rest:
        size = rng.randrange(1, 8)
        parts += reader.feed(rest[:size])
        rest = rest[size:]
    parts += reader.feed("", last=True)
    # the twin's regex takes an end inside of a string for the end, so that calls are asked of it without such strings
    if not any("</tool_call>" in arguments for _, arguments in calls):
        assert joined(parts) == whole(text, answers=answers)
    assert reader.calls == len(calls)
    assert "".join(part.text for part in parts if isinstance(part, Arguments)) == "".join(text for _, text in calls)


# -- what cannot be


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "fly"}}},
         (400, "tool_choice", "invalid_value",
          "tool_choice names 'fly', which is none of the tools: weather, add, now")),
        ({"tools": [*TOOLS, TOOLS[0]]},
         (400, "tools", "invalid_value", "tools has two functions of the name 'weather'")),
        ({"tool_choice": "required"}, (400, "tool_choice", "invalid_value",
                                       'tool_choice is "required", and there are no tools')),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]},
         (400, "tools[0].type", "unsupported_parameter", "tools[0].type must be 'function', not \"custom\"")),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]},
         (400, "tools[0].function.name", "invalid_value",
          "tools[0].function.name must be 1 to 64 letters, digits, '_', '-' or '.', not \"a b\"")),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]},
         (400, "tools[0].function.parameters.type", "invalid_value",
          "tools[0].function.parameters.type must be 'object', not \"array\"")),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": WRONG}}]},
         (400, "tools[0].function.parameters", "invalid_grammar", None)),
        ({"tools": TOOLS, "tool_choice": "sometimes"},
         (400, "tool_choice", "unsupported_parameter",
          "tool_choice must be 'none', 'auto', 'required', "
          '{"type": "function", ...} or {"type": "allowed_tools", ...}, not "sometimes"')),
        ({"tools": TOOLS, "regex": "a"},
         (400, "regex", "unsupported_parameter",
          "regex cannot be combined with tools: a JSON Schema can, in response_format")),
        ({"tools": TOOLS, "response_format": FORMAT, "stop": "x"},
         (400, "stop", "stop_truncates",
          "stop would cut a text that response_format.json_schema.schema says the end of: leave out one of them")),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(server: str, body: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = error(ask(server, **body))
    assert found[:3] == expected[:3]
    assert expected[3] in (found[3], None)


def test_prompts_explain_tools_where_the_template_does_not() -> None:
    """Calls and results of earlier turns are in the prompt, results one behind the other in one message."""
    arguments = {"city": "Oslo"}
    call = {"type": "function", "function": {"name": "weather", "arguments": arguments}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "rain"},
        {"role": "tool", "content": "sun"},
    ]
    tools = [Tool("now", "the time", {"type": "object"}, "tools[0]")]
    text = chat_text(messages, tools, byte_tokenizer()).removeprefix("<bos>")
    head, _, rest = text.partition("[user]")
    assert head.startswith("[system]Be brief.\n\n# Tools\n\n")
    assert json.dumps(tools[0].definition) in head
    assert rest == (
        "Hi\n[assistant]" + HERMES.written([("weather", '{"city": "Oslo"}')]) + "\n"
        "[user]<tool_response>\nrain\n</tool_response>\n<tool_response>\nsun\n</tool_response>\n[assistant]"
    )


def test_templates_with_tools_are_given_them_as_they_are() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = (
        "{% for t in tools %}{{ t['function']['name'] }};{% endfor %}{% for m in messages %}{{ m['role'] }}|"
        "{% for c in m['tool_calls'] or [] %}<tool_call>{{ c['function']['arguments']['a'] }}{% endfor %}{% endfor %}"
    )
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    tools = [Tool("now", "the time", {"type": "object"}, "tools[0]")]
    assert format_of(tokenizer.chat_template) is HERMES
    assert chat_text(messages, tools, tokenizer, calls=HERMES) == "now;user|assistant|<tool_call>1"
