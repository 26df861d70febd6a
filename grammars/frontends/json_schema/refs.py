"""Document and Location: a JSON Schema read once, its subschemas, and what references in them point to.

Place in the walk: JSON Schema text -> **Document** -> keywords -> Grammar. A `Location` is one subschema object in one
scope, however many paths and references lead to it; identity of locations is identity of subschemas, which is what
makes recursion end. Where a reference leads is for the `Registry` to say; what the keywords mean is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from grammars.errors import InvalidGrammar, LimitExceeded, place_of
from grammars.frontends.json_schema.dialects import Dialect
from grammars.frontends.json_schema.registry import Registry, Schemas, Scope
from grammars.frontends.json_schema.source import escape, read_json, show

if TYPE_CHECKING:
    from grammars.frontends.json_schema.parts import Own, Union

__all__ = ["Document", "Location", "show"]

_Key: TypeAlias = int | tuple[bool, str]

_DEPTH = 1_000
"""Most subschemas inside each other: a pointer to the innermost one, of which each has its own, has about 10 KB."""


class Location:
    """One subschema: its JSON value, the pointer where it was first met, the scope and the draft that it is read in.

    Compared by identity; `Document.locate` makes one per subschema object and scope.
    """

    __slots__ = ("complement", "depth", "dialect", "document", "own", "pointer", "schema", "scope")

    def __init__(
        self, schema: object, pointer: str, document: Document, scope: Scope, depth: int, dialect: Dialect
    ) -> None:
        self.schema, self.pointer, self.document, self.scope = schema, pointer, document, scope
        self.depth, self.dialect = depth, dialect
        self.own: Own | None = None  # what the keywords say, filled by `keywords.read`
        self.complement: Union | None = None  # filled by `negation.negated`

    def __repr__(self) -> str:
        return f"Location({place_of(self.pointer)})"

    def child(self, schema: object, keyword: str) -> Location:
        """The subschema `schema` that is the value of a keyword of this one."""
        return self.document.locate(schema, f"{self.pointer}/{keyword}", self)

    def listed(self, schemas: list[object], keyword: str) -> tuple[Location, ...]:
        """The subschemas in the list that is the value of a keyword of this one."""
        locate, below = self.document.locate, f"{self.pointer}/{keyword}"
        return tuple([locate(schema, f"{below}/{index}", self) for index, schema in enumerate(schemas)])

    def named(self, schemas: Mapping[str, object], keyword: str) -> dict[str, Location]:
        """The subschemas in the object that is the value of a keyword of this one."""
        locate, below = self.document.locate, f"{self.pointer}/{keyword}"
        return {name: locate(schema, f"{below}/{escape(name)}", self) for name, schema in schemas.items()}


class Document:
    """A whole schema and those given beside it: the root of all locations, and of all references."""

    def __init__(
        self, schema: Mapping[str, object] | bool | str, schemas: Schemas | None = None, *, formats: bool = True
    ) -> None:
        self.source: str | None = schema if isinstance(schema, str) else None
        self.schema: object = read_json(schema) if isinstance(schema, str) else schema
        self.registry = Registry(self.schema, schemas, formats=formats)
        self._locations: list[Location] = []
        start = self.registry.start
        self.root = self._new(self._key(self.schema, ""), self.schema, "", start, 0, start.resource.dialect)

    def locate(self, schema: object, pointer: str, parent: Location) -> Location:
        """The location of a subschema object; raises `InvalidGrammar` when it is no schema at all."""
        key = id(schema) if isinstance(schema, dict) else self._key(schema, pointer)
        known = parent.scope.known.get(key)
        if known is None:
            known = self._new(key, schema, pointer, parent.scope, parent.depth + 1, parent.dialect)
        return known

    def located(self, schema: dict[str, object], pointer: str, depth: int) -> Location:
        """The location of a subschema of the root's own resource and dialect, whatever stands between them."""
        root = self.root
        known = root.scope.known.get(id(schema))
        return known or self._new(id(schema), schema, pointer, root.scope, depth, root.dialect)

    def _key(self, schema: object, pointer: str) -> _Key:
        """What a schema is known by: an object by its identity, a boolean by its place."""
        if isinstance(schema, dict):
            return id(schema)
        if isinstance(schema, bool):
            return schema, pointer
        hint = None
        if schema is self.schema:
            hint = "pass a dict, a bool or JSON text; for a Python type use generate(schema=Type)"
        raise InvalidGrammar(f"a schema must be an object or a boolean, got {show(schema)}", pointer=pointer, hint=hint)

    def _new(self, key: _Key, schema: object, pointer: str, scope: Scope, depth: int, dialect: Dialect) -> Location:
        """A schema that is new in its scope; it may be known in the one that its `$id` enters."""
        if depth > _DEPTH:
            raise LimitExceeded(
                f"the schema is nested more than {_DEPTH:,} deep",
                pointer=f"{pointer[:60]}...",
                hint="move inner parts to $defs",
            )
        inside = scope
        if isinstance(schema, dict):
            if "$schema" in schema and depth:
                dialect = self.registry.dialect(schema["$schema"], f"{pointer}/$schema")
            if ("$id" in schema or "id" in schema) and schema is not scope.resource.schema:
                inside = scope.enter(self.registry.embedded(schema, pointer, scope.resource, dialect))
        made = inside.known.get(key) if inside is not scope else None
        if made is None:
            made = inside.known[key] = Location(schema, pointer, self, inside, depth, dialect)
            self._locations.append(made)
        scope.known[key] = made
        return made

    def locations(self) -> Iterator[Location]:
        """All subschemas met so far, in that order."""
        yield from self._locations

    def resolve(self, location: Location, keyword: str, reference: str) -> Location:
        """The location that a reference inside `location` points to: `resolve(location, "$ref", "#/$defs/a")`.

        Raises `InvalidGrammar` for a pointer to nothing, `UnsupportedFeature` for a URI that nothing here has.
        """
        followed = location.scope.followed
        target = followed.get(reference) if keyword == "$ref" else None
        if target is None:
            scope, place = self.registry.find(location.scope, keyword, reference, f"{location.pointer}/{keyword}")
            key = self._key(place.schema, place.pointer)
            target = scope.known.get(key)
            if target is None:
                target = self._new(key, place.schema, place.pointer, scope, 1, place.dialect)
            if keyword == "$ref":
                followed[reference] = target
        return target
