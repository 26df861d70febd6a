"""Sampling by masks: at every step the model's distribution is renormalised over the tokens that the grammar allows.

Place in the walk: Constraint × Session -> rows of tokens. It guarantees that every finished row is in the language and
within its budget. It does *not* sample the model's distribution conditioned on the language: local renormalisation is
biased towards what is likely early (`logprob` and `masked_logprob` of a row are what a correction needs).

A row decides tokens ahead of what the model has read: one drawn token, then the tokens that follow it in every text
of the language. They are read in one forward pass, which scores them as well, so that jumping costs no pass. What
`draft.py` proposes is read there too, and decided by nothing but the draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.errors import BadLogits
from gcd.sampling.bitmask import apply_bitmask_
from gcd.sampling.draft import Draft, no_draft
from gcd.sampling.logits import Warp, diagnose, draw, unpack_bitmask, warp

if TYPE_CHECKING:
    from gcd.models.protocols import Session
    from tokenizer_align.constraint import Constraint, State

__all__ = ["Jump", "Row", "sample_masked", "take_logits"]


@dataclass(slots=True)
class Row:
    """One text in the making.

    `token_ids[:fed]` have been read by the model, `token_ids[:scored]` are counted in the log-probabilities;
    `bound_at` is the first step whose mask the budget narrowed.
    """

    constraint: Constraint
    budget: int
    rng: np.random.Generator
    state: State
    token_ids: list[int] = field(default_factory=list)
    fed: int = 0
    scored: int = 0
    logprob: float = 0.0
    masked_logprob: float = 0.0
    bound_at: int | None = None
    done: bool = False
    error: BadLogits | None = None
    prompt_ids: tuple[int, ...] = ()

    @property
    def data(self) -> bytes:
        """The bytes so far; EOS and other special tokens have none."""
        return self.constraint.vocabulary.decode(self.token_ids)

    def mask(self) -> NDArray[np.int32]:
        """The mask within what is left of the budget; notes when the budget took tokens away."""
        free = self.constraint.mask(self.state)
        bound = self.constraint.mask(self.state, budget=self.budget - len(self.token_ids))
        if self.bound_at is None and bound is not free and not np.array_equal(bound, free):
            self.bound_at = len(self.token_ids)
        return bound

    def decide(self, token_ids: Sequence[int]) -> None:
        """Append tokens, each allowed after the one before; EOS ends the row."""
        for token_id in token_ids:
            self.state = self.constraint.advance(self.state, token_id)
            self.token_ids.append(token_id)
            self.done = token_id in self.constraint.vocabulary.eos_token_ids

    def fail(self, scores: torch.Tensor, allowed: torch.Tensor) -> None:
        """Give the row up: no token can be drawn from `scores` (V,) over `allowed` (V,)."""
        step = self.scored
        text = self.constraint.vocabulary.decode(self.token_ids[:step]).decode("utf-8", "replace")
        self.error = BadLogits(*diagnose(scores, allowed), step=step, text=text)
        self.done = True


Jump: TypeAlias = Callable[[Row], Sequence[int]]
"""The tokens to append to a row without asking the model."""


def sample_masked(
    session: Session, rows: Sequence[Row], knobs: Warp, jump: Jump, draft: Draft = no_draft
) -> Iterator[None]:
    """Run every row to its end; yields after each forward pass, when the rows' `token_ids` have grown.

    What a row drafts is read in the same pass, where the session can take it back. A token is drawn all the same, from
    the same random numbers, and the draft goes on as long as it is what was drawn: so texts are those without it.
    """
    for row in rows:
        row.decide(jump(row))
    while live := [i for i, row in enumerate(rows) if not row.done]:
        queues = [rows[i].token_ids[rows[i].fed :] for i in live]
        if getattr(session, "forgets", False):
            queues = [[*queue, *_ahead(rows[i], draft)] for i, queue in zip(live, queues, strict=True)]
        elif not session.ragged:
            shortest = min(map(len, queues))
            queues = [queue[:shortest] for queue in queues]
        wrong = take_logits([rows[i] for i in live], queues, session.extend(live, queues), knobs, jump)
        if any(wrong):
            session.forget(live, wrong)
        yield


def take_logits(
    rows: Sequence[Row], queues: Sequence[list[int]], logits: Sequence[torch.Tensor], knobs: Warp, jump: Jump
) -> list[int]:
    """What a forward pass over the `queues` of the rows says: it scores what was decided, and decides what follows.

    `logits[i]` are those of `Session.extend` for row i. Returns how many tokens at the end of each queue, which a draft
    read ahead, are not the row's own: the session has to forget them.
    """
    passes = [
        Pass(row, queue, row.fed, row.scored, behind) for row, queue, behind in zip(rows, queues, logits, strict=True)
    ]
    while ends := [(one, last) for one in passes if (last := one.score()) is not None]:
        _step([one.row for one, _ in ends], torch.stack([last for _, last in ends]).float(), knobs, jump)
    for one in passes:
        one.row.fed = one.agreed
    return [one.begin + len(one.read) - one.agreed for one in passes]


def _ahead(row: Row, draft: Draft) -> Sequence[int]:
    """The draft of a row, as far as its budget goes: a model has no positions beyond."""
    return draft(row)[: max(0, row.budget - len(row.token_ids) - 1)]


@dataclass(slots=True)
class Pass:
    """What one pass read of a row from its token `begin` on, drafts included, and the logits from token `start` on."""

    row: Row
    read: list[int]
    begin: int
    start: int
    logits: torch.Tensor

    @property
    def agreed(self) -> int:
        """Up to which token what was read is the row's own."""
        own = self.row.token_ids[self.begin : self.begin + len(self.read)]
        pairs = enumerate(zip(self.read, own, strict=False))
        return self.begin + next((i for i, (read, token) in pairs if read != token), len(own))

    def score(self) -> torch.Tensor | None:
        """Count what the row decided without the model; the logits of its next token, None where there are none."""
        row, end = self.row, min(self.agreed + 1, self.start + len(self.logits))
        if known := row.token_ids[row.scored : end]:
            _score(row, known, self.logits[row.scored - self.start :][: len(known)].float())
        at = len(row.token_ids)
        return self.logits[at - self.start] if not row.done and row.scored == at < end else None


def _score(row: Row, token_ids: Sequence[int], logits: torch.Tensor) -> None:
    """Count tokens that were decided without the model, from its logits (len(token_ids), V) all the same."""
    ids = torch.tensor(token_ids, device=logits.device).unsqueeze(1)
    scores = logits.log_softmax(dim=-1).gather(1, ids).squeeze(1)
    for k, score in enumerate(scores.tolist()):
        if not np.isfinite(score):
            allowed = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
            allowed[token_ids[k]] = True
            return row.fail(logits[k], allowed)
        row.scored += 1
        row.logprob += score
    return None


def _step(rows: Sequence[Row], logits: torch.Tensor, knobs: Warp, jump: Jump) -> None:
    """Draw one token for each row from its float32 logits (batch, V), and what is decided by it."""
    bitmask = _stack([row.mask() for row in rows]).to(logits.device)
    masked = apply_bitmask_(logits.detach().clone(), bitmask)
    probabilities = warp(masked, knobs)
    uniforms = torch.tensor([row.rng.random() for row in rows], dtype=torch.float64).to(logits.device)
    ids = draw(probabilities, uniforms).unsqueeze(1)
    columns = (
        ids,
        logits.log_softmax(dim=-1).gather(1, ids),
        probabilities.gather(1, ids).log(),
        # amax carries NaN along: the row is sound iff both maxima are finite
        logits.amax(dim=-1, keepdim=True).isfinite() & masked.amax(dim=-1, keepdim=True).isfinite(),
    )
    table = torch.cat([column.double() for column in columns], dim=1).tolist()  # the only wait for the device
    for i, (row, (token_id, logprob, masked_logprob, sound)) in enumerate(zip(rows, table, strict=True)):
        if not sound:
            row.fail(logits[i], unpack_bitmask(bitmask[i : i + 1], logits.shape[1])[0])
            continue
        row.scored += 1
        row.logprob += logprob
        row.masked_logprob += masked_logprob
        row.decide([int(token_id)])
        if not row.done:
            row.decide(jump(row))


def _stack(masks: Sequence[NDArray[np.int32]]) -> torch.Tensor:
    """Masks of possibly different vocabularies -> int32 (batch, most words), on the CPU."""
    words = np.zeros((len(masks), max(map(len, masks))), dtype=np.int32)
    for row, mask in zip(words, masks, strict=True):
        row[: len(mask)] = mask
    return torch.from_numpy(words)
