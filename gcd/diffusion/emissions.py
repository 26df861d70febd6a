"""Emissions: what a model's logits over a block say of sets of tokens.

Place in the walk: logits × token sets -> **Emissions** -> the sums of a Lattice. All that looks at V tokens is here,
one pass a position; what follows works on the S sets. Weights are logarithms in float64.

A position that is fixed has one token, of weight 0, whatever its logits are: it is committed, not predicted. The set
`TAIL` has weight 0 where what follows EOS is not scored, and that of the EOS tokens where it is.

A fixed EOS token says that the text has ended there or before. Where padding is not scored these are not as likely as
one another by far: the first one in a block weighs `end_logprob` as the end of the text, and nothing as padding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.diffusion import kernels
from gcd.diffusion.passes import logsumexp, segment_logsumexp
from gcd.diffusion.token_sets import TAIL, Partition
from gcd.errors import BadBlock

__all__ = ["Best", "Emissions", "invert", "invert_rows"]

Float = NDArray[np.float64]
Best: TypeAlias = Callable[[int, int, int], list[tuple[float, int]]]
"""Position, set, k -> the k heaviest tokens of the set there with their weights, heaviest first."""


class Emissions:
    """The weights of one block: logits (L, V), and which positions are fixed.

    Raises BadBlock where a logit at a position that is not fixed is NaN or +inf.
    """

    def __init__(
        self,
        logits: torch.Tensor,
        partition: Partition,
        fixed: Mapping[int, int],
        *,
        eos_set: int,
        is_tail_scored: bool,
        is_normalized: bool,
        end_logprob: float = 0.0,
    ) -> None:
        self.logits, self.partition, self.fixed = logits, partition, fixed
        self.eos_set, self.is_tail_scored, self.is_normalized = eos_set, is_tail_scored, is_normalized
        self.eos = frozenset(partition.members(eos_set).tolist())
        self.end_logprob = end_logprob
        self.length = logits.shape[0]
        self.totals = np.zeros(self.length)
        """(L,) what is taken off the logits: the logarithm of the sum of all of a position, or 0."""
        self.set_sums = self._on_device() if logits.device.type != "cpu" else self._by_rows()
        """(L, S) the sum of the weights of the tokens of each set."""

    def _by_rows(self) -> Float:
        return np.stack([self._sets_of(i) for i in range(self.length)])

    def _on_device(self) -> Float:
        with torch.no_grad():
            most = self.logits.amax(dim=-1).double()
            for i, value in enumerate(most.tolist()):
                self._check(i, value)
            if self.is_normalized:
                found = torch.logsumexp(self.logits.double(), -1).cpu().numpy()
                self.totals = np.where(np.isinf(found), 0.0, found)
                self.totals[[*self.fixed]] = 0.0
            weights: Float = self.torch_set_weights(self.logits).cpu().numpy()
            return weights

    def _check(self, position: int, most: float) -> None:
        if not most < np.inf and position not in self.fixed:
            row = self.logits[position].detach()
            nans = int(row.isnan().sum())
            kind, count = ("NaN", nans) if nans else ("+inf", int((row == torch.inf).sum()))
            raise BadBlock(position, kind, count, len(row))

    def _sets_of(self, position: int) -> Float:
        """(S,) the sums of the sets at one position, on the CPU; notes what its logits are to be taken down by."""
        p = self.partition
        out, atoms, known = np.empty(p.num_sets), np.full(p.num_atoms + 1, -np.inf), len(p.atom_of)
        if position in self.fixed:
            token = self.fixed[position]
            if token < known:
                atoms[p.atom_of[token]] = self._fixed_weight(position)
        else:
            row = _float64(self.logits[position])
            most = float(row.max())
            self._check(position, most)
            kernels.atom_sums(row, most, p.atom_of, atoms)
            if self.is_normalized and most > -np.inf:
                every = np.append(atoms, row[known:])  # logits may be wider than the vocabulary
                self.totals[position] = most + np.log(np.exp(every - most).sum())
                atoms -= self.totals[position]
        kernels.sums_by(atoms, p.set_atoms, p.set_start, out)
        out[TAIL] = self._tail(position, out[self.eos_set])
        return out

    def _tail(self, position: int, eos: float) -> float:
        """The weight of `TAIL`, where that of the EOS tokens is given."""
        if position in self.fixed:
            return 0.0 if self.fixed[position] in self.eos else -np.inf
        return eos if self.is_tail_scored else 0.0

    def _first_end(self, fixed: Mapping[int, int]) -> int:
        """The first position that is fixed to EOS, the length of the block where none is."""
        return min((i for i, token in fixed.items() if token in self.eos), default=self.length)

    def _fixed_weight(self, position: int) -> float:
        """The weight of a fixed token, of EOS as the end of the text."""
        is_end = not self.is_tail_scored and position == self._first_end(self.fixed)
        return self.end_logprob if is_end else 0.0

    def end_logprob_with(self, more: Mapping[int, int]) -> float:
        """The weight of the first fixed EOS as the end of the text, where more tokens are fixed."""
        first = self._first_end({**self.fixed, **more})
        if self.is_tail_scored or first == self.length or first in self.fixed:
            return self.end_logprob
        return float(self.weights(first, np.array([more[first]], np.int32))[0])

    def commit(self, more: Mapping[int, int]) -> Emissions:
        """The same with more positions fixed; what is known of the others is taken over."""
        after = copy(self)
        after.end_logprob = self.end_logprob_with(more)
        after.fixed = {**self.fixed, **more}
        after.totals, after.set_sums = self.totals.copy(), self.set_sums.copy()
        for i in more:
            after.totals[i] = 0.0
            after.set_sums[i] = after._sets_of(i)
        return after

    def row(self, position: int) -> Float:
        """(V,) the weights of the tokens at a position."""
        if position in self.fixed:
            row = np.full(self.logits.shape[1], -np.inf)
            row[self.fixed[position]] = self._fixed_weight(position)
            return row
        weights: Float = _float64(self.logits[position]) - self.totals[position]
        return weights

    def weights(self, position: int, token_ids: NDArray[np.int32]) -> Float:
        """The weights of some tokens at a position."""
        if position in self.fixed:
            return np.where(token_ids == self.fixed[position], self._fixed_weight(position), -np.inf)
        row = self.logits[position].detach()
        if row.device.type == "cpu" and row.dtype != torch.bfloat16:
            found: Float = row.numpy()[token_ids].astype(np.float64)
        else:
            found = _float64(row[torch.from_numpy(token_ids).to(row.device).long()])
        weights: Float = found - self.totals[position]
        return weights

    def set_bests(self) -> Float:
        """(L, S) the weight of the heaviest token of each set."""
        p = self.partition
        out, atoms = np.empty((self.length, p.num_sets)), np.empty(p.num_atoms)
        places = np.arange(len(p.tokens), dtype=np.int32)
        for i in range(self.length):
            kernels.most_by(self.weights(i, p.tokens), places, p.atom_start, atoms)
            kernels.most_by(atoms, p.set_atoms, p.set_start, out[i])
            out[i, TAIL] = self._tail(i, out[i, self.eos_set])
        return out

    def torch_set_weights(self, logits: torch.Tensor) -> torch.Tensor:
        """(L, S) the sums of the sets as torch operations on logits like these, to be differentiated twice."""
        p, device = self.partition, logits.device
        known = torch.tensor([*self.fixed], dtype=torch.long, device=device)
        is_free = torch.ones(self.length, 1, dtype=torch.bool, device=device)
        is_free[known] = False
        rows = torch.where(is_free, logits.double(), 0.0)  # what is fixed may be NaN, and its gradient is 0
        if self.is_normalized:
            total = logsumexp(rows)
            rows = rows - total.masked_fill(total == -torch.inf, 0.0).unsqueeze(-1)
        only = torch.full((len(known), rows.shape[1]), -torch.inf, dtype=rows.dtype, device=device)
        fixed_weights = torch.tensor([self._fixed_weight(i) for i in self.fixed], dtype=rows.dtype, device=device)
        only[torch.arange(len(known)), [*self.fixed.values()]] = fixed_weights
        rows = rows.index_copy(0, known, only)
        tokens = torch.from_numpy(p.tokens).to(device).long()
        atom_of = torch.from_numpy(p.atom_of).to(device).long()[tokens]
        atoms = segment_logsumexp(rows[:, tokens], atom_of, p.num_atoms)
        set_of = torch.from_numpy(np.repeat(np.arange(p.num_sets), np.diff(p.set_start))).to(device)
        sets = segment_logsumexp(atoms[:, torch.from_numpy(p.set_atoms).to(device).long()], set_of, p.num_sets)
        tails = torch.tensor([self._tail(i, 0.0) for i in range(self.length)], dtype=torch.float64, device=device)
        if self.is_tail_scored:
            tails = tails + sets[:, self.eos_set]
        return torch.cat([tails.unsqueeze(-1), sets[:, 1:]], dim=-1)

    def token_weights(self, position: int, contexts: Float) -> Float:
        """(V,) the share of each token at a position in log Z, from the contexts of the sets (S,), less log Z.

        What is behind the end and not scored is left out.
        """
        out = np.zeros(self.logits.shape[1])
        kernels.token_shares(self.row(position), self._atom_contexts(contexts), self.partition.atom_of, out)
        return out

    def _atom_contexts(self, contexts: Float) -> Float:
        """(A + 1,) the same of atoms; -inf for the tokens that are in no set."""
        p, sets = self.partition, contexts
        if self.is_tail_scored:
            sets = contexts.copy()
            sets[self.eos_set] = np.logaddexp(sets[self.eos_set], sets[TAIL])
        atoms = np.full(p.num_atoms + 1, -np.inf)
        kernels.scatter(sets, p.set_atoms, p.set_start, atoms[:-1])
        return atoms

    def gradient(self, contexts: Float, scale: float) -> torch.Tensor:
        """(L, V) the derivatives of scale * log Z by the logits, from the contexts of the sets (L, S), less log Z."""
        if self.logits.device.type != "cpu":
            return self._gradient_on_device(contexts, scale)
        out, law = torch.empty_like(self.logits), np.empty(self.logits.shape[1])
        into = out.numpy() if out.dtype != torch.bfloat16 else None
        shares = np.exp(contexts + self.set_sums)
        if not self.is_tail_scored:
            shares[:, TAIL] = 0.0  # behind the end nothing is taken down: the sum of a position may be less than 1
        taken = shares.sum(axis=1) * self.is_normalized
        for i in range(self.length):
            if i in self.fixed:
                out[i] = 0.0
                continue
            atoms = self._atom_contexts(contexts[i])
            kernels.gradient(self.row(i), atoms, self.partition.atom_of, taken[i], law)
            if into is None:
                out[i] = torch.from_numpy(law * scale)
            else:
                np.multiply(law, scale, out=into[i], casting="same_kind")
        return out

    def _gradient_on_device(self, contexts: Float, scale: float) -> torch.Tensor:
        """The same as torch operations, of all positions at once; only the contexts of atoms go there."""
        p, logits = self.partition, self.logits.detach()
        atoms = torch.from_numpy(np.stack([self._atom_contexts(row) for row in contexts])).to(logits.device)
        atom_of = np.full(logits.shape[1], p.num_atoms, np.int64)  # logits may be wider than the vocabulary
        atom_of[: len(p.atom_of)] = p.atom_of
        rows = logits.double() - torch.from_numpy(self.totals).to(logits.device).unsqueeze(-1)
        law = (rows + atoms[:, torch.from_numpy(atom_of).to(logits.device)]).exp()
        if self.is_normalized:
            law -= law.sum(-1, keepdim=True) * rows.exp()
        law[[*self.fixed]] = 0.0
        return (law * scale).to(logits.dtype)

    def best(self, position: int, token_set: int, k: int) -> list[tuple[float, int]]:
        """The k heaviest possible tokens of a set, the lowest id first among equals; behind the end one EOS token."""
        if token_set == TAIL and not self.is_tail_scored:
            return [(0.0, self.pad(position))] if self._tail(position, 0.0) > -np.inf else []
        ids = self.partition.members(self.eos_set if token_set == TAIL else token_set)
        weights = self.weights(position, ids)
        if k < len(ids):
            least = np.partition(weights, len(ids) - k)[len(ids) - k]
            kept = weights >= least
            ids, weights = ids[kept], weights[kept]
        order = np.argsort(-weights, kind="stable")[:k]
        return [(w, t) for w, t in zip(weights[order].tolist(), ids[order].tolist(), strict=True) if w > -np.inf]

    def pad(self, position: int) -> int:
        """The token behind the end of a text where none is scored: the lowest EOS id, or what is fixed there."""
        return self.fixed.get(position, min(self.eos))

    def draw(self, position: int, token_sets: NDArray[np.int64], uniforms: Float) -> NDArray[np.int64]:
        """One token of each of n sets (n,), by its weight; uniforms (n,) in [0, 1)."""
        out = np.empty(len(token_sets), np.int64)
        for token_set in np.unique(token_sets).tolist():
            here = token_sets == token_set
            if token_set == TAIL and not self.is_tail_scored:
                out[here] = self.pad(position)
                continue
            ids = self.partition.members(self.eos_set if token_set == TAIL else token_set)
            out[here] = ids[invert(self.weights(position, ids), uniforms[here])]
        return out


def _float64(logits: torch.Tensor) -> Float:
    """Logits as numpy's float64. By numpy: threads of torch that share busy cores wait for one another."""
    logits = logits.detach().cpu()
    found: Float = (logits.float() if logits.dtype == torch.bfloat16 else logits).numpy().astype(np.float64)
    return found


def invert(weights: Float, uniforms: Float) -> NDArray[np.int64]:
    """Draws from logarithms of weights (n,), one for each uniform number; what is impossible is never drawn."""
    sums = np.cumsum(np.exp(weights - weights.max()))
    last = int(np.searchsorted(sums, sums[-1]))  # the last that adds anything
    drawn: NDArray[np.int64] = np.minimum(np.searchsorted(sums, uniforms * sums[-1], side="right"), last)
    return drawn


def invert_rows(weights: Float, uniforms: Float) -> NDArray[np.int64]:
    """The same for logarithms of weights (..., n) and uniform numbers (...,), one draw from each row."""
    sums = np.cumsum(np.exp(weights - weights.max(axis=-1, keepdims=True)), axis=-1)
    last = (sums < sums[..., -1:]).sum(axis=-1)
    drawn: NDArray[np.int64] = np.minimum((sums <= uniforms[..., None] * sums[..., -1:]).sum(axis=-1), last)
    return drawn
