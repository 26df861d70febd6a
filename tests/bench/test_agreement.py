"""`bench/agreement.py` with this library, of another language, in the place of llguidance: differences and reasons."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toys import byte_vocabulary

from grammars.compile import compile_grammar
from grammars.frontends.json_schema import parse_json_schema
from tokenizer_align.constraint import Constraint, State, align

BENCH = Path(__file__).parents[2] / "bench"
VOCABULARY = byte_vocabulary([b'": ', b"\\/", b"\\u00e9", b'"x"', b"  ", b'"1', b"e1"])
DAY = {"type": "string", "format": "date"}


@pytest.fixture
def agreement(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module("agreement")


class Matcher:
    """As much of llguidance's matcher as is called."""

    def __init__(self, constraint: Constraint, state: State | None = None) -> None:
        self.constraint, self.state = constraint, state or constraint.start

    def deep_copy(self) -> Matcher:
        return Matcher(self.constraint, self.state)

    def is_accepting(self) -> bool:
        return self.constraint.is_accepting(self.state)

    def consume_token(self, token: int) -> bool:
        after = self.constraint.try_advance(self.state, token)
        self.state = after or self.state
        return after is not None

    def consume_tokens(self, tokens: list[int]) -> bool:
        return all(map(self.consume_token, tokens))

    def validate_tokens(self, tokens: list[int]) -> int:
        at = self.deep_copy()
        return next((read for read, token in enumerate(tokens) if not at.consume_token(token)), len(tokens))

    def mask(self, matcher: Matcher) -> Any:  # the engine's, in the same class
        return matcher.constraint.mask(matcher.state)


def rows(
    agreement: Any, ours: Any, theirs: Any, text: str, *, whitespace: str = "compact"
) -> Iterator[tuple[str, ...]]:
    """(reason, who is right, side, how many tokens) of the differences of two schemas along a text.

    `theirs` is what the other engine makes of the schema `ours`, or a function of any schema.
    """

    def compiled(schema: Any, whitespace: str = "compact") -> Constraint:
        return align(compile_grammar(parse_json_schema(schema, whitespace=whitespace)), VOCABULARY)

    class Peer(agreement.Peer):  # type: ignore[misc]
        def matcher(self, schema: Any, *, forcing: bool) -> Matcher:
            return Matcher(compiled(theirs(schema) if callable(theirs) else theirs))

    peer = Peer(Matcher(compiled(ours)), list(VOCABULARY.tokens), whitespace)
    matcher = peer.matcher(ours, forcing=False)
    judge = agreement.Judge(ours, compiled(ours, whitespace), peer, matcher, whitespace)
    found = agreement.Found()
    agreement.Pair("schema", judge, matcher, found).follow(VOCABULARY.greedy(text.encode()))
    for finding, row in found.rows.items():
        for side, count in row.tokens.items():
            yield finding.reason, finding.right, side, str(count)


def test_equal_masks_have_no_rows(agreement: Any) -> None:
    assert not list(rows(agreement, DAY, DAY, '"2026-11-25"'))


def test_a_spelling_that_one_engine_lacks(agreement: Any) -> None:
    """One spelling of a constant, every spelling of a pattern: `\\/` is a token, `\\u002f` begins with one."""
    found = list(rows(agreement, {"pattern": "^/é$", "type": "string"}, {"const": "/é"}, '"/é"'))
    assert found == [
        ("the escape `\\/`", "gcd", "gcd", "2"),
        ("a character as `\\uXXXX`", "gcd", "gcd", "2"),
    ]


def test_whitespace(agreement: Any) -> None:
    [found] = rows(agreement, {"const": [1]}, {"const": [1]}, "[1]", whitespace="json")
    assert found[:3] == ("whitespace", "gcd", "gcd")


def test_a_keyword_that_the_other_engine_ignores(agreement: Any) -> None:
    found = list(rows(agreement, DAY, {"type": "string"}, '"2026'))
    assert {row[:3] for row in found} == {("`format`", "gcd", "llguidance")}


def test_a_keyword_that_the_other_engine_reads_more_narrowly(agreement: Any) -> None:
    def narrow(schema: Any) -> Any:
        return {**schema, "maximum": 3} if "maximum" in schema else schema

    found = list(rows(agreement, {"type": "integer", "minimum": 0, "maximum": 5}, narrow, "2"))
    assert found == [
        ("`minimum` and `maximum` and `exclusiveMinimum` and `exclusiveMaximum`", "gcd", "gcd", "2"),
    ]


def test_what_nothing_explains_is_said(agreement: Any) -> None:
    assert list(rows(agreement, {"type": "null"}, {"type": "boolean"}, "null")) == [
        ("unexplained", "gcd", "gcd", "1"),
        ("unexplained", "gcd", "llguidance", "2"),
    ]


@pytest.mark.parametrize(
    ("text", "offset", "kind", "first"),
    [
        (b"[1, 2]", 3, "whitespace", b""),
        (b"[2E-1]", 1, "a number with an exponent", b"0.2"),
        (b"1.500", 4, "a number with other digits", b"1.5"),
        (b"9" * 65, 64, "a number with more than 64 digits in a row", b"9" * 64),
        (b'{"\\ud83d\\ude00": 0}', 8, "a character as `\\uXXXX`", "😀".encode()),
        (b'"\x7f"', 1, "U+007F as itself", b"\\u007f"),
    ],
)
def test_what_could_be_spelled_otherwise(agreement: Any, text: bytes, offset: int, kind: str, first: bytes) -> None:
    part = importlib.import_module("reasons").spelled(text, offset)
    assert (part.kind, part.others[0]) == (kind, first)
    assert part.start <= offset < part.end


def test_the_examples_of_reasons_are_true(agreement: Any) -> None:
    reasons = importlib.import_module("reasons")
    assert doctest.testmod(reasons).failed == 0


def test_properties_with_names_of_keywords_stay(agreement: Any) -> None:
    reasons = importlib.import_module("reasons")
    schema = {"properties": {"format": {"format": "date"}}, "enum": [{"format": 1}], "items": [{"format": "time"}]}
    assert reasons.without(schema, "format") == {
        "properties": {"format": {}}, "enum": [{"format": 1}], "items": [{}],
    }  # fmt: skip
