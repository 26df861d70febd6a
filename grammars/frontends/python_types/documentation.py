"""What the author of a type says about it, beside what it validates: titles, descriptions, JSON Schema of their own.

Place in the walk: every node passes through `document`. `WithJsonSchema` is the author's own statement of the language
and is taken at its word. Everything else (`json_schema_extra`, `__get_pydantic_json_schema__`) may add keywords, which
narrow the language, and can never widen it: what it adds holds beside what the type validates.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from pydantic import WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from grammars.frontends.python_types.walk import Node, Omitted, Place, Schema, Walk, refuse

__all__ = ["document", "document_class"]

INDEPENDENT = frozenset({
    "enum", "const", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
    "maxLength", "pattern", "format", "minItems", "maxItems",
})  # fmt: skip
"""Assertions that mean the same beside any other keyword, so that they can be written into the same object."""

ASSERTIONS = INDEPENDENT | {
    "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "type", "uniqueItems", "contains",
    "minContains", "maxContains", "items", "prefixItems", "unevaluatedItems", "minProperties", "maxProperties",
    "required", "properties", "patternProperties", "additionalProperties", "propertyNames", "unevaluatedProperties",
    "dependentRequired", "dependentSchemas", "dependencies",
}  # fmt: skip
"""Keywords that decide what is accepted; all others are annotations."""

SKIP: type = SkipJsonSchema  # to type checkers, a generic alias

UNAPPLIED = frozenset({
    "ge", "gt", "le", "lt", "multiple_of", "max_digits", "decimal_places", "minLength", "maxLength", "minItems",
    "maxItems",
})  # fmt: skip
"""What pydantic notes of a constraint that the type itself does not take, so that a function of its own checks it."""


def document(walk: Walk, node: Node, place: Place) -> Schema:
    """The JSON Schema of a node, narrowed and annotated by what its metadata says."""
    metadata: Mapping[str, Any] = node.get("metadata") or {}
    hooks = [*metadata.get("pydantic_js_functions", ()), *metadata.get("pydantic_js_annotation_functions", ())]
    owners = [getattr(hook, "__self__", None) for hook in hooks]
    for owner in reversed(owners):
        if type(owner) is SKIP:
            raise Omitted
        if isinstance(owner, WithJsonSchema) and owner.mode in (None, "validation"):
            if owner.json_schema is None:
                raise Omitted
            return deepcopy(owner.json_schema)
    schema = walk.plain(node, place)
    updates = metadata.get("pydantic_js_updates") or {}
    if not UNAPPLIED.isdisjoint(updates):
        schema = _apply_unapplied(schema, node, {k: v for k, v in updates.items() if k in UNAPPLIED}, place)
    schema = _annotate(schema, updates)
    schema = _narrow_by(schema, metadata.get("pydantic_js_extra"), place)
    for hook in hooks:
        if not _is_of_pydantic(hook):
            schema = _narrow(schema, hook(node, _Handler(schema)))
    return schema


def document_class(schema: Schema, cls: type, config: Mapping[str, Any], place: Place) -> Schema:
    """The JSON Schema of a model, dataclass or TypedDict with its title, its docstring and its `json_schema_extra`."""
    names = {"title": config.get("title") or cls.__name__}
    text = cls.__dict__.get("__doc__")
    if text and not text.startswith(f"{cls.__name__}("):  # dataclasses write their signature there
        names["description"] = inspect.cleandoc(text)
    extra = config.get("json_schema_extra")
    if isinstance(extra, (staticmethod, classmethod)):
        extra = extra.__get__(None, cls)
    return _narrow_by({**names, **schema}, extra, place, cls)


class _Handler:
    """What pydantic hands to `__get_pydantic_json_schema__`: calling it gives the schema so far."""

    mode = "validation"

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __call__(self, node: object) -> Schema:
        return deepcopy(self.schema)

    def resolve_ref_schema(self, schema: Schema) -> Schema:
        return schema


def _is_of_pydantic(hook: Callable[..., object]) -> bool:
    """Whether a hook is pydantic's own: it says less than the core schema, which has been read."""
    return (getattr(getattr(hook, "__func__", hook), "__module__", None) or "").partition(".")[0] == "pydantic"


def _annotate(schema: Schema, updates: Mapping[str, Any]) -> Schema:
    notes = {key: updates[key] for key in ("title", "description") if key in updates}
    return {**schema, **notes} if notes else schema


def _narrow_by(schema: Schema, extra: object, place: Place, cls: type | None = None) -> Schema:
    """The schema with `json_schema_extra`: a dict to add, or a function that changes a copy in place."""
    if extra is None:
        return schema
    if isinstance(extra, Mapping):
        return _narrow(schema, {**schema, **extra})
    if not callable(extra):
        refuse(place, f"json_schema_extra is {extra!r}: neither a dict nor a function")
    shown = deepcopy(schema)
    if len(inspect.signature(extra).parameters) > 1:
        extra(shown, cls)
    else:
        extra(shown)
    return _narrow(schema, shown)


def _narrow(schema: Schema, shown: Mapping[str, Any]) -> Schema:
    """The schema and, beside it, the assertions in which `shown` differs from it."""
    notes = {key: shown[key] for key in ("title", "description") if key in shown}
    added = {
        key: value
        for key, value in shown.items()
        if key in ASSERTIONS and _assertions(value) != _assertions(schema.get(key))
    }
    if not added:
        return {**schema, **notes}
    if added.keys() <= INDEPENDENT and schema.keys().isdisjoint({*added, "$ref"}):
        return {**schema, **notes, **added}
    return {"allOf": [schema, added], **notes}


def _assertions(value: object) -> object:
    """A part of a schema without its annotations, to be compared."""
    if isinstance(value, Mapping):
        return {key: _assertions(item) for key, item in value.items() if not _is_note(key, item)}
    if isinstance(value, list | tuple):
        return [_assertions(item) for item in value]
    return value


def _is_note(key: str, value: object) -> bool:
    """Whether it is an annotation: a property may have the name of one, but then its value is a schema."""
    return key in ("examples", "default") or (key in ("title", "description", "$comment") and isinstance(value, str))


def _apply_unapplied(schema: Schema, node: Node, updates: Mapping[str, Any], place: Place) -> Schema:
    """The schema with constraints that pydantic checks by a function of its own.

    A `SecretStr` is as long as its text. What comes after a function of the user is checked on the result of that
    function, so it stays for the end, as the function does.
    """
    inner = node.get("schema", {})
    if inner.get("type", "").startswith("function-"):
        return schema
    if _is_secret(inner) and updates.keys() <= {"minLength", "maxLength"}:
        return {**schema, **updates}
    name, value = next(iter(updates.items()))
    hint = "Put it on the member that it is about: Annotated[int, Field(ge=0)] | None."
    return refuse(place, f"the constraint {name}={value!r} on a {inner.get('type', 'type')} as a whole", hint=hint)


def _is_secret(node: Node) -> bool:
    """Whether the node is that of `SecretStr` (the type itself carries no other mark)."""
    made = node.get("lax_schema", {}).get("json_schema", {}).get("function", {}).get("function")
    return getattr(made, "__name__", None) == "SecretStr"
