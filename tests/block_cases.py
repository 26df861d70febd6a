"""Random blocks whose strings can be listed: a small automaton over bytes, tokens of one to three bytes, random logits.

`Block.strings` is the truth: it lists every string of the block with its weight, from the automaton's table and nothing
else of the library.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from gcd.diffusion.lattice import End, Lattice, Tail
from grammars.compile import compile_grammar
from grammars.ir import EPSILON, Bytes, Choice, Grammar, Node, Ref, Sequence
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.vocabulary import Vocabulary

__all__ = ["Block", "random_block"]


@dataclass(frozen=True)
class Block:
    """A deterministic automaton over the bytes a and b, a vocabulary, and all arguments of a Lattice."""

    seed: int
    table: tuple[dict[int, int], ...]  # by state: byte to state; state 0 is the first
    finals: frozenset[int]
    vocabulary: Vocabulary
    logits: torch.Tensor
    fixed: dict[int, int]
    tail: Tail
    end: End
    normalize: bool

    def grammar(self) -> Grammar:
        """A rule for each state."""

        def rule(state: int) -> Node:
            ways: list[Node] = [Sequence((Bytes(bytes([b])), Ref(f"s{t}"))) for b, t in self.table[state].items()]
            return Choice((*ways, *([EPSILON] if state in self.finals else [])))

        return Grammar({f"s{q}": rule(q) for q in range(len(self.table))}, start="s0")

    def constraint(self) -> Constraint:
        return align(compile_grammar(self.grammar()), self.vocabulary)

    def lattice(self, constraint: Constraint, **changed: object) -> Lattice:
        options = {"fixed": self.fixed, "tail": self.tail, "end": self.end, "normalize": self.normalize} | changed
        return Lattice(constraint, options.pop("logits", self.logits), **options)  # type: ignore[arg-type]

    @property
    def alive(self) -> set[int]:
        """The states that can end."""
        alive = set(self.finals)
        while more := {q for q, row in enumerate(self.table) if q not in alive and alive & {*row.values()}}:
            alive |= more
        return alive

    def rows(self) -> list[list[float]]:
        """The weights of all tokens at all positions; a fixed token has weight 0, the others of its position -inf."""
        rows = self.logits.double()
        rows = rows.log_softmax(-1) if self.normalize else rows
        listed: list[list[float]] = rows.tolist()
        for i, token in self.fixed.items():
            listed[i] = [0.0 if t == token else -math.inf for t in range(len(listed[i]))]
        return listed

    def strings(self) -> Iterator[tuple[tuple[int, ...], float, int]]:
        """Each string of the block with its weight and the number of positions that are scored."""
        rows, alive = self.rows(), self.alive
        eos, length = self.vocabulary.eos_token_ids, len(rows)

        def after(state: int, token: int) -> int | None:
            data = self.vocabulary.tokens[token]
            for byte in data:
                if byte not in self.table[state]:
                    return None
                state = self.table[state][byte]
            return state if data and state in alive else None

        def ended(so_far: tuple[int, ...], weight: float, scored: int) -> Iterator[tuple[tuple[int, ...], float, int]]:
            i = len(so_far)
            if i == length:
                yield so_far, weight, scored
            elif self.tail == "scored":
                for token in eos:
                    if rows[i][token] > -math.inf:
                        yield from ended((*so_far, token), weight + rows[i][token], scored + 1)
            elif self.fixed.get(i, eos[0]) in eos:
                yield from ended((*so_far, self.fixed.get(i, eos[0])), weight, scored)

        def walk(state: int, so_far: tuple[int, ...], weight: float) -> Iterator[tuple[tuple[int, ...], float, int]]:
            i = len(so_far)
            if i == length:
                if self.end == "open" or (self.end == "accept" and state in self.finals):
                    yield so_far, weight, i
                return
            for token, more in enumerate(rows[i]):
                if more == -math.inf or token >= self.vocabulary.size:
                    continue
                if token in eos and state in self.finals:
                    yield from ended((*so_far, token), weight + more, i + 1)
                elif token not in eos and (target := after(state, token)) is not None:
                    yield from walk(target, (*so_far, token), weight + more)

        if 0 in alive:
            yield from walk(0, (), 0.0)


def random_block(seed: int, *, most_states: int = 6, most_length: int = 6) -> Block:
    """A block decided by its seed; small enough to be listed."""
    rng = random.Random(seed)
    states = rng.randint(1, most_states)
    table = tuple({b: rng.randrange(states) for b in b"ab" if rng.random() < 0.9} for _ in range(states))
    finals = frozenset(q for q in range(states) if rng.random() < 0.5)
    longer = rng.sample([b"aa", b"ab", b"ba", b"bb", b"aba", b"bab", b"a"], rng.randint(0, 3))
    tokens = [b"a", b"b", *longer]
    eos = [len(tokens) + i for i in range(rng.choice([1, 1, 2]))]
    vocabulary = Vocabulary([*tokens, *(b"" for _ in eos)], eos_token_ids=eos)
    length, width = rng.randint(1, most_length), vocabulary.size + rng.choice([0, 0, 2])
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(length, width, generator=generator, dtype=torch.float64)
    if rng.random() < 0.3:
        logits[torch.rand(length, width, generator=generator) < 0.15] = -math.inf
    fixed = {i: rng.randrange(vocabulary.size) for i in range(length) if rng.random() < 0.08}
    return Block(
        seed, table, finals, vocabulary, logits, fixed,
        tail=rng.choice(["unscored", "scored"]),  # type: ignore[arg-type]
        end=rng.choice(["accept", "accept", "eos", "open"]),  # type: ignore[arg-type]
        normalize=rng.random() < 0.7,
    )  # fmt: skip
