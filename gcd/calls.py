"""tools: functions -> Tools, for `schema=`: the model calls one or several of them, or answers in text.

Place in the walk: beside `gcd.parse`, which asks here for what is wanted. A call comes back as a value that has been
validated and can be made; nothing is ever called here but by `Call.call`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from gcd.partials import Shape

if TYPE_CHECKING:
    from gcd.parse import Wanted
    from grammars.frontends.python_types import PythonType
    from grammars.frontends.schema_options import SchemaOptions
    from grammars.ir import Grammar

__all__ = ["Call", "Tools", "are_functions", "tools", "wanted_tools"]

TEXT = r"[^\s{\[][\s\S]*"
"""An answer in text: it does not begin as a call or a list of calls does, so that one character tells them apart."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function with arguments that fit its signature; `call()` calls it and returns what it returns.

    >>> Call("add", {"a": 1, "b": 2}, add).call()
    3
    """

    name: str
    arguments: Mapping[str, Any]
    function: Callable[..., Any] = field(repr=False)

    def call(self) -> Any:
        """What the function returns; of an `async def`, what is to be awaited."""
        return self.function(**self.arguments)


@dataclass(frozen=True, slots=True)
class Tools:
    """Functions by their names, and what may be said with them: see `tools`."""

    functions: Mapping[str, Callable[..., Any]]
    most: int | None = 0
    """0: one call by itself; else the most calls in a list, None for any number."""
    text: bool = False

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """The functions as chat templates and APIs take them: name, docstring, JSON Schema of the arguments."""
        from grammars.frontends.python_types import describe_type

        found = []
        for name, function in self.functions.items():
            schema = {key: value for key, value in describe_type(function).schema.items() if key != "title"}
            about = {"description": schema.pop("description")} if "description" in schema else {}
            found.append({"type": "function", "function": {"name": name, **about, "parameters": schema}})
        return found


def tools(*functions: Callable[..., Any], several: bool | int = False, text: bool = False) -> Tools:
    """Calls of functions, for `schema=`: the value is a Call with `.name`, `.arguments` and `.call()`.

    >>> gen = gcd.generate(model, "Weather in Rome?", schema=gcd.tools(weather, book))
    >>> gen.value.name, gen.value.arguments, gen.value.call()

    Written as `{"name": ..., "arguments": {...}}`; arguments are read as their annotations say, and those with a
    default may be left out. `several`: a list of one or more calls, True for any number, else the most. `text`: or an
    answer in text, which does not begin with a bracket; the value is a str then. For one prompt, `schema=[f, g]` is
    `schema=gcd.tools(f, g)`.

    Raises InvalidGrammar for what is no function and for two of one name, UnsupportedFeature naming a parameter whose
    arguments have no JSON.
    """
    from grammars.frontends.python_types.calls import by_name

    if not functions:
        raise TypeError("tools takes at least one function")
    if several is not False and several is not True and (not isinstance(several, int) or several < 1):
        raise ValueError(f"several must be True, False or an integer >= 1, not {several!r}")
    return Tools(by_name(functions), None if several is True else int(several), text)


def are_functions(value: object) -> bool:
    """Whether it is a list of functions, which stands for `tools(*value)`."""
    from grammars.frontends.python_types.arguments import is_function

    return isinstance(value, list | tuple) and bool(value) and all(map(is_function, value))


def wanted_tools(wanted: Tools, options: SchemaOptions, owner: object) -> Wanted:
    """What is wanted, with the value of a text: a Call, a list of them, or a str. `owner` is what the user gave."""
    from gcd.parse import Wanted, key_of
    from grammars.frontends.python_types.calls import describe_calls

    described = describe_calls(wanted.functions, most=wanted.most)

    def to_grammar() -> Grammar:
        from gcd import language
        from grammars.frontends.json_schema import parse_json_schema

        if not wanted.text:
            return parse_json_schema(described.schema, **options)
        return (language.schema(described.schema, **options) | language.regex(TEXT)).grammar

    def to_value(text: str, *, validate: bool = True) -> object:
        return _read(wanted, described, text)

    key = ("tools", *map(id, wanted.functions.values()), json.dumps(described.schema), wanted.text, *key_of(options))
    schema = None if wanted.text else described.schema
    shape = partial(
        Shape, is_json=True, or_text=wanted.text, core=described.core, finish=partial(_call_of, wanted.functions)
    )
    return Wanted("schema", key, to_grammar, to_value, schema, options, (wanted, owner), shape)


def _read(wanted: Tools, described: PythonType, text: str) -> object:
    from gcd.parse import loaded

    if wanted.text and not text.startswith(("{", "[")):
        return text
    value = loaded(described, text)
    if isinstance(value, list):
        return [_call_of(wanted.functions, made) for made in value]
    return _call_of(wanted.functions, value)


def _call_of(functions: Mapping[str, Callable[..., Any]], made: Any) -> Call:
    return Call(made["name"], made["arguments"], functions[made["name"]])
