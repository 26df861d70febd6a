"""TOYS: small languages under small models, for which the literature has figures; every answer can be counted.

`binary_len_3` and `binary_len_5_0` are those of Grammar-Aligned Decoding (arXiv 2405.21047), under uniform bits. The
nine rows are those of Approximately Aligned Decoding (arXiv 2410.01103, table 1): three letters, three equiprobable
tokens, some texts being errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import gcd
from grammars.compile import compile_grammar
from grammars.ir import Bytes, Choice, Grammar
from tokenizer_align.constraint import Constraint, align

__all__ = ["TOYS", "Toy", "kl"]


@dataclass(frozen=True, slots=True)
class Toy:
    """All texts of `length` letters are equally likely; those of `texts` are the language."""

    name: str
    letters: str
    length: int
    texts: tuple[str, ...]
    kl_mask: float
    """KL(mask ‖ p(. | language)), exactly: enumerated in `tests/laws/test_alignment_laws.py`."""
    cold: float | None = None
    """What the tokens of a text cost with a new trie for each, over its length: simulated for CARS elsewhere."""

    @property
    def eos(self) -> int:
        return len(self.letters)

    def vocabulary(self) -> gcd.Vocabulary:
        return gcd.Vocabulary([*(letter.encode() for letter in self.letters), b""], eos_token_ids=[self.eos])

    def constraint(self) -> Constraint:
        texts = Choice(tuple(Bytes(text.encode()) for text in self.texts))
        return align(compile_grammar(Grammar({"start": texts})), self.vocabulary())

    def model(self) -> gcd.ScriptedLM:
        """Letters by equal chances, then EOS for certain: texts are as long as they are, and EOS costs nothing."""
        letters, end = [1.0] * self.eos + [0.0], [0.0] * self.eos + [1.0]
        return gcd.ScriptedLM(
            lambda prefix: end if len(prefix) >= self.length else letters, eos_token_ids=[self.eos],
            vocab_size=self.eos + 1,
        )  # fmt: skip


def kl(counts: Sequence[int], members: int) -> float:
    """KL(what was drawn ‖ the uniform law on `members` texts), in nats; about (members - 1) / 2n for n exact draws."""
    n = sum(counts)
    return sum(k / n * math.log(k / n * members) for k in counts if k)


def _words(letters: str, length: int) -> list[str]:
    return ["".join(word) for word in product(letters, repeat=length)]


def _without(errors: Iterable[str]) -> tuple[str, ...]:
    wrong = set(errors)
    return tuple(word for word in _words("ABC", 3) if word not in wrong)


BINARY = [
    Toy("binary_len_3", "01", 3, ("000", "100", "101", "110", "111"), 0.2231),
    Toy("binary_len_5_0", "01", 5, ("00000", *("1" + word for word in _words("01", 4))), 0.7538),
]

NINE = [
    Toy("no error", "ABC", 3, _without([]), 0.0, 1.0),
    Toy("AAA", "ABC", 3, _without(["AAA"]), 0.0073, 1.038),
    Toy("AAA, AAC", "ABC", 3, _without(["AAA", "AAC"]), 0.0451, 1.076),
    Toy("AAA, ACC", "ABC", 3, _without(["AAA", "ACC"]), 0.0131, 1.081),
    Toy("AAA, CCC", "ABC", 3, _without(["AAA", "CCC"]), 0.0131, 1.081),
    Toy("AAA, AAB, ABA, BAA", "ABC", 3, _without(["AAA", "AAB", "ABA", "BAA"]), 0.0518, 1.160),
    Toy("A** but AAC", "ABC", 3, _without(w for w in _words("ABC", 3) if w[0] == "A" and w != "AAC"), 0.3810, 1.246),
    Toy("all but AAA, AAB, ABA, BAA", "ABC", 3, ("AAA", "AAB", "ABA", "BAA"), 0.1733, 2.427),
    Toy("all but AAA, BAA", "ABC", 3, ("AAA", "BAA"), 0.0, 2.803),
]

TOYS = {toy.name: toy for toy in [*BINARY, *NINE]}
