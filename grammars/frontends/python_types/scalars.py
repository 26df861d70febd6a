"""Scalars: the core schemas without parts, each to the JSON Schema of texts that pydantic reads as a value of it.

One spelling a value, where the type has one: dates and times as `isoformat()` writes them, decimals as strings (a JSON
number passes through a double on its way to a Decimal and loses digits), enums by value. Floats are finite.
"""

from __future__ import annotations

import fractions
import ipaddress
import json
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, cast

from pydantic_core import CoreConfig, SchemaValidator, core_schema

from grammars.errors import EmptyLanguage, UnsupportedFeature
from grammars.frontends.python_types import networks
from grammars.frontends.python_types.decimals import Bound, decimal_body
from grammars.frontends.python_types.moments import clock_body, zoned_moments
from grammars.frontends.python_types.rust_regex import WHITE_SPACE, CharSet, translate
from grammars.frontends.python_types.temporal import date_body, datetime_body, duration_body, time_body
from grammars.frontends.python_types.walk import Node, Place, Schema, Step, Walk, refuse

__all__ = ["INSTANCES", "LENGTHS", "SCALARS", "STATE_TEXTS", "bare", "base64_body", "bounds_of", "text"]

LARGEST = sys.float_info.max

NUMERIC = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}


def text(body: str) -> Schema:
    """A string that is exactly the body."""
    return {"type": "string", "pattern": f"^{body}$"}


# --- numbers ----------------------------------------------------------------------------------------------------------


def _integer(walk: Walk, node: Node, place: Place) -> Schema:
    return {"type": "integer", **{keyword: node[key] for key, keyword in NUMERIC.items() if key in node}}


def _float(walk: Walk, node: Node, place: Place) -> Schema:
    """A finite number: 1e999 is infinity to pydantic, and no JSON text to anybody who writes it back."""
    given = {keyword: node[key] for key, keyword in NUMERIC.items() if key in node}
    finite = {key: value for key, value in given.items() if abs(value) <= LARGEST}
    if "multipleOf" not in finite and finite.keys().isdisjoint({"minimum", "exclusiveMinimum"}):
        finite["minimum"] = -LARGEST
    if "multipleOf" not in finite and finite.keys().isdisjoint({"maximum", "exclusiveMaximum"}):
        finite["maximum"] = LARGEST
    return {"type": "number", **finite}


def bounds_of(node: Node) -> tuple[Bound | None, Bound | None]:
    """The tighter lower and the tighter upper bound of a node."""
    low = [Bound(Decimal(node[key]), key == "gt") for key in ("ge", "gt") if node.get(key) is not None]
    high = [Bound(Decimal(node[key]), key == "lt") for key in ("le", "lt") if node.get(key) is not None]
    return (
        max(low, key=lambda bound: (bound.value, bound.is_open), default=None),
        min(high, key=lambda bound: (bound.value, not bound.is_open), default=None),
    )


def _decimal(walk: Walk, node: Node, place: Place) -> Schema:
    low, high = bounds_of(node)
    places = [node[key] for key in ("decimal_places",) if node.get(key) is not None]
    if (unit := node.get("multiple_of")) is not None:
        exponent = int(Decimal(unit).normalize().as_tuple().exponent)
        if Decimal(unit) != Decimal(1).scaleb(exponent) or exponent > 0:
            refuse(place, f"multiple_of={unit} of a Decimal is not supported", hint="Powers of ten up to 1 are: 0.01.")
        places.append(-exponent)
    body = decimal_body(low, high, digits=node.get("max_digits"), places=min(places, default=None))
    if body is None:
        raise EmptyLanguage(f"{place.path}: no Decimal satisfies its constraints")
    return text(body)


def _fraction(walk: Walk, node: Node, place: Place) -> Schema:
    if node.keys() & NUMERIC.keys():
        refuse(place, "constraints on a Fraction are not supported", hint="Use Decimal.")
    return FRACTION


# --- text -------------------------------------------------------------------------------------------------------------


def _string(walk: Walk, node: Node, place: Place) -> Schema:
    def setting(name: str) -> Any:
        return node.get(name, place.config.get(f"str_{name}"))

    patterns = []
    if setting("strip_whitespace"):  # lengths and pattern are checked on what is left, so nothing may be left out
        inside = ~CharSet.of(*WHITE_SPACE)
        patterns.append(rf"^(?:{inside}(?:[\s\S]*{inside})?)?$")
    if node.get("ascii_only"):
        patterns.append(r"^[\u0000-\u007f]*$")
    if node.get("pattern") is not None:
        engine = node.get("regex_engine", place.config.get("regex_engine", "rust-regex"))
        try:
            patterns.append(translate(node["pattern"], engine))
        except UnsupportedFeature as error:
            message = f"{place.path}: in the pattern, {error.message}"
            raise UnsupportedFeature(message, span=error.span, hint=error.hint) from None
    lengths = {"minLength": setting("min_length"), "maxLength": setting("max_length")}
    schema: Schema = {"type": "string", **{key: value for key, value in lengths.items() if value is not None}}
    if len(patterns) == 1:
        schema["pattern"] = patterns[0]
    elif patterns:
        schema["allOf"] = [{"pattern": pattern} for pattern in patterns]
    return schema


def _bytes(walk: Walk, node: Node, place: Place) -> Schema:
    least, most = node.get("min_length") or 0, node.get("max_length")
    encoding = place.config.get("val_json_bytes", "utf8")
    if encoding == "hex":
        return text(f"(?:[0-9a-fA-F]{{2}}){{{least},{'' if most is None else most}}}")
    if encoding == "base64":
        return text(base64_body("+/", least, most))
    if least or most is not None:
        hint = "Use str with a length in characters, or val_json_bytes='base64'."
        refuse(
            place, "a length of bytes, which JSON gives as characters of up to four bytes, is not supported", hint=hint
        )
    return {"type": "string"}


def base64_body(last: str, least: int = 0, most: int | None = None) -> str:
    """Base64 of `least` to `most` bytes, with padding; `last` are the 63rd and the 64th character of its alphabet."""
    char = f"[A-Za-z0-9{last}]"
    ends = ["", f"{char}[AQgw]==", f"{char}{{2}}[AEIMQUYcgkosw048]="]
    branches = []
    for left, end in enumerate(ends):
        low = max(0, -(-(least - left) // 3))
        high = None if most is None else (most - left) // 3
        if high is None or low <= high:
            branches.append(f"(?:{char}{{4}}){{{low},{'' if high is None else high}}}{end}")
    return f"(?:{'|'.join(branches)})"


def _uuid(walk: Walk, node: Node, place: Place) -> Schema:
    version, digit = node.get("version"), "[0-9a-fA-F]"
    middle = f"{digit}{{4}}-{digit}{{4}}" if version is None else f"{version}{digit}{{3}}-[89abAB]{digit}{{3}}"
    return text(f"{digit}{{8}}-{digit}{{4}}-{middle}-{digit}{{12}}")


def _url(walk: Walk, node: Node, place: Place) -> Schema:
    schema = text(networks.url_body(node.get("allowed_schemes")))
    return schema if node.get("max_length") is None else {**schema, "maxLength": node["max_length"]}


# --- dates ------------------------------------------------------------------------------------------------------------


def _date(walk: Walk, node: Node, place: Place) -> Schema:
    first = max(filter(None, [node.get("ge"), _neighbour(node.get("gt"), 1, place), date.min]))
    last = min(filter(None, [node.get("le"), _neighbour(node.get("lt"), -1, place), date.max]))
    if first > last:
        raise EmptyLanguage(f"{place.path}: no date is between {first} and {last}")
    return text(date_body(first, last))


def _neighbour(day: date | None, step: int, place: Place) -> date | None:
    try:
        return None if day is None else day + timedelta(days=step)
    except OverflowError:
        raise EmptyLanguage(f"{place.path}: no date is beyond {day}") from None


def _time(walk: Walk, node: Node, place: Place) -> Schema:
    zone = _zone_of(node, place)
    low, high = _ends(node, timedelta(microseconds=1), place)
    if low is None and high is None:
        return text(time_body(zone))
    if isinstance(zone, int) or any(bound is not None and bound.tzinfo is not None for bound in (low, high)):
        refuse(
            place, "bounds on a time with an offset are not supported", hint="Use a time without one, or a datetime."
        )
    first, last = low or time.min, high or time.max
    if first > last:
        raise EmptyLanguage(f"{place.path}: no time is between {first} and {last}")
    return text(clock_body(first, last) + {"naive": "", "aware": "Z", None: "Z?"}[zone])


def _datetime(walk: Walk, node: Node, place: Place) -> Schema:
    zone = _zone_of(node, place)
    low, high = _ends(node, timedelta(microseconds=1), place)
    if low is None and high is None:
        return text(datetime_body(zone))
    body = zoned_moments(low, high, zone)
    if body is None:
        raise EmptyLanguage(f"{place.path}: no datetime is between {low} and {high}")
    return text(body)


def _zone_of(node: Node, place: Place) -> str | int | None:
    zone: str | int | None = node.get("tz_constraint")
    if isinstance(zone, int) and zone % 60:
        refuse(place, f"an offset of {zone} seconds has no spelling in whole minutes")
    return zone


def _ends(node: Node, step: timedelta, place: Place) -> tuple[Any, Any]:
    """The tighter lower and upper bound of a time or datetime, both included; None where there is none."""
    low = [node["ge"]] if node.get("ge") is not None else []
    high = [node["le"]] if node.get("le") is not None else []
    try:
        low += [_later(node["gt"], step)] if node.get("gt") is not None else []
        high += [_later(node["lt"], -step)] if node.get("lt") is not None else []
    except OverflowError:
        raise EmptyLanguage(f"{place.path}: no {node['type']} is beyond its bounds") from None
    try:
        return max(low, default=None), min(high, default=None)
    except TypeError:  # one with an offset and one without
        refuse(place, "bounds of which some have an offset and some have none are not supported")


def _later(at: Any, step: timedelta) -> Any:
    """A time or datetime so much later; raises OverflowError beyond the last and the first."""
    if isinstance(at, datetime):
        return at + step
    moved = datetime.combine(date(2000, 1, 2), at) + step
    if moved.date() != date(2000, 1, 2):
        raise OverflowError
    return moved.timetz()


def _duration(walk: Walk, node: Node, place: Place) -> Schema:
    """A duration; of bounds there is "not negative" and "positive": with a digit that is not 0, and no sign."""
    given = {key: node[key] for key in NUMERIC if node.get(key) is not None}
    if not given:
        return text(duration_body())
    if given.keys() - {"ge", "gt"} or any(given.values()):
        hint = "Of a timedelta, ge=timedelta(0) and gt=timedelta(0) are; a validator is applied to the finished value."
        refuse(place, f"the bound {min(given)} of a timedelta is not supported", hint=hint)
    schema = text(f"(?!-){duration_body()}")
    return {**schema, "allOf": [{"pattern": "[1-9]"}]} if "gt" in given else schema


# --- fixed values -----------------------------------------------------------------------------------------------------


def _literal(walk: Walk, node: Node, place: Place) -> Schema:
    return _listed(node, node["expected"], place)


def _enum(walk: Walk, node: Node, place: Place) -> Schema:
    return {"title": node["cls"].__name__, **_listed(node, node["members"], place)}


def bare(node: Node) -> core_schema.CoreSchema:
    """A node of fixed values by itself, to be validated with."""
    aside = ("ref", "metadata", "serialization")
    return cast(core_schema.CoreSchema, {key: value for key, value in node.items() if key not in aside})


def _listed(node: Node, members: list[object], place: Place) -> Schema:
    """The JSON texts of the members, each of which is read back by pydantic to make sure that it means the member."""
    validator = SchemaValidator(bare(node), cast(CoreConfig, place.config))
    values = []
    for member in members:
        value = member.value if isinstance(member, Enum) else member
        try:
            read = [validator.validate_json(json.dumps(value, allow_nan=False))]
        except (TypeError, ValueError):  # no JSON at all, or not read as a member: ValidationError is a ValueError
            read = []
        if read != [member] or type(read[0]) is not type(member):
            hint = "Give it a string or a number for a value."
            if node["type"] == "literal" and isinstance(member, Enum):
                hint = f"Of a Literal, pydantic takes the member only: write Literal[{value!r}], or the enum itself."
            refuse(place, f"{member!r} cannot be read from JSON: its value is {value!r}", hint=hint)
        values.append(value)
    return {"enum": json.loads(json.dumps(values))}


# --- tables -----------------------------------------------------------------------------------------------------------


def _constant(schema: Schema) -> Callable[[Walk, Node, Place], Schema]:
    return lambda walk, node, place: dict(schema)


def _refused(what: str, hint: str | None = None) -> Callable[[Walk, Node, Place], Schema]:
    return lambda walk, node, place: refuse(place, what.format_map({"cls": None, "schema": None, **node}), hint=hint)


FRACTION = text("-?[0-9]{1,64}(?:/[1-9][0-9]{0,63})?")
STATE_TEXTS = (
    "Say what texts it has: Annotated[T, WithJsonSchema({...})] or PlainValidator(f, json_schema_input_type=...)."
)
BOUNDS = frozenset(NUMERIC)
LENGTHS = frozenset({"min_length", "max_length"})

SCALARS: Mapping[str, Step] = {
    "any": Step(_constant({}), frozenset()),
    "none": Step(_constant({"type": "null"}), frozenset()),
    "bool": Step(_constant({"type": "boolean"}), frozenset()),
    "int": Step(_integer, BOUNDS),
    "float": Step(_float, BOUNDS | {"allow_inf_nan"}),
    "decimal": Step(_decimal, BOUNDS | {"allow_inf_nan", "max_digits", "decimal_places"}),
    "fraction": Step(_fraction, BOUNDS),
    "str": Step(
        _string,
        LENGTHS
        | {
            "pattern",
            "strip_whitespace",
            "to_lower",
            "to_upper",
            "ascii_only",
            "regex_engine",
            "coerce_numbers_to_str",
        },
    ),
    "bytes": Step(_bytes, LENGTHS),
    "uuid": Step(_uuid, frozenset({"version"})),
    "url": Step(
        _url,
        frozenset({"max_length", "allowed_schemes", "host_required", "default_host", "default_port", "default_path"}),
    ),
    "date": Step(_date, BOUNDS - {"multiple_of"} | {"now_op", "now_utc_offset"}),
    "time": Step(_time, BOUNDS | {"tz_constraint", "microseconds_precision"}),
    "datetime": Step(_datetime, BOUNDS | {"tz_constraint", "microseconds_precision", "now_op", "now_utc_offset"}),
    "timedelta": Step(_duration, BOUNDS | {"microseconds_precision"}),
    "literal": Step(_literal, frozenset({"expected"})),
    "enum": Step(_enum, frozenset({"cls", "members", "sub_type", "missing"})),
    "is-instance": Step(
        _refused("only instances of {cls.__qualname__} are accepted, which no JSON text is", STATE_TEXTS),
        frozenset({"cls", "cls_repr"}),
    ),
    "is-subclass": Step(
        _refused("only classes are accepted, which no JSON text is", STATE_TEXTS), frozenset({"cls", "cls_repr"})
    ),
    "callable": Step(_refused("a Callable cannot be written as JSON", STATE_TEXTS), frozenset()),
    "ellipsis": Step(_refused("an Ellipsis cannot be written as JSON"), frozenset()),
    "complex": Step(_refused("complex is not supported", "Use a pair of floats."), frozenset()),
    "json": Step(
        _refused("JSON inside of a string (Json) is not supported", "Use the type itself in place of Json[...]."),
        frozenset({"schema"}),
    ),
    "multi-host-url": Step(
        _refused("URLs with several hosts are not supported", "Use str or AnyUrl."),
        frozenset({"max_length", "allowed_schemes", "host_required", "default_host", "default_port", "default_path"}),
    ),
}

INSTANCES: Mapping[type, Schema] = {
    ipaddress.IPv4Address: text(networks.IPV4),
    ipaddress.IPv4Interface: text(networks.IPV4 + networks.PREFIX_32),
    ipaddress.IPv4Network: text(networks.ipv4_network_body()),
    ipaddress.IPv6Address: text(networks.IPV6),
    ipaddress.IPv6Network: text(networks.ipv6_network_body()),
    fractions.Fraction: FRACTION,
    ipaddress.IPv6Interface: text(networks.IPV6 + networks.PREFIX_128),
}
"""Types that pydantic reads by functions of its own: what their constructors take."""
