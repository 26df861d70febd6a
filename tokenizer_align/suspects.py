"""Suspects: the tokens of a vocabulary that may end one item of an array and begin another one.

Place in the walk: Vocabulary -> **Suspects** -> `tokenizer_align.branches`, which looks at each of them where items
must differ. All others only go on with the item that is begun, or end it.
"""

from __future__ import annotations

import weakref
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grammars.history import OPEN, WHITESPACE
from tokenizer_align.states import Bitmask
from tokenizer_align.vocabulary import Vocabulary

__all__ = ["Suspects", "among", "bitmask_of", "members_of", "suspects_of"]


class Suspects(NamedTuple):
    """Tokens, by number, that may hold the end of an item, or of an entry, and something of the next one."""

    opening: NDArray[np.int32]
    """A bracket and, behind it, a comma."""
    several: NDArray[np.int32]
    """A comma."""
    after_string: NDArray[np.int32]
    """A comma behind a quote."""
    single_or_bracket: NDArray[np.int32]
    """One byte, or a bracket."""
    spaces: NDArray[np.int32]
    """Whitespace and nothing else."""
    is_space: NDArray[np.bool_]
    """The same, bool (tokens,)."""
    behind_space: dict[int, list[int]]
    """The nodes of the trie to which that byte leads from its root, and from where whitespace leads."""
    plain: Bitmask
    """All but special tokens, as a bitmask."""


(_COMMA,) = b","

_OF: weakref.WeakKeyDictionary[Vocabulary, Suspects] = weakref.WeakKeyDictionary()


def suspects_of(vocabulary: Vocabulary) -> Suspects:
    """The suspects of a vocabulary, found once."""
    found = _OF.get(vocabulary)
    if found is None:
        starts, data = vocabulary.spellings
        lengths = np.diff(starts)
        is_plain = lengths > 0
        is_plain[[*vocabulary.eos_token_ids, *vocabulary.special_tokens.values()]] = False
        spaces_before = np.concatenate(([0], np.cumsum(np.isin(data, [*WHITESPACE]))))[starts]
        is_space = is_plain & (np.diff(spaces_before) == lengths)

        def holding(byte: int) -> NDArray[np.bool_]:
            holds = np.zeros(len(lengths), bool)
            holds[np.searchsorted(starts, np.flatnonzero(data == byte), side="right") - 1] = True
            return holds & is_plain

        several, brackets = _numbers(holding(_COMMA)), holding(OPEN)
        texts = [vocabulary.tokens[token] for token in several.tolist()]
        found = _OF[vocabulary] = Suspects(
            opening=several[[b"," in text.partition(b"[")[2] for text in texts]],
            several=several,
            after_string=several[[b"," in text.partition(b'"')[2] for text in texts]],
            single_or_bracket=_numbers(is_plain & ((lengths == 1) | brackets)),
            spaces=_numbers(is_space),
            is_space=is_space,
            behind_space=_behind_space(vocabulary),
            plain=bitmask_of(_numbers(is_plain), (len(lengths) + 31) // 32),
        )
    return found


def _behind_space(vocabulary: Vocabulary) -> dict[int, list[int]]:
    children, found, pending = vocabulary.trie.children, dict[int, list[int]](), [-1]
    while pending:
        node = pending.pop()
        for child in range(*children.start[node + 1 : node + 3].tolist()):
            byte, behind = int(children.byte[child]), int(children.node[child])
            if byte in WHITESPACE:
                pending.append(behind)
            else:
                found.setdefault(byte, []).append(behind)
    return found


def _numbers(bits: ArrayLike) -> NDArray[np.int32]:
    return np.flatnonzero(bits).astype(np.int32)


def bitmask_of(tokens: ArrayLike, words: int) -> Bitmask:
    numbers, row = np.array(tokens, np.uint32), np.zeros(words, np.uint32)
    np.bitwise_or.at(row, numbers >> 5, np.uint32(1) << (numbers & 31))
    return row.view(np.int32)


def members_of(row: Bitmask) -> list[int]:
    """The tokens, or the bytes, of a bitmask."""
    found: list[int] = np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little")).tolist()
    return found


def among(row: Bitmask, tokens: NDArray[np.int32]) -> list[int]:
    """Those of some tokens that are in a bitmask."""
    found: list[int] = tokens[(row[tokens >> 5] >> (tokens & 31) & 1).astype(bool)].tolist()
    return found
