"""The regular expressions that types become, against pydantic's own engine, arithmetic and the calendar."""

from __future__ import annotations

import calendar
import datetime as dt
import itertools
import random
import re
from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from grammars.compile import compile_grammar
from grammars.errors import UnsupportedFeature
from grammars.frontends.python_types.alternatives import one_of
from grammars.frontends.python_types.decimals import Bound, decimal_body
from grammars.frontends.python_types.rust_regex import translate
from grammars.frontends.python_types.temporal import date_body
from grammars.frontends.regex import parse_regex
from grammars.ir import Grammar

RUST = [
    r"^[a-c]+$", r"\A\d{2}\z", r"^\w+$", r"^\W+$", r"^[^\W\d_]+$", r"^\s*$", r"^\S$", r"^[^\s]$", r"a.b", r"b", "",
    r"^$",
    r"^(?P<x>a|b)(?<y>c)$", r"^[]a]$", r"^[^]a]$", r"^[a\-z]$", r"^[-a]$", r"^[\]\[]$", r"^[[:alpha:]_]+$", r"^a|b$",
    r"^[[:^digit:]]$", r"^\x61\u0062\x{63}$", r"^a{2}$", r"^a{2,}$", r"^(ab){1,2}?c$", r"^\p{Lu}\pL$", r"^\P{L}$",
    r"^[\p{Nd}x]$", r"^\.\-\@\ \\$", r"^}]$", r"^[&~-]$", r"^\t\n$", r"^[\d\D]$", "^é[à-ÿ]$",
]  # fmt: skip
PYTHON = [r"^a\Z", r"^a$", r"^(?!ab)[ab]+$", r"^[\b]$", r"x{,2}y$", r"^a{b$", r"^\w\d\s$", r"^.$", r"^[^\w\s]$"]

CHARACTERS = "abcxyzA_09é٣Ⅷ²Ⓐ߀ \t\n\u00a0\u200d\u2028[]{}-.@\\&~^𝟘😀"


def verdicts(pattern: str | re.Pattern[str], texts: list[str]) -> tuple[list[str], list[str]]:
    """What pydantic accepts of the texts, and what the translated pattern accepts of them."""
    adapter = TypeAdapter(Annotated[str, Field(pattern=pattern)])
    node = parse_regex(translate(pattern, "rust-regex"), search=True, flavor="ecma")
    automaton = compile_grammar(Grammar({"start": node}))
    return [text for text in texts if _validates(adapter, text)], [
        text for text in texts if automaton.accepts(text.encode())
    ]


def _validates(adapter: TypeAdapter[str], text: str) -> bool:
    try:
        adapter.validate_python(text)
    except ValidationError:
        return False
    return True


def some_texts(seed: int) -> list[str]:
    rng = random.Random(seed)
    longer = ("".join(rng.choices(CHARACTERS, k=rng.randint(2, 4))) for _ in range(150))
    words = [
        "aa",
        "abc",
        "ababc",
        "ac",
        "bc",
        "xxy",
        "a{b",
        "ab",
        "aé",
        "éà",
        "12",
        "Aa",
        "a\n",
        ".-@ \\",
        "}]",
        "\t\n",
        "\b",
    ]
    return ["", *CHARACTERS, *words, *longer]


@pytest.mark.parametrize("pattern", [*RUST, *map(re.compile, PYTHON)], ids=str)
def test_translated_patterns_accept_what_pydantic_accepts(pattern: str | re.Pattern[str]) -> None:
    seed = random.randrange(2**32)
    expected, found = verdicts(pattern, some_texts(seed))
    assert set(found) <= set(expected), f"seed {seed}"
    # Python's $ also matches before a last line feed, which is not kept.
    assert all(text.endswith("\n") for text in set(expected) - set(found)), f"seed {seed}"


@pytest.mark.parametrize(
    ("pattern", "column", "message"),
    [
        (r"ab\b", 3, "word boundaries are not supported"),
        (r"(?i)a", 1, "flags and other extensions of a group are not supported"),
        (r"a(?s:.)", 2, "flags and other extensions of a group are not supported"),
        (r"a**", 3, "two quantifiers in a row are not supported"),
        (r"[a-z&&[^b]]", 5, "set operations and nested classes are not supported"),
        (r"[a[b]]", 3, "set operations and nested classes are not supported"),
        (r"x\p{Greek}", 2, "this Unicode property is not supported"),
        (r"(a)\1", 4, r"the escape \1 is not supported"),
    ],
)
def test_what_cannot_be_translated_is_refused_with_its_place(pattern: str, column: int, message: str) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        translate(pattern, "rust-regex")
    assert caught.value.message == message
    assert caught.value.span is not None
    assert caught.value.span.column == column


def test_flags_of_compiled_patterns_are_refused() -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        translate(re.compile("a", re.IGNORECASE), "rust-regex")
    assert str(caught.value) == (
        "the flags of this compiled pattern (re.IGNORECASE) are not supported (line 1, column 1)\n"
        "    a\n"
        "    ^\n"
        "Write the pattern without flags: [Aa] for a letter in either case."
    )


@pytest.mark.parametrize(
    "strings",
    [{"a"}, {"", "a"}, {"a", "ab", "b"}, {"1", "10", "100"}, {"-1", "1", "a-"}, set(map(str, range(300)))],
    ids=len,
)
def test_alternatives_are_exactly_the_strings(strings: set[str]) -> None:
    alphabet = sorted(set("".join(strings)))
    longest = max(map(len, strings))
    every = ("".join(word) for n in range(longest + 2) for word in itertools.product(alphabet, repeat=n))
    assert {word for word in every if re.fullmatch(f"x{one_of(strings)}y", f"x{word}y")} == strings


def test_decimals_lie_between_their_bounds() -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    values = [f"{sign}{whole}{fraction}" for sign in ("", "-") for whole in (0, 1, 2, 9, 10, 12, 19, 99, 100, 120, 999)
              for fraction in ("", ".0", ".5", ".05", ".25", ".99", ".001")]  # fmt: skip
    for _ in range(300):
        low, high = sorted(map(Decimal, rng.sample(values, 2)))
        lower = Bound(low, rng.random() < 0.5) if rng.random() < 0.8 else None
        upper = Bound(high, rng.random() < 0.5) if rng.random() < 0.8 else None
        places = rng.choice([None, 0, 2])
        body = decimal_body(lower, upper, places=places)
        for text in values:
            value, digits = Decimal(text), len(text.partition(".")[2])
            inside = (lower is None or value > low or (value == low and not lower.is_open)) and (
                upper is None or value < high or (value == high and not upper.is_open)
            )
            expected = inside and (places is None or digits <= places)
            if text.startswith("-") and not value:  # -0 has another spelling, and may be left out
                expected = expected and bool(body and re.fullmatch(body, text))
            assert bool(body and re.fullmatch(body, text)) == expected, (
                f"seed {seed}: {text} in {lower} to {upper}, {places}"
            )


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (dt.date.min, dt.date.max),
        (dt.date(2024, 2, 29), dt.date(2024, 2, 29)),
        (dt.date(1899, 12, 31), dt.date(1900, 3, 1)),
        (dt.date(1996, 3, 1), dt.date(2004, 2, 28)),
    ],
)
def test_dates_are_the_days_of_the_calendar(first: dt.date, last: dt.date) -> None:
    pattern = re.compile(date_body(first, last))
    years = {
        *range(first.year, min(first.year + 9, 9999)),
        *range(max(last.year - 9, 1), last.year + 1),
        1900,
        2000,
        2024,
    }
    for year, month, day in itertools.product(sorted(years), range(14), range(33)):
        text = f"{year:04}-{month:02}-{day:02}"
        exists = 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]
        assert bool(pattern.fullmatch(text)) == (exists and first <= dt.date(year, month, day) <= last), text
