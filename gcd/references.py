"""References and unevaluated properties for jsonschema: what `$ref` leads to, and what a schema has looked at.

Place in the walk: beside `gcd.validate`. jsonschema asks a resolver where it is; this one has the registry and the
dynamic scope of the front end, as `referencing` reads a `$ref` to a dynamic anchor dynamically, and has no scope for a
schema without `$id`. Which properties and items are evaluated is asked of our own patterns, in linear time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from grammars.frontends.json_schema.dialects import Dialect
from grammars.frontends.json_schema.registry import Registry, Scope

__all__ = ["REFERENCES", "Keyword", "Resolver", "descend", "unevaluated"]

Keyword: TypeAlias = Callable[[Any, Any, Any, Any], Iterator[Any]]
"""(validator, value of the keyword, instance, schema) -> errors."""


class Resolved(NamedTuple):
    """A schema, and the resolver in it."""

    contents: Any
    resolver: Resolver


@dataclass(frozen=True, slots=True)
class Resolver:
    """Where a validator is: in which scope of which registry, and in which dialect."""

    registry: Registry
    scope: Scope
    dialect: Dialect

    def lookup(self, reference: str, keyword: str = "$ref") -> Resolved:
        """What a reference leads to from here."""
        scope, place = self.registry.find(self.scope, keyword, reference, None)
        return Resolved(place.schema, Resolver(self.registry, scope, place.dialect).inside(place.schema))

    def inside(self, schema: object) -> Resolver:
        """The resolver in a subschema, which may have a dialect and a URI of its own."""
        if not isinstance(schema, dict) or schema is self.scope.resource.schema:
            return self
        scope, dialect = self.scope, self.dialect
        if "$schema" in schema:
            dialect = self.registry.dialect(schema["$schema"], "/$schema")
        if dialect.id_keyword in schema:
            scope = scope.enter(self.registry.embedded(schema, "", scope.resource, dialect))
        return Resolver(self.registry, scope, dialect)


def descend(
    validator: Any, instance: Any, schema: Any, path: Any = None, schema_path: Any = None, resolver: Any = None
) -> Iterator[Any]:
    """The errors of a subschema, read in its own dialect: jsonschema's own keeps that of the schema around it."""
    for error in _at(validator, schema, resolver).iter_errors(instance):
        if path is not None:
            error.path.appendleft(path)
        if schema_path is not None:
            error.schema_path.appendleft(schema_path)
        yield error


def _at(validator: Any, schema: Any, resolver: Resolver | None = None) -> Any:
    if resolver is None:
        resolver = validator._resolver.inside(schema)
    return validator.evolve(schema=schema, _resolver=resolver)


def _reference(keyword: str) -> Keyword:
    def check(validator: Any, reference: Any, instance: Any, schema: Any) -> Iterator[Any]:
        found = validator._resolver.lookup(reference, keyword)
        yield from validator.descend(instance, found.contents, resolver=found.resolver)

    return check


REFERENCES: dict[str, Keyword] = {name: _reference(name) for name in ("$ref", "$dynamicRef", "$recursiveRef")}


def unevaluated(keyword: str, finder: Callable[[str], Callable[[str], bool]], error: Callable[[str], Any]) -> Keyword:
    """`unevaluatedProperties` or `unevaluatedItems`; `finder` tells whether a pattern matches in a string."""
    kind, what = (dict, "properties") if keyword == "unevaluatedProperties" else (list, "items")

    def check(validator: Any, rest: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if not isinstance(instance, kind):
            return
        others = {name: value for name, value in schema.items() if name != keyword}
        known = _evaluated(validator.evolve(schema=others), instance, finder)
        left = [key for key in _keys(instance) if key not in known]
        if rest is False and left:
            yield error(f"unevaluated {what} are not allowed here: {', '.join(map(repr, left))}")
        elif rest is not False:
            for key in left:
                yield from validator.descend(instance[key], rest, path=key)

    return check


def _keys(instance: Any) -> Any:
    return instance if isinstance(instance, dict) else range(len(instance))


def _evaluated(validator: Any, instance: Any, finder: Callable[[str], Callable[[str], bool]]) -> set[Any]:
    """The properties or items that a schema, of which the instance is valid, has looked at (core, section 11)."""
    if not isinstance(validator.schema, dict):
        return set()
    schema = {name: value for name, value in validator.schema.items() if name in validator.VALIDATORS}
    found = _properties(schema, instance, finder) if isinstance(instance, dict) else _items(validator, schema, instance)
    for inner in _applied(validator, schema, instance):
        found |= _evaluated(inner, instance, finder)
    return found


def _properties(schema: Any, instance: Any, finder: Callable[[str], Callable[[str], bool]]) -> set[Any]:
    if "additionalProperties" in schema or "unevaluatedProperties" in schema:
        return set(instance)
    found = {name for name in instance if name in schema.get("properties", {})}
    for pattern in schema.get("patternProperties", {}):
        found |= {name for name in instance if finder(pattern)(name)}
    return found


def _items(validator: Any, schema: Any, instance: Any) -> set[Any]:
    items = schema.get("items")
    first = [*schema.get("prefixItems", ()), *(items if isinstance(items, list) else ())]
    others = validator.schema.get("additionalItems") if isinstance(items, list) else items
    if others is not None or "unevaluatedItems" in schema:
        return set(range(len(instance)))
    found = set(range(min(len(first), len(instance))))
    if "contains" in schema and validator._resolver.dialect.number > 8:
        inner = _at(validator, schema["contains"])
        found |= {index for index, item in enumerate(instance) if inner.is_valid(item)}
    return found


def _applied(validator: Any, schema: Any, instance: Any) -> Iterator[Any]:
    """The subschemas that hold of the same instance."""
    for name in REFERENCES:
        if name in schema:
            target = validator._resolver.lookup(schema[name], name)
            yield _at(validator, *target)
    for name in ("allOf", "anyOf", "oneOf"):
        for branch in schema.get(name, ()):
            inner = _at(validator, branch)
            if inner.is_valid(instance):
                yield inner
    if "if" in schema:
        condition = _at(validator, schema["if"])
        holds = condition.is_valid(instance)
        if holds:
            yield condition
        chosen = "then" if holds else "else"
        if chosen in validator.schema:
            yield _at(validator, validator.schema[chosen])
    if isinstance(instance, dict):
        for name in ("dependentSchemas", "dependencies"):
            for key, inner in schema.get(name, {}).items():
                if key in instance and not isinstance(inner, list):
                    yield _at(validator, inner)
