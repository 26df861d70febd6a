"""Complements that have all but one branch in common are one choice, and still say what they said."""

from __future__ import annotations

import json
import os
import random
from itertools import product

import pytest
from jsonschema import Draft202012Validator

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage
from grammars.frontends.json_schema import parse_json_schema

CASES = int(os.environ.get("GCD_RANDOM_SCHEMAS", "40"))

SAID = [
    {"const": "a"}, {"const": "b"}, {"const": 1}, {"const": True}, {"type": "string"}, {"type": "integer"},
    {"minimum": 1}, {"maxLength": 1}, {"enum": ["a", 1]}, {"not": {"const": "b"}}, True, False,
]  # fmt: skip
VALUES = ["a", "b", "ab", 0, 1, True, None]
DOCUMENTS: list[object] = [
    *VALUES,
    *({name: value for name, value in (("k", k), ("n", n)) if value != "none"}
      for k, n in product([*VALUES, "none"], repeat=2)),
]  # fmt: skip


def branch(number: int) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {"kind": {"const": f"kind {number}"}, "name": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["kind", "name"],
    }


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_fifty_branches_that_must_not_hold_are_one_choice(keyword):
    schema = {"not": {keyword: [branch(number) for number in range(50)]}}
    grammar = parse_json_schema(schema, key_order="any")
    assert len(grammar.rules) < 40
    accepts = compile_grammar(grammar).accepts
    validator = Draft202012Validator(schema)
    kinds, names, numbers = [None, "kind 0", "kind 49", "kind 50", 7], [None, "x", 3], [None, 1, "y"]
    for kind, name, n in product(kinds, names, numbers):
        value = {key: said for key, said in (("kind", kind), ("name", name), ("n", n)) if said is not None}
        assert accepts(json.dumps(value).encode()) == validator.is_valid(value), value


@pytest.mark.parametrize("seed", range(4))
def test_complements_put_together_say_what_they_said(seed):
    pick = random.Random(seed)
    for case in range(CASES // 4):
        objects = [
            {
                **({"type": "object"} if pick.random() < 0.7 else {}),
                "properties": {"k": pick.choice(SAID), "n": pick.choice(SAID[4:])},
                **({"required": pick.choice([["k"], ["n"], ["k", "n"]])} if pick.random() < 0.8 else {}),
            }
            for _ in range(pick.randint(2, 5))
        ]
        inside = {pick.choice(["anyOf", "oneOf", "allOf"]): objects}
        schema = pick.choice([
            {"not": inside},
            {"allOf": [{"not": one} for one in objects]},
            {"oneOf": [{"not": {"anyOf": objects[:-1]}}, objects[-1]]},
            {"if": {"not": {"anyOf": objects}}, "then": pick.choice(SAID), "else": {"not": inside}},
        ])  # fmt: skip
        validator = Draft202012Validator(schema)
        try:
            accepts = compile_grammar(parse_json_schema(schema, key_order="any")).accepts
        except EmptyLanguage:
            accepts = lambda data: False  # noqa: E731
        for value in DOCUMENTS:
            where = f"seed {seed}, case {case}: {json.dumps(schema)} {json.dumps(value)}"
            assert accepts(json.dumps(value).encode()) == validator.is_valid(value), where
