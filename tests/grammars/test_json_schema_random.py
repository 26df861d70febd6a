"""Random schemas and instances against the `jsonschema` package.

Two laws: what the grammar accepts is valid, and what is valid is accepted with its keys in some order; with
`key_order="any"` in every order, where nothing asks for open keys, which stand last. The texts keep to the grammar's
spelling of numbers: integers without a fraction.
"""

from __future__ import annotations

import json
import os
import random

import pytest
from jsonschema import Draft202012Validator
from random_schemas import VALUES, WRITERS, orders, random_document, random_schema, random_value, text

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, LimitExceeded, UnsupportedFeature
from grammars.frontends.json_schema import parse_json_schema

CASES = int(os.environ.get("GCD_RANDOM_SCHEMAS", "300"))

ASKING = {"not", "oneOf", "if", "dependentSchemas"}
"""What may ask for an open key: the complement of what says something about all of them does."""


@pytest.mark.parametrize("key_order", ["schema", "any"])
@pytest.mark.parametrize("seed", range(10))
def test_accepted_is_valid_and_valid_is_accepted(seed, key_order):
    pick = random.Random(seed)
    read = 0
    for case in range(CASES // 10):
        schema = random_document(pick)
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


def keywords(schema: object) -> set[str]:
    """All keys in a schema."""
    if isinstance(schema, dict):
        return set(schema).union(*map(keywords, schema.values()))
    return set().union(*map(keywords, schema)) if isinstance(schema, list) else set()


@pytest.mark.parametrize("seed", range(5))
def test_a_wider_grammar_accepts_all_that_is_valid_and_says_so(seed):
    pick = random.Random(seed)
    widened = 0
    for case in range(CASES // 10):
        schema = beside_its_opposite(pick, random_schema(pick))
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


def beside_its_opposite(pick: random.Random, schema: object) -> object:
    """The schema with a complement that is refused in some places; references lead nowhere and are left out."""
    if isinstance(schema, list):
        return [beside_its_opposite(pick, item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: beside_its_opposite(pick, item) for key, item in schema.items() if key != "$ref"}
    is_schema = not found or any(key in WRITERS for key in found)
    return found | {"not": {"type": "array", "uniqueItems": True}} if is_schema and pick.random() < 0.4 else found
