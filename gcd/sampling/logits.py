"""Logits and masks -> one token a row: small functions on (batch, V) tensors, on whatever device the logits are.

Place in the walk: between a model's logits and a Constraint's masks. The order is always mask, temperature, top-k,
top-p, min-p, draw. No state, no global random numbers: the caller brings one uniform number a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

__all__ = ["Warp", "bend", "diagnose", "draw", "unpack_bitmask", "warp"]


@dataclass(frozen=True, slots=True)
class Warp:
    """The knobs that bend the masked distribution; the defaults leave it alone, temperature 0 is greedy."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None

    def __post_init__(self) -> None:
        for name in ("temperature", "top_k", "top_p", "min_p"):
            value = getattr(self, name)
            if not isinstance(value, int | float) and not (value is None and name != "temperature"):
                raise ValueError(f"{name} must be a number, not {value!r}")
        if not (self.temperature >= 0 and math.isfinite(self.temperature)):
            raise ValueError(f"temperature must be a finite number >= 0, not {self.temperature}")
        if self.top_k is not None and (self.top_k < 1 or self.top_k != int(self.top_k)):
            raise ValueError(f"top_k must be an integer >= 1 or None, not {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1] or None, not {self.top_p}")
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p must be in [0, 1] or None, not {self.min_p}")


def unpack_bitmask(words: torch.Tensor, width: int) -> torch.Tensor:
    """int32 words (batch, W) -> bool (batch, width): bit t & 31 of word t >> 5 allows token t; ids past 32 W are False.

    >>> unpack_bitmask(torch.tensor([[0b101]], dtype=torch.int32), 4)
    tensor([[ True, False,  True, False]])
    """
    # bytes of a little-endian int32 hold the bits in order, and byte arithmetic moves a quarter of the memory
    data = words.contiguous().view(torch.uint8)
    bits = 1 << torch.arange(8, dtype=torch.uint8, device=words.device)  # made there: a copy would wait for the device
    allowed = (data.unsqueeze(-1) & bits).ne(0).flatten(1)
    if allowed.shape[1] < width:
        allowed = torch.nn.functional.pad(allowed, (0, width - allowed.shape[1]))
    return allowed[:, :width]


def warp(scores: torch.Tensor, knobs: Warp) -> torch.Tensor:
    """Masked float32 scores (batch, V), -inf where refused -> probabilities (batch, V) after the knobs, rows sum to 1.

    With temperature 0 the row is one at the likeliest token (the lowest id of equals). Ties at the k-th place are kept,
    as transformers does.
    """
    return bend(scores, knobs).softmax(dim=-1)


def bend(scores: torch.Tensor, knobs: Warp) -> torch.Tensor:
    """The scores (batch, V) after the knobs, -inf where a knob leaves a token out, not normalised.

    >>> bend(torch.tensor([[2.0, 1.0, 0.0]]), Warp(temperature=0.5, top_k=2))
    tensor([[0., -2., -inf]])
    """
    if knobs.temperature == 0:
        greedy = torch.full_like(scores, -math.inf)
        return greedy.scatter_(1, scores.argmax(dim=-1, keepdim=True), 0.0)
    # from the maximum down, so that a tiny temperature ends in -inf and never in inf - inf
    held = torch.finfo(scores.dtype)  # a knob that is 0 or infinite in this type would be 0 / 0 or -inf / inf
    scores = (scores - scores.amax(dim=-1, keepdim=True)) / min(max(knobs.temperature, held.tiny), held.max)
    if knobs.top_k is not None and knobs.top_k < scores.shape[-1]:
        kth = scores.topk(knobs.top_k, dim=-1).values[:, -1:]
        scores = scores.masked_fill(scores < kth, -math.inf)
    if knobs.top_p is not None and knobs.top_p < 1:
        ordered, ids = scores.sort(dim=-1, descending=True, stable=True)
        before = ordered.softmax(dim=-1).cumsum(dim=-1) - ordered.softmax(dim=-1)
        dropped = torch.zeros_like(before, dtype=torch.bool).scatter(1, ids, before >= max(knobs.top_p, held.tiny))
        scores = scores.masked_fill(dropped, -math.inf)
    if knobs.min_p:
        scores = scores.masked_fill(scores < math.log(knobs.min_p), -math.inf)  # the maximum is 0
    return scores


def draw(probabilities: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """One token id a row by inversion: (batch, V) probabilities and (batch,) float64 numbers in [0, 1) -> (batch,) ids.

    A token of probability 0 is never drawn, whatever the rounding: sums are float64 and zeros are excluded by name.
    """
    positive = probabilities > 0
    cumulative = probabilities.double().cumsum(dim=-1)
    total = cumulative.masked_fill(~positive, 0).amax(dim=-1)
    target = torch.minimum(uniforms.to(total) * total, total.nextafter(torch.zeros_like(total)))
    return ((cumulative > target.unsqueeze(-1)) & positive).to(torch.uint8).argmax(dim=-1)


def diagnose(scores: torch.Tensor, allowed: torch.Tensor) -> tuple[str, str]:
    """What is wrong with logits (V,) that have no finite maximum over `allowed` (V,), and what to do about it."""
    width = f"{len(scores):,}"
    if nans := int(scores.isnan().sum()):
        return f"are NaN for {nans:,} of {width} tokens", OVERFLOW
    if infinite := int((scores == torch.inf).sum()):
        return f"are +inf for {infinite:,} of {width} tokens", OVERFLOW
    return f"are -inf for each of the {int(allowed.sum()):,} tokens that the grammar allows", REFUSED


OVERFLOW = "Half precision overflows so: load the model with dtype='float32' or 'bfloat16', and check its weights."
REFUSED = "The model gives these tokens no probability at all: is it the model that the tokenizer belongs to?"
