"""What other engines ask for, in their words, and rows that follow an engine's tokens wherever they go."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tiny_models import byte_tokenizer
from toys import EOS, TOKENS, finite

from gcd.errors import BudgetTooSmall, GrammarError, InvalidGrammar
from gcd.integrations.engine_grammars import EngineGrammars, EngineRow, follow, wanted_by_engine
from tokenizer_align.constraint import Constraint

TEXTS = ("ab", "aab", "abab", "c", "ba", "bac", "é")
ALL = range(len(TOKENS))


def allowed(mask: np.ndarray) -> set[int]:
    return {token for token in ALL if mask[token >> 5] >> (token & 31) & 1}


def completable(tokens: list[int], budget: int) -> set[int]:
    """The tokens after which a text of TEXTS can be finished within so many more tokens, EOS among them; by listing."""
    if EOS in tokens:
        return {EOS}
    text = b"".join(TOKENS[token] for token in tokens)
    found = {EOS} if text.decode("utf-8", "replace") in TEXTS and budget >= 1 else set()
    for token in ALL:
        if TOKENS[token] and budget >= 2 and reaches(text + TOKENS[token], budget - 2):
            found.add(token)
    return found


def reaches(text: bytes, tokens: int) -> bool:
    """Whether so many more tokens, EOS left out, can lead from a text to one of TEXTS."""
    if text in {each.encode() for each in TEXTS}:
        return True
    if not tokens or not any(each.encode().startswith(text) for each in TEXTS):
        return False
    return any(reaches(text + token, tokens - 1) for token in TOKENS if token)


def test_a_row_goes_wherever_the_tokens_of_an_engine_go() -> None:
    """On, back (drafts that were refused) and elsewhere (another text in the slot): a function of the tokens alone."""
    seed = random.randrange(2**32)
    draw = random.Random(seed)
    row, tokens = EngineRow(finite(TEXTS)), list[int]()
    for _ in range(300):
        can = completable(tokens, 9)
        assert allowed(row.mask(tokens)) == can, f"seed {seed}, tokens {tokens}"
        if EOS in tokens or draw.random() < 0.3:
            tokens = tokens[: draw.randrange(len(tokens) + 1)]
        else:
            tokens = [*tokens, draw.choice(sorted(can))]


@pytest.mark.parametrize("budget", [2, 3, 4])
def test_a_row_ends_within_its_budget(budget: int) -> None:
    row, ways = EngineRow(finite(TEXTS), budget=budget), [list[int]()]
    while ways:
        tokens = ways.pop()
        mask = allowed(row.mask(tokens))
        assert mask
        # the cost to the end is that of one spelling: what is allowed can be finished, but not all that can is allowed
        assert mask <= completable(tokens, budget - len(tokens)), tokens
        ways += [[*tokens, token] for token in mask - {EOS}]


@pytest.mark.parametrize("tokens", [[1, 1], [4, 0], [0, 99], [4, EOS], [0, -1]], ids=str)
def test_a_row_that_has_ended_or_left_the_language_may_only_end(tokens: list[int]) -> None:
    assert allowed(EngineRow(finite(TEXTS)).mask(tokens)) == {EOS}


def test_following_says_whether_it_could() -> None:
    matcher = finite(TEXTS).matcher()
    assert follow(matcher, [0, 2])
    assert follow(matcher, [0, 0])
    assert not follow(matcher, [0, 4])
    assert follow(matcher, [])
    assert matcher.token_ids == []


@pytest.fixture(scope="module")
def grammars() -> EngineGrammars:
    return EngineGrammars(byte_tokenizer(), vocab_size=300, whitespace="compact")


@pytest.mark.parametrize(
    ("kind", "spec", "inside", "outside"),
    [
        ("json", '{"type": "array", "maxItems": 1}', "[1]", "[1,2]"),
        ("json", '{"type": "array", "maxItems": 1}', "[]", "[ ]"),
        ("json_object", "", '{"a":1}', "[]"),
        ("regex", "[ab]+", "abba", "c"),
        ("grammar", 'start: "a" | "b"', "a", "c"),
        ("ebnf", 'root ::= "a" | "b"', "a", "c"),
        ("choice", '["yes", "no"]', "no", "maybe"),
        ("structural_tag", '{"format": {"type": "const_string", "value": "x"}}', "x", "y"),
    ],
)
def test_each_kind_is_read(grammars: EngineGrammars, kind: str, spec: str, inside: str, outside: str) -> None:
    for text, is_in in ((inside, True), (outside, False)):
        matcher = grammars.matcher(kind, spec)
        assert follow(matcher, [*text.encode(), 257]) is is_in, text
        assert grammars.words == matcher.constraint.words == 10


def test_stop_tokens_of_a_request_end_its_text_and_nothing_else(grammars: EngineGrammars) -> None:
    newline = ord("\n")
    matcher = grammars.matcher("regex", r"[a\n]+b", eos_token_ids=[newline])
    assert not follow(matcher, [ord("a"), newline])
    assert follow(matcher, [ord("a"), ord("b"), newline])
    assert matcher.is_terminated()


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("choice", "[", "the choice is no JSON: Expecting value: line 1 column 2 (char 1)"),
        (
            "xml", "",
            "'xml' is no kind of constraint that is known here: json, json_object, regex, grammar, ebnf, choice, "
            "structural_tag",
        ),
    ],
)  # fmt: skip
def test_what_no_engine_asks_for(kind: str, spec: str, message: str) -> None:
    with pytest.raises(InvalidGrammar) as caught:
        wanted_by_engine(kind, spec)
    assert str(caught.value) == message


def test_errors_of_grammars_are_raised(grammars: EngineGrammars) -> None:
    with pytest.raises(GrammarError):
        grammars.matcher("regex", "(")
    constraint: Constraint = grammars.constraint(wanted_by_engine("regex", "aaaa"))
    with pytest.raises(BudgetTooSmall):
        constraint.check_budget(4)
