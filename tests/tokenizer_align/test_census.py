"""Every number of a census, counted by hand, and UTF-8 by trying all texts."""

from __future__ import annotations

from itertools import product

from tokenizer_align.census import Census, census
from tokenizer_align.census import _occurs_in_text as occurs_in_text
from tokenizer_align.vocabulary import Vocabulary


def test_a_vocabulary_is_counted() -> None:
    tokens = [b"a", b"ab", b"a", b"\xc3", b"", b"\xffx", "é".encode(), b"", b"<tool>"]
    vocabulary = Vocabulary(
        tokens, eos_token_ids=[4], special_tokens={"<eos>": 4, "<tool>": 8}, bos_token_id=4, size=11
    )
    assert census(vocabulary) == Census(
        size=11,
        spelling=6,
        special={"<eos>": 4, "<tool>": 8},
        eos=(4,),
        bos=4,
        unused=3,
        duplicates=((b"a", (0, 2)),),
        inside_characters=2,
        never_text=1,
        missing_bytes=tuple(byte for byte in range(256) if byte not in (0x61, 0xC3)),
        absent_bytes=tuple(byte for byte in range(256) if byte not in b"abx\xc3\xa9\xff"),
        lengths={1: 3, 2: 3},
        longest=((b"ab", 1), ("é".encode(), 6), (b"\xffx", 5), (b"a", 0), (b"\xc3", 3)),
        trie_nodes=6,
    )


def test_bytes_that_occur_in_text() -> None:
    """Against all pairs of characters that show every kind of byte."""
    points = (
        0x00,
        0x61,
        0x7F,
        0x80,
        0x7FF,
        0x800,
        0xFFF,
        0x1000,
        0xD7FF,
        0xE000,
        0xFFFF,
        0x10000,
        0x3FFFF,
        0x40000,
        0x10FFFF,
    )
    texts = ["".join(map(chr, pair)).encode() for pair in product(points, repeat=2)]
    inside = {text[i:j] for text in texts for i in range(len(text)) for j in range(i + 1, len(text) + 1)}
    assert [data for data in inside if not occurs_in_text(data)] == []
    never = [b"\xff", b"\xc0", b"\xc1\x80", b"\xf5", b"\xc3a", b"\xe0\x80", b"\xed\xa0", b"\xf0\x8f", b"\xf4\x90",
             b"\x80" * 4, b"\xc3\xc3", b"a\xe1\x80b"]  # fmt: skip
    assert [data for data in never if occurs_in_text(data)] == []
