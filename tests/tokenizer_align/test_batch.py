"""Batches of states of several constraints: shapes, errors, threads, processes. That the masks are right is a law."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from grammars.compile import compile_grammar
from grammars.frontends.regex import parse_regex
from grammars.ir import Grammar, text
from tokenizer_align import batch
from tokenizer_align.batch import fill_bitmask
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.vocabulary import Vocabulary

SMALL = Vocabulary([b"a", b"b", b""], eos_token_ids=[2])
LARGE = Vocabulary([b"a", b"b", *(b"a%d" % i for i in range(60)), b""], eos_token_ids=[62])


def constraint(word: str, vocabulary: Vocabulary = SMALL) -> Constraint:
    return align(compile_grammar(Grammar({"start": text(word)})), vocabulary)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are handed over without waiting how long they take."""
    monkeypatch.setattr(batch, "_ALONE", 0.0)


def test_states_and_matchers_of_two_grammars() -> None:
    first, second = constraint("ab"), constraint("b")
    matcher = first.matcher()
    assert matcher.accept_token(0)
    out = np.full((5, 1), -1, np.int32)
    fill_bitmask([first.matcher(), second.start, matcher, second.start], out)
    assert out.tolist() == [[1], [2], [2], [2], [-1]]


def test_vocabularies_of_different_width_in_a_wider_array() -> None:
    states = [constraint("a").start, constraint("b", LARGE).start]
    for width in (2, 3):
        out = np.full((2, width), -1, np.int32)
        fill_bitmask(states, out)
        assert out.tolist() == [[1, 0, 0][:width], [2, 0, 0][:width]]
    with pytest.raises(ValueError, match=r"must be int32 of at least \(2, 2\), not int32 \(2, 1\)"):
        fill_bitmask(states, np.zeros((2, 1), np.int32))


def test_columns_and_every_other_row_of_a_larger_array() -> None:
    states = [constraint("a").start, constraint("b").start]
    large = np.full((4, 3), -1, np.int32)
    fill_bitmask(states, large[::2, :2])
    assert large.tolist() == [[1, 0, -1], [-1, -1, -1], [2, 0, -1], [-1, -1, -1]]


def test_rows_that_budgets_narrow_are_remembered_side_by_side() -> None:
    """Asked again and again, in any order, they are those of a constraint that has made no other."""
    words = "|".join(chr(97 + i) + "x" * i for i in range(9))  # of one token, of two, ...
    grammar = Grammar({"start": parse_regex(f"({words}){{3}}")})
    letters = Vocabulary([*(bytes([97 + i]) for i in range(9)), b"x", b""], eos_token_ids=[10])
    rows = align(compile_grammar(grammar), letters)
    rng, asked = random.Random(0), set()
    for _ in range(40):
        begun, most = rng.randrange(3), rng.randrange(1, 9)
        fresh = align(compile_grammar(grammar), letters)
        states = [each.start for each in (rows, fresh)]
        for _ in range(begun):
            states = [each.advance(state, 0) for each, state in zip((rows, fresh), states, strict=True)]
        budget = 2 - begun + most + 1  # two more words, the longest that is allowed now, and the end
        found = rows.mask(states[0], budget)
        assert found.tolist() == fresh.mask(states[1], budget).tolist() == [(1 << most) - 1]
        assert rows.mask(states[0], budget) is found
        asked.add((begun, most))
    assert len(rows.start._arena.within) == 8 < len(asked)  # some were forgotten between


def test_an_empty_batch_writes_nothing() -> None:
    out = np.full((1, 1), -1, np.int32)
    fill_bitmask([], out)
    assert out.tolist() == [[-1]]


def test_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    out = torch.full((3, 2), -1, dtype=torch.int32)
    fill_bitmask([constraint("a").start, constraint("b").matcher()], out)
    assert out.tolist() == [[1, 0], [2, 0], [-1, -1]]


def test_arguments_are_checked() -> None:
    state = constraint("a").start
    with pytest.raises(ValueError, match="1 budgets were given for 2 states"):
        fill_bitmask([state, state], np.zeros((2, 1), np.int32), budgets=[3])
    with pytest.raises(ValueError, match="threads must be at least 1, not 0"):
        fill_bitmask([state], np.zeros((1, 1), np.int32), threads=0)


def test_a_read_only_array_is_refused() -> None:
    out = np.zeros((2, 1), np.int32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        fill_bitmask([constraint("a").start, constraint("b").start], out)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_is_raised_when_all_others_are_written(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    constraints = [constraint(word) for word in ("a", "b", "ab", "ba")]
    states = [one.start for one in constraints]

    def failing(number: int, budget: int | None) -> Any:
        raise MemoryError("no room")

    for one in (states[1], states[2]):
        monkeypatch.setattr(one._arena, "mask", failing)
    out = np.full((4, 1), -1, np.int32)
    with pytest.raises(MemoryError, match="no room"):
        fill_bitmask(states, out, threads=threads)
    assert out.tolist() == [[1], [0], [0], [2]]


@pytest.mark.usefixtures("at_once")
def test_an_interrupted_batch_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = constraint("a").start, constraint("b").start

    def interrupt(number: int, budget: int | None) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(first._arena, "mask", interrupt)
    out = np.full((2, 1), -1, np.int32)
    with pytest.raises(KeyboardInterrupt):
        fill_bitmask([first, second], out, threads=1)
    monkeypatch.undo()
    fill_bitmask([first, second], out, threads=2)
    assert out.tolist() == [[1], [2]]


@pytest.mark.usefixtures("at_once")
def test_one_thread_has_no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_begin", lambda *_: pytest.fail("handed over"))
    words = [constraint(word).start for word in ("a", "b", "ab")]
    masks = [c.mask(c.start).tolist() for c in map(constraint, ("a", "b", "ab"))]
    out = np.zeros((3, 1), np.int32)
    fill_bitmask(words, out, threads=1)
    assert out.tolist() == masks
    fill_bitmask(words, out, threads=2)  # all are there
    assert out.tolist() == masks
    fill_bitmask([constraint("a").start] * 3, out, threads=2)  # of one arena
    assert out.tolist() == masks[:1] * 3


@pytest.mark.usefixtures("at_once")
def test_without_more_threads_the_caller_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended:
        def submit(self, *_: object) -> None:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(batch, "_pool", Ended())
    out = np.zeros((2, 1), np.int32)
    fill_bitmask([constraint("a").start, constraint("b").start], out, threads=2)
    assert out.tolist() == [[1], [2]]


FORK = """
import os, sys, threading
import numpy as np
from grammars.compile import compile_grammar
from grammars.frontends.regex import parse_regex
from grammars.ir import Grammar, text
from tokenizer_align import batch
from tokenizer_align.constraint import align
from tokenizer_align.vocabulary import Vocabulary

vocabulary = Vocabulary([b"a", b"b", b""], eos_token_ids=[2])
constraints = [align(compile_grammar(Grammar({"start": text(word)})), vocabulary) for word in ("a", "b", "ab")]
batch._ALONE = 0.0

def filled():
    out = np.full((3, 1), -1, np.int32)
    batch.fill_bitmask([constraint.start for constraint in constraints], out, threads=3)
    return out.tolist()

filled()
assert batch._pool is not None
batch._LOCK.acquire()  # as another thread may
batch._pool._shutdown_lock.acquire()
child = os.fork()
if child == 0:
    assert batch._pool is None
    right = filled() == [[1], [2], [1]] and batch._pool is not None and batch._pool.submit(int).result() == 0
    os._exit(7 if right else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_has_a_pool_of_its_own() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 7, done.stderr
