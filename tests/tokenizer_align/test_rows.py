"""Remembered masks: equal ones are one array, all stay within a bound, and what is held is never overwritten."""

from __future__ import annotations

import tracemalloc

import numpy as np

from grammars.compile import compile_grammar
from grammars.ir import Bytes, CharClass, Grammar, Repeat, Sequence
from tokenizer_align import kernels
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.rows import Remembered, Rows, rows_of
from tokenizer_align.vocabulary import Vocabulary

TOKENS = [*(bytes([byte]) for byte in range(256)), b"ab", b""]
VOCABULARY = Vocabulary(TOKENS, eos_token_ids=[257])
LETTER = CharClass(((97, 122),))


def constraint(word: bytes) -> Constraint:
    """The texts that begin with a word and go on with letters."""
    grammar = Grammar({"start": Sequence((Bytes(word), Repeat(LETTER)))})
    return align(compile_grammar(grammar), VOCABULARY)


def walk(of: Constraint, text: bytes) -> list[np.ndarray]:
    """The masks before each byte of a text."""
    state, rows = of.start, []
    for byte in text:
        rows.append(of.mask(state))
        state = of.advance(state, byte)
    return rows


def test_equal_rows_are_one_array() -> None:
    first, second = walk(constraint(b"xy"), b"xyab"), walk(constraint(b"zy"), b"zyab")
    assert first[3] is second[3]
    assert first[1] is second[1]
    assert first[0] is not second[0]


def test_rows_of_the_same_digest_are_kept_apart() -> None:
    rows, arena = Rows(2, 1 << 10), Remembered()
    one, two = np.array([1, 0], np.int32), np.array([0, 1], np.int32)
    first, second = rows.remember(arena, 1, one, 7), rows.remember(arena, 2, two, 7)
    assert first.tolist() == [1, 0]
    assert second.tolist() == [0, 1]
    assert rows.remember(arena, 3, one, 7) is first
    assert rows.remember(arena, 4, two, 7) is not second  # equal to one that is there, but not found: a copy of its own


def test_a_recipe_finds_its_row_while_that_lives() -> None:
    rows, arena = Rows(2, 1 << 20), Remembered()
    row = rows.remember(arena, 1, np.array([1, 0], np.int32), 7, (0, b"recipe"))
    assert rows.recall(arena, 2, (0, b"recipe")) is row is arena[2]
    assert rows.recall(arena, 3, (0, b"another")) is None
    assert rows.recall(arena, 3, (1, b"recipe")) is None  # numbers in it are of other tables
    assert 3 not in arena
    del arena[1], arena[2], row
    assert rows.recall(arena, 4, (0, b"recipe")) is None


def test_what_is_found_by_its_recipe_is_what_would_be_written() -> None:
    noted = rows_of(VOCABULARY)._recipes
    for word in (b"pq", b"rq", b"qpq", b"s"):
        of = constraint(word)
        state = of.start
        for byte in word + b"xyz":
            arena, number, written = state._arena, state._number, np.empty(of.words, np.int32)
            mask = of.mask(state)
            arena.call(kernels.recipe, number, kernels.NO_BUDGET)
            kernels.write(arena.context, written)
            assert np.array_equal(mask, written)
            length = int(arena.context[kernels.RECIPE_LENGTH])
            found = noted[arena.leaves.number, arena.arrays[kernels.RECIPE][:length].tobytes()]
            assert found() is mask
            state = of.advance(state, byte)


def test_recipes_stay_within_their_bound() -> None:
    rows, arena = Rows(2, 1 << 16), Remembered()
    for number in range(1000):
        row = np.array([number, 0], np.int32)
        rows.remember(arena, number, row, number, (0, row.tobytes()))
        assert rows.recall(arena, number, (0, row.tobytes())) is arena[number]
    assert len(rows._recipes) <= (1 << 13) // 250


def test_digests_tell_rows_apart() -> None:
    rows = {(1 << bit, place) for bit in range(32) for place in range(40)}
    digests = set()
    for value, place in rows:
        row = np.zeros(40, np.uint32)
        row[place] = value
        digests.add(kernels.digest(row.view(np.int32)))
    assert len(digests) == len(rows)


def test_memory_stays_within_its_bound_over_a_long_run() -> None:
    words = [b"%c%c%c" % (97 + i % 26, 97 + i // 26 % 26, 97 + i // 7 % 26) for i in range(200)]
    rows = rows_of(VOCABULARY)
    before, rows.most = rows.most, 16
    try:
        kept = [(of := constraint(word), walk(of, word + b"ab")) for word in words]
        assert len(rows) > 16  # these are held here
        copies = [[row.copy() for row in held] for _, held in kept]
        again = [walk(of, word + b"ab") for (of, _), word in zip(kept, words, strict=True)]
        for copied, (_, held), new in zip(copies, kept, again, strict=True):
            assert all(map(np.array_equal, copied, held))
            assert all(map(np.array_equal, copied, new))
        del kept, held, again, new
        for word in words[:40]:
            walk(constraint(word), word)
        assert len(rows) <= 16
    finally:
        rows.most = before


def test_arenas_that_are_gone_leave_nothing() -> None:
    """However far the bound is: as in a server that is asked for a grammar of its own each time."""
    rows, row = Rows(2, 1 << 30), np.array([1, 0], np.int32)

    def come_and_go(arenas: int) -> int:
        for _ in range(arenas):
            arena = Remembered()
            for number in range(4):
                rows.remember(arena, number, row, number)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = come_and_go(2000)
        assert come_and_go(10_000) - before < 1 << 20
    finally:
        tracemalloc.stop()
    assert len(rows) <= 4
