"""Random members are members: by the naive recogniser, by `re`, by `jsonschema`; none is longer than was asked for."""

from __future__ import annotations

import json
import os
import random
import re

import jsonschema
import pytest
from naive import special_tokens
from random_grammars import random_language

from grammars.compile import compile_grammar
from grammars.errors import GrammarError, LimitExceeded
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.lark import parse_lark
from grammars.frontends.regex import parse_regex
from grammars.ir import Bytes, CharClass, Choice, Grammar, JsonString, Length, Members, Ref, Repeat
from grammars.samples import Samples

CASES = int(os.environ.get("GCD_SAMPLE_CASES", "40"))


@pytest.mark.parametrize("seed", range(CASES))
def test_samples_are_members(seed: int) -> None:
    rng = random.Random(seed)
    grammar, language = random_language(rng)
    try:
        compile_grammar(grammar).build_all()
        room = rng.choice((4, 12, 30))
        samples = Samples(grammar, room)
    except GrammarError:
        pytest.skip("not a grammar that compiles, or with longer members only")
    if special_tokens(language.grammar):
        return
    drawn = [samples.draw(rng) for _ in range(4)]
    assert [text for text in drawn if len(text) > room or not language.accepts(text)] == [], seed
    assert samples.fewest <= min(map(len, drawn))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string", "maxLength": 5}}},
        {"type": "object", "properties": {"a": {"enum": [1, "x"]}}, "required": ["a"], "additionalProperties": False},
        {"type": "array", "items": {"type": "number", "multipleOf": 0.5}, "minItems": 2, "maxItems": 4},
        {"type": "string", "minLength": 12, "maxLength": 1_000_000},
        {"type": "string", "pattern": "^(ab|c)+$", "maxLength": 7, "minLength": 3},
        {"type": "string", "format": "date-time"},
        {"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {"c": {"type": "array", "items": {
            "$ref": "#/$defs/tree"}}}, "required": ["c"], "additionalProperties": False}}},
        {"anyOf": [{"type": "integer", "minimum": 17, "maximum": 90}, {"type": "null"}, {"type": "boolean"}]},
        {"type": "object", "patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": {"type": "null"}},
        {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 2, "maxProperties": 2,
         "additionalProperties": False},
    ],
)  # fmt: skip
@pytest.mark.parametrize("options", [{}, {"key_order": "any"}])
def test_samples_of_schemas_are_valid(schema: dict[str, object], options: dict[str, str]) -> None:
    samples = Samples(parse_json_schema(schema, **options), 150)
    rng = random.Random(7)
    for _ in range(15):
        text = samples.draw(rng)
        assert len(text) <= 150
        jsonschema.validate(json.loads(text), schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("pattern", ["[0-9]{3}-[0-9]{4}", "(?i:ab|c){2,}x?", "[^a-z\\s]{2}é*", "a{2,40}|b{1000}"])
def test_samples_of_regexes_match(pattern: str) -> None:
    samples = Samples(Grammar({"start": parse_regex(pattern)}), 60)
    rng = random.Random(3)
    drawn = {samples.draw(rng).decode() for _ in range(30)}
    assert len(drawn) > 5
    assert [text for text in drawn if not re.fullmatch(pattern, text)] == []


LETTERS = Repeat(CharClass(((97, 99),)))


@pytest.mark.parametrize(
    ("rules", "fewest"),
    [
        ({"start": Choice((Ref("start"), Bytes(b"a")))}, 1),
        ({"start": Repeat(Bytes(b"ab"), 3, 100_000)}, 6),
        ({"start": JsonString(Length(LETTERS, 4, 4))}, 6),
        ({"start": JsonString(CharClass(((0, 31), (34, 34))))}, 4),
        ({"start": JsonString(CharClass(((0x1F600, 0x1F600),)))}, 6),
        ({"start": Length(Repeat(Bytes("é".encode())), 3, 9)}, 6),
        ({"start": Length(Repeat(Choice((Bytes(b"abc"), Bytes(b"aaaaa")))), 7, 100)}, 8),
        (
            {"start": Members(Bytes(b"{"), (b"a:", b"bb:"), (Bytes(b"1"), Bytes(b"22")), frozenset({1}), (),
                              Bytes(b","), Bytes(b"}"), Bytes(b"}"))},
            7,
        ),
    ],
)  # fmt: skip
def test_the_fewest_bytes(rules: dict[str, object], fewest: int) -> None:
    grammar = Grammar(rules)  # type: ignore[arg-type]
    samples = Samples(grammar, 200)
    assert samples.fewest == fewest
    exact = Samples(grammar, fewest)
    rng = random.Random(0)
    automaton = compile_grammar(grammar)
    assert all(automaton.accepts(exact.draw(rng)) for _ in range(5))
    assert all(automaton.accepts(samples.draw(rng)) for _ in range(20))
    with pytest.raises(LimitExceeded) as caught:
        Samples(grammar, fewest - 1)
    assert str(caught.value) == f"no text of this grammar has at most {fewest - 1} bytes\nallow longer ones"


def test_deep_and_long_members() -> None:
    grammar = parse_lark('start: "(" start ")" | start start | "a"')
    samples = Samples(grammar, 20_000)
    drawn = [samples.draw(random.Random(seed)) for seed in range(40)]
    assert max(map(len, drawn)) > 40
    assert all(text.count(b"(") == text.count(b")") for text in drawn)


def test_the_seed_decides() -> None:
    samples = Samples(parse_lark("start: /[a-z]/+"), 100)
    assert [samples.draw(random.Random(4)) for _ in range(2)] == [samples.draw(random.Random(4))] * 2
    assert samples.draw(random.Random(4)) != samples.draw(random.Random(5))


def test_items_of_arrays_differ_in_samples() -> None:
    schema = {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 2, "uniqueItems": True}
    grammar = parse_json_schema(schema, whitespace="compact")
    drawn = {Samples(grammar, max_bytes=20).draw(random.Random(seed)) for seed in range(40)}
    assert all(compile_grammar(grammar).accepts(text) for text in drawn)
    assert {json.loads(text)[0] for text in drawn} == {"a", "b", "c"}
