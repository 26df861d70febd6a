"""The validator: what plain jsonschema gets wrong, by whole messages; and the official suite."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from data import data_folder

from gcd.errors import GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature, ValidationFailed
from gcd.validate import Issue, check_instance, validate

DRAFT4, DRAFT7 = "http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema#"
NODE = {"$schema": DRAFT7, "properties": {"next": {"$ref": "#"}, "name": {"pattern": "^(a+)+$"}}}


def messages(value: object, schema: object) -> list[str]:
    return [str(issue) for issue in check_instance(value, schema)]


@pytest.mark.parametrize(
    ("schema", "valid"),
    [
        ({"multipleOf": 0.01}, [19.99, 0.07, 1e300, 3, 0, 4.35, Decimal("0.29")]),
        ({"multipleOf": 0.0001}, [0.0075, 1e20]),
        ({"multipleOf": 1e-8}, [12391239123, 1.5e-7]),
        ({"multipleOf": 0.123456789}, [0.123456789, 1.23456789e200]),
        ({"minimum": 0.1, "maximum": 0.1, "const": 0.1, "enum": [0.1]}, [0.1]),
        ({"type": "integer"}, [1, 1.0, -0.0, 1e300]),
        ({"type": "number"}, [1, 1.5]),
        ({"const": 1}, [1, 1.0]),
        ({"const": {"a": [1, None]}}, [{"a": [1.0, None]}]),
        ({"uniqueItems": True}, [[1, True, "1"], [[1], [True]], [{"a": 1}, {"a": 2}], [0, False]]),
        ({"pattern": "^\\d+$"}, ["12"]),
        ({"pattern": "(?!b)a|c"}, ["a", "xc"]),
        ({"format": "date"}, ["2024-02-29", 5]),
        ({"format": "no such format"}, ["anything"]),
        # What older meta-schemas refuse although it is plain, and real schemas have.
        ({"$schema": DRAFT4, "enum": ["a", "a", 1, 1.0]}, ["a", 1]),
        ({"$schema": DRAFT4, "required": [], "dependencies": {"a": []}}, [{}, {"a": 1}]),
        ({"$schema": DRAFT4, "type": ["string", "string"], "dependencies": {"a": ["b", "b"]}}, ["x"]),
        ({"items": [{"type": "string"}], "additionalItems": {"type": "integer"}}, [["a", 1, 2], []]),
        ({"prefixItems": [{"type": "string"}], "items": False}, [["a"]]),
        ({"minimum": 5, "exclusiveMinimum": True}, [6]),
        ({"minimum": 5, "exclusiveMinimum": False}, [5]),
        ({"$schema": DRAFT4, "minimum": 3, "exclusiveMinimum": 5}, [6]),
        ({"$schema": DRAFT4, "exclusiveMaximum": 5}, [4]),
        ({"$schema": DRAFT4, "minimum": 5, "exclusiveMinimum": False}, [5]),
        ({"dependencies": {"a": ["b"]}}, [{"b": 1}, {"a": 1, "b": 2}]),
        (
            {"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
            [{"x1": 1, "y": "z"}],
        ),
        ({"$defs": {"t": {"type": "string"}}, "$ref": "#/$defs/t"}, ["a"]),
        ({"properties": {"a": True}, "unevaluatedProperties": False}, [{"a": 1}]),
        ({"$schema": DRAFT4, "type": "integer"}, [1]),
        (True, [None, {"a": (1, 2)}]),
    ],
)
def test_valid(schema: object, valid: list[object]) -> None:
    for value in valid:
        assert messages(value, schema) == []


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        (19.995, {"multipleOf": 0.01}, ["19.995 is not a multiple of 0.01"]),
        (10, {"multipleOf": 3}, ["10 is not a multiple of 3"]),
        (True, {"type": "integer"}, ["True is not of type 'integer'"]),
        (1.5, {"type": "integer"}, ["1.5 is not of type 'integer'"]),
        (1.0, {"$schema": DRAFT4, "type": "integer"}, ["1.0 is not of type 'integer'"]),
        (True, {"const": 1}, ["1 was expected"]),
        ([[1], [True], [1.0]], {"uniqueItems": True}, ["items 0 and 2 are equal: [1.0]"]),
        (
            [{"a": 1, "b": 2}, {"b": 2.0, "a": 1}],
            {"uniqueItems": True},
            ["items 0 and 1 are equal: {'b': 2.0, 'a': 1}"],
        ),
        ("2023-02-29", {"format": "date"}, ["'2023-02-29' is not a 'date'"]),
        ("xay", {"pattern": "^a"}, ["'xay' does not match '^a'"]),
        ({"x": "y"}, {"patternProperties": {"^x": {"type": "integer"}}}, ["at /x: 'y' is not of type 'integer'"]),
        (
            {"a": 1, "b": 2, "xc": 3},
            {"properties": {"a": {}}, "patternProperties": {"^x": {}}, "additionalProperties": False},
            ["additional properties are not allowed here: 'b'"],
        ),
        ([1], {"items": [{"type": "string"}], "additionalItems": False}, ["at /0: 1 is not of type 'string'"]),
        (
            ["a", 1],
            {"items": [True], "additionalItems": False},
            ["Additional items are not allowed (1 was unexpected)"],
        ),
        (5, {"minimum": 5, "exclusiveMinimum": True}, ["5 is less than or equal to the minimum of 5"]),
        (
            5,
            {"$schema": DRAFT4, "minimum": 5, "exclusiveMinimum": True},
            ["5 is less than or equal to the minimum of 5"],
        ),
        (5, {"$schema": DRAFT4, "minimum": 3, "exclusiveMinimum": 5}, ["5 is less than or equal to the minimum of 5"]),
        (2, {"$schema": DRAFT4, "minimum": 3, "exclusiveMinimum": 1}, ["2 is less than the minimum of 3"]),
        (
            {"a/b": {"c~d": [0]}},
            {"additionalProperties": {"additionalProperties": {"items": {"minimum": 1}}}},
            ["at /a~1b/c~0d/0: 0 is less than the minimum of 1"],
        ),
        (
            {"a": {"b": 1}},
            {"anyOf": [{"type": "array"}, {"properties": {"a": {"properties": {"b": {"type": "string"}}}}}]},
            [
                "{'a': {'b': 1}} is not valid under any of the given schemas; "
                "closest: at /a/b: 1 is not of type 'string'"
            ],
        ),
        ({"a": 1}, {"dependencies": {"a": ["b"]}}, ["'b' is a dependency of 'a'"]),
        (1, False, ["False schema does not allow 1"]),
        (float("nan"), True, ["nan is not a JSON value"]),
        ({1: 2}, True, ["an object with the key 1 is not a JSON value"]),
        ({"a": {1}}, True, ["a Python set is not a JSON value"]),
        ("a" * 400, {"const": "b"}, ["'b' was expected"]),
        ("a" * 400, {"type": "null"}, ["'" + "a" * 298 + "…"]),
    ],
)
def test_invalid(value: object, schema: object, expected: list[str]) -> None:
    assert messages(value, schema) == expected


def test_issues_carry_a_pointer_and_a_message() -> None:
    assert check_instance({"a": [0]}, {"properties": {"a": {"items": {"minimum": 1}}}}) == (
        Issue("/a/0", "0 is less than the minimum of 1"),
    )


def test_a_pattern_that_backtracking_never_ends_is_linear() -> None:
    text = "a" * 2_000 + "!"
    assert messages({"name": text[:-1]}, NODE) == []
    assert messages({"next": {"name": text}}, NODE) == [
        "at /next/name: " + f"{text!r} does not match '^(a+)+$'"[:299] + "…"
    ]
    assert messages({text: 1}, {"patternProperties": {"^(a+)+$": False}, "additionalProperties": True}) == []


def test_our_keywords_hold_below_a_reference_to_a_schema_that_names_its_dialect() -> None:
    assert messages({"next": {"next": {"name": "b"}}}, NODE) == ["at /next/next/name: 'b' does not match '^(a+)+$'"]


@pytest.mark.parametrize(
    ("text", "schema", "reason"),
    [
        ("[1,", True, "not JSON: Expecting value (line 1, column 4)"),
        ("", True, "not JSON: Expecting value (line 1, column 1)"),
        ("[NaN]", True, "not JSON: NaN is not a JSON value"),
        ("-Infinity", True, "not JSON: -Infinity is not a JSON value"),
        ('{"a": 1, "a": "x"}', {"properties": {"a": {"type": "integer"}}}, "at /a: 'x' is not of type 'integer'"),
        ("0.10000000000000000001", {"maximum": 0.1}, "0.10000000000000000001 is greater than the maximum of 0.1"),
        ("1e999999999", {"multipleOf": 7}, "1E+999999999 is not a multiple of 7"),
        ("1e99999999999999999999", {"multipleOf": 7}, "not JSON: the number 1e99999999999999999999 is too large"),
        ('"\\ud800"', {"pattern": "^.$"}, r"'\ud800' does not match '^.$'"),
    ],
)
def test_texts(text: str, schema: object, reason: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        validate(text, schema)
    assert caught.value.text == text
    assert caught.value.errors == (reason,)
    assert str(caught.value) == f"the generated text does not validate: {text}\n  {reason}"


def test_the_last_of_equal_keys_wins() -> None:
    schema = {"properties": {"a": {"type": "integer"}}}
    validate('{"a": "x", "a": 1}', schema)
    with pytest.raises(ValidationFailed):
        validate('{"a": 1, "a": "x"}', schema)


def test_values_that_are_no_texts() -> None:
    validate({"a": 1}, {"required": ["a"]})
    with pytest.raises(ValidationFailed) as caught:
        validate({"a": 1}, {"required": ["b"]})
    assert str(caught.value) == "the generated text does not validate: {\"a\": 1}\n  'b' is a required property"


def test_integers_too_long_for_python() -> None:
    with pytest.raises(ValidationFailed) as caught:
        validate("9" * 5_000, True)
    assert caught.value.errors == ("an integer has more than 4,300 digits, which Python does not read",)


@pytest.mark.parametrize("text", ["[" * 300 + "]" * 300, "[" * 100_000, '{"a":' * 300 + "1" + "}" * 300])
def test_deep_texts(text: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        validate(text, True)
    assert str(caught.value) == "the value is nested more than 200 deep, too deep to be validated"


def test_deep_values_against_a_recursive_schema_are_checked_or_refused_never_a_recursion_error() -> None:
    value: Any = "b"
    for depth in range(1, 260):
        value = {"next": value}
        if depth % 20 == 0:
            try:
                assert messages(value, {"properties": {"next": {"$ref": "#"}}, "type": ["object", "string"]}) == []
            except LimitExceeded:
                assert depth > 100
                return
    pytest.fail("a depth of 260 was checked")


@pytest.mark.parametrize(
    ("schema", "error", "message"),
    [
        (
            {"$ref": "file:///etc/hostname"},
            UnsupportedFeature,
            '$ref "file:///etc/hostname" is neither in this schema nor in schemas=\n'
            'nothing is ever fetched: give that schema in schemas={"file:///etc/hostname": ...}, '
            "or copy it under $defs",
        ),
        (
            {"$ref": "http://127.0.0.1:1/schema.json"},
            UnsupportedFeature,
            '$ref "http://127.0.0.1:1/schema.json" is neither in this schema nor in schemas=\n'
            'nothing is ever fetched: give that schema in schemas={"http://127.0.0.1:1/schema.json": ...}, '
            "or copy it under $defs",
        ),
        (
            {"$ref": "#"},
            LimitExceeded,
            "checking the value recurses too deeply\nis there a $ref that leads back to itself at once?",
        ),
        ({"minimum": "a"}, InvalidGrammar, "the schema is malformed: 'a' is not of type 'number' (at #/minimum)"),
        (
            {"properties": {"a": {"type": "objekt"}}},
            InvalidGrammar,
            "the schema is malformed: 'objekt' is not valid under any of the given schemas (at #/properties/a/type)",
        ),
        ({"required": "a"}, InvalidGrammar, "the schema is malformed: 'a' is not of type 'array' (at #/required)"),
        (
            {"properties": {"a": {"items": [{}, {"items": [5]}]}}},
            InvalidGrammar,
            "the schema is malformed: 5 is not of type 'object', 'boolean' (at #/properties/a/items/1/items/0)",
        ),
        ([], InvalidGrammar, "a schema must be a dict or a bool, not a list"),
        ({"const": {1}}, InvalidGrammar, "the schema is no JSON value: Object of type set is not JSON serializable"),
        (
            {"minimum": float("nan")},
            InvalidGrammar,
            "the schema is no JSON value: Out of range float values are not JSON compliant",
        ),
    ],
)
def test_schemas_that_cannot_be_checked(schema: object, error: type[GrammarError], message: str) -> None:
    with pytest.raises(error) as caught:
        check_instance("a", schema)
    assert str(caught.value) == message


def test_a_pattern_without_an_automaton_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedFeature, match="backreference"):
        check_instance("aa", {"pattern": r"(a)\1"})


DRAFTS = {
    "draft4": DRAFT4,
    "draft6": "http://json-schema.org/draft-06/schema#",
    "draft7": DRAFT7,
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
}
# Cases that come out otherwise here, and why.
OTHERWISE = {"is only an annotation by default": "formats are enforced here"}


@pytest.mark.parametrize("draft", DRAFTS)
def test_official_suite(draft: str) -> None:
    folder = data_folder("json-schema-test-suite") / "tests" / draft
    remotes = data_folder("json-schema-test-suite") / "remotes"
    schemas = {
        f"http://localhost:1234/{path.relative_to(remotes).as_posix()}": json.loads(path.read_text("utf-8"))
        for path in remotes.rglob("*.json")
    }
    checked = 0
    for path in sorted(folder.glob("*.json")):
        for group in json.loads(path.read_text("utf-8")):
            schema = group["schema"]
            if isinstance(schema, dict):
                schema = {"$schema": DRAFTS[draft], **schema}
            for case in group["tests"]:
                name = f"{path.stem}: {group['description']}: {case['description']}"
                valid = not check_instance(case["data"], schema, schemas=schemas)
                checked += 1
                assert valid == case["valid"] or any(words in name for words in OTHERWISE), name
    assert checked >= 600


def test_real_schemas() -> None:
    """A sample of MaskBench: every instance is judged as its authors judged it."""
    paths = sorted(data_folder("maskbench").glob("*.json"))
    checked = 0
    for path in random.Random(2).sample(paths, 60):
        case = json.loads(path.read_text("utf-8"))
        for test in case["tests"]:
            assert (not check_instance(test["data"], case["schema"])) == test["valid"], (path.name, test["data"])
            checked += 1
    assert checked > 60
