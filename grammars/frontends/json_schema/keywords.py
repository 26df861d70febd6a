"""Own: what the keywords of one subschema say, read by one function per keyword from one table.

Place in the walk: Document -> **Own** -> conjunctions -> Grammar. Reading checks that values have the right type,
knows in which drafts a keyword means something, and sorts keywords by the JSON types they speak of; it follows no
reference and builds no grammar. What is right but not enforceable is put aside in `refused`, with the types it speaks
of: `uniqueItems` beside `type: string` says nothing, and so refuses nothing.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

from grammars.errors import GrammarError, InvalidGrammar, UnsupportedFeature, place_of
from grammars.frontends.json_schema.dialects import Dialect
from grammars.frontends.json_schema.negation import having, lacking, negated
from grammars.frontends.json_schema.parts import (
    ALL,
    ARRAY,
    BOOLEAN,
    FRACTION,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Every,
    Own,
    Part,
    Pattern,
    Scalar,
    SomeItems,
    Union,
)
from grammars.frontends.json_schema.refs import Location
from grammars.frontends.json_schema.source import escape, show
from grammars.frontends.json_schema.unevaluated import with_the_rest
from grammars.record import record

__all__ = ["KEYWORDS", "READ_WITH", "TYPES", "TYPE_NAMES", "Keyword", "enforced_keywords", "never", "read"]

TYPES = {
    "null": NULL, "boolean": BOOLEAN, "integer": INTEGER, "number": NUMBER, "string": STRING, "array": ARRAY,
    "object": OBJECT,
}  # fmt: skip
TYPE_NAMES = {bit: name for name, bit in TYPES.items()} | {FRACTION: "number"}
_MEANT = {
    "int": "integer", "long": "integer", "float": "number", "double": "number", "decimal": "number", "str": "string",
    "text": "string", "bool": "boolean", "dict": "object", "map": "object", "list": "array", "tuple": "array",
    "none": "null", "nil": "null", "undefined": "null",
}  # fmt: skip

_PATTERNS = 4096
"""How many regular expressions are remembered."""

Reader: TypeAlias = Callable[[Own, str, object], None]


@record
class Keyword:
    """A keyword: its reader (None for an annotation), the types it speaks of, the drafts that know it."""

    read: Reader | None
    types: int = 0
    since: int = 4
    until: int = 9


def read(location: Location) -> Own:
    """What the keywords at a location say; computed once.

    Raises `InvalidGrammar` for a keyword with a value of the wrong type.
    """
    if location.own is not None:
        return location.own
    own = Own(location)
    schema = location.schema
    if schema is False:
        own.types = 0
    elif isinstance(schema, dict):
        dialect = location.dialect
        if "$ref" in schema and dialect.ref_stands_alone:
            schema = {"$ref": schema["$ref"]}
        enforced = _ENFORCED.get(dialect) or enforced_keywords(dialect)
        for name, value in schema.items():
            keyword = enforced.get(name)
            if keyword is not None:
                reader, types = keyword
                own.says |= types
                reader(own, name, value)
            elif not isinstance(name, str):
                raise InvalidGrammar(f"a keyword must be a string, got {show(name)}", pointer=location.pointer)
        if own.properties is None:  # nothing to be written before
            own.before, own.after = (), own.before + own.after
    own.silent = own.types == ALL and not own.says and not own.values and not own.refused
    if own.other_properties is not None or own.other_items is not None:
        own = Own(location, silent=True, after=(with_the_rest(own),), combined=own)
    location.own = own
    return own


def enforced_keywords(dialect: Dialect) -> Mapping[str, tuple[Reader, int]]:
    """The reader, and the types it speaks of, of each keyword that a dialect enforces or refuses."""
    found = _ENFORCED.get(dialect)
    if found is None:
        found = _ENFORCED[dialect] = {
            name: (keyword.read, keyword.types)
            for name, keyword in KEYWORDS.items()
            if keyword.read is not None and dialect.knows(keyword.since, keyword.until) and name not in dialect.without
        }
    return found


_ENFORCED: dict[Dialect, Mapping[str, tuple[Reader, int]]] = {}


def never(location: Location) -> bool:
    """Whether the subschema is `false`, as far as can be seen at once."""
    return location.schema is False


# What values must be -------------------------------------------------------------------------------------------------


def _expect(own: Own, name: str, expected: str, value: object, hint: str | None = None) -> InvalidGrammar:
    return InvalidGrammar(f"{name} must be {expected}, got {show(value)}", pointer=own.pointer(name), hint=hint)


def _whole(own: Own, name: str, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _expect(own, name, "a non-negative integer", value)
    return value


def _number(own: Own, name: str, value: object) -> Scalar:
    if isinstance(value, float) and value - value == 0:
        return Decimal(repr(value))
    if not isinstance(value, int) or isinstance(value, bool):
        raise _expect(own, name, "a number", value)
    return value


def _schemas(own: Own, name: str, value: object) -> tuple[Location, ...]:
    if not isinstance(value, list) or not value:
        raise _expect(own, name, "a list of at least one schema", value)
    return own.location.listed(value, name)


def _schema_map(own: Own, name: str, value: object) -> dict[str, Location]:
    if not isinstance(value, dict):
        raise _expect(own, name, "an object of schemas", value)
    for key in value:
        if not isinstance(key, str):
            raise _expect(own, name, "an object with strings for keys", key)
    return own.location.named(value, name)


# One function per keyword --------------------------------------------------------------------------------------------


def _type(own: Own, name: str, value: object) -> None:
    if isinstance(value, str) and value in TYPES:
        own.types &= TYPES[value]
        return
    types = 0
    for item in value if isinstance(value, list) else [value]:
        bit = TYPES.get(item) if isinstance(item, str) else None
        if bit is None:
            raise _expect(own, name, f"one of {', '.join(map(json.dumps, TYPES))}", item, _guess_type(item))
        types |= bit
    if not types:
        raise _expect(own, name, "the name of a type or a list of at least one", value)
    own.types &= types


def _guess_type(item: object) -> str | None:
    if item == "any":
        return "for any type leave the keyword out"
    if not isinstance(item, str):
        return None
    close = difflib.get_close_matches(item.lower(), TYPES, n=1)
    meant = _MEANT.get(item.lower()) or (close[0] if close else None)
    return f'did you mean "{meant}"?' if meant else None


def _enum(own: Own, name: str, value: object) -> None:
    if not isinstance(value, list):
        raise _expect(own, name, "a list of values", value, "for a single value use const")
    own.values += ((name, value),)


def _const(own: Own, name: str, value: object) -> None:
    own.values += ((name, [value]),)


def _count(own: Own, name: str, value: object) -> None:
    own.scalars[name] = _whole(own, name, value)


def _bound(own: Own, name: str, value: object) -> None:
    own.scalars[name] = _number(own, name, value)


def _exclusive(own: Own, name: str, value: object) -> None:
    """A bound of its own, or (draft-04) a boolean that makes `minimum` or `maximum` exclusive."""
    if not isinstance(value, bool):
        return _bound(own, name, value)
    inclusive = name[len("exclusive") :].lower()
    schema = own.location.schema
    if value and isinstance(schema, dict) and inclusive in schema:
        own.scalars[name] = _number(own, inclusive, schema[inclusive])
    return None


def _multiple_of(own: Own, name: str, value: object) -> None:
    divisor = _number(own, name, value)
    if divisor <= 0:
        raise _expect(own, name, "a number greater than 0", value)
    own.scalars[name] = divisor


def _pattern(own: Own, name: str, value: object) -> None:
    if not isinstance(value, str):
        raise _expect(own, name, "a regular expression", value)
    pattern = _parse_pattern(own, value, own.pointer(name), STRING)
    if pattern is not None:
        own.patterns += (pattern,)


@lru_cache(maxsize=_PATTERNS)
def _read_pattern(source: str) -> Pattern:
    from grammars.frontends.regex import parse_regex

    return Pattern(source, parse_regex(source, search=True, flavor="ecma"))


def _parse_pattern(own: Own, source: str, pointer: str, types: int) -> Pattern | None:
    """The pattern; None, and a refusal put aside, when it uses what is not supported."""
    try:
        return _read_pattern(source)
    except GrammarError as error:
        placed = type(error)(
            f"in the pattern at {place_of(pointer)}: {error.message}", span=error.span, pointer=pointer, hint=error.hint
        )
    if isinstance(placed, InvalidGrammar):
        raise placed
    own.refuse(types, placed)
    return None


def _format(own: Own, name: str, value: object) -> None:
    from grammars.frontends.json_schema.formats import FORMATS, REFUSED

    if not isinstance(value, str):
        raise _expect(own, name, "the name of a format", value)
    if value in FORMATS:
        own.says |= STRING
        own.formats += (value,)
    elif value in REFUSED:
        error = UnsupportedFeature(f"format {value!r} is not supported: {REFUSED[value]}", pointer=own.pointer(name))
        own.refuse(STRING, error)


def _prefix_items(own: Own, name: str, value: object) -> None:
    own.prefix = _schemas(own, name, value)


def _items(own: Own, name: str, value: object) -> None:
    """One schema for all (the other) items, or (until 2019-09) a list of them for the first ones."""
    if not isinstance(value, list):
        own.items = own.location.child(value, name)
        return
    own.prefix = own.location.listed(value, name)
    schema = own.location.schema
    if isinstance(schema, dict) and "additionalItems" in schema:
        own.items = own.location.child(schema["additionalItems"], "additionalItems")


def _properties(own: Own, name: str, value: object) -> None:
    own.properties = _schema_map(own, name, value)


def _pattern_properties(own: Own, name: str, value: object) -> None:
    found = []
    for source, location in _schema_map(own, name, value).items():
        pattern = _parse_pattern(own, source, f"{own.pointer(name)}/{escape(source)}", OBJECT)
        if pattern is not None:
            found.append((pattern, location))
    own.pattern_properties = tuple(found)


def _additional_properties(own: Own, name: str, value: object) -> None:
    own.additional = own.location.child(value, name)


def _property_names(own: Own, name: str, value: object) -> None:
    own.names = own.location.child(value, name)


def _required(own: Own, name: str, value: object) -> None:
    hint = None
    if isinstance(value, bool):
        hint = "list the required properties in the object's own schema: required: true inside a property is draft-03"
    if not isinstance(value, list):
        raise _expect(own, name, "a list of strings", value, hint)
    required: dict[str, int] = {}
    for index, key in enumerate(value):
        if not isinstance(key, str):
            raise _expect(own, name, "a list of strings", value, hint)
        required.setdefault(key, index)
    own.required = required


def _all_of(own: Own, name: str, value: object) -> None:
    own.conjoin(*_schemas(own, name, value))


def _any_of(own: Own, name: str, value: object) -> None:
    branches = _schemas(own, name, value)
    own.conjoin(Union(name, own.pointer(name), lambda: branches))


def _not(own: Own, name: str, value: object) -> None:
    own.after += (negated(own.location.child(value, name)),)


def _if(own: Own, name: str, value: object) -> None:
    """Values that satisfy `if` and `then`, or `else` and not `if`; alone it tells what is evaluated."""
    schema = own.location.schema
    assert isinstance(schema, dict)
    condition = own.location.child(value, name)
    then, otherwise = ([own.location.child(schema[key], key)] if key in schema else [] for key in ("then", "else"))
    if then or otherwise or own.location.dialect.number > 7:
        branches = Every((condition, *then)), Every((negated(condition), *otherwise))
        _either(own, name, *branches)


def _either(own: Own, name: str, *branches: Part) -> None:
    """One of these holds."""
    own.after += (Union(name, f"{own.location.pointer}/{name}", lambda: branches),)


def _dependencies(own: Own, name: str, value: object) -> None:
    """For each property: objects without it, or with what comes with it, a list of properties or a subschema."""
    if not isinstance(value, dict):
        raise _expect(own, name, "an object", value)
    for key, needed in value.items():
        if not isinstance(key, str):
            raise _expect(own, name, "an object with strings for keys", key)
        below = f"{name}/{escape(key)}"
        part: Part
        if not isinstance(needed, list) or name == "dependentSchemas":
            part = own.location.child(needed, below)
        elif all(isinstance(other, str) for other in needed):
            part = having(own.location, *needed)
        else:
            raise _expect(own, below, "a list of strings", needed)
        if needed != []:
            branches = lacking(own.location, key), Every((part, having(own.location, key)))
            _either(own, below, *branches)


def _ref(own: Own, name: str, value: object) -> None:
    if not isinstance(value, str):
        raise _expect(own, name, "a URI reference", value)
    try:
        own.conjoin(own.location.document.resolve(own.location, name, value))
    except UnsupportedFeature as error:
        own.refuse(ALL, error)


def _recursive_ref(own: Own, name: str, value: object) -> None:
    if value != "#":  # "defined only for the value '#'" (2019-09 core, section 8.2.4.2.1)
        raise _expect(own, name, '"#"', value)
    _ref(own, name, value)


def _contains(own: Own, name: str, value: object) -> None:
    """How many items satisfy a subschema: since 2019-09 as `minContains` and `maxContains` say, else one or more."""
    schema, dialect = own.location.schema, own.location.dialect
    assert isinstance(schema, dict)
    counts = schema if dialect.knows(8, 9) and "minContains" not in dialect.without else {}
    low = _whole(own, "minContains", counts.get("minContains", 1))
    high = _whole(own, "maxContains", counts["maxContains"]) if "maxContains" in counts else None
    own.some_items += (SomeItems(own.location.child(value, name), low, high),)


def _unevaluated(own: Own, name: str, value: object) -> None:
    part = own.location.child(value, name)
    if name == "unevaluatedItems":
        own.other_items = part
    else:
        own.other_properties = part


def _unique_items(own: Own, name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise _expect(own, name, "a boolean", value)
    own.distinct = value


_ANNOTATION = Keyword(None)

KEYWORDS: dict[str, Keyword] = {
    "type": Keyword(_type),
    "enum": Keyword(_enum),
    "const": Keyword(_const, since=6),
    "$ref": Keyword(_ref),
    "allOf": Keyword(_all_of),
    "anyOf": Keyword(_any_of),
    "oneOf": Keyword(_any_of),
    "minimum": Keyword(_bound, NUMBER),
    "maximum": Keyword(_bound, NUMBER),
    "exclusiveMinimum": Keyword(_exclusive, NUMBER),
    "exclusiveMaximum": Keyword(_exclusive, NUMBER),
    "multipleOf": Keyword(_multiple_of, NUMBER),
    "minLength": Keyword(_count, STRING),
    "maxLength": Keyword(_count, STRING),
    "pattern": Keyword(_pattern, STRING),
    "format": Keyword(_format),
    "items": Keyword(_items, ARRAY),
    "prefixItems": Keyword(_prefix_items, ARRAY, since=9),
    "minItems": Keyword(_count, ARRAY),
    "maxItems": Keyword(_count, ARRAY),
    "properties": Keyword(_properties, OBJECT),
    "patternProperties": Keyword(_pattern_properties, OBJECT),
    "additionalProperties": Keyword(_additional_properties, OBJECT),
    "propertyNames": Keyword(_property_names, OBJECT, since=6),
    "required": Keyword(_required, OBJECT),
    "minProperties": Keyword(_count, OBJECT),
    "maxProperties": Keyword(_count, OBJECT),
    "not": Keyword(_not),
    "if": Keyword(_if, since=7),
    "uniqueItems": Keyword(_unique_items, ARRAY),
    "contains": Keyword(_contains, ARRAY, since=6),
    "unevaluatedItems": Keyword(_unevaluated, ARRAY, since=8),
    "unevaluatedProperties": Keyword(_unevaluated, OBJECT, since=8),
    "dependentRequired": Keyword(_dependencies, since=8),
    "dependentSchemas": Keyword(_dependencies, since=8),
    "dependencies": Keyword(_dependencies, until=7),
    "$dynamicRef": Keyword(_ref, since=9),
    "$recursiveRef": Keyword(_recursive_ref, since=8, until=8),
    # Those of `READ_WITH`.
    "additionalItems": _ANNOTATION,
    "then": _ANNOTATION,
    "else": _ANNOTATION,
    "minContains": _ANNOTATION,
    "maxContains": _ANNOTATION,
    # Places for subschemas that others refer to, and names for references.
    "$defs": _ANNOTATION,
    "definitions": _ANNOTATION,
    "$schema": _ANNOTATION,
    "$id": _ANNOTATION,
    "id": _ANNOTATION,
    "$anchor": _ANNOTATION,
    "$dynamicAnchor": _ANNOTATION,
    "$recursiveAnchor": _ANNOTATION,
    "$vocabulary": _ANNOTATION,
    # Annotations of the specification (2020-12 validation, sections 8 and 9).
    "$comment": _ANNOTATION,
    "title": _ANNOTATION,
    "description": _ANNOTATION,
    "default": _ANNOTATION,
    "deprecated": _ANNOTATION,
    "examples": _ANNOTATION,
    "readOnly": _ANNOTATION,
    "writeOnly": _ANNOTATION,
    "contentEncoding": _ANNOTATION,
    "contentMediaType": _ANNOTATION,
    "contentSchema": _ANNOTATION,
}

READ_WITH = {
    "additionalItems": "items",
    "then": "if",
    "else": "if",
    "minContains": "contains",
    "maxContains": "contains",
}
"""Keywords that say something beside another one only, whose reader reads them."""
