"""Code-point ranges to bytes: every spelling, and nothing else."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from grammars.ir import ANY_CHAR
from grammars.utf8 import Spelling, json_spellings, utf8_spellings


def texts(spellings: list[Spelling]) -> set[bytes]:
    """All byte strings that the spellings stand for."""
    return {
        bytes(choice)
        for spelling in spellings
        for choice in itertools.product(*([b for low, high in at for b in range(low, high + 1)] for at in spelling))
    }


def covers(spellings: list[Spelling], data: bytes) -> bool:
    return any(
        len(spelling) == len(data)
        and all(any(low <= b <= high for low, high in at) for at, b in zip(spelling, data, strict=True))
        for spelling in spellings
    )


@pytest.mark.parametrize(
    ("low", "high"), [(0x00, 0x7F), (0x41, 0x5A), (0x7E, 0x82), (0x7F0, 0x810), (0xD7F0, 0xD7FF), (0xFFF0, 0x1000F)]
)
def test_utf8_spellings_are_the_encodings(low: int, high: int) -> None:
    ranges = ((low, high),)
    assert texts(list(utf8_spellings(ranges))) == {chr(code).encode() for code in range(low, high + 1)}


def test_utf8_spellings_of_all_characters_refuse_what_python_refuses() -> None:
    spellings = list(utf8_spellings(ANY_CHAR.ranges))
    for data in [
        b"\xc0\x80",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xff",
    ]:
        assert not covers(spellings, data), data
    for data in [
        b"\xc2\x80",
        b"\xe0\xa0\x80",
        b"\xed\x9f\xbf",
        b"\xee\x80\x80",
        b"\xf0\x90\x80\x80",
        b"\xf4\x8f\xbf\xbf",
    ]:
        assert covers(spellings, data), data


def spellings_of(char: str) -> set[bytes]:
    """The JSON spellings of one character, written down from RFC 8259."""
    code = ord(char)
    units = [code] if code < 0x10000 else [0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code - 0x10000 & 0x3FF)]
    hexes = [{"".join(case) for case in itertools.product(*({c, c.upper()} for c in f"{unit:04x}"))} for unit in units]
    found = {"".join(f"\\u{h}" for h in choice).encode() for choice in itertools.product(*hexes)}
    if code >= 0x20 and char not in '"\\':
        found.add(char.encode())
    short = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if char in short:
        found.add(short[char].encode())
    return found


@pytest.mark.parametrize(
    "char",
    [
        "\0",
        "\n",
        " ",
        '"',
        "/",
        "\\",
        "a",
        "\x7f",
        "é",
        "\u07ff",
        "\u2028",
        "\ud7ff",
        "\ue000",
        "\uffff",
        "😀",
        "\U0010ffff",
    ],
)
def test_json_spellings_of_one_character(char: str) -> None:
    found = texts(list(json_spellings(((ord(char), ord(char)),))))
    assert found == spellings_of(char)
    assert all(json.loads(b'"' + data + b'"') == char for data in found)


def test_json_spellings_of_ranges_are_those_of_their_characters() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for base in [0, 0x20, 0x7E, 0x7FE, 0xD7FE, 0xE000, 0xFFFE, 0x103FE, 0x10FFFD]:
        low = base + rng.randrange(3)
        high = min(low + rng.randrange(40), 0x10FFFF)
        ranges = tuple((a, b) for a, b in [(low, min(high, 0xD7FF)), (max(low, 0xE000), high)] if a <= b)
        expected = {s for a, b in ranges for code in range(a, b + 1) for s in spellings_of(chr(code))}
        assert texts(list(json_spellings(ranges))) == expected, ranges


def test_lone_surrogates_are_never_written() -> None:
    spellings = list(json_spellings(ANY_CHAR.ranges))
    for data in [rb"\ud800", rb"\udfff", rb"\uD83D\u0041", rb"\udc00\ud800"]:
        assert not covers(spellings, data), data
    assert covers(spellings, rb"\uD83d\uDe00")
