"""Structural tags: which texts each form accepts and refuses, and what of it is named as wrong."""

from __future__ import annotations

from typing import Any

import pytest

from gcd.errors import RequestError
from gcd.serve.fields import Fields
from gcd.serve.structural_tag import parse_structural_tag
from grammars.compile import compile_grammar

BOOL = {"type": "boolean"}
TAG = {"type": "tag", "begin": "<f=a>", "content": {"type": "json_schema", "json_schema": BOOL}, "end": "</f>"}
OTHER = {"type": "tag", "begin": "<f=b>", "content": {"type": "any_text"}, "end": "</f>"}

CASES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({"structures": [{"begin": "<f=a>", "schema": BOOL, "end": "</f>"}], "triggers": ["<f="]},
     ["", "free < text", "x<f=a>true</f>y<f=a>false</f>"], ["<f=", "<f=b>true</f>", "<f=a>1</f>", "<f=a>true"]),
    ({"format": {"type": "const_string", "value": "abc"}}, ["abc"], ["", "ab"]),
    ({"format": {"type": "regex", "pattern": "a+"}}, ["a", "aaa"], ["", "b"]),
    ({"format": {"type": "grammar", "grammar": 'start: "a" start | "b"'}}, ["b", "aab"], ["", "a"]),
    ({"format": {"type": "grammar", "grammar": 'root ::= "a" root | "b"'}}, ["b", "aab"], ["", "a"]),
    ({"format": {"type": "any_text"}}, ["", "x\ny"], []),
    ({"format": {"type": "json_schema", "json_schema": BOOL}}, ["true"], ["1", ""]),
    ({"format": {"type": "or", "elements": [TAG, {"type": "const_string", "value": "no"}]}},
     ["no", "<f=a>true</f>"], ["", "no<f=a>true</f>"]),
    ({"format": {"type": "sequence", "elements": [TAG, {"type": "const_string", "value": "."}]}},
     ["<f=a>true</f>."], [".", "<f=a>true</f>"]),
    ({"format": OTHER}, ["<f=b></f>", "<f=b>a<b</f>"], ["<f=b>", "<f=b>a</f>b</f>"]),
    ({"format": {"type": "triggered_tags", "triggers": ["<f="], "tags": [TAG, OTHER]}},
     ["", "x", "x<f=a>true</f>y<f=b>z</f>"], ["<f=c>", "<f=a>z</f>"]),
    ({"format": {"type": "triggered_tags", "triggers": ["<f="], "tags": [TAG], "at_least_one": True,
                 "stop_after_first": True}},
     ["x<f=a>true</f>y"], ["", "x", "<f=a>true</f><f=a>true</f>"]),
    ({"format": {"type": "tags_with_separator", "tags": [TAG, OTHER], "separator": ", "}},
     ["", "<f=a>true</f>", "<f=a>true</f>, <f=b>x</f>"], ["<f=a>true</f>,<f=b>x</f>", "x"]),
    ({"format": {"type": "tags_with_separator", "tags": [TAG], "separator": ";", "at_least_one": True}},
     ["<f=a>true</f>", "<f=a>true</f>;<f=a>false</f>"], [""]),
]  # fmt: skip


@pytest.mark.parametrize(("tag", "accepted", "refused"), CASES, ids=lambda value: str(value)[:40])
def test_texts_of_structural_tags(tag: dict[str, Any], accepted: list[str], refused: list[str]) -> None:
    automaton = compile_grammar(parse_structural_tag(Fields(tag))().grammar)
    assert [text for text in accepted if not automaton.accepts(text.encode())] == []
    assert [text for text in refused if automaton.accepts(text.encode())] == []


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ({}, "t.format is missing: or structures and triggers, in the older form"),
        ({"format": {"type": "qwen_xml"}}, 't.format.type "qwen_xml" is not supported'),
        ({"format": {"type": "or", "elements": []}}, "t.format.elements must have at least one item"),
        ({"format": {"type": "tag", "begin": "a", "end": "b"}}, "t.format.content is missing"),
        ({"structures": [], "triggers": []}, "t.triggers must have at least one trigger"),
        ({"structures": [{"begin": "x", "schema": True, "end": ""}], "triggers": ["y"]},
         't.triggers has none that "x" begins with'),
        ({"structures": [{"begin": "x", "schema": 1, "end": ""}], "triggers": ["x"]},
         "t.structures[0].schema must be a JSON Schema, not 1"),
        ({"structures": [{"begin": "x", "schema": True, "end": ""}], "triggers": ["x", "y"]},
         't.triggers has "y", with which no tag begins'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_structural_tag(tag: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_structural_tag(Fields(tag, "t"))
    assert str(caught.value) == message
