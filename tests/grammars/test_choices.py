"""Choices: exactly the given strings; everything that is no list of strings is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from naive import Language

from grammars.errors import InvalidGrammar
from grammars.frontends.choices import parse_choices
from grammars.ir import Bytes, Choice, Texts


@pytest.mark.parametrize(
    ("choices", "refused"),
    [
        (["red", "green"], ["", "re", "redgreen", "Red"]),
        (["a", "ab", ""], ["b", "aba"]),
        ([""], ["a"]),
        (["é", "\U0001f600", "\n\0"], ["e", "\n"]),
        (("x",), ["y"]),
    ],
)
def test_exactly_the_given_strings(choices: list[str], refused: list[str]) -> None:
    language = Language(parse_choices(choices))
    assert [text for text in [*choices, *refused] if language.accepts(text.encode())] == list(choices)


def test_duplicates_count_once() -> None:
    assert parse_choices(["b", "a", "b"]).rules == {"start": Choice((Bytes(b"b"), Bytes(b"a")))}


def test_many_choices_do_not_nest() -> None:
    (start,) = parse_choices([f"choice {i}" for i in range(100_000)]).rules.values()
    assert isinstance(start, Texts)
    assert len(start.items) == 100_000


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([], 'choices is empty, so no text can be chosen\nwrite choices=["yes", "no"]'),
        (
            "red",
            "choices is one string, 'red', not a list of strings\n"
            "write choices=['red'], or choices=list(...) to choose among its characters",
        ),
        (
            {"a": 1},
            "choices is a dict, not a list of strings\n"
            'write choices=["yes", "no"]; list(...) makes a list of any iterable',
        ),
        (
            None,
            "choices is a NoneType, not a list of strings\n"
            'write choices=["yes", "no"]; list(...) makes a list of any iterable',
        ),
        (
            ["a", 1],
            "choices[1] is 1, a int, not a string\n"
            "choices are texts: use str(...) for each, or schema={'enum': [...]} for JSON values",
        ),
        (
            ["a", "b\ud800"],
            "choices[1] has a lone surrogate, U+D800, which has no UTF-8 encoding\n"
            "read the text with the encoding that it was written in",
        ),
    ],
)
def test_what_is_no_list_of_strings_is_refused(choices: Any, message: str) -> None:
    with pytest.raises(InvalidGrammar) as caught:
        parse_choices(choices)
    assert str(caught.value) == message
