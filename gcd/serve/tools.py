"""Tools: which functions a request lets the model call, and the language of texts that call them.

Place in the walk: `tools`, `tool_choice`, `parallel_tool_calls` -> **Goal**. Arguments are in the tool's schema
whenever a tool is called, under `auto` too: free text cannot even begin a call that is not one. The format is the
model's own where its chat template has one that `gcd.serve.formats` knows; HERMES is explained in the prompt where it
does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add, or_
from typing import TYPE_CHECKING, Any

from gcd.serve.bare import bare_grammar
from gcd.serve.calls import GAP
from gcd.serve.constraints import Goal
from gcd.serve.fields import Fields, shown
from gcd.serve.formats import CallFormat, Layout, Thinking
from gcd.serve.wanted import ABOUT_TEXTS

if TYPE_CHECKING:
    from gcd.language import Language
    from grammars.ir import Grammar, Node

__all__ = ["Tool", "Toolbox", "layout_goal", "read_tools"]

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


def layout_goal(
    layout: Layout, toolbox: Toolbox | None, answer: Goal | None, specials: Iterable[str], *, bounded: bool = False
) -> Goal | None:
    """The texts of a layout: thoughts, then calls, free text with calls behind it, or calls or the `answer`.

    None where any text will do, unless it is `bounded`: thoughts whose length is limited are told apart from the rest.
    Marks that are among the names of `specials` are special tokens.
    """
    calls, thinking = layout.calls, layout.thinking
    opening = thinking.opening if thinking is not None else ""
    if calls is None and answer is None and not opening and not bounded:
        return None
    if calls is None and thinking is None:
        return answer
    callable_now = [[tool.name, tool.parameters] for tool in toolbox.callable] if toolbox is not None and calls else []
    required, parallel = (toolbox.required, toolbox.parallel) if toolbox is not None and calls else (False, False)
    marks = [calls and calls.name, thinking and thinking.begin, layout.opened]
    key = json.dumps(["texts", marks, callable_now, required, parallel, answer and answer.key])
    known = sorted(specials, key=len, reverse=True)

    def to_grammar() -> Grammar:
        texts: list[Language] = []
        if calls is not None:
            assert toolbox is not None
            texts.append(_calls(calls, toolbox, known))
        if not required:
            content = _marked(opening, known) + _content(layout, answer)
            if calls is not None and answer is None and not calls.leading:
                texts = [content + texts[0].optional()]
            else:
                texts.append(content)
        found = reduce(or_, texts)
        if thinking is not None:
            found = _thoughts(thinking, layout.opened, known, gap=not opening) + found
        return found.grammar

    param = "tools" if calls is not None else answer.param if answer is not None else "messages"
    return Goal(key, param, to_grammar)


def _content(layout: Layout, answer: Goal | None) -> Language:
    """What is said besides calls: the answer, or any text that begins no call, and no thoughts where these may come."""
    from gcd import language
    from grammars.frontends.embed import embed

    if answer is not None:
        rules: dict[str, Node] = {}
        return language.Language(embed(answer.to_grammar(), rules, "answer"), rules)
    calls, thinking = layout.calls, layout.thinking
    if thinking is not None and thinking.opening:
        return language.regex("(?s:.*)")
    tags = [calls.tag] if calls is not None and not calls.leading else []
    tags += [thinking.begin] if thinking is not None and not layout.opened else []
    content = language.without(*tags) if tags else language.regex("(?s:.*)")
    if calls is not None and calls.leading:
        content &= ~(language.literal(calls.tag) + language.regex("(?s:.*)"))
    return content


def _calls(calls: CallFormat, toolbox: Toolbox, specials: Sequence[str]) -> Language:
    """One call or several."""

    def call(tool: Tool) -> Language:
        head = _marked(f"{calls.head}{tool.name}{calls.middle}", specials)
        return head + _arguments(tool, calls.quote, specials) + _marked(calls.tail, specials)

    one = reduce(or_, map(call, toolbox.callable))
    several = toolbox.parallel and calls.parallel
    some = one.times(1, MOST_CALLS, separator=_marked(calls.separator, specials)) if several else one
    return _marked(calls.begin, specials) + some + _marked(calls.end, specials)


def _thoughts(thinking: Thinking, opened: bool, specials: Sequence[str], *, gap: bool) -> Language:
    """Thoughts with their marks, and line feeds where a `gap` may follow; none at all where they are not `opened`."""
    from gcd import language

    end = _marked(thinking.end, specials)
    special = any(name in thinking.end for name in specials)
    thoughts = language.without(thinking.end) + end if special else language.until(thinking.end)
    if gap:
        thoughts = thoughts + language.regex(f"\\n{{0,{GAP}}}")
    return thoughts if opened else (_marked(thinking.begin, specials) + thoughts).optional()


def _marked(text: str, specials: Sequence[str]) -> Language:
    """A text, in which names of special tokens are these tokens."""
    from gcd import language

    if not specials:
        return language.literal(text)
    pieces = re.split(f"({'|'.join(map(re.escape, specials))})", text)
    parts = [language.special(piece) if i % 2 else language.literal(piece) for i, piece in enumerate(pieces) if piece]
    return reduce(add, parts) if parts else language.literal("")


def _arguments(tool: Tool, quote: str, specials: Sequence[str]) -> Language:
    """The values of a tool's schema, as JSON or, where its strings have a `quote` of their own, bare."""
    from gcd import language
    from gcd.errors import GrammarError, RequestError
    from gcd.parse import parse_wanted
    from grammars.frontends.embed import embed

    try:
        if not quote:
            return language.schema(tool.parameters)
        written = parse_wanted(schema=tool.parameters, whitespace="compact").to_grammar()
        rules: dict[str, Node] = {}
        bare = bare_grammar(written, quote, _marked(quote, specials).node)
        return language.Language(embed(bare, rules, f"arguments of {tool.name}"), rules)
    except GrammarError as error:
        raise RequestError(f"{tool.param}: {error}", param=tool.param, code="invalid_grammar") from error
