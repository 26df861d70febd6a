"""The keys of a dict: what a JSON object may have for names so that pydantic reads keys of a type from them.

Every key in JSON is a string, and pydantic reads 5 from "5" and True from "true". Integers have one spelling each here,
so that distinct names are distinct keys (but "0" and "-0").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import cast

from pydantic import ValidationError
from pydantic_core import CoreConfig, SchemaValidator, core_schema, to_json

from grammars.frontends.python_types.decimals import decimal_body
from grammars.frontends.python_types.scalars import bare, bounds_of
from grammars.frontends.python_types.walk import Node, Place, Schema, Walk, refuse

__all__ = ["key_schema"]

WRAPPERS = {
    "default": "schema",
    "custom-error": "schema",
    "function-after": "schema",
    "function-before": "schema",
    "function-wrap": "schema",
    "nullable": "schema",
    "json-or-python": "json_schema",
}
"""Nodes that leave the question to another, and where that is. No name is read as null: a nullable key is not null."""

TEXTS = frozenset(
    {"str", "bytes", "decimal", "fraction", "date", "time", "datetime", "timedelta", "uuid", "url", "lax-or-strict"}
)
"""Nodes that read the same from a name as from a string value."""

FLOAT = r"^-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,17})?(?:e(?:-?[1-9][0-9]?|-[12][0-9]{2}))?$"
"""Floats as names: up to 16 digits before the point, exponents from -299 to 99, so that none overflows."""


def key_schema(walk: Walk, node: Node, place: Place) -> Schema:
    """The names that are read as keys of the node: `{"enum": [...]}`, keywords for `propertyNames`, or {} for any."""
    kind = node["type"]
    if kind == "any":
        return {}
    if kind in TEXTS:
        schema = walk.schema(node, place)
        if schema.get("type") == "string" or "anyOf" not in schema:
            return {key: value for key, value in schema.items() if key not in ("type", "title", "description")}
    if kind in WRAPPERS:
        return key_schema(walk, node[WRAPPERS[kind]], place)
    if kind == "definition-ref":
        target, config = walk.nodes[node["schema_ref"]]
        return key_schema(walk, target, Place(place.path, config))
    step = STEPS.get(kind)
    if step is None:
        refuse(place, f"the keys of a dict cannot be read from JSON as {kind!r}", hint="Use a list of pairs.")
    return step(walk, node, place)


def _integers(walk: Walk, node: Node, place: Place) -> Schema:
    if "multiple_of" in node:
        refuse(place, "multiple_of on the keys of a dict is not supported")
    body = decimal_body(*bounds_of(node), places=0)
    return {"enum": []} if body is None else {"pattern": f"^{body}$"}


def _floats(walk: Walk, node: Node, place: Place) -> Schema:
    if node.keys() & {"multiple_of", "ge", "gt", "le", "lt"}:
        refuse(place, "constraints on keys of type float are not supported", hint="Use Decimal keys.")
    return {"pattern": FLOAT}


def _booleans(walk: Walk, node: Node, place: Place) -> Schema:
    return {"enum": ["true", "false"]}


def _members(walk: Walk, node: Node, place: Place) -> Schema:
    """The members of an enum or a literal that a name can stand for, as the validator itself reads them."""
    validator = SchemaValidator(core_schema.dict_schema(bare(node)), cast(CoreConfig, place.config))
    names = []
    for member in node["members"] if node["type"] == "enum" else node["expected"]:
        value = member.value if isinstance(member, Enum) else member
        try:
            read = validator.validate_json(to_json({str(value): None}))
        except ValidationError:
            read = {}
        if list(read) != [member]:
            refuse(place, f"no name in a JSON object is read as the key {member!r}", hint="Use strings for keys.")
        names.append(str(value))
    return {"enum": names}


def _union(walk: Walk, node: Node, place: Place) -> Schema:
    choices = [choice[0] if isinstance(choice, tuple) else choice for choice in node["choices"]]
    schemas = [key_schema(walk, choice, place) for choice in choices]
    if {} in schemas:
        return {}
    if all(schema.keys() == {"enum"} for schema in schemas):
        return {"enum": list(dict.fromkeys(name for schema in schemas for name in schema["enum"]))}
    return {"anyOf": schemas}


STEPS: Mapping[str, Callable[[Walk, Node, Place], Schema]] = {
    "int": _integers,
    "float": _floats,
    "bool": _booleans,
    "enum": _members,
    "literal": _members,
    "union": _union,
}
