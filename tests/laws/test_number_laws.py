"""Numbers under bounds: exactly the texts of the family whose value satisfies the keywords, by enumeration."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import product

import pytest
from derivations import derive
from naive import Language

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage
from grammars.frontends.json_schema.numbers import NumberRules, integer_rules, number_rules
from grammars.ir import ByteClass, Bytes, Choice, Grammar, Node, Ref, Repeat, Sequence

ALPHABET = b"-0159.eE+"
WORDS = [bytes(word) for length in range(1, 6) for word in product(ALPHABET, repeat=length)]

INTEGER = re.compile(rb"-?(0|[1-9][0-9]*)")
POINTED = re.compile(rb"-?(0|[1-9][0-9]*)(\.0+)?")
PLAIN = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
SCIENTIFIC = re.compile(rb"-?[0-9](\.[0-9]+)?[eE][+-]?[0-9]{1,3}")


def spelled(*shapes: re.Pattern[bytes]) -> dict[bytes, Decimal]:
    """The words of these shapes and their values; a scientific mantissa below 1 only for zero, none that overflows."""
    found = {}
    for word in WORDS:
        if any(shape.fullmatch(word) for shape in shapes):
            value = Decimal(word.decode())
            normal = not value or word.lstrip(b"-")[:1] != b"0" or not SCIENTIFIC.fullmatch(word)
            if normal and (not value or abs(float(word)) not in (0, float("inf"))):
                found[word] = value
    return found


FAMILIES = {
    "integer": spelled(INTEGER),
    "pointed integer": spelled(POINTED),
    "number": spelled(PLAIN, SCIENTIFIC),
    "multiple": spelled(PLAIN),
}
KEYWORDS = {
    "minimum": Decimal.__ge__,
    "maximum": Decimal.__le__,
    "exclusive_minimum": Decimal.__gt__,
    "exclusive_maximum": Decimal.__lt__,
}
LIMITS = [0, 0.1, -0.1, 1e-5, 1e5, -1e5, 99999, 0.5, -0.05, 1e-300, 1e300, -1e300, 1.05, 9, 10, 100, 2**64]


UNITS: list[int | float] = [1, 2, 3, 7, 10, 20, 100, 0.5, 0.25, 1.5, 0.01, 12, 15]


def satisfies(value: Decimal, bounds: Mapping[str, int | float], unit: int | float | None) -> bool:
    within = all(KEYWORDS[keyword](value, Decimal(repr(limit))) for keyword, limit in bounds.items())
    return within and (unit is None or (Fraction(value) / Fraction(repr(unit))).denominator == 1)


def draw(rng: random.Random) -> dict[str, int | float]:
    """One to three bounds: small integers, short decimals, extremes."""

    def limit() -> int | float:
        kind = rng.random()
        if kind < 0.4:
            return rng.randint(-60, 60)
        return round(rng.uniform(-20, 20), rng.randint(0, 3)) if kind < 0.8 else rng.choice(LIMITS)

    return {keyword: limit() for keyword in rng.sample(list(KEYWORDS), rng.randint(1, 3))}


def build(family: str, **keywords: int | float | None) -> NumberRules:
    if family == "number":
        return number_rules("n", **keywords)
    return integer_rules("n", zero_fraction=family == "pointed integer", **keywords)


def members(rules: NumberRules, longest: int) -> frozenset[bytes]:
    """The texts over ALPHABET up to that length, straight from the denotation of the nodes (no rule is recursive)."""

    @cache
    def of(node: Node, room: int) -> frozenset[bytes]:
        match node:
            case Bytes(data):
                found = {data} if set(data) <= set(ALPHABET) else set()
            case ByteClass(ranges):
                found = {bytes([byte]) for byte in ALPHABET if any(low <= byte <= high for low, high in ranges)}
            case Choice(items):
                found = set().union(*(of(item, room) for item in items))
            case Sequence(items):
                found = {b""}
                for item in items:
                    left = room - min(map(len, found), default=room)
                    found = {a + b for a in found for b in of(item, left) if len(a) + len(b) <= room}
            case Repeat(item, low, high):
                found, copies = set(), {b""}
                for count in range(min(room + low, room + low if high is None else high) + 1):
                    found |= copies if count >= low else set()
                    copies = {a + b for a in copies for b in of(item, room) if len(a) + len(b) <= room}
            case Ref(name):
                found = of(rules.rules[name], room)
        return frozenset(text for text in found if len(text) <= room)

    return of(Ref(rules.start), longest)


def grammar(rules: NumberRules) -> Grammar:
    return Grammar(rules.rules, rules.start)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("family", ["integer", "pointed integer", "number"])
def test_members_are_the_texts_whose_value_satisfies_the_keywords(family: str, seed: int) -> None:
    rng = random.Random(f"{family} {seed}")
    bounds, unit = draw(rng), rng.choice([None, rng.choice(UNITS)])
    texts = FAMILIES["multiple" if family == "number" and unit else family]
    expected = {text for text, value in texts.items() if satisfies(value, bounds, unit)}
    try:
        found = members(build(family, multiple_of=unit, **bounds), 5)
    except EmptyLanguage:
        found = frozenset()
    zeros = {text for text in expected if text.startswith(b"-") and not texts[text]}
    assert found - zeros == expected - zeros, (bounds, unit)
    # A minus sign is offered iff something is below zero; then -0 is written in all ways.
    assert found & zeros in (zeros, set()), (bounds, unit)
    if any(texts[text] < 0 for text in found):
        assert zeros <= found, (bounds, unit)


@pytest.mark.parametrize("seed", range(40))
def test_integers_between_large_bounds(seed: int) -> None:
    rng = random.Random(seed)
    low, high = sorted(rng.randint(-(10**size), 10**size) for size in rng.choices(range(1, 40), k=2))
    rules = integer_rules("n", minimum=low, maximum=high)
    automaton = compile_grammar(grammar(rules))
    for value in (low, high, (low + high) // 2, rng.randint(low, high)):
        assert automaton.accepts(str(value).encode()), (low, high, value)
    for value in (low - 1, high + 1, low - 10 ** len(str(low)), high + 10 ** len(str(high))):
        assert not automaton.accepts(str(value).encode()), (low, high, value)


@pytest.mark.parametrize("seed", range(40))
def test_shortest_spellings_of_doubles_are_in_iff_the_double_is(seed: int) -> None:
    rng = random.Random(seed)

    def double() -> float:
        return rng.uniform(-1, 1) * 10.0 ** rng.choice([0, 0, 1, 2, 5, 16, 22, 300, -4, -7, -300])

    low, high = sorted((double(), double()))
    keywords = {rng.choice(["minimum", "exclusive_minimum"]): low, rng.choice(["maximum", "exclusive_maximum"]): high}
    automaton = compile_grammar(grammar(number_rules("n", **keywords)))
    for value in (low, high, (low + high) / 2, rng.uniform(low, high), *(double() for _ in range(5))):
        assert automaton.accepts(repr(value).encode()) == satisfies(Decimal(repr(value)), keywords, None), value


@pytest.mark.parametrize("seed", range(40))
def test_what_is_generated_satisfies_the_keywords_after_it_was_read(seed: int) -> None:
    """The value that a program gets is a double: it must be within the bounds too."""
    rng = random.Random(seed)
    bounds, unit = draw(rng), rng.choice([None, None, 0.01, 0.5, 7, 1.5])
    try:
        rules = number_rules("n", multiple_of=unit, **bounds)
    except EmptyLanguage:
        return
    language = Language(grammar(rules))
    for _ in range(20):
        text = bytes(symbol for symbol in derive(language, rng).text if isinstance(symbol, int))
        value = json.loads(text)
        assert satisfies(Decimal(repr(value)), bounds, unit), (bounds, unit, text)


@pytest.mark.parametrize("unit", [3, 7, 11, 96, 125, 360, 1000])
def test_large_multiples(unit: int) -> None:
    rng = random.Random(unit)
    automaton = compile_grammar(grammar(integer_rules("n", multiple_of=unit)))
    for _ in range(50):
        value = rng.randint(-(10 ** rng.randint(1, 18)), 10 ** rng.randint(1, 18))
        value -= rng.choice([0, value % unit])
        assert automaton.accepts(str(value).encode()) == (value % unit == 0), value
