"""Leaf tables against the whole walk: a mask put together from rows and exits is the mask of the definition."""

from __future__ import annotations

import gc
import os
import random
import weakref

import numpy as np
import pytest

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, LimitExceeded
from grammars.frontends.regex import parse_regex
from grammars.ir import (
    ANY_CHAR,
    And,
    Bytes,
    CharClass,
    Choice,
    Grammar,
    JsonString,
    Length,
    Node,
    Not,
    Ref,
    Repeat,
    Sequence,
    char_class,
)
from tokenizer_align import kernels, leaf_kernels, leaves
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.leaves import leaves_of
from tokenizer_align.vocabulary import Vocabulary

LETTER = CharClass(((97, 122),))
STRING = JsonString(Repeat(ANY_CHAR))
LIST = Sequence((Bytes(b"["), Ref("start"), Repeat(Sequence((Bytes(b","), Ref("start")))), Bytes(b"]")))
SHORT = JsonString(Length(Repeat(ANY_CHAR), 2, 9))
LABELS = Sequence((Repeat(LETTER, 1, 3), Repeat(Sequence((Bytes(b","), Repeat(LETTER, 1, 3))))))
GRAMMARS: dict[str, dict[str, Node]] = {
    "strings in lists": {"start": Choice((LIST, STRING))},
    "string windows": {"start": Sequence((Bytes(b"["), Repeat(SHORT, 1, 3), Bytes(b"]")))},
    "windows without quotes": {"start": Sequence((Repeat(LETTER, 3, 40), Bytes(b"!"), Repeat(LETTER, 34)))},
    "string windows that end": {
        "start": Sequence((JsonString(Length(Choice((Bytes(b","), Repeat(LETTER, 1))), 0, 9)), Bytes(b"!")))
    },
    "windows with gaps": {"start": Sequence((Length(Repeat(Bytes(b"ab")), 3, 9), Bytes(b"x")))},
    "windows with gaps beyond their minimum": {"start": Sequence((Length(LABELS, 1, 12), Bytes(b"x!")))},
    "windows with gaps and no minimum": {"start": Sequence((Length(Repeat(Bytes(b"ab")), 0, 9), Bytes(b"x")))},
    "windows with a gap at their minimum": {  # after three letters either none may follow or two and more
        "start": Sequence((Length(Repeat(Choice((Bytes(b"xa"), Bytes(b"xaa")))), 4, 4), Bytes(b"!")))
    },
    "windows that end": {
        "start": Sequence((Length(Repeat(Choice((Bytes(b"a"), Bytes(b"bb"))), 0, 5), 2, 7), Bytes(b"x")))
    },
    "words and separators": {
        "start": Repeat(Sequence((Ref("word"), Choice((Bytes(b" "), Bytes(b", "))))), 1),
        "word": Repeat(LETTER, 1),
    },
}
WALKED = {"windows with gaps", "windows with a gap at their minimum"}
"""Whose windows have no table: their minimum may fall into a gap between the numbers of characters to come."""


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
    arena.call(kernels.recipe, number, kernels.NO_BUDGET - 1)
    kernels.write(arena.context, row)
    kernels.set_tokens(row, np.array(constraint.vocabulary.eos_token_ids, np.int32), 0)
    return row


def masks_equal_walks(constraint: Constraint, rng: random.Random, *, steps: int) -> None:
    """Compares masks along a random text, budgets left out."""
    (eos,) = constraint.vocabulary.eos_token_ids
    state = constraint.start
    for _ in range(steps):
        allowed = np.setdiff1d(bits(constraint.mask(state)), [eos])
        assert np.array_equal(allowed, bits(walked(constraint, state)))
        if not len(allowed):
            break
        state = constraint.advance(state, int(rng.choice(allowed)))


def tables(constraint: Constraint) -> set[int]:
    """The numbers of the leaf tables that the masks of a constraint were made from."""
    known = constraint.start._arena.arrays[kernels.LEAF_OF]
    return {int(number) for number in known if number > 0}


@pytest.mark.parametrize("name", GRAMMARS)
def test_masks_equal_the_whole_walk(name: str) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    tokens = vocabulary()
    leaves_of(tokens).patience = rng.choice([0, 4])
    constraint = align(compile_grammar(Grammar(GRAMMARS[name])), tokens)
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
            before, state = state, constraint.advance(state, rng.choice(following))
            constraint.mask(before, budget=9)
            assert constraint.min_tokens_to_end(state) <= before._arena.largest[before._number]
    if leaves_of(tokens).patience == 0:
        assert bool(tables(constraint)) is (name not in WALKED)


PIECES = [
    *rb"""a k z ab 7 x ! " \ \n \u00 e9""".split(),
    *(
        b" ",
        b"\x1f",
        b"\x7f",
        b"\xc3",
        b"\xa9",
        b"\xe2",
        b"\xe2\x80",
        b"\xa8",
        b"\xe3\x80",
        b"\x80",
        b"\xed\x9f",
        b"\xbf",
    ),
    *(b"\xed\xa0", b"\xf0\x9f", b"\x98\x80", b"\xf4\x8f", b"\xf4\x90", b"\xc0", b"\xff"),
    *map(str.encode, "é\u2028\u2029—中\ud7ff\ue000\uffff😀\U0010ffff"),
]
"""Characters of each length, escapes, and pieces of both, well-formed and not."""
CLASSES = [
    ANY_CHAR,
    char_class([(0, 0x2027), (0x202A, 0x10FFFF)]),
    char_class([(0x20, 0x77), (0x79, 0x10FFFF)]),
    char_class([(0x20, 0x7E)]),
    char_class([(0x2D, 0x2E), (0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)]),
    char_class([(0x61, 0x7A), (0xE9, 0xE9)]),
    char_class([(0x61, 0x7A), (0x3000, 0x9FFF)]),
    char_class([(0x21, 0x9F), (0xA1, 0x167F), (0x1681, 0x1FFF), (0x200B, 0x10FFFF)]),
    char_class([(0x20, 0xFFFF)]),
    char_class([(0x80, 0x10FFFF)]),
]


def random_leaf(rng: random.Random) -> Node:
    """A few repeats of classes, some with a length or without some texts, inside of quotes or not."""
    parts = [
        Repeat(rng.choice(CLASSES), low, rng.choice([None, None, low + rng.randrange(9)]))
        for low in rng.choices(range(3), k=rng.randrange(1, 4))
    ]
    node: Node = Sequence(tuple(parts))
    if rng.random() < 0.3:  # of these the lengths have gaps
        again = Repeat(Sequence((Repeat(rng.choice(CLASSES), 0, 2), Bytes(b"7z"))))
        node = Choice((node, Sequence((again, node))))
    if rng.random() < 0.3:
        node = And((node, Not(rng.choice([Bytes(b"ab"), Sequence((Bytes(b"a"), Repeat(ANY_CHAR)))]))))
    if rng.random() < 0.4:
        low = rng.randrange(4)
        node = Length(node, low, rng.choice([None, low + 5, low + 40]))
    return JsonString(node) if rng.random() < 0.7 else node


@pytest.mark.parametrize("case", range(40 if os.environ.get("NUMBA_DISABLE_JIT") != "1" else 8))
def test_subtrees_of_characters_equal_the_whole_walk(case: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    longer = {b"".join(rng.choices(PIECES, k=rng.randrange(2, 9))) for _ in range(250)}
    texts = [[bytes([byte]) for byte in range(256)], sorted({*PIECES, *longer}), [b""]]
    tokens = [token for part in texts for token in part]
    vocabulary = Vocabulary(tokens, eos_token_ids=[len(tokens) - 1])
    leaves_of(vocabulary).patience = 0
    for _ in range(3):
        try:
            automaton = compile_grammar(Grammar({"start": Sequence((random_leaf(rng), Bytes(b"!")))}))
            automaton.build_all()
        except (EmptyLanguage, LimitExceeded):
            continue
        constraint = align(automaton, vocabulary)
        for _ in range(4):
            masks_equal_walks(constraint, rng, steps=10)


@pytest.mark.parametrize("case", range(20 if os.environ.get("NUMBA_DISABLE_JIT") != "1" else 4))
def test_windows_over_words_equal_the_whole_walk(case: int) -> None:
    """Numbers of characters to come with gaps of all kinds, minima in them and beside them."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    tokens = [b"x", b"a", b"!", *sorted({bytes(rng.choices(b"xa!", k=rng.randrange(2, 7))) for _ in range(60)}), b""]
    vocabulary = Vocabulary(tokens, eos_token_ids=[len(tokens) - 1])
    leaves_of(vocabulary).patience = 0
    for _ in range(6):
        words = [bytes(rng.choices(b"xa", k=rng.randrange(1, 6))) for _ in range(rng.randrange(1, 4))]
        inside = Sequence((Repeat(Choice(tuple(map(Bytes, words)))), Repeat(Bytes(b"a"), 0, rng.randrange(2))))
        low = rng.randrange(9)
        body = Length(inside, low, rng.choice([None, low, low + 1, low + 4]))
        try:
            automaton = compile_grammar(Grammar({"start": Sequence((body, Bytes(b"!")))}))
        except EmptyLanguage:
            continue
        constraint = align(automaton, vocabulary)
        for _ in range(4):
            masks_equal_walks(constraint, rng, steps=6)


def bits(row: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little"))


def test_tables_are_shared_by_grammars() -> None:
    tokens = vocabulary()
    first = align(compile_grammar(Grammar({"start": Sequence((Bytes(b"["), STRING))})), tokens)
    second = align(compile_grammar(Grammar({"start": Sequence((STRING, Bytes(b"]")))})), tokens)
    first.mask(first.advance(first.advance(first.start, ord("[")), ord('"')))
    second.mask(second.advance(second.start, ord('"')))
    assert tables(first) & tables(second)


def test_a_leaf_with_exits_everywhere_is_walked() -> None:
    tokens = Vocabulary(
        [*(bytes([a]) for a in range(256)), *(b"x%d" % i for i in range(20_000)), b""], eos_token_ids=[20256]
    )
    rules: dict[str, Node] = {"start": Sequence((Ref("any"), Bytes(b"\0"))), "any": Repeat(CharClass(((32, 126),)), 1)}
    constraint = align(compile_grammar(Grammar(rules)), tokens)
    assert np.array_equal(bits(constraint.mask(constraint.start)), bits(walked(constraint, constraint.start)))
    assert not tables(constraint)
    assert leaf_kernels.CLOSED & leaf_kernels.ENDS == 0


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="its states take minutes without machine code")
def test_a_leaf_of_thousands_of_states_has_tables() -> None:
    tokens = vocabulary()
    words = parse_regex(r"(\S+\s+){0,99}\S+", flavor="ecma")
    automaton = compile_grammar(Grammar({"start": Sequence((JsonString(words), Bytes(b"!")))}))
    constraint = align(automaton, tokens)
    masks_equal_walks(constraint, random.Random(3), steps=40)
    assert automaton.num_states > 4096
    assert tables(constraint)


def test_a_narrow_leaf_is_walked_before_it_gets_a_table() -> None:
    tokens = vocabulary()
    word = Repeat(CharClass(((97, 104),)), 1)
    words = {"start": Sequence((Ref("word"), Repeat(Sequence((Bytes(b","), Ref("start"), Bytes(b"!")))))), "word": word}
    constraint = align(compile_grammar(Grammar(words)), tokens)
    leaves_of(tokens).patience, state = 3, constraint.start
    counts = []
    for _ in range(6):
        state = constraint.advance(state, ord("a"))
        constraint.mask(state)
        counts.append(len(tables(constraint)))
        state = constraint.advance(state, ord(","))
    assert counts == [0, 0, 0, 1, 1, 1]


def test_arenas_of_one_vocabulary_grow_the_rows_for_one_another() -> None:
    """Rows of a shared leaf that one constraint had made were read by another beyond the end of its own array."""
    tokens = [*(bytes([byte]) for byte in range(256)), *(b"a" * n for n in range(2, 80)), b""]
    shared = Vocabulary(tokens, eos_token_ids=[len(tokens) - 1])
    window = Length(Repeat(CharClass(((34, 127),))), 0, 100)

    def after(name: bytes, count: int) -> tuple[Constraint, object]:
        of = constraints[name]
        state = of.advance(of.start, name[0])
        for _ in range(count):
            state = of.advance(state, ord("a"))
        return of, state

    constraints = {
        name: align(compile_grammar(Grammar({"start": Sequence((Bytes(name), window, Bytes(b"!")))})), shared)
        for name in (b"A", b"B")
    }
    of, state = after(b"B", 10)
    of.mask(state)  # type: ignore[arg-type]
    for count in range(10, 100):
        of, state = after(b"A", count)
        of.mask(state)  # type: ignore[arg-type]
    for count in range(11, 100):
        of, state = after(b"B", count)
        assert np.array_equal(bits(of.mask(state)), bits(walked(of, state)))  # type: ignore[arg-type]


def test_what_is_known_of_leaves_is_let_go_with_the_last_grammar_that_began_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server meets leaves that no other request has, without end; masks stay those of the definition."""
    monkeypatch.setattr(leaves, "_REMEMBERED", 400)
    # with a token of its own, since equal vocabularies share what is known, and others may be in use
    vocabulary = Vocabulary([*(bytes([i]) for i in range(256)), b"", b"let go"], eos_token_ids=[256])
    first = weakref.ref(leaves_of(vocabulary))
    for number in range(40):
        text = f"{number}!".encode()
        constraint = align(compile_grammar(Grammar({"start": Bytes(text)})), vocabulary)
        state = constraint.start
        for byte in text:
            assert np.flatnonzero(np.unpackbits(constraint.mask(state).view(np.uint8), bitorder="little")).tolist() == [
                byte
            ]
            state = constraint.advance(state, byte)
        assert leaves_of(vocabulary)._remembered <= 400 + 16 + len(text) + 1
    del constraint, state
    gc.collect()
    assert first() is None
