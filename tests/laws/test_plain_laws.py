"""The law of rules that wait: what is made later is what would have been made at once, and nothing is wrong with it.

Random schemas of keywords that are plain, whose definitions refer to each other and to themselves; some have a piece
that is not. GCD_RANDOM_SCHEMAS=5000 checks that many; a failing one is shrunk.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import is_dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_schemas import NAMES, meant, mutated, random_schema

import gcd
from gcd.errors import GrammarError
from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.json_schema.anything import ANY, any_value_rules
from grammars.frontends.json_schema.later import Later
from grammars.frontends.json_schema.plain import Plain
from grammars.frontends.json_schema.refs import Document
from grammars.frontends.json_schema.whitespace import layout
from grammars.ir import Grammar, Members, Ref
from grammars.limits import Limits
from grammars.openings import MOST_MEMBERS, key_byte
from grammars.summary import summarise
from grammars.survey import Survey
from tokenizer_align.vocabulary import Vocabulary

SHARED = any_value_rules(layout("bounded"), (ANY, "any integer")).rules
OF_OBJECTS = {"type", "properties", "required", "additionalProperties"}
SCHEMAS = int(os.environ.get("GCD_RANDOM_SCHEMAS", "200"))


def plain_schema(pick: random.Random, depth: int = 3) -> dict | bool:
    """A schema that is plain but for one in twenty, and for what may be wrong with references."""
    if pick.random() < 0.05:
        return random_schema(pick, 1)
    kinds = ["leaf", "text", "number", "ref", "any"] + ["object", "object", "list", "union"] * (depth > 0)
    match pick.choice(kinds):
        case "object":
            names = pick.sample(NAMES, pick.randint(0, 3))
            found: dict = {"type": "object", "properties": {name: plain_schema(pick, depth - 1) for name in names}}
            if pick.random() < 0.6:
                found["required"] = pick.sample(NAMES, pick.randint(0, 2))
            if pick.random() < 0.6:
                found["additionalProperties"] = pick.choice([False, True, plain_schema(pick, depth - 1)])
            return found
        case "list":
            found = {"type": "array", "items": plain_schema(pick, depth - 1)}
            return found | pick.choice(
                [{}, {"minItems": pick.randint(0, 2)}, {"minItems": 2, "maxItems": pick.randint(1, 2)}]
            )
        case "union":
            keyword = pick.choice(["anyOf", "oneOf", "allOf"])
            if keyword == "oneOf" and pick.random() < 0.5:
                return {"oneOf": [{"type": pick.choice(["null", "boolean", "integer"])} for _ in range(2)]}
            return {keyword: [plain_schema(pick, depth - 1) for _ in range(1 if keyword == "allOf" else 2)]}
        case "ref":
            beside = pick.choice([{}, {}, {"title": "a"}, {"additionalProperties": False, "required": ["a"]}])
            return {"$ref": pick.choice(["#/$defs/x", "#/$defs/y", "#"]), **beside}
        case "text":
            return {"type": "string"} | pick.choice(
                [
                    {}, {"enum": ["a", "ab", "b"]}, {"const": "a"}, {"enum": ["a", None, 1]}, {"const": 1},
                    {"format": "date"}, {"enum": ["a"], "minLength": 2},
                    {"minLength": 2, "maxLength": pick.randint(1, 2)},
                ]
            )  # fmt: skip
        case "number":
            found = {"type": pick.choice(["integer", "number"])}
            return found | pick.choice(
                [
                    {},
                    {"minimum": 1},
                    {"maximum": 2.5},
                    {"minimum": 0, "maximum": pick.randint(-1, 2)},
                    {"minimum": 0.5, "maximum": pick.choice([0.25, 0.5, 0.75, 1])},
                    {"enum": [1, 2, "a"]},
                    {"const": True},
                    {"minimum": pick.choice([1e-9, 10**9])},
                ]
            )
        case "leaf":
            return {"type": pick.choice(["null", "boolean", ["string", "null"], ["integer", "array"], "object"])}
    return pick.choice([{}, True, {"title": "anything"}, {"additionalProperties": False}, {"properties": {}}])


def nested(depth: int) -> dict:
    found: dict = {}
    for _ in range(depth):
        found = {"items": found}
    return found


def plain_document(pick: random.Random) -> dict:
    names = {name: plain_schema(pick, 2) for name in pick.sample(NAMES, pick.randint(1, 3))}
    definitions = {"x": plain_schema(pick, 2), "y": plain_schema(pick, 2)}
    return {"$defs": definitions, "type": "object", "properties": names, "required": pick.sample(NAMES, 1)}


def are_alike(one: Grammar, other: Grammar) -> bool:
    """Whether two grammars are equal but for the names of rules: several of one name are numbered as they are made.

    A grammar whose root waits has all shared rules, asked for or not. A rule that none calls (of the values of an
    object that may have no members) has one name in both.
    """
    names, pending = {one.start: other.start}, [one.start]

    def equal(left: object, right: object) -> bool:
        if isinstance(left, Ref) and isinstance(right, Ref):
            if left.name not in names:
                names[left.name] = right.name
                pending.append(left.name)
            return names[left.name] == right.name
        if isinstance(left, tuple) and isinstance(right, tuple):
            return len(left) == len(right) and all(map(equal, left, right))
        if type(left) is type(right) and is_dataclass(left):
            return all(equal(getattr(left, name), getattr(right, name)) for name in type(left).__match_args__)
        return left == right

    for rule in (one.start, *one.rules):
        if rule not in names:
            names[rule] = rule
            pending.append(rule)
        while pending:
            name = pending.pop()
            if names[name] not in other.rules or not equal(one.rules[name], other.rules[names[name]]):
                return False
    extra = other.rules.keys() - names.values()
    return len(set(names.values())) == len(names) == len(one.rules) and all(name in SHARED for name in extra)


def outcome(schema: object, *, waits: bool) -> ByteAutomaton | tuple[str, str]:
    try:
        return compile_grammar(parse_json_schema(schema, waits=waits))
    except GrammarError as error:
        return type(error).__name__, str(error)


@settings(max_examples=SCHEMAS, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_rules_that_wait_are_those_that_do_not(pick: random.Random) -> None:
    schema = plain_document(pick)
    where = json.dumps(schema)
    at_once, later = outcome(schema, waits=False), outcome(schema, waits=True)
    if isinstance(at_once, tuple) or isinstance(later, tuple):
        assert at_once == later, where
        return
    for _ in range(8):
        try:
            value = meant(pick, schema, {**schema["$defs"], "#": schema})
        except RecursionError:  # on this way a property that may be left out needs itself: it has no value
            continue
        for text in (json.dumps(value).encode(), json.dumps(mutated(pick, value)).encode()):
            assert at_once.accepts(text) == later.accepts(text), f"{where} {text.decode()}"
    later.build_all()
    assert later.is_complete
    assert later.source.later is None
    assert are_alike(at_once.source, later.source), where


@settings(max_examples=SCHEMAS, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_rules_that_wait_begin_as_they_say(pick: random.Random) -> None:
    schema = plain_document(pick)
    try:
        grammar = parse_json_schema(schema, waits=True)
    except GrammarError:
        return
    later, pending = grammar.later, [grammar.start, *grammar.rules]
    while later is not None and pending:
        name = pending.pop()
        if name not in later:
            continue
        said = later.opening(name)
        assert isinstance(later, Later)
        is_alone = OF_OBJECTS.issuperset(later.plain.said(later.waiting[name].schema))  # others go the long way
        later.make(name)
        node = grammar.rules[name]
        waits = is_alone and isinstance(node, Members) and len(node.keys) <= MOST_MEMBERS
        assert (said is not None) == waits, f"{name} of {json.dumps(schema)}"
        if said is not None and isinstance(node, Members):
            survey = Survey(parse_json_schema(schema), Limits())
            assert said == (node.begin, node.empty), f"{name} of {json.dumps(schema)}"
            assert key_byte(node, survey) == ord('"'), f"{name} of {json.dumps(schema)}"
        pending += summarise(node, Limits()).refs


@settings(max_examples=SCHEMAS, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_what_is_plain_has_a_value_and_no_error(pick: random.Random) -> None:
    schema = plain_document(pick)
    plain = Plain(schema, Document(schema).root.dialect)
    places = [*(f"properties/{name}" for name in schema["properties"]), "$defs/x", "$defs/y"]
    for place in pick.sample(places, len(places)):
        target = schema
        for step in place.split("/"):
            target = target[step]
        if plain.has(target):
            alone = outcome({"$ref": f"#/schema/{place}", "schema": respelt(schema)}, waits=False)
            assert not isinstance(alone, tuple), f"#/{place} of {json.dumps(schema)}: {alone}"


def test_a_schema_may_change_once_it_is_compiled() -> None:
    inner = {"type": "object", "properties": {"b": {"enum": ["x", "y"]}}, "required": ["b"]}
    schema = {"type": "object", "properties": {"a": inner}, "required": ["a"]}
    bytes_alone = Vocabulary([bytes([byte]) for byte in range(256)] + [b""], eos_token_ids=[256])
    constraint = gcd.compile(schema=schema, tokenizer=bytes_alone)
    inner["required"], inner["properties"]["b"] = [], {"type": "null"}  # type: ignore[index]
    state = constraint.start
    assert "#/properties/a" not in constraint.automaton._rules.survey.summaries
    for byte in b'{"a":{"b":"y"}}':
        state = constraint.advance(state, byte)
    assert constraint.is_accepting(state)


@pytest.mark.parametrize(
    ("schema", "is_plain"),
    {
        "a keyword that is not known here": ({"pattern": "a"}, False),
        "an annotation": ({"description": "a", "default": 3, "unknown": {}}, True),
        "a resource of its own": ({"$id": "https://example.com/a"}, False),
        "true and false": ({"items": True, "properties": {"a": False}}, False),
        "a required key that may not be": ({"required": ["a"], "additionalProperties": False}, False),
        "a required key that is declared": ({"required": ["a"], "properties": {"a": {}}}, True),
        "a list of itself": ({"items": {"$ref": "#/properties/it"}}, True),
        "a list of itself that is not empty": ({"items": {"$ref": "#/properties/it"}, "minItems": 1}, False),
        "itself": ({"$ref": "#/properties/it"}, False),
        "a reference to elsewhere": ({"$ref": "other.json"}, False),
        "numbers of which there are none": ({"minimum": 2, "maximum": 1}, False),
        "true for a number": ({"minLength": True}, False),
        "no whole number between": ({"type": "integer", "minimum": 1.25, "maximum": 1.75}, False),
        "a number between": ({"type": "number", "minimum": 1.25, "maximum": 1.75}, True),
        "scalars": ({"type": ["string", "null"], "enum": ["a", None, 3]}, True),
        "scalars of no such type": ({"type": "string", "enum": [None, 3]}, False),
        "an array among them": ({"enum": ["a", []]}, False),
        "types apart": ({"oneOf": [{"type": "string"}, {"type": ["null", "integer"]}]}, True),
        "types that meet": ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, False),
        "a union beside something": ({"anyOf": [{}], "type": "string"}, False),
        "a name of many letters": ({"properties": {"a" * 20_000: {}}}, False),
        "100 below one another": (nested(90), True),
        "200 below one another": (nested(200), False),
    }.values(),
)
def test_what_is_plain(schema: object, is_plain: bool) -> None:
    whole = {"properties": {"it": schema}}
    assert Plain(whole, Document(whole).root.dialect).has(schema) is is_plain


def respelt(schema: object) -> object:
    """The schema as a part of another."""
    if isinstance(schema, dict):
        return {
            key: f"#/schema{value[1:]}" if key == "$ref" and isinstance(value, str) else respelt(value)
            for key, value in schema.items()
        }
    return [respelt(item) for item in schema] if isinstance(schema, list) else schema
