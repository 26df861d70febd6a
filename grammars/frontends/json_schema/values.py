"""Finite values: the text of one value, equality of values, and whether a value satisfies a conjunction.

Place in the walk: `enum` and `const` -> **literals**. Among finitely many values every keyword can be decided one
value at a time, so `enum` beside anything else becomes the shorter list of the values that pass. Patterns and formats
are decided by the same automata as free strings.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Hashable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import TypeGuard

from grammars.chars import char_dfa
from grammars.dfa import Dfa
from grammars.errors import InvalidGrammar
from grammars.frontends.json_schema.conjunction import Conjunction, flatten
from grammars.frontends.json_schema.decimals import EXACT, zero_fraction
from grammars.frontends.json_schema.parts import (
    ALL,
    ARRAY,
    BOOLEAN,
    FRACTION,
    INTEGER,
    NULL,
    OBJECT,
    STRING,
    Own,
    Part,
    Pattern,
    Scalar,
    Union,
)
from grammars.frontends.json_schema.source import show
from grammars.frontends.json_schema.strings import format_node
from grammars.frontends.json_schema.whitespace import Layout
from grammars.ir import Bytes, Members, Node, Repeat
from grammars.ir import Sequence as Seq
from grammars.record import record

__all__ = [
    "Listed", "equality_key", "finds", "holds", "in_content", "key_text", "listed", "literal", "only_strings",
    "type_of", "value_parts",
]  # fmt: skip


def key_text(string: str) -> bytes:
    """The one spelling of a declared string, in UTF-8; a lone surrogate, which UTF-8 cannot write, as its escape.

    >>> key_text('naïve "x"').decode()
    '"naïve \\\\"x\\\\""'
    """
    try:
        return _encode(string).encode()
    except UnicodeEncodeError:
        return json.dumps(string).encode()


_encode = json.encoder.encode_basestring  # what `json.dumps` ends in for a string, with ensure_ascii=False


def literal(value: object, layout: Layout, depth: int, pointer: str = "") -> Node:
    """The node of one value: keys in their order or in any, one spelling for strings and numbers, gaps between tokens.

    Raises `InvalidGrammar` for what is no JSON value, naming the keyword at `pointer`.
    """
    if isinstance(value, str):
        return Bytes(key_text(value))
    if not isinstance(value, dict | list):
        return _scalar(value, layout, pointer)
    tokens: list[Node] = []
    pending: list[Node | tuple[object, int]] = [(value, depth)]
    while pending:
        top = pending.pop()
        if not isinstance(top, tuple):
            tokens.append(top)
            continue
        item, level = top
        if isinstance(item, dict | list):
            pending += _container(item, layout, level, pointer)[::-1]
        else:
            tokens.append(Bytes(key_text(item)) if isinstance(item, str) else _scalar(item, layout, pointer))
    return Seq(tuple(tokens))


def _scalar(value: object, layout: Layout, pointer: str) -> Node:
    """The node of a number, true, false or null; of an integer with zeros behind a point, where the layout has them."""
    text = _scalar_text(value, pointer)
    if not layout.zero_fraction or isinstance(value, bool) or not isinstance(value, int | float):
        return Bytes(text)
    if value != int(value) or abs(value) >= 10**EXACT:
        return Bytes(text)
    return Seq((Bytes(str(int(value)).encode()), Repeat(zero_fraction(layout.digits), 0, 1)))


def _scalar_text(value: object, pointer: str) -> bytes:
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value).encode()
    if value is None or isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value).encode()
    raise InvalidGrammar(f"{show(value)} is not a JSON value", pointer=pointer)


def _container(
    value: dict[str, object] | list[object], layout: Layout, depth: int, pointer: str
) -> list[Node | tuple[object, int]]:
    brackets = b"{}" if isinstance(value, dict) else b"[]"
    if not value:
        return [*layout.empty(brackets)]
    if isinstance(value, dict) and len(value) > 1 and layout.any_order:
        return [_in_any_order(value, layout, depth, pointer)]
    parts: list[Node | tuple[object, int]] = [*layout.opening(brackets[:1], depth)]
    for index, item in enumerate(value):
        if index:
            parts += layout.comma(depth)
        if isinstance(value, dict):
            key = _key(item, pointer)
            parts += [Bytes(key_text(key)), *layout.colon(), (value[key], depth + 1)]
        else:
            parts.append((item, depth + 1))
    parts += layout.closing(brackets[1:], depth)
    return parts


def _in_any_order(value: dict[str, object], layout: Layout, depth: int, pointer: str) -> Members:
    return Members(
        Seq(layout.opening(b"{", depth)),
        tuple([key_text(_key(key, pointer)) for key in value]),
        tuple([Seq((*layout.colon(), literal(item, layout, depth + 1, pointer))) for item in value.values()]),
        frozenset(range(len(value))),
        (),
        Seq(layout.comma(depth)),
        Seq(layout.closing(b"}", depth)),
        any_order=True,
    )


def _key(key: object, pointer: str) -> str:
    if not isinstance(key, str):
        raise InvalidGrammar(f"the key {key!r} of a value must be a string", pointer=pointer)
    return key


def equality_key(value: object) -> Hashable:
    """Equal for the values that JSON Schema calls equal: 1 and 1.0 are, 1 and true are not (core, section 4.2.2)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, list):
        return ("array", *map(equality_key, value))
    if isinstance(value, dict):
        return frozenset((key, equality_key(item)) for key, item in value.items())
    return value if isinstance(value, Hashable) else id(value)


@record
class Listed:
    """Finitely many values, where they are listed, and the parts that each of them must still satisfy."""

    values: list[object]
    pointers: tuple[str, ...]
    rest: tuple[Part, ...]

    def passing(self) -> Iterator[object]:
        """The values that satisfy the rest."""
        if not self.rest:
            return iter(self.values)
        around = flatten(self.rest)
        others = around.says or around.unions or any(own.refused for own in around.owns)
        kinds = {*map(type, self.values)}
        if not others and kinds <= _PLAIN.keys():
            allowed = {kind for kind in kinds if _PLAIN[kind] & around.types}
            return iter(self.values) if kinds == allowed else (v for v in self.values if type(v) in allowed)
        return (value for value in self.values if _satisfies(value, around))


def listed(conjunction: Conjunction) -> Listed | None:
    """The values that `enum` and `const` list, or an `anyOf` or `oneOf` of such lists; None when there are none."""
    owns = [own for own in conjunction.owns if own.values]
    if not owns:
        for union in conjunction.unions:
            found = _union_values(union)
            if found is not None:
                return Listed(found, (union.pointer,), conjunction.choose(union))
        return None
    lists = [(own.pointer(keyword), values) for own in owns for keyword, values in own.values]
    found = lists[0][1]
    for _, other in lists[1:]:
        allowed = {equality_key(value) for value in other}
        found = [value for value in found if equality_key(value) in allowed]
    own = conjunction.owns[0]
    alone = len(conjunction.parts) == 1 and own.types == ALL and not own.says
    return Listed(found, tuple(pointer for pointer, _ in lists), () if alone else conjunction.parts)


def _union_values(union: Union) -> list[object] | None:
    """The values of a union whose branches all list theirs: those of any branch, or (oneOf) of one branch only."""
    if not union.asked:
        union.values, union.asked = _values_of_branches(union), True
    return union.values


def _values_of_branches(union: Union) -> list[object] | None:
    found: dict[Hashable, object] = {}
    branches: dict[Hashable, int] = {}
    for branch in union.branches:
        conjunction = flatten((branch,))
        values = None if conjunction.unions else listed(conjunction)
        if values is None:
            return None
        passed = {equality_key(value): value for value in values.passing()}
        for key, value in passed.items():
            found.setdefault(key, value)
            branches[key] = branches.get(key, 0) + 1
    most = 1 if union.keyword == "oneOf" and union.negated is None else len(union.branches)
    return [value for key, value in found.items() if branches[key] <= most]


def holds(value: object, parts: Sequence[Part]) -> bool:
    """Whether a value satisfies all the parts.

    Raises `UnsupportedFeature` when that depends on a keyword that is refused.
    """
    return _satisfies(value, flatten(parts))


def _satisfies(value: object, conjunction: Conjunction) -> bool:
    for own in conjunction.owns:
        if not _own_holds(value, own):
            return False
    return all(_union_holds(value, union) for union in conjunction.unions)


def _union_holds(value: object, union: Union) -> bool:
    if union.negated is not None:
        return not holds(value, (union.negated,))
    if union.keyword == "oneOf":
        return sum(holds(value, (branch,)) for branch in union.branches) == 1
    return any(holds(value, (branch,)) for branch in union.branches)


def type_of(value: object, *, draft: int = 9, pointer: str | None = None) -> int:
    """The type of a value as a bit; 1.0 is an integer from draft-06 on.

    Raises `InvalidGrammar`, naming the keyword at `pointer`, for what is no JSON value.
    """
    if isinstance(value, str):
        return STRING
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return INTEGER
    if isinstance(value, float):
        return INTEGER if value.is_integer() and draft > 4 else FRACTION
    if isinstance(value, list):
        return ARRAY
    if isinstance(value, dict):
        return OBJECT
    raise InvalidGrammar(f"{show(value)} is not a JSON value", pointer=pointer)


_PLAIN: dict[type, int] = {str: STRING, int: INTEGER, bool: BOOLEAN, type(None): NULL}
"""Types of values of which every draft says the same type."""


def only_strings(values: list[object]) -> TypeGuard[list[str]]:
    """Whether there are values and all are strings: then one look at the types will do."""
    return {*map(type, values)} == {str}


def _own_holds(value: object, own: Own) -> bool:
    kind = type_of(value, draft=own.location.dialect.number, pointer=own.location.pointer)
    if not kind & own.types:
        return False
    for refusal in own.refused:
        if refusal.types & kind:
            raise refusal.error
    if own.values:
        if own.value_keys is None:
            own.value_keys = [{equality_key(other) for other in values} for _, values in own.values]
        key = equality_key(value)
        if not all(key in keys for keys in own.value_keys):
            return False
    if own.excluded and equality_key(value) in {equality_key(other) for other in own.excluded}:
        return False
    if not kind & own.says:
        return True
    if isinstance(value, str):
        return _in_range(len(value), own, "minLength", "maxLength") and _string_holds(value, own)
    if isinstance(value, list):
        return _in_range(len(value), own, "minItems", "maxItems") and _items_hold(value, own)
    if isinstance(value, dict):
        return _in_range(len(value), own, "minProperties", "maxProperties") and _properties_hold(value, own)
    assert isinstance(value, int | float)
    return _number_holds(value, own)


def _in_range(count: int, own: Own, minimum: str, maximum: str) -> bool:
    return own.scalars.get(minimum, 0) <= count and ((high := own.scalars.get(maximum)) is None or count <= high)


def _number_holds(value: int | float, own: Own) -> bool:
    number: Scalar = value if isinstance(value, int) else Decimal(repr(value))
    return all(_BOUNDS[keyword](number, bound) for keyword, bound in own.scalars.items() if keyword in _BOUNDS)


_BOUNDS: dict[str, Callable[[Scalar, Scalar], bool]] = {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
    "multipleOf": lambda number, divisor: (Fraction(number) / Fraction(divisor)).denominator == 1,
    "noMultipleOf": lambda number, divisor: (Fraction(number) / Fraction(divisor)).denominator != 1,
}


def _string_holds(value: str, own: Own) -> bool:
    return all(finds(pattern, value) for pattern in own.patterns) and all(
        _accepts(_format_dfa(name), value) for name in own.formats
    )


def finds(pattern: Pattern, string: str) -> bool:
    """Whether a pattern has a match in a string."""
    if pattern.dfa is None:
        pattern.dfa = char_dfa(pattern.node)
    return _accepts(pattern.dfa, string)


@cache
def _format_dfa(name: str) -> Dfa:
    return char_dfa(format_node(name))


def _accepts(dfa: Dfa, string: str) -> bool:
    state = 0
    for char in map(ord, string):
        for low, high, target in dfa.edges[state]:
            if low <= char <= high:
                state = target
                break
        else:
            return False
    return state in dfa.finals


def _items_hold(value: list[object], own: Own) -> bool:
    if own.distinct and len({equality_key(item) for item in value}) < len(value):
        return False
    first = all(holds(item, (location,)) for item, location in zip(value, own.prefix, strict=False))
    rest = own.items
    if not first or not (rest is None or all(holds(item, (rest,)) for item in value[len(own.prefix) :])):
        return False
    for some in own.some_items:
        count = sum(holds(item, (some.part,)) for item in value[some.start :])
        if count < some.low or (some.high is not None and count > some.high):
            return False
    return True


def _properties_hold(value: dict[str, object], own: Own) -> bool:
    if not all(name in value for name in own.required):
        return False
    for name, item in value.items():
        if own.names is not None and not holds(name, (own.names,)):
            return False
        if not holds(item, value_parts(own, name)):
            return False
    return all(
        any(in_content(some.content, name) and holds(item, (some.part,)) for name, item in value.items())
        for some in own.some_keys
    )


def in_content(content: Node, string: str) -> bool:
    """Whether a string is one of a regular node."""
    return _accepts(char_dfa(content), string)


def value_parts(own: Own, name: str) -> tuple[Part, ...]:
    """The subschemas that one subschema has for the value of a property: its own, its patterns', else the others'."""
    declared = None if own.properties is None else own.properties.get(name)
    if not own.pattern_properties:
        only = own.additional if declared is None else declared
        return () if only is None else (only,)
    found: list[Part] = [] if declared is None else [declared]
    found += [location for pattern, location in own.pattern_properties if finds(pattern, name)]
    if not found and own.additional is not None:
        found.append(own.additional)
    return tuple(found)
