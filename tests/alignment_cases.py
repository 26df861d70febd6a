"""Small cases for the laws of aligned samplers: a random model under a regex, its law by walking over all tokens.

The oracle knows a model, the bytes of tokens and `re`, no engine.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

from every_choice import ScriptedDice, every_choice

import gcd
from gcd.sampling.aligned.methods import Target
from gcd.sampling.aligned.targets import open_target
from gcd.sampling.aligned.trie import Along
from gcd.sampling.aligned.walk import Attempt, Kind, walk
from gcd.sampling.logits import Warp
from tokenizer_align.constraint import Constraint

__all__ = ["ENDS", "TOKENS", "VOCABULARY", "Case", "case_of", "outcomes", "judged_outcomes"]

TOKENS = [b"a", b"b", b"ab", b"", b""]
ENDS = (3, 4)
VOCABULARY = gcd.Vocabulary(TOKENS, eos_token_ids=ENDS)
REGEXES = ["a|ab|bb", "(ab)*", "a*b?", "(a|b){1,2}", "b+|aab", "(aa|b)*a", "ab(ab)?", "a{2}|b{2}|ab", "(ba|a)+"]


@lru_cache(maxsize=100_000)
def _row(seed: int, prefix: tuple[int, ...]) -> list[float]:
    rng = random.Random(f"{seed} {prefix}")
    return [0.0 if rng.random() < 0.15 else rng.random() ** 3 + 1e-3 for _ in TOKENS[1:]] + [0.5]


@dataclass(frozen=True)
class Case:
    """A random model under a regex, and how many tokens a text may take."""

    seed: int
    regex: str
    budget: int

    def model(self) -> gcd.ScriptedLM:
        return gcd.ScriptedLM(partial(_row, self.seed), eos_token_ids=ENDS, vocab_size=len(TOKENS))

    def constraint(self) -> Constraint:
        return gcd.compile(regex=self.regex, tokenizer=VOCABULARY)

    def target(self, along: Along | None = None) -> Target:
        return open_target(self.model(), (), self.constraint(), budget=self.budget, warp=Warp(), along=along)

    def law(self) -> dict[tuple[int, ...], float]:
        """Token ids -> P, of all texts of the language within the budget."""
        model, found = self.model(), {}

        def visit(prefix: tuple[int, ...], p: float) -> None:
            if len(prefix) == self.budget:
                return
            row = model.next_logits([prefix])[0].double().softmax(-1).tolist()
            for token, q in enumerate(row):
                if token not in ENDS:
                    visit((*prefix, token), p * q)
                elif p * q and re.fullmatch(self.regex.encode(), b"".join(TOKENS[t] for t in prefix)):
                    found[(*prefix, token)] = p * q

        visit((), 1.0)
        return found

    def passes(self, token_ids: tuple[int, ...], done: bool) -> bool:
        """A random property of the text so far; it says nothing of what comes later. Asked at the end too."""
        text = b"".join(TOKENS[t] for t in token_ids)
        return random.Random(f"{self.seed} {text!r} {done}").random() < 0.6

    def judged_law(self) -> dict[tuple[int, ...], float]:
        """The same of the texts all of whose beginnings pass."""
        return {
            ids: p
            for ids, p in self.law().items()
            if self.passes(ids[:-1], True) and all(self.passes(ids[:k], False) for k in range(1, len(ids)))
        }


def case_of(seed: int, budgets: tuple[int, ...] = (2, 3)) -> Case:
    """A regex of the list, or one that is made of random words, one of them perhaps repeated."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("ab", k=rng.randint(1, 3))) for _ in range(rng.randint(1, 4))]
    regex = "|".join([*words[1:], f"({words[0]})" + rng.choice(["", "*", "+", "{2}"])])
    return Case(seed, rng.choice([rng.choice(REGEXES), regex]), rng.choice(budgets))


def outcomes(case: Case, kind: str, attempts: int) -> list[tuple[float, list[tuple[tuple[int, ...] | None, float]]]]:
    """Every way in which some attempts in a row can end: its probability, and each attempt's tokens and weight."""

    def run(dice: ScriptedDice):
        target, ends = case.target(), []
        for _ in range(attempts):
            if target.trie.root.log_kept == -math.inf:
                break
            attempt = walk(target.trie, target.rows, dice, kind)
            ends.append((attempt.end and attempt.end.token_ids(), attempt.log_weight))
        return ends

    return list(every_choice(run))


def judged_outcomes(
    case: Case, kind: Kind, attempts: int, along: Along
) -> Iterator[tuple[float, list[Attempt], tuple[float, float]]]:
    """The same with a test along the way: probability, attempts, and the bounds that are known in the end."""

    def run(dice: ScriptedDice) -> tuple[list[Attempt], tuple[float, float]]:
        target, found = case.target(along), []
        for _ in range(attempts):
            if target.trie.root.log_kept == -math.inf:
                break
            found.append(walk(target.trie, target.rows, dice, kind))
        return found, target.trie.log_mass

    return ((probability, found, bounds) for probability, (found, bounds) in every_choice(run))
