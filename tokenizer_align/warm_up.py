"""warm_up: compiles every kernel on a tiny grammar, so that the first user does not wait for it.

Place in the walk: beside it. Importing never compiles; `gcd warm-up`, servers and benchmarks call this and say so.
Machine code is kept on disk (`tokenizer_align.jit`), so that all but the first call after an installation are short.

numba compiles in Python, on one core. Where nothing is on disk yet, a second process shares the work: each compiles
what the other needs later, and finds the other's kernels on disk by then, or waits for them.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from grammars.automaton import ByteAutomaton
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["warm_up"]


_FORMATS = ("date-time", "date", "time", "email", "uri", "uuid", "hostname", "ipv4", "ipv6")
"""Those that schemas have most; to read them and what comes with the package for them takes 60 ms."""

_FIRST = (
    ("_push", "_known_union", "_signed", "_edge", "_decided", "_counted", "_forget", "_sort", "_set", "_leaf_state",
     "_find_vetoes", "_add_row", "_list", "_following", "_has_waiting", "known_step", "_remember_step"),
    "_record_cost", ("_intern", "_entered", "settle_bytes", "settle_tokens"),
    "_unite", ("_plain_step", "_behind_quote", "opened", "_new_step", "_step", "_walk", "recipe", "write"),
)  # fmt: skip
_SECOND = (("_record_cost",), "_intern", ("_union", "_reach", "_return", "_unite"))
"""What each of two processes compiles, and in between for which kernel of the other one it waits."""

_SECOND_LAST = ("_step", ("advance", "settle_records", "intern_record", "waiting"))
"""Likewise, after the kernels that make tables."""

_PATIENCE = 30.0
"""Seconds that a process waits for a kernel before it compiles it itself."""


def warm_up() -> None:
    """Compile all kernels for the argument types that they are used with, and cache them.

    Also imports what patterns and formats need, and reads the formats that schemas have most.
    """
    from grammars.fragments import facts_of_leaf
    from grammars.frontends.json_schema.formats import FORMATS
    from grammars.ir import JsonString

    for name in _FORMATS:
        facts_of_leaf(JsonString(FORMATS[name]))
    automaton, vocabulary = _example()
    if _is_cold():
        second = _second_process()
        from tokenizer_align.leaves import leaves_of

        with _no_collections():
            leaves_of(vocabulary)
            _compile_in_turn(_FIRST, lambda: second is not None and second.poll() is None)
            if second is not None:
                second.wait()
    _use_machine(automaton, vocabulary, budget=None)  # what the second process may have left undone is compiled here
    _use_tables(automaton, vocabulary)
    _use_machine(automaton, vocabulary, budget=300)
    _use_branches(vocabulary)


def _second_half() -> None:
    """What the second process does."""
    parent = os.getppid()
    with _no_collections():
        _compile_in_turn(_SECOND, lambda: os.getppid() == parent)
        _use_tables(*_example())
        _compile_in_turn(_SECOND_LAST, lambda: os.getppid() == parent)


@contextmanager
def _no_collections() -> Iterator[None]:
    """No garbage collection: visiting numba's trees, which live to the end, takes a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _is_cold() -> bool:
    """Whether a small kernel had to be compiled although there is a place on disk for machine code."""
    from tokenizer_align import kernels

    kernels.set_tokens(np.zeros(1, np.int32), np.zeros(1, np.int32), 1)
    stats = getattr(kernels.set_tokens, "stats", None)  # without JIT it is a plain function
    return stats is not None and stats.cache_path is not None and bool(stats.cache_misses)


def _second_process() -> subprocess.Popen[bytes] | None:
    code = "from tokenizer_align import warm_up; warm_up._second_half()"
    quiet = subprocess.DEVNULL
    try:
        return subprocess.Popen([sys.executable, "-c", code], stdin=quiet, stdout=quiet, stderr=quiet)
    except OSError:
        return None


def _compile_in_turn(steps: tuple[str | tuple[str, ...], ...], is_other_alive: Callable[[], bool]) -> None:
    """Compiles some kernels; before the next ones waits until the other process has put a certain one on disk."""
    from tokenizer_align import kernels
    from tokenizer_align.jit import is_cached

    for step in steps:
        if isinstance(step, tuple):
            _compile(step)
            continue
        end = time.monotonic() + _PATIENCE
        while not is_cached(getattr(kernels, step)) and time.monotonic() < end and is_other_alive():
            time.sleep(0.02)


def _compile(names: tuple[str, ...]) -> None:
    """Compiles kernels for the types that their annotations name."""
    from numba import int32, int64

    from tokenizer_align import kernels

    types = {"Context": int64[::1], "int": int64, "Int32": int32[::1]}
    for name in names:
        made: Any = getattr(kernels, name)
        arguments = [text for key, text in made.py_func.__annotations__.items() if key != "return"]
        made.compile(tuple([types[text] for text in arguments]))


def _example() -> tuple[ByteAutomaton, Vocabulary]:
    """An automaton with a window, a repeat, recursion and an object, and a vocabulary."""
    from grammars.compile import compile_grammar
    from grammars.ir import Bytes, Choice, Grammar, Length, Members, Node, Ref, Repeat, Sequence, char_class
    from tokenizer_align.vocabulary import Vocabulary

    letter = char_class([(97, 122)])
    end = Bytes(b"}")
    rules: dict[str, Node] = {
        "start": Choice((Sequence((Bytes(b"("), Ref("start"), Bytes(b")"))), Ref("word"), Ref("many"), Ref("object"))),
        "object": Members(Bytes(b"{"), (b'"":',), (Ref("start"),), frozenset(), (), Bytes(b","), end, end),
        "word": Sequence((Length(Repeat(letter), 20, 90), Bytes(b"!"))),
        "many": Sequence((Repeat(Ref("start"), 2, 90), Bytes(b"."))),
    }
    vocabulary = Vocabulary([*(bytes([byte]) for byte in range(256)), b"))", b"ab", b""], eos_token_ids=[258])
    return compile_grammar(Grammar(rules)), vocabulary


def _use_machine(automaton: ByteAutomaton, vocabulary: Vocabulary, *, budget: int | None) -> None:
    from tokenizer_align.constraint import align

    constraint = align(automaton, vocabulary)
    for tokens in ((40, *12 * (257,), 33, 41), b'{"":'):
        state = constraint.start
        for token in tokens:
            constraint.mask(state, budget)
            state = constraint.advance(state, token)
    constraint.forced_text(state)


def _use_branches(vocabulary: Vocabulary) -> None:
    from grammars.compile import compile_grammar
    from grammars.ir import Bytes, Choice, Distinct, Grammar, Sequence
    from tokenizer_align.constraint import align

    item = Choice((Bytes(b"1"), Bytes(b"2")))
    array = Sequence((Bytes(b"["), item, Bytes(b","), item, Bytes(b"]")))
    constraint = align(compile_grammar(Grammar({"start": Distinct(array, needs=(9, 9))})), vocabulary)
    state = constraint.start
    for byte in b"[1,2]":
        constraint.mask(state)
        state = constraint.advance(state, byte)


def _use_tables(automaton: ByteAutomaton, vocabulary: Vocabulary) -> None:
    from grammars.tables import RULE_START
    from tokenizer_align import kernels
    from tokenizer_align.costs import settle_costs
    from tokenizer_align.leaves import leaves_of

    leaves = leaves_of(vocabulary)
    settle_costs(automaton, leaves)
    for rule in range(automaton.num_rules):
        if automaton.leaf_key(rule) is not None:
            leaf = leaves.of_state(automaton, int(automaton.tables.rules[rule, RULE_START]))
            if leaf > 0:
                leaves.make_row(leaf, 0)
    table = np.zeros(2, np.int32)
    kernels.rehash(np.zeros(8, np.int32), table, table.copy())
    steps = np.zeros((2, 3), np.int32)
    kernels.rehash_steps(steps, steps.copy())
