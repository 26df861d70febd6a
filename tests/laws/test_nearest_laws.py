"""The nearest member of a language is that of brute force over all short texts, judged by `re` or by counting.

GCD_NEAREST_CASES=500 takes that many languages instead of a few.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from functools import cache
from itertools import product

import gcd
from gcd.parse import parse_wanted
from grammars.compile import compile_grammar
from grammars.nearest import nearest

CASES = int(os.environ.get("GCD_NEAREST_CASES", "20"))
LONGEST = 6
TEXTS = ["".join(letters) for length in range(LONGEST + 1) for letters in product("aé(", repeat=length)]


def distance(left: str, right: str) -> int:
    """Levenshtein's, by the definition."""

    @cache
    def of(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        return min(of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (left[i - 1] != right[j - 1]))

    return of(len(left), len(right))


def random_regex(rng: random.Random, depth: int = 2) -> str:
    kind = rng.randrange(5) if depth else 0
    if kind == 0:
        return rng.choice(["a", "é", r"\(", "[aé]", "[^a]", "aé", r"\(a"])
    if kind == 1:
        return f"(?:{random_regex(rng, depth - 1)}|{random_regex(rng, depth - 1)})"
    if kind == 2:
        return f"(?:{random_regex(rng, depth - 1)}){rng.choice(['*', '+', '?', '{2}', '{2,3}', '{1,}'])}"
    return random_regex(rng, depth - 1) + random_regex(rng, depth - 1)


def balanced(text: str) -> bool:
    """n brackets, an a, n times é."""
    n = text.find("a")
    return n >= 0 and text == "(" * n + "a" + "é" * n


def compare(wanted: dict[str, str], is_member: Callable[[str], object], rng: random.Random) -> tuple[int, int]:
    """How many drafts were compared, and for how many of them more than one edit was needed."""
    automaton = compile_grammar(parse_wanted(**wanted).to_grammar())
    members = [text for text in TEXTS if is_member(text)]
    compared = far = 0
    for _ in range(4):
        draft = "".join(rng.choices("aé((x😀", k=rng.randint(0, 4)))
        least = min((distance(draft, text) for text in members), default=LONGEST + 1)
        if not members or least > LONGEST + 1 - len(draft):
            continue  # a longer member might be nearer
        found = nearest(automaton, draft)
        assert is_member(found.text), f"{wanted}: {draft!r} -> {found}"
        assert found.edits == distance(draft, found.text), f"{wanted}: {draft!r} -> {found}"
        if set(found.text) <= set("aé("):  # [^a] has members that are not among the texts
            assert found.edits == least, f"{wanted}: {draft!r} -> {found}"
        assert found.edits <= least, f"{wanted}: {draft!r} -> {found}"
        compared, far = compared + 1, far + (least > 1)
    return compared, far


def test_the_nearest_member_is_that_of_brute_force():
    total = several = 0
    for seed in range(CASES):
        rng = random.Random(seed)
        regex = random_regex(rng)
        compared, far = compare({"regex": regex}, re.compile(regex).fullmatch, rng)
        total, several = total + compared, several + far
    for seed in range(CASES // 4):
        grammar = 'start: "(" start "é" | "a"'
        compared, far = compare({"grammar": grammar}, balanced, random.Random(seed))
        total, several = total + compared, several + far
    assert total > 2 * CASES
    assert several > CASES // 2


def test_of_equally_near_texts_one_keeps_most_of_the_draft():
    assert gcd.sketch("ab", regex="abc|ac").text == "abc"
    assert gcd.sketch('{"a": 36', schema={"type": "object"}).text == '{"a": 36}'
