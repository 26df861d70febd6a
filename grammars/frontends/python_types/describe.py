"""describe_type: a Python type to the JSON Schema of its texts and the function that reads them.

Place in the walk: the only public road through this package; `__init__` says what the parts are.
"""

from __future__ import annotations

import array
import typing
from collections import ChainMap, abc
from collections.abc import Callable, Mapping
from dataclasses import field, is_dataclass
from typing import Annotated, Any

import typing_extensions
from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter
from pydantic_core import SchemaError

from grammars.errors import InvalidGrammar, UnsupportedFeature
from grammars.frontends.python_types.arguments import arguments_type, is_function
from grammars.frontends.python_types.documentation import document
from grammars.frontends.python_types.scalars import SCALARS
from grammars.frontends.python_types.structures import STRUCTURES
from grammars.frontends.python_types.walk import Place, Schema, Walk, refuse
from grammars.record import record

__all__ = ["PythonType", "describe_type", "is_python_type"]

STEPS = {**SCALARS, **STRUCTURES}

DESCRIBED = (
    typing.TypeVar,
    typing.NewType,
    typing_extensions.TypeAliasType,
    *((typing.TypeAliasType,) if hasattr(typing, "TypeAliasType") else ()),
)
"""What stands for a type and is neither a class nor made with brackets."""

INSTEAD: Mapping[object, str] = {
    bytearray: "bytes", memoryview: "bytes", typing.LiteralString: "str", typing_extensions.LiteralString: "str",
    ChainMap: "dict", range: "a NamedTuple", slice: "a NamedTuple", typing.Never: "None", typing.NoReturn: "None",
    **dict.fromkeys((abc.Iterator, abc.Collection, abc.Container, abc.Reversible, array.array), "list"),
}  # fmt: skip
"""Types that pydantic does not know -> what to write for the same texts."""


@record
class PythonType:
    """A type with the JSON Schema (2020-12) of its texts, and `load`, which reads a text as an instance.

    The schema accepts no text that pydantic refuses, apart from what functions decide: `load` raises
    `pydantic.ValidationError` then. For a function, `load` gives the arguments as a dict; the function is not called.
    """

    type: object
    schema: Schema
    load: Callable[[str], object]
    core: Mapping[str, Any] = field(repr=False)
    """The core schema that `load` reads by."""


def is_python_type(value: object) -> bool:
    """Whether an argument is a Python type or a function, and not a schema: dict, bool, JSON text.

    >>> [is_python_type(x) for x in (int, list[int], print, {"type": "integer"}, True, "int")]
    [True, True, True, False, False, False]
    """
    if value is None or isinstance(value, str | Mapping):
        return False
    return (
        isinstance(value, (type, *DESCRIBED))
        or value is Any
        or typing_extensions.get_origin(value) is not None
        or is_function(value)
    )


def describe_type(type_: Any) -> PythonType:
    """The type's JSON Schema and loader.

    >>> describe_type(list[bool]).schema
    {'type': 'array', 'items': {'type': 'boolean'}}
    >>> describe_type(list[bool]).load("[true]")
    [True]

    Raises UnsupportedFeature naming the field and what it is that has no exact JSON texts, EmptyLanguage for
    constraints that contradict each other, InvalidGrammar for a type that pydantic itself cannot make sense of.
    """
    name = _name(type_)
    adapter = _adapter(arguments_type(type_) if is_function(type_) else type_, name)
    walk = Walk(STEPS, document)
    schema = walk.schema(adapter.core_schema, Place(name))
    for choice, tags, place in walk.tagged:
        _require_tag(walk, choice, tags, place)
    if walk.definitions:
        schema = {**schema, "$defs": walk.definitions}
    return PythonType(type_, schema, adapter.validate_json, adapter.core_schema)


def _name(type_: Any) -> str:
    """How the type is called in messages: the beginning of every path."""
    if isinstance(type_, type) and typing_extensions.get_origin(type_) is None:
        return type_.__name__
    if typing_extensions.get_origin(type_) is Annotated:
        return _name(typing_extensions.get_args(type_)[0])
    name = getattr(type_, "__name__", None) if is_function(type_) else None
    return name or str(type_).replace("typing.", "")


def _adapter(type_: Any, name: str) -> TypeAdapter[Any]:
    try:
        adapter = TypeAdapter(type_)
        adapter.rebuild(raise_errors=True)  # for models with defer_build, and names that have been defined since
    except PydanticUndefinedAnnotation as error:
        hint = "Define it before the type is used; call model_rebuild() on models that were defined before it."
        raise InvalidGrammar(f"{name}: the annotation {error.name!r} is not defined", hint=hint) from None
    except SchemaError as error:
        raise InvalidGrammar(f"{name}: {_first_line(error)}") from None
    except PydanticSchemaGenerationError as error:
        path, part = _culprit(type_, name)
        instead = INSTEAD.get(typing_extensions.get_origin(part) or part)
        hint = "Use a dataclass, or say what texts it has: Annotated[T, PlainValidator(f), WithJsonSchema({...})]."
        hint = hint if instead is None else f"Write {instead} in its place."
        raise UnsupportedFeature(f"{path}: pydantic does not know how to read {_name(part)}", hint=hint) from error
    except ImportError as error:  # EmailStr without email-validator: pydantic says what to install
        raise UnsupportedFeature(f"{name}: {_first_line(error)}") from None
    except (PydanticUserError, TypeError) as error:
        raise InvalidGrammar(f"{name}: {_first_line(error)}") from None
    return adapter


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _culprit(type_: Any, path: str) -> tuple[str, Any]:
    """The part of a dataclass, TypedDict, NamedTuple or generic that pydantic cannot make sense of, with its path."""
    for step, part in _annotations(type_):
        try:
            TypeAdapter(part)
        except PydanticSchemaGenerationError:
            return _culprit(part, path + step)
        except (PydanticUserError, TypeError):  # it needs its surroundings: not the part that is looked for
            continue
    return path, type_


def _annotations(type_: Any) -> list[tuple[str, Any]]:
    arguments = typing_extensions.get_args(type_)
    if arguments:
        return [("[]", argument) for argument in arguments if is_python_type(argument)]
    if not isinstance(type_, type):
        return []
    try:
        hints = typing_extensions.get_type_hints(type_, include_extras=True)
    except (NameError, TypeError):
        return []
    is_described = is_dataclass(type_) or typing_extensions.is_typeddict(type_) or hasattr(type_, "_fields")
    return [(f".{field}", hint) for field, hint in hints.items()] if is_described else []


def _require_tag(walk: Walk, schema: Schema, tags: tuple[str, ...], place: Place, depth: int = 0) -> None:
    """Makes the property that tells the members of a union apart required in a member, in place.

    A tag with a default is optional to the member itself, but pydantic finds no member without it.
    """
    if depth > 100:
        refuse(place, "the members of this union refer to each other without end")
    if "$ref" in schema:
        target = walk.definitions[schema["$ref"].rpartition("/")[2]]
        return _require_tag(walk, target, tags, place, depth + 1)
    for member in [*schema.get("anyOf", ()), *schema.get("allOf", ())[:1]]:  # of allOf, the first is the type
        _require_tag(walk, member, tags, place, depth + 1)
    properties = schema.get("properties", {})
    tag = next((tag for tag in tags if tag in properties), None)
    if tag is not None:
        names = {*schema.get("required", ()), tag}
        schema["required"] = [name for name in properties if name in names]
    elif "anyOf" not in schema and "allOf" not in schema:
        refuse(place, f"a member of the union does not have the field {' or '.join(tags) or 'of its discriminator'}")
    return None
