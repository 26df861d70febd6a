"""What may follow, in characters and in words."""

from __future__ import annotations

import pytest

from grammars.compile import compile_grammar
from grammars.frontends.regex import parse_regex
from grammars.ir import ByteClass, Bytes, CharClass, Grammar, JsonString, Node, Numerals, SpecialToken, Texts
from grammars.reading import bracketed, following_characters, label, list_of, show_ranges


@pytest.mark.parametrize(
    ("pattern", "text", "followed"),
    [
        ("[a-z]", "", ((97, 122),)),
        ("[^b]|bc", "", ((0, 0x10FFFF),)),
        ("[é-\u2028\U00010001-\U0001f600]+", "é", ((0xE9, 0x2028), (0x10001, 0x1F600))),
        ("\ud7ff|\ue000", "", ((0xD7FF, 0xE000),)),
        ("a", "a", ()),
    ],
)
def test_characters_that_may_follow(pattern: str, text: str, followed: tuple[tuple[int, int], ...]) -> None:
    machine = compile_grammar(Grammar({"start": parse_regex(pattern)})).recogniser
    at = machine.start
    for byte in text.encode():
        at = machine.step(at, byte)
    assert following_characters(machine, at) == followed
    for code in (0, 0x61, 0x62, 0xE8, 0xE9, 0x2028, 0x2029, 0xD7FF, 0xE000, 0x10000, 0x10001, 0x1F601, 0x10FFFF):
        after = at
        for byte in chr(code).encode():
            after = machine.step(after, byte)
        assert bool(after.items or after.accepting) == any(low <= code <= high for low, high in followed)


@pytest.mark.parametrize("node", [Bytes(b"\xc3"), ByteClass(((0x61, 0xFF),)), Bytes("é".encode()[1:])])
def test_bytes_that_are_no_characters(node: Node) -> None:
    machine = compile_grammar(Grammar({"start": node})).recogniser
    followed = following_characters(machine, machine.start)
    assert followed is None or followed == ()


@pytest.mark.parametrize(
    ("node", "progress", "words"),
    [
        (Bytes(b"true"), None, '"true"'),
        (Bytes(b'"a"'), 1, """'a"' of '"a"'"""),
        (Bytes(b"\n"), None, r"'\n'"),
        (Bytes(b"\xff"), None, "bytes ff"),
        (CharClass(((48, 57),)), None, "[0-9]"),
        (CharClass(((0, 0xD7FF), (0xE000, 0x10FFFF))), (0, 0), "the rest of a character"),
        (CharClass(((0, 0xD7FF), (0xE000, 0x10FFFF))), None, "any character"),
        (JsonString(Bytes(b"a")), (1, 0), "the rest of a JSON string"),
        (Texts((b"a", b"b")), None, "one of 2 texts"),
        (Numerals((Bytes(b"1"),)), None, "a number"),
        (SpecialToken("<tool>"), None, "<tool>"),
    ],
)
def test_parts_in_words(node: Node, progress: object, words: str) -> None:
    assert label(node, progress) == words


def test_lists_and_ranges() -> None:
    assert [list_of([]), list_of(["a"]), list_of("ab"), list_of("abcd", most=2)] == [
        "",
        "a",
        "a or b",
        "a, b or 2 more",
    ]
    assert show_ranges([(32, 32), (48, 57), (0x80, 0x10FFFF)]) == "space, '0'-'9' or U+0080-U+10FFFF"
    assert bracketed(((0, 33), (35, 91), (94, 0xD7FF), (0xE000, 0x10FFFF))) == r'[^"\\\]]'
    assert bracketed(tuple((n, n) for n in range(0x4E00, 0x4E80, 2))).endswith("...]")
