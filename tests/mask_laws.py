"""The laws of a Constraint, checked along random walks of one case against the naive twin.

Used by the law tests and, on engines with one planted error, by the mutants: `check_everywhere` must fail there.
"""

from __future__ import annotations

import random
import traceback
from collections import Counter
from contextlib import suppress

import numpy as np
import pytest
from derivations import Derivation, crossings
from derivatives import TooLarge
from naive import Language, Symbols, restricted
from random_grammars import Case, sample_derivations, shrunken

from grammars.compile import Limits, compile_grammar
from grammars.errors import EmptyLanguage, UnsupportedFeature
from tokenizer_align.constraint import Constraint, State, align
from tokenizer_align.errors import TokenRejected, VocabularyMismatch
from tokenizer_align.leaves import leaves_of
from tokenizer_align.vocabulary import Vocabulary

__all__ = ["bits", "build", "check_case", "check_everywhere", "report", "vocabulary_of"]

LONG = 14
"""A walk ends behind so many symbols: what breaks engines shows in short texts; in long ones the naive twin is slow."""


def bits(row: np.ndarray) -> set[int]:
    """The numbers of the set bits: `bits(np.array([5], np.int32)) == {0, 2}`."""
    return {32 * word + bit for word, value in enumerate(row.tolist()) for bit in range(32) if value >> bit & 1}


def vocabulary_of(case: Case) -> Vocabulary:
    return Vocabulary(list(case.tokens), eos_token_ids=case.eos_token_ids, special_tokens=dict(case.special_tokens))


def build(case: Case) -> Constraint:
    automaton = compile_grammar(case.grammar, limits=Limits(unrolled=case.unrolled))
    vocabulary = vocabulary_of(case)
    leaves_of(vocabulary).patience = case.seed % 2 * 4  # with 0 every leaf gets a table at once
    return align(automaton, vocabulary)


def check_case(case: Case, *, walks: int = 2, steps: int = 8) -> Counter[str]:
    """Checks random walks; returns what was met on the way, raises AssertionError where the engine is wrong."""
    language, outcome = aligned(case)
    if isinstance(outcome, str):
        return Counter([outcome])
    rng = random.Random(case.seed)
    met = Counter(["checked"])
    with suppress(TooLarge):  # for the naive twin
        for derivation in rng.sample(sample_derivations(language, case.seed), walks):
            met += Walk(case, language, outcome, rng).run(steps, derivation)
    return met


def check_everywhere(case: Case, *, texts: int) -> None:
    """Checks the states behind the first `texts` texts, shorter ones first."""
    language, constraint = aligned(case)
    assert isinstance(constraint, Constraint), constraint
    walk = Walk(case, language, constraint, random.Random(0))
    row, seen = [(walk.text, walk.state)], {walk.text}
    for walk.text, walk.state in row:
        for token in sorted(walk.check_state()):
            after = walk.text + walk.spellings[token]
            if after not in seen and len(row) < texts:
                seen.add(after)
                row.append((after, constraint.advance(walk.state, token)))
        walk.check_end()


def aligned(case: Case) -> tuple[Language, Constraint | str]:
    """The naive language of what the vocabulary can write, and the constraint, or a word why there is none."""
    language = Language(case.grammar)
    try:
        automaton = compile_grammar(case.grammar, limits=Limits(unrolled=case.unrolled))
    except EmptyLanguage:
        assert language.is_empty(), "EmptyLanguage, but there are members"
        return language, "empty"
    except UnsupportedFeature:
        return language, "refused"
    assert not language.is_empty(), "no EmptyLanguage, but there are no members"
    written = {symbol for token in case.spellings for symbol in token if isinstance(symbol, int)}
    if language.used_bytes() - written:  # texts that no tokens write are no texts
        language = Language(restricted(case.grammar, written))
    missing = language.used_bytes() - {token[0] for token in case.spellings if len(token) == 1}
    if missing or language.is_empty():
        with pytest.raises(VocabularyMismatch) as caught:
            align(automaton, vocabulary_of(case))
        assert all(f"0x{byte:02X}" in str(caught.value) for byte in sorted(missing)[:8]), caught.value
        return language, "lacks bytes"
    return language, build(case)


class Walk:
    """A random way from the start: mostly along a derivation, in tokens that do not care for its terminals."""

    def __init__(self, case: Case, language: Language, constraint: Constraint, rng: random.Random) -> None:
        self.case, self.language, self.constraint, self.rng = case, language, constraint, rng
        self.spellings = case.spellings
        self.text: Symbols = ()
        self.state = constraint.start
        self.met: Counter[str] = Counter()

    def run(self, steps: int, derivation: Derivation | None) -> Counter[str]:
        for _ in range(steps):
            allowed = self.check_state()
            if not allowed or len(self.text) > LONG:
                break
            token, derivation = self.choose(allowed, derivation)
            self.text += self.spellings[token]
            self.state = self.constraint.advance(self.state, token)
            self.met["tokens"] += 1
        self.check_state()
        self.check_end()
        return self.met

    def choose(self, allowed: set[int], derivation: Derivation | None) -> tuple[int, Derivation | None]:
        """A token, and the derivation if it lies on it."""
        at = len(self.text)
        if derivation is not None:
            ends = {t: at + len(self.spellings[t]) for t in sorted(allowed)}
            along = [t for t, end in ends.items() if derivation.text[at:end] == self.spellings[t]]
            for token in along:
                self.met.update(crossings(derivation, at, ends[token]))
            if along and self.rng.random() < 0.85:
                some = along if self.rng.random() < 0.5 else self.rng.sample(along, min(3, len(along)))
                return max(some, key=ends.__getitem__), derivation
        return self.rng.choice(sorted(allowed)), None

    def check_state(self) -> set[int]:
        """Checks one state; returns the tokens of its mask without EOS."""
        c, s, text = self.constraint, self.state, self.text
        accepting = self.language.accepts(text)
        allowed = self.language.mask(self.spellings, text)
        eos = set(self.case.eos_token_ids) if accepting else set()
        row = c.mask(s)
        self.same("dtype and shape", (row.dtype.name, row.shape), ("int32", (-(-len(self.spellings) // 32),)))
        self.same("mask", bits(row), allowed | eos)
        self.same("is_accepting", c.is_accepting(s), accepting)
        self.same("forced_text", c.forced_text(s), self.language.forced_text(text))
        self.same("forced_tokens", c.forced_tokens(s), self.language.forced_tokens(self.spellings, text))
        wide = np.full((2, len(row) + 2), -1, np.int32)
        c.fill_bitmask([c.start, s], wide)
        self.same("fill_bitmask", bits(wide[1]), allowed | eos)
        narrow = np.full((3, len(row)), -1, np.int32)
        c.fill_bitmask([c.start, s], narrow)
        self.same("fill_bitmask, rows", (bits(narrow[1]), narrow[2].tolist()), (allowed | eos, [-1] * len(row)))
        after = self.check_advance(allowed | eos)
        self.check_budget(accepting, {t: c.min_tokens_to_end(to) for t, to in after.items() if t not in eos}, eos)
        self.met["accepting"] += accepting
        self.met["masks"] += 1
        return allowed

    def check_advance(self, allowed: set[int]) -> dict[int, State]:
        """The states behind all allowed tokens, and the errors of one of the others."""
        tries = {token: self.constraint.try_advance(self.state, token) for token in range(-1, len(self.spellings) + 1)}
        after = {token: state for token, state in tries.items() if state is not None}
        self.same("advance", set(after), allowed)
        token = self.rng.choice(sorted(set(tries) - allowed))
        with pytest.raises(TokenRejected) as caught:
            self.constraint.advance(self.state, token)
        spelling = self.spellings[token] if 0 <= token < len(self.spellings) else ()
        if spelling and isinstance(spelling[0], int):
            starts = [self.text + spelling[: n + 1] for n in range(len(spelling))]
            self.same(f"offset of {token}", caught.value.offset, [*map(self.language.alive, starts)].index(False))
        return after

    def check_budget(self, accepting: bool, costs: dict[int, int], eos: set[int]) -> None:
        c, s = self.constraint, self.state
        suffices = c.min_tokens_to_end(s)
        self.same("min_tokens_to_end == 0", suffices == 0, accepting)
        if not accepting:
            assert min(costs.values(), default=suffices) < suffices, self.what("min_tokens_to_end", suffices, costs)
        budgets = sorted({1, 2, suffices, suffices + 1, suffices + 2, self.rng.randint(1, suffices + 4)} - {0})
        rows = np.full((len(budgets), c.words), -1, np.int32)
        c.fill_bitmask([s] * len(budgets), rows, budgets)
        for budget, row in zip(budgets, rows, strict=True):
            expected = {t for t, cost in costs.items() if cost <= budget - 2} | eos
            self.same(f"fill_bitmask(budget={budget})", bits(row), expected)
            self.same(f"mask(budget={budget})", bits(c.mask(s, budget=budget)), expected)
            assert expected or budget <= suffices, self.what(f"mask(budget={budget})", expected, suffices)
            self.met["budget binds"] += len(expected) < len(costs) + len(eos)

    def check_end(self) -> None:
        """Tokens that lower min_tokens_to_end lead to the end, and behind EOS nothing but EOS follows."""
        c, s, left = self.constraint, self.state, self.constraint.min_tokens_to_end(self.state)
        while left:
            s = min((c.advance(s, t) for t in bits(c.mask(s))), key=c.min_tokens_to_end)
            assert c.min_tokens_to_end(s) < left, self.what("min_tokens_to_end", c.min_tokens_to_end(s), left)
            left = c.min_tokens_to_end(s)
        eos = set(self.case.eos_token_ids)
        end = c.advance(s, min(eos))
        self.same("the end's mask", bits(c.mask(end)), eos)
        self.same("the end", (c.is_accepting(end), c.is_terminated(end), c.min_tokens_to_end(end)), (True, True, 0))
        for token in range(len(self.spellings)):
            matcher_takes = c.try_advance(end, token) is not None
            self.same(f"token {token} at the end", matcher_takes, token in eos)

    def same(self, name: str, engine: object, naive: object) -> None:
        assert engine == naive, self.what(name, engine, naive)

    def what(self, name: str, engine: object, naive: object) -> str:
        return f"{name} after {self.text!r}: engine {engine!r}, naive {naive!r}"


def failure(case: Case) -> str | None:
    """What is wrong with the case, None if nothing is."""
    try:
        check_case(case)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def report(case: Case) -> str:
    """The smallest failing case that was found from this one, as Python source, and what fails in it."""

    def kind(message: str | None) -> str:
        return (message or "").split(" after ")[0]

    wanted = kind(failure(case))
    small = shrunken(case, lambda smaller: kind(failure(smaller)) == wanted)
    trace = ""
    try:
        check_case(small)
    except Exception:
        trace = "".join(traceback.format_exc().splitlines(keepends=True)[-6:])
    return f"seed {case.seed} fails; the smallest case found:\n{small}\n{trace}"
