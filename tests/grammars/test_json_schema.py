"""The texts of a schema: tables of (schema, accepted, refused)."""

from __future__ import annotations

import json

import pytest

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature
from grammars.frontends.json_schema import parse_json_schema
from grammars.ir import Grammar, Ref

OPEN = {"type": "object"}
CLOSED = {"type": "object", "additionalProperties": False}


def accepts(grammar: Grammar, data: bytes) -> bool:
    return compile_grammar(grammar).accepts(data)


TYPES = [
    ({"type": "null"}, ["null"], ["nul", '"null"', "0"]),
    ({"type": "boolean"}, ["true", "false"], ["True", "null"]),
    ({"type": "integer"}, ["0", "-1", "12"], ["01", "1.0", "1e2", "+1", "-", '"1"']),
    ({"type": "number"}, ["0", "-1.5", "1e9", "12.5E-3"], [".5", "1.", "01", "NaN", "1e", "Infinity"]),
    ({"type": "string"}, ['""', '"é"', '"\\u00e9"', '"\\n"', '"\\ud83d\\ude00"'],
     ['"', "a", '"\n"', '"\\x"', '"\\ud83d"']),
    ({"type": "array"}, ["[]", '[1,[],{"a":null}]'], ["[1,]", "[,]", "{}"]),
    ({"type": "object"}, ["{}", '{"a":1,"b":[{}]}'], ['{"a"}', '{"a":1,}', "{a:1}", "[]"]),
    ({"type": ["integer", "null"]}, ["1", "null"], ["1.5", "true"]),
    ({"type": ["integer", "number"]}, ["1", "1.5"], ["null"]),
    ({}, ["null", "1", '"a"', "[]", '{"a":[true]}'], ["", "nul", "[1"]),
    (True, ["null", "{}"], [""]),
    ({"maxLength": 1}, ["1234", '"a"', "[]"], ['"ab"']),
    ({"minItems": 1, "type": ["array", "string"]}, ["[1]", '""'], ["[]"]),
    ({"title": "T", "x-vendor": 1, "nullable": True, "default": 3, "type": "null"}, ["null"], ["3"]),
]  # fmt: skip

STRINGS = [
    ({"type": "string", "minLength": 2}, ['"ab"', '"\\u0061b"', '"😀b"'], ['"a"', '"😀"', '"\\ud83d\\ude00"']),
    ({"type": "string", "maxLength": 1}, ['""', '"\\n"', '"😀"'], ['"ab"']),
    ({"type": "string", "minLength": 1, "maxLength": 2.0}, ['"a"', '"ab"'], ['""', '"abc"']),
    ({"type": "string", "pattern": "^a+$"}, ['"a"', '"aa"', '"\\u0061"'], ['""', '"ab"']),
    ({"type": "string", "pattern": "b"}, ['"b"', '"abc"'], ['"ac"']),
    ({"type": "string", "pattern": "^a+$", "maxLength": 2}, ['"aa"'], ['"aaa"']),
    ({"type": "string", "allOf": [{"pattern": "^a"}, {"pattern": "b$"}]}, ['"ab"', '"acb"'], ['"a"', '"b"']),
    ({"type": "string", "format": "date"}, ['"2024-02-29"'], ['"2023-02-29"', '"today"']),
    ({"type": "string", "format": "date", "pattern": "^2024"}, ['"2024-01-01"'], ['"2023-01-01"']),
    ({"type": "string", "format": "no-such-format"}, ['"anything"'], ["1"]),
    ({"format": "date"}, ["1", "null", '"2024-01-01"'], ['"x"']),
]  # fmt: skip

NUMBERS = [
    ({"type": "integer", "minimum": 3, "maximum": 5}, ["3", "5"], ["2", "6", "33"]),
    ({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}, ["4"], ["3", "5"]),
    ({"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer", "minimum": 3, "exclusiveMinimum": True,
      "maximum": 5, "exclusiveMaximum": False}, ["4", "5"], ["3", "6"]),
    ({"type": "integer", "exclusiveMinimum": True}, ["-1", "0"], ["x"]),
    ({"type": "number", "minimum": 0.5}, ["0.5", "1"], ["0.49", "0"]),
    ({"type": "integer", "multipleOf": 3}, ["0", "3", "12"], ["1", "4"]),
    ({"type": "number", "multipleOf": 0.5}, ["0.5", "1", "2.5"], ["0.3"]),
    ({"type": "integer", "allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "minimum": 1}, ["12", "24"], ["4", "6", "0"]),
    ({"type": "integer", "allOf": [{"minimum": 1}, {"minimum": 3}, {"maximum": 4}]}, ["3", "4"], ["2", "5"]),
    ({"allOf": [{"type": "number"}, {"type": "integer"}], "maximum": 1, "minimum": 1}, ["1"], ["0.5"]),
]  # fmt: skip

FINITE = [
    ({"const": "a\"\né"}, ['"a\\"\\né"'], ['"\\u0061"', '"a"']),
    ({"enum": ["a", 1, None, True, 2.5]}, ['"a"', "1", "null", "true", "2.5"], ["2", "false"]),
    ({"const": {"a": [1, {}], "b": []}}, ['{"a":[1,{}],"b":[]}'], ['{"b":[],"a":[1,{}]}', '{"a":[1,{}]}']),
    ({"enum": [1, "a", None], "type": "string"}, ['"a"'], ["1", "null"]),
    ({"enum": [1, 2, 3, 4], "minimum": 2, "maximum": 3.5}, ["2", "3"], ["1", "4"]),
    ({"enum": [1.0, 2.5], "type": "integer"}, ["1.0"], ["2.5", "1"]),
    ({"enum": [1.0], "$schema": "http://json-schema.org/draft-04/schema#", "type": ["integer", "null"],
      "anyOf": [{}, {"type": "null"}]}, None, "EmptyLanguage"),
    ({"enum": ["ab", "abc", "b"], "pattern": "^a", "maxLength": 2}, ['"ab"'], ['"abc"', '"b"']),
    ({"enum": [1, 2], "const": 2.0}, ["2"], ["1"]),
    ({"enum": [True, 1], "const": 1}, ["1"], ["true"]),
    ({"enum": [[1, 2], [1]], "items": {"maximum": 1}}, ["[1]"], ["[1,2]"]),
    ({"enum": [{"a": 1}, {"b": 1}, {}], "required": ["a"]}, ['{"a":1}'], ['{"b":1}', "{}"]),
    ({"enum": [{"a": 1}, {"a": "x"}], "properties": {"a": {"type": "string"}}}, ['{"a":"x"}'], ['{"a":1}']),
    ({"enum": [1, 2, 3], "oneOf": [{"minimum": 2}, {"maximum": 2}]}, ["1", "3"], ["2"]),
]  # fmt: skip

OBJECTS = [
    ({**CLOSED}, ["{}"], ['{"a":1}']),
    ({**CLOSED, "properties": {"a": {}, "b": {}}}, ["{}", '{"a":1}', '{"b":1}', '{"a":1,"b":2}'],
     ['{"b":1,"a":2}', '{"c":1}', '{"a":1,"a":1}', '{,"a":1}']),
    ({**CLOSED, "properties": {"a": {}, "b": {}, "c": {}}, "required": ["b"]},
     ['{"b":1}', '{"a":1,"b":1}', '{"b":1,"c":1}', '{"a":1,"b":1,"c":1}'], ["{}", '{"a":1}', '{"a":1,"c":1}']),
    ({**OPEN, "properties": {"a": {"type": "null"}}}, ["{}", '{"a":null}', '{"b":1,"c":2}', '{"a":null,"b":1}'],
     ['{"a":1}', '{"\\u0061":1}', '{"b":1,"a":null}']),
    ({**OPEN, "required": ["a"]}, ['{"a":1}', '{"a":1,"b":2}'], ["{}", '{"b":2}', '{"b":2,"a":1}']),
    ({**OPEN, "additionalProperties": {"type": "null"}, "required": ["z"], "properties": {"a": {"const": 1}}},
     ['{"z":null}', '{"a":1,"z":null,"y":null}'], ['{"z":1}', '{"a":1}', '{"z":null,"y":1}']),
    ({"additionalProperties": {"const": 1}, "type": "object"}, ["{}", '{"":1}', '{"\\n":1,"b":1}'], ['{"a":2}']),
    ({**OPEN, "properties": {"a": False}}, ["{}", '{"b":1}'], ['{"a":1}', '{"\\u0061":1}']),
    ({**CLOSED, "properties": {"a": {"const": 1, "enum": []}, "b": {}}}, ["{}", '{"b":1}'], ['{"a":1}']),
    ({**CLOSED, "properties": {'q"é\\': {"const": 1}}}, ['{"q\\"é\\\\":1}'], ['{"q":1}']),
    ({"properties": {"a": {"const": 1}}}, ["1", "{}", '{"a":1}'], ['{"a":2}']),
    ({"required": ["a"]}, ["1", '{"a":1}'], ["{}"]),
    ({**OPEN, "patternProperties": {"^n": {"const": 1}}, "additionalProperties": False}, ["{}", '{"n":1,"nx":1}'],
     ['{"n":2}', '{"x":1}']),
    ({**OPEN, "patternProperties": {"^n": {"const": 1}}, "properties": {"n": {"type": "number"}, "m": {"const": 2}}},
     ['{"n":1}', '{"m":2,"nn":1,"x":3}'], ['{"n":2}', '{"nn":2}', '{"m":1}', '{"\\u006e":1}']),
    ({**OPEN, "patternProperties": {"a": {"minimum": 2}, "b": {"maximum": 3}}, "additionalProperties": {"const": 0}},
     ['{"a":9}', '{"b":1}', '{"ab":2}', '{"xbay":3}', '{"c":0}'], ['{"a":1}', '{"ab":1}', '{"ba":4}', '{"c":1}']),
    ({**OPEN, "propertyNames": {"pattern": "^[ab]$"}}, ["{}", '{"a":1,"b":2}'], ['{"c":1}', '{"ab":1}']),
    ({**OPEN, "propertyNames": {"maxLength": 1}, "properties": {"ab": {}, "c": {}}}, ['{"c":1,"x":2}'], ['{"ab":1}']),
    ({**OPEN, "propertyNames": {"enum": ["b", "a"]}, "additionalProperties": {"const": 1}},
     ["{}", '{"b":1}', '{"b":1,"a":1}'], ['{"c":1}', '{"b":2}', '{"a":1,"a":1}']),
    ({**OPEN, "propertyNames": False}, ["{}"], ['{"a":1}']),
    ({**OPEN, "propertyNames": {"type": "string"}}, ["{}", '{"a":1}'], ["[]"]),
]  # fmt: skip

COUNTED_OBJECTS = [
    ({**OPEN, "minProperties": 0}, ["{}", '{"a":1}'], ["[]"]),
    ({**OPEN, "minProperties": 1}, ['{"a":1}', '{"a":1,"b":1}'], ["{}"]),
    ({**OPEN, "maxProperties": 1}, ["{}", '{"a":1}'], ['{"a":1,"b":1}']),
    ({**OPEN, "maxProperties": 0}, ["{}"], ['{"a":1}']),
    ({**CLOSED, "properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 2},
     ['{"a":1,"b":1}', '{"b":1,"c":1}', '{"a":1,"b":1,"c":1}'], ["{}", '{"a":1}', '{"c":1}']),
    ({**CLOSED, "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 1, "minProperties": 1},
     ['{"a":1}', '{"b":1}', '{"c":1}'], ["{}", '{"a":1,"b":1}']),
    ({**CLOSED, "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 2},
     ["{}", '{"c":1}', '{"a":1,"c":1}'], ['{"a":1,"b":1,"c":1}']),
    ({**CLOSED, "properties": {"a": {}, "b": {}}, "required": ["b"], "minProperties": 2}, ['{"a":1,"b":1}'],
     ['{"b":1}']),
    ({**OPEN, "properties": {"a": {}, "b": {}}, "required": ["a"], "minProperties": 2, "maxProperties": 2},
     ['{"a":1,"b":1}', '{"a":1,"x":1}'], ['{"a":1}', '{"a":1,"b":1,"x":1}', '{"b":1,"x":1}']),
]  # fmt: skip

ARRAYS = [
    ({"type": "array", "items": {"const": 1}}, ["[]", "[1]", "[1,1,1]"], ["[2]", "[1,]", "[,1]"]),
    ({"type": "array", "items": {"const": 1}, "minItems": 2, "maxItems": 3}, ["[1,1]", "[1,1,1]"],
     ["[1]", "[1,1,1,1]"]),
    ({"type": "array", "maxItems": 0}, ["[]"], ["[1]"]),
    ({"type": "array", "items": False}, ["[]"], ["[1]"]),
    ({"items": False}, ["[]", "1", "{}"], ["[1]"]),
    ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}]}, ["[]", "[1]", "[1,2]", "[1,2,9]"],
     ["[2]", "[1,1]"]),
    ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False}, ["[]", "[1]", "[1,2]"],
     ["[1,2,3]"]),
    ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3}, "minItems": 3},
     ["[1,2,3]", "[1,2,3,3]"], ["[1,2]", "[1,2,4]"]),
    ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "minItems": 1, "maxItems": 1}, ["[1]"],
     ["[]", "[1,2]"]),
    ({"type": "array", "prefixItems": [{"const": 1}, False, {}]}, ["[]", "[1]"], ["[1,2]"]),
    ({"type": "array", "items": [{"const": 1}], "additionalItems": False}, ["[]", "[1]"], ["[1,1]"]),
    ({"type": "array", "items": [{"const": 1}], "additionalItems": {"const": 2}}, ["[1,2,2]"], ["[1,1]", "[2]"]),
    ({"type": "array", "items": {"const": 1}, "additionalItems": False}, ["[1,1]"], ["[2]"]),
    ({"type": "array", "items": {"not": {}, "enum": [1]}}, ["[]"], ["[1]"]),
    ({"type": "array", "items": {"enum": []}}, ["[]"], ["[1]"]),
    ({"type": "array", "uniqueItems": False}, ["[1,1]"], ["1"]),
    (
        {"uniqueItems": True, "type": "array", "minItems": 2, "items": {"type": "string", "pattern": r"^\S+:\S+$"}},
        ['["a:b","a:c"]', '["a:b","]:}","é::"]'],
        ['["a:b"]', '["a:b","a:b"]', '["a:b","ab"]'],
    ),
    (
        {
            "type": "array", "uniqueItems": True, "minItems": 3,
            "items": {
                "type": "object", "required": ["k"], "additionalProperties": False,
                "properties": {"k": {"pattern": "x[^z]+z$", "type": "string", "minLength": 9}},
            },
        },
        ['[{"k":"xxxxxxxaz"},{"k":"xxxxxxxbz"},{"k":"x]}yyyyyyyyyz"}]'],
        ['[{"k":"xxxxxxxaz"},{"k":"xxxxxxxbz"}]', '[{"k":"xxxxxxxaz"},{"k":"xxxxxxxbz"},{"k":"xxxxxxxaz"}]'],
    ),
    ({"type": "string", "uniqueItems": True, "minProperties": 3}, ['"a"'], ["[]"]),
]  # fmt: skip

COMBINED = [
    ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, ["null", "true"], ["1"]),
    ({"anyOf": [{"minimum": 3}, {"maximum": 1}], "type": "integer"}, ["3", "1"], ["2", '"a"']),
    ({"type": "object", "properties": {"a": {"const": 1}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
     ['{"a":1}', '{"b":2}', '{"a":1,"b":2}'], ["{}", '{"a":2}', '{"c":1}']),
    ({"anyOf": [{"type": "integer"}, {"type": "string"}], "allOf": [{"anyOf": [{"type": "string"}, {"type": "null"}]}]},
     ['"a"'], ["1", "null"]),
    ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, ["1", '"a"'], ["null"]),
    ({"oneOf": [{"const": 1}, {"enum": [2, 3]}]}, ["1", "2"], ["4"]),
    ({"oneOf": [{"enum": [1, 2]}, {"enum": [2.0, 3]}]}, ["1", "3"], ["2", "2.0"]),
    ({"anyOf": [{"const": "a"}, {"enum": ["a", "b", 1]}], "type": "string"}, ['"a"', '"b"'], ["1"]),
    ({"anyOf": [{"$ref": "#"}, {"const": 1}, {"type": "null"}]}, ["1", "null"], ["2"]),
    ({"enum": [[1], [2]], "items": {"not": {"const": 1}}}, ["[2]"], ["[1]"]),
    ({"enum": [1, "a"], "anyOf": [{"type": "string"}, {"not": {}}]}, ['"a"'], ["1"]),
    ({"oneOf": [{"type": "integer"}, {"type": "string"}, {"minimum": 3}]}, ["1", "3.5", "null"], ["3", '"a"', "2.5"]),
    ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, ['{"a":1}', '{"b":1}'], ["{}", '{"a":1,"b":1}', "1"]),
    ({"oneOf": [{"type": "integer", "maximum": 1}, {"type": "number", "minimum": 2}]}, ["1", "2.5"], ["1.5"]),
    ({"oneOf": [{"required": ["t", "a"], "properties": {"t": {"const": "A"}, "a": {}}, **CLOSED},
                {"required": ["t"], "properties": {"t": {"enum": ["B", "C"]}}, **CLOSED}]},
     ['{"t":"A","a":1}', '{"t":"C"}'], ['{"t":"A"}', '{"t":"B","a":1}', '{"t":"D"}']),
    ({"type": "object", "required": ["t"], "oneOf": [{"properties": {"t": {"const": 1}}},
     {"properties": {"t": {"const": 2}}}]},
     ['{"t":1}', '{"t":2}'], ['{"t":3}', "{}"]),
    ({"oneOf": [{**CLOSED, "properties": {"a": {}}, "required": ["a"]},
     {**CLOSED, "properties": {"b": {}}, "required": ["b"]}]},
     ['{"a":1}', '{"b":1}'], ["{}", '{"a":1,"b":1}']),
    ({"oneOf": [{"type": "string", "pattern": "^a"}, {"type": "string", "maxLength": 0}]}, ['"a"', '""'], ['"b"']),
    ({"oneOf": [{"type": "string", "pattern": "^a"}, {"type": "string", "pattern": "^b"}]}, ['"a"', '"bc"'], ['"c"']),
    ({"allOf": [{"$ref": "#/$defs/x"}], "description": "d", "$defs": {"x": {"const": 1}}}, ["1"], ["2"]),
    ({"allOf": [{"properties": {"a": {"minimum": 1}}, "required": ["a"]},
     {"properties": {"a": {"maximum": 1}, "b": {}}}],
      "type": "object", "additionalProperties": {"type": "integer"}}, ['{"a":1}', '{"a":1,"b":2}'],
     ['{"a":2}', '{"a":0}', "{}", '{"a":1,"b":"x"}']),
    ({"type": "array", "allOf": [{"items": {"minimum": 1}}, {"prefixItems": [{"const": 2}], "items": {"maximum": 3}}]},
     ["[]", "[2]", "[2,1,3]"], ["[1]", "[2,4]", "[2,0]"]),
    ({"allOf": [{"type": ["string", "null"]}, {"type": ["null", "integer"]}]}, ["null"], ['"a"', "1"]),
]  # fmt: skip

D7 = {"$schema": "http://json-schema.org/draft-07/schema#"}

NEGATED = [
    ({"not": {"type": "string"}}, ["1", "null", "[]"], ['"a"']),
    ({"not": {"type": "integer"}}, ["1.5", "-0.25", '"a"'], ["1", "0", "1.0", "1e2"]),
    ({"type": "number", "minimum": 1, "not": {"type": "integer"}}, ["1.5", "20.001"], ["1", "0.5", "1.00", "15e-1"]),
    ({"not": {"enum": [1, 2.5, "a", True, None, [1], {"a": 1}]}},
     ["3", "2.25", '"b"', "false", "[]", "[2]", "[1,1]", "{}", '{"a":2}', '{"b":1}', '{"a":1,"b":1}'],
     ["1", "2.5", "25e-1", '"a"', '"\\u0061"', "true", "null", "[1]", '{"a":1}']),
    ({"type": "integer", "minimum": 1, "maximum": 5, "not": {"enum": [1, 3]}}, ["2", "4", "5"], ["1", "3", "0", "6"]),
    ({"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5, "not": {"const": 1}}, ["0.5", "1.5"], ["1", "1.0"]),
    ({"type": ["boolean", "null"], "not": {"const": True}}, ["false", "null"], ["true"]),
    ({"type": ["boolean", "null"], "allOf": [{"not": {"const": True}}, {"not": {"const": False}}]}, ["null"],
     ["true", "false"]),
    ({"type": "object", "not": {"additionalProperties": {"const": 1}}}, ['{"a":2}', '{"b":1,"a":2}'],
     ["{}", '{"a":1}']),
    ({"type": "integer", "not": {"minimum": 3}}, ["2", "-7"], ["3"]),
    ({"type": "number", "not": {"maximum": 3, "minimum": 1}}, ["4", "0.5"], ["1", "3", "2.5"]),
    ({"type": "string", "not": {"minLength": 2}}, ['""', '"a"'], ['"ab"']),
    ({"type": "string", "not": {"pattern": "^a"}}, ['""', '"ba"'], ['"ab"', '"\\u0061"']),
    ({"type": "string", "not": {"format": "date"}}, ['"x"', '"2020-02-30"'], ['"2020-02-28"']),
    ({"type": "integer", "not": {"multipleOf": 3}}, ["1", "-4", "100"], ["0", "-0", "3", "-12", "1.5"]),
    ({"type": "integer", "multipleOf": 2, "not": {"anyOf": [{"multipleOf": 3}, {"const": 8}]}, "minimum": 1},
     ["2", "4", "10"], ["3", "6", "8", "12", "0"]),
    ({"type": "number", "not": {"multipleOf": 2}}, ["1", "2.5"], ["2", "2.0", "0"]),
    ({"type": "integer", "not": {"multipleOf": 2.5}}, ["4", "6"], ["5", "10"]),
    ({"allOf": [{"not": {"patternProperties": {"^a": False}}}, {"not": {"patternProperties": {"b$": {"const": 1}}}}]},
     ['{"ab":2}', '{"a":1,"b":2}', '{"c":1,"ab":2}'], ['{"a":1}', '{"b":2}', '{"ab":1}', '{"a":1,"b":1}']),
    ({"maxProperties": 1, "not": {"anyOf": [{"patternProperties": {n: {"const": n}}} for n in "ab"]}},
     ['{"ab":1}', '{"bar":null}'], ['{"ab":"a"}', '{"ab":"b"}', '{"a":1}', "{}", '{"ab":1,"ba":1}']),
    ({"not": {"required": ["a", "b"]}}, ["{}", '{"a":1}', '{"b":1,"c":1}'], ['{"a":1,"b":1}', "1"]),
    ({"type": "object", "not": {"properties": {"a": {"const": 1}}}}, ['{"a":2}', '{"a":[]}'], ["{}", '{"a":1}']),
    ({"not": {"patternProperties": {"^x": {"type": "null"}}}}, ['{"x":1}', '{"a":1,"xx":0}'], ["{}", '{"x":null}']),
    ({"type": "object", "properties": {"a": {"type": "integer"}}, "not": {"additionalProperties": {"type": "null"}}},
     ['{"a":1}', '{"b":1}', '{"b":null,"c":1}'], ["{}", '{"b":null}', '{"a":null}']),
    ({"not": {"propertyNames": {"maxLength": 1}}}, ['{"ab":1}', '{"a":1,"ab":1}'], ["{}", '{"a":1}']),
    ({"not": {"minProperties": 1}}, ["{}"], ['{"a":1}', "1"]),
    ({"not": {"items": {"type": "integer"}}}, ['["a"]', '[1,"a",2]'], ["[]", "[1,2]"]),
    ({"not": {"prefixItems": [{"const": 1}, {"const": 2}]}}, ["[2]", "[1,3]", "[1,3,4]"], ["[]", "[1]", "[1,2,3]"]),
    ({"not": {"contains": {"const": 1}}}, ["[]", "[2,3]"], ["[1]", "[2,1]"]),
    ({"not": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, ["1", "{}"], ['"a"', "null"]),
    ({"not": {"allOf": [{"minimum": 1}, {"maximum": 2}], "type": "integer"}}, ["0", "3", "1.5"], ["1", "2"]),
    ({"not": {"oneOf": [{"minimum": 2}, {"maximum": 3}]}, "type": "integer"}, ["2", "3"], ["1", "4"]),
    ({"not": {"not": {"required": ["a"]}}}, ['{"a":1}', '{"a":1,"b":1}'], ["{}"]),
    ({"not": {"$ref": "#/$defs/a"}, "$defs": {"a": {"type": ["string", "null"]}}}, ["1"], ['"a"', "null"]),
    ({"not": {"if": {"type": "string"}, "then": {"maxLength": 1}, "else": {"type": "null"}}}, ['"ab"', "1"],
     ['"a"', "null"]),
    ({"not": {"dependentRequired": {"a": ["b"]}}}, ['{"a":1}', '{"a":1,"c":1}'], ["{}", '{"b":1}', '{"b":1,"a":1}']),
    ({"not": False}, ["1", "{}"], []),
]  # fmt: skip

CONDITIONAL = [
    ({"if": {"type": "integer"}, "then": {"minimum": 3}, "else": {"type": "string"}}, ["3", '"a"'], ["2", "null"]),
    ({"if": {"type": "integer"}, "then": {"minimum": 3}}, ["3", '"a"', "2.5"], ["2"]),
    ({"if": {"type": "integer"}, "else": {"type": "string"}}, ["3", '"a"'], ["2.5"]),
    ({"if": {"type": "integer"}}, ["3", '"a"'], []),
    ({"then": {"type": "integer"}}, ["3", '"a"'], []),
    ({"type": "object", "properties": {"k": {"enum": ["a", "b"]}, "v": {}}, "required": ["k", "v"], **CLOSED,
      "if": {"properties": {"k": {"const": "a"}}}, "then": {"properties": {"v": {"type": "integer"}}},
      "else": {"properties": {"v": {"type": "string"}}}},
     ['{"k":"a","v":1}', '{"k":"b","v":"x"}'], ['{"k":"a","v":"x"}', '{"k":"b","v":1}', '{"k":"a"}']),
    ({"dependentRequired": {"a": ["b", "c"]}}, ["{}", '{"b":1}', '{"b":1,"c":1,"a":1}', "1"],
     ['{"a":1}', '{"b":1,"a":1}']),
    ({**D7, "dependencies": {"a": ["b"], "b": {"properties": {"c": {"const": 1}}, "required": ["c"]}}},
     ["{}", '{"c":2}', '{"c":1,"b":1}', '{"c":1,"b":1,"a":1}', "[]"], ['{"b":1}', '{"c":2,"b":1}', '{"c":1,"a":1}']),
    ({"dependentSchemas": {"a": {"maxProperties": 2}, "z": False}}, ['{"a":1}', '{"a":1,"b":1}', '{"b":1,"c":1,"d":1}'],
     ['{"a":1,"b":1,"c":1}', '{"z":1}']),
    ({**D7, "dependentRequired": {"a": ["b"]}}, ['{"a":1}'], []),
]  # fmt: skip

CONTAINS = [
    ({"contains": {"const": 1}}, ["[1]", "[2,1]", "[1,2,1]", '"a"'], ["[]", "[2]"]),
    ({"contains": {"const": 1}, "minContains": 2}, ["[1,1]", "[1,2,1,1]"], ["[1]", "[1,2]"]),
    ({"contains": {"const": 1}, "maxContains": 1}, ["[1]", "[2,1,2]"], ["[]", "[1,1]", "[1,2,1]"]),
    ({"contains": {"const": 1}, "minContains": 0}, ["[]", "[2]", "[1]"], []),
    ({"contains": {"const": 1}, "minContains": 0, "maxContains": 1}, ["[]", "[2]", "[1]"], ["[1,1]"]),
    ({**D7, "contains": {"const": 1}, "minContains": 2}, ["[1]"], ["[]"]),
    ({"contains": {"const": 1}, "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}, ["[1,2]", "[2,2,1]"],
     ["[1]", "[2,2]", '[1,"a"]', "[1,1,1,1]"]),
    ({"prefixItems": [{"const": 2}, {"type": "string"}], "contains": {"const": 1}}, ['[2,"a",1]'], ["[2]", "[1]"]),
    ({"contains": {"type": "string"}, "allOf": [{"contains": {"type": "null"}}]}, ['["a",null]', '[null,1,"a"]'],
     ['["a"]', "[null]"]),
    ({"contains": {"type": "string"}, "items": {"type": "integer"}, "type": ["array", "null"]}, ["null"], ["[]"]),
]  # fmt: skip

NO_REST = {"unevaluatedProperties": False}
UNEVALUATED = [
    ({"properties": {"a": {}}, **NO_REST}, ["{}", '{"a":1}', "[1]"], ['{"b":1}']),
    ({"allOf": [{"properties": {"a": {}}}], "properties": {"b": {}}, **NO_REST}, ['{"a":1,"b":1}'], ['{"c":1}']),
    ({"$ref": "#/$defs/x", "$defs": {"x": {"patternProperties": {"^x": {}}}}, "unevaluatedProperties": {"const": 1}},
     ['{"xy":2}', '{"a":1}'], ['{"a":2}']),
    ({"anyOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"const": 2}}}],
      **NO_REST},
     ["{}", '{"a":1}', '{"b":2}', '{"a":1,"b":2}'], ['{"a":2}', '{"a":1,"b":3}', '{"c":1}']),
    ({"oneOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["b"]}], **NO_REST},
     ['{"a":1}', '{"b":1}'], ["{}", '{"a":1,"b":1}', '{"a":1,"c":1}']),
    ({"if": {"properties": {"a": {"const": 1}}, "required": ["a"]}, "then": {"properties": {"b": {}}},
      "else": {"properties": {"c": {}}}, **NO_REST},
     ['{"a":1,"b":2}', '{"c":1}'], ['{"a":1,"c":1}', '{"a":2}', '{"b":1}']),
    ({"if": {"properties": {"a": {"const": 1}}}, **NO_REST}, ["{}", '{"a":1}'], ['{"a":2}', '{"b":1}']),
    ({"not": {"not": {"properties": {"a": {}}}}, **NO_REST}, ["{}"], ['{"a":1}']),
    ({"allOf": [{"additionalProperties": True}], **NO_REST}, ['{"a":1}'], []),
    ({"allOf": [{"properties": {"a": {}}, **NO_REST}], "properties": {"b": {}}}, ['{"a":1}'], ['{"b":1}']),
    ({"dependentSchemas": {"a": {"properties": {"b": {}}}}, "properties": {"a": {}}, **NO_REST},
     ["{}", '{"a":1}', '{"a":1,"b":2}'], ['{"b":2}']),
    ({"not": {"properties": {"a": {}}, **NO_REST}}, ['{"b":1}', '{"a":1,"b":1}'], ["{}", '{"a":1}']),
    ({"prefixItems": [{}], "unevaluatedItems": {"const": 1}}, ["[]", "[2]", "[2,1,1]"], ["[2,2]"]),
    ({"allOf": [{"prefixItems": [{}, {}]}], "prefixItems": [{}], "unevaluatedItems": False}, ["[1,2]"], ["[1,2,3]"]),
    ({"allOf": [{"items": {}}], "unevaluatedItems": False}, ["[1,2,3]"], []),
    ({"contains": {"const": 1}, "unevaluatedItems": False}, ["[1,1]"], ["[]", "[1,2]"]),
    ({"contains": {"const": 1}, "minContains": 0, "unevaluatedItems": False}, ["[]", "[1]"], ["[2]"]),
]  # fmt: skip

LIST = {"type": "object", "properties": {"v": {"const": 1}, "next": {"$ref": "#"}}, "required": ["v"],
        "additionalProperties": False}  # fmt: skip
TREE = {"type": "array", "items": {"anyOf": [{"$ref": "#"}, {"const": 1}]}}

REFERENCES = [
    ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}, ["null"], ["1"]),
    ({"$ref": "#/definitions/a~1b%25~0", "definitions": {"a/b%~": {"const": 1}}}, ["1"], ["2"]),
    ({"$ref": "#/$defs/x/anyOf/1", "$defs": {"x": {"anyOf": [{}, {"const": 1}]}}}, ["1"], ["2"]),
    (LIST, ['{"v":1}', '{"v":1,"next":{"v":1,"next":{"v":1}}}'], ['{"v":1,"next":1}', '{"next":{"v":1}}']),
    (TREE, ["[]", "[1,[[1],[]]]"], ["1", "[2]", "[[]"]),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/b"}, "type": "array"},
                                     "b": {"items": {"$ref": "#/$defs/a"}, "type": ["array", "null"]}}},
     ["[]", "[null,[[null]]]"], ["null", "[[null]]"]),
    ({"$ref": "#/$defs/a", "maximum": 3, "$defs": {"a": {"type": "integer", "minimum": 2}}}, ["2", "3"], ["1", "4"]),
    ({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a", "maximum": 3,
      "definitions": {"a": {"type": "integer", "minimum": 2}}}, ["2", "4"], ["1"]),
    ({"$ref": "#a", "$defs": {"x": {"$anchor": "a", "const": 1}}}, ["1"], ["2"]),
    ({"$id": "http://x.org/root.json", "$ref": "http://x.org/root.json#/$defs/a", "$defs": {"a": {"const": 1}}},
     ["1"], ["2"]),
    ({"$id": "http://x.org/root.json", "$ref": "sub.json", "$defs": {"a": {"$id": "sub.json", "const": 1}}}, ["1"],
     ["2"]),
    ({"$id": "http://x.org/root.json", "items": {"$ref": "sub.json"}, "type": "array", "$defs": {
        "a": {"$id": "sub.json", "$ref": "#/$defs/b", "$defs": {"b": {"const": 1}}}, "b": {"const": 2}}}, ["[1]"],
      ["[2]"]),
    ({"$schema": "http://json-schema.org/draft-04/schema#", "items": {"$ref": "#s"}, "type": "array",
      "definitions": {"a": {"id": "#s", "const": 1, "enum": [2]}}}, ["[2]"], ["[1]"]),
    ({"type": "array", "items": {"allOf": [{"$ref": "#/$defs/a"},
     {"$ref": "#/$defs/a"}]}, "$defs": {"a": {"const": 1}}},
     ["[1]"], ["[2]"]),
]  # fmt: skip

NAMES = [
    ({"propertyNames": {"anyOf": [{"const": "a"}, {"pattern": "b"}]}}, ["{}", '{"a":1}', '{"xbx":1}'], ['{"c":1}']),
    ({"propertyNames": {"not": {"enum": ["a"]}}}, ["{}", '{"b":1}'], ['{"a":1}']),
    ({"propertyNames": {"oneOf": [{"pattern": "a"}, {"pattern": "b"}]}}, ['{"a":1}', '{"b":1}'], ['{"ab":1}', '{}{}']),
]  # fmt: skip

ALL = [
    *TYPES, *STRINGS, *NUMBERS, *FINITE, *OBJECTS, *COUNTED_OBJECTS, *ARRAYS, *COMBINED, *NEGATED, *CONDITIONAL,
    *CONTAINS, *UNEVALUATED, *NAMES, *REFERENCES,
]  # fmt: skip


@pytest.mark.parametrize(("schema", "accepted", "refused"), ALL, ids=[json.dumps(row[0])[:70] for row in ALL])
def test_texts(schema, accepted, refused):
    if accepted is None:
        with pytest.raises(GrammarError) as caught:
            parse_json_schema(schema)
        assert type(caught.value).__name__ == refused
        return
    grammar = parse_json_schema(schema, whitespace="compact")
    automaton = compile_grammar(grammar)
    for text in accepted:
        assert automaton.accepts(text.encode()), text
    for text in refused:
        assert not automaton.accepts(text.encode()), text


@pytest.mark.parametrize(
    ("whitespace", "accepted", "refused"),
    [
        ("compact", ['{"a":[1,{}],"b":2}'], ['{"a": [1,{}]}', "{ }"]),
        ("bounded", ['{ "a" :\n[ 1\t,\r{  } ] , "b":2}', '{"a":[' + " " * 32 + "]}"],
      [" {}", "{} ", '{"a":[' + " " * 33 + "]}"]),
        ("json", ['{"a":[' + " " * 40 + "]}", '{\n"a" : [ 1 ] }'], [" {}", "{}\n", '{"a":[\u00a0]}']),
        (2, ['{\n  "a": [\n    1,\n    {}\n  ],\n  "b": 2\n}', "{}", '{\n  "a": []\n}'], ['{"a": []}', "{ }", "{\n}"]),
        (0, ['{\n"a": [\n1\n]\n}'], ['{"a": [1]}']),
    ],
)  # fmt: skip
def test_whitespace(whitespace, accepted, refused):
    schema = {**CLOSED, "properties": {"a": {"type": "array", "items": {"enum": [1, {}]}}, "b": {"const": 2}}}
    automaton = compile_grammar(parse_json_schema(schema, whitespace=whitespace))
    for text in accepted:
        assert automaton.accepts(text.encode()), text
    for text in refused:
        assert not automaton.accepts(text.encode()), text


ABC = {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "boolean"}}
ANY_ORDER = [
    ({**CLOSED, "properties": ABC}, ["{}", '{"c":true,"a":1}', '{"b":"","c":false,"a":2}'],
     ['{"a":1,"a":1}', '{"a":""}']),
    ({**CLOSED, "properties": ABC, "required": ["b"]}, ['{"b":""}', '{"c":true,"b":"","a":1}'],
     ["{}", '{"c":true,"a":1}']),
    ({"properties": ABC, "required": ["b"]}, ['{"x":1,"b":"","y":2,"a":1}', '{"b":"","x":1}'],
     ['{"x":1}', '{"x":1,"b":1}', '{"b":"","b":""}', '{"\\u0062":""}']),
    ({**CLOSED, "properties": ABC, "minProperties": 2}, ['{"c":true,"a":1}', '{"b":"","c":true,"a":1}'],
     ['{"c":true}', "{}"]),
    ({**OPEN, "properties": ABC, "required": ["b"], "maxProperties": 2},
     ['{"x":1,"b":""}', '{"b":"","a":1}', '{"b":""}'], ['{"x":1,"a":1}', '{"x":1,"y":2,"b":""}', "{}"]),
    ({"const": {"a": [{"x": 1, "y": 2}], "b": {}}},
     ['{"b":{},"a":[{"y":2,"x":1}]}', '{"a":[{"x":1,"y":2}],"b":{}}'], ['{"a":[{"y":2,"x":1}]}']),
    ({**CLOSED, "properties": {"a": {"$ref": "#"}, "b": {}}}, ['{"b":1,"a":{"b":2,"a":{}}}'],
     ['{"b":1,"a":{"b":2,"a":1}}']),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "accepted", "refused"), ANY_ORDER)
def test_any_order_of_keys(schema, accepted, refused):
    automaton = compile_grammar(parse_json_schema({"type": "object", **schema}, whitespace="compact", key_order="any"))
    assert {text: automaton.accepts(text.encode()) for text in accepted} == dict.fromkeys(accepted, True)
    assert {text: automaton.accepts(text.encode()) for text in refused} == dict.fromkeys(refused, False)


@pytest.mark.parametrize("indent", [0, 2])
def test_any_order_of_keys_with_a_fixed_indent(indent):
    grammar = parse_json_schema({**CLOSED, "properties": ABC, "required": ["b"]}, whitespace=indent, key_order="any")
    for value, told in (({"c": True, "b": ""}, True), ({"c": True, "a": 1}, False), ({}, False)):
        assert accepts(grammar, json.dumps(value, indent=indent).encode()) == told


def test_formats_may_be_annotations():
    schema = {"properties": {"a": {"format": "date"}, "b": {"not": {"format": "regex"}}}, "type": "object"}
    assert not accepts(parse_json_schema({"format": "date"}), b'"x"')
    assert accepts(parse_json_schema({"format": "date"}, formats=False), b'"x"')
    with pytest.raises(EmptyLanguage):  # nothing fails what says nothing
        parse_json_schema({**schema, "required": ["b"]}, formats=False)


def test_other_keys_may_be_left_out_by_default():
    def written(schema, text):
        return accepts(parse_json_schema(schema, additional_properties=False), text.encode())

    declared = {"properties": {"a": {}, "b": {}}}
    assert written(declared, '{"a":1}')
    assert not written(declared, '{"c":1}')
    assert written({}, '{"c":1}')
    assert written({"type": "object"}, '{"c":1}')
    assert written({**declared, "additionalProperties": {"type": "null"}}, '{"c":null}')
    assert written({**declared, "patternProperties": {"^c": {}}}, '{"c":1}')
    both = {"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}], "type": "object"}
    assert written(both, '{"a":1,"b":2}')
    assert not written(both, '{"a":1,"c":2}')
    assert written({"anyOf": [declared, {"type": "integer"}]}, "3")
    assert written({"type": "object", "not": {"required": ["a"]}}, '{"c":1}')  # it declares no key that there may be


WIDER = [
    ({"not": {"uniqueItems": True, "type": "array"}, "maxItems": 2}, ["[1]", "[1,1]", "1"], ["[1,1,1]"]),
    ({"enum": ["(", "a", 2], "format": "regex"}, ['"("', '"a"', "2"], ['"b"']),
    ({"type": "string", "format": "regex", "maxLength": 1}, ['"("'], ['"()"']),
    ({"type": "object", "minProperties": 3, "maxProperties": 3}, ['{"a":1,"b":1,"c":1}', '{"a":1,"a":1,"a":1}'],
     ['{"a":1}']),
    ({"properties": {"a": {"$ref": "https://example.com/x"}}, "type": "object"}, ['{"a":[1]}', "{}"], ["1"]),
    ({"oneOf": [{"type": "integer"}, {"format": "idn-email"}]}, ["1.5", '"x"', "null"], ["1"]),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "accepted", "refused"), WIDER)
def test_what_cannot_be_enforced_may_be_left_out(schema, accepted, refused):
    with pytest.raises(UnsupportedFeature) as caught:
        parse_json_schema(schema)
    grammar = parse_json_schema(schema, whitespace="compact", approximate="over")
    assert str(caught.value) in map(str, grammar.widened)
    automaton = compile_grammar(grammar)
    assert {text: automaton.accepts(text.encode()) for text in accepted} == dict.fromkeys(accepted, True)
    assert {text: automaton.accepts(text.encode()) for text in refused} == dict.fromkeys(refused, False)


def test_branches_of_one_of_may_overlap_beyond_the_limit(monkeypatch):
    monkeypatch.setattr("grammars.frontends.json_schema.compiler._RULES", 8)
    branches = [{"properties": {name: {"minimum": 1}}, "required": [name]} for name in "abc"]
    schema = {"type": "object", "properties": {"a": {}}, "oneOf": branches}
    with pytest.raises(LimitExceeded) as caught:
        parse_json_schema(schema)
    grammar = parse_json_schema(schema, approximate="over")
    assert [str(error) for error in grammar.widened] == [str(caught.value)]
    assert accepts(grammar, b'{"a":1,"b":1}')
    assert not accepts(grammar, b'{"a":0}')


def test_what_is_exact_is_not_widened():
    grammar = parse_json_schema(
        {"oneOf": [{"type": "string", "uniqueItems": True}, {"minimum": 1}]}, approximate="over"
    )
    assert grammar.widened == ()
    with pytest.raises(InvalidGrammar, match='"over" or None'):
        parse_json_schema(True, approximate="under")


def test_an_unknown_order_of_keys_is_refused():
    with pytest.raises(InvalidGrammar, match='use "schema" or "any"'):
        parse_json_schema(True, key_order="sorted")


def test_whitespace_of_a_fixed_indent_is_the_layout_of_json_dumps():
    value = {"a": [1, [], {"b": [[2, 3]]}], "c": {}}
    for indent in (0, 1, 4):
        grammar = parse_json_schema({"const": value}, whitespace=indent)
        assert accepts(grammar, json.dumps(value, indent=indent).encode())


def test_whitespace_is_one_shared_rule():
    grammar = parse_json_schema({**CLOSED, "properties": {"a": {"type": "array"}, "b": {}}})
    gaps = [name for name, node in grammar.rules.items() if "(32, 32)" in repr(node)]
    assert gaps == ["whitespace"]


def test_schema_may_be_json_text():
    grammar = parse_json_schema('{"type": "null"}')
    assert accepts(grammar, b"null")
    assert grammar.source == '{"type": "null"}'


def test_one_subschema_is_one_rule():
    schema = {"properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/x"}, "c": {"$ref": "#"}},
              "$defs": {"x": {"type": "string", "maxLength": 3}}, **CLOSED}  # fmt: skip
    rules = parse_json_schema(schema).rules
    assert sorted(name for name in rules if "~" not in name) == ["#", "#/$defs/x", "whitespace"]


@pytest.mark.parametrize("kind", ["string", "number", "integer"])
def test_a_type_alone_needs_no_rule_of_its_own(kind):
    schema = {"properties": {"a": {"type": kind}, "b": {"type": kind, "title": "B"}}, **CLOSED}
    assert not [name for name in parse_json_schema(schema).rules if name.startswith("#/")]
    assert "#/properties/a" in parse_json_schema({**schema, "properties": {"a": {"type": [kind, "null"]}}}).rules
    assert accepts(parse_json_schema({"type": kind}), b'"1"' if kind == "string" else b"1")


def test_rule_names_never_collide():
    schema = {"properties": {"a": {"properties": {"b": {"const": 1}}}, "a~[0,0]": {"const": 2}, "a~2": {"const": 3}},
              "type": "object"}  # fmt: skip
    automaton = compile_grammar(parse_json_schema(schema, whitespace="compact"))
    assert automaton.accepts(b'{"a":{"b":1},"a~[0,0]":2,"a~2":3}')


def test_size_is_linear_in_the_properties():
    def size(count: int) -> int:
        properties = {f"p{i}": {"type": "integer"} for i in range(count)}
        return len(repr(parse_json_schema({**CLOSED, "properties": properties})))

    assert size(2_000) < 2.2 * size(1_000)


def test_open_keys_have_one_simple_shape():
    rules = parse_json_schema({**OPEN, "properties": {"a": {}, "b": {}}}).rules
    assert "JsonString(content=Not(item=Texts(items=(b'a', b'b')))" in repr(rules)


def test_deep_schemas_need_no_deep_calls():
    schema: dict = {"type": "null"}
    for _ in range(1_000):
        schema = {"type": "array", "items": schema, "minItems": 1, "maxItems": 1}
    assert len(parse_json_schema(schema, whitespace="compact").rules) == 1_001
    with pytest.raises(LimitExceeded):
        parse_json_schema({"items": schema})


def test_deep_constants_need_no_deep_calls():
    value: list = []
    for _ in range(3_000):
        value = [value]
    grammar = parse_json_schema({"const": value}, whitespace="compact")
    assert accepts(grammar, b"[" * 3_001 + b"]" * 3_001)


def test_large_enums_and_many_properties():
    words = [f"w{i}" for i in range(50_000)]
    grammar = parse_json_schema({"enum": words, "type": "string"})
    assert len(grammar.rules["#"].items) == 50_000
    grammar = parse_json_schema({**OPEN, "properties": {word: {} for word in words[:5_000]}, "required": words[:2_500]})
    assert isinstance(grammar, Grammar)


def test_a_python_dict_may_share_and_contain_itself():
    shared = {"type": "integer"}
    schema = {**CLOSED, "properties": {"a": shared, "b": shared}}
    schema["properties"]["c"] = schema
    rules = parse_json_schema(schema).rules
    assert "#/properties/c" not in rules
    assert Ref("#/properties/a") not in rules.values()
    assert accepts(parse_json_schema(schema, whitespace="compact"), b'{"a":1,"b":2,"c":{"b":3}}')
