"""best_string: the most probable string of a block by search, where no sum over all strings is wanted.

Place in the walk: beside `Lattice`, whose `map()` answers the same once all ways of the block are known. Here states
are met as the search comes to them, best first by what a string could have at most (A*): its weight so far, and at
each position to come that of the heaviest token, whatever the grammar says. Where the model is nearly right that is
far less than all ways; where it has no opinion it is far more, and the search gives up at a limit. It does *not* sum.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.diffusion.blocks import Ending
from gcd.diffusion.chain import spelled
from gcd.diffusion.emissions import Emissions
from gcd.diffusion.lattice import End, Fixed, Tail, check_block, check_fixed, no_text
from gcd.diffusion.token_sets import TAIL, TokenSets
from grammars.errors import LimitExceeded
from tokenizer_align.classes import refuse_histories, token_classes
from tokenizer_align.constraint import Constraint, State

__all__ = ["best_string"]

Float = NDArray[np.float64]
Node: TypeAlias = tuple[float, int, int, int, State | None, float, tuple[Any, ...]]
"""Less the bound, less the position, a number, the position, the state (None behind EOS), the weight, the tokens."""


def best_string(
    constraint: Constraint,
    logits: torch.Tensor,
    *,
    fixed: Fixed | None = None,
    start: State | None = None,
    tail: Tail = "unscored",
    end: End = "accept",
    budget: int | None = None,
    end_logprob: float = 0.0,
    normalize: bool = True,
    most_states: int = 4096,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The most probable string of a block of logits (L, V) and its log p: (L,) int64 and a number, as `Lattice.map`.

    The arguments are those of `Lattice`; `most_states` is how many states (at a position) the search may look at.

    >>> logits = torch.log(torch.tensor([[0.6, 0.4, 0.0], [0.9, 0.1, 0.0]]))  # of a, b and EOS
    >>> token_ids, logprob = best_string(gcd.compile(choices=["ab", "ba"], tokenizer=vocabulary), logits)
    >>> token_ids.tolist(), logprob.exp().item()
    ([1, 0], 0.36)

    Raises LimitExceeded where `most_states` do not decide it, and what `Lattice` raises.
    """
    check_block(constraint, logits, tail, end, budget)
    if logits.dim() != 2:
        raise ValueError(f"best_string takes one block, logits (L, V), not {(*logits.shape,)}")
    refuse_histories(constraint)
    sets = TokenSets(constraint.vocabulary.size)
    eos_set = sets.number(np.array(constraint.vocabulary.eos_token_ids, np.int32))
    emissions = Emissions(
        logits, sets.partition(), check_fixed(fixed or {}, *logits.shape),
        eos_set=eos_set, is_tail_scored=tail == "scored", is_normalized=normalize, end_logprob=end_logprob,
    )  # fmt: skip
    length, ending = emissions.length, Ending(end, budget)
    ahead, padding = _bounds(emissions, constraint)
    first = constraint.start if start is None else start
    order, closed = count(), set[tuple[int, State]]()
    agenda: list[Node] = [(-ahead[0], 0, 0, 0, first, 0.0, ())]
    if constraint.is_terminated(first):
        agenda = [(-padding[0], 0, 0, 0, None, padding[0], ())] if padding[0] > -np.inf else []
    while agenda:
        _, _, _, i, state, weight, tokens = heapq.heappop(agenda)
        if state is None or i == length:
            pads = [emissions.best(j, TAIL, 1)[0][1] for j in range(i, length)]
            return torch.tensor([*spelled(tokens), *pads]), torch.tensor(weight, dtype=torch.float64)
        if (i, state) in closed:
            continue
        closed.add((i, state))
        if len(closed) > most_states:
            raise LimitExceeded(
                f"the best string of the block is not known after {most_states:,} states",
                hint="ask a Lattice, or pass most_states=",
            )
        row = emissions.row(i)
        for after, token_ids in token_classes(constraint, state):
            weights = row[token_ids]
            most = float(weights.max())
            total, target = weight + most, None if constraint.is_terminated(after) else after
            bound = total + (padding if target is None else ahead)[i + 1]
            if bound == -np.inf or (i + 1 == length and not ending.admits(constraint, target)):
                continue
            if target is None:
                total = bound
            elif (i + 1, target) in closed:
                continue
            token = int(token_ids[weights == most].min())
            heapq.heappush(agenda, (-bound, -i - 1, next(order), i + 1, target, total, (tokens, token)))
    raise no_text(emissions, end, "the block")


def _bounds(emissions: Emissions, constraint: Constraint) -> tuple[Float, Float]:
    """(L + 1,) what a text can have at most from a position on, and exactly once it has ended."""
    eos, length = [*constraint.vocabulary.eos_token_ids], emissions.length
    ahead, padding = np.zeros(length + 1), np.zeros(length + 1)
    for i in range(length - 1, -1, -1):
        row, pad = emissions.row(i)[: constraint.vocabulary.size], emissions.best(i, TAIL, 1)
        padding[i] = pad[0][0] + padding[i + 1] if pad else -np.inf
        ended = row[eos].max() + padding[i + 1]
        row[eos] = -np.inf
        ahead[i] = max(row.max() + ahead[i + 1], ended)
    return ahead, padding
