"""Tools: which functions a request lets the model call, and the language of texts that call them.

Place in the walk: `tools`, `tool_choice`, `parallel_tool_calls` -> **Goal**. Arguments are in the tool's schema
whenever a tool is called, under `auto` too: free text cannot even begin a call that is not one. The format is that of
Hermes and Qwen, which is the model's own where its chat template writes it, and is explained in the prompt where it
does not:

    <tool_call>
    {"name": "weather", "arguments": {"city": "Oslo"}}
    </tool_call>
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from gcd.serve.constraints import Goal
from gcd.serve.fields import Fields, shown
from gcd.serve.wanted import ABOUT_TEXTS

if TYPE_CHECKING:
    from gcd.language import Language
    from grammars.ir import Grammar, Node

__all__ = ["BEGIN", "END", "HEAD", "SEPARATOR", "TAG", "Tool", "Toolbox", "read_tools", "tool_goal", "written_call"]

TAG = "<tool_call>"
BEGIN = f'{TAG}\n{{"name": '
HEAD = ', "arguments": '
END = "}\n</tool_call>"
SEPARATOR = "\n"

MOST_CALLS = 64
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that may be called; `param` is where its schema stands in the request."""

    name: str
    description: str
    parameters: dict[str, Any]
    param: str

    @property
    def definition(self) -> dict[str, Any]:
        """The tool as chat templates take it."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of a request: `shown` in the prompt, `callable` now; calls are `required` or up to the model."""

    shown: tuple[Tool, ...]
    callable: tuple[Tool, ...]
    required: bool
    parallel: bool


def read_tools(fields: Fields, *, flat: bool = False) -> Toolbox | None:
    """The tools of a request; None where there are none. Raises RequestError for what is not known.

    A `flat` tool is its function itself, as those of /v1/responses are.
    """
    tools = tuple(_tool(each, flat) for each in fields.each("tools", 1024) or ())
    parallel = fields.of(bool, "parallel_tool_calls") is not False
    choice = fields.any("tool_choice")
    if not tools:
        if choice not in (None, "none", "auto"):
            raise fields.fail("tool_choice", f"is {shown(choice)}, and there are no tools")
        return None
    names = [tool.name for tool in tools]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise fields.fail("tools", f"has two functions of the name {twice!r}")
    match choice:
        case None | "auto":
            return Toolbox(tools, tools, False, parallel)
        case "none":
            return Toolbox(tools, (), False, parallel)
        case "required" | "any":
            return Toolbox(tools, tools, True, parallel)
        case {"type": "function"}:
            name = _named(Fields(choice, "tool_choice"))
            return Toolbox(tools, (_find(fields, tools, name),), True, False)
        case {"type": "allowed_tools"}:
            outer = Fields(choice, "tool_choice")
            allowed = outer.within("allowed_tools") or outer
            mode = allowed.choice("mode", ("auto", "required")) or "auto"
            some = tuple(_find(fields, tools, _named(each)) for each in allowed.each("tools", 1024) or ())
            if not some:
                raise allowed.fail("tools", "must name at least one of the tools", code="missing")
            return Toolbox(tools, tuple(tool for tool in tools if tool in some), mode == "required", parallel)
    raise fields.fail(
        "tool_choice",
        'must be \'none\', \'auto\', \'required\', {"type": "function", ...} or {"type": "allowed_tools", ...}, not '
        f"{shown(choice)}",
        code="unsupported_parameter",
    )


def _tool(each: Fields, flat: bool) -> Tool:
    kind = each.of(str, "type")
    if kind != "function":
        raise each.fail("type", f"must be 'function', not {shown(kind)}", code="unsupported_parameter")
    function = each if flat else each.within("function")
    if function is None:
        raise each.fail("function", "is missing", code="missing")
    name = function.of(str, "name")
    if name is None or not NAME.fullmatch(name):
        raise function.fail("name", f"must be 1 to 64 letters, digits, '_', '-' or '.', not {shown(name)}")
    parameters = function.of(dict, "parameters")
    if parameters is None:
        parameters = {"type": "object", "properties": {}, "additionalProperties": False}
    elif "type" not in parameters:
        parameters = {"type": "object", **parameters}
    elif parameters["type"] != "object":
        raise function.fail("parameters.type", f"must be 'object', not {shown(parameters['type'])}")
    function.of(bool, "strict")  # strict or not, schemas are enforced
    description = function.of(str, "description") or ""
    function.any("output_schema")  # is about what the function returns
    for other, value in function.value.items():
        if other not in function.taken and value is not None and ABOUT_TEXTS.search(other):
            raise function.fail(other, "is nothing that this server can enforce", code="unsupported_parameter")
    return Tool(name, description, parameters, function.param("parameters"))


def _named(each: Fields) -> str:
    function = each.within("function")
    name = (function or each).of(str, "name")
    if name is None:
        raise (function or each).fail("name", "is missing: which function is meant?", code="missing")
    return name


def _find(fields: Fields, tools: Sequence[Tool], name: str) -> Tool:
    for tool in tools:
        if tool.name == name:
            return tool
    known = ", ".join(tool.name for tool in tools)
    raise fields.fail("tool_choice", f"names {name!r}, which is none of the tools: {known}")


def tool_goal(toolbox: Toolbox, answer: Goal | None) -> Goal:
    """The texts that a toolbox allows: calls, free text with calls behind it, or calls or the `answer`."""
    callable_now = [[tool.name, tool.parameters] for tool in toolbox.callable]
    key = json.dumps(["tools", callable_now, toolbox.required, toolbox.parallel, answer and answer.key])

    def to_grammar() -> Grammar:
        from gcd import language
        from grammars.frontends.embed import embed

        call = reduce(or_, (_call(tool) for tool in toolbox.callable))
        calls = call.times(1, MOST_CALLS, separator=SEPARATOR) if toolbox.parallel else call
        if toolbox.required:
            return calls.grammar
        if answer is None:
            return (language.without(TAG) + calls.optional()).grammar
        rules: dict[str, Node] = {}
        return (calls | language.Language(embed(answer.to_grammar(), rules, "answer"), rules)).grammar

    return Goal(key, "tools", to_grammar)


def _call(tool: Tool) -> Language:
    from gcd import language
    from gcd.errors import GrammarError, RequestError

    try:
        arguments = language.schema(tool.parameters)
    except GrammarError as error:
        raise RequestError(f"{tool.param}: {error}", param=tool.param, code="invalid_grammar") from error
    return BEGIN + json.dumps(tool.name) + HEAD + arguments + END


def written_call(name: str, arguments: str) -> str:
    """A call as texts have it.

    >>> written_call("weather", '{"city": "Oslo"}')
    '<tool_call>\\n{"name": "weather", "arguments": {"city": "Oslo"}}\\n</tool_call>'
    """
    return f"{BEGIN}{json.dumps(name)}{HEAD}{arguments}{END}"
