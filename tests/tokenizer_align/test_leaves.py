"""Leaf tables against the whole walk: a mask put together from rows and exits is the mask of the definition."""

from __future__ import annotations

import random

import numpy as np
import pytest

from grammars.compile import compile_grammar
from grammars.ir import ANY_CHAR, Bytes, CharClass, Choice, Grammar, JsonString, Length, Node, Ref, Repeat, Sequence
from tokenizer_align import kernels
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.kernels import NO_BUDGET
from tokenizer_align.vocabulary import Vocabulary

LETTER = CharClass(((97, 122),))
STRING = JsonString(Repeat(ANY_CHAR))
LIST = Sequence((Bytes(b"["), Ref("start"), Repeat(Sequence((Bytes(b","), Ref("start")))), Bytes(b"]")))
SHORT = JsonString(Length(Repeat(ANY_CHAR), 2, 9))
GRAMMARS: dict[str, dict[str, Node]] = {
    "strings in lists": {"start": Choice((LIST, STRING))},
    "string windows": {"start": Sequence((Bytes(b"["), Repeat(SHORT, 1, 3), Bytes(b"]")))},
    "windows without quotes": {"start": Sequence((Repeat(LETTER, 3, 40), Bytes(b"!"), Repeat(LETTER, 34)))},
    "windows with gaps": {"start": Sequence((Length(Repeat(Bytes(b"ab")), 3, 9), Bytes(b"x")))},
    "windows that end": {
        "start": Sequence((Length(Repeat(Choice((Bytes(b"a"), Bytes(b"bb"))), 0, 5), 2, 7), Bytes(b"x")))
    },
    "words and separators": {
        "start": Repeat(Sequence((Ref("word"), Choice((Bytes(b" "), Bytes(b", "))))), 1),
        "word": Repeat(LETTER, 1),
    },
}
WALKED = {"windows with gaps", "windows that end"}
"""Whose windows have no table: their lengths are not all from some number on."""


def vocabulary() -> Vocabulary:
    rng = random.Random(7)
    singles = [bytes([byte]) for byte in range(256)]
    pieces = [b'"', b",", b"[", b"]", b"a", b"ab", b"!", b"x", b" ", "é".encode(), b"\\n", b"\\u00", b"\xf0\x9f"]
    longer = {b"".join(rng.choices(pieces, k=rng.randrange(2, 7))) for _ in range(400)}
    tokens = [*singles, *sorted(longer), b""]
    return Vocabulary(tokens, eos_token_ids=[len(tokens) - 1])


def walked(constraint: Constraint, state: object) -> np.ndarray:
    """The mask by one walk over the whole trie, EOS left out."""
    row = np.zeros(constraint.words, np.int32)
    arena, number = state._arena, state._number  # type: ignore[attr-defined]
    arena.fill(constraint._trie, number, NO_BUDGET, row)
    return row


@pytest.mark.parametrize("name", GRAMMARS)
def test_masks_equal_the_whole_walk(name: str) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    constraint = align(compile_grammar(Grammar(GRAMMARS[name])), vocabulary())
    assert bool(constraint._leaves) is (name not in WALKED)
    (eos,) = constraint.vocabulary.eos_token_ids
    for _ in range(8):
        state = constraint.start
        for _ in range(25):
            mask = constraint.mask(state)
            allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
            assert np.array_equal(np.setdiff1d(allowed, [eos]), bits(walked(constraint, state)))
            following = [int(token) for token in allowed if token != eos]
            if not following:
                break
            largest = state._arena.rows[state._number][1]
            state = constraint.advance(state, rng.choice(following))
            assert constraint.min_tokens_to_end(state) <= largest


def bits(row: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little"))


def test_tables_are_shared_by_grammars() -> None:
    tokens = vocabulary()
    first = align(compile_grammar(Grammar({"start": Sequence((Bytes(b"["), STRING))})), tokens)
    second = align(compile_grammar(Grammar({"start": Sequence((STRING, Bytes(b"]")))})), tokens)
    assert {id(table) for table in first._leaves.values()} & {id(table) for table in second._leaves.values()}


def test_a_leaf_with_exits_everywhere_is_walked() -> None:
    tokens = Vocabulary(
        [*(bytes([a]) for a in range(256)), *(b"x%d" % i for i in range(20_000)), b""], eos_token_ids=[20256]
    )
    rules: dict[str, Node] = {"start": Sequence((Ref("any"), Bytes(b"\0"))), "any": Repeat(CharClass(((32, 126),)), 1)}
    constraint = align(compile_grammar(Grammar(rules)), tokens)
    (table,) = constraint._leaves.values()
    assert table.state(0) is None
    assert np.array_equal(bits(constraint.mask(constraint.start)), bits(walked(constraint, constraint.start)))
    assert kernels.CLOSED & kernels.ENDS == 0
