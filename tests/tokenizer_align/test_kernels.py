"""The kernels against the plain machine, and their life in small, growing and crowded arenas."""

from __future__ import annotations

import random

import numpy as np
import pytest

from grammars.compile import compile_grammar
from grammars.errors import LimitExceeded
from grammars.ir import ANY_CHAR, Bytes, Choice, Grammar, JsonString, Length, Node, Ref, Repeat, Sequence
from tokenizer_align import kernels
from tokenizer_align.arena import Configurations
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.kernels import DEAD
from tokenizer_align.leaves import leaves_of
from tokenizer_align.vocabulary import Vocabulary

START = Ref("start")
GRAMMARS: dict[str, dict[str, Node]] = {
    "nested lists": {
        "start": Choice(
            (Sequence((Bytes(b"["), START, Repeat(Sequence((Bytes(b","), START))), Bytes(b"]"))), Bytes(b"1"))
        )
    },
    "ambiguous sums": {"start": Choice((Sequence((START, Bytes(b"+"), START)), Bytes(b"1")))},
    "ambiguous words": {"start": Choice((Sequence((START, START)), Bytes(b"1"), Bytes(b"[")))},
    "counted lists": {
        "start": Sequence((Bytes(b"["), Repeat(Choice((Bytes(b"1"), Bytes(b"1,"))), 40, 60), Bytes(b"]")))
    },
    "windows": {"start": Repeat(JsonString(Length(Repeat(ANY_CHAR), 2, 40)))},
}


def vocabulary() -> Vocabulary:
    singles = [bytes([byte]) for byte in range(256)]
    return Vocabulary([*singles, b"[1", b"1]", b"]]", b",1", b"1+1", b'""', b"111", b""], eos_token_ids=[263])


def aligned(name: str) -> Constraint:
    return align(compile_grammar(Grammar(GRAMMARS[name])), vocabulary())


def configurations(constraint: Constraint, **sizes: int) -> Configurations:
    return Configurations(constraint.automaton, leaves_of(constraint.vocabulary), **sizes)


@pytest.mark.parametrize("name", GRAMMARS)
def test_steps_equal_the_plain_machine(name: str) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    constraint = aligned(name)
    plain = constraint.automaton.recogniser
    for _ in range(5):
        arena = configurations(constraint, first=256)
        fast, slow = arena.start, plain.start
        for _ in range(60):
            allowed = [symbol for low, high in plain.allowed(slow) for symbol in range(low, high + 1)]
            assert allowed == [s for s in range(256) if arena.step(fast, s) != DEAD] == arena.symbols(fast)
            assert arena.accepting(fast) == slow.accepting
            assert {(s, c) for s, c, _ in arena.items(fast).tolist()} == {(s, c) for s, c, _ in slow.items}
            if not allowed:
                break
            symbol = rng.choice(allowed)
            fast, slow = arena.step(fast, symbol), plain.step(slow, symbol)


def test_each_kernel_is_compiled_for_one_signature() -> None:
    for name in GRAMMARS:
        constraint = aligned(name)
        constraint.mask(constraint.start, budget=100)
    compiled = {name: f for name, f in vars(kernels).items() if hasattr(f, "signatures")}
    assert {name: len(f.signatures) for name, f in compiled.items() if len(f.signatures) > 1} == {}


@pytest.mark.parametrize(("name", "text"), [("ambiguous sums", b"1+" * 1000), ("ambiguous words", b"1" * 2000)])
def test_ambiguity_keeps_a_flat_cost_over_a_long_text(name: str, text: bytes) -> None:
    constraint = aligned(name)
    arena = configurations(constraint)
    at = arena.start
    words = []
    for byte in text:
        at = arena.step(at, byte)
        words.append(arena.words)
    growth = np.diff(words)
    assert growth[1000:].max() <= growth[10:100].max()


def test_memory_meets_its_limit() -> None:
    constraint = aligned("nested lists")
    arena = configurations(constraint, first=256, limit=1 << 12)

    def deep() -> None:
        at = arena.start
        for _ in range(4000):
            at = arena.step(at, ord("["))

    with pytest.raises(LimitExceeded, match="need more than 0 MiB"):
        deep()


def test_a_grammar_with_too_many_readings_meets_a_limit() -> None:
    many: dict[str, Node] = {f"r{i}": Sequence((Bytes(b"x"), Ref(f"r{i}"), Bytes(b"%d" % i))) for i in range(5000)}
    for i in range(5000):
        many[f"r{i}"] = Choice((many[f"r{i}"], Bytes(b"%d" % i)))
    many["start"] = Choice(tuple(Ref(f"r{i}") for i in range(5000)))
    with pytest.raises(LimitExceeded, match="more than 4096 ways to read this text"):
        align(compile_grammar(Grammar(many)), vocabulary())


def test_a_repeat_of_what_no_token_can_write_is_dropped() -> None:
    many = Sequence((Repeat(Ref("x"), 40, 50), Bytes(b"c")))
    rules: dict[str, Node] = {"start": Choice((many, Bytes(b"a"))), "x": Bytes(b"b")}
    constraint = align(compile_grammar(Grammar(rules)), Vocabulary([b"a", b"c", b""], eos_token_ids=[2]))
    assert constraint.mask(constraint.start).tolist() == [1]


def test_a_crowded_memo_of_unions_grows() -> None:
    constraint = aligned("ambiguous words")
    plain = constraint.automaton.recogniser
    small = configurations(constraint, unions=1)
    fast, slow = small.start, plain.start
    for byte in b"1" * 60:
        fast, slow = small.step(fast, byte), plain.step(slow, byte)
        assert small.accepting(fast) == slow.accepting
        assert {(s, c) for s, c, _ in small.items(fast).tolist()} == {(s, c) for s, c, _ in slow.items}
    assert len(small.arrays[kernels.UNIONS]) > 1


def test_a_recipe_that_finds_no_room_is_listed_again() -> None:
    texts = [bytes([first, second]) for first in b"abcdefgh" for second in b"ijklmnop"]
    grammar = Grammar({"start": Choice((*map(Bytes, texts), Sequence((Bytes(b"?"), START))))})
    singles = [bytes([byte]) for byte in range(256)]
    of = align(compile_grammar(grammar), Vocabulary([*singles, *texts, b""], eos_token_ids=[320]))
    small, row = configurations(of, first=256), np.empty(of.words, np.int32)
    assert len(small.arrays[kernels.RECIPE]) < len(texts)
    for most in (kernels.NO_BUDGET, kernels.NO_BUDGET - 1):
        small.call(kernels.recipe, small.start, most)
        kernels.write(small.context, row)
        assert np.array_equal(row, of.mask(of.start))


def test_an_arena_does_not_see_rules_beyond_its_tables() -> None:
    """Two arenas over one automaton: one makes it grow, the other enters the rules that are written by then."""
    rules: dict[str, Node] = {
        f"r{i}": Sequence((Bytes(b"%03d" % i * 20), Choice((Ref(f"r{i + 1}"), Bytes(b"."))))) for i in range(300)
    }
    automaton = compile_grammar(Grammar({**rules, "r300": Bytes(b"!")}, "r0"))
    leaves = leaves_of(vocabulary())
    first, second = Configurations(automaton, leaves), Configurations(automaton, leaves)
    ends = []
    for arena in (first, second):
        at = arena.start
        for byte in b"".join(b"%03d" % i * 20 for i in range(300)):
            at = arena.step(at, byte)
        ends.append([(at, symbol) for symbol in arena.symbols(at)])
    assert ends[0] == ends[1]
    assert [symbol for _, symbol in ends[0]] == [ord("!"), ord(".")]
