"""What a wrong, unsupported or contradictory schema is told, whole, and the report of all keywords."""

from __future__ import annotations

import json

import pytest

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, InvalidGrammar, LimitExceeded, UnsupportedFeature
from grammars.frontends.json_schema import KeywordUse, check_json_schema, parse_json_schema

DRAFT4 = "http://json-schema.org/draft-04/schema#"
DRAFT7 = "http://json-schema.org/draft-07/schema#"

INVALID = [
    ('{"type": }', "this is not JSON: expecting value (line 1, column 10)\n    {\"type\": }\n             ^"),
    ("schema.json", "this is not JSON: expecting value (line 1, column 1)\n    schema.json\n    ^\n"
     "a JSON Schema is JSON text; a file is read from a pathlib.Path"),
    ('{"const": NaN}', 'NaN is not a JSON value (line 1, column 11)\n    {"const": NaN}\n              ^^^'),
    (3, "a schema must be an object or a boolean, got 3 (at #)\n"
     "pass a dict, a bool or JSON text; for a Python type use generate(schema=Type)"),
    ({"items": 3}, "a schema must be an object or a boolean, got 3 (at #/items)"),
    ({"type": "int"}, 'type must be one of "null", "boolean", "integer", "number", "string", "array", "object", '
     'got "int" (at #/type)\ndid you mean "integer"?'),
    ({"properties": {"a/b": {"type": ["str"]}}},
     'type must be one of "null", "boolean", "integer", "number", "string", "array", "object", got "str" '
     '(at #/properties/a~1b/type)\ndid you mean "string"?'),
    ({"type": "any"}, 'type must be one of "null", "boolean", "integer", "number", "string", "array", "object", '
     'got "any" (at #/type)\nfor any type leave the keyword out'),
    ({"type": "Objekt"}, 'type must be one of "null", "boolean", "integer", "number", "string", "array", "object", '
     'got "Objekt" (at #/type)\ndid you mean "object"?'),
    ({"type": []}, "type must be the name of a type or a list of at least one, got [] (at #/type)"),
    ({"minLength": "3"}, 'minLength must be a non-negative integer, got "3" (at #/minLength)'),
    ({"maxItems": -1}, "maxItems must be a non-negative integer, got -1 (at #/maxItems)"),
    ({"maxItems": 1.5}, "maxItems must be a non-negative integer, got 1.5 (at #/maxItems)"),
    ({"minimum": True}, "minimum must be a number, got true (at #/minimum)"),
    ({"maximum": float("inf")}, "maximum must be a number, got Infinity (at #/maximum)"),
    ({"multipleOf": 0}, "multipleOf must be a number greater than 0, got 0 (at #/multipleOf)"),
    ({"enum": "a"}, 'enum must be a list of values, got "a" (at #/enum)\nfor a single value use const'),
    ({"required": "a"}, 'required must be a list of strings, got "a" (at #/required)'),
    ({"properties": {"a": {"required": True}}}, "required must be a list of strings, got true "
     "(at #/properties/a/required)\nlist the required properties in the object's own schema: required: true inside a "
     "property is draft-03"),
    ({"properties": []}, "properties must be an object of schemas, got [] (at #/properties)"),
    ({"properties": {1: {}}}, "properties must be an object with strings for keys, got 1 (at #/properties)"),
    ({"anyOf": []}, "anyOf must be a list of at least one schema, got [] (at #/anyOf)"),
    ({"uniqueItems": 1}, "uniqueItems must be a boolean, got 1 (at #/uniqueItems)"),
    ({"format": 1}, "format must be the name of a format, got 1 (at #/format)"),
    ({"const": {1, 2}}, "a Python set is not a JSON value (at #/const)"),
    ({"enum": [[1, (2, 3)]], "items": {}}, "a Python tuple is not a JSON value (at #/enum)"),
    ({"enum": [float("nan")]}, "NaN is not a JSON value (at #/enum)"),
    ({"enum": [{1: 2}]}, "the key 1 of a value must be a string (at #/enum)"),
    ({"$ref": 1}, "$ref must be a URI reference, got 1 (at #/$ref)"),
    ({"$ref": "#/$defs/adress", "$defs": {"address": {}}},
     '$ref "#/$defs/adress" points to nothing (at #/$ref)\n'
     '#/$defs has no "adress"; did you mean #/$defs/address?'),
    ({"items": {"$ref": "#/$defs/a"}}, '$ref "#/$defs/a" points to nothing (at #/items/$ref)\n'
     'the schema has no "$defs"'),
    ({"$ref": "#nowhere"}, '$ref "#nowhere" points to nothing (at #/$ref)'),
    ({"$ref": "#"}, "this schema refers to itself without an end (at #)\n"
     "recursion must pass through a property or an item"),
    ({"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}},
     "this schema refers to itself without an end (at #/$defs/a)\nrecursion must pass through a property or an item"),
]  # fmt: skip

UNSUPPORTED = [
    ({"properties": {"a": {"type": "number", "not": {"multipleOf": 0.5}}}},
     "numbers that are no multiple of 0.5 and no integers are not supported yet (at #/properties/a/not)"),
    ({"minProperties": 2, "allOf": [{"not": {"patternProperties": {name: False}}} for name in "ab"]},
     "minProperties 2 needs 1 distinct open keys, which cannot be counted here (at #/minProperties)\n"
     "use minProperties 1, or close the object with additionalProperties: false"),
    ({"allOf": [{"not": {"patternProperties": {name: {"const": name}}}} for name in "ab"]},
     "two keywords ask for properties that may be one (at #/allOf/0/not)"),
    ({"not": {"uniqueItems": True}}, "the opposite of uniqueItems is not supported (at #/not/uniqueItems)"),
    ({"uniqueItems": True, "contains": {"const": 1}, "prefixItems": [{"const": 2}]},
     "uniqueItems beside prefixItems and contains is not supported (at #/uniqueItems)"),
    ({"anyOf": [{"required": [name]} for name in "abcdefghi"], "unevaluatedProperties": False},
     "there are more than 256 ways to evaluate properties or items here (at #)\n"
     "use additionalProperties or items instead of unevaluatedProperties or unevaluatedItems"),
    ({"$ref": "https://x.org/a.json"}, '$ref "https://x.org/a.json" is neither in this schema nor in '
     'schemas= (at #/$ref)\nnothing is ever fetched: give that schema in schemas={"https://x.org/a.json": ...}, '
     "or copy it under $defs"),
    ({"$schema": "https://x.org/mine"}, '$schema "https://x.org/mine" is a dialect that is not known here '
     '(at #/$schema)\nuse "https://json-schema.org/draft/2020-12/schema" or another draft from 4 on, '
     "leave $schema out, or give its meta-schema in schemas="),
    ({"$schema": "http://json-schema.org/draft-03/schema#"},
     '$schema "http://json-schema.org/draft-03/schema#" is older than draft-04 (at #/$schema)\n'
     "drafts from 4 to 2020-12 are read"),
    ({"type": "object", "minProperties": 2}, "minProperties 2 needs 2 distinct open keys, which cannot be counted here "
     "(at #/minProperties)\nuse minProperties 1, or close the object with additionalProperties: false"),
]  # fmt: skip

EMPTY = [
    ({"type": "integer", "multipleOf": 6, "not": {"multipleOf": 3}, "minimum": 1},
     "no integer satisfies both multipleOf 6 and not multipleOf 3 and minimum 1 (at #)"),
    ({"not": {}}, "none is left of all values but those of this schema, which are all (at #/not)"),
    (False, "the schema false allows no value (at #)"),
    ({"enum": []}, "enum lists no value (at #/enum)"),
    ({"type": "string", "enum": [1]}, "enum lists no value that satisfies type (at #/enum)"),
    ({"enum": [1, 2], "minimum": 3, "multipleOf": 2},
     "enum lists no value that satisfies minimum and multipleOf (at #/enum)"),
    ({"enum": [1], "allOf": [{"enum": [2]}]},
     "no value is listed by all of #/enum, #/allOf/0/enum (at #/enum)"),
    ({"anyOf": [{"const": 1}, {"const": 2}], "minimum": 3},
     "anyOf lists no value that satisfies minimum (at #/anyOf)"),
    ({"anyOf": [{"type": "null"}, {"type": "string"}], "type": "integer"},
     "no type is left: integer (#/type) and null (#/anyOf/0/type) have none in common (at #)\n"
     "no value satisfies all"),
    ({"enum": [1], "allOf": [{"type": "null"}]},
     "enum lists no value that satisfies all of #, #/allOf/0 (at #/enum)"),
    ({"type": "string", "minLength": 5, "maxLength": 3},
     "minLength 5 is greater than maxLength 3 (at #/minLength)\nno value satisfies both"),
    ({"type": "array", "minItems": 5, "allOf": [{"maxItems": 3}]},
     "minItems 5 is greater than maxItems 3 of #/allOf/0/maxItems (at #/minItems)\nno value satisfies both"),
    ({"type": "array", "prefixItems": [{}], "items": False, "minItems": 2},
     "minItems 2 is more than the 1 items that the schema allows (at #/minItems)"),
    ({"type": "integer", "minimum": 3, "maximum": 2}, "no number satisfies both minimum 3 and maximum 2 (at #)"),
    ({"type": "object", "required": ["a"], "additionalProperties": False},
     'the required property "a" is not allowed by additionalProperties: false (#/additionalProperties) '
     "(at #/required/0)"),
    ({"type": "object", "required": ["a"], "properties": {"a": False}},
     'the required property "a" is not allowed by the schema false (#/properties/a) (at #/required/0)'),
    ({"type": "object", "required": ["ab"], "propertyNames": {"maxLength": 1}},
     'the required property "ab" is not allowed by propertyNames (#/propertyNames) (at #/required/0)'),
    ({"type": "object", "required": ["a", "b"], "maxProperties": 1},
     "2 properties are required, but maxProperties 1 allows no more (at #/maxProperties)"),
    ({"type": "object", "properties": {"a": {}}, "additionalProperties": False, "minProperties": 2},
     "minProperties 2 is more than the 1 properties that may occur at all (at #/minProperties)"),
    ({"allOf": [{"type": "string"}, {"type": ["integer", "number"]}]},
     "no type is left: string (#/allOf/0/type) and number (#/allOf/1/type) have none in common (at #/allOf/0)\n"
     "no value satisfies all"),
    ({"type": "object", "required": ["a"],
      "properties": {"a": {"type": "array", "minItems": 1, "items": {"enum": []}}}},
     "enum lists no value (at #/properties/a/items/enum)"),
    ({"anyOf": [{"type": "string", "minLength": 2, "maxLength": 1}, False]},
     "minLength 2 is greater than maxLength 1 (at #/anyOf/0/minLength)\nno value satisfies both"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "message"), INVALID, ids=lambda value: repr(value)[:50])
def test_invalid(schema, message):
    with pytest.raises(InvalidGrammar) as caught:
        parse_json_schema(schema)
    assert str(caught.value) == message


@pytest.mark.parametrize(("schema", "message"), UNSUPPORTED, ids=lambda value: repr(value)[:50])
def test_unsupported(schema, message):
    with pytest.raises(UnsupportedFeature) as caught:
        parse_json_schema(schema)
    assert str(caught.value) == message
    assert not check_json_schema(schema).supported


@pytest.mark.parametrize(("schema", "message"), EMPTY, ids=lambda value: repr(value)[:50])
def test_contradictions(schema, message):
    with pytest.raises(EmptyLanguage) as caught:
        parse_json_schema(schema)
    assert str(caught.value) == message


def test_a_pattern_that_is_wrong_says_where():
    with pytest.raises(InvalidGrammar) as caught:
        parse_json_schema({"properties": {"a": {"pattern": "a(b"}}})
    assert str(caught.value).startswith("in the pattern at #/properties/a/pattern: ")
    assert caught.value.span is not None
    assert caught.value.span.text == "a(b"


def test_a_pattern_that_is_not_supported_is_reported():
    schema = {"type": "string", "pattern": r"^(a)\1$"}
    with pytest.raises(UnsupportedFeature, match=r"^in the pattern at #/pattern: "):
        parse_json_schema(schema)
    assert [use.pointer for use in check_json_schema(schema).refused] == ["/pattern"]


def test_recursion_without_an_end_is_left_to_the_compiler():
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}
    with pytest.raises(EmptyLanguage):
        compile_grammar(parse_json_schema(schema))


@pytest.mark.parametrize("whitespace", ["wide", -1, None, True])
def test_whitespace_must_be_known(whitespace):
    with pytest.raises(InvalidGrammar) as caught:
        parse_json_schema({}, whitespace=whitespace)
    assert str(caught.value) == (
        f"whitespace={whitespace!r} is not a layout\n"
        'use "bounded", "compact", "json" or a number of spaces to indent by'
    )


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "array", "items": {"$ref": "#"}}, "a recursive schema cannot be indented by a fixed layout (at #)"),
        ({"type": "object"}, "an object that may hold anything cannot be indented by a fixed layout (at #)"),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False},
         "a value of any kind cannot be indented by a fixed layout (at #/properties/a)"),
    ],
)  # fmt: skip
def test_fixed_indent_needs_a_known_depth(schema, message):
    with pytest.raises(UnsupportedFeature) as caught:
        parse_json_schema(schema, whitespace=2)
    assert str(caught.value).splitlines()[0] == message


def test_too_deep_text():
    with pytest.raises(LimitExceeded):
        parse_json_schema('{"items":' * 100_000 + "{}" + "}" * 100_000)


def test_too_many_alternatives_at_once():
    union = {"anyOf": [{"required": [str(i)]} for i in range(30)]}
    with pytest.raises(LimitExceeded, match="several anyOf, oneOf or not that hold at once multiply"):
        parse_json_schema({"allOf": [union | {"title": str(i)} for i in range(5)], "type": "object"})


def test_a_large_schema_is_no_bomb():
    parts = {
        f"p{i}": {"type": "object", "properties": {f"a{j}": {"type": "string", "maxLength": j} for j in range(20)}}
        for i in range(1200)
    }
    assert len(parse_json_schema({"type": "object", "properties": parts}).rules) > 25_000


OPPOSITE = "the opposite of uniqueItems is not supported"


def test_report_has_every_keyword_with_its_status():
    schema = {
        "$schema": DRAFT7,
        "title": "T",
        "type": "object",
        "properties": {
            "a": {"type": "string", "format": "date", "x-order": 1},
            "b": {"type": "string", "format": "color-name"},
            "c": {"type": "array", "not": {"uniqueItems": True}},
            "d": {"$ref": "#/definitions/d", "maxLength": 3},
            "e": {"prefixItems": []},
        },
        "definitions": {"d": {"not": {"uniqueItems": True}, "then": {}}, "unused": {"if": {}}},
    }
    report = check_json_schema(schema)
    assert not report.supported
    assert report.uses == (
        KeywordUse("/$schema", "$schema", "annotation", "annotation"),
        KeywordUse("/title", "title", "annotation", "annotation"),
        KeywordUse("/type", "type", "enforced"),
        KeywordUse("/properties", "properties", "enforced"),
        KeywordUse("/definitions", "definitions", "annotation", "annotation"),
        KeywordUse("/properties/a/type", "type", "enforced"),
        KeywordUse("/properties/a/format", "format", "enforced"),
        KeywordUse("/properties/a/x-order", "x-order", "annotation", "unknown keyword"),
        KeywordUse("/properties/b/type", "type", "enforced"),
        KeywordUse("/properties/b/format", "format", "annotation", "unknown format"),
        KeywordUse("/properties/c/type", "type", "enforced"),
        KeywordUse("/properties/c/not", "not", "enforced"),
        KeywordUse("/properties/d/$ref", "$ref", "enforced"),
        KeywordUse("/properties/d/maxLength", "maxLength", "annotation", "ignored beside $ref in draft-07"),
        KeywordUse("/properties/e/prefixItems", "prefixItems", "annotation", "not a keyword of draft-07"),
        KeywordUse("/properties/c/not/uniqueItems", "uniqueItems", "refused", OPPOSITE),
        KeywordUse("/definitions/d/not", "not", "enforced"),
        KeywordUse("/definitions/d/then", "then", "annotation", "says nothing without if"),
        KeywordUse("/definitions/d/not/uniqueItems", "uniqueItems", "refused", OPPOSITE),
    )
    assert [use.pointer for use in report.refused] == [
        "/properties/c/not/uniqueItems",
        "/definitions/d/not/uniqueItems",
    ]


def test_report_agrees_with_parsing_and_survives_contradictions():
    assert check_json_schema({"type": "string", "minLength": 2, "maxLength": 1}).supported
    assert check_json_schema(json.dumps({"$schema": DRAFT4, "const": 1})).uses[1] == KeywordUse(
        "/const", "const", "annotation", "not a keyword of draft-04"
    )
    assert check_json_schema({"type": "string", "uniqueItems": True}).supported


def branch(number):
    return {
        "type": "object",
        "properties": {"kind": {"const": f"kind {number}"}, "name": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["kind", "name"],
    }


def having(*names):
    return [{"properties": {name: {"type": "string"}}, "required": [name]} for name in names]


def doubling(number):
    following = {"$ref": f"#/$defs/d{number + 1}"}
    return {"oneOf": [following, {"not": following}]}


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [{"oneOf": having(f"a{i}", f"b{i}")} for i in range(20)]},
        {"allOf": [{"anyOf": having(*(f"p{i}{j}" for j in range(5)))} for i in range(12)]},
        {"$ref": "#/$defs/d0", "$defs": {"d20": having("a")[0], **{f"d{n}": doubling(n) for n in range(20)}}},
    ],
    ids=["allOf of oneOf", "allOf of anyOf", "doubling"],
)
def test_alternatives_that_multiply_meet_a_limit(schema):
    with pytest.raises(LimitExceeded, match="the schema needs a look at more than 400,000 parts of alternatives"):
        parse_json_schema(schema)


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_the_complement_of_many_branches_grows_with_their_square(keyword):
    rules = {n: len(parse_json_schema({"not": {keyword: [branch(i) for i in range(n)]}}).rules) for n in (10, 20)}
    assert rules[20] < 4 * rules[10] < 1000


@pytest.mark.parametrize(("left", "right"), [(1, True), (0, False), (1, 1.5)])
def test_subschemas_are_told_apart_as_json(left, right):
    """`==` takes 1 for true; what one of them implies is not what the other does."""
    both = {"properties": {"a": {"not": {"const": left}}}, "required": ["a"], "type": "object"}
    schema = {"allOf": [both, {"anyOf": [{"properties": {"a": {"not": {"const": right}}}}, {"required": ["b"]}]}]}
    accepts = compile_grammar(parse_json_schema(schema, whitespace="compact")).accepts
    assert not accepts(b'{"a":%s}' % json.dumps(right).encode())
    assert accepts(b'{"a":%s,"b":0}' % json.dumps(right).encode())
    assert accepts(b'{"a":null}')
