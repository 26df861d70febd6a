"""Negation: the part that holds of a value iff another one does not.

Place in the walk: parts -> **parts**. A complement is taken of sets of values, never of texts: a text in another order
of keys, or with another spelling of a number, is the same value. De Morgan's laws lead to the keywords; the complement
of a keyword is made of the types that it speaks of and the opposite of what it says: not `required: [a, b]` is an
object without `a` or one without `b`, not `items: S` an array with some item that is not in S (Baazizi et al.,
"Negation-Closure for JSON Schema", 2022).
"""

from __future__ import annotations

from collections.abc import Iterator

from grammars.errors import UnsupportedFeature
from grammars.frontends.json_schema.dialects import NEWEST
from grammars.frontends.json_schema.parts import (
    ALL,
    ARRAY,
    BOOLEAN,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Every,
    Own,
    Part,
    Pattern,
    SomeItems,
    SomeKey,
    Union,
)
from grammars.frontends.json_schema.refs import Location
from grammars.ir import Choice, Not
from grammars.words import one_of

__all__ = ["having", "lacking", "negated"]


def negated(part: Part) -> Part:
    """What holds of a value iff the part does not."""
    if isinstance(part, Location):
        if part.complement is None:
            part.complement = Union("not", part.pointer, lambda: tuple(_alternatives(part)), negated=part)
        return part.complement
    if isinstance(part, Every):
        return Union("not", part.pointer, lambda: tuple([negated(item) for item in part.parts]), negated=part)
    if isinstance(part, Own):
        return Union("not", part.location.pointer, lambda: tuple(_opposites(part)), negated=part)
    if part.negated is not None:
        return part.negated
    if part.keyword == "oneOf":
        return Union("not", part.pointer, lambda: tuple(_none_or_two(part.branches)), negated=part)
    return Union("not", part.pointer, lambda: (_every([negated(branch) for branch in part.branches]),), negated=part)


def lacking(location: Location, name: str, types: int = ALL) -> Own:
    """Values without a property: of these types, and objects only if they lack it."""
    never = location.document.locate(False, location.pointer, location)
    return Own(location, types, says=OBJECT, properties={name: never})


def having(location: Location, *names: str) -> Own:
    """Objects with these properties."""
    return Own(location, OBJECT, says=OBJECT, required=dict.fromkeys(names, 0))


def _every(parts: list[Part]) -> Part:
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _none_or_two(branches: tuple[Part, ...]) -> Iterator[Part]:
    """What is in none of some alternatives, or in two of them."""
    from grammars.frontends.json_schema.disjoint import overlapping

    yield _every([negated(branch) for branch in branches])
    for left, right in overlapping(branches):
        yield Every((branches[left], branches[right]))


def _alternatives(location: Location) -> Iterator[Part]:
    """The ways in which a value can fail to satisfy a subschema."""
    from grammars.frontends.json_schema.keywords import read

    own = read(location)
    if own.silent and not own.before and not own.after:
        yield Own(location, 0)
    yield from _opposites(own)
    for part in (*own.before, *own.after):
        yield negated(part)


def _opposites(own: Own) -> Iterator[Part]:
    """The ways to fail the keywords of one subschema; each holds of the types that the keyword speaks of only."""
    location, types = own.location, own.types
    if types != ALL:
        yield Own(location, ALL & ~types, silent=not types)
    for refusal in own.refused:
        yield Own(location, refusal.types & types, says=refusal.types, refused=(refusal,))
    for _, values in own.values:
        yield from _other_values(own, values)
    if own.excluded:
        yield Own(location, types, values=(("not", [*own.excluded]),))
    if types & NUMBER:
        yield from _outside(own, types & NUMBER)
    if types & STRING:
        yield from _other_strings(own)
    if types & ARRAY:
        yield from _other_arrays(own)
    if types & OBJECT:
        yield from _other_objects(own)


# -- values ------------------------------------------------------------------------------------------------------------


def _other_values(own: Own, values: list[object]) -> Iterator[Part]:
    """The values that are none of these: scalars are left out, of arrays and objects the shape is negated."""
    excluded = tuple([value for value in values if isinstance(value, str | int | float)])
    types = own.types
    if any(value is None for value in values):
        types &= ~NULL
    if {value for value in excluded if isinstance(value, bool)} == {True, False}:
        types &= ~BOOLEAN
    parts: list[Part] = [Own(own.location, types, says=STRING | NUMBER, excluded=excluded)]
    parts += [
        negated(_shape(own.location, value, f"{own.location.pointer}/{index}"))
        for index, value in enumerate(values)
        if isinstance(value, list | dict)
    ]
    yield _every(parts)


def _shape(location: Location, value: list[object] | dict[str, object], pointer: str) -> Location:
    """A subschema of one value alone."""
    schema: dict[str, object]
    if isinstance(value, list):
        schema = {"type": "array", "minItems": len(value), "maxItems": len(value)}
        schema |= {"prefixItems": [{"const": item} for item in value]} if value else {}
    else:
        schema = {"type": "object", "required": [*value], "additionalProperties": False}
        schema["properties"] = {name: {"const": item} for name, item in value.items()}
    # Without a place in the document, it has no identity there.
    return Location(schema, pointer, location.document, location.scope, location.depth + 1, NEWEST)


# -- numbers and strings -----------------------------------------------------------------------------------------------

_OPPOSITE = {
    "minimum": "exclusiveMaximum",
    "maximum": "exclusiveMinimum",
    "exclusiveMinimum": "maximum",
    "exclusiveMaximum": "minimum",
}


def _outside(own: Own, types: int) -> Iterator[Part]:
    for keyword, opposite in _OPPOSITE.items():
        if keyword in own.scalars:
            yield Own(own.location, types, says=NUMBER, scalars={opposite: own.scalars[keyword]})
    for keyword, opposite in (("multipleOf", "noMultipleOf"), ("noMultipleOf", "multipleOf")):
        if keyword in own.scalars:
            yield Own(own.location, types, says=NUMBER, scalars={opposite: own.scalars[keyword]})


def _counts(own: Own, types: int, least: str, most: str) -> Iterator[Part]:
    """Too few or too many."""
    if own.scalars.get(least):
        yield Own(own.location, types, says=types, scalars={most: own.scalars[least] - 1})
    if most in own.scalars:
        yield Own(own.location, types, says=types, scalars={least: own.scalars[most] + 1})


def _other_strings(own: Own) -> Iterator[Part]:
    from grammars.frontends.json_schema.strings import format_node

    yield from _counts(own, STRING, "minLength", "maxLength")
    for name, node in [*((p.source, p.node) for p in own.patterns), *((f, format_node(f)) for f in own.formats)]:
        yield Own(own.location, STRING, says=STRING, patterns=(Pattern(f"not {name}", Not(node)),))


# -- arrays and objects ------------------------------------------------------------------------------------------------


def _other_arrays(own: Own) -> Iterator[Part]:
    location, anything = own.location, Own(own.location, silent=True)
    yield from _counts(own, ARRAY, "minItems", "maxItems")
    for index, part in enumerate(own.prefix):
        prefix = (*(anything,) * index, negated(part))
        yield Own(location, ARRAY, says=ARRAY, prefix=prefix, scalars={"minItems": index + 1})
    if own.items is not None:
        yield _some_items(own, SomeItems(negated(own.items), 1, None, len(own.prefix)))
    if own.distinct:
        message = "the opposite of uniqueItems is not supported"
        made = Own(location, ARRAY, says=ARRAY)
        made.refuse(ARRAY, UnsupportedFeature(message, pointer=own.pointer("uniqueItems")))
        yield made
    for some in own.some_items:
        if some.low:
            yield _some_items(own, SomeItems(some.part, 0, some.low - 1, some.start))
        if some.high is not None:
            yield _some_items(own, SomeItems(some.part, some.high + 1, None, some.start))


def _some_items(own: Own, some: SomeItems) -> Own:
    return Own(own.location, ARRAY, says=ARRAY, some_items=(some,))


def _other_objects(own: Own) -> Iterator[Part]:
    from grammars.frontends.json_schema.objects import names_content
    from grammars.frontends.json_schema.strings import ANY_TEXT, texts_of

    location = own.location
    yield from _counts(own, OBJECT, "minProperties", "maxProperties")
    properties = own.properties or {}
    for name in own.required:
        if name in properties:  # it is not there, or its value is another one
            yield Own(location, OBJECT, says=OBJECT, properties={name: negated(properties[name])})
        else:
            yield lacking(location, name, OBJECT)
    for name, part in properties.items():
        if name not in own.required:
            made = having(location, name)
            made.properties = {name: negated(part)}
            yield made
    for pattern, part in own.pattern_properties:
        yield _some_key(own, SomeKey(pattern.node, negated(part)))
    if own.additional is not None:
        known = [pattern.node for pattern, _ in own.pattern_properties]
        known += [one_of(texts)] if (texts := texts_of([*(own.properties or ())])) else []
        yield _some_key(own, SomeKey(Not(Choice(tuple(known))) if known else ANY_TEXT, negated(own.additional)))
    if own.names is not None:
        yield _some_key(own, SomeKey(Not(names_content((own.names,))), Own(location, silent=True)))
    if own.some_keys:
        message = "the opposite of a keyword that asks for some property is not supported here"
        made = Own(location, OBJECT, says=OBJECT)
        made.refuse(OBJECT, UnsupportedFeature(message, pointer=location.pointer))
        yield made


def _some_key(own: Own, some: SomeKey) -> Own:
    return Own(own.location, OBJECT, says=OBJECT, some_keys=(some,))
