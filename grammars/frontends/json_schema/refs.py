"""Document and Location: a JSON Schema read once, its subschemas, and what `$ref` points to.

Place in the walk: JSON Schema text -> **Document** -> keywords -> Grammar. A `Location` is one subschema object,
however many paths and references lead to it; identity of locations is identity of subschemas, which is what makes
recursion end. References stay inside the document: `referencing` does the arithmetic of URIs and anchors, with a
registry that retrieves nothing. What the keywords mean is not known here.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote

from grammars.errors import InvalidGrammar, LimitExceeded, Span, UnsupportedFeature

if TYPE_CHECKING:
    from referencing._core import Resolver

    from grammars.frontends.json_schema.parts import Own, Union

__all__ = ["Dialect", "Document", "Location", "escape", "show"]

_DEPTH = 1_000
"""Most subschemas inside each other: a pointer to the innermost one, of which each has its own, has about 10 KB."""

_DIALECT = re.compile(r"https?://json-schema\.org/(?:draft[-/])?(\d\d\d\d-\d\d|0\d|schema)(?:/.*)?#?")
_CONTAINERS = (dict, list)
_NUMBERS = {"04": 4, "05": 4, "06": 6, "07": 7, "2019-09": 8, "2020-12": 9, "schema": 9}


@dataclass(frozen=True, slots=True)
class Dialect:
    """A version of JSON Schema: 4, 6, 7, 8 (2019-09) or 9 (2020-12); `stated` when `$schema` names it.

    Without `$schema` a schema is read as 2020-12, and what older drafts wrote otherwise (`items` as a list,
    `dependencies`) keeps its old meaning: no newer keyword means anything else by it.
    """

    number: int = 9
    stated: bool = False

    @property
    def name(self) -> str:
        return {4: "draft-04", 6: "draft-06", 7: "draft-07", 8: "2019-09", 9: "2020-12"}[self.number]

    @property
    def id_keyword(self) -> str:
        return "id" if self.number == 4 else "$id"

    @property
    def ref_stands_alone(self) -> bool:
        """Whether siblings of `$ref` are ignored (draft-07 and before, section 8.3)."""
        return self.number <= 7

    def knows(self, since: int, until: int) -> bool:
        """Whether a keyword of the drafts `since` to `until` means something here."""
        return not self.stated or since <= self.number <= until


class Location:
    """One subschema: its JSON value, the pointer where it was first met, the draft it is written in.

    Compared by identity; `Document.locate` makes one per subschema object.
    """

    __slots__ = ("complement", "depth", "dialect", "document", "own", "parent", "pointer", "resolver", "schema")

    def __init__(self, schema: object, pointer: str, document: Document, parent: Location | None) -> None:
        self.schema, self.pointer, self.document, self.parent = schema, pointer, document, parent
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.dialect: Dialect = document.dialect if parent is None else parent.dialect
        self.resolver: Resolver[Any] | None = None  # set where a reference by URI led here
        self.own: Own | None = None  # what the keywords say, filled by `keywords.read`
        self.complement: Union | None = None  # filled by `negation.negated`

    def __repr__(self) -> str:
        return f"Location(#{self.pointer})"

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
    """A whole schema: the root of all locations, and of all references."""

    def __init__(self, schema: Mapping[str, object] | bool | str, *, formats: bool = True) -> None:
        self.formats = formats  # whether `format` says something about values
        self.source: str | None = schema if isinstance(schema, str) else None
        self.schema: object = _read(schema) if isinstance(schema, str) else schema
        self.dialect: Dialect = Dialect()
        self._locations: dict[int | tuple[bool, str], Location] = {}
        self._followed: dict[str, Location] = {}
        self._pointers: dict[int, str] | None = None
        self._embedded: bool | None = None
        self.root = self.locate(self.schema, "", None)

    def locate(self, schema: object, pointer: str, parent: Location | None) -> Location:
        """The location of a subschema object; raises `InvalidGrammar` when it is no schema at all."""
        if isinstance(schema, dict):
            key: int | tuple[bool, str] = id(schema)
        elif isinstance(schema, bool):
            key = (schema, pointer)
        else:
            hint = None
            if schema is self.schema:
                hint = "pass a dict, a bool or JSON text; for a Python type use generate(schema=Type)"
            raise InvalidGrammar(
                f"a schema must be an object or a boolean, got {show(schema)}", pointer=pointer, hint=hint
            )
        known = self._locations.get(key)
        if known is None:
            if parent is not None and parent.depth >= _DEPTH:
                raise LimitExceeded(
                    f"the schema is nested more than {_DEPTH:,} deep",
                    pointer=f"{pointer[:60]}...",
                    hint="move inner parts to $defs",
                )
            known = self._locations[key] = Location(schema, pointer, self, parent)
            if isinstance(schema, dict) and "$schema" in schema:
                known.dialect = _dialect(schema["$schema"], f"{pointer}/$schema")
        return known

    def locations(self) -> Iterator[Location]:
        """All subschemas met so far, in that order."""
        yield from self._locations.values()

    def resolve(self, location: Location, reference: str) -> Location:
        """The location that `$ref: reference` inside `location` points to.

        Raises `InvalidGrammar` for a pointer to nothing, `UnsupportedFeature` for what lies outside the document.
        """
        if self._embedded is None:
            keywords = ("$id", "id") if self.root.dialect.number == 4 else ("$id",)
            self._embedded = _embeds(self.schema, keywords)
        if self._embedded or not (reference == "#" or reference.startswith("#/")):
            return self._look_up(location, reference)
        target = self._followed.get(reference)
        if target is None:
            target = self._followed[reference] = self._follow(location, reference)
        return target

    def _follow(self, location: Location, reference: str) -> Location:
        """The common case, `#/...` in a document that is one resource."""
        target: object = self.schema
        pointer = ""
        for step in unquote(reference[1:]).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, dict) and name in target:
                target = target[name]
            elif isinstance(target, list) and name.isdecimal() and int(name) < len(target):
                target = target[int(name)]
            else:
                _points_to_nothing(location, reference, target, pointer, name)
            pointer += f"/{escape(name)}"
        return self.locate(target, pointer, self.root)

    def _look_up(self, location: Location, reference: str) -> Location:
        from referencing.exceptions import NoSuchAnchor, PointerToNowhere, Unresolvable

        try:
            resolved = self._resolver(location).lookup(reference)
        except (PointerToNowhere, NoSuchAnchor):
            raise InvalidGrammar(
                f"$ref {show(reference)} points to nothing", pointer=f"{location.pointer}/$ref"
            ) from None
        except (Unresolvable, ValueError):
            raise UnsupportedFeature(
                f"$ref {show(reference)} is not inside this schema",
                pointer=f"{location.pointer}/$ref",
                hint="nothing is ever fetched: copy that schema under $defs and refer to it there",
            ) from None
        if self._pointers is None:
            self._pointers = {id(node): pointer for node, pointer in _objects(self.schema)}
        contents = resolved.contents
        target = self.locate(contents, self._pointers.get(id(contents), reference), self.root)
        if target.resolver is None and target is not self.root:
            target.resolver = resolved.resolver
        return target

    def _resolver(self, location: Location) -> Resolver[Any]:
        """The base URI at a location: the resources around it, from the outermost in."""
        from referencing import Registry, Resource
        from referencing.jsonschema import DRAFT4, DRAFT6, DRAFT7, DRAFT201909, DRAFT202012

        specifications = {4: DRAFT4, 6: DRAFT6, 7: DRAFT7, 8: DRAFT201909, 9: DRAFT202012}
        around = []
        here: Location | None = location
        while here is not None and here.parent is not None and here.resolver is None:
            if isinstance(here.schema, dict) and isinstance(here.schema.get(here.dialect.id_keyword), str):
                around.append(here)
            here = here.parent
        if here is not None and here.resolver is not None:
            resolver = here.resolver
        else:
            root: Resource[Any] = specifications[self.root.dialect.number].create_resource(self.schema)
            registry: Registry[Any] = Registry()
            resolver = registry.with_resource(root.id() or "", root).resolver(root.id() or "")
        for outer in reversed(around):
            resource: Resource[Any] = specifications[outer.dialect.number].create_resource(outer.schema)
            resolver = resolver.in_subresource(resource)
        return resolver


def escape(name: str) -> str:
    """A property name as a step of a JSON pointer (RFC 6901): `a/b` -> `a~1b`."""
    return name.replace("~", "~0").replace("/", "~1")


def show(value: object) -> str:
    """A JSON value for a message, cut after 60 characters; the type's name for what is no JSON."""
    kind = f"a Python {type(value).__name__}"
    if not isinstance(value, str | int | float | list | dict | None):
        return kind
    try:
        shown = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return kind
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _read(text: str) -> object:
    def constant(name: str) -> NoReturn:
        raise InvalidGrammar(f"{name} is not a JSON value", span=_span(text, text.find(name), len(name)))

    try:
        return json.loads(text, parse_constant=constant)
    except json.JSONDecodeError as error:
        hint = "a JSON Schema is JSON text; a file is read from a pathlib.Path" if error.pos == 0 else None
        message = f"this is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise InvalidGrammar(message, span=_span(text, error.pos, 1), hint=hint) from None
    except InvalidGrammar:
        raise
    except RecursionError:
        raise LimitExceeded("the schema's JSON text is nested too deeply to be read") from None
    except ValueError as error:  # an integer of more than 4,300 digits
        raise LimitExceeded(f"a number in the schema is too long: {error}") from None


def _span(text: str, start: int, width: int) -> Span:
    start = max(0, min(start, len(text) - 1))
    return Span(text, start, start + width)


def _dialect(uri: object, pointer: str) -> Dialect:
    match = _DIALECT.fullmatch(uri) if isinstance(uri, str) else None
    if match is None:
        raise UnsupportedFeature(
            f"$schema {show(uri)} is a dialect that is not known here",
            pointer=pointer,
            hint='use "https://json-schema.org/draft/2020-12/schema" or another draft from 4 on, or leave $schema out',
        )
    number = _NUMBERS.get(match[1])
    if number is None:
        raise UnsupportedFeature(
            f"$schema {show(uri)} is older than draft-04", pointer=pointer, hint="drafts from 4 to 2020-12 are read"
        )
    return Dialect(number, stated=match[1] != "schema")


def _points_to_nothing(location: Location, reference: str, target: object, pointer: str, name: str) -> NoReturn:
    hint = f"#{pointer} has no {show(name)}" if pointer else f"the schema has no {show(name)}"
    if isinstance(target, dict):
        close = difflib.get_close_matches(name, [key for key in target if isinstance(key, str)], n=1)
        if close:
            hint += f"; did you mean #{pointer}/{escape(close[0])}?"
    raise InvalidGrammar(f"$ref {show(reference)} points to nothing", pointer=f"{location.pointer}/$ref", hint=hint)


def _embeds(schema: object, keywords: tuple[str, ...]) -> bool:
    """Whether some object in the document, below the root, names itself a resource by one of the keywords."""
    seen = set[int]()
    pending = [schema]
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        if isinstance(node, dict):
            for keyword in keywords:
                if seen and isinstance(node.get(keyword), str):
                    return True
            pending += [value for value in node.values() if isinstance(value, _CONTAINERS)]
        elif isinstance(node, list):
            pending += [value for value in node if isinstance(value, _CONTAINERS)]
        seen.add(id(node))
    return False


def _objects(schema: object) -> Iterator[tuple[dict[str, object], str]]:
    """All JSON objects in the document with their pointers, without recursion."""
    pending: list[tuple[object, str]] = [(schema, "")]
    seen: set[int] = set()
    while pending:
        node, pointer = pending.pop()
        if not isinstance(node, dict | list) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            yield node, pointer
            pending += [(value, f"{pointer}/{escape(str(key))}") for key, value in node.items()]
        else:
            pending += [(value, f"{pointer}/{index}") for index, value in enumerate(node)]
