"""Text or value × JSON Schema -> the reasons why it does not validate: the last assertion on every generated value.

Place in the walk: after the automaton. It is built on `jsonschema`, which shares no code with the engine, with these
differences: nothing is ever retrieved, and references lead to the schemas given beside (`gcd.references`); patterns and
formats run through our automata, in linear time (`^(a+)+$`); numbers are decimals, so that 19.99 is a multiple of 0.01;
nesting is limited with a typed error. Dialects are read as the front end reads them. `True` is no integer, `1.0` is one
(from draft-06 on), NaN is no JSON, the last of equal keys wins.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

from gcd.errors import EmptyLanguage, GrammarError, InvalidGrammar, LimitExceeded, ValidationFailed
from gcd.references import REFERENCES, Keyword, Resolver, descend, unevaluated
from grammars.frontends.json_schema.registry import Registry, Schemas, read_schemas
from grammars.frontends.json_schema.source import escape

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

    from grammars.frontends.json_schema.dialects import Dialect
    from grammars.ir import Node

__all__ = ["Issue", "check_instance", "validate"]

DEEPEST = 200
"""Most arrays and objects around a value: json and jsonschema recurse, and Python stops at 1,000 frames."""

SHOWN, LONGEST = 20, 300
"""Most issues that are reported, and most characters of a message."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Where a value is wrong, as a JSON pointer into it, and why.

    >>> str(Issue("/age", "-1 is less than the minimum of 0"))
    'at /age: -1 is less than the minimum of 0'
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"at {self.pointer}: {self.message}" if self.pointer else self.message


def validate(text_or_value: object, schema: object, *, schemas: Schemas | None = None, formats: bool = True) -> None:
    """Raises ValidationFailed when a JSON text (a str), or a value of another type, does not satisfy the schema.

    `schema` is a dict or a bool, `schemas` are those that it may refer to, by their URIs; without `formats` these are
    annotations. Raises InvalidGrammar, UnsupportedFeature or LimitExceeded when the question cannot be answered: a
    schema that is none, a reference to elsewhere, a pattern without an automaton, too deep a value.
    """
    if isinstance(text_or_value, str):
        text, issues = text_or_value, _check_text(text_or_value, schema, schemas, formats)
    else:
        issues = check_instance(text_or_value, schema, schemas=schemas, formats=formats)
        text = json.dumps(text_or_value, ensure_ascii=False, default=str, skipkeys=True) if issues else ""
    if issues:
        raise ValidationFailed(text, [str(issue) for issue in issues])


def check_instance(
    value: object, schema: object, *, schemas: Schemas | None = None, formats: bool = True
) -> tuple[Issue, ...]:
    """The reasons why a JSON value does not satisfy a schema; none when it does.

    check_instance({"price": 19.995}, {"properties": {"price": {"multipleOf": 0.01}}})
    # (Issue("/price", "19.995 is not a multiple of 0.01"),)
    """
    try:
        exact = _exact(value, DEEPEST)
    except _NotJson as error:
        return (Issue("", str(error)),)
    except RecursionError:
        raise _too_deep() from None
    return _issues(exact, schema, schemas, formats)


def _check_text(text: str, schema: object, schemas: Schemas | None, formats: bool) -> tuple[Issue, ...]:
    try:
        value = json.loads(text, parse_float=_number, parse_constant=_not_json)
    except json.JSONDecodeError as error:
        return (Issue("", f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})"),)
    except _NotJson as error:
        return (Issue("", f"not JSON: {error}"),)
    except ValueError:  # sys.int_info.default_max_str_digits
        return (Issue("", "an integer has more than 4,300 digits, which Python does not read"),)
    except RecursionError:
        raise _too_deep() from None
    return check_instance(value, schema, schemas=schemas, formats=formats)


# --- values -----------------------------------------------------------------------------------------------------------


class _Number(Decimal):
    """A JSON number with a fraction or an exponent; shown as it is written."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _NotJson(ValueError):
    """The value is none that JSON text can hold."""


def _number(text: str) -> _Number:
    try:
        return _Number(text)
    except InvalidOperation:
        raise _NotJson(f"the number {text} is too large") from None


def _not_json(what: str) -> NoReturn:
    raise _NotJson(f"{what} is not a JSON value")


def _too_deep() -> LimitExceeded:
    return LimitExceeded(f"the value is nested more than {DEEPEST} deep, too deep to be validated")


def _exact(value: object, depth: int) -> object:
    """The value with its floats as decimals: 0.1 -> the decimal 0.1. Raises _NotJson or LimitExceeded."""
    if depth < 0:
        raise _too_deep()
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            number = _Number(repr(value)) if isinstance(value, float) else _Number(value)
            return number if number.is_finite() else _not_json(str(value))
        case list() | tuple():
            return [_exact(item, depth - 1) for item in value]
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    _not_json(f"an object with the key {key!r}")
            return {key: _exact(item, depth - 1) for key, item in value.items()}
    _not_json(f"a Python {type(value).__name__}")


# --- keywords that jsonschema does otherwise --------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _finder(pattern: str) -> Callable[[str], bool]:
    """Whether a regular expression of ECMA-262 matches somewhere in a string: one pass over the string."""
    from grammars.frontends.regex import parse_regex

    return _matcher(parse_regex(pattern, search=True, flavor="ecma"))


@cache
def _format(name: str) -> Callable[[str], bool]:
    from grammars.frontends.json_schema.formats import FORMATS

    return _matcher(FORMATS[name])


def _matcher(node: Node) -> Callable[[str], bool]:
    from grammars.compile import compile_grammar
    from grammars.ir import Grammar

    try:
        automaton = compile_grammar(Grammar({"start": node}))
    except EmptyLanguage:
        return lambda string: False
    return lambda string: automaton.accepts(string.encode("utf-8", "surrogatepass"))


def _check_pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _finder(pattern)(instance):
        yield _error(f"{instance!r} does not match {pattern!r}")


def _check_format(validator: Any, name: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    from grammars.frontends.json_schema.formats import FORMATS

    if isinstance(instance, str) and name in FORMATS and not _format(name)(instance):
        yield _error(f"{instance!r} is not a {name!r}")


def _check_pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for pattern, subschema in patterns.items():
            for name, value in instance.items():
                if _finder(pattern)(name):
                    yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _check_additional(validator: Any, additional: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [name for name in instance if name not in known and not any(_finder(p)(name) for p in patterns)]
    if additional is False and extra:
        yield _error(f"additional properties are not allowed here: {', '.join(map(repr, extra))}")
    elif additional is not False:
        for name in extra:
            yield from validator.descend(instance[name], additional, path=name)


def _check_multiple_of(validator: Any, divisor: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, int | Decimal) and not isinstance(instance, bool) and not _divides(divisor, instance):
        yield _error(f"{instance!r} is not a multiple of {divisor!r}")


def _check_unique(validator: Any, unique: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if unique and isinstance(instance, list):
        seen: dict[object, int] = {}
        for index, item in enumerate(instance):
            first = seen.setdefault(_identity(item), index)
            if first != index:
                yield _error(f"items {first} and {index} are equal: {item!r}")
                return


def _identity(value: object) -> object:
    """A hashable that is equal for equal JSON values: 1 and 1.0 are equal, 1 and true are not, keys have no order."""
    match value:
        case bool():
            return bool, value
        case list():
            return list, tuple(map(_identity, value))
        case dict():
            return dict, frozenset((name, _identity(item)) for name, item in value.items())
    return value


def _divides(divisor: int | Decimal, number: int | Decimal) -> bool:
    """Whether number / divisor is an integer, exactly; 1e999999999 is not written out for it.

    With number = n * 10**e and divisor = d * 10**f, n and d without zeros at their end: is n * 10**(e - f) / d one?
    """
    (n, e), (d, f) = _scientific(number), _scientific(divisor)
    if e >= f:
        return n * pow(10, e - f, d) % d == 0
    return n == 0


def _scientific(number: int | Decimal) -> tuple[int, int]:
    """The integer n, without zeros at its end, and the exponent e with number = n * 10**e: 1200 -> (12, 2)."""
    sign, digits, exponent = Decimal(number).as_tuple()
    written = "".join(map(str, digits))
    kept = written.rstrip("0")
    return int(kept or "0") * (-1 if sign else 1), int(exponent) + len(written) - len(kept)


def _exclusive(keyword: str, bound: str) -> Keyword:
    """`exclusiveMinimum` as a number or, as in draft-04, as a boolean beside `minimum`; the front end reads both."""

    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        from jsonschema import Draft202012Validator

        if value is True and bound in schema:
            value = schema[bound]
        if not isinstance(value, bool):
            yield from Draft202012Validator.VALIDATORS[keyword](validator, value, instance, schema) or ()

    return check


def _check_items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """`items` as one schema or, as before 2020-12, as a list of them; the front end reads both."""
    from jsonschema import Draft7Validator, Draft202012Validator

    if not isinstance(items, list):
        yield from Draft202012Validator.VALIDATORS["items"](validator, items, instance, schema) or ()
        return
    yield from Draft7Validator.VALIDATORS["items"](validator, items, instance, schema) or ()
    if "additionalItems" in schema:
        yield from (
            Draft7Validator.VALIDATORS["additionalItems"](validator, schema["additionalItems"], instance, schema) or ()
        )


def _is_integer(_: object, value: object) -> bool:
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


_KEYWORDS: Mapping[str, Keyword] = {
    "pattern": _check_pattern,
    "format": _check_format,
    "patternProperties": _check_pattern_properties,
    "additionalProperties": _check_additional,
    "multipleOf": _check_multiple_of,
    "uniqueItems": _check_unique,
    **REFERENCES,
}

_UNEVALUATED: Mapping[str, Keyword] = {
    name: unevaluated(name, _finder, lambda message: _error(message))
    for name in ("unevaluatedItems", "unevaluatedProperties")
}


# --- schemas ----------------------------------------------------------------------------------------------------------


def _base(number: int) -> Any:
    """jsonschema's own validator class of a draft."""
    import jsonschema

    names = {4: "Draft4", 6: "Draft6", 7: "Draft7", 8: "Draft201909", 9: "Draft202012"}
    return getattr(jsonschema, f"{names[number]}Validator")


@cache
def _class(dialect: Dialect) -> Any:
    """The validator class of a dialect, with our keywords; without `$schema` older keywords keep their meaning."""
    from jsonschema import Draft7Validator
    from jsonschema.validators import extend

    number = dialect.number
    base = _base(number)
    keywords: dict[str, Any] = {name: check for name, check in _KEYWORDS.items() if name in base.VALIDATORS}
    if number > 7:
        keywords |= _UNEVALUATED
    types = base.TYPE_CHECKER
    for bound in ("Minimum", "Maximum"):
        keywords[bound.lower()] = Draft7Validator.VALIDATORS[bound.lower()]
        keywords[f"exclusive{bound}"] = _exclusive(f"exclusive{bound}", bound.lower())
    if number > 4:
        types = types.redefine("integer", _is_integer)
    if number == 9:
        keywords["items"] = _check_items
    if not dialect.stated:
        keywords["dependencies"] = Draft7Validator.VALIDATORS["dependencies"]
        keywords["$recursiveRef"] = REFERENCES["$recursiveRef"]
    made = extend(base, keywords, type_checker=types)
    if "minContains" in dialect.without:
        made.VALIDATORS["contains"] = Draft7Validator.VALIDATORS["contains"]
    for name in dialect.without:
        made.VALIDATORS.pop(name, None)
    made.evolve, made.descend = _evolve, descend
    return made


def _evolve(validator: Any, *, schema: Any = None, _resolver: Resolver | None = None) -> Any:
    """The validator of another schema, in the dialect in which that is written."""
    resolver: Resolver = validator._resolver if _resolver is None else _resolver
    return _class(resolver.dialect)(validator.schema if schema is None else schema, _resolver=resolver)


def _read_schema(schema: object, schemas: Schemas | None, formats: bool) -> Validator:
    """The validator of a schema, made once per content."""
    if not isinstance(schema, dict | bool):
        raise InvalidGrammar(f"a schema must be a dict or a bool, not a {type(schema).__name__}")
    try:
        beside = json.dumps(read_schemas(schemas), allow_nan=False)
        return _validator(json.dumps(schema, allow_nan=False), beside, formats)
    except (TypeError, ValueError) as error:
        if isinstance(error, GrammarError):
            raise
        raise InvalidGrammar(f"the schema is no JSON value: {error}") from None
    except RecursionError:
        raise LimitExceeded("the schema is nested too deeply to be read") from None


@lru_cache(maxsize=64)
def _validator(text: str, schemas: str, formats: bool) -> Validator:
    plain = json.loads(text)
    dialect = Registry(plain, json.loads(schemas), formats=formats).root.dialect
    _check_schema(plain, dialect.number)
    contents = json.loads(text, parse_float=_number)
    registry = Registry(contents, json.loads(schemas, parse_float=_number), formats=formats)
    registry.read()  # now, as several threads may use it
    validator: Validator = _class(dialect)(contents, _resolver=Resolver(registry, registry.start, dialect))
    return validator


def _check_schema(schema: object, number: int, pointer: str = "") -> None:
    """Raises InvalidGrammar where the meta-schema refuses what the front end does not read either."""
    import referencing

    base = _base(number)
    for error in base(base.META_SCHEMA, registry=referencing.Registry()).iter_errors(schema):
        place = pointer + _pointer(error)
        keyword = place.rpartition("/")[2]
        if keyword == "items" and isinstance(error.instance, list):
            for index, item in enumerate(error.instance):
                _check_schema(item, number, f"{place}/{index}")
        elif not (keyword in ("exclusiveMinimum", "exclusiveMaximum") and isinstance(error.instance, int | float)):
            if _says_nothing(error):
                continue
            raise InvalidGrammar(f"the schema is malformed: {_short(error.message)}", pointer=place)


def _says_nothing(error: ValidationError) -> bool:
    """Whether older meta-schemas refuse it, and its meaning is plain: a list that is only empty or names something
    twice, exclusiveMinimum without minimum.
    """
    if error.validator in ("uniqueItems", "minItems", "dependencies"):
        return True
    ways: dict[object, bool] = {}
    for inner in error.context or ():
        way = inner.schema_path[0]
        ways[way] = ways.get(way, True) and _says_nothing(inner)
    return any(ways.values())


def _issues(value: object, schema: object, schemas: Schemas | None, formats: bool) -> tuple[Issue, ...]:
    from jsonschema.exceptions import best_match

    validator = _read_schema(schema, schemas, formats)
    try:
        errors = list(islice(validator.iter_errors(value), SHOWN))
    except RecursionError:
        raise LimitExceeded(
            "checking the value recurses too deeply", hint="is there a $ref that leads back to itself at once?"
        ) from None
    return tuple(_issue(error, best_match([error])) for error in errors)


def _issue(error: ValidationError, closest: ValidationError) -> Issue:
    """An error, and the one that kept the likeliest branch of its anyOf or oneOf from holding."""
    message = _short(error.message)
    if closest is not error:
        message += f"; closest: {Issue(_pointer(closest), _short(closest.message))}"
    return Issue(_pointer(error), message)


def _error(message: str) -> ValidationError:
    from jsonschema.exceptions import ValidationError

    return ValidationError(message)


def _pointer(error: ValidationError) -> str:
    return "".join(f"/{escape(str(step))}" for step in error.absolute_path)


def _short(message: str) -> str:
    return message if len(message) <= LONGEST else f"{message[: LONGEST - 1]}…"
