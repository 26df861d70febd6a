"""Registry: the schema itself, the schemas given beside it, and what a reference in one of them points to.

Place in the walk: URIs in a schema -> **Place** -> Location. A resource is a schema with a URI of its own (core,
section 9): a document, or a subschema with an `$id`. A `Scope` is a resource together with what matters of the way that
led there: for each name of a dynamic anchor the outermost resource that has it. Nothing is ever retrieved; the
meta-schemas of the specification are at hand. What keywords say of a value is not known here.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, NoReturn
from urllib.parse import unquote, urldefrag, urljoin

from grammars.errors import InvalidGrammar, UnsupportedFeature, place_of
from grammars.frontends.json_schema.dialects import NEWEST, Dialect, standard_dialect, with_vocabularies
from grammars.frontends.json_schema.source import escape, read_json, show, unescape

if TYPE_CHECKING:
    from grammars.frontends.json_schema.refs import Location

__all__ = ["Place", "Registry", "Resource", "Schemas", "Scope", "read_schemas"]

Schemas = Mapping[str, Mapping[str, object] | bool | str]
"""URI -> schema (a dict, a bool or JSON text): what references may lead to."""

_ONE = (
    "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
    "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
_LISTED = ("allOf", "anyOf", "items", "oneOf", "prefixItems")
_NAMED = ("$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties")
"""The keywords whose value is a schema, a list or an object of schemas: where an `$id` names one."""

_RECURSIVE = ""
"""What `$recursiveAnchor` is called among the dynamic anchors: no other has this name."""


class Place(NamedTuple):
    """A schema, where it stands, in which resource and in which dialect."""

    schema: object
    pointer: str
    resource: Resource
    dialect: Dialect


@dataclass(slots=True, eq=False)
class Resource:
    """A schema with a URI of its own, and the names of places in it; `dynamic` are those that other resources may take.

    `repeated` are the names that two places have.
    """

    uri: str
    schema: object
    pointer: str
    dialect: Dialect
    anchors: dict[str, Place] = field(default_factory=dict)
    dynamic: dict[str, Place] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)

    @property
    def place(self) -> Place:
        """Its root."""
        return Place(self.schema, self.pointer, self, self.dialect)

    def name(self, anchor: str, place: Place, *, dynamic: bool = False) -> None:
        """Gives a name to a place in it."""
        if anchor in self.anchors:
            self.repeated.add(anchor)
        self.anchors.setdefault(anchor, place)
        if dynamic:
            self.dynamic.setdefault(anchor, place)


class Scope:
    """A resource, as far as the way to it matters: `dynamic` has the outermost place of each dynamic anchor.

    Compared by identity; equal ones are one. `known` is what the front end keeps of schemas in this scope.
    """

    __slots__ = ("dynamic", "entered", "followed", "known", "registry", "resource")

    def __init__(self, registry: Registry, resource: Resource, dynamic: Mapping[str, Place] | None) -> None:
        self.registry, self.resource = registry, resource
        self.dynamic = dynamic  # None: that of the root, which is not read yet
        self.entered: dict[Resource, Scope] = {resource: self}
        self.known: dict[int | tuple[bool, str], Location] = {}
        self.followed: dict[str, Location] = {}

    def enter(self, resource: Resource) -> Scope:
        """The scope behind a reference to a resource, or behind an `$id`."""
        found = self.entered.get(resource)
        if found is None:
            found = self.entered[resource] = self.registry.scope(resource, {**resource.dynamic, **self.outermost})
        return found

    @property
    def outermost(self) -> Mapping[str, Place]:
        """Name of a dynamic anchor -> its place in the outermost resource that has one."""
        if self.dynamic is None:
            self.registry.read()
            self.dynamic = self.registry.root.dynamic
        return self.dynamic


class Registry:
    """All the schemas that references may lead to. What an ordinary schema does not need is read when it is asked for.

    Raises `InvalidGrammar` for schemas that are none, and what `dialect` raises.
    """

    def __init__(self, schema: object, schemas: Schemas | None = None, *, formats: bool = True) -> None:
        self.given, self.formats = read_schemas(schemas), formats
        self.root = Resource("", schema, "", self._read_as(NEWEST))
        self.start = Scope(self, self.root, None)
        self._read = False
        self._resources: dict[str, Resource] = {}
        self._repeated: set[str] = set()
        self._embedded: dict[tuple[int, Resource], Resource] = {}
        self._dialects: dict[str, Dialect | None] = {}
        self._scopes: dict[Hashable, Scope] = {}
        if isinstance(schema, dict) and "$schema" in schema:
            self.root.dialect = self.dialect(schema["$schema"], "/$schema")

    def scope(self, resource: Resource, dynamic: Mapping[str, Place]) -> Scope:
        """The one scope of a resource and dynamic anchors."""
        if not self._scopes:
            self._scopes[_scope_key(self.root, self.start.outermost)] = self.start
        key = _scope_key(resource, dynamic)
        found = self._scopes.get(key)
        if found is None:
            found = self._scopes[key] = Scope(self, resource, dynamic)
        return found

    # References

    def find(self, scope: Scope, keyword: str, reference: str, pointer: str | None) -> tuple[Scope, Place]:
        """Where `$ref`, `$dynamicRef` or `$recursiveRef` leads from a scope; `pointer` is where it stands, if known.

        Raises `InvalidGrammar` for what points to nothing, `UnsupportedFeature` for a URI that nothing here has.
        """
        place = self._static(scope.resource, keyword, reference, pointer)
        name = None
        if keyword == "$recursiveRef":
            name = _RECURSIVE
        elif keyword == "$dynamicRef":
            name = unquote(reference.partition("#")[2]) or None
        if name is not None and name in place.resource.dynamic:
            place = scope.outermost.get(name, place)
        return scope.enter(place.resource), place

    def _static(self, base: Resource, keyword: str, reference: str, pointer: str | None) -> Place:
        """Where a reference in a resource leads, whatever led there (RFC 3986, section 5)."""
        if reference.startswith("#"):
            resource, fragment = base, reference[1:]
        else:
            self.read()
            try:
                uri, fragment = urldefrag(urljoin(base.uri, reference))
            except ValueError:
                raise InvalidGrammar(
                    f"{keyword} must be a URI reference, got {show(reference)}", pointer=pointer
                ) from None
            found = self._resource(uri, keyword, reference, pointer)
            if found is None and uri != base.uri:
                self._unknown(uri, keyword, reference, pointer)
            resource = found or base
        fragment = unquote(fragment)
        if fragment.startswith("/"):
            return self._follow(resource, fragment, keyword, reference, pointer)
        if not fragment:
            return resource.place
        self.read()
        if fragment in resource.repeated:
            raise InvalidGrammar(
                f"{keyword} {show(reference)} may be two places: two anchors have this name", pointer=pointer
            )
        if fragment not in resource.anchors:
            raise InvalidGrammar(
                f"{keyword} {show(reference)} points to nothing",
                pointer=pointer,
                hint=_did_you_mean(fragment, resource.anchors, "#"),
            )
        return resource.anchors[fragment]

    def _follow(self, resource: Resource, fragment: str, keyword: str, reference: str, pointer: str | None) -> Place:
        """The place that a JSON pointer leads to; on the way other resources may be entered."""
        target, steps, dialect = resource.schema, resource.pointer, resource.dialect
        for step in fragment.split("/")[1:]:
            name = unescape(step)
            if isinstance(target, dict) and name in target:
                target = target[name]
            elif isinstance(target, list) and name.isdecimal() and int(name) < len(target):
                target = target[int(name)]
            else:
                _points_to_nothing(keyword, reference, pointer, target, steps, name)
            steps += f"/{escape(name)}"
            if isinstance(target, dict):
                if isinstance(target.get("$id"), str) or isinstance(target.get("id"), str):
                    self.read()
                    entered = self._embedded.get((id(target), resource))
                    if entered is not None:
                        resource, dialect = entered, entered.dialect
                if isinstance(target.get("$schema"), str):
                    dialect = self.dialect(target["$schema"], f"{steps}/$schema")
        return Place(target, steps, resource, dialect)

    def embedded(self, schema: Mapping[str, object], pointer: str, around: Resource, dialect: Dialect) -> Resource:
        """The resource that a subschema begins by its `$id`; the one around it where it begins none."""
        if not isinstance(schema.get(dialect.id_keyword), str):
            return around
        self.read()
        found = self._embedded.get((id(schema), around))
        if found is None:  # below a keyword that is not known: its URI is a base, but no reference leads to it
            named = _names(schema, dialect, around.uri)
            if named is None:
                return around
            found = self._embedded[id(schema), around] = Resource(named[0], schema, pointer, dialect)
            self._read_below(found, public=False)
        return found

    # Resources

    def _resource(self, uri: str, keyword: str, reference: str, pointer: str | None) -> Resource | None:
        self.read()
        if uri in self._repeated:
            raise InvalidGrammar(
                f"{keyword} {show(reference)} may be two schemas: both are called {show(uri)}", pointer=pointer
            )
        return self._resources.get(uri) or self._meta_schema(uri)

    def _meta_schema(self, uri: str) -> Resource | None:
        """One of the specification's own."""
        from jsonschema_specifications import REGISTRY

        if uri not in REGISTRY:
            return None
        self._read_document(uri, REGISTRY.contents(uri))
        return self._resources.get(uri)

    def read(self) -> None:
        """Reads which resources and anchors there are in the schema and in those given beside it."""
        if self._read:
            return
        named = _names(self.root.schema, self.root.dialect, "")
        if named is not None:
            self.root.uri = named[0]
        self._add(self.root.uri, self.root)
        self._read_below(self.root)
        for uri, schema in self.given.items():
            self._read_document(uri, schema)
        self._read = True

    def _read_document(self, uri: str, schema: object) -> None:
        """A document is known by the URI that it is given by and by its own `$id`."""
        resource = Resource(uri, schema, f"{uri}#", self.root.dialect)
        resource.dialect = self._in_its_dialect(resource.place).dialect
        named = _names(schema, resource.dialect, uri)
        if named is not None:
            resource.uri = named[0]
        self._read_below(resource)
        for name in dict.fromkeys((uri, resource.uri)):
            self._add(name, resource)

    def _add(self, uri: str, resource: Resource) -> None:
        known = self._resources.setdefault(uri, resource)
        if known is not resource and known.schema != resource.schema:
            self._repeated.add(uri)

    def _read_below(self, resource: Resource, *, public: bool = True) -> None:
        """Reads the anchors of a resource, and the resources embedded in it."""
        resources = [resource]
        while resources:
            around = resources.pop()
            pending = [around.place] if isinstance(around.schema, dict) else []
            seen = set[int]()
            while pending:
                place = pending.pop()
                if id(place.schema) in seen:
                    continue
                seen.add(id(place.schema))
                place = self._in_its_dialect(place)
                named = None if place.schema is around.schema else _names(place.schema, place.dialect, around.uri)
                if named is None:
                    _read_anchors(place)
                    pending += _subschemas(place)
                    continue
                inner = Resource(named[0], place.schema, place.pointer, place.dialect)
                self._embedded[id(place.schema), around] = inner
                if public:
                    self._add(inner.uri, inner)
                resources.append(inner)

    def _in_its_dialect(self, place: Place) -> Place:
        """A schema that is not in use yet: where its dialect is not known, that is told when it is."""
        if isinstance(place.schema, dict) and "$schema" in place.schema:
            try:
                return place._replace(dialect=self.dialect(place.schema["$schema"], ""))
            except (InvalidGrammar, UnsupportedFeature):
                pass
        return place

    # Dialects

    def dialect(self, uri: object, pointer: str) -> Dialect:
        """The dialect that `$schema` names: one of the specification, or that of a meta-schema given beside.

        Raises `UnsupportedFeature` for one that is not known.
        """
        if isinstance(uri, str):
            standard = standard_dialect(uri, pointer)
            if standard is not None:
                return self._read_as(standard)
            found = self._custom_dialect(urldefrag(uri).url)
            if found is not None:
                return found
        raise UnsupportedFeature(
            f"$schema {show(uri)} is a dialect that is not known here",
            pointer=pointer,
            hint='use "https://json-schema.org/draft/2020-12/schema" or another draft from 4 on, leave $schema out, '
            "or give its meta-schema in schemas=",
        )

    def _read_as(self, dialect: Dialect) -> Dialect:
        """The dialect as it is to be read here: without formats, or as it is."""
        return dialect if self.formats else dialect.leaving_out("format")

    def _custom_dialect(self, uri: str) -> Dialect | None:
        """What a meta-schema says of itself; None where there is none, or where it is its own."""
        if uri in self._dialects:
            return self._dialects[uri]
        meta = self.given.get(uri)
        if meta is None:
            meta = next((other for other in self.given.values() if _is_called(other, uri)), None)
        if not isinstance(meta, dict):
            return None
        self._dialects[uri] = None  # until it is known, it is none
        try:
            written_in = self.dialect(meta["$schema"], f"{uri}#/$schema") if "$schema" in meta else NEWEST
            found = Dialect(written_in.number, written_in.stated)
            if "$vocabulary" in meta and found.number > 7:
                found = with_vocabularies(found, meta["$vocabulary"], f"{uri}#/$vocabulary")
        except (InvalidGrammar, UnsupportedFeature):
            del self._dialects[uri]
            raise
        found = self._dialects[uri] = self._read_as(found)
        return found

    def _unknown(self, uri: str, keyword: str, reference: str, pointer: str | None) -> NoReturn:
        called = "" if uri == reference else f" ({uri})"
        if reference.partition("#")[0] in self.given:
            hint = f"schemas= has {show(reference)}, but by the $id around it this is {show(uri)}: use that for its key"
        else:
            hint = _did_you_mean(uri, [name for name in self._resources if name], "") or (
                f"nothing is ever fetched: give that schema in schemas={{{show(uri)}: ...}}, or copy it under $defs"
            )
        raise UnsupportedFeature(
            f"{keyword} {show(reference)}{called} is neither in this schema nor in schemas=", pointer=pointer, hint=hint
        )


def read_schemas(schemas: Schemas | None) -> dict[str, object]:
    """URI -> schema, with the JSON texts read; raises `InvalidGrammar` for a name or a schema that is none."""
    if schemas is None:
        return {}
    if not isinstance(schemas, Mapping):
        raise InvalidGrammar(
            f"schemas= must map URIs to schemas, got {show(schemas)}", hint='write schemas={"https://...": {...}}'
        )
    found: dict[str, object] = {}
    for name, given in schemas.items():
        if not isinstance(name, str) or not name.removesuffix("#"):
            raise InvalidGrammar(f"schemas= must have URIs for keys, got {show(name)}")
        uri = name.removesuffix("#")
        if "#" in uri:
            raise InvalidGrammar(
                f"schemas= must have URIs without a fragment for keys, got {show(name)}",
                hint="give the whole document; references may have the fragment",
            )
        if uri in found:
            raise InvalidGrammar(f"schemas= has {show(uri)} twice, with and without an empty fragment")
        schema: object = given
        if isinstance(given, str):
            try:
                schema = read_json(given)
            except InvalidGrammar as error:
                raise InvalidGrammar(
                    f"in schemas={{{show(uri)}: ...}}: {error.message}", span=error.span, hint=error.hint
                ) from None
        if not isinstance(schema, dict | bool):
            hint = "the keys are URIs, each with its schema" if uri in ("type", "properties", "$defs") else None
            raise InvalidGrammar(
                f"schemas={{{show(uri)}: ...}} must be a schema: a dict, a bool or JSON text, not {show(schema)}",
                hint=hint,
            )
        found[uri] = schema
    return found


def _scope_key(resource: Resource, dynamic: Mapping[str, Place]) -> Hashable:
    return resource, frozenset([(name, place.resource) for name, place in dynamic.items()])


def _names(schema: object, dialect: Dialect, base: str) -> tuple[str, str] | None:
    """The URI, and the fragment, that a schema gives itself by `$id`; None where it begins no resource."""
    name = schema.get(dialect.id_keyword) if isinstance(schema, dict) else None
    if not isinstance(name, str) or name.startswith("#") or _ref_alone(schema, dialect):
        return None
    try:
        uri, fragment = urldefrag(urljoin(base, name))
    except ValueError:
        return None
    return uri, fragment


def _ref_alone(schema: object, dialect: Dialect) -> bool:
    """Whether what stands beside `$ref`, such as `$id`, is ignored."""
    return dialect.ref_stands_alone and isinstance(schema, dict) and "$ref" in schema


def _read_anchors(place: Place) -> None:
    """Gives a place the names that its schema gives itself."""
    schema, _, resource, dialect = place
    assert isinstance(schema, dict)
    if dialect.number <= 7 and not _ref_alone(schema, dialect):
        name = schema.get(dialect.id_keyword)
        fragment = name.partition("#")[2] if isinstance(name, str) else ""
        if fragment and not fragment.startswith("/"):
            resource.name(unquote(fragment), place)
    if dialect.knows(8, 9) and isinstance(name := schema.get("$anchor"), str):
        resource.name(name, place)
    if dialect.knows(9, 9) and isinstance(name := schema.get("$dynamicAnchor"), str):
        resource.name(name, place, dynamic=True)
    if dialect.knows(8, 8) and schema is resource.schema and schema.get("$recursiveAnchor") is True:
        resource.dynamic[_RECURSIVE] = place


def _subschemas(place: Place) -> Iterator[Place]:
    """The subschemas that are objects, each for now in the dialect and the resource around it."""
    schema, pointer = place.schema, place.pointer
    assert isinstance(schema, dict)
    for keyword in _ONE:
        if isinstance(value := schema.get(keyword), dict):
            yield place._replace(schema=value, pointer=f"{pointer}/{keyword}")
    for keyword in _LISTED:
        if isinstance(values := schema.get(keyword), list):
            for index, value in enumerate(values):
                if isinstance(value, dict):
                    yield place._replace(schema=value, pointer=f"{pointer}/{keyword}/{index}")
    for keyword in _NAMED:
        if isinstance(named := schema.get(keyword), dict):
            for name, value in named.items():
                if isinstance(value, dict):
                    yield place._replace(schema=value, pointer=f"{pointer}/{keyword}/{escape(str(name))}")


def _is_called(schema: object, uri: str) -> bool:
    return isinstance(schema, dict) and schema.get("$id", schema.get("id")) in (uri, f"{uri}#")


def _points_to_nothing(
    keyword: str, reference: str, pointer: str | None, target: object, steps: str, name: str
) -> NoReturn:  # fmt: skip
    hint = f"{place_of(steps)} has no {show(name)}" if steps else f"the schema has no {show(name)}"
    if isinstance(target, dict):
        close = difflib.get_close_matches(name, [key for key in target if isinstance(key, str)], n=1)
        if close:
            hint += f"; did you mean {place_of(steps)}/{escape(close[0])}?"
    raise InvalidGrammar(f"{keyword} {show(reference)} points to nothing", pointer=pointer, hint=hint)


def _did_you_mean(name: str, known: Mapping[str, object] | list[str], prefix: str) -> str | None:
    close = difflib.get_close_matches(name, [*known], n=1, cutoff=0.8)
    return f"did you mean {show(prefix + close[0])}?" if close else None
