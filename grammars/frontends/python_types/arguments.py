"""The arguments of a function as a TypedDict, so that they can be read without calling it.

pydantic's own `TypeAdapter(function).validate_json` calls the function with what it read. Here the arguments come back
as a dict for the caller to pass on: `function(**kwargs)`. What the text leaves out is left to the function's defaults.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, NoReturn, NotRequired, cast, get_type_hints

from pydantic import ConfigDict
from pydantic.fields import FieldInfo
from typing_extensions import TypedDict

from grammars.errors import InvalidGrammar, UnsupportedFeature

__all__ = ["arguments_type", "is_function", "name_of"]


def is_function(value: object) -> bool:
    """Whether it is a function, method or partial: something whose arguments can be asked for."""
    return inspect.isroutine(value) or isinstance(value, functools.partial)


def name_of(function: Callable[..., object]) -> str:
    """The name of a function, of that inside a partial or a decorator."""
    return getattr(_undecorated(function), "__name__", "function")


def arguments_type(function: Callable[..., object]) -> type:
    """A TypedDict with a key for each parameter, required where the parameter has no default.

        def book(city: str, nights: int = 1): ...
        arguments_type(book)   # class book(TypedDict): city: str; nights: NotRequired[int]

    Raises UnsupportedFeature naming a parameter without annotation, a positional-only one, *args or **kwargs; and
    InvalidGrammar when an annotation names something that does not exist.
    """
    name = name_of(function)
    hints = _hints(function, name)
    fields = {}
    for parameter in _parameters(function, name):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            _refuse(name, parameter, f"{stars}{parameter.name} takes any arguments", "Name the parameters one by one.")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            _refuse(
                name, parameter, f"{parameter.name} is positional-only", "Arguments are returned by name: drop the `/`."
            )
        if parameter.name not in hints:
            hint = f"Write its type: {parameter.name}: str."
            _refuse(name, parameter, f"the parameter {parameter.name} has no annotation", hint)
        fields[parameter.name] = _field(hints[parameter.name], parameter.default)
    made: Any = cast(Any, TypedDict)(name, fields)
    made.__pydantic_config__ = ConfigDict(extra="forbid")
    made.__module__, made.__doc__ = getattr(function, "__module__", __name__), inspect.getdoc(_undecorated(function))
    return cast(type, made)


def _undecorated(function: Callable[..., object]) -> Callable[..., object]:
    while isinstance(function, functools.partial):
        function = function.func
    return cast(Callable[..., object], inspect.unwrap(function))


def _hints(function: Callable[..., object], name: str) -> dict[str, Any]:
    try:
        return get_type_hints(_undecorated(function), include_extras=True)
    except NameError as error:
        hint = "Define it where the function is defined, or leave out the quotes."
        raise InvalidGrammar(f"{name}: an annotation is not defined: {error}", hint=hint) from None
    except TypeError as error:
        raise UnsupportedFeature(f"{name}: the annotations cannot be read: {error}") from None


def _parameters(function: Callable[..., object], name: str) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        hint = "Write a function of your own around it."
        raise UnsupportedFeature(f"{name} does not say what its parameters are", hint=hint) from None


def _field(annotation: Any, default: object) -> Any:
    if default is inspect.Parameter.empty:
        return annotation
    if isinstance(default, FieldInfo):  # def f(n: int = Field(ge=0)): as in pydantic's validate_call
        return Annotated[annotation, default]
    return NotRequired[annotation]


def _refuse(name: str, parameter: inspect.Parameter, what: str, hint: str) -> NoReturn:
    raise UnsupportedFeature(f"{name}.{parameter.name}: {what}", hint=hint)
