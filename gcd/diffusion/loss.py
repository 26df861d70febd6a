"""constrained_nll: the loss of a model that will be used inside a grammar.

Place in the walk: beside Lattice, for training: a model that is trained so need not learn what the grammar says anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from gcd.diffusion.lattice import End, Lattice, Tail
from gcd.diffusion.token_automaton import BlockLimits
from grammars.errors import EmptyLanguage
from tokenizer_align.constraint import Constraint, State

__all__ = ["constrained_nll"]


def constrained_nll(
    constraint: Constraint,
    logits: torch.Tensor,
    targets: torch.Tensor,
    *,
    fixed: Mapping[int, int] | Sequence[Mapping[int, int]] | None = None,
    start: State | Sequence[State] | None = None,
    tail: Tail = "unscored",
    end: End = "accept",
    budget: int | None = None,
    limits: BlockLimits | None = None,
) -> torch.Tensor:
    """-log q(target) = log Z - log p(target): of one block a number, of a batch (B,); differentiable in the logits.

    `logits` (L, V) or (B, L, V) and the other arguments are those of a Lattice, `targets` (L,) or (B, L) token ids. It
    is the loss of a conditional random field over the strings of the grammar (RegCCRF, 2106.07306).

    >>> constrained_nll(gcd.compile(choices=["ab", "ba"], tokenizer=vocabulary), torch.zeros(2, 3), torch.tensor([0,
    1])) tensor(0.6931, dtype=torch.float64)

    Raises EmptyLanguage where a target is no string of its block, and what `Lattice` raises.
    """
    if targets.shape != logits.shape[:-1]:
        shape = (*logits.shape[:-1],)
        raise ValueError(f"targets must be {shape} token ids, one for each position, not {(*targets.shape,)}")
    lattice = Lattice(constraint, logits, fixed=fixed, start=start, tail=tail, end=end, budget=budget, limits=limits)
    each = targets if lattice.is_batch else targets.unsqueeze(0)
    strings = [dict(enumerate(row)) for row in each.tolist()]
    try:
        lattice.commit(strings if lattice.is_batch else strings[0])
    except EmptyLanguage:
        raise EmptyLanguage(
            "a target is no string of the grammar that its block can hold",
            hint="targets are token ids, with EOS behind the text; `end` and `tail` say how a block may end",
        ) from None
    blocks = logits if lattice.is_batch else logits.unsqueeze(0)
    own = blocks.double().log_softmax(-1).gather(-1, each.unsqueeze(-1).to(blocks.device)).squeeze(-1)
    scored = _is_scored(constraint, each, lattice, tail).to(own.device)
    log_p = own.masked_fill(~scored, 0.0).sum(-1).cpu()
    return lattice.log_z - (log_p if lattice.is_batch else log_p[0])


def _is_scored(constraint: Constraint, targets: torch.Tensor, lattice: Lattice, tail: Tail) -> torch.Tensor:
    """(B, L) whether a position counts: it is not fixed, and not padding that is not scored."""
    fixed = lattice.fixed if isinstance(lattice.fixed, list) else [lattice.fixed]
    is_eos = torch.isin(targets.cpu(), torch.tensor(constraint.vocabulary.eos_token_ids))
    scored = (is_eos.long().cumsum(-1) - is_eos.long() == 0) if tail == "unscored" else torch.ones_like(is_eos)
    for row, known in zip(scored, fixed, strict=True):
        row[[*known]] = False
    return scored
