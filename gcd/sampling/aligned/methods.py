"""METHODS: the ways to draw from p(. | text in the language, within the budget), and what each of them guarantees.

Place in the walk: above `walk`, below `gcd.run` and `gcd.run_samples`. A Target is one such law; a method draws texts
of it, one for each Dice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from gcd.errors import AttemptsExhausted, ZeroProbability
from gcd.sampling.aligned.rows import Rows
from gcd.sampling.aligned.trie import SampleTrie
from gcd.sampling.aligned.walk import Kind, walk

if TYPE_CHECKING:
    from gcd.sampling.aligned.dice import Dice
    from gcd.sampling.aligned.trie import Node

__all__ = ["METHODS", "Drawn", "Method", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """The law to draw from: what is known of it, the model, and how many attempts a text may take."""

    trie: SampleTrie
    rows: Rows
    max_attempts: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """One text: its last node, its weight, the attempts that it took, and at what each of them estimates log P(L).

    `log_drawn` is log of the probability with which the last attempt ended in it.
    """

    end: Node
    log_weight: float
    attempts: int
    log_drawn: float
    log_estimates: tuple[float, ...] = ()

    @property
    def logprob(self) -> float:
        """Under the model alone, EOS included."""
        return math.fsum(node.raw for node in self.end.path())


Sampler: TypeAlias = Callable[[Target, Sequence["Dice"]], Iterator[Drawn]]


@dataclass(frozen=True, slots=True)
class Method:
    """A sampler, what is guaranteed of its texts without their weights, and how far their law is from the target."""

    guarantee: str
    sampler: Sampler
    kl: Callable[[Sequence[Drawn], float], float | None]


def exact(drawn: Sequence[Drawn], log_z: float) -> float:
    """No distance."""
    return 0.0


def by_weights(drawn: Sequence[Drawn], log_z: float) -> float:
    """KL(law of a text ‖ p(. | L)) = log Z - E[log weight] - log P(an attempt succeeds), from the texts themselves."""
    attempts = sum(one.attempts for one in drawn)
    mean = math.fsum(one.log_weight for one in drawn) / len(drawn)
    return max(0.0, log_z - mean - math.log(len(drawn) / attempts))


def log_law(node: Node) -> float:
    """log P of a prefix after the knobs."""
    return math.fsum(before.logp for before in node.path())


def draw_by(kind: Kind) -> Sampler:
    """The sampler that repeats `walk` of that kind until a text is finished, for each of the dice."""

    def sampler(target: Target, dice: Sequence[Dice]) -> Iterator[Drawn]:
        return (draw(target, one, kind) for one in dice)

    return sampler


def draw(target: Target, dice: Dice, kind: Kind) -> Drawn:
    """One text; raises ZeroProbability, AttemptsExhausted and BadLogits."""
    trie = target.trie
    estimates: list[float] = []
    while len(estimates) < target.max_attempts:
        if trie.root.log_kept == -math.inf:
            raise ZeroProbability(trie.budget, attempts=len(estimates), where=trie.where is not None)
        attempt = walk(trie, target.rows, dice, kind)
        estimates.append(attempt.log_estimate)
        if attempt.end is not None:
            log_drawn = log_law(attempt.end) - attempt.log_estimate
            return Drawn(attempt.end, attempt.log_weight, len(estimates), log_drawn, tuple(estimates))
    raise AttemptsExhausted(target.max_attempts, trie.log_mass)


METHODS: dict[str, Method] = {
    "mask": Method("local", draw_by("mask"), by_weights),
    "asap": Method("asymptotic", draw_by("asap"), by_weights),
    "cars": Method("exact i.i.d.", draw_by("cars"), exact),
}
