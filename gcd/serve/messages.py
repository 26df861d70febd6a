"""Chat messages of a request -> messages as the model's chat template takes them, with its tools.

Place in the walk: before `gcd.prompts`. Templates that know the tools' format of `gcd.serve.tools` are given tools and
calls as they are; for all others these are written into the messages, and the tools explained in the system message.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gcd.errors import RequestError
from gcd.prompts import encode_text
from gcd.serve.fields import Fields, shown
from gcd.serve.tools import Tool, written_call

__all__ = ["ROLES", "call_of", "chat_prompt", "knows_tools", "read_content", "read_messages"]

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

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""
"""How Hermes and Qwen2.5 explain tools, word for word."""


def knows_tools(tokenizer: Any) -> bool:
    """Whether the chat template of a tokenizer writes tools, and calls in the format of `gcd.serve.tools`."""
    template = getattr(tokenizer, "chat_template", None)
    written = json.dumps(template) if isinstance(template, dict) else str(template or "")
    return "tools" in written and "<tool_call>" in written and "<function" not in written


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
    return call_of(function)


def call_of(function: Fields) -> dict[str, Any]:
    """A call that an earlier answer made, as templates take it: its arguments read where they are JSON."""
    name, arguments = function.of(str, "name") or "", function.of(str, "arguments") or "{}"
    try:
        read = json.loads(arguments)
    except (ValueError, RecursionError):
        read = arguments
    return {"type": "function", "function": {"name": name, "arguments": read}}


def chat_prompt(messages: Sequence[dict[str, Any]], tools: Sequence[Tool], tokenizer: Any) -> list[int]:
    """The token ids of the messages by the chat template, up to where the answer begins."""
    if getattr(tokenizer, "chat_template", None) is None:
        raise RequestError(
            "the model has no chat template: use /v1/completions", param="messages", code="no_chat_template"
        )
    native = knows_tools(tokenizer)
    rendered = list(messages) if native else _written(messages, tools)
    options: dict[str, Any] = {"tools": [tool.definition for tool in tools]} if native and tools else {}
    try:
        text = tokenizer.apply_chat_template(rendered, add_generation_prompt=True, tokenize=False, **options)
    except Exception as error:  # templates raise jinja2 errors of their own choosing ("roles must alternate")
        problem = f"the chat template refuses the messages: {error}"
        raise RequestError(problem, param="messages", code="invalid_prompt") from error
    return encode_text(tokenizer, text, special=False)


def _written(messages: Sequence[dict[str, Any]], tools: Sequence[Tool]) -> list[dict[str, str]]:
    """Messages for a template without tools: these in the system message, calls and their results as text."""
    written: list[dict[str, str]] = []
    for message in messages:
        role, content = message["role"], message["content"]
        for call in message.get("tool_calls", ()):
            arguments = json.dumps(call["function"]["arguments"], ensure_ascii=False)
            content += ("\n" if content else "") + written_call(call["function"]["name"], arguments)
        if role == "tool":
            role, content = "user", f"<tool_response>\n{content}\n</tool_response>"
            if written and written[-1]["content"].startswith(
                "<tool_response>"
            ):  # templates ask for roles that alternate
                content = f"{written.pop()['content']}\n{content}"
        written.append({"role": role, "content": content})
    if tools:
        lines = "\n".join(json.dumps(tool.definition, ensure_ascii=False) for tool in tools)
        explained = EXPLAINED.format(tools=lines)
        if written and written[0]["role"] == "system":
            written[0] = {"role": "system", "content": f"{written[0]['content']}\n\n{explained}"}
        else:
            written.insert(0, {"role": "system", "content": explained})
    return written
