"""Random schemas and instances against the `jsonschema` package.

Two laws: what the grammar accepts is valid, and what is valid is accepted with its keys in some order; with
`key_order="any"` in every order, where nothing asks for open keys, which stand last. The texts keep to the grammar's
spelling of numbers: integers without a fraction.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, LimitExceeded, UnsupportedFeature
from grammars.frontends.json_schema import parse_json_schema

NAMES = ["a", "b", "ab"]
VALUES = [None, True, False, 0, 1, 2, 1.5, "", "a", "ab", "b", [], [1], {}, {"a": 1}]
CASES = int(os.environ.get("GCD_RANDOM_SCHEMAS", "300"))


def random_schema(pick: random.Random, depth: int = 3) -> dict | bool:
    if pick.random() < 0.07:
        return pick.random() < 0.6
    keywords = pick.sample(list(WRITERS if depth else LEAVES), pick.randint(0, 3))
    schema = {name: WRITERS[name](pick, depth - 1) for name in keywords}
    if pick.random() < 0.6:
        schema["type"] = pick.choice(["null", "integer", "number", "string", "array", "object", "object", "object"])
    return schema


def schemas(pick: random.Random, depth: int) -> list[dict | bool]:
    return [random_schema(pick, depth) for _ in range(pick.randint(1, 3))]


def schema_map(names: list[str], pick: random.Random, depth: int) -> dict:
    return {name: random_schema(pick, depth) for name in pick.sample(names, pick.randint(0, len(names)))}


LEAVES = {
    "type": lambda pick, _: pick.sample(["null", "boolean", "integer", "number", "string", "array", "object"], 3),
    "enum": lambda pick, _: pick.sample(VALUES, 5),
    "const": lambda pick, _: pick.choice(VALUES),
    "minimum": lambda pick, _: pick.randint(-1, 2),
    "maximum": lambda pick, _: pick.randint(0, 3),
    "exclusiveMaximum": lambda pick, _: pick.choice([0, 1, 2.5]),
    "multipleOf": lambda pick, _: pick.choice([1, 2, 3, 0.5]),
    "minLength": lambda pick, _: pick.randint(0, 2),
    "maxLength": lambda pick, _: pick.randint(0, 2),
    "pattern": lambda pick, _: pick.choice(["a", "^a", "b$", "^(ab)*$"]),
    "minItems": lambda pick, _: pick.randint(0, 2),
    "maxItems": lambda pick, _: pick.randint(0, 2),
    "minProperties": lambda pick, _: pick.randint(0, 2),
    "maxProperties": lambda pick, _: pick.randint(0, 2),
    "minContains": lambda pick, _: pick.randint(0, 2),
    "maxContains": lambda pick, _: pick.randint(0, 2),
    "required": lambda pick, _: pick.sample(NAMES, pick.randint(0, 2)),
    "$ref": lambda pick, _: pick.choice(["#/$defs/x", "#/$defs/y"]),
}
WRITERS = LEAVES | {
    "items": random_schema,
    "prefixItems": schemas,
    "properties": lambda pick, depth: schema_map(NAMES, pick, depth),
    "patternProperties": lambda pick, depth: schema_map(["a", "^b", "b$"], pick, depth),
    "additionalProperties": random_schema,
    "propertyNames": lambda pick, _: random_schema(pick, 0),
    "anyOf": schemas,
    "oneOf": schemas,
    "allOf": schemas,
    "not": random_schema,
    "if": random_schema,
    "then": random_schema,
    "else": random_schema,
    "contains": random_schema,
    "dependentRequired": lambda pick, _: {pick.choice(NAMES): pick.sample(NAMES, pick.randint(0, 2))},
    "dependentSchemas": lambda pick, depth: schema_map(NAMES, pick, depth),
    "unevaluatedProperties": random_schema,
    "unevaluatedItems": random_schema,
}


def random_value(pick: random.Random, depth: int = 2) -> object:
    if not depth or pick.random() < 0.4:
        return pick.choice(VALUES)
    if pick.random() < 0.3:
        return [random_value(pick, depth - 1) for _ in range(pick.randint(0, 3))]
    return {name: random_value(pick, depth - 1) for name in pick.sample([*NAMES, "c"], pick.randint(0, 3))}


def orders(value: object) -> Iterator[object]:
    """The value with the keys of all its objects in every order."""
    if isinstance(value, list):
        yield from map(list, itertools.product(*map(orders, value)))
    elif isinstance(value, dict):
        for keys in itertools.permutations(value):
            for items in itertools.product(*(orders(value[key]) for key in keys)):
                yield dict(zip(keys, items, strict=True))
    else:
        yield value


ASKING = {"not", "oneOf", "if", "dependentSchemas"}
"""What may ask for an open key: the complement of what says something about all of them does."""


def keywords(schema: object) -> set[str]:
    """All keys in a schema."""
    if isinstance(schema, dict):
        return set(schema).union(*map(keywords, schema.values()))
    return set().union(*map(keywords, schema)) if isinstance(schema, list) else set()


def text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize("key_order", ["schema", "any"])
@pytest.mark.parametrize("seed", range(10))
def test_accepted_is_valid_and_valid_is_accepted(seed, key_order):
    pick = random.Random(seed)
    read = 0
    for case in range(CASES // 10):
        schema = {"$defs": {"x": random_schema(pick, 1), "y": random_schema(pick, 2)}, "allOf": [random_schema(pick)]}
        for name in ("x", "y"):  # references in definitions would lead in circles
            schema["$defs"][name] = without_references(schema["$defs"][name])
        values = [*VALUES, *(random_value(pick) for _ in range(20))]
        validator = Draft202012Validator(schema)
        try:
            accepts = compile_grammar(parse_json_schema(schema, key_order=key_order)).accepts
        except (UnsupportedFeature, LimitExceeded):  # unions that hold at once may multiply beyond the limit
            continue
        except EmptyLanguage:
            accepts = lambda data: False  # noqa: E731
        read += 1
        for value in values:
            where = f"seed {seed}, case {case}: {json.dumps(schema)} {json.dumps(value)}"
            if validator.is_valid(value):
                every = key_order == "any" and not ASKING & keywords(schema)
                found = (accepts(text(ordered)) for ordered in orders(value))
                assert all(found) if every else any(found), f"valid, but refused: {where}"
            else:
                assert not accepts(text(value)), f"invalid, but accepted: {where}"
    assert read > CASES // 10 // 2


@pytest.mark.parametrize("seed", range(5))
def test_a_wider_grammar_accepts_all_that_is_valid_and_says_so(seed):
    pick = random.Random(seed)
    widened = 0
    for case in range(CASES // 10):
        schema = beside_unique_items(pick, random_schema(pick))
        validator = Draft202012Validator(schema)
        try:
            grammar = parse_json_schema(schema, approximate="over")
            accepts = compile_grammar(grammar).accepts
        except EmptyLanguage:
            grammar, accepts = None, lambda data: False
        widened += bool(grammar and grammar.widened)
        for value in [*VALUES, *(random_value(pick) for _ in range(20))]:
            where = f"seed {seed}, case {case}: {json.dumps(schema)} {json.dumps(value)}"
            if validator.is_valid(value):
                assert any(accepts(text(ordered)) for ordered in orders(value)), f"valid, but refused: {where}"
            elif grammar is None or not grammar.widened:
                assert not accepts(text(value)), f"invalid, but accepted: {where}"
    assert widened


def beside_unique_items(pick: random.Random, schema: object) -> object:
    """The schema with `uniqueItems` in some places; references lead nowhere and are left out."""
    if isinstance(schema, list):
        return [beside_unique_items(pick, item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: beside_unique_items(pick, item) for key, item in schema.items() if key != "$ref"}
    is_schema = not found or any(key in WRITERS for key in found)
    return found | {"uniqueItems": True} if is_schema and pick.random() < 0.4 else found


def without_references(schema: object) -> object:
    if isinstance(schema, dict):
        return {key: without_references(item) for key, item in schema.items() if key != "$ref"}
    return [without_references(item) for item in schema] if isinstance(schema, list) else schema
