"""Unions of numbers between bounds that hold at once: what bounds rule out or imply is not multiplied."""

from __future__ import annotations

import json
import os
import random

import pytest
from jsonschema import Draft202012Validator

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage
from grammars.frontends.json_schema import parse_json_schema

CASES = int(os.environ.get("GCD_RANDOM_SCHEMAS", "40"))

NUMBERS = [-4, -3, -1, 0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 0.5, 2.5, 2.25, 4.75, 6.5]
VALUES: list[object] = [*NUMBERS, "a", None, []]


def test_fifty_ranges_that_overlap():
    schema = {"oneOf": [{"type": "integer", "minimum": 3 * i, "maximum": 3 * i + 7} for i in range(50)]}
    grammar = parse_json_schema(schema)
    assert len(grammar.rules) < 300
    accepts, validator = compile_grammar(grammar).accepts, Draft202012Validator(schema)
    for number in range(-2, 165):
        assert accepts(str(number).encode()) == validator.is_valid(number), number


def numbers(pick: random.Random, depth: int = 0) -> dict[str, object]:
    """A schema of numbers, mostly."""
    schema: dict[str, object] = {}
    if pick.random() < 0.6:
        schema["type"] = pick.choice(["integer", "number", ["integer", "string"]])
    if pick.random() < 0.7:
        schema[pick.choice(["minimum", "exclusiveMinimum"])] = pick.choice([-3, 0, 1, 2, 2.5, 5, 7])
    if pick.random() < 0.7:
        schema[pick.choice(["maximum", "exclusiveMaximum"])] = pick.choice([0, 1, 2, 2.5, 5, 7, 9])
    if pick.random() < 0.15:
        schema["multipleOf"] = pick.choice([2, 3])
    if depth < 2 and pick.random() < 0.35:
        schema[pick.choice(["oneOf", "anyOf", "allOf"])] = [numbers(pick, depth + 1) for _ in range(pick.randint(2, 5))]
    if depth < 2 and pick.random() < 0.3:
        schema["not"] = numbers(pick, depth + 1)
    return schema


@pytest.mark.parametrize("seed", range(4))
def test_accepted_iff_valid(seed):
    pick = random.Random(seed)
    for _ in range(CASES // 4):
        schema = {"oneOf": [numbers(pick) for _ in range(pick.randint(2, 6))]}
        try:
            accepts = compile_grammar(parse_json_schema(schema)).accepts
        except EmptyLanguage:
            accepts = lambda _: False  # noqa: E731
        validator = Draft202012Validator(schema)
        for value in VALUES:
            assert accepts(json.dumps(value).encode()) == validator.is_valid(value), (json.dumps(schema), value)
