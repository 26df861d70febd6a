"""Later: the rules of plain subschemas, made when they are entered.

Place in the walk: JSON Schema -> **rules that wait** -> Grammar. What most plain subschemas are (objects of declared
members, lists, listed strings, a type alone) is written from the JSON at once: the same nodes that come of reading all
keywords into `parts`, in a fraction of the time. The others go that way, when their rule is asked for. What is plain is
for `plain.py` to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from grammars.errors import place_of
from grammars.frontends.json_schema.anything import ANY, ANY_OF_TYPES
from grammars.frontends.json_schema.arrays import list_node
from grammars.frontends.json_schema.chains import END, begin_of_members, members_node
from grammars.frontends.json_schema.parts import ARRAY, OBJECT
from grammars.frontends.json_schema.plain import Plain, types_of
from grammars.frontends.json_schema.refs import Location
from grammars.frontends.json_schema.source import escape
from grammars.frontends.json_schema.strings import ANY_TEXT, excluding
from grammars.frontends.json_schema.values import key_text
from grammars.ir import Bytes, Node, Ref, Sequence, Shared
from grammars.openings import MOST_MEMBERS
from grammars.words import one_of

if TYPE_CHECKING:
    from grammars.frontends.json_schema.compiler import Compiler

__all__ = ["Later"]

_DEEP = 500
"""How deep in the schema those subschemas may stand that wait: at half of what is read."""

_MOST = 30_000
"""The rules from which on none waits: there must be room for those that do."""


class Waiting(NamedTuple):
    """A subschema whose rule waits: its JSON, where it stands, and below how many others."""

    schema: dict[str, Any]
    pointer: str
    depth: int


class Later:
    """The plain subschemas by the names of their rules: a `grammars.ir.Later`."""

    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler
        self.root = compiler.document.root
        self.plain = Plain(self.root.schema, self.root.dialect)
        self.waiting: dict[str, Waiting] = {}
        self.promised: set[str] = set()
        self.certain: list[str] = []
        self.refs: dict[int, Ref] = {}  # of the subschemas that wait or did, by identity
        self.values: dict[str, Node] = {}  # what stands behind a key: gaps, a colon, and the shared rule of that name

    def takes(self, location: Location) -> bool:
        """Whether the rule of a subschema may wait."""
        return self._is_near(location) and self.plain.has(location.schema)

    def writes(self, location: Location) -> bool:
        """Whether a subschema that may not wait is an object that is written from the JSON."""
        schema = location.schema
        if not isinstance(schema, dict) or not self._is_near(location) or not self.plain.has_alone(schema):
            return False
        said = self.plain.said(schema)
        return _is_of_members(said) and "type" in said and types_of(schema["type"]) == OBJECT

    def body(self, location: Location) -> Node | None:
        """The node of an object that `writes`; None for all others, and for one that goes the long way."""
        schema = location.schema
        if not isinstance(schema, dict) or not self.writes(location):
            return None
        return self.object_node(schema, location.pointer, location.depth)

    def _is_near(self, location: Location) -> bool:
        """Whether a subschema belongs to the root's resource, is not too deep, and there is room for more rules."""
        root = self.root
        return (
            location.depth <= _DEEP
            and location.scope is root.scope
            and location.dialect is root.dialect
            and len(self.compiler.refs) < _MOST
        )

    def ref(self, schema: Any, pointer: str, depth: int) -> Ref:
        """The rule of a plain subschema; it waits from now on, unless it is shared or a literal."""
        while schema is not True:
            name = ANY_OF_TYPES.get(self.plain.typed.get(id(schema), 0))
            if name is not None:
                return self.compiler.any(name)
            known = self.refs.get(id(schema))
            if known is not None:
                return known
            said = self.plain.said(schema)
            if not said:
                break
            if len(said) > 1:
                return self._new(schema, said, pointer, depth)
            (keyword,) = said
            if keyword == "$ref":
                schema, pointer, depth = *self.plain.follow(schema["$ref"]), 1
            elif keyword == "allOf":
                schema, pointer, depth = schema["allOf"][0], f"{pointer}/allOf/0", depth + 1
            elif keyword == "type" and (shared := ANY_OF_TYPES.get(types_of(schema["type"]))) is not None:
                return self.compiler.any(shared)
            else:
                return self._new(schema, said, pointer, depth)
        return self.compiler.any(ANY)

    def _new(self, schema: dict[str, Any], said: list[str], pointer: str, depth: int) -> Ref:
        name = self.compiler.name(place_of(pointer))
        found = self.refs[id(schema)] = Ref(name)
        self.promised.add(name)
        values: list[object] = schema["enum"] if "enum" in said else [schema["const"]] if "const" in said else []
        if len(values) == 1 and isinstance(text := values[0], str):  # its text goes into the rule around it
            self.compiler.rules[name] = Bytes(key_text(text))
            self.certain.append(name)
        else:
            self.waiting[name] = Waiting(schema, pointer, depth)
        return found

    # Nodes

    def node(self, schema: dict[str, Any], pointer: str, depth: int) -> Node | None:
        """The node of a plain subschema that is written from the JSON; None for one that goes the long way."""
        said = self.plain.said(schema)
        types = types_of(schema["type"]) if "type" in said else 0
        if types == OBJECT and _is_of_members(said):
            return self.object_node(schema, pointer, depth)
        if types == ARRAY and "items" in said and _OF_ARRAYS.issuperset(said) and schema.get("maxItems") != 0:
            item = self.ref(schema["items"], f"{pointer}/items", depth + 1)
            return list_node(self.compiler.layout, 0, item, schema.get("minItems", 0), schema.get("maxItems"))
        if said == ["type"]:
            return self.compiler.of_types(types)
        if "enum" in said and _OF_ENUMS.issuperset(said) and all(isinstance(value, str) for value in schema["enum"]):
            return one_of([*map(key_text, schema["enum"])])
        return None

    def object_node(self, schema: dict[str, Any], pointer: str, depth: int) -> Node | None:
        """The node of an object whose own keywords are plain; None where it goes the long way."""
        declared, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        below = _below(declared, others)
        if not below or not self.compiler.is_open:
            return None
        values = self._values(below, pointer, [*declared], depth + 1)
        names, open_keys, required = [*declared], list[tuple[Node, Node]](), schema.get("required", ())
        if others is not False:
            undeclared = [name for name in dict.fromkeys(required) if name not in declared]
            names += undeclared
            other = values.pop()
            values += [other] * len(undeclared)
            open_keys.append(((*excluding(names), ANY_TEXT)[0], other))
        needed = frozenset([i for i, name in enumerate(names) if name in required])
        return members_node(self.compiler.layout, 0, names, values, needed, open_keys, is_empty=not needed)

    def _values(self, schemas: list[Any], pointer: str, names: list[str], depth: int) -> list[Node]:
        """What stands behind the keys of an object: gaps, a colon, their rules; the last one may be of others."""

        def place(number: int) -> str:
            return f"{pointer}/properties/{escape(names[number])}" if number < len(names) else f"{pointer}/{_OTHERS}"

        typed, plain, locate = self.plain.typed, self.plain.has, self.compiler.document.located
        apart = {i: locate(one, place(i), depth) for i, one in enumerate(schemas) if not plain(one)}
        found = list[Node]()
        for i, schema in enumerate(schemas):
            name = ANY_OF_TYPES.get(typed.get(id(schema), 0))
            if name is not None:
                ref = self.compiler.any(name)
            elif i in apart:
                ref = self.compiler.rule((apart[i],), 0)
            else:
                ref = self.ref(schema, place(i), depth)
            value = self.values.get(ref.name)
            if value is None:
                value = self.values[ref.name] = Sequence((*self.compiler.layout.colon(), ref))
            found.append(value)
        return found

    # What a grammar asks

    @property
    def is_needed(self) -> bool:
        """Whether a grammar has anything to ask."""
        return bool(self.waiting or self.certain)

    def __contains__(self, name: object) -> bool:
        return name in self.waiting

    def opening(self, name: str) -> tuple[Node, Node | None] | None:
        waiting, layout = self.waiting.get(name), self.compiler.layout
        if waiting is None or waiting.schema.get("type") != "object" or layout.any_order or layout.indent is not None:
            return None
        schema = waiting.schema
        declared, required = schema.get("properties", {}), schema.get("required")
        below = _below(declared, schema.get("additionalProperties", True))
        if not below or not self.compiler.is_open or not _is_of_members(self.plain.said(schema)):
            return None
        if len(declared) > MOST_MEMBERS or len({*declared, *(required or ())}) > MOST_MEMBERS:
            return None
        return begin_of_members(layout), None if required else END

    def make(self, name: str) -> Shared | None:
        return self.compiler.make(name, self.waiting.pop(name))

    def make_all(self) -> None:
        while self.waiting:
            self.compiler.make(*self.waiting.popitem())
        self.certain.clear()


def _is_of_members(said: list[str]) -> bool:
    """Whether an object about which this is said is written from the JSON."""
    return len(said) > 1 and _OF_OBJECTS.issuperset(said)


def _below(declared: dict[str, Any], others: object) -> list[Any]:
    """The schemas of the members of an object, those of others last; nothing where one of them may have no values."""
    below = [*declared.values(), *([] if others is False else [others])]
    return below if all(map(_is_schema, below)) else []


def _is_schema(value: object) -> bool:
    """Whether it may have values, as far as its JSON type says."""
    return value is True or isinstance(value, dict)


_OTHERS = "additionalProperties"
_OF_OBJECTS = frozenset({"type", "properties", "required", _OTHERS})
_OF_ARRAYS = frozenset({"type", "items", "minItems", "maxItems"})
_OF_ENUMS = frozenset({"type", "enum"})
