"""Plain: the subschemas of which it shows at a glance that they have a value and that nothing of them is refused.

Place in the walk: JSON Schema -> **what can wait** -> rules that are made when they are entered. Most subschemas are
objects, lists, strings and numbers of which little is asked. Nothing that a plain one says, or what it refers to,
contradicts or is refused: so its rule may be made when a text comes to it, and whatever is wrong with a schema is still
raised before the first token.

What is not known here makes a subschema not plain: any other keyword that its dialect enforces, a value of the wrong
type, a resource of its own, a reference to anything but a place in the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor
from typing import Any, NamedTuple

from grammars.frontends.json_schema.dialects import Dialect
from grammars.frontends.json_schema.keywords import TYPES, enforced_keywords
from grammars.frontends.json_schema.parts import ALL, BOOLEAN, FRACTION, INTEGER, NULL, STRING
from grammars.frontends.json_schema.source import escape, unescape

__all__ = ["Plain", "types_of"]

_MOST = 10**6
"""The largest count, and the largest bound of a number, that is plain."""

_LONGEST = 10_000
"""The characters of all names that a plain object may declare."""

_PLACES = 6
"""The digits behind the point of a bound that is plain."""

_DEPTH, _SUBSCHEMAS = 100, 20_000
"""How far below a plain subschema others may stand, and how many there may be: far fewer than a limit allows."""

_ELSEWHERE = frozenset({"$id", "id", "$schema"})
"""What makes a subschema a resource of its own, or of another dialect."""


class _Seen(NamedTuple):
    """What one subschema refers to: what has to have a value so that it has one, and all."""

    needed: Sequence[object] = ()
    children: Sequence[object] = ()


_ALONE = _Seen()


class Plain:
    """Which subschemas of a schema, read in one dialect, are plain.

    The schema is what JSON text says: its keys are strings. It must not change.

    >>> schema = {"items": {"type": "integer", "minimum": 0}, "minItems": 1}
    >>> Plain(schema, Dialect()).has(schema)
    True
    """

    def __init__(self, root: object, dialect: Dialect) -> None:
        self.root = root
        self.enforced = enforced_keywords(dialect)
        self._known: dict[int, bool] = {id(True): True}  # by identity
        self._alone: set[int] = set()
        self.typed: dict[int, int] = {}
        """The types of those subschemas that say no more, by identity."""

    def has_alone(self, schema: object) -> bool:
        """Whether a subschema is plain but for what it refers to: that may have no value, or be refused."""
        return self.has(schema) or id(schema) in self._alone

    def has(self, schema: object) -> bool:
        """Whether a subschema is plain, and so is all that it refers to."""
        known = self._known.get(id(schema))
        if known is None:
            self._look_from(schema)
            known = self._known[id(schema)]
        return known

    def said(self, schema: Mapping[str, object]) -> list[str]:
        """The keywords of a subschema that are enforced."""
        enforced = self.enforced
        return [name for name in schema if name in enforced and (name != "format" or _is_enforced(schema[name]))]

    def follow(self, reference: str) -> tuple[object, str]:
        """Where a reference of a plain subschema leads, and the pointer to it."""
        target, pointer = self.root, ""
        for step in reference.split("/")[1:]:
            name = unescape(step)
            assert isinstance(target, dict), reference
            target, pointer = target[name], f"{pointer}/{escape(name)}"
        return target, pointer

    def _look_from(self, start: object) -> None:
        """Decides of all that a subschema refers to, directly or not."""
        known, found = self._known, dict[int, _Seen | None]()
        wrong = list[int]()
        row, depth, is_tree = [start], 0, True
        while row:
            following: list[object] = []
            for schema in row:
                number = id(schema)
                if number in found:
                    continue
                seen = found[number] = self._look(schema) if isinstance(schema, dict) else None
                if seen is None:
                    wrong.append(number)
                elif seen.children:
                    is_tree = is_tree and seen.needed is not seen.children
                    for child in seen.children:
                        plain = known.get(id(child))
                        if plain is None:
                            following.append(child)
                        elif not plain:
                            wrong.append(number)
            row, depth = following, depth + 1
            if depth > _DEPTH or len(known) + len(found) > _SUBSCHEMAS:
                wrong += map(id, row)
                break
        if not is_tree:
            wrong += _endless(found)
        known.update(dict.fromkeys(found, True))
        if wrong:
            self._alone.update([number for number, seen in found.items() if seen is not None])
            self._spread(wrong, found)

    def _spread(self, wrong: list[int], found: Mapping[int, _Seen | None]) -> None:
        """What is not plain makes what refers to it not plain."""
        callers: dict[int, list[int]] = {}
        for number, seen in found.items():
            for child in () if seen is None else seen.children:
                callers.setdefault(id(child), []).append(number)
        while wrong:
            number = wrong.pop()
            self._known[number] = False
            wrong += callers.pop(number, ())

    def _look(self, schema: Mapping[str, Any]) -> _Seen | None:
        """What a subschema refers to; None where it is not plain by itself."""
        enforced, types, more = self.enforced, ALL, False
        children: list[object] = []
        said: list[str] = []
        for name, value in schema.items():
            if name not in enforced:
                if name in _ELSEWHERE and schema is not self.root:
                    return None
            elif name == "type":
                types = types_of(value)
                if not types:
                    return None
            elif name == "properties":
                more = True
                if not isinstance(value, dict) or sum(map(len, value)) > _LONGEST:
                    return None
                children += value.values()
            elif name == "items":
                more = True
                children.append(value)
            elif name == "additionalProperties":
                more = True
                if value is not False:
                    children.append(value)
            else:
                said.append(name)
        if not said:
            if more:
                return _Seen((), children)
            self.typed[id(schema)] = types
            return _ALONE
        if said[0] in _REFERRING:
            if sum([name in enforced for name in schema]) > 1:
                return None
            needed = self._reference(schema["$ref"]) if said[0] == "$ref" else _branches(said[0], schema[said[0]])
            return None if needed is None else _Seen(needed, needed)
        needed = []
        for name in said:
            value = schema[name]
            if name == "required":
                found = _required(schema, value)
                if found is None:
                    return None
                needed += found
            elif not self._is_plain(name, value, schema, types, len(said)):
                return None
        for low, high in _BOUNDS if len(said) > 1 else ():
            if low in schema and high in schema and not _has_room(schema[low], schema[high], types):
                return None
        if schema.get("minItems") and "items" in schema:
            needed.append(schema["items"])
        return _Seen(needed, children) if children else _ALONE

    def _is_plain(self, name: str, value: Any, schema: Mapping[str, Any], types: int, others: int) -> bool:
        """Whether a keyword that has no subschemas always leaves a value."""
        if name in ("enum", "const"):
            return others == 1 and _listed_types(value if name == "enum" else [value]) & types != 0
        if name == "format":
            return "minLength" not in schema and "maxLength" not in schema and _is_supported_format(value)
        if name in ("minLength", "maxLength", "minItems", "maxItems"):
            return type(value) is int and 0 <= value <= _MOST
        if name in ("minimum", "maximum"):
            return _is_bound(value)
        return name == "uniqueItems" and value is False

    def _reference(self, reference: object) -> list[object] | None:
        """What a reference leads to, where that is a place in the schema, within its resource and dialect."""
        if not isinstance(reference, str) or reference[:2] not in ("#", "#/") or "%" in reference:
            return None
        target = self.root
        for step in reference.split("/")[1:]:
            name = unescape(step)
            if not isinstance(target, dict) or name not in target:
                return None
            target = target[name]
            if isinstance(target, dict) and not _ELSEWHERE.isdisjoint(target):
                return None
        return [target]


_BOUNDS = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minimum", "maximum"))
_REFERRING = ("$ref", "anyOf", "oneOf", "allOf")
_BRANCHES = 16


def _branches(name: str, value: object) -> list[object] | None:
    """The branches of a union alone, each of which stays possible; None where that does not show."""
    if not isinstance(value, list) or not 0 < len(value) <= (1 if name == "allOf" else _BRANCHES):
        return None
    if name == "oneOf":  # each must have types that no other has
        seen = 0
        for branch in value:
            types = types_of(branch.get("type")) if isinstance(branch, dict) else 0
            if not types or types & seen:
                return None
            seen |= types
    return value


def _required(schema: Mapping[str, Any], names: object) -> list[object] | None:
    """The values that an object must have; None where one of them may not be."""
    declared, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    if not _are_strings(names) or not isinstance(declared, dict):
        return None
    assert isinstance(names, list)
    found = [declared.get(name, others) for name in names]
    return None if any([value is False for value in found]) else found  # noqa: C419 - half the time


def types_of(value: object) -> int:
    """The types that `type` lists, as bits; 0 where it lists anything else."""
    if isinstance(value, str):
        return TYPES.get(value, 0)
    types = 0
    for item in value if isinstance(value, list) else ():
        bit = TYPES.get(item, 0) if isinstance(item, str) else 0
        if not bit:
            return 0
        types |= bit
    return types


def _listed_types(values: object) -> int:
    """The types of listed values; 0 where one is an array, an object or a number that may be spelled in other ways."""
    types = 0
    for value in values if isinstance(values, list) else ():
        bit = _OF_SCALARS.get(type(value), 0)
        if not bit or (bit == INTEGER and abs(value) > _MOST):
            return 0
        types |= bit
    return types


_OF_SCALARS = {str: STRING, bool: BOOLEAN, type(None): NULL, int: INTEGER}


def _is_bound(value: object) -> bool:
    """Whether a bound of numbers has few digits."""
    return type(value) in (int, float) and abs(value) <= _MOST and round(value, _PLACES) == value  # type: ignore[arg-type, call-overload]


def _has_room(low: float, high: float, types: int) -> bool:
    """Whether something is between two bounds; a whole number where numbers must be whole."""
    return low <= high if types & FRACTION else ceil(low) <= floor(high)


def _are_strings(values: object) -> bool:
    return isinstance(values, list) and _STRING.issuperset(map(type, values))


_STRING = frozenset({str})


def _is_supported_format(value: object) -> bool:
    from grammars.frontends.json_schema.formats import REFUSED

    return isinstance(value, str) and value not in REFUSED


def _is_enforced(format_: object) -> bool:
    from grammars.frontends.json_schema.formats import FORMATS

    return format_ in FORMATS


def _endless(found: Mapping[int, _Seen | None]) -> Iterator[int]:
    """Those that need each other, so that none of them has a value."""
    waiting = {number: seen.needed for number, seen in reversed([*found.items()]) if seen is not None and seen.needed}
    size = -1
    while len(waiting) != size:
        size = len(waiting)
        for number, needed in [*waiting.items()]:
            if not any(id(value) in waiting for value in needed):
                del waiting[number]
    yield from waiting
