"""The law of the JSON Schema front end: a text is accepted iff its value is valid by the strict validator.

Values are drawn towards random schemas by a walk of their own (`random_schemas.meant`), then changed in one place. The
package hypothesis-jsonschema would draw them too; its last release (0.23.1) fails on every object under the hypothesis
of today (`'many' object has no attribute 'more'`). GCD_RANDOM_SCHEMAS=5000 checks that many schemas; a failing one is
shrunk, and the line that replays it printed.
"""

from __future__ import annotations

import json
import math
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from random_schemas import meant, mutated, orders, plain, random_document, with_a_key_twice

from gcd.errors import EmptyLanguage, LimitExceeded, UnsupportedFeature
from gcd.validate import check_instance
from grammars.compile import compile_grammar
from grammars.frontends.json_schema import parse_json_schema

SCHEMAS = int(os.environ.get("GCD_RANDOM_SCHEMAS", "200"))

DISAGREEMENTS: dict[str, tuple[object, object, bool, bool]] = {
    "multiples are decided in decimals, not in doubles": ({"multipleOf": 0.01}, 19.99, True, False),
    "patterns are ECMA-262's: \\d is 0 to 9": ({"pattern": r"^\d$"}, "٣", False, True),
    "patterns are ECMA-262's: $ is the end, not a newline before it": ({"pattern": "^a$"}, "a\n", False, True),
    "formats are assertions": ({"format": "date"}, "2026-02-30", False, True),
    "a list of items, as before 2020-12, keeps its meaning": (
        {"items": [True, True], "additionalItems": False}, [1, 2, 3], False, True,
    ),
    "exclusiveMinimum of draft 4 keeps its meaning": ({"minimum": 5, "exclusiveMinimum": True}, 5, False, True),
    "dependencies keep their meaning where no $schema is named": (
        {"dependencies": {"a": ["b"]}}, {"a": 1}, False, True,
    ),
}  # fmt: skip
"""Why `jsonschema` alone says otherwise than `gcd.validate`: (schema, value, ours, theirs). The only reasons: random
schemas stay clear of them, and then both must agree."""


@pytest.mark.parametrize("reason", DISAGREEMENTS)
def test_validators_disagree(reason: str) -> None:
    schema, value, ours, theirs = DISAGREEMENTS[reason]
    assert (not check_instance(value, schema)) is ours
    assert by_jsonschema(schema, value) is theirs


def by_jsonschema(schema: object, value: object) -> bool:
    try:
        return Draft202012Validator(schema).is_valid(value)
    except (AttributeError, TypeError, ValueError):  # it does not look at the schema first
        return True


def acceptor(schema: object) -> Callable[[str], bool] | None:
    """What tells whether a text is accepted; None for a schema that is refused."""
    try:
        automaton = compile_grammar(parse_json_schema(schema))
    except EmptyLanguage:
        return lambda text: False
    except (UnsupportedFeature, LimitExceeded):  # unions that hold at once may multiply beyond the limit
        return None
    return lambda text: automaton.accepts(text.encode())


COLLECTS = Draft202012Validator({"additionalProperties": {"type": "null"}, "unevaluatedProperties": False}).is_valid(
    {"a": None}
)
"""Whether this jsonschema counts what `additionalProperties` has looked at as evaluated: the oldest, 4.23, does not."""


def is_valid(schema: object, value: object, met: Counter[str]) -> bool:
    """By the strict validator, and jsonschema says the same."""
    theirs = Draft202012Validator(schema).is_valid(value)
    try:
        ours = not check_instance(value, schema)
    except UnsupportedFeature:  # unevaluatedProperties beside patternProperties
        met["jsonschema alone"] += 1
        return theirs
    if ours != theirs and not COLLECTS and "unevaluated" in json.dumps(schema):
        met["mistaken jsonschema"] += 1
        return ours
    if ours != theirs:  # the `$` of jsonschema's patterns is Python's, which also stands in front of a last newline
        where = f"the validators differ: {json.dumps(schema)} {json.dumps(value)}: ours says {ours}"
        assert '$"' in json.dumps(schema), where
        assert '\\n"' in json.dumps(value), where
    return ours


def floats(value: object) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from floats(item)


def is_spelled(schema: object, value: object) -> bool:
    """Whether the grammar writes all numbers of the value: all, but where multiples are asked for those of 15 digits.

    Likewise where numbers are that are no integers; there a 0 in front of the point is one of the digits.
    """
    said = json.dumps(schema)
    digits = 15 if '"multipleOf"' in said else 14 if '"integer"' in said and has_complement(said) else 17
    return all(float(f"{x:.{digits}g}") == x for x in floats(value))


def has_complement(said: str) -> bool:
    """Whether something in a schema may hold because something else does not."""
    return any(keyword in said for keyword in ('"not"', '"if"', '"oneOf"'))


def compare(schema: object, accepts: Callable[[str], bool], value: object, met: Counter[str]) -> None:
    """Valid: accepted with its keys in some order. Invalid: in none."""
    where = f"{json.dumps(schema)} {json.dumps(value, ensure_ascii=False)}"
    accepted = any(accepts(plain(ordered)) for ordered in orders(value))
    if is_valid(schema, value, met):
        met["valid"] += 1
        assert accepted or not is_spelled(schema, value), f"valid, but refused: {where}"
    else:
        met["invalid"] += 1
        assert not accepted, f"invalid, but accepted: {where}"


def compare_with_a_key_twice(schema: object, accepts: Callable[[str], bool], text: str, met: Counter[str]) -> None:
    """Where such a text is accepted at all, it is valid as readers of JSON read it, who keep the last of equal keys.

    It is so with the first, too, unless the other is the last key of its object: there stands, with any name, the one
    that a complement asks for, where not all keys may be alike (`_with_some` in chains.py).
    """
    if not accepts(text):
        return
    is_last = False

    def first_ones(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal is_last
        is_last |= [key for key, _ in pairs].count(pairs[-1][0]) > 1 if pairs else False
        return dict(reversed(pairs))

    said = json.dumps(schema)
    where = f"a key twice: {said} {text}"
    assert is_valid(schema, json.loads(text), met), where
    if not is_valid(schema, json.loads(text, object_pairs_hook=first_ones), met):
        assert is_last, where
        assert has_complement(said), where


def test_of_equal_keys_the_last_meets_what_a_complement_asks_for() -> None:
    schema = {"not": {"additionalProperties": {"type": "string"}}}
    accepts = acceptor(schema)
    assert accepts is not None
    assert accepts('{"b": "", "a": "", "b": {}}')
    assert not accepts('{"b": {}, "a": "", "b": ""}')


def check(pick: random.Random, met: Counter[str]) -> None:
    """One random schema with values that it may mean, and these with one, two and three changes."""
    schema = random_document(pick)
    accepts = acceptor(schema)
    met["refused" if accepts is None else "read"] += 1
    if accepts is None:
        return
    for _ in range(4):
        value = meant(pick, schema, schema["$defs"])
        for _ in range(4):
            compare(schema, accepts, value, met)
            if isinstance(value, dict) and value:
                compare_with_a_key_twice(schema, accepts, with_a_key_twice(pick, value), met)
            value = mutated(pick, value)


def test_accepted_iff_valid() -> None:
    met: Counter[str] = Counter()

    @settings(max_examples=SCHEMAS, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def law(pick: random.Random) -> None:
        check(pick, met)

    law()
    print(dict(met))
    assert met["read"] > 10 * met["refused"]
    assert min(met["valid"], met["invalid"]) > 2 * SCHEMAS, met


def test_numbers_beside_a_bound() -> None:
    """A double on, and next to, each kind of bound."""
    met: Counter[str] = Counter()
    for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        for bound in (1, -3, 0.1, 2.5, 1e15 + 0.5, 123456789.125):
            schema = {"type": "number", keyword: bound}
            accepts = acceptor(schema)
            assert accepts is not None
            for toward in (-math.inf, bound, math.inf):
                compare(schema, accepts, math.nextafter(bound, toward), met)
    assert met == {"valid": 36, "invalid": 36}
