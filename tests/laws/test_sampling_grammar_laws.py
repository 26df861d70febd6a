"""Bounds, searches and draws on random grammars and vocabularies, and on texts with phrases, against naive twins.

GCD_SAMPLING_GRAMMARS=200 takes that many grammars instead of a few.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from derivatives import TooLarge
from mask_laws import aligned
from naive import Language, Symbols
from random_grammars import Case, random_case

import gcd
from gcd.sampling.aligned.best import likeliest
from gcd.sampling.aligned.dice import RandomDice
from gcd.sampling.aligned.methods import Target
from gcd.sampling.aligned.targets import open_target
from gcd.sampling.aligned.walk import walk
from gcd.sampling.logits import Warp
from tokenizer_align.constraint import Constraint

CASES = int(os.environ.get("GCD_SAMPLING_GRAMMARS", "5"))
BUDGET = 4


class Table:
    """A random model that gives a few tokens a probability: three that go on, one that need not, perhaps the end."""

    def __init__(self, case: Case, language: Language) -> None:
        self.case, self.language, self.rows = case, language, {}

    def text(self, prefix: tuple[int, ...]) -> Symbols:
        return tuple(symbol for token in prefix for symbol in self.case.spellings[token])

    def row(self, prefix: tuple[int, ...]) -> list[float]:
        if prefix not in self.rows:
            rng = random.Random(f"{self.case.seed} {prefix}")
            text, spellings = self.text(prefix), self.case.spellings
            some = rng.sample(range(len(spellings)), min(20, len(spellings)))
            alive = [t for t in some if spellings[t] and self.language.alive((*text, *spellings[t]))][:3]
            chosen = {*alive, some[0]}
            if rng.random() < (0.8 if self.language.accepts(text) else 0.2):
                chosen.add(rng.choice(self.case.eos_token_ids))
            self.rows[prefix] = [rng.random() if t in chosen else 0.0 for t in range(len(spellings))]
        return self.rows[prefix]

    def model(self) -> gcd.ScriptedLM:
        return gcd.ScriptedLM(self.row, eos_token_ids=self.case.eos_token_ids, vocab_size=len(self.case.tokens))

    def law(self) -> dict[tuple[int, ...], float]:
        """Token ids -> P, of all texts of the language within the budget."""
        found: dict[tuple[int, ...], float] = {}

        def visit(prefix: tuple[int, ...], p: float) -> None:
            row = self.model().next_logits([prefix])[0].double().softmax(-1).tolist()
            for token, q in enumerate(row):
                if q and token in self.case.eos_token_ids:
                    if self.language.accepts(self.text(prefix)):
                        found[(*prefix, token)] = p * q
                elif q and self.case.spellings[token] and len(prefix) + 2 <= BUDGET:
                    visit((*prefix, token), p * q)

        visit((), 1.0)
        return found


def cases(count: int) -> Iterator[tuple[Table, Constraint, dict[tuple[int, ...], float]]]:
    """The first so many seeds that have a constraint, with the law of their texts."""
    seed = found = 0
    while found < count:
        case, seed = random_case(seed), seed + 1
        try:
            language, constraint = aligned(case)
            if isinstance(constraint, str):
                continue
            table = Table(case, language)
            law = table.law()
        except TooLarge:
            continue
        found += 1
        yield table, constraint, law


def target_of(table: Table, constraint: Constraint) -> Target:
    return open_target(table.model(), (), constraint, budget=BUDGET, warp=Warp())


def test_bounds_contain_the_mass_of_random_grammars_and_searches_find_their_texts():
    positive = several = 0
    for table, constraint, law in cases(CASES):
        seed = table.case.seed
        truth = math.log(sum(law.values())) if law else -math.inf
        positive, several = positive + bool(law), several + (len(law) > 3)
        target, dice = target_of(table, constraint), RandomDice(np.random.default_rng(seed))
        before = target.trie.log_mass
        for attempt in range(12):
            low, high = target.trie.log_mass
            assert low <= truth <= high, f"seed {seed}, attempt {attempt}"
            assert before[0] <= low + 1e-9, f"seed {seed}: bounds only tighten"
            assert high <= before[1] + 1e-9, f"seed {seed}: bounds only tighten"
            before = (low, high)
            if target.trie.root.log_kept == -math.inf:
                assert not law, f"seed {seed}"
                break
            end = walk(target.trie, target.rows, dice, ("cars", "asap", "mask")[attempt % 3]).end
            assert end is None or end.token_ids() in law, f"seed {seed}"
        target = target_of(table, constraint)
        found = [end.token_ids() for end, _ in likeliest(target.trie, target.rows, most=10**6)]
        assert sorted(found) == sorted(law), f"seed {seed}"
        assert [law[ids] for ids in found] == pytest.approx(sorted(law.values(), reverse=True)), f"seed {seed}"
        low, high = target.trie.log_mass
        assert not law or high - low < 1e-6, f"seed {seed}: all is known behind an exhaustive search"
    assert positive >= CASES // 2
    assert several >= CASES // 4


def test_texts_with_phrases_are_those_of_brute_force():
    """The likeliest texts that contain all phrases, also where one begins inside a failed beginning of another."""
    letters = gcd.Vocabulary([b"a", b"b", b"ab", b"ba", b""], eos_token_ids=[4])
    for seed in range(max(12, CASES)):
        rng = random.Random(seed)
        phrases = (
            ["ab"] if seed == 0 else ["".join(rng.choices("ab", k=rng.randint(1, 3))) for _ in range(rng.randint(1, 2))]
        )
        banned = "".join(rng.choices("ab", k=rng.randint(2, 3))) if seed % 3 == 2 else None
        weights = [rng.random() + 0.05 for _ in range(4)]
        model = gcd.ScriptedLM([*weights, 0.3], eos_token_ids=[4])
        language = gcd.containing(*phrases) if banned is None else gcd.containing(*phrases) & gcd.without(banned)
        row = model.next_logits([[]])[0].double().softmax(-1).tolist()
        law = {}
        for length in range(4):
            for ids in product(range(4), repeat=length):
                text = b"".join(letters.tokens[t] for t in ids).decode()
                if all(phrase in text for phrase in phrases) and (banned is None or banned not in text):
                    law[(*ids, 4)] = math.prod(row[t] for t in ids) * row[4]
        assert seed or (0, 0, 1, 4) in law, "a failed a b begins with an a that is the a of a b"
        if not law:
            continue
        constraint = gcd.compile(grammar=language, tokenizer=letters)
        out = gcd.sample(
            model, "", len(law) + 1, constraint=constraint, method="best_first", max_new_tokens=4, max_attempts=10**6
        )  # fmt: skip
        assert {one.token_ids for one in out} == set(law), f"seed {seed}: {phrases} {banned}"
        assert math.exp(out[0].log_weight) == pytest.approx(max(law.values())), f"seed {seed}"
