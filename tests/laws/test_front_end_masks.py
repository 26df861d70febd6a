"""Masks of what people write: a text in each notation, read by its front end, and the laws of masks for what it reads.

What the texts mean is compared with other readers in tests/grammars; here a Grammar that a front end made goes through
compiler and kernels. GCD_FRONT_END_CASES=1000 reads that many random texts in Lark and in GBNF, the others as often.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable

import pytest
from mask_laws import check_case, report
from naive import Language, restricted
from random_grammars import Case, random_tokens
from written_grammars import as_gbnf, as_lark, random_rules

from grammars.frontends.gbnf import parse_gbnf
from grammars.frontends.json_schema import parse_json_schema
from grammars.frontends.lark import parse_lark
from grammars.frontends.regex import parse_regex
from grammars.frontends.structural_tag import parse_structural_tag
from grammars.ir import Grammar

CASES = int(os.environ.get("GCD_FRONT_END_CASES", "6"))

REGEXES = [r"(a|b)*abb", r"a{2,3}?b+|\bab\b", r"(?:(?!ab)[abc])*", r"[ab]+(?<!b)c", r"(?i)a[^b-z]{1,2}", r"é|[à-é]{2}"]
SCHEMAS: list[dict[str, object]] = [
    {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
    {"type": "integer", "minimum": -3, "maximum": 120, "multipleOf": 4},
    {"enum": ["a", "ab", 1, None]},
    {"type": "object", "properties": {"a": {"const": 1}, "b": {"$ref": "#"}}, "additionalProperties": False},
    {"type": "string", "pattern": "^[ab]+$", "maxLength": 3},
]
ANY = {"type": "any_text", "max_chars": 3, "excludes": ["bb"]}
CALL = {"begin": "<a", "content": {"type": "regex", "pattern": "b+"}, "end": ">"}
FORMATS = [
    {"type": "tag", "begin": "<", "content": ANY, "end": ["a>", ">"]},
    {"type": "triggered_tags", "triggers": ["<"], "tags": [CALL], "excludes": ["ba"]},
    {"type": "tags_with_separator", "tags": [CALL], "separator": ",", "at_least_one": True},
]


def regex(seed: int) -> Grammar:
    return Grammar({"start": parse_regex(REGEXES[seed % len(REGEXES)])})


def json_schema(seed: int) -> Grammar:
    return parse_json_schema(SCHEMAS[seed % len(SCHEMAS)], whitespace="compact", strings="raw")


def structural_tag(seed: int) -> Grammar:
    return parse_structural_tag({"type": "structural_tag", "format": FORMATS[seed % len(FORMATS)]})


# The letters of the vocabulary: the twin is slow where any of many may stand.
FRONT_ENDS: dict[str, tuple[Callable[[int], Grammar], str]] = {
    "lark": (lambda seed: parse_lark(as_lark(random_rules(seed))), "abc"),
    "gbnf": (lambda seed: parse_gbnf(as_gbnf(random_rules(seed), seed)), "abc"),
    "regex": (regex, "aAbcdàé "),
    "json_schema": (json_schema, 'abefilnrstu0123456789"-[]{}:,'),
    "structural_tag": (structural_tag, "ab<>,"),
}


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_masks_are_exact_for_what_a_front_end_reads(front_end: str) -> None:
    read, letters = FRONT_ENDS[front_end]
    met: Counter[str] = Counter()
    for seed in range(CASES):
        case = vocabulary_for(read(seed), {*letters.encode()}, seed)
        try:
            met += check_case(case, walks=1, steps=4)
        except Exception as error:
            raise AssertionError(f"{front_end}, seed {seed}\n{report(case)}") from error
    print(front_end, dict(met))
    assert met["checked"] + met["empty"] == CASES
    assert met["masks"] > CASES


def vocabulary_for(grammar: Grammar, letters: set[int], seed: int) -> Case:
    """The grammar with tokens cut from its texts, its letters one by one among them, and an end."""
    rng = random.Random(seed)
    language = Language(restricted(grammar, letters))
    tokens = [] if language.is_empty() else [t for t in random_tokens(language, seed, rng) if letters.issuperset(t)]
    rng.shuffle(tokens)
    return Case(seed, grammar, (*tokens, b""), (len(tokens),), unrolled=rng.choice((0, 4, 32)))
