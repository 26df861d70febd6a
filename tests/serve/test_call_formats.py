"""Formats of calls and thoughts: what the language of a layout accepts is read back to the same parts, in any pieces.

Each format is tried with its marks as plain text and as special tokens; the texts are drawn from the language itself.
GCD_SERVE_ROUNDS makes it longer; a seed that fails is in the test's name.
"""

from __future__ import annotations

import json
import os
import random
import re
from typing import Any

import jsonschema
import pytest
from served import CLIENT, answer, ask, chunks, error, says, scripted, serving
from tiny_models import TEMPLATE, byte_tokenizer

import gcd
from gcd.serve.calls import Arguments, Begun, Content, Part, PartReader, Thought
from gcd.serve.constraints import Goal
from gcd.serve.formats import FORMATS, THINKING, Layout, format_of, thinking_of
from gcd.serve.messages import chat_text
from gcd.serve.tools import Tool, Toolbox, layout_goal
from grammars.compile import compile_grammar
from tokenizer_align.constraint import align

ROUNDS = int(os.environ.get("GCD_SERVE_ROUNDS", "1"))
NAMES = {each.name: each for each in FORMATS}

CITY = {"type": "object", "properties": {"city": {"enum": ["Oslo", '}"]<', "é\n"]}}, "required": ["city"]}
TOOLS = (
    Tool("weather", "", {**CITY, "additionalProperties": False}, "tools[0]"),
    Tool("a.now", "", {"type": "object", "properties": {}, "additionalProperties": False}, "tools[1]"),
)
VALUE = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}

SPECIALS = ("[TOOL_CALLS]", "[ARGS]", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>",
            "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>",
            "<|start|>", "<tool_call>", "</tool_call>", "<think>", "</think>", "[THINK]", "[/THINK]", "<|tool_call>",
            "<tool_call|>", '<|"|>', "<|channel>", "<channel|>", "<start_function_call>", "<escape>")  # fmt: skip


def vocabulary(special: bool) -> gcd.Vocabulary:
    """All bytes, EOS, and the marks as special tokens or not at all."""
    names = {name: 257 + i for i, name in enumerate(SPECIALS)} if special else {}
    tokens = [*(bytes([i]) for i in range(256)), b"", *(b"" for _ in names)]
    return gcd.Vocabulary(tokens, eos_token_ids=[256], special_tokens=names)


VOCABULARIES = {special: vocabulary(special) for special in (False, True)}


def drawn(goal: Goal, words: gcd.Vocabulary, rng: random.Random) -> str:
    """A text of the language, by a walk that likes letters, marks and ends better than other bytes."""
    constraint = align(compile_grammar(goal.to_grammar()), words)
    names = {i: name.encode() for name, i in words.special_tokens.items()}
    state, data = constraint.start, b""
    for step in range(400):
        mask = constraint.mask(state, budget=400 - step)
        allowed = [t for t in range(words.size) if mask[t >> 5] >> (t & 31) & 1]
        liked = [t for t in allowed if t >= 256 or chr(t) in 'abc<[{"｜t'] or allowed
        token = rng.choice(liked if rng.random() < 0.9 else allowed)
        if token == 256:
            return data.decode()
        data += names.get(token) or words.tokens[token]
        state = constraint.advance(state, token)
    raise AssertionError("the budget was not kept")


def joined(parts: list[Part]) -> list[tuple[str, str]]:
    """Parts with neighbours of one kind put together: what was thought, said and called."""
    found: list[tuple[str, str]] = []
    for part in parts:
        match part:
            case Begun(_, name):
                found.append((f"call {name}", ""))
            case Arguments(_, text):
                found[-1] = found[-1][0], found[-1][1] + text
            case Thought(text) | Content(text):
                kind = type(part).__name__
                if found and found[-1][0] == kind:
                    found[-1] = kind, found[-1][1] + text
                else:
                    found.append((kind, text))
    return found


def read(layout: Layout, text: str, rng: random.Random) -> list[tuple[str, str]]:
    reader, parts, rest = PartReader(layout), [], text
    while rest:
        size = rng.randrange(1, 9)
        parts += reader.feed(rest[:size])
        rest = rest[size:]
    return joined([*parts, *reader.feed("", last=True)])


def written(layout: Layout, parts: list[tuple[str, str]]) -> str:
    """The text of parts, by nothing but the table: the twin of the reader."""
    thinking, text = layout.thinking, ""
    if thinking is not None and (layout.opened or (parts and parts[0][0] == "Thought")):
        thought = parts.pop(0)[1] if parts and parts[0][0] == "Thought" else ""
        text += ("" if layout.opened else thinking.begin) + thought + thinking.end
    contents = [told for kind, told in parts if kind == "Content"]
    calls = [(kind.removeprefix("call "), told) for kind, told in parts if kind.startswith("call ")]
    if thinking is not None and not calls:
        text += thinking.opening
    return text + "".join(contents) + (layout.calls.written(calls) if layout.calls is not None and calls else "")


THINKERS: dict[str, tuple[int | None, ...]] = {
    "harmony": (3,), "gemma": (None, 2), "function-gemma": (None,),
    **dict.fromkeys(("mistral", "mistral-v3", "mistral-nemo"), (None, 0, 1)),
}  # fmt: skip
CASES = [
    (name, thinking, special)
    for name in NAMES
    for thinking in (None, *range(len(THINKING)))
    for special in (False, True)
    if thinking in THINKERS.get(name, (None, 0))
]


@pytest.mark.parametrize(("name", "thinking", "special"), CASES)
def test_what_is_accepted_is_read_back(name: str, thinking: int | None, special: bool) -> None:
    words = VOCABULARIES[special]
    seen: set[str] = set()
    for seed in range(6 * ROUNDS):
        rng = random.Random(seed)
        thoughts = None if thinking is None else THINKING[thinking]
        answers = seed % 3 == 0 and name != "llama"
        layout = Layout(
            calls=NAMES[name], thinking=thoughts, opened=thoughts is not None and rng.random() < 0.5, answers=answers
        )
        toolbox = Toolbox(TOOLS, TOOLS, seed % 2 == 1, rng.random() < 0.7)
        value = Goal("value", "response_format", lambda: gcd.schema(VALUE).grammar) if answers else None
        goal = layout_goal(layout, toolbox, value, words.special_tokens)
        assert goal is not None
        text = drawn(goal, words, rng)
        parts = read(layout, text, rng)
        where = f"seed {seed}: {text!r}"
        # the reader's parts write the text, but for line feeds behind thoughts
        gap = [parts[:1], parts[1:]] if parts and parts[0][0] == "Thought" else [[], parts]
        texts = {
            written(layout, [*gap[0], *gap[1]]),
            *(
                written(layout, list(parts)).replace(thoughts.end, thoughts.end + "\n" * k, 1)
                for k in (1, 2)
                if thoughts
            ),
        }
        assert text in texts, where
        calls = [(kind.removeprefix("call "), told) for kind, told in parts if kind.startswith("call ")]
        for called, arguments in calls:
            (tool,) = (tool for tool in TOOLS if tool.name == called)
            jsonschema.validate(json.loads(arguments), tool.parameters)
        said = "".join(told for kind, told in parts if kind == "Content")
        assert calls or not toolbox.required, where
        assert len(calls) < 2 or (toolbox.parallel and NAMES[name].parallel), where
        if answers and not calls:
            jsonschema.validate(json.loads(said), VALUE)
        seen |= {kind.split()[0] for kind, _ in parts}
    assert "call" in seen, "no text had a call: the law said nothing"


# -- which format a chat template writes

TEMPLATES = {
    "hermes": '<tool_call>\\n{"name": ' + "{{ tool_call.name }}",
    "mistral": "{{- '[TOOL_CALLS]' + name + '[ARGS]' + arguments }}",
    "mistral-v3": '{{- "[TOOL_CALLS] [" }}',
    "mistral-nemo": '{{- "[TOOL_CALLS][" }}',
    "deepseek-v3": "{{'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + type + '<｜tool▁sep｜>' + name + '```json'}}",
    "deepseek-v3.1": "{{'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>'+ name + '<｜tool▁sep｜>' + arguments }}",
    "harmony": '"<|channel|>commentary json<|message|>" }}{{- tool_call.arguments|tojson }}{{- "<|call|>" }}',
    "llama": """{{- '{"name": "' + name + '", ' }}{{- '"parameters": ' }}{%- if builtin %}<|python_tag|>{% endif %}""",
    "function-gemma": "{{ '<start_function_call>call:' + name + '{' }}{{ key + ':<escape>' + value + '<escape>' }}",
    "gemma": """{{- '<|tool_call>call:' + name + '{' }}{{ key + ':<|"|>' + value + '<|"|>' }}{{- '}<tool_call|>'}}""",
}
"""Format -> what stands in the published templates of its models."""

QWEN_CODER = "<tool_call>\\n<function=' + tool_call.name + '>"
"""What stands in the template of Qwen3-Coder, whose arguments are XML: its calls are written as Hermes writes them."""


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_tell_the_format(name: str) -> None:
    found = format_of(TEMPLATES[name])
    assert found is not None
    assert found.name == name


def test_calls_in_xml_have_no_format() -> None:
    assert format_of(QWEN_CODER) is None


def test_calls_of_earlier_turns_are_given_as_templates_take_them() -> None:
    """DeepSeek's templates join arguments as text and know no list of tools; Mistral's ask for ids of nine letters."""
    call = {"id": "123456789", "type": "function", "function": {"name": "a.now", "arguments": {"a": 1}}}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% for c in m['tool_calls'] or [] %}"
        "{{ '<｜tool▁sep｜>' + c['function']['arguments'] }}{% endfor %}{% endfor %}"
    )
    text = chat_text(messages, TOOLS[1:], tokenizer, calls=NAMES["deepseek-v3.1"])
    assert text.startswith("[system]# Tools")
    assert text.endswith(
        "For each function call, write:\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜><function-name><｜tool▁sep｜>"
        '<args-json-object><｜tool▁call▁end｜><｜tool▁calls▁end｜>[user]Hi[assistant]<｜tool▁sep｜>{"a": 1}'
    )


@pytest.mark.parametrize(
    ("template", "prompt", "expected"),
    [
        ("'</think>' in content", "[assistant]", (0, False)),
        ("'</think>' in content", "[assistant]<think>\n", (0, True)),
        ("'</think>' in content", "[assistant]<think>\n\n</think>\n\n", (None, False)),
        ("[THINK]...[/THINK]", "[/INST]", (1, False)),
        ("<|channel|>final<|message|>", "<|start|>assistant", (3, False)),
        ("<|channel>thought\n<channel|>", "<|turn>model\n", (2, False)),
        ("<|channel>thought\n<channel|>", "<|turn>model\n<|channel>thought\n<channel|>", (None, False)),
        (TEMPLATE, "[assistant]", (None, False)),
    ],
)
def test_templates_and_prompts_tell_whether_a_model_thinks(template: str, prompt: str, expected: Any) -> None:
    thinking, opened = thinking_of(template, prompt)
    assert (None if thinking is None else THINKING.index(thinking), opened) == expected


# -- Gemma's calls, whose arguments have no quotes around keys, and strings between marks

GEMMA = (
    "{% macro value(x) %}{% if x is string %}QUOTE{{ x }}QUOTE{% elif x is boolean %}{{ 'true' if x else 'false' }}"
    "{% elif x is none %}null{% elif x is mapping %}{{ '{' }}{% for key, item in x | dictsort %}{{ key }}:"
    "{{ value(item) }}{{ ',' if not loop.last }}{% endfor %}{{ '}' }}{% elif x is sequence %}[{% for item in x %}"
    "{{ value(item) }}{{ ',' if not loop.last }}{% endfor %}]{% else %}{{ x }}{% endif %}{% endmacro %}"
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% for call in m['tool_calls'] or [] %}"
    "{{ 'HEADcall:' + call['function']['name'] + value(call['function']['arguments']) + 'TAIL' }}{% endfor %}\n"
    "{% endfor %}{% for tool in tools or [] %}[{{ tool['function']['name'] }}]{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}{# HEADcall: #}"
)
"""A template that writes calls as those of FunctionGemma and Gemma 4 do."""

PLACE: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["to", "ok"],
    "properties": {
        "to": {"type": "object", "required": ["zip"], "additionalProperties": False, "properties": {
            "zip": {"type": "string", "pattern": "^[0-9]{2}$"}, "Name": {"type": "string", "maxLength": 9}}},
        "tags": {"type": "array", "items": {"enum": ["a\"b", "x\ny}", "c<escape>d"]}, "maxItems": 2},
        "n": {"type": "integer", "minimum": 3, "maximum": 5}, "ok": {"type": ["boolean", "null"]},
        "by": {"type": "object", "additionalProperties": {"type": "integer"}},
        "half": {"type": "object", "properties": {"b": {"const": {"x": [1, "y"]}}, "A": {}}, "required": ["b"]},
    },
}  # fmt: skip
GOOD: tuple[Any, ...] = (
    {"to": {"zip": "12"}, "ok": None},
    {"by": {}, "n": 5, "ok": True, "tags": ['a"b', "x\ny}"], "to": {"Name": "é<\\,:{", "zip": "00"}},
    {"by": {"a": 1, "b": -2}, "half": {"b": {"x": [1, "y"]}, "z": [{"c": {}}]}, "ok": False, "to": {"zip": "00"}},
    {"half": {"A": "<esc", "b": {"x": [1, "y"]}}, "ok": False, "to": {"zip": "00"}},
)
BAD: tuple[Any, ...] = (
    {"to": {"zip": "1"}, "ok": None}, {"to": {"zip": "12"}}, {"n": 6, "to": {"zip": "12"}, "ok": None},
    {"to": {"zip": "12", "Name": "0123456789"}, "ok": None}, {"to": {"zip": "12"}, "ok": "true"},
    {"by": {"a": "1"}, "to": {"zip": "12"}, "ok": True}, {"half": {"z": 1}, "to": {"zip": "12"}, "ok": True},
    {"more": 1, "to": {"zip": "12"}, "ok": True}, {"tags": ["no"], "to": {"zip": "12"}, "ok": True},
)  # fmt: skip


def gemma_template(name: str) -> str:
    calls = NAMES[name]
    written = GEMMA.replace("QUOTE", calls.quote).replace("TAIL", calls.tail)
    return written.replace("HEAD", calls.head.removesuffix("call:"))


def gemma_call(name: str, arguments: Any) -> str:
    """A call as the template writes it."""
    call = {"type": "function", "function": {"name": "f", "arguments": arguments}}
    tokenizer = byte_tokenizer()
    text = tokenizer.apply_chat_template(
        [{"role": "assistant", "content": "", "tool_calls": [call]}], tokenize=False,
        chat_template=gemma_template(name),
    )  # fmt: skip
    return str(text).removeprefix("[assistant]").removesuffix("\n")


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("name", ["gemma", "function-gemma"])
def test_calls_that_gemmas_template_writes_are_accepted_and_read(name: str, special: bool) -> None:
    words, layout = VOCABULARIES[special], Layout(calls=NAMES[name])
    tools = (Tool("f", "", PLACE, "tools[0]"),)
    goal = layout_goal(layout, Toolbox(tools, tools, True, False), None, words.special_tokens)
    assert goal is not None
    constraint = align(compile_grammar(goal.to_grammar()), words)

    def accepted(text: str) -> bool:
        matcher = constraint.matcher()
        for piece in re.split("(" + "|".join(map(re.escape, words.special_tokens)) + ")" if special else "$^", text):
            found = words.special_tokens.get(piece)
            if not all(map(matcher.accept_token, piece.encode() if found is None else [found])):
                return False
        return matcher.accept_token(256)

    rng = random.Random(1)
    for arguments in GOOD:
        jsonschema.validate(arguments, PLACE)
        text = gemma_call(name, arguments)
        assert accepted(text), text
        assert NAMES[name].written([("f", json.dumps(arguments))]) == text
        ((called, read_back),) = read(layout, text, rng)
        assert (called, json.loads(read_back)) == ("call f", arguments)
    for arguments in BAD:
        assert not accepted(gemma_call(name, arguments)), arguments
    text = drawn(goal, words, random.Random(2))
    jsonschema.validate(json.loads(read(layout, text, rng)[0][1]), PLACE)


@pytest.mark.parametrize("name", ["gemma", "function-gemma"])
def test_a_server_of_gemma_speaks_json(name: str) -> None:
    arguments = GOOD[1]
    model = scripted(says(f"See: {gemma_call(name, arguments)}"))
    model.tokenizer.chat_template = gemma_template(name)
    function = {"name": "f", "parameters": PLACE}
    with serving(model) as (url, _):
        tools = [{"type": "function", "function": function}]
        message = answer(url, tools=tools, temperature=0, max_tokens=400)["message"]
        assert message["content"] == "See: "
        (call,) = message["tool_calls"]
        assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("f", arguments)
        for schema, problem in (
            ({"type": "object", "properties": {"a": {"uniqueItems": True, "type": "array"}}},
             "uniqueItems cannot be enforced in the model's own format of calls, which has no quotes around keys"),
            ({"type": "object", "properties": {"a:b": {}}},
             'the key "a:b" cannot be written in the model\'s own format of calls, which has no quotes around keys'),
            ({"type": "object", "properties": {"a": {}}, "maxProperties": 2},
             "minProperties and maxProperties cannot be enforced where keys are open in the model's own format of "
             "calls, which has no quotes around keys"),
        ):  # fmt: skip
            tools = [{"type": "function", "function": {**function, "parameters": schema}}]
            param = "tools[0].function.parameters"
            assert error(ask(url, tools=tools)) == (400, param, "invalid_grammar", f"{param}: {problem}")


# -- answers of a server


def thinker(text: str, template: str = "{% if enable_thinking is false %}<think></think>{% endif %}") -> Any:
    """A model that says a text, with a template that knows of thoughts."""
    model = scripted(says(text))
    model.tokenizer.chat_template = TEMPLATE + template
    return model


FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": VALUE}}


def test_thoughts_are_free_and_the_answer_is_constrained() -> None:
    text = '<think>Is it {"ok": 7}? <tool_call></think>\n\n{"ok": true}'
    with serving(thinker(text)) as (url, _):
        reply = ask(url, response_format=FORM, temperature=0, seed=1).json()
        (choice,) = reply["choices"]
        message = choice["message"]
        assert message["content"] == '{"ok": true}'
        assert message["reasoning"] == message["reasoning_content"] == 'Is it {"ok": 7}? <tool_call>'
        assert reply["usage"]["completion_tokens_details"] == {"reasoning_tokens": text.index("\n")}
        assert reply["usage"]["completion_tokens"] == len(text) + 1
        deltas = [event["choices"][0]["delta"] for event in chunks(url, response_format=FORM, temperature=0)]
        assert "".join(delta.get("reasoning", "") for delta in deltas) == message["reasoning"]
        assert "".join(delta.get("content", "") for delta in deltas) == message["content"]
        # without a constraint thoughts are told apart all the same, and stops are about the answer
        free = answer(url, temperature=0, stop=["Is it", "ok"])["message"]
        assert (free["content"], free["reasoning"]) == ('{"', message["reasoning"])
        tools = [{"type": "function", "function": {"name": tool.name, "parameters": tool.parameters}} for tool in TOOLS]
        with_tools = answer(url, temperature=0, tools=tools, response_format=FORM)["message"]
        assert with_tools == message
        # a template that ends the thoughts leaves the text to the answer
        off = answer(url, response_format=FORM, chat_template_kwargs={"enable_thinking": False}, seed=1)
        assert off["message"].keys() == {"role", "content", "refusal"}
        assert off == answer(url, response_format=FORM, reasoning_effort="none", seed=1)
        assert error(ask(url, chat_template_kwargs={"language": "de"})) == (
            400, "chat_template_kwargs.language", "unsupported_parameter",
            'chat_template_kwargs.language is not supported, and not ignored: "de"; enable_thinking and thinking are '
            "true or false",
        )  # fmt: skip


@pytest.mark.parametrize("opened", [False, True])
def test_a_budget_of_thoughts_leaves_the_answer_all_that_it_needs(opened: bool) -> None:
    """Thoughts of 500 letters, of which 12 are allowed; what follows is not the worse for it."""
    model = thinker("<think>" + "x" * 500, ("<think>" if opened else "") + "{# </think> #}")
    with serving(model) as (url, _):
        reply = ask(url, response_format=FORM, thinking_token_budget=12, max_tokens=300, seed=1).json()
        (choice,) = reply["choices"]
        assert choice["message"]["reasoning"] == "x" * 12
        assert choice["finish_reason"] == "stop"  # the budget of the text narrowed nothing
        jsonschema.validate(json.loads(choice["message"]["content"]), VALUE)
        assert reply["usage"]["completion_tokens_details"] == {
            "reasoning_tokens": 12 + len("</think>") + len("<think>") * (not opened)
        }
        # the budget of the whole text leaves the answer what it needs, too
        tight = answer(url, response_format=FORM, max_tokens=60, temperature=0)
        assert tight["finish_reason"] == "length"
        jsonschema.validate(json.loads(tight["message"]["content"]), VALUE)
        free = answer(url, thinking_token_budget=0, max_tokens=60, temperature=0)["message"]
        assert "reasoning" not in free


def test_responses_have_thoughts_as_items_of_their_own() -> None:
    with serving(thinker('<think>Hm.</think>{"ok": false}')) as (url, _):
        body = {"model": "m", "input": "Hi", "text": {"format": {**FORM["json_schema"], "type": "json_schema"}}}
        reply = CLIENT.post(f"{url}/v1/responses", json={**body, "temperature": 0}).json()
        thought, message = reply["output"]
        assert (thought["type"], thought["status"]) == ("reasoning", "completed")
        assert thought["content"] == [{"type": "reasoning_text", "text": "Hm."}]
        assert message["content"][0]["text"] == '{"ok": false}'
        assert reply["usage"]["output_tokens_details"]["reasoning_tokens"] == len("<think>Hm.</think>")
        again = CLIENT.post(f"{url}/v1/responses", json={**body, "input": [
            {"role": "user", "content": "Hi"}, thought, message, {"role": "user", "content": "And?"}]})  # fmt: skip
        assert again.status_code == 200


def test_marks_that_are_special_tokens_are_read_as_such() -> None:
    """A model with Mistral's tokens: what it says in letters that look like a mark is no mark."""
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["[TOOL_CALLS]", "[ARGS]"]})
    tokenizer.chat_template = TEMPLATE + "{# [TOOL_CALLS]name[ARGS] #}"
    said = [*b"See [ARGS]: ", 259, *b"a.now", 260, *b"{}", 259, *b"weather", 260, *b'{"city": "Oslo"}', 257]
    mark = list(b"[assistant]")

    def script(prefix: tuple[int, ...]) -> list[float]:
        places = (i for i in range(len(prefix)) if list(prefix[i : i + len(mark)]) == mark)
        begin = max(places, default=0) + len(mark)
        found = [1e-6] * 261
        found[said[min(len(prefix) - begin, len(said) - 1)]] = 1.0
        return found

    model = gcd.ScriptedLM(script, eos_token_ids=[257, 258], vocab_size=261, bos_token_id=256)
    model.tokenizer = tokenizer
    tools = [{"type": "function", "function": {"name": tool.name, "parameters": tool.parameters}} for tool in TOOLS]
    with serving(model) as (url, _):
        message = answer(url, tools=tools, temperature=0)["message"]
        assert message["content"] == "See [ARGS]: "
        calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message["tool_calls"]]
        assert calls == [("a.now", "{}"), ("weather", '{"city": "Oslo"}')]
