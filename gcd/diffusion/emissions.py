"""Emissions: what a model's logits over a block say of sets of tokens.

Place in the walk: logits × token sets -> **Emissions** -> the sums of a Lattice. All that looks at V tokens is here,
one pass a position; what follows works on the S sets. Weights are logarithms in float64.

A position that is fixed has one token, of weight 0, whatever its logits are: it is committed, not predicted. The set
`TAIL` has weight 0 where what follows EOS is not scored, and that of the EOS tokens where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.diffusion import kernels
from gcd.diffusion.passes import logsumexp, segment_logsumexp
from gcd.diffusion.token_sets import TAIL, Partition
from gcd.errors import BadBlock

__all__ = ["Best", "Emissions", "invert"]

Float = NDArray[np.float64]
Best: TypeAlias = Callable[[int, int, int], list[tuple[float, int]]]
"""Position, set, k -> the k heaviest tokens of the set there with their weights, heaviest first."""


class Emissions:
    """The weights of one block: logits (L, V), and which positions are fixed."""

    def __init__(
        self,
        logits: torch.Tensor,
        partition: Partition,
        fixed: Mapping[int, int],
        *,
        eos_set: int,
        is_tail_scored: bool,
        is_normalized: bool,
    ) -> None:
        self.logits, self.partition, self.fixed = logits, partition, fixed
        self.eos_set, self.is_tail_scored, self.is_normalized = eos_set, is_tail_scored, is_normalized
        self.eos = frozenset(partition.members(eos_set).tolist())
        self.length = logits.shape[0]
        self._rows: dict[int, Float] = {}

    @cached_property
    def totals(self) -> torch.Tensor:
        """(L,) what is taken off the logits of each position: the logarithm of the sum of all, or 0.

        Raises BadBlock where a logit is NaN or +inf. A position without any possible token is left as it is.
        """
        most = self.logits.detach().amax(dim=-1)
        free = torch.ones(self.length, dtype=torch.bool)
        free[[*self.fixed]] = False
        wrong = (most.isnan() | (most == torch.inf)).cpu() & free
        if wrong.any():
            position = int(wrong.nonzero()[0])
            row = self.logits[position]
            kind, count = (
                ("NaN", int(row.isnan().sum())) if row.isnan().any() else ("+inf", int((row == torch.inf).sum()))
            )
            raise BadBlock(position, kind, count, row.shape[-1])
        if not self.is_normalized:
            return torch.zeros(self.length, dtype=torch.float64)
        found = torch.empty(self.length, dtype=torch.float64)
        for i in range(self.length):
            found[i] = 0.0 if i in self.fixed else torch.logsumexp(self.logits[i].detach().double(), -1)
        return found.masked_fill(found == -torch.inf, 0.0)

    def row(self, position: int) -> Float:
        """(V,) the weights of the tokens at a position."""
        known = self._rows.get(position)
        if known is None:
            if position in self.fixed:
                known = np.full(self.logits.shape[1], -np.inf)
                known[self.fixed[position]] = 0.0
            else:
                row = self.logits[position].detach().double().cpu()
                known = (row - self.totals[position]).numpy()
            if known.nbytes * self.length <= _KEPT:
                self._rows[position] = known
        return known

    def weights(self, position: int, token_ids: NDArray[np.int32]) -> Float:
        """The weights of some tokens at a position."""
        if self.logits.device.type == "cpu" or position in self.fixed or position in self._rows:
            return self.row(position)[token_ids]
        found = self.logits[position].detach()[torch.from_numpy(token_ids).to(self.logits.device).long()]
        weights: Float = (found.double().cpu() - self.totals[position]).numpy()
        return weights

    def tail(self, position: int, eos: float) -> float:
        """The weight of `TAIL`, where that of the EOS tokens is given."""
        if position in self.fixed:
            return 0.0 if self.fixed[position] in self.eos else -np.inf
        return eos if self.is_tail_scored else 0.0

    @cached_property
    def set_sums(self) -> Float:
        """(L, S) the sum of the weights of the tokens of each set."""
        if self.logits.device.type != "cpu":
            with torch.no_grad():
                weights: Float = self.torch_set_weights(self.logits).cpu().numpy()
            return weights
        out = np.empty((self.length, self.partition.num_sets))
        for i in range(self.length):
            out[i] = self._of_sets(i, is_max=False)
        return out

    def set_bests(self) -> Float:
        """(L, S) the weight of the heaviest token of each set."""
        return np.stack([self._of_sets(i, is_max=True) for i in range(self.length)])

    def _of_sets(self, position: int, *, is_max: bool) -> Float:
        p = self.partition
        out, atoms = np.empty(p.num_sets), np.empty(p.num_atoms)
        kernels.sums(self.weights(position, p.tokens), p.atom_start, int(is_max), atoms)
        kernels.sums_by(atoms, p.set_atoms, p.set_start, int(is_max), out)
        out[TAIL] = self.tail(position, out[self.eos_set])
        return out

    def commit(self, more: Mapping[int, int]) -> Emissions:
        """The same with more positions fixed; what is known of the others is taken over."""
        after = copy(self)
        after.fixed = {**self.fixed, **more}
        after._rows = {i: row for i, row in self._rows.items() if i not in more}
        after.totals = self.totals.clone()
        after.set_sums = self.set_sums.copy()
        for i in more:
            after.totals[i] = 0.0
            after.set_sums[i] = after._of_sets(i, is_max=False)
        return after

    def torch_set_weights(self, logits: torch.Tensor) -> torch.Tensor:
        """The same sums as torch operations on logits (L, V) like these, which can be differentiated twice."""
        p, device = self.partition, logits.device
        rows = logits.double()
        if self.is_normalized:
            total = logsumexp(rows)
            rows = rows - total.masked_fill(total == -torch.inf, 0.0).unsqueeze(-1)
        for i, token in self.fixed.items():
            only = torch.full_like(rows[i], -torch.inf)
            only[token] = 0.0
            rows = torch.cat([rows[:i], only.unsqueeze(0), rows[i + 1 :]])
        tokens = torch.from_numpy(p.tokens).to(device).long()
        atom_of = torch.from_numpy(p.atom_of).to(device).long()[tokens]
        atoms = segment_logsumexp(rows[:, tokens], atom_of, p.num_atoms)
        set_of = torch.from_numpy(np.repeat(np.arange(p.num_sets), np.diff(p.set_start))).to(device)
        sets = segment_logsumexp(atoms[:, torch.from_numpy(p.set_atoms).to(device).long()], set_of, p.num_sets)
        tails = torch.tensor([self.tail(i, 0.0) for i in range(self.length)], dtype=torch.float64, device=device)
        if self.is_tail_scored:
            tails = tails + sets[:, self.eos_set]
        return torch.cat([tails.unsqueeze(-1), sets[:, 1:]], dim=-1)

    def token_weights(self, position: int, contexts: Float) -> Float:
        """(V,) the share of each token at a position in log Z, from the contexts of the sets (S,), less log Z.

        What is behind the end and not scored is left out.
        """
        p = self.partition
        sets = contexts.copy()
        if self.is_tail_scored:
            sets[self.eos_set] = np.logaddexp(sets[self.eos_set], sets[TAIL])
        atoms, scratch = np.empty(p.num_atoms), np.empty(p.num_atoms)
        kernels.scatter(sets, p.set_atoms, p.set_start, atoms, scratch)
        row, known = self.row(position), len(p.atom_of)
        out = np.zeros(len(row))  # logits may be wider than the vocabulary
        out[:known] = np.exp(row[:known] + np.append(atoms, -np.inf)[p.atom_of])
        return out

    def gradient(self, contexts: Float, scale: float) -> torch.Tensor:
        """(L, V) the derivatives of scale * log Z by the logits, from the contexts of the sets (L, S), less log Z."""
        out = torch.zeros_like(self.logits)
        for i in range(self.length):
            if i in self.fixed:
                continue
            law = self.token_weights(i, contexts[i])
            if self.is_normalized:
                law -= law.sum() * np.exp(self.row(i))  # what is behind the end is not scored
            out[i] = torch.from_numpy(law * scale)
        return out

    def best(self, position: int, token_set: int, k: int) -> list[tuple[float, int]]:
        """The k heaviest possible tokens of a set, the lowest id first among equals; behind the end one EOS token."""
        if token_set == TAIL and not self.is_tail_scored:
            return [(0.0, self.pad(position))]
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


def invert(weights: Float, uniforms: Float) -> NDArray[np.int64]:
    """Draws from logarithms of weights (n,), one for each uniform number; what is impossible is never drawn."""
    sums = np.cumsum(np.exp(weights - weights.max()))
    last = int(np.searchsorted(sums, sums[-1]))  # the last that adds anything
    drawn: NDArray[np.int64] = np.minimum(np.searchsorted(sums, uniforms * sums[-1], side="right"), last)
    return drawn


_KEPT = 64 << 20
"""Bytes of rows in float64 that one block keeps; longer ones are converted whenever they are looked at."""
