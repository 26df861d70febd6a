"""Numbers: which texts are in and which are out, by table; what contradicts; what is refused."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TypeAlias

import pytest

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, GrammarError, InvalidGrammar, UnsupportedFeature
from grammars.frontends.json_schema.numbers import Bound, integer, integer_rules, number, number_rules
from grammars.ir import Bytes, Choice, Grammar, Node, Ref, Repeat, Sequence

Row: TypeAlias = tuple[str, dict[str, Bound], str, str]

# (kind, keywords, accepted, refused)
TABLE: list[Row] = [
    ("integer", {}, "0 -0 7 -7 10 9007199254740993", "00 01 +1 - 1.0 1e3 -01"),
    ("integer", {"minimum": 0}, "0 1 10 99999", "-0 -1 00"),
    ("integer", {"minimum": 1, "maximum": 12}, "1 2 9 10 11 12", "0 -0 13 01 100"),
    ("integer", {"minimum": -5, "maximum": 5}, "-5 -1 -0 0 5", "-6 6 50"),
    ("integer", {"maximum": -10}, "-10 -99 -100", "-9 -0 0 10"),
    ("integer", {"exclusive_minimum": -1, "exclusive_maximum": 1}, "0", "-0 -1 1"),
    ("integer", {"minimum": 0.5, "maximum": 2.5}, "1 2", "0 3"),
    ("integer", {"minimum": 199, "maximum": 2010}, "199 200 999 1000 1999 2009 2010", "198 2011 3000"),
    ("integer", {"minimum": 2**64}, "18446744073709551616 99999999999999999999", "18446744073709551615 1"),
    ("integer", {"minimum": 10**70}, f"{10**70} {10**71 - 1}", f"{10**70 - 1} {10**71}"),
    ("integer", {"maximum": 1e308}, f"0 -5 {10**64 - 1}", f"{10**64}"),
    ("integer", {"minimum": Decimal("1e400"), "maximum": Decimal("1e400")}, f"{10**400}", f"{10**400 - 1} 1"),
    ("integer", {"minimum": 5, "exclusive_minimum": 7, "maximum": 12, "exclusive_maximum": 9}, "8", "7 9 5 12"),
    ("integer", {"minimum": Decimal("-1e9999"), "maximum": float("inf")}, "0 -12 12", "1.0"),
    (
        "number",
        {},
        "0 -0 1 -1.5 1e3 1.5E-7 12.5e+10 1e308 1.7976931348623157e308 5e-324 0e5",
        "1e309 1.8e308 1e-330 1e999",
    ),
    ("number", {}, "0.000 1.50", "01 1. .5 +1 1e 1e+ --1 1.e5 0x1 NaN Infinity"),
    ("number", {"minimum": 0}, "0 0.0 0.5 1e5 123.456 0e-7 3E-5", "-0 -0.0 -1 -1e-5 00.5"),
    ("number", {"exclusive_minimum": 0}, "0.1 1 0.0001 1e-7 5e-324", "0 -0 0.0 0e5 0.000 1e-400"),
    (
        "number",
        {"minimum": 0, "maximum": 1},
        "0 0.0 0.999 1 1.0 1.00 1e0 1.0e-0 9.99e-1 5e-10",
        "1.01 2 1e1 1.1e0 10e-1",
    ),
    ("number", {"exclusive_maximum": 1}, "0.9999999999999999 -5 0 -0.0", "1 0.99999999999999999999 1.0 1e0"),
    (
        "number",
        {"minimum": 1.5, "maximum": 2.25},
        "1.5 1.50 1.6 2 2.2 2.25 2.250 1.5e0 2.2e+00",
        "1.4 1.49999 2.26 2.2501 2.3 15e-1",
    ),
    ("number", {"minimum": 0.1, "maximum": 0.1}, "0.1 0.100 1e-1 1.0E-01", "0.10000000000000001 0.2 0 1e0"),
    (
        "number",
        {"minimum": -90.5, "maximum": 90.25},
        "-90.5 -90 -0.0 0 90.25 90.2 9.025e1",
        "-90.51 90.26 -91 9.03e1 1e2",
    ),
    ("number", {"minimum": 1e-300, "maximum": 2e-300}, "1e-300 1.5e-300 2.0e-300", "0 1 0.1 1e-299 9.9e-301"),
    ("number", {"minimum": 0.125, "maximum": 0.127}, "0.125 0.1255 0.1270 1.26e-1", "0.12 0.1 0.1271 0 1.2e-1"),
    ("number", {"minimum": 0.1, "maximum": 0.123}, "0.1 0.12 0.123 0.10", "0.124 0.09 0.1231"),
    ("number", {"maximum": 0}, "0 -0 0e5 -5 -1e-7", "5e-1 0.1 1e-300 1"),
    ("number", {"minimum": 5, "exclusive_minimum": 5}, "5.1 6", "5 5.0 5e0"),
    ("number", {"maximum": 5, "exclusive_maximum": 5}, "4.9 4", "5 5.0 5e0"),
    ("number", {"minimum": 1e300}, "1e300 1.5e+307", "1e299 5 1e309"),
    ("number", {"maximum": -1e-5}, "-1e-5 -0.00001 -3", "-9e-6 0 -0 -0.000009"),
]


def build(kind: str, keywords: dict[str, Bound]) -> Node:
    return integer(**keywords) if kind == "integer" else number(**keywords)


@pytest.mark.parametrize(("kind", "keywords", "accepted", "refused"), TABLE)
def test_bounds(kind: str, keywords: dict[str, Bound], accepted: str, refused: str) -> None:
    automaton = compile_grammar(Grammar({"start": build(kind, keywords)}))
    assert [text for text in accepted.split() if not automaton.accepts(text.encode())] == []
    assert [text for text in refused.split() if automaton.accepts(text.encode())] == []


@pytest.mark.parametrize(
    ("keywords", "accepted", "refused"),
    [
        ({}, "0 0.0 5.000 -3.0 123456789012345.0 1234567890123456", "5.5 1234567890123456.0 1e3 5."),
        ({"minimum": 3, "maximum": 7}, "3 3.0 7.00", "2.0 8.0 3.1"),
    ],
)
def test_zero_fractions_of_integers(keywords: dict[str, Bound], accepted: str, refused: str) -> None:
    automaton = compile_grammar(Grammar({"start": integer(zero_fraction=True, **keywords)}))
    assert [text for text in accepted.split() if not automaton.accepts(text.encode())] == []
    assert [text for text in refused.split() if automaton.accepts(text.encode())] == []


MULTIPLES: list[Row] = [
    ("integer", {"multiple_of": 7}, "0 -0 7 14 -21 700", "1 8 -6 70.0 07"),
    ("integer", {"multiple_of": 7, "minimum": 1, "maximum": 20}, "7 14", "0 21 1 -7 -0"),
    ("integer", {"multiple_of": 1000}, "0 1000 -123000", "100 1001 00"),
    ("integer", {"multiple_of": 1.5}, "0 3 -6", "1 2 4"),
    ("integer", {"multiple_of": 0.01, "minimum": -2, "maximum": 3}, "-2 -0 0 3", "-3 4"),
    ("integer", {"multiple_of": 3600, "minimum": 0}, "0 3600 86400", "3601 360 -3600"),
    ("integer", {"multiple_of": 10**300}, f"0 {10**300} -{7 * 10**300}", "1 10"),
    (
        "number",
        {"multiple_of": 0.01},
        "19.99 0 -0.5 3 3.10 3.1000 1234567890123.45 99999999999999999999",
        "0.001 19.995 12345678901234.5",
    ),
    ("number", {"multiple_of": 0.5, "minimum": 0, "maximum": 1}, "0 0.0 0.5 0.500 1 1.0", "0.25 1.5 -0 0.05 5e-1"),
    (
        "number",
        {"multiple_of": 2.5, "exclusive_minimum": -5, "exclusive_maximum": 5},
        "-2.5 -0 0 2.5 2.50",
        "-5 5 2 -5.0",
    ),
    ("number", {"multiple_of": 3, "maximum": 10}, "9 9.0 3 -3.00 0.0", "12 10 9.3"),
    (
        "number",
        {"multiple_of": 0.123456789, "minimum": 0, "maximum": 1},
        "0 0.0 0.123456789 0.1234567890 0.987654312",
        "0.1 1 0.12345678",
    ),
    (
        "number",
        {"multiple_of": 1e-7, "minimum": 0, "maximum": 1e-6},
        "0.0000001 0.0000010 0.000001",
        "0.00000011 0.0000011 1e-7",
    ),
]


@pytest.mark.parametrize(("kind", "keywords", "accepted", "refused"), MULTIPLES)
def test_multiples(kind: str, keywords: dict[str, Bound], accepted: str, refused: str) -> None:
    rules = integer_rules("n", **keywords) if kind == "integer" else number_rules("n", **keywords)
    assert all(name.startswith("n") for name in rules.rules)
    automaton = compile_grammar(Grammar(rules.rules, rules.start))
    assert [text for text in accepted.split() if not automaton.accepts(text.encode())] == []
    assert [text for text in refused.split() if automaton.accepts(text.encode())] == []


def test_fragments_of_two_prefixes_live_in_one_grammar() -> None:
    left, right = integer_rules("a", multiple_of=3), number_rules("b", multiple_of=0.5, maximum=1)
    node = Sequence((Ref(left.start), Bytes(b","), Ref(right.start)))
    automaton = compile_grammar(Grammar({"start": node, **left.rules, **right.rules}))
    assert automaton.accepts(b"12,0.5")
    assert not automaton.accepts(b"0.5,12")


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (partial(integer, minimum=5, maximum=3), EmptyLanguage, "no number satisfies both minimum 5 and maximum 3"),
        (
            partial(number, minimum=1.5, exclusive_maximum=1.5),
            EmptyLanguage,
            "no number satisfies both minimum 1.5 and exclusiveMaximum 1.5",
        ),
        (
            partial(integer, exclusive_minimum=1, exclusive_maximum=2),
            EmptyLanguage,
            "no integer satisfies both exclusiveMinimum 1 and exclusiveMaximum 2",
        ),
        (
            partial(integer, minimum=1.2, maximum=1.8),
            EmptyLanguage,
            "no integer satisfies both minimum 1.2 and maximum 1.8",
        ),
        (
            partial(number, exclusive_minimum=1, exclusive_maximum=1.0000000000000002),
            EmptyLanguage,
            "no double-precision number satisfies both exclusiveMinimum 1 and exclusiveMaximum 1.0000000000000002",
        ),
        (
            partial(number, minimum=10**400),
            EmptyLanguage,
            "no double-precision number satisfies minimum 1.000000e+400",
        ),
        (
            partial(integer_rules, "n", multiple_of=7, minimum=1, maximum=6),
            EmptyLanguage,
            "no number satisfies multipleOf 7, minimum 1 and maximum 6",
        ),
        (
            partial(
                number_rules,
                "n",
                multiple_of=0.01,
                minimum=Decimal("1e15") + Decimal("0.01"),
                maximum=Decimal("1e15") + Decimal("0.02"),
            ),
            EmptyLanguage,
            "no number of 15 digits satisfies multipleOf 0.01, "
            "minimum 1000000000000000.01 and maximum 1000000000000000.02",
        ),
        (partial(integer, minimum=float("nan")), InvalidGrammar, "minimum nan is not a number"),
        (partial(number_rules, "n", multiple_of=0), InvalidGrammar, "multipleOf 0 is not greater than 0"),
        (partial(number_rules, "n", multiple_of=-0.5), InvalidGrammar, "multipleOf -0.5 is not greater than 0"),
        (
            partial(integer_rules, "n", multiple_of=65537),
            UnsupportedFeature,
            "multipleOf 65537 needs an automaton of more than 50,000 states\n"
            "Narrower bounds help: up to 5,000 multiples are listed one by one.",
        ),
        (
            partial(number_rules, "n", multiple_of=1e-20),
            UnsupportedFeature,
            "multipleOf 1e-20 has more than 15 digits behind the point\nA double does not hold such multiples exactly.",
        ),
        (
            partial(integer, minimum=float("inf")),
            UnsupportedFeature,
            "minimum Infinity asks for numbers of more than 4,000 digits\nPython's int() refuses to read them.",
        ),
    ],
)
def test_errors(build: partial[object], error: type[GrammarError], message: str) -> None:
    with pytest.raises(error) as caught:
        build()
    assert str(caught.value) == message


def size(node: Node) -> int:
    items = node.items if isinstance(node, Sequence | Choice) else (node.item,) if isinstance(node, Repeat) else ()
    return 1 + sum(map(size, items))


def depth(node: Node) -> int:
    items = node.items if isinstance(node, Sequence | Choice) else (node.item,) if isinstance(node, Repeat) else ()
    return 1 + max(map(depth, items), default=0)


@pytest.mark.parametrize("digits", [1, 3, 10, 30, 60])
def test_nodes_grow_with_the_digits_and_stay_shallow(digits: int) -> None:
    bound = int("1234567890" * 6) % 10**digits
    whole = integer(minimum=-bound, maximum=bound)
    real = number(minimum=-bound, maximum=Decimal(bound) + Decimal("0.25"))
    assert size(whole) <= 40 + 20 * digits
    assert size(real) <= 400 + 60 * digits
    assert depth(whole) <= 8
    assert depth(real) <= 13
