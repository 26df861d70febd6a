"""Census: what a vocabulary looks like to the engine, counted.

Place in the walk: beside `Vocabulary`, for people: `gcd tokens` prints it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from tokenizer_align.vocabulary import Vocabulary

__all__ = ["Census", "census"]

_LONGEST = 5


@dataclass(frozen=True, slots=True)
class Census:
    """The numbers of a vocabulary; tokens are ids, the longest and the duplicates with their bytes."""

    size: int
    spelling: int
    """Ids that spell text; the others are special, end a text, or are unused."""
    special: dict[str, int]
    eos: tuple[int, ...]
    bos: int | None
    unused: int
    """Ids that neither spell text nor have a name: padding, mostly."""
    duplicates: tuple[tuple[bytes, tuple[int, ...]], ...]
    """Bytes that several ids spell: each of them is allowed where one is."""
    inside_characters: int
    """Ids whose bytes are no whole characters of UTF-8, and may stand beside others that complete them."""
    never_text: int
    """Of these, ids whose bytes occur in no UTF-8 text."""
    missing_bytes: tuple[int, ...]
    """Byte values without a one-byte token."""
    absent_bytes: tuple[int, ...]
    """Of these, byte values that occur in no token: no text with them can be written."""
    lengths: dict[int, int]
    """Number of bytes to how many ids have so many."""
    longest: tuple[tuple[bytes, int], ...]
    trie_nodes: int


def census(vocabulary: Vocabulary) -> Census:
    """The census of a vocabulary.

    >>> found = census(Vocabulary([b"a", b"ab", b"a", b"\\xc3", b""], eos_token_ids=[4]))
    >>> found.spelling, found.duplicates, found.inside_characters, found.trie_nodes
    (4, ((b'a', (0, 2)),), 1, 3)
    """
    ids: dict[bytes, list[int]] = defaultdict(list)
    for i, token in enumerate(vocabulary.tokens):
        if token:
            ids[token].append(i)
    named = {*vocabulary.special_tokens.values(), *vocabulary.eos_token_ids}
    spelling = sum(map(len, ids.values()))
    partial = [token for token in ids if not _is_utf8(token)]
    occurring = set(b"".join(ids))
    longest = sorted(ids, key=lambda token: (-len(token), token))[:_LONGEST]
    missing = vocabulary.missing_bytes
    return Census(
        size=vocabulary.size,
        spelling=spelling,
        special=dict(vocabulary.special_tokens),
        eos=vocabulary.eos_token_ids,
        bos=vocabulary.bos_token_id,
        unused=vocabulary.size - spelling - len(named),
        duplicates=tuple((token, tuple(found)) for token, found in ids.items() if len(found) > 1),
        inside_characters=sum(len(ids[token]) for token in partial),
        never_text=sum(len(ids[token]) for token in partial if not _occurs_in_text(token)),
        missing_bytes=tuple(sorted(missing)),
        absent_bytes=tuple(sorted(missing - occurring)),
        lengths=dict(sorted(Counter(len(token) for token in vocabulary.tokens if token).items())),
        longest=tuple((token, ids[token][0]) for token in longest),
        trie_nodes=len(vocabulary.trie),
    )


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _occurs_in_text(data: bytes) -> bool:
    """Whether some UTF-8 text has these bytes: behind the end of a character, before the beginning of one.

    >>> _occurs_in_text(b"\\x80\\xc3"), _occurs_in_text(b"\\xc3a"), _occurs_in_text(b"\\xff")
    (True, False, False)
    """
    tails = next((n for n, byte in enumerate(data) if not 0x80 <= byte < 0xC0), len(data))
    if tails > 3:
        return False
    heads = [
        b"",
        b"\xc3",
        b"\xe1",
        b"\xe1\x80",
        b"\xf1",
        b"\xf1\x80",
        b"\xf1\x80\x80",
        b"\xe0",
        b"\xed",
        b"\xf0",
        b"\xf4",
    ]
    return any(
        _is_utf8(head + data + b"\x80" * more) or _is_utf8(head + data + b"\xbf" + b"\x80" * (more - 1) * (more > 0))
        for head in heads
        for more in range(4)
    )
