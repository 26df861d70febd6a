"""Structures: the core schemas with parts, each to a JSON Schema.

Objects are closed unless the type says `extra="allow"`: pydantic ignores other keys, but what it ignores need not be
written. The order of the properties is that of the fields; a field with a default is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from grammars.frontends.python_types.documentation import document_class
from grammars.frontends.python_types.keys import key_schema
from grammars.frontends.python_types.known import known_texts
from grammars.frontends.python_types.members import choices_of, is_hashable, is_told_apart
from grammars.frontends.python_types.scalars import INSTANCES, LENGTHS, STATE_TEXTS
from grammars.frontends.python_types.walk import Node, Omitted, Place, Schema, Step, Walk, refuse

__all__ = ["STRUCTURES"]

SCALAR_TYPES = ["null", "boolean", "number", "string"]


# --- arrays -----------------------------------------------------------------------------------------------------------


def _array(walk: Walk, node: Node, place: Place) -> Schema:
    items = walk.schema(node.get("items_schema", {"type": "any"}), place.at("[]"))
    return {"type": "array", "items": items, **_counts(node, "Items")}


def _counts(node: Node, what: str) -> Schema:
    given = {f"min{what}": node.get("min_length"), f"max{what}": node.get("max_length")}
    return {key: value for key, value in given.items() if value is not None}


def _set(walk: Walk, node: Node, place: Place) -> Schema:
    """An array of items that differ; where so many are asked for, their values must differ as well."""
    item = node.get("items_schema", {"type": "any"})
    least = node.get("min_length") or 0
    if least > 1 and not is_told_apart(walk, item, place):
        hint = "Items that differ may be one value, as 0.1 and 0.10: use a list, or items of int, str, date or an enum."
        refuse(place, f"min_length={least} of a set of these items is not supported", hint=hint)
    if item["type"] == "any":
        return {"type": "array", "items": {"type": SCALAR_TYPES}, **_counts(node, "Items"), "uniqueItems": True}
    if not is_hashable(walk, item):
        hint = "Use a list, or items that can be hashed: tuples, frozensets, frozen models and dataclasses."
        refuse(place, "the items of this set cannot be hashed, so only the empty set is accepted", hint=hint)
    return {**_array(walk, node, place), "uniqueItems": True}


def _tuple(walk: Walk, node: Node, place: Place) -> Schema:
    items = [walk.schema(item, place.at(f"[{index}]")) for index, item in enumerate(node["items_schema"])]
    variadic = node.get("variadic_item_index")
    if variadic is None:
        return _fixed(items, len(items), node)
    if variadic != len(items) - 1:
        hint = "Put them into a list of their own."
        refuse(place, "a tuple with items after those of any number is not supported", hint=hint)
    prefix = {"prefixItems": items[:-1]} if items[:-1] else {}
    counts = _counts({"min_length": max(variadic, node.get("min_length") or 0) or None, **_most(node)}, "Items")
    return {"type": "array", **prefix, "items": items[-1], **counts}


def _fixed(items: list[Schema], required: int, node: Node) -> Schema:
    """An array of these items, of which the first ones are required."""
    least, most = max(required, node.get("min_length") or 0), min(len(items), node.get("max_length", len(items)))
    return {"type": "array", **({"prefixItems": items} if items else {}), "minItems": least, "maxItems": most}


def _most(node: Node) -> dict[str, Any]:
    return {"max_length": node["max_length"]} if node.get("max_length") is not None else {}


def _named_tuple(walk: Walk, node: Node, place: Place) -> Schema:
    fields = [(field["name"], field["schema"]) for field in node["fields"]]
    return _positional(walk, fields, place)


def _call(walk: Walk, node: Node, place: Place) -> Schema:
    """A named tuple, as pydantic described it until 2.13; any other call is that of a function."""
    made, arguments = node["function"], node["arguments_schema"]
    if not (isinstance(made, type) and issubclass(made, tuple)) or "var_args_schema" in arguments:
        refuse(place, "a call of a function is not supported", hint="Pass the function itself.")
    return _positional(walk, [(part["name"], part["schema"]) for part in arguments["arguments_schema"]], place)


def _positional(walk: Walk, fields: Iterable[tuple[str, Node]], place: Place) -> Schema:
    fields = list(fields)
    items = [walk.schema(schema, place.at(f".{name}")) for name, schema in fields]
    return _fixed(items, sum(schema["type"] != "default" for _, schema in fields), {})


# --- objects ----------------------------------------------------------------------------------------------------------


def _dict(walk: Walk, node: Node, place: Place) -> Schema:
    names = key_schema(walk, node.get("keys_schema", {"type": "any"}), place.at(".keys"))
    values = walk.schema(node.get("values_schema", {"type": "any"}), place.at("[]"))
    counts = _counts(node, "Properties")
    if names.keys() == {"enum"}:
        properties = dict.fromkeys(names["enum"], values)
        return {"type": "object", "properties": properties, "additionalProperties": False, **counts}
    return {"type": "object", "additionalProperties": values, **({"propertyNames": names} if names else {}), **counts}


def _model(walk: Walk, node: Node, place: Place) -> Schema:
    inner = Place(place.path, node.get("config", {}))
    schema = walk.schema(node["schema"], inner)
    return document_class(schema, node["cls"], node["cls"].model_config, place)


def _model_fields(walk: Walk, node: Node, place: Place) -> Schema:
    if "extras_keys_schema" in node:
        refuse(place, "a type for the names of extra fields is not supported")
    return _object(walk, node, node["fields"].items(), place)


def _dataclass(walk: Walk, node: Node, place: Place) -> Schema:
    inner = Place(place.path, node.get("config", place.config))
    schema = walk.schema(node["schema"], inner)
    return document_class(schema, node["cls"], getattr(node["cls"], "__pydantic_config__", {}), place)


def _dataclass_args(walk: Walk, node: Node, place: Place) -> Schema:
    fields = [(field["name"], field) for field in node["fields"] if field.get("init", True)]
    return _object(walk, node, fields, place)


def _typed_dict(walk: Walk, node: Node, place: Place) -> Schema:
    inner = Place(place.path, node.get("config", place.config))
    schema = _object(walk, node, node["fields"].items(), inner)
    cls = node.get("cls")
    return schema if cls is None else document_class(schema, cls, getattr(cls, "__pydantic_config__", {}), place)


def _object(walk: Walk, node: Node, fields: Iterable[tuple[str, Node]], place: Place) -> Schema:
    """A closed object of these fields, or an open one, in which no other name of a field can be an extra key."""
    properties: dict[str, Any] = {}
    required, others = [], set[str]()
    for name, field in fields:
        at = place.at(f".{name}")
        keys = _keys(name, field, place)
        is_required = _is_required(node, field, place)
        try:
            schema = walk.schema(field, at)
        except Omitted:
            if is_required:
                refuse(at, "a required field cannot be left out of the JSON Schema")
            continue
        if not keys:
            refuse(at, "an alias that is a path is not supported", hint="Give the field an alias that is one name.")
        if keys[0] in properties:
            refuse(at, f"two fields are read from the key {keys[0]!r}")
        properties[keys[0]] = schema
        others.update(keys[1:])
        if is_required:
            required.append(keys[0])
    extra = _extra(walk, node, place)
    if extra is not False:
        properties |= dict.fromkeys(sorted(others - properties.keys()), False)
    names = {"required": required} if required else {}
    return {"type": "object", "properties": properties, **names, "additionalProperties": extra}


def _is_required(node: Node, field: Node, place: Place) -> bool:
    total = node.get("total", place.config.get("typed_dict_total", True))
    return bool(field.get("required", total)) and field["schema"]["type"] != "default"


def _keys(name: str, field: Node, place: Place) -> list[str]:
    """The single keys that the field is read from, the one to write first."""
    alias = field.get("validation_alias")
    by_alias, by_name = place.config.get("validate_by_alias", True), place.config.get("validate_by_name", False)
    if alias is None or by_alias is False:
        return [name]
    paths = [[alias]] if isinstance(alias, str) else alias if isinstance(alias[0], list) else [alias]
    keys = [path[0] for path in paths if len(path) == 1 and isinstance(path[0], str)]
    return list(dict.fromkeys([*keys, name] if by_name else keys))


def _extra(walk: Walk, node: Node, place: Place) -> Schema | bool:
    behavior = node.get("extra_behavior", place.config.get("extra_fields_behavior"))
    if behavior != "allow":
        return False
    return walk.schema(node["extras_schema"], place.at(".extra")) if "extras_schema" in node else True


def _field(walk: Walk, node: Node, place: Place) -> Schema:
    return walk.schema(node["schema"], place)


# --- unions -----------------------------------------------------------------------------------------------------------


def _union(walk: Walk, node: Node, place: Place) -> Schema:
    schemas = []
    for choice in choices_of(node):
        try:
            schemas.append(walk.schema(choice, place))
        except Omitted:
            continue
    return _any_of(schemas)


def _any_of(schemas: Sequence[Schema]) -> Schema:
    if not schemas:
        raise Omitted
    distinct = [schema for index, schema in enumerate(schemas) if schema not in schemas[:index]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _nullable(walk: Walk, node: Node, place: Place) -> Schema:
    return _any_of([walk.schema(node["schema"], place), {"type": "null"}])


def _tagged_union(walk: Walk, node: Node, place: Place) -> Schema:
    """The choices, of which each has its tag in a required property: without a tag, no choice is tried."""
    discriminator = node["discriminator"]
    if callable(discriminator):
        hint = "Name the field that tells the members apart: Field(discriminator='kind')."
        refuse(place, "a function as the discriminator of a union is not supported", hint=hint)
    paths = [[discriminator]] if isinstance(discriminator, str) else discriminator
    paths = paths if isinstance(paths[0], list) else [paths]
    tags = tuple(path[0] for path in paths if len(path) == 1 and isinstance(path[0], str))
    schemas = [walk.schema(choice, place) for choice in node["choices"].values() if isinstance(choice, Mapping)]
    walk.tagged += [(schema, tags, place) for schema in schemas]
    return _any_of(schemas)


# --- functions and forks ----------------------------------------------------------------------------------------------


def _function(walk: Walk, node: Node, place: Place) -> Schema:
    """What surrounds a validator function: its declared input if there is one, else the type that it goes with."""
    function = node["function"]["function"]
    known = known_texts(function)
    if known is not None:
        return known
    inner = node.get("json_schema_input_schema") or node.get("schema")
    if inner is None:
        name = getattr(function, "__name__", repr(function))
        refuse(place, f"the function {name} alone decides what is accepted", hint=STATE_TEXTS)
    return walk.schema(inner, place)


def _chain(walk: Walk, node: Node, place: Place) -> Schema:
    """The first step; the later ones are checked on its result, which is not a text any more."""
    first, *later = [walk.schema(step, place) for step in node["steps"]]
    if node["steps"][0]["type"].startswith("function-") or all(schema == first for schema in later):
        return first
    return refuse(place, "a chain of validators is not supported", hint="Put the constraints on the type itself.")


def _lax_or_strict(walk: Walk, node: Node, place: Place) -> Schema:
    python = node["strict_schema"].get("python_schema", {})
    if python.get("type") == "is-instance" and python["cls"] in INSTANCES:
        return dict(INSTANCES[python["cls"]])
    return walk.schema(node["strict_schema" if walk.strict(node, place) else "lax_schema"], place)


def _inside(key: str) -> Callable[[Walk, Node, Place], Schema]:
    return lambda walk, node, place: walk.schema(node[key], place)


def _omitted(walk: Walk, node: Node, place: Place) -> Schema:
    if "schema" not in node:
        raise Omitted
    return walk.schema(node["schema"], place)


# --- definitions ------------------------------------------------------------------------------------------------------


def _definitions(walk: Walk, node: Node, place: Place) -> Schema:
    walk.nodes |= {definition["ref"]: (definition, place.config) for definition in node["definitions"]}
    return walk.schema(node["schema"], place)


def _reference(walk: Walk, node: Node, place: Place) -> Schema:
    reference = node["schema_ref"]
    name = walk.name_of(reference)
    if name not in walk.definitions:
        walk.definitions[name] = {}  # so that it is not entered again
        target, config = walk.nodes[reference]
        walk.definitions[name] = walk.schema(target, Place(name, config))
    return {"$ref": f"#/$defs/{name}"}


ITEMS = LENGTHS | {"items_schema", "fail_fast"}
ENTRIES = LENGTHS | {"keys_schema", "values_schema", "fail_fast"}
FIELDS = frozenset({"fields", "computed_fields", "extras_schema", "extra_behavior"})
FIELD = frozenset(
    {"schema", "validation_alias", "serialization_alias", "serialization_exclude", "serialization_exclude_if", "frozen"}
)
FUNCTION = frozenset({"function", "schema", "json_schema_input_schema", "field_name"})
CLASS = frozenset({
    "cls", "generic_origin", "cls_name", "schema", "fields", "custom_init", "root_model", "post_init", "config",
    "revalidate_instances", "frozen", "slots", "extra_behavior",
})  # fmt: skip
DEFAULT = frozenset({
    "schema", "default", "default_factory", "default_factory_takes_data", "on_error", "validate_default",
    "copy_default",
})  # fmt: skip
ERROR = frozenset({"custom_error_type", "custom_error_message", "custom_error_context"})

STRUCTURES: Mapping[str, Step] = {
    "list": Step(_array, ITEMS),
    "deque": Step(_array, ITEMS),
    "generator": Step(_array, ITEMS),
    "set": Step(_set, ITEMS),
    "frozenset": Step(_set, ITEMS),
    "tuple": Step(_tuple, ITEMS | {"variadic_item_index"}),
    "named-tuple": Step(_named_tuple, frozenset({"cls", "fields", "cls_name"})),
    "call": Step(_call, frozenset({"arguments_schema", "function", "function_name", "return_schema"})),
    "dict": Step(_dict, ENTRIES),
    "frozendict": Step(_dict, ENTRIES),
    "ordered-dict": Step(_dict, ENTRIES),
    "counter": Step(_dict, ENTRIES),
    "model": Step(_model, CLASS),
    "model-fields": Step(_model_fields, FIELDS | {"model_name", "extras_keys_schema", "from_attributes"}),
    "model-field": Step(_field, FIELD),
    "dataclass": Step(_dataclass, CLASS),
    "dataclass-args": Step(_dataclass_args, FIELDS | {"dataclass_name", "collect_init_only"}),
    "dataclass-field": Step(_field, FIELD | {"name", "kw_only", "init", "init_only"}),
    "typed-dict": Step(_typed_dict, FIELDS | {"cls", "cls_name", "total", "config"}),
    "typed-dict-field": Step(_field, FIELD | {"required"}),
    "union": Step(_union, ERROR | {"choices", "auto_collapse", "mode"}),
    "nullable": Step(_nullable, frozenset({"schema"})),
    "tagged-union": Step(_tagged_union, ERROR | {"choices", "discriminator", "from_attributes"}),
    "default": Step(_inside("schema"), DEFAULT),
    "custom-error": Step(_inside("schema"), ERROR | {"schema"}),
    "json-or-python": Step(_inside("json_schema"), frozenset({"json_schema", "python_schema"})),
    "lax-or-strict": Step(_lax_or_strict, frozenset({"lax_schema", "strict_schema"})),
    "chain": Step(_chain, frozenset({"steps"})),
    "function-before": Step(_function, FUNCTION),
    "function-after": Step(_function, FUNCTION),
    "function-wrap": Step(_function, FUNCTION),
    "function-plain": Step(_function, FUNCTION),
    "missing-sentinel": Step(_omitted, frozenset({"schema"})),
    "definitions": Step(_definitions, frozenset({"schema", "definitions"})),
    "definition-ref": Step(_reference, frozenset({"schema_ref"})),
}
