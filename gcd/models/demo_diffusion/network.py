"""Network: the embedded masked diffusion model as a torch module: token ids with masks among them -> logits.

A transformer without a causal mask: every position sees every other one. Positions are rotations (RoPE), so only
distances count and prompts of any length may stand before the block. No dropout, no biases, tied embeddings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Network", "Shape"]

Around: TypeAlias = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""The keys and values (B, heads, W, width) of some positions -> those of all that may be looked at."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a network."""

    vocab_size: int
    width: int = 256
    layers: int = 8
    heads: int = 8


class _Norm(nn.Module):
    """RMSNorm whose weights follow the type of what they scale: no other fuses under autocast."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), 1e-6)


class _Layer(nn.Module):
    """Attention and a feed-forward part, each on normalised inputs and added to them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, self.heads = shape.width, shape.heads
        self.before_attention = _Norm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.query_norm = _Norm(width // shape.heads)
        self.key_norm = _Norm(width // shape.heads)
        self.attended = nn.Linear(width, width, bias=False)
        self.before_feed = _Norm(width)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(
        self, x: torch.Tensor, turns: torch.Tensor, seen: torch.Tensor | None, around: Around | None = None
    ) -> torch.Tensor:
        batch, length, width = x.shape
        parts = self.query_key_value(self.before_attention(x)).view(batch, length, 3, self.heads, -1)
        query, key, value = (part.transpose(1, 2) for part in parts.unbind(2))
        query, key = _turned(self.query_norm(query), turns), _turned(self.key_norm(key), turns)
        if around is not None:
            key, value = around(key, value)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + self.attended(mixed.transpose(1, 2).reshape(batch, length, width))
        fed: torch.Tensor = self.down(functional.gelu(self.up(self.before_feed(x))))
        return x + fed


class Network(nn.Module):
    """Token ids (B, T) -> logits (B, T, V)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab_size, shape.width)
        self.layers = nn.ModuleList(_Layer(shape) for _ in range(shape.layers))
        self.last_norm = _Norm(shape.width)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                near_zero = name.endswith(("attended.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * shape.layers) ** 0.5 if near_zero else 0.02)

    def forward(self, token_ids: torch.Tensor, *, seen: torch.Tensor | None = None, first: int = 0) -> torch.Tensor:
        """`seen` (B, T): which positions may be looked at, by default all. The logits begin at position `first`."""
        mask = None if seen is None else seen[:, None, None, :]
        x = self._read(token_ids, self._turns(token_ids.shape[1]), mask)
        return self._logits(x[:, first:])

    def open_window(
        self, token_ids: torch.Tensor, begin: int, stop: int
    ) -> tuple[torch.Tensor, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]:
        """All logits (B, T, V), and those of positions [begin, stop) for other tokens there: a `WindowedDenoiser`.

        The positions outside keep their keys and values in every layer.
        """
        outside = list[tuple[torch.Tensor, torch.Tensor]]()  # (B, heads, ..., width / heads): before and behind

        def keep(key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            outside.extend((part[:, :, :begin].clone(), part[:, :, stop:].clone()) for part in (key, value))
            return key, value

        def window(inside: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            kept = iter(outside)

            def join(key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                joined = []
                for part in (key, value):
                    before, behind = next(kept)
                    joined.append(torch.cat([before[rows], part, behind[rows]], dim=2))
                return joined[0], joined[1]

            return self._logits(self._read(inside, turns[:, begin:stop], None, join))

        turns = self._turns(token_ids.shape[1])
        return self._logits(self._read(token_ids, turns, None, keep)), window

    def _read(
        self, token_ids: torch.Tensor, turns: torch.Tensor, mask: torch.Tensor | None, around: Around | None = None
    ) -> torch.Tensor:
        x: torch.Tensor = self.embedding(token_ids)
        for layer in self.layers:
            x = layer(x, turns, mask, around)
        return x

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(self.last_norm(x), self.embedding.weight)

    def _turns(self, length: int) -> torch.Tensor:
        return _turns(length, self.shape.width // self.shape.heads, self.embedding.weight)


def _turns(length: int, width: int, like: torch.Tensor) -> torch.Tensor:
    """Cosines and sines of the rotations of each position, shape (2, length, width / 2)."""
    speeds = 10_000.0 ** (-torch.arange(0, width, 2, device=like.device, dtype=torch.float32) / width)
    angles = torch.arange(length, device=like.device, dtype=torch.float32)[:, None] * speeds
    return torch.stack([angles.cos(), angles.sin()]).to(like.dtype)


def _turned(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Each pair (first half, second half) of coordinates rotated by the angle of its position."""
    left, right = x.chunk(2, -1)
    cos, sin = turns.to(x.dtype)
    return torch.cat([left * cos - right * sin, left * sin + right * cos], -1)
