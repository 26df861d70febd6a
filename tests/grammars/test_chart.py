"""The chart against the naive recogniser, and the rules that it says are open."""

from __future__ import annotations

import os
import random

import pytest
from derivations import derive
from derivatives import TooLarge
from random_grammars import random_language

from grammars.chart import Chart
from grammars.compile import compile_grammar
from grammars.errors import GrammarError, LimitExceeded
from grammars.frontends.lark import parse_lark
from grammars.ir import Bytes, CharClass, Choice, Grammar, JsonString, Length, Members, Ref, Repeat

CASES = int(os.environ.get("GCD_CHART_CASES", "16"))


def accepted(grammar: Grammar, text: bytes) -> bool:
    chart = Chart(grammar)
    return all(map(chart.read, text)) and chart.accepting


@pytest.mark.parametrize("seed", range(CASES))
def test_a_chart_reads_what_the_naive_recogniser_reads(seed: int) -> None:
    rng = random.Random(seed)
    grammar, language = random_language(rng)
    try:
        compile_grammar(grammar).build_all()
    except GrammarError:
        pytest.skip("not a grammar that compiles")
    try:
        for _ in range(0 if language.is_empty() else 4):
            derivation = derive(language, rng)
            if any(isinstance(symbol, str) for symbol in derivation.text):
                continue
            text = bytes(symbol for symbol in derivation.text[:8] if isinstance(symbol, int))
            for cut in {0, len(text) // 2, len(text)}:
                prefix = text[:cut]
                assert accepted(grammar, prefix) == language.accepts(prefix), (seed, prefix)
                expected = {s for s in language.following(prefix) if isinstance(s, int)}
                chart = Chart(grammar)
                assert all(map(chart.read, prefix)), (seed, prefix)
                allowed = {byte for byte in range(256) if read_copy(chart, byte)}
                assert allowed == expected, (seed, prefix)
    except TooLarge:
        pytest.skip("the naive recogniser gives up")


def read_copy(chart: Chart, byte: int) -> bool:
    """Whether the chart could read a byte, without reading it."""
    return any(True for item in chart.reading for _ in chart.step(item, byte))


OBJECT = Members(
    Bytes(b"{"),
    (b"a:", b"b:"),
    (Ref("v"), Ref("v")),
    frozenset({1}),
    ((JsonString(Length(Repeat(CharClass(((97, 99),))), 1, 2)), Ref("v")),),
    Bytes(b","),
    Bytes(b"}"),
)


@pytest.mark.parametrize(
    ("node", "read", "refused"),
    [
        (OBJECT, ["{a:1,b:2}", '{b:1,"c"1}', "{b:1}"], ["{}", "{a:1}", '{"c"1,b:1}', '{b:1,"ccc"1}']),
        (Repeat(Bytes(b"ab"), 2, 100_000), ["abab", "ababab"], ["ab", "abababa"]),
        (Repeat(Choice((Bytes(b""), Bytes(b"a"))), 3, 100_000), ["", "a", "aaaa"], ["b"]),
        (JsonString(Length(Repeat(CharClass(((97, 97),))), 2, 1_000_000)), ['"aa"', '"\\u0061a"'], ['"a"', '"']),
    ],
)
def test_what_counts(node: Members | Repeat | JsonString, read: list[str], refused: list[str]) -> None:
    grammar = Grammar({"start": node, "v": Choice((Bytes(b"1"), Bytes(b"2")))})
    assert [text for text in read if not accepted(grammar, text.encode())] == []
    assert [text for text in refused if accepted(grammar, text.encode())] == []


@pytest.mark.parametrize(
    ("grammar", "text", "places"),
    [
        ('start: "(" start ")" | "a"', "((", [("start", 0), ("start", 1), ("start", 2)]),
        ('start: start "+" N | N\nN: /[0-9]+/', "1+2", [("start", 0), ("N", 2)]),
        ('start: a | b\na: "x" "y"\nb: "x" "z"', "x", [("start", 0), ("a", 0), ("b", 0)]),
        ('start: a b\na: "x"*\nb: "y"', "", [("start", 0), ("a", 0), ("b", 0)]),
        ('start: "x"', "x", []),
    ],
)
def test_rules_that_are_open(grammar: str, text: str, places: list[tuple[str, int]]) -> None:
    chart = Chart(parse_lark(grammar))
    assert all(map(chart.read, text.encode()))
    assert chart.open() == places


def test_a_chart_keeps_to_its_limit() -> None:
    chart = Chart(parse_lark('start: start start | "a"'), limit=100)
    with pytest.raises(LimitExceeded) as caught:
        assert all(map(chart.read, b"a" * 100))
    assert str(caught.value) == "more than 100 steps to see by which rules this text is read"
