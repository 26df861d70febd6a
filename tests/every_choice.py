"""Every random choice of a sampler in turn: its law, exactly, by running the sampler itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

Result = TypeVar("Result")


class ScriptedDice:
    """Dice that follow a script, then take the first choice that is possible; they note what could have been."""

    def __init__(self, script: tuple[int, ...] = ()) -> None:
        self.script = script
        self.made: list[int] = []
        self.options: list[list[float]] = []

    @property
    def probability(self) -> float:
        return math.prod(options[made] for options, made in zip(self.options, self.made, strict=True))

    def pick(self, log_weights: Sequence[float]) -> int:
        weights = np.exp(np.asarray(log_weights, np.float64) - np.max(log_weights))
        options = (weights / weights.sum()).tolist()
        position = len(self.made)
        made = self.script[position] if position < len(self.script) else next(i for i, p in enumerate(options) if p)
        self.options.append(options)
        self.made.append(made)
        return made

    def coin(self, log_probability: float) -> bool:
        heads = math.exp(min(0.0, log_probability))
        return self.pick([math.log(p) if p else -math.inf for p in (heads, 1 - heads)]) == 0


def every_choice(run: Callable[[ScriptedDice], Result]) -> Iterator[tuple[float, Result]]:
    """The probability and the result of `run` for every way in which its dice can fall; `run` begins anew each time."""
    todo: list[tuple[int, ...]] = [()]
    while todo:
        dice = ScriptedDice(todo.pop())
        result = run(dice)
        yield dice.probability, result
        for position in range(len(dice.script), len(dice.made)):
            others = [i for i, p in enumerate(dice.options[position]) if p and i != dice.made[position]]
            todo += [(*dice.made[:position], other) for other in others]
