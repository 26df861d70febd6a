"""The options `strings` and `integers`: other texts of the same values, and no others."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from jsonschema import Draft202012Validator
from naive import spellings

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, InvalidGrammar
from grammars.frontends.json_schema import parse_json_schema

SCHEMAS: dict[str, object] = {
    "any string": {"type": "string"},
    "a pattern": {"type": "string", "pattern": "^[aé€😀/\\\\\n]+$"},
    "a length": {"type": "string", "minLength": 2, "maxLength": 3},
    "a long length": {"type": "string", "maxLength": 300},
    "a counted pattern": {"type": "string", "pattern": "^(é|a😀){2,3}$"},
    "listed": {"enum": ["é", 'a"/', "\x7f", "😀\n"]},
    "keys": {"properties": {"é": {"type": "string"}, "a": {"const": "€"}}, "required": ["é"]},
    "only known keys": {"properties": {"é": True, "\n😀": True}, "additionalProperties": False},
    "patterns of keys": {"patternProperties": {"é$": {"type": "string"}}, "additionalProperties": False},
    "names": {"propertyNames": {"enum": ["é", "\t"]}},
    "different": {"type": "array", "items": {"enum": ["é", "a", "€"]}, "uniqueItems": True},
}
STRINGS = [
    "",
    "a",
    "é",
    "aé",
    "é€",
    "😀",
    "a😀a😀",
    "\x7f",
    "/",
    'a"/',
    "\x1f\n",
    "😀\n",
    "a\\\\b",
    "\ud7ff\ue000",
    "ab" * 20,
]
VALUES: list[object] = [
    *STRINGS, 1, None, {}, [],
    *[{key: value} for key in ("é", "a", "\n😀", "xé", "\t") for value in ("€", "é", 1)],
    {"é": "x", "a": "€"}, {"é": "x", "b": "/"}, ["é", "a"], ["é", "é"], ["€", "a", "é"],
]  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
@pytest.mark.parametrize("strings", ["raw", "ascii"])
def test_strings_have_one_spelling(schema, strings):
    accepts = compile_grammar(parse_json_schema(schema, strings=strings)).accepts
    validator = Draft202012Validator(schema)
    for value in VALUES:
        right, other = (
            json.dumps(value, ensure_ascii=ascii_).encode() for ascii_ in (strings == "ascii", strings != "ascii")
        )
        assert accepts(right) == validator.is_valid(value), value
        assert not accepts(other) or other == right, value


@pytest.mark.parametrize(("strings", "ascii_only"), [("raw", False), ("ascii", True)])
def test_each_character_has_one_spelling(strings, ascii_only):
    accepts = compile_grammar(parse_json_schema({"type": "string"}, strings=strings)).accepts
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    codes = [*range(0x100), *(rng.randrange(0xD800) for _ in range(40)), 0xE000, 0xFFFF, 0x10000, 0x1F600, 0x10FFFF]
    for char in map(chr, codes):
        found = [way for way in spellings(char) if accepts(f'"{way}"'.encode())]
        assert found == [json.dumps(char, ensure_ascii=ascii_only)[1:-1]], ascii(char)


NUMBERS: list[object] = [
    {"type": "integer"}, {"type": "integer", "minimum": -3, "maximum": 12}, {"type": "integer", "multipleOf": 3},
    {"type": ["integer", "null"], "exclusiveMinimum": 0}, {"const": 3}, {"enum": [1, 2.0, 2.5, "x", True]},
    {"items": {"type": "integer"}}, {"const": {"a": [1, 0]}}, {"not": {"const": 1}, "type": "integer"},
    {"type": "integer", "not": {"multipleOf": 2}}, {"type": "number"}, {"type": "number", "multipleOf": 0.5},
]  # fmt: skip


@pytest.mark.parametrize("schema", NUMBERS, ids=map(json.dumps, NUMBERS))
def test_integers_may_have_a_zero_fraction(schema):
    accepts = compile_grammar(parse_json_schema(schema, integers="fraction")).accepts
    validator = Draft202012Validator(schema)
    numbers = ["0", "1", "-1", "2", "3", "12", "13", "-3", "-4", "1.5", "2.5", "true"]
    fractions = ["", ".0", ".000", ".00001"]
    texts = [number + fraction for number, fraction in itertools.product(numbers, fractions)]
    for text in [*texts, *(f"[{t}]" for t in texts), *(f'{{"a":[{t},0.0]}}' for t in texts), "null", '"x"']:
        try:
            value = json.loads(text)
        except ValueError:
            continue
        assert accepts(text.encode()) == validator.is_valid(value), text


DIGITS: list[object] = [
    {"type": "number"}, {"type": "integer"}, {"type": "number", "minimum": -12.5, "maximum": 1000},
    {"type": "integer", "minimum": -100, "maximum": 2000}, {"type": "integer", "minimum": 0, "multipleOf": 70},
    {"type": "number", "minimum": 0, "multipleOf": 0.025}, {"type": "integer", "not": {"multipleOf": 3}},
    {"type": "integer", "multipleOf": 70}, {"type": "number", "maximum": 3.5, "multipleOf": 2000},
    {"type": "number", "not": {"const": 0.5}}, {"not": {"type": "integer"}, "type": "number"}, {},
]  # fmt: skip


@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize("schema", DIGITS, ids=map(json.dumps, DIGITS))
def test_digits_leave_out_long_parts_and_nothing_else(schema, digits):
    every = compile_grammar(parse_json_schema(schema)).accepts
    accepts = compile_grammar(parse_json_schema(schema, digits=digits)).accepts
    wholes = ["0", "-0", "1", "7", "-5", "12", "-12", "70", "99", "-100", "140", "999", "1000", "2000"]
    for whole, part, exponent in itertools.product(
        wholes, ["", "0", "5", "025", "50", "500", "1234"], ["", "e1", "E-10"]
    ):
        text = whole + ("." + part if part else "") + exponent
        is_short = len(whole.lstrip("-")) <= digits and len(part) <= digits
        assert accepts(text.encode()) == (is_short and every(text.encode())), text


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "integer", "minimum": 1000}, "no number of at most 3 digits satisfies minimum 1000 (at #)"),
        ({"type": "integer", "multipleOf": 5000, "minimum": 1},
         "no number of at most 3 digits satisfies both multipleOf 5000 and minimum 1 (at #)"),
    ],
)  # fmt: skip
def test_digits_that_leave_nothing(schema, message):
    with pytest.raises(EmptyLanguage) as caught:
        parse_json_schema(schema, digits=3)
    assert str(caught.value).splitlines()[0] == message


def test_wrong_options_are_named():
    with pytest.raises(InvalidGrammar) as caught:
        parse_json_schema(True, digits=65)
    assert str(caught.value) == "digits=65 is no number of digits from 1 to 64"
    with pytest.raises(InvalidGrammar) as caught:
        parse_json_schema(True, strings="utf-8")
    assert str(caught.value) == 'strings=\'utf-8\' is no way to spell strings\nuse "any", "raw" or "ascii"'
    with pytest.raises(InvalidGrammar) as caught:
        parse_json_schema(True, integers="1.0")
    assert str(caught.value) == 'integers=\'1.0\' is no way to spell integers\nuse "plain" or "fraction"'
