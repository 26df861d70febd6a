"""References to other documents and by dynamic scope: where they lead, what is refused, both beside jsonschema."""

from __future__ import annotations

import json
import random

import pytest
from jsonschema import Draft201909Validator, Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT201909, DRAFT202012

from gcd.validate import check_instance
from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, InvalidGrammar, UnsupportedFeature
from grammars.frontends.json_schema import KeywordUse, check_json_schema, parse_json_schema

DRAFT4 = "http://json-schema.org/draft-04/schema#"
DRAFT7 = "http://json-schema.org/draft-07/schema#"
DRAFT2019 = "https://json-schema.org/draft/2019-09/schema"
DRAFT2020 = "https://json-schema.org/draft/2020-12/schema"
X = "https://x.org/"

# A tree that others may extend: its nodes are what the outermost resource calls so.
TREE_2020 = {
    "$id": X + "tree", "$schema": DRAFT2020, "$dynamicAnchor": "node", "type": "object",
    "properties": {"value": True, "children": {"type": "array", "items": {"$dynamicRef": "#node"}}},
}  # fmt: skip
TREE_2019 = {
    "$id": X + "tree", "$schema": DRAFT2019, "$recursiveAnchor": True, "type": "object",
    "properties": {"value": True, "children": {"type": "array", "items": {"$recursiveRef": "#"}}},
}  # fmt: skip
CLOSED = {"unevaluatedProperties": False}
LIST = {
    "$id": X + "list", "type": "array", "items": {"$dynamicRef": "#item"},
    "$defs": {"any": {"$dynamicAnchor": "item"}},
}  # fmt: skip


def with_items(name: str, item: object) -> dict:
    return {"$id": X + name, "$ref": "list", "$defs": {"item": {"$dynamicAnchor": "item", **item}}}


TEXTS = [
    # a document, a pointer and an anchor in one, by URIs relative to the base around
    ({"$ref": X + "a"}, {X + "a": {"const": 1}}, ["1"], ["2"]),
    ({"$ref": X + "a#/$defs/b"}, {X + "a": {"$defs": {"b": {"const": 1}}}}, ["1"], ["2"]),
    ({"$ref": X + "a#b"}, {X + "a": {"$defs": {"x": {"$anchor": "b", "const": 1}}}}, ["1"], ["2"]),
    ({"$id": X + "dir/root", "$ref": "../a"}, {X + "a": {"const": 1}}, ["1"], ["2"]),
    ({"$ref": "a.json"}, {"a.json": {"$ref": "b.json"}, "b.json": {"const": 1}}, ["1"], ["2"]),
    ({"$ref": "dir/a.json"}, {"dir/a.json": {"$ref": "b.json"}, "dir/b.json": {"const": 1}}, ["1"], ["2"]),
    ({"$ref": "urn:example:a#/$defs/b"}, {"urn:example:a": {"$defs": {"b": {"const": 1}}}}, ["1"], ["2"]),
    # by its own $id, also that of a resource inside it; the base is the $id, not the name that it is given by
    ({"$ref": X + "a"}, {"some name": {"$id": X + "a", "const": 1}}, ["1"], ["2"]),
    ({"$ref": X + "b"}, {X + "a": {"$defs": {"b": {"$id": "b", "const": 1}}}}, ["1"], ["2"]),
    ({"$ref": "name"}, {"name": {"$id": X + "dir/a", "$ref": "b"}, X + "dir/b": {"const": 1}}, ["1"], ["2"]),
    # a $id that names nothing: in a value, below an unknown keyword, beside $ref in older drafts
    ({"$ref": X + "a", "enum": [{"$id": X + "a"}, 1]}, {X + "a": {"const": 1}}, ["1"], ['{"$id":"https://x.org/a"}']),
    ({"$ref": X + "a", "x-other": {"$id": X + "a"}}, {X + "a": {"const": 1}}, ["1"], ["2"]),
    ({"$schema": DRAFT7, "$id": X, "allOf": [{"$id": "dir/", "$ref": "a"}]}, {X + "a": {"const": 1}}, ["1"], ["2"]),
    # JSON text, booleans, an empty fragment
    ({"$ref": X + "a"}, {X + "a": '{"const": 1}'}, ["1"], ["2"]),
    ({"items": {"$ref": X + "a"}, "type": "array"}, {X + "a": False}, ["[]"], ["[1]"]),
    ({"$ref": X + "a#"}, {X + "a#": {"const": 1}}, ["1"], ["2"]),
    # recursion across documents
    ({"$id": X + "root", "type": "object", "properties": {"a": {"$ref": "other"}}, "additionalProperties": False},
     {X + "other": {"type": "array", "items": {"$ref": "root"}}}, ["{}", '{"a":[{"a":[]},{}]}'], ['{"a":[[]]}']),
    # each document in its own dialect, else in that of the root
    ({"$schema": DRAFT2020, "prefixItems": [{"const": 1}], "allOf": [{"$ref": X + "a"}], "type": "array"},
     {X + "a": {"$schema": DRAFT4, "prefixItems": [{"const": 2}], "maxItems": 1}}, ["[1]"], ["[2]", "[1, 1]"]),
    ({"$schema": DRAFT2020, "$ref": X + "a"},
     {X + "a": {"$schema": DRAFT7, "definitions": {"b": {"const": 1}}, "$ref": "#/definitions/b", "type": "null"}},
     ["1"], ["null"]),
    ({"$schema": DRAFT4, "properties": {"a": {"$ref": X + "a"}}, "additionalProperties": False},
     {X + "a": {"const": 1, "type": "integer"}}, ['{"a": 2}'], ['{"a": "x"}']),
    ({"$ref": X + "a#b"}, {X + "a": {"$schema": DRAFT4, "definitions": {"x": {"id": "#b", "enum": [1]}}}}, ["1"], []),
    # a dialect of one's own: a vocabulary that is not in force says nothing
    ({"$schema": X + "meta", "minimum": 5, "items": False, "type": "array"},
     {X + "meta": {"$id": X + "meta", "$schema": DRAFT2020, "$vocabulary": {
         "https://json-schema.org/draft/2020-12/vocab/core": True, X + "unknown": False,
         "https://json-schema.org/draft/2020-12/vocab/applicator": True}}}, ["1", "[]"], ["[1]"]),
    ({"$schema": X + "meta", "contains": {"items": False}, "minContains": 2},
     {"m": {"$id": X + "meta", "$schema": DRAFT2019, "$vocabulary": {
         "https://json-schema.org/draft/2019-09/vocab/applicator": True}}}, ["[[]]"], ["[[1]]"]),
    # the meta-schemas are at hand
    ({"$ref": "http://json-schema.org/draft-07/schema#/definitions/nonNegativeInteger"}, None, ["0", "7"], ["-1"]),
    # dynamic scope
    (with_items("numbers", {"type": "integer"}), {"": LIST}, ["[1]"], ['["a"]']),
    ({"$id": X + "root", "type": "object", "additionalProperties": False,
      "properties": {"n": {"$ref": "numbers"}, "s": {"$ref": "strings"}, "l": {"$ref": "list"}}},
     {"": LIST, "n": with_items("numbers", {"type": "integer"}), "s": with_items("strings", {"type": "string"})},
     ['{"n":[1],"s":["a"],"l":[null]}'], ['{"n":["a"]}', '{"s":[1]}']),
    ({"$ref": X + "tree", "$dynamicAnchor": "node", **CLOSED}, {"": TREE_2020},
     ['{"value":1,"children":[{"value":2}]}', "{}"], ['{"children":[{"other":2}]}', '{"other":1}']),
    ({"$ref": X + "tree", **CLOSED}, {"": TREE_2020}, ['{"children":[{"other":2}]}'], ['{"other":1}']),
    ({"$schema": DRAFT2019, "$ref": X + "tree", "$recursiveAnchor": True, **CLOSED}, {"": TREE_2019},
     ['{"children":[{"value":2}]}'], ['{"children":[{"other":2}]}', '{"other":1}']),
    ({"$schema": DRAFT2019, "$ref": X + "tree", **CLOSED}, {"": TREE_2019},
     ['{"children":[{"other":2}]}'], ['{"other":1}']),
    # a $ref to a dynamic anchor, and a pointer in $dynamicRef, stay where they are
    ({"$id": X + "root", "$dynamicAnchor": "a", "type": "array", "items": {"$ref": "other"}},
     {X + "other": {"$ref": "#a", "$defs": {"a": {"$dynamicAnchor": "a", "const": 1}}}}, ["[1]"], ["[[1]]"]),
    ({"$id": X + "root", "$dynamicAnchor": "a", "type": "array", "items": {"$ref": "other"}},
     {X + "other": {"$dynamicRef": "#/$defs/a", "$defs": {"a": {"$dynamicAnchor": "a", "const": 1}}}},
     ["[1]"], ["[[1]]"]),
    # an intermediate resource without the anchor is passed over, also in 2019-09
    ({"$schema": DRAFT2019, "$id": X + "root", "$recursiveAnchor": True, "$ref": "between", "maxProperties": 1},
     {X + "between": {"$id": X + "between", "$ref": "tree"}, "": TREE_2019},
     ['{"children":[{"value":2}]}'], ['{"children":[{"value":2,"children":[]}]}']),
]  # fmt: skip


def named(schemas: dict | None) -> dict | None:
    """The schemas, where a key that is empty or has no meaning stands for the $id."""
    return schemas and {(value["$id"] if len(key) <= 1 else key): value for key, value in schemas.items()}


@pytest.mark.parametrize(("schema", "schemas", "accepted", "refused"), TEXTS, ids=lambda value: repr(value)[:50])
def test_texts(schema, schemas, accepted, refused):
    schemas = named(schemas)
    accepts = compile_grammar(parse_json_schema(schema, schemas=schemas)).accepts
    assert check_json_schema(schema, schemas=schemas).supported
    for text in (*accepted, *refused):
        assert accepts(text.encode()) == (text in accepted), text
        assert (not check_instance(json.loads(text), schema, schemas=schemas)) == (text in accepted), text


def test_one_object_in_two_documents_is_read_in_each():
    shared = {"$ref": "#/$defs/a"}
    schema = {"type": "array", "prefixItems": [shared, {"$ref": X + "b"}], "items": False, "$defs": {"a": {"const": 1}}}
    accepts = compile_grammar(
        parse_json_schema(schema, schemas={X + "b": {"allOf": [shared], "$defs": {"a": {"const": 2}}}})
    ).accepts
    assert accepts(b"[1, 2]")
    assert not accepts(b"[1, 1]")


def test_an_ordinary_schema_reads_no_other_document():
    from grammars.frontends.json_schema.compiler import Compiler
    from grammars.frontends.json_schema.refs import Document
    from grammars.frontends.json_schema.whitespace import layout

    document = Document({"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"type": "null"}}}, {X: {"$id": "b"}})
    Compiler(document, layout("bounded")).run()
    assert not document.registry._resources


INVALID = [
    ({}, [], "schemas= must map URIs to schemas, got []\nwrite schemas={\"https://...\": {...}}"),
    ({}, {1: {}}, "schemas= must have URIs for keys, got 1"),
    ({}, {"": {}}, 'schemas= must have URIs for keys, got ""'),
    ({}, {X + "#a": {}}, 'schemas= must have URIs without a fragment for keys, got "https://x.org/#a"\n'
     "give the whole document; references may have the fragment"),
    ({}, {X: {}, X + "#": {}}, 'schemas= has "https://x.org/" twice, with and without an empty fragment'),
    ({}, {X: 1}, 'schemas={"https://x.org/": ...} must be a schema: a dict, a bool or JSON text, not 1'),
    ({}, {"type": [1]}, 'schemas={"type": ...} must be a schema: a dict, a bool or JSON text, not [1]\n'
     "the keys are URIs, each with its schema"),
    ({}, {X: "{"}, 'in schemas={"https://x.org/": ...}: this is not JSON: expecting property name enclosed in double '
     "quotes (line 1, column 1)\n    {\n    ^"),
    ({"$ref": X + "a"}, {X + "a": {"items": {"type": "int"}}},
     'type must be one of "null", "boolean", "integer", "number", "string", "array", "object", got "int" '
     '(at https://x.org/a#/items/type)\ndid you mean "integer"?'),
    ({"$ref": X + "a#/$defs/adress"}, {X + "a": {"$defs": {"address": {}}}},
     '$ref "https://x.org/a#/$defs/adress" points to nothing (at #/$ref)\n'
     'https://x.org/a#/$defs has no "adress"; did you mean https://x.org/a#/$defs/address?'),
    ({"$ref": X + "a#adress"}, {X + "a": {"$defs": {"x": {"$anchor": "address"}}}},
     '$ref "https://x.org/a#adress" points to nothing (at #/$ref)\ndid you mean "#address"?'),
    ({"$ref": "#a", "$defs": {"x": {"$anchor": "a"}, "y": {"$anchor": "a"}}}, None,
     '$ref "#a" may be two places: two anchors have this name (at #/$ref)'),
    ({"$ref": X + "a"}, {"one": {"$id": X + "a", "const": 1}, "two": {"$id": X + "a", "const": 2}},
     '$ref "https://x.org/a" may be two schemas: both are called "https://x.org/a" (at #/$ref)'),
    ({"$id": X, "$ref": "http://[x"}, None, '$ref must be a URI reference, got "http://[x" (at #/$ref)'),
    ({"$schema": DRAFT2019, "$recursiveRef": "#/$defs/a"}, None,
     '$recursiveRef must be "#", got "#/$defs/a" (at #/$recursiveRef)'),
    ({"$dynamicRef": "#nowhere"}, None, '$dynamicRef "#nowhere" points to nothing (at #/$dynamicRef)'),
    ({"$ref": X + "a"}, {X + "a": {"$ref": "b"}, X + "b": {"$ref": "a"}},
     "this schema refers to itself without an end (at https://x.org/a#)\n"
     "recursion must pass through a property or an item"),
    ({"$schema": X + "meta"}, {X + "meta": {"$schema": DRAFT2020, "$vocabulary": []}},
     "$vocabulary must be an object with booleans for values (at https://x.org/meta#/$vocabulary)"),
]  # fmt: skip

UNSUPPORTED = [
    ({"items": {"$ref": X + "adress"}}, {X + "address": {}},
     '$ref "https://x.org/adress" is neither in this schema nor in schemas= (at #/items/$ref)\n'
     'did you mean "https://x.org/address"?'),
    ({"$id": X + "root", "$ref": "elsewhere"}, {X + "a": {}},
     '$ref "elsewhere" (https://x.org/elsewhere) is neither in this schema nor in schemas= (at #/$ref)\n'
     'nothing is ever fetched: give that schema in schemas={"https://x.org/elsewhere": ...}, or copy it under $defs'),
    ({"$id": X + "root", "$ref": "other.json"}, {"other.json": {}},
     '$ref "other.json" (https://x.org/other.json) is neither in this schema nor in schemas= (at #/$ref)\n'
     'schemas= has "other.json", but by the $id around it this is "https://x.org/other.json": use that for its key'),
    ({"$ref": X + "a"}, {X + "a": {"not": {"format": "regex"}}},
     "format 'regex' is not supported: regular expressions nest, and so are no regular language "
     "(at https://x.org/a#/not/format)"),
    ({"$ref": X + "a"}, {X + "a": {"$schema": X + "mine"}},
     '$schema "https://x.org/mine" is a dialect that is not known here (at https://x.org/a#/$schema)\n'
     'use "https://json-schema.org/draft/2020-12/schema" or another draft from 4 on, leave $schema out, '
     "or give its meta-schema in schemas="),
    ({"$schema": X + "meta"}, {X + "meta": {"$schema": DRAFT2020, "$vocabulary": {X + "mine": True}}},
     "the vocabulary 'https://x.org/mine' is required and not known here (at https://x.org/meta#/$vocabulary)\n"
     "what its keywords say could only be ignored"),
    ({"$ref": X + "a"}, {X + "meta": {"$schema": DRAFT2020, "$vocabulary": {X + "mine": True}},
                         X + "a": {"$schema": X + "meta"}},
     "the vocabulary 'https://x.org/mine' is required and not known here (at https://x.org/meta#/$vocabulary)\n"
     "what its keywords say could only be ignored"),
    ({"$schema": X + "meta"}, {X + "meta": {"$schema": X + "meta"}},
     '$schema "https://x.org/meta" is a dialect that is not known here (at https://x.org/meta#/$schema)\n'
     'use "https://json-schema.org/draft/2020-12/schema" or another draft from 4 on, leave $schema out, '
     "or give its meta-schema in schemas="),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "schemas", "message"), INVALID, ids=lambda value: repr(value)[:50])
def test_invalid(schema, schemas, message):
    with pytest.raises(InvalidGrammar) as caught:
        parse_json_schema(schema, schemas=schemas)
    assert str(caught.value) == message


@pytest.mark.parametrize(("schema", "schemas", "message"), UNSUPPORTED, ids=lambda value: repr(value)[:50])
def test_unsupported(schema, schemas, message):
    with pytest.raises(UnsupportedFeature) as caught:
        parse_json_schema(schema, schemas=schemas)
    assert str(caught.value) == message
    assert not check_json_schema(schema, schemas=schemas).supported


def test_report_names_the_document_and_each_place_once():
    schemas = {X + "list": LIST, X + "numbers": with_items("numbers", {"type": "integer"})}
    schema = {"$schema": DRAFT2020, "prefixItems": [{"$ref": X + "numbers"}, {"$ref": X + "list"}]}
    uses = check_json_schema(schema, schemas=schemas).uses
    assert len({use.pointer for use in uses}) == len(uses)
    assert KeywordUse(X + "list#/items/$dynamicRef", "$dynamicRef", "enforced") in uses


# Random documents that refer to each other ----------------------------------------------------------------------------

KINDS = ["p", "q", "r"]
PARTS = ["left", "right"]


def random_documents(pick: random.Random, draft: str) -> dict[str, dict]:
    """Documents of objects with a kind and two parts, which refer to other documents or to what is in scope.

    Properties are declared in one order everywhere, so that no valid value is in another.

    `jsonschema` resolves by dynamic scope only from roots that have an `$id`, and so all have one.
    """

    def reference(name: str) -> dict:
        if pick.random() < 0.4:
            return {"$dynamicRef": "#node"} if draft == DRAFT2020 else {"$recursiveRef": "#"}
        other = pick.choice(names)
        return {"$ref": pick.choice([other, X + other, f"{other}#/$defs/part"])}

    names = ["a", "b", "c", "d"]
    found = {}
    anchored = pick.random() < 0.8
    for name in names:
        document = {"$id": X + name, "$schema": draft, "type": "object", "properties": {}}
        document["properties"]["kind"] = {"enum": pick.sample(KINDS, 2)}
        document["properties"] |= {part: reference(name) for part in PARTS}
        document["$defs"] = {
            "part": {"type": ["object", "null"], "properties": {"kind": True, "left": reference(name)}}
        }
        if draft == DRAFT2019:
            # all or none: where one has none, jsonschema looks no further out, and the specification does
            document["$recursiveAnchor"] = anchored
        elif pick.random() < 0.7:
            document["$dynamicAnchor"] = "node"
        else:
            document["$defs"]["plain"] = {"$anchor": "node", "properties": {"kind": {"const": pick.choice(KINDS)}}}
        if pick.random() < 0.3:
            document["allOf"] = [{"properties": {pick.choice(PARTS): reference(name)}}]
        found[X + name] = document
    return found


def random_value(pick: random.Random, depth: int = 4) -> object:
    if not depth or pick.random() < 0.1:
        return pick.choice([None, {}, {"kind": pick.choice(KINDS)}])
    value = {"kind": pick.choice(KINDS)} if pick.random() < 0.7 else {}
    return value | {part: random_value(pick, depth - 1) for part in PARTS if pick.random() < 0.6}


@pytest.mark.parametrize("draft", [DRAFT2019, DRAFT2020])
@pytest.mark.parametrize("seed", range(10))
def test_accepted_iff_valid_beside_jsonschema(seed, draft):
    pick = random.Random(seed)
    specification, kind = {
        DRAFT2019: (DRAFT201909, Draft201909Validator), DRAFT2020: (DRAFT202012, Draft202012Validator),
    }[draft]  # fmt: skip
    verdicts = []
    for _ in range(10):
        schemas = random_documents(pick, draft)
        registry = Registry().with_resources(
            [(uri, specification.create_resource(schema)) for uri, schema in schemas.items()]
        )
        schema = schemas.pop(X + "a")
        validator = kind(schema, registry=registry)
        try:
            accepts = compile_grammar(parse_json_schema(schema, schemas=schemas)).accepts
        except EmptyLanguage:
            accepts = lambda text: False  # noqa: E731
        for _ in range(40):
            value = random_value(pick)
            where = f"{json.dumps(schema)} {json.dumps(schemas)} {json.dumps(value)}"
            verdicts.append(validator.is_valid(value))
            assert accepts(json.dumps(value).encode()) == verdicts[-1], where
            assert (not check_instance(value, schema, schemas=schemas)) == verdicts[-1], where
    assert 20 < sum(verdicts) < len(verdicts) - 20
