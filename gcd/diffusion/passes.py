"""The same sums as `gcd.diffusion.kernels` as torch operations: on any device, and to be differentiated as often as one
likes.

Place in the walk: beside the kernels, whose slow twin they are. -inf means impossible and has derivative 0.
"""

from __future__ import annotations

import torch

__all__ = ["backward_pass", "logsumexp", "segment_logsumexp"]


def logsumexp(values: torch.Tensor) -> torch.Tensor:
    """Over the last dimension; -inf with gradient 0 where all are -inf."""
    most = values.detach().amax(dim=-1, keepdim=True)
    most = most.masked_fill(most == -torch.inf, 0.0)
    return _log((values - most).exp().sum(dim=-1)) + most.squeeze(-1)


def segment_logsumexp(values: torch.Tensor, segment: torch.Tensor, count: int) -> torch.Tensor:
    """(..., n) values in segments (n,) int64 -> (..., count): the sum of each segment."""
    index = segment.expand(values.shape)
    most = torch.full((*values.shape[:-1], count), -torch.inf, dtype=values.dtype, device=values.device)
    most = most.scatter_reduce(-1, index, values.detach(), "amax")
    most = most.masked_fill(most == -torch.inf, 0.0)
    total = torch.zeros_like(most).scatter_add(-1, index, (values - most.gather(-1, index)).exp())
    return _log(total) + most


def _log(total: torch.Tensor) -> torch.Tensor:
    """The logarithm; -inf of 0, without the infinite derivative."""
    positive = total > 0
    return torch.where(positive, torch.where(positive, total, 1.0).log(), -torch.inf)


def backward_pass(
    source: torch.Tensor, target: torch.Tensor, token_set: torch.Tensor, weights: torch.Tensor, final: torch.Tensor
) -> torch.Tensor:
    """(Q,) the sum of all ways from each state to the end of a block: edges (E,) int64, weights (L, S), final (Q,)."""
    beta = final
    for row in weights.flip(0):
        beta = segment_logsumexp(row[token_set] + beta[target], source, len(final))
    return beta
