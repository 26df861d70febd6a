"""Functions to the type of calls of them: a name and the arguments, one call or a list.

Place in the walk: functions -> **PythonType**, by way of `arguments.py`; nothing is called here. The names tell the
calls apart, as the tags of a discriminated union do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union, cast

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from grammars.errors import InvalidGrammar
from grammars.frontends.python_types.arguments import arguments_type, is_function, name_of
from grammars.frontends.python_types.describe import PythonType, describe_type

__all__ = ["by_name", "describe_calls"]


def by_name(functions: tuple[object, ...]) -> dict[str, Callable[..., object]]:
    """The functions by their names; raises InvalidGrammar for what is none, and for two of one name.

    >>> by_name((len,))
    {'len': <built-in function len>}
    """
    found: dict[str, Callable[..., object]] = {}
    for function in functions:
        if not is_function(function):
            kind = f"the class {function.__name__}" if isinstance(function, type) else repr(function)
            raise InvalidGrammar(f"tools are functions, not {kind}", hint="A type goes into schema= by itself.")
        name = name_of(cast("Callable[..., object]", function))
        if name in found:
            raise InvalidGrammar(f"two tools are called {name!r}", hint="Rename one: a call says which by its name.")
        found[name] = cast("Callable[..., object]", function)
    return found


def describe_calls(functions: Mapping[str, Callable[..., object]], *, most: int | None = 0) -> PythonType:
    """Calls as `{"name": ..., "arguments": {...}}`: one of them with `most=0`, else a list of 1 to `most`, None: any.

    def book(city: str): ...
    describe_calls({"book": book}).load('{"name": "book", "arguments": {"city": "Rome"}}')
    # {"name": "book", "arguments": {"city": "Rome"}}

    Raises what `arguments_type` does.
    """
    types = [_call_type(name, function) for name, function in functions.items()]
    one: Any = types[0] if len(types) == 1 else Annotated[Union[tuple(types)], Field(discriminator="name")]  # noqa: UP007
    return describe_type(one if most == 0 else Annotated[list[one], Field(min_length=1, max_length=most)])


def _call_type(name: str, function: Callable[..., object]) -> type:
    fields = {"name": Literal[name], "arguments": arguments_type(function)}
    made: Any = cast(Any, TypedDict)(name, fields)
    made.__pydantic_config__ = ConfigDict(extra="forbid")
    made.__doc__ = None
    return cast(type, made)
