"""Chat messages of a request -> messages as the model's chat template takes them, with its tools.

Place in the walk: before `gcd.prompts`. Templates that write calls in a format of `gcd.serve.formats` are given calls,
and tools, as they are; for all others calls are written into the messages, and tools explained in the system message.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gcd.errors import RequestError
from gcd.serve.fields import Fields, shown
from gcd.serve.formats import HERMES, CallFormat, call_text, template_of
from gcd.serve.tools import Tool

__all__ = ["ROLES", "call_of", "chat_text", "read_content", "read_messages", "told_schema"]

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
"""Role in a request -> role in a template."""

PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Type of a part of a content -> where its text stands."""

EXPLAINED = """\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, {how}"""

HERMES_CALLS = """\
return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>"""
"""How Hermes and Qwen2.5 explain tools, word for word; of other formats an example is given."""

ANSWER = """\
# Answer

{lead} with JSON that is valid by this JSON Schema, and with nothing else:
<schema>
{schema}
</schema>"""


def read_messages(fields: Fields) -> list[dict[str, Any]]:
    """The messages of a request, each with a role of templates and a content that is text.

    Raises RequestError for what is no text (images, sound), and for roles that are not known.
    """
    given = fields.each("messages")
    if not given:
        raise fields.fail("messages", "must have at least one message", code="missing")
    return [_message(message) for message in given]


def _message(message: Fields) -> dict[str, Any]:
    role = message.of(str, "role")
    if role is None or role not in ROLES:
        raise message.fail("role", f"must be one of {', '.join(ROLES)}, not {shown(role)}")
    found: dict[str, Any] = {"role": ROLES[role], "content": read_content(message)}
    if role == "tool":
        found["tool_call_id"] = short_id(message.of(str, "tool_call_id") or "")
    for name in ("reasoning_content", "reasoning"):
        if role == "assistant" and (thought := message.any(name)) and isinstance(thought, str):
            found["reasoning_content"] = thought  # which templates know by this name
    if role == "assistant" and (calls := message.each("tool_calls", 1000)):
        found["tool_calls"] = [_call(call) for call in calls]
    return found


def read_content(message: Fields, name: str = "content") -> str:
    """The text of a message: a string, or the texts of its parts."""
    content = message.any(name)
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise message.fail(name, f"must be a string or an array of parts, not {shown(content)}", code="invalid_type")
    texts = []
    for part in message.each(name) or ():
        kind = part.of(str, "type")
        if kind not in PARTS:
            raise part.fail(
                "type", f"must be 'text', not {shown(kind)}: the model reads text alone", code="unsupported_parameter"
            )
        texts.append(part.of(str, PARTS[kind]) or "")
    return "".join(texts)


def _call(call: Fields) -> dict[str, Any]:
    function = call.within("function")
    if function is None:
        raise call.fail("function", "is missing", code="missing")
    return call_of(function, call.of(str, "id") or "")


def call_of(function: Fields, id: str) -> dict[str, Any]:
    """A call that an earlier answer made, as templates take it: its arguments read where they are JSON."""
    name, arguments = function.of(str, "name") or "", function.of(str, "arguments") or "{}"
    try:
        read = json.loads(arguments)
    except (ValueError, RecursionError):
        read = arguments
    return {"id": short_id(id), "type": "function", "function": {"name": name, "arguments": read}}


def short_id(id: str) -> str:
    """The id of a call as prompts have it: Mistral's templates take nine letters and digits, and no others."""
    return hashlib.sha256(id.encode()).hexdigest()[:9]


def chat_text(
    messages: Sequence[dict[str, Any]],
    tools: Sequence[Tool],
    tokenizer: Any,
    *,
    calls: CallFormat | None = None,
    options: Mapping[str, Any] | None = None,
) -> str:
    """The messages by the chat template, up to where the answer begins.

    `calls` is the template's own format of calls; without one, and where the template leaves tools out, they are
    explained. `options` are what else the template is told. Raises RequestError for what it refuses.
    """
    template = template_of(tokenizer)
    if not template:
        raise RequestError(
            "the model has no chat template: use /v1/completions", param="messages", code="no_chat_template"
        )
    given = dict(options or {})
    rendered = list(messages)
    if calls is None:
        rendered = _written(messages)
    elif calls.spelled:
        rendered = [_spelled(message) for message in messages]
    if calls is not None and re.search(r"\btools\b", template):
        given |= {"tools": [tool.definition for tool in tools]} if tools else {}
    elif tools:
        rendered = _explained(rendered, tools, calls or HERMES)
    try:
        text: str = tokenizer.apply_chat_template(rendered, add_generation_prompt=True, tokenize=False, **given)
    except Exception as error:  # templates raise jinja2 errors of their own choosing ("roles must alternate")
        problem = f"the chat template refuses the messages: {error}"
        raise RequestError(problem, param="messages", code="invalid_prompt") from error
    return text


def told_schema(
    messages: Sequence[dict[str, Any]], schema: dict[str, object] | bool | str, *, calling: bool
) -> list[dict[str, Any]]:
    """Messages whose system message ends with the schema of the answer, which may be a call where it is `calling`."""
    text = schema if isinstance(schema, str) else json.dumps(schema, ensure_ascii=False)
    lead = "Where you call no function, answer" if calling else "Answer"
    return _told(messages, ANSWER.format(lead=lead, schema=text))


def _spelled(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose calls have their arguments as JSON text."""
    calls = [
        {**call, "function": {**call["function"], "arguments": call_text(call["function"]["arguments"])}}
        for call in message.get("tool_calls", ())
    ]
    return {**message, "tool_calls": calls} if calls else message


def _written(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages for a template without calls: these and their results as text."""
    written: list[dict[str, Any]] = []
    for message in messages:
        role, content = message["role"], message["content"]
        for call in message.get("tool_calls", ()):
            name, arguments = call["function"]["name"], call_text(call["function"]["arguments"])
            content += ("\n" if content else "") + HERMES.written([(name, arguments)])
        if role == "tool":
            role, content = "user", f"<tool_response>\n{content}\n</tool_response>"
            if written and written[-1]["content"].startswith(
                "<tool_response>"
            ):  # templates ask for roles that alternate
                content = f"{written.pop()['content']}\n{content}"
        written.append({"role": role, "content": content})
    return written


def _explained(
    messages: Sequence[dict[str, Any]], tools: Sequence[Tool], calls: CallFormat
) -> list[dict[str, Any]]:  # fmt: skip
    """Messages with the tools, and how they are called, in the system message."""
    lines = "\n".join(json.dumps(tool.definition, ensure_ascii=False) for tool in tools)
    example = calls.written([("<function-name>", "<args-json-object>")])
    how = HERMES_CALLS if calls is HERMES else f"write:\n{example}"
    return _told(messages, EXPLAINED.format(tools=lines, how=how))


def _told(messages: Sequence[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Messages whose system message, which may be a new one, ends with a text."""
    if messages and messages[0]["role"] == "system":
        return [{"role": "system", "content": f"{messages[0]['content']}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]
