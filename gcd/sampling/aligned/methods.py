"""METHODS: the ways to draw from p(. | text in the language, within the budget), and what each of them guarantees.

Place in the walk: above `walk`, below `gcd.run` and `gcd.run_samples`. A Target is one such law; a method draws texts
of it, one for each Dice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from gcd.errors import AttemptsExhausted, ZeroProbability
from gcd.sampling.aligned.awrs import by_trial
from gcd.sampling.aligned.beam import beams
from gcd.sampling.aligned.best import likeliest
from gcd.sampling.aligned.dice import log_sum
from gcd.sampling.aligned.divergence import of_attempts, of_chain
from gcd.sampling.aligned.lockstep import together
from gcd.sampling.aligned.mcmc import move
from gcd.sampling.aligned.race import log_chance, race
from gcd.sampling.aligned.rows import BATCH, Rows
from gcd.sampling.aligned.smc import by_mask, population
from gcd.sampling.aligned.trie import SampleTrie
from gcd.sampling.aligned.walk import Kind, walks

if TYPE_CHECKING:
    from gcd.sample import Positions
    from gcd.sampling.aligned.dice import Dice
    from gcd.sampling.aligned.lockstep import Task
    from gcd.sampling.aligned.trie import Node

__all__ = ["METHODS", "Drawn", "Method", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """The law to draw from: what is known of it, and the model; and how a method goes about it.

    `max_attempts`: for one text, or populations of `smc` and `awrs`. `steps`, `positions`: of `mcmc`. `particles`: of
    `smc` and `awrs` where one text is drawn by itself. `checks`: the tokens that `awrs` tries for one. `width`,
    `patience`, `length_power`: of `beam`.
    """

    trie: SampleTrie
    rows: Rows
    max_attempts: int = 1000
    steps: int = 10
    positions: Positions = "restart"
    particles: int = 16
    checks: int = 64
    width: int = 8
    patience: float = 1.0
    length_power: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """One text: its last node, its weight, the attempts that it took, and at what each of them estimates log P(L).

    `log_estimates` are pairs: the estimate, and what it could not exceed, as was known before the attempt. `log_drawn`
    is log of the probability with which the last attempt ended in it, nan where it is not known; `visited` the tokens
    of all attempts, those that were refused included; `moves` how many steps of `mcmc` moved.
    """

    end: Node
    log_weight: float
    attempts: int
    log_drawn: float
    log_estimates: tuple[tuple[float, float], ...] = ()
    visited: int = 0
    moves: int = 0

    @property
    def logprob(self) -> float:
        """Under the model alone, EOS included."""
        return math.fsum(node.raw for node in self.end.path())


Sampler: TypeAlias = Callable[[Target, Sequence["Dice"]], Iterator[Drawn]]


@dataclass(frozen=True, slots=True)
class Method:
    """What is guaranteed of the texts, how many are drawn and how one is, and how far their law is from the target."""

    guarantee: str
    sampler: Sampler
    one: Callable[[Target, Dice], Drawn]
    kl: Callable[[Sequence[Drawn], Target, float], float | None]


def exact(drawn: Sequence[Drawn], target: Target, log_z: float) -> float:
    """No distance."""
    return 0.0


def unknown(drawn: Sequence[Drawn], target: Target, log_z: float) -> None:
    """Texts that are no independent draws of one law."""


def by_weights(drawn: Sequence[Drawn], target: Target, log_z: float) -> float:
    """Of a text as it is, estimated."""
    return of_attempts(_estimates(drawn), log_z)


def by_populations(drawn: Sequence[Drawn], target: Target, log_z: float) -> float:
    """Of a text picked by weight, an upper bound estimated, from what is proved of Z: one population may do."""
    return of_attempts(_estimates(drawn), target.trie.log_mass[1])


def by_steps(drawn: Sequence[Drawn], target: Target, log_z: float) -> float:
    """Of a text at the end of a chain, estimated; where it is not cut at its beginning, as before the first step."""
    return of_chain(_estimates(drawn), target.steps if target.positions == "restart" else 0)


def _estimates(drawn: Sequence[Drawn]) -> list[float]:
    return [value for one in drawn for value, _ in one.log_estimates]


def log_law(node: Node) -> float:
    """log P of a prefix after the knobs."""
    return math.fsum(before.logp for before in node.path())


def draws(target: Target, dice: Sequence[Dice], *, kind: Kind) -> Iterator[Drawn]:
    """A text for each of the dice, as they come; raises ZeroProbability, AttemptsExhausted and BadLogits.

    Attempts go side by side: of "mask", to which nothing is news, as many as one pass takes; of the others as many as
    came through at last, and twice as many after all did, since each learns from those before it alone.
    """
    trie, waiting = target.trie, list(range(len(dice)))
    estimates: list[list[tuple[float, float]]] = [[] for _ in dice]
    visited = [0 for _ in dice]
    size = BATCH if kind == "mask" else 1
    while waiting:
        if trie.root.log_kept == -math.inf:
            raise _nothing(trie, len(estimates[waiting[0]]))
        some = waiting[:size]
        attempts = walks(trie, target.rows, [dice[i] for i in some], kind)
        failed = [i for i, attempt in zip(some, attempts, strict=True) if attempt.end is None]
        waiting[:size] = failed
        if kind != "mask":
            size = max(1, len(some) - len(failed)) if failed else min(BATCH, 2 * size)
        for i, attempt in zip(some, attempts, strict=True):
            estimates[i].append((attempt.log_estimate, attempt.log_most))
            visited[i] += attempt.visited
            if attempt.end is not None:
                log_drawn, tries = log_law(attempt.end) - attempt.log_estimate, tuple(estimates[i])
                yield Drawn(attempt.end, attempt.log_weight, len(tries), log_drawn, tries, visited[i])
            elif len(estimates[i]) >= target.max_attempts and trie.root.log_kept > -math.inf:
                raise AttemptsExhausted(target.max_attempts, trie.log_mass)


def _nothing(trie: SampleTrie, attempts: int) -> ZeroProbability:
    where, along = trie.where is not None, trie.along is not None
    return ZeroProbability(trie.budget, attempts=attempts, where=where, along=along)


def chains(target: Target, dice: Sequence[Dice]) -> Iterator[Drawn]:
    """The texts at the end of chains of `mcmc`, that begin with masked draws; raises what `draws` raises."""
    for begin in range(0, len(dice), BATCH):
        some = dice[begin : begin + BATCH]
        firsts = list(draws(target, some, kind="mask"))
        yield from together(target.rows, [_chain(target, *pair) for pair in zip(some, firsts, strict=True)])


def _chain(target: Target, dice: Dice, first: Drawn) -> Task[Drawn]:
    end, moves, visited, estimates = first.end, 0, first.visited, list(first.log_estimates)
    for _ in range(target.steps):
        before, (end, tried) = end, (yield from move(target.trie, target.rows, dice, end, target.positions))
        moves, visited = moves + (end is not before), visited + tried.visited
        if target.positions == "restart":  # a draw of `mask` like the first one
            estimates.append((tried.log_estimate, tried.log_most))
    return Drawn(end, 0.0, first.attempts + target.steps, math.nan, tuple(estimates), visited, moves)


def populations(target: Target, dice: Sequence[Dice], *, trial: bool = False) -> Iterator[Drawn]:
    """As many texts as there are dice, each with its weight, from as many populations of that size as it takes.

    Particles that died count as those of weight 0; with `trial`, tokens are tried against the tests (`awrs`). Fewer
    texts where `max_attempts` populations do not have as many; raises what `draw` raises where they have none.
    """
    trie = target.trie
    grow = partial(by_trial, checks=target.checks) if trial else by_mask
    texts: list[tuple[Node, float, int]] = []
    estimates: list[tuple[float, float]] = []  # of each population
    visited = 0
    while len(estimates) < target.max_attempts and len(texts) < len(dice) and trie.root.log_kept > -math.inf:
        ends, new = population(trie, target.rows, dice, grow=grow)
        estimates.append((log_sum([weight for _, weight in ends]) - math.log(len(dice)), 0.0))
        visited += new
        texts += [(end, weight, len(estimates)) for end, weight in ends if end is not None]
    if not texts and trie.root.log_kept == -math.inf:
        raise _nothing(trie, len(estimates))
    if not texts:
        raise AttemptsExhausted(target.max_attempts, trie.log_mass)
    for end, weight, tried in texts[: len(dice)]:
        yield Drawn(end, weight, tried, math.nan, tuple(estimates), visited)
        estimates, visited = [], 0


def particle(target: Target, dice: Dice, *, trial: bool = False) -> Drawn:
    """One text of some, drawn by weight, and so without one."""
    texts = list(populations(target, [dice] * target.particles, trial=trial))
    chosen = texts[dice.pick([text.log_weight for text in texts])]
    return replace(chosen, log_weight=0.0)


def best(target: Target, dice: Sequence[Dice]) -> Iterator[Drawn]:
    """As many of the likeliest texts as there are dice, which are not thrown; fewer where there are no more."""
    found = 0
    for end, gone_on in likeliest(target.trie, target.rows, most=target.max_attempts):
        found += 1
        yield Drawn(end, log_law(end), gone_on, 0.0, visited=gone_on + 1)
        if found == len(dice):
            return
    if not found:
        raise _nothing(target.trie, 1)


def beam(target: Target, dice: Sequence[Dice]) -> Iterator[Drawn]:
    """As many of the best texts on a beam as there are dice, which are not thrown; fewer where it has no more."""
    trie, width = target.trie, max(target.width, len(dice))
    ends, gone_on = beams(
        trie, target.rows, n=len(dice), width=width, patience=target.patience, power=target.length_power
    )  # fmt: skip
    if not ends and trie.root.log_kept == -math.inf:
        raise _nothing(trie, 1)
    if not ends:
        raise AttemptsExhausted(width, trie.log_mass, method="beam")
    for end in ends:
        yield Drawn(end, log_law(end), gone_on, 0.0, visited=gone_on)
        gone_on = 0


def distinct(target: Target, dice: Sequence[Dice]) -> Iterator[Drawn]:
    """As many different texts as there are dice, of which the first is thrown; fewer where there are no more.

    One more is looked for, whose time says with what chance each of the others was taken.
    """
    taken: list[tuple[Node, int]] = []
    log_time = math.inf
    for end, arrival, gone_on in race(target.trie, target.rows, dice[0], most=target.max_attempts):
        if len(taken) == len(dice):
            log_time = arrival
            break
        taken.append((end, gone_on))
    if not taken:
        raise _nothing(target.trie, 1)
    for end, gone_on in taken:
        log_weight = log_law(end) - log_chance(log_law(end), log_time) + math.log(len(taken))
        yield Drawn(end, log_weight, gone_on, math.nan, ((log_weight, 0.0),), gone_on + 1)


def first_of_race(target: Target, dice: Dice) -> Drawn:
    """One text, from p(. | L) exactly."""
    for end, _, gone_on in race(target.trie, target.rows, dice, most=target.max_attempts):
        return Drawn(end, 0.0, gone_on, math.nan, (), gone_on + 1)
    raise _nothing(target.trie, 1)


def _method(guarantee: str, sampler: Sampler, kl: Callable[..., float | None]) -> Method:
    """A method that draws one text as it draws many."""
    return Method(guarantee, sampler, lambda target, dice: next(sampler(target, [dice])), kl)


METHODS: dict[str, Method] = {
    "mask": _method("local", partial(draws, kind="mask"), by_weights),
    "asap": _method("asymptotic", partial(draws, kind="asap"), by_weights),
    "cars": _method("exact i.i.d.", partial(draws, kind="cars"), exact),
    "mcmc": _method("asymptotic", chains, by_steps),
    "best_first": _method("the likeliest", best, unknown),
    "beam": _method("found by a search", beam, unknown),
    "distinct": Method("without replacement", distinct, first_of_race, unknown),
    "smc": Method("properly weighted", populations, particle, by_populations),
    "awrs": Method(
        "properly weighted", partial(populations, trial=True), partial(particle, trial=True), by_populations
    ),
}
